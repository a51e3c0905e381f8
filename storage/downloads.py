"""Links by which somebody fetches what is known of him: one a day, for a few times."""

import re
from datetime import datetime, timedelta
from typing import NamedTuple

from content.privacy import mark, marked
from storage.db import Sql, Tx, to_ms
from storage.ids import new_id
from storage.members import Identity

LIFE = timedelta(hours=24)
TIMES = 3

_COLUMNS = "programme_id, id, platform, user_id, locale, until_ms, remaining"
_FREE = Sql(
    "DELETE FROM download WHERE programme_id = :programme AND platform = :platform"
    " AND user_id = :user AND until_ms <= :now"
)
_PUT = Sql(
    f"INSERT INTO download ({_COLUMNS}) VALUES (:programme, :id, :platform, :user, :locale,"
    f" :until, {TIMES}) ON CONFLICT (programme_id, platform, user_id) DO NOTHING"
)
_OF = Sql(
    f"SELECT {_COLUMNS} FROM download WHERE programme_id = :programme AND platform = :platform"
    " AND user_id = :user"
)
_GET = Sql(f"SELECT {_COLUMNS} FROM download WHERE programme_id = :programme AND id = :id")
_TAKE = Sql(
    "UPDATE download SET remaining = remaining - 1 WHERE programme_id = :programme AND id = :id"
    f" AND remaining > 0 AND until_ms > :now RETURNING {_COLUMNS}"
)
_FORGET = Sql("DELETE FROM download WHERE until_ms <= :now")
_FORGET_OF = Sql("DELETE FROM download WHERE platform = :platform AND user_id = :user")
_NUMBER = re.compile("[0-9]{1,19}")
_ID_END = 2**63


class Download(NamedTuple):
    """A link: whose data it opens, in which language, until when, and how many times still."""

    programme_id: int
    id: int
    platform: str
    user_id: str
    locale: str
    until_ms: int
    remaining: int


def make(tx: Tx, programme_id: int, who: Identity, locale: str, now: datetime) -> Download:
    """Return somebody's link; the same one for as long as it is good, used up or not."""
    own = {"programme": programme_id, "platform": who[0], "user": who[1]}
    tx.run(_FREE, **own, now=to_ms(now))
    tx.run(_PUT, **own, id=new_id(), locale=locale, until=to_ms(now + LIFE))
    return Download._make(tx.one(_OF, **own))


def token(tx: Tx, link: Download) -> str:
    """Return what stands in the address of a link."""
    name = f"{link.programme_id}-{link.id}"
    return f"{name}-{mark(tx.secret, 'download', name, f'{link.until_ms}')}"


def find(tx: Tx, given: str, now: datetime) -> Download | None:
    """Return the link of an address, used up or not; None for one that is wrong or over."""
    programme, _, rest = given.partition("-")
    id_, _, signed = rest.partition("-")
    numbers = [int(part) for part in (programme, id_) if _NUMBER.fullmatch(part)]
    if not tx.secret or len(numbers) < 2 or max(numbers) >= _ID_END:  # noqa: PLR2004 - both
        return None
    row = tx.one(_GET, programme=numbers[0], id=numbers[1])
    if row is None:
        return None
    link = Download._make(row)
    name = f"{link.programme_id}-{link.id}"
    right = marked(tx.secret, signed, "download", name, f"{link.until_ms}")
    return link if right and link.until_ms > to_ms(now) else None


def take(tx: Tx, given: str, now: datetime) -> Download | None:
    """Use a link once; None for one that is wrong, over, or used up."""
    link = find(tx, given, now)
    if link is None:
        return None
    row = tx.one(_TAKE, programme=link.programme_id, id=link.id, now=to_ms(now))
    return Download._make(row) if row else None


def forget_old(tx: Tx, now: datetime) -> int:
    """Remove links that are over; return how many."""
    gone: int = tx.run(_FORGET, now=to_ms(now)).rowcount
    return gone


def forget(tx: Tx, who: Identity) -> None:
    """Remove the links of an account."""
    tx.run(_FORGET_OF, platform=who[0], user=who[1])
