"""What members do that is counted by the day for a month: numbers alone, and no words."""

from datetime import date, timedelta
from typing import Literal

from storage.db import Sql, Tx, to_day

What = Literal["left", "alike"]
KEPT_DAYS = 30
_NOTE = Sql(
    "INSERT INTO habit (programme_id, what, day, member_id, times)"
    " VALUES (:programme, :what, :day, :member, :times)"
    " ON CONFLICT (programme_id, what, day, member_id)"
    " DO UPDATE SET times = habit.times + excluded.times"
)
_SINCE = Sql(
    "SELECT member_id, day, times FROM habit WHERE programme_id = :programme AND what = :what"
    " AND day >= :first AND member_id IN (SELECT member_id FROM habit"
    " WHERE programme_id = :programme AND what = :what AND day = :last)"
)
_FORGET = Sql(
    "DELETE FROM habit WHERE programme_id = :programme AND what IN ('left', 'alike')"
    " AND day < :before"
)


def note(  # noqa: PLR0917 - who, what, when
    tx: Tx, programme_id: int, member_id: int, day: date, what: What, times: int = 1
) -> None:
    """Count something that a member has done on a day."""
    values = {"programme": programme_id, "member": member_id, "day": day}
    tx.send(_NOTE, **values, what=what, times=times)


def since(
    tx: Tx, programme_id: int, what: What, first: date, last: date
) -> dict[int, dict[date, int]]:
    """Return by member and day how many times, of those who did it on the last day."""
    found: dict[int, dict[date, int]] = {}
    values = {"programme": programme_id, "what": what, "first": first, "last": last}
    for member, raw, times in tx.all(_SINCE, **values):
        found.setdefault(member, {})[to_day(raw) or last] = times
    return found


def forget(tx: Tx, programme_id: int, today: date) -> None:
    """Forget what is older than a month."""
    before = today - timedelta(days=KEPT_DAYS)
    tx.run(_FORGET, programme=programme_id, before=before)
