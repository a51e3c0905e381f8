"""Codes that start links carry, and the invite links into groups that belong to them."""

from datetime import datetime, timedelta
from random import Random, SystemRandom
from typing import NamedTuple

from content import referral
from storage.db import Sql, Tx, to_ms

GROUPS_MAX = 5
"""Into so many groups of a programme a code leads."""
ASK_AGAIN = timedelta(hours=1)
"""A link that was refused, or never came, is asked for again after that."""


class Code(NamedTuple):
    """A member's own code, or an entrance's (`member_id` 0), which has a name."""

    programme_id: int
    code: str
    member_id: int
    name: str
    clicks: int

    @property
    def payload(self) -> str:
        """What a start link carries."""
        return (referral.MEMBER if self.member_id else referral.ENTRANCE) + self.code


class Way(NamedTuple):
    """A group of a programme, and a code's own link into it ("" where there is none)."""

    group_id: int
    platform: str
    chat_id: str
    title: str
    url: str
    asked_ms: int


_COLUMNS = "programme_id, code, member_id, name, clicks"
_OF = Sql(
    f"SELECT {_COLUMNS} FROM invite_code WHERE programme_id = :programme AND member_id = :member"
    " AND name = :name"
)
_ADD = Sql(
    "INSERT INTO invite_code (programme_id, code, member_id, name, made_ms)"
    " VALUES (:programme, :code, :member, :name, :at) ON CONFLICT DO NOTHING"
)
_BY_CODE = "WHERE code = :code ORDER BY programme_id LIMIT 1"
_FIND = Sql(
    # told, because SQLite would rather look into every programme
    f"SELECT {_COLUMNS} FROM invite_code INDEXED BY ix_invite_code_code {_BY_CODE}",
    postgres=f"SELECT {_COLUMNS} FROM invite_code {_BY_CODE}",
)
_CLICKED = Sql(
    "UPDATE invite_code SET clicks = clicks + 1 WHERE programme_id = :programme AND code = :code"
)
_ENTRANCES = Sql(
    f"SELECT {_COLUMNS} FROM invite_code WHERE programme_id = :programme AND member_id = 0"
    " ORDER BY made_ms, code LIMIT :most"
)
_WAYS = Sql(
    "SELECT g.id, g.platform, g.chat_id, g.title, COALESCE(l.url, ''), COALESCE(l.asked_ms, 0)"
    " FROM chat_group g LEFT JOIN invite_link l ON l.programme_id = g.programme_id"
    " AND l.group_id = g.id AND l.code = :code"
    " WHERE g.programme_id = :programme AND g.platform = :platform AND g.state = 'active'"
    " ORDER BY g.id LIMIT :most"
)
_ASK = Sql(
    "INSERT INTO invite_link (programme_id, code, group_id, asked_ms)"
    " VALUES (:programme, :code, :group, :at) ON CONFLICT (programme_id, code, group_id)"
    " DO UPDATE SET asked_ms = excluded.asked_ms, state = 'asked'"
    " WHERE invite_link.url = '' AND invite_link.asked_ms <= :before RETURNING code"
)
_MADE = Sql(
    "UPDATE invite_link SET url = :url, state = 'made'"
    " WHERE programme_id = :programme AND code = :code AND group_id = :group AND url = ''"
)
_REFUSED = Sql(
    "UPDATE invite_link SET state = 'refused'"
    " WHERE programme_id = :programme AND code = :code AND group_id = :group AND url = ''"
)
_BY_URL = Sql(
    "SELECT c.programme_id, c.code, c.member_id, c.name, c.clicks FROM invite_link l"
    " JOIN invite_code c ON c.programme_id = l.programme_id AND c.code = l.code"
    " WHERE l.programme_id = :programme AND l.url = :url LIMIT 1"
)


def issue(
    tx: Tx,
    programme_id: int,
    member_id: int,
    now: datetime,
    *,
    name: str = "",
    rng: Random | None = None,
) -> Code:
    """Return a member's code (or, for member 0, the entrance's of that name), made at first."""
    own = {"programme": programme_id, "member": member_id, "name": name}
    row = tx.one(_OF, **own)
    while row is None:  # a code that somebody has is drawn once more
        tx.run(_ADD, **own, code=referral.new_code(rng or SystemRandom()), at=to_ms(now))
        row = tx.one(_OF, **own)
    return Code._make(row)


def find(tx: Tx, code: str) -> Code | None:
    """Return a code of any programme: a start link is followed by people of none."""
    row = tx.one(_FIND, code=code)
    return Code._make(row) if row else None


def clicked(tx: Tx, code: Code) -> None:
    """Count somebody who has followed it for the first time."""
    tx.send(_CLICKED, programme=code.programme_id, code=code.code)


def entrances(tx: Tx, programme_id: int, *, most: int = 50) -> list[Code]:
    """Return a programme's entrances, the oldest first."""
    return [Code._make(row) for row in tx.all(_ENTRANCES, programme=programme_id, most=most)]


def ways(tx: Tx, programme_id: int, platform: str, code: str) -> list[Way]:
    """Return the groups of a programme on a platform, with the code's link into each."""
    rows = tx.all(
        _WAYS, programme=programme_id, platform=platform, code=code, most=GROUPS_MAX
    )  # fmt: skip
    return [Way._make(row) for row in rows]


def ask(tx: Tx, programme_id: int, code: str, group_id: int, now: datetime) -> bool:
    """Note that a link is being asked for; False where it is there, or was asked for just now."""
    row = tx.one(
        _ASK,
        programme=programme_id,
        code=code,
        group=group_id,
        at=to_ms(now),
        before=to_ms(now - ASK_AGAIN),
    )
    return row is not None


def made(tx: Tx, programme_id: int, code: str, group_id: int, url: str) -> None:
    """Keep a link that was made: the first one stands. An empty address notes a refusal."""
    own = {"programme": programme_id, "code": code, "group": group_id}
    if url:
        tx.run(_MADE, **own, url=url)
    else:
        tx.run(_REFUSED, **own)


def by_url(tx: Tx, programme_id: int, url: str) -> Code | None:
    """Return whose link that is; None for one that we have not made."""
    if not url:
        return None
    row = tx.one(_BY_URL, programme=programme_id, url=url)
    return Code._make(row) if row else None
