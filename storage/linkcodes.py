"""Codes by which a member lets another account become his; one for each member, kept as a hash."""

from datetime import datetime, timedelta
from typing import NamedTuple

from storage.db import Sql, Tx, from_ms, to_ms

OPEN, USED = "open", "used"
HOUR = timedelta(hours=1)

_MAKE = Sql(
    "INSERT INTO link_code (programme_id, member_id, hash, due_ms)"
    " VALUES (:programme, :member, :hash, :due) ON CONFLICT (programme_id, member_id)"
    " DO UPDATE SET hash = excluded.hash, due_ms = excluded.due_ms, state = 'open'"
)
_FIND = Sql(
    "SELECT member_id, state, due_ms FROM link_code"
    " WHERE programme_id = :programme AND hash = :hash"
)
_ANYWHERE = Sql("SELECT 1 FROM link_code WHERE hash = :hash LIMIT 1")
_USE = Sql(
    "UPDATE link_code SET state = 'used' WHERE programme_id = :programme AND hash = :hash"
    " AND state = 'open' AND due_ms > :now RETURNING member_id"
)
_VOID = Sql("UPDATE link_code SET state = 'void' WHERE hash = :hash AND state = 'open'")
_TRIED = Sql(
    "SELECT tries FROM link_try WHERE programme_id = :programme AND member_id = :member"
    " AND since_ms > :hour"
)
_TRY = Sql(
    "INSERT INTO link_try (programme_id, member_id, since_ms, tries)"
    " VALUES (:programme, :member, :now, 1) ON CONFLICT (programme_id, member_id) DO UPDATE SET"
    " tries = CASE WHEN link_try.since_ms > :hour THEN link_try.tries + 1 ELSE 1 END,"
    " since_ms = CASE WHEN link_try.since_ms > :hour THEN link_try.since_ms ELSE :now END"
    " RETURNING tries"
)


class Code(NamedTuple):
    """A code: whose it is, `open`, `used` or `void`, and until when."""

    member_id: int
    state: str
    due: datetime


def make(tx: Tx, programme_id: int, member_id: int, hashed: str, due: datetime) -> None:
    """Keep a member's new code; the one before is forgotten."""
    tx.run(_MAKE, programme=programme_id, member=member_id, hash=hashed, due=to_ms(due))


def find(tx: Tx, programme_id: int, hashed: str) -> Code | None:
    """Return a code of a programme, None when there is none."""
    row = tx.one(_FIND, programme=programme_id, hash=hashed)
    return Code(row[0], row[1], from_ms(row[2])) if row else None


def anywhere(tx: Tx, hashed: str) -> bool:
    """Whether it is a code of some programme."""
    return tx.one(_ANYWHERE, hash=hashed) is not None


def use(tx: Tx, programme_id: int, hashed: str, now: datetime) -> bool:
    """Use a code up; False when it is not open any more: one of two at once."""
    return tx.one(_USE, programme=programme_id, hash=hashed, now=to_ms(now)) is not None


def void(tx: Tx, hashed: str) -> bool:
    """Let a code that others have seen be none, whichever programme's it is; False for none."""
    return bool(tx.run(_VOID, hash=hashed).rowcount)


def tries(tx: Tx, programme_id: int, member_id: int, now: datetime) -> int:
    """Return how many codes a member has tried within the hour."""
    of = {"programme": programme_id, "member": member_id}
    row = tx.one(_TRIED, **of, hour=to_ms(now - HOUR))
    return int(row[0]) if row else 0


def note_try(tx: Tx, programme_id: int, member_id: int, now: datetime) -> int:
    """Count a code that a member tries; return how many that makes within the hour."""
    of = {"programme": programme_id, "member": member_id}
    row = tx.one(_TRY, **of, now=to_ms(now), hour=to_ms(now - HOUR))
    return int(row[0])
