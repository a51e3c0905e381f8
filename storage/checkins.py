"""Check-ins: one a day and member, as dates, with the streak kept in the packed account row."""

from datetime import date, datetime, timedelta

from content.checkin import streak_ending
from storage.db import Sql, Tx, to_day, to_ms

_ADD = Sql(
    "INSERT INTO checkin (programme_id, member_id, day, at_ms)"
    " VALUES (:programme, :member, :day, :at) ON CONFLICT DO NOTHING"
)
_COUNT = Sql(
    "UPDATE account SET streak = CASE WHEN checkin_day = :yesterday THEN streak + 1"
    " WHEN checkin_day < :day THEN 1 ELSE streak END,"
    " checkin_day = CASE WHEN checkin_day < :day THEN :day ELSE checkin_day END"
    " WHERE programme_id = :programme AND owner_id = :member AND wallet = 'points'"
    " RETURNING checkin_day, streak"
)
_KEEP = Sql(
    "UPDATE account SET streak = :streak WHERE programme_id = :programme"
    " AND owner_id = :member AND wallet = 'points'"
)
_DAYS = Sql("SELECT day FROM checkin WHERE programme_id = :programme AND member_id = :member")


def add(tx: Tx, programme_id: int, member_id: int, day: date, now: datetime) -> int | None:
    """Note a check-in and return the streak that ends with it; None when there was one already.

    A day that comes late (yesterday's message delivered after today's) fills its gap: its own
    streak is returned, and the member's runs through it.
    """
    who = {"programme": programme_id, "member": member_id}
    if tx.run(_ADD, **who, day=day, at=to_ms(now)).rowcount == 0:
        return None
    last, streak = tx.one(_COUNT, **who, day=day, yesterday=day - timedelta(days=1))
    last = to_day(last) or day
    if last == day:
        return int(streak)
    days = _days(tx, programme_id, member_id)
    tx.run(_KEEP, **who, streak=streak_ending(days, last))
    return streak_ending(days, day)


def _days(tx: Tx, programme_id: int, member_id: int) -> set[date]:
    rows = tx.all(_DAYS, programme=programme_id, member=member_id)
    return {day for (raw,) in rows if (day := to_day(raw)) is not None}
