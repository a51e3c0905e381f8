"""Check-ins: one a day and member, as dates, with the streak kept in the packed account row."""

from datetime import date, datetime, timedelta

from content.checkin import streak_ending
from storage import ledger
from storage.db import Sql, Tx, to_day, to_ms

_ADD = Sql(
    "INSERT INTO checkin (programme_id, member_id, day, at_ms)"
    " VALUES (:programme, :member, :day, :at) ON CONFLICT DO NOTHING"
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
    account = ledger.account(tx, programme_id, member_id)
    last = account.checkin_day
    if day > last:
        streak = account.streak + 1 if day - last == timedelta(days=1) else 1
        tx.books.put(account._replace(checkin_day=day, streak=streak))
        return streak
    days = _days(tx, programme_id, member_id)
    tx.books.put(account._replace(streak=streak_ending(days, last)))
    return streak_ending(days, day)


def _days(tx: Tx, programme_id: int, member_id: int) -> set[date]:
    rows = tx.all(_DAYS, programme=programme_id, member=member_id)
    return {day for (raw,) in rows if (day := to_day(raw)) is not None}
