"""Check-ins: one a day and member, as dates, with the streak kept in the packed account row."""

from datetime import date, datetime, timedelta

from content import windows
from content.checkin import streak_ending
from storage import ledger
from storage.db import Sql, Tx, to_day, to_ms

_ADD = Sql(
    "INSERT INTO checkin (programme_id, member_id, day, at_ms, made_up)"
    " VALUES (:programme, :member, :day, :at, :made_up) ON CONFLICT DO NOTHING"
)
_DAYS = Sql("SELECT day FROM checkin WHERE programme_id = :programme AND member_id = :member")
_MARKED = Sql(
    "SELECT day, made_up FROM checkin WHERE programme_id = :programme AND member_id = :member"
)
_MADE_UP = Sql(
    "SELECT COUNT(*) FROM checkin WHERE programme_id = :programme AND member_id = :member"
    " AND made_up >= :first AND made_up < :next"
)


def add(tx: Tx, programme_id: int, member_id: int, day: date, said: datetime) -> int | None:
    """Note a check-in and return the streak that ends with it; None when there was one already.

    `said` is the moment in which the member asked for it.

    A day that comes late (yesterday's message delivered after today's) fills its gap: its own
    streak is returned, and the member's runs through it.
    """
    who = {"programme": programme_id, "member": member_id}
    added = tx.send(_ADD, **who, day=day, at=to_ms(said), made_up=None)
    account = ledger.account(tx, programme_id, member_id)
    if added.count == 0:
        return None
    tx.books.count(account.key, "checkin")
    last = account.checkin_day
    if day > last:
        streak = account.streak + 1 if day - last == timedelta(days=1) else 1
        mine = tx.books.own(account.key)
        mine.checkin_day, mine.streak = day, streak
        return streak
    known = days(tx, programme_id, member_id)
    tx.books.own(account.key).streak = streak_ending(known, last)
    return streak_ending(known, day)


def repair(  # noqa: PLR0917 - who, what, when
    tx: Tx, programme_id: int, member_id: int, day: date, today: date, now: datetime
) -> int | None:
    """Note a missed day as made up today; None when it was no missed day any more.

    Returns the streak that the member has with it, up to his last day.
    """
    who = {"programme": programme_id, "member": member_id}
    added = tx.send(_ADD, **who, day=day, at=to_ms(now), made_up=today)
    account = ledger.account(tx, programme_id, member_id)
    if added.count == 0:
        return None
    tx.books.count(account.key, "checkin")
    last = max(account.checkin_day, day)
    streak = streak_ending(days(tx, programme_id, member_id), last)
    mine = tx.books.own(account.key)
    mine.checkin_day, mine.streak = last, streak
    return streak


def days(tx: Tx, programme_id: int, member_id: int) -> set[date]:
    """Return a member's check-ins, repaired days among them."""
    rows = tx.all(_DAYS, programme=programme_id, member=member_id)
    return {day for (raw,) in rows if (day := to_day(raw)) is not None}


def marked(tx: Tx, programme_id: int, member_id: int) -> dict[date, bool]:
    """Return a member's check-ins, and of each whether it was made up later."""
    rows = tx.all(_MARKED, programme=programme_id, member=member_id)
    found = ((to_day(raw), made_up is not None) for raw, made_up in rows)
    return {day: made_up for day, made_up in found if day is not None}


def repairs(tx: Tx, programme_id: int, member_id: int, today: date) -> int:
    """Return how many days a member has repaired in the month of a day.

    Who is about to repair one locks the account first (`ledger.account`), so that two at once do
    not both find the same number.
    """
    first, following = windows.start("month", today), windows.end("month", today)
    row = tx.one(_MADE_UP, programme=programme_id, member=member_id, first=first, next=following)
    return int(row[0])
