"""Who has been here before and was erased: nobody is named, and nobody is new a second time."""

from datetime import datetime, timedelta

from content.privacy import mark
from storage.db import Sql, Tx, to_ms
from storage.members import Identity

KEPT = timedelta(days=365)

_PUT = Sql(
    "INSERT INTO tombstone (programme_id, mark, until_ms) VALUES (:programme, :mark, :until)"
    " ON CONFLICT (programme_id, mark) DO UPDATE SET until_ms = excluded.until_ms"
)
_GET = Sql("SELECT until_ms FROM tombstone WHERE programme_id = :programme AND mark = :mark")
_FORGET = Sql("DELETE FROM tombstone WHERE until_ms <= :now")
_IDENTITIES = Sql(
    "SELECT platform, user_id FROM identity WHERE programme_id = :programme AND member_id = :member"
    " ORDER BY platform, user_id"
)


def identities(tx: Tx, programme_id: int, member_id: int) -> list[Identity]:
    """Return the accounts of a member."""
    rows = tx.all(_IDENTITIES, programme=programme_id, member=member_id)
    return [(platform, user) for platform, user in rows]


def put(tx: Tx, programme_id: int, who: Identity, now: datetime) -> None:
    """Remember for a year that this account was here. Errors: ValueError without a secret."""
    if not tx.secret:
        raise ValueError("without the installation's secret a mark could be guessed")
    until = to_ms(now + KEPT)
    tx.run(_PUT, programme=programme_id, mark=_mark(tx, programme_id, who), until=until)


def until(tx: Tx, programme_id: int, member_id: int) -> int | None:
    """Return until when (ms) it is remembered that a member was here before; None for a new one."""
    found = [
        tx.one(_GET, programme=programme_id, mark=_mark(tx, programme_id, who))
        for who in identities(tx, programme_id, member_id)
    ]
    return max((row[0] for row in found if row), default=None)


def remembers(tx: Tx, programme_id: int, who: Identity) -> bool:
    """Whether the one behind an account was here before, and has been erased since."""
    mark_ = _mark(tx, programme_id, who)
    return bool(tx.secret) and tx.one(_GET, programme=programme_id, mark=mark_) is not None


def returned(tx: Tx, programme_id: int, member_id: int) -> bool:
    """Whether a member has been here before: what is paid to newcomers is not paid to him again."""
    return until(tx, programme_id, member_id) is not None


def forget_old(tx: Tx, now: datetime) -> int:
    """Forget what has been remembered long enough; return of how many."""
    gone: int = tx.run(_FORGET, now=to_ms(now)).rowcount
    return gone


def _mark(tx: Tx, programme_id: int, who: Identity) -> str:
    return mark(tx.secret, "person", f"{programme_id}", *who)
