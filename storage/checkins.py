"""Check-ins: one a day and member, as dates, with the streak kept in the packed account row."""

from datetime import date, datetime, timedelta

from content.checkin import streak_after, streak_ending
from storage.db import Sql, Tx, to_day, to_ms
from storage.members import Member

_ADD = Sql(
    "INSERT INTO checkin (programme_id, member_id, day, at_ms)"
    " VALUES (:programme, :member, :day, :at) ON CONFLICT DO NOTHING"
)
_KEEP = Sql(
    "UPDATE account SET checkin_day = :day, streak = :streak WHERE programme_id = :programme"
    " AND owner_id = :member AND wallet = 'points'"
)
_AROUND = Sql(
    "SELECT day FROM checkin WHERE programme_id = :programme AND member_id = :member"
    " AND day >= :first ORDER BY day"
)
STREAK_LOOKBACK = timedelta(days=400)


def add(tx: Tx, programme_id: int, member: Member, day: date, now: datetime) -> int | None:
    """Note a check-in and return the streak that ends with it; None when there was one already.

    A day that comes late (yesterday's message delivered after today's) fills its gap: its own
    streak is returned, and the member's runs through it.
    """
    done = tx.run(_ADD, programme=programme_id, member=member.id, day=day, at=to_ms(now))
    if done.rowcount == 0:
        return None
    last = member.checkin_day
    if last is None or day > last:
        streak, latest, latest_streak = streak_after(last, member.streak, day), day, 0
        latest_streak = streak
    else:
        days = _days_since(tx, programme_id, member.id, day - STREAK_LOOKBACK)
        streak, latest = streak_ending(days, day), last
        latest_streak = streak_ending(days, last)
    tx.run(_KEEP, programme=programme_id, member=member.id, day=latest, streak=latest_streak)
    return streak


def _days_since(tx: Tx, programme_id: int, member_id: int, first: date) -> set[date]:
    rows = tx.all(_AROUND, programme=programme_id, member=member_id, first=first)
    return {day for (raw,) in rows if (day := to_day(raw)) is not None}
