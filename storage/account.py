"""An account as it stands, and what a movement makes of it. Values in, values out: no database."""

from collections.abc import Iterable
from datetime import date
from typing import Any, NamedTuple

import msgspec

from content import windows
from content.caps import Cap
from content.windows import Window

NEVER = date.max
"""The expiry of points that do not expire."""

Lots = tuple[tuple[date, int], ...]
"""What is left of points that expire, as (last day, points), the earliest first. Points of one
account that expire on one day are the same lot: nobody can tell them apart. What is in
`available` beyond its lots never expires."""


class Account(NamedTuple):
    """One wallet of one member: the packed row, in the order of the table's columns."""

    programme_id: int
    owner_id: int
    wallet: str
    available: int = 0
    pending: int = 0
    held: int = 0
    debt: int = 0
    earned_day: date = date.min
    day_earned: int = 0
    week_earned: int = 0
    month_earned: int = 0
    total_earned: int = 0
    checkin_day: date = date.min
    streak: int = 0
    counts: str = ""
    next_expiry: date = NEVER
    last_posting: int = 0
    qualifying: int = 0
    qualifying_after: date = date.min
    level: str = ""
    below_since: date = NEVER
    owed_since: date = NEVER
    earned_week: date = date.min
    earned_month: date = date.min


_PLACE = {name: index for index, name in enumerate(Account._fields)}


def changed(account: Account, **values: Any) -> Account:
    """Return an account with other values: `_replace` in half of its time."""
    fields = list(account)
    for name, value in values.items():
        fields[_PLACE[name]] = value
    return tuple.__new__(Account, fields)


def earn(account: Account, amount: int, day: date) -> Account:
    """Count an amount as earned on a day, in the windows that are open; a negative one undoes it.

    A day that comes late counts in those of its windows that still stand.
    """
    if day == account.earned_day:  # nearly always: every window is open
        return changed(
            account,
            day_earned=account.day_earned + amount,
            week_earned=account.week_earned + amount,
            month_earned=account.month_earned + amount,
            total_earned=account.total_earned + amount,
            qualifying=account.qualifying + (amount if day > account.qualifying_after else 0),
        )
    last = max(account.earned_day, day)
    sums = []
    had_in: dict[Window, int] = {
        "day": account.day_earned,
        "week": account.week_earned,
        "month": account.month_earned,
    }
    for window, had in had_in.items():
        first = windows.start(window, last)
        kept = had if account.earned_day >= first else 0
        sums.append(kept + amount if day >= first else kept)
    return account._replace(
        earned_day=last,
        earned_week=windows.start("week", last),
        earned_month=windows.start("month", last),
        day_earned=sums[0],
        week_earned=sums[1],
        month_earned=sums[2],
        total_earned=account.total_earned + amount,
        qualifying=account.qualifying + (amount if day > account.qualifying_after else 0),
    )


class _Counts(msgspec.Struct, omit_defaults=True):
    """What a member's caps have counted, by name, in the day and month of `day`."""

    day: date = date.min
    in_day: dict[str, int] = {}
    in_month: dict[str, int] = {}


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Counts).decode


def allowed(account: Account, caps: Iterable[Cap], amount: int, day: date) -> tuple[int, str]:
    """Return how much of an amount the caps leave, and the account's `counts` with it counted.

    A day before the newest one counted is counted as that one: late events find no fresh cap.
    """
    counts = _decode(account.counts) if account.counts else _Counts()
    if day > counts.day:
        same_month = (day.year, day.month) == (counts.day.year, counts.day.month)
        counts = _Counts(day, {}, counts.in_month if same_month else {})
    left = amount
    for cap in caps:
        had = (counts.in_day if cap.period == "day" else counts.in_month).get(cap.name, 0)
        room = cap.most - had
        left = min(left, room if cap.unit == "points" else left if room > 0 else 0)
    if left <= 0:
        return 0, account.counts
    for cap in caps:
        sums = counts.in_day if cap.period == "day" else counts.in_month
        sums[cap.name] = sums.get(cap.name, 0) + (left if cap.unit == "points" else 1)
    return left, _encode(counts).decode()


def less(counts: str, name: str, amount: int, day: date) -> str:
    """Return counts with less by a name, for a day that has not passed, and for its month."""
    if not counts:
        return counts
    known = _decode(counts)
    same_month = (day.year, day.month) == (known.day.year, known.day.month)
    for still_open, sums in ((day == known.day, known.in_day), (same_month, known.in_month)):
        if still_open and name in sums:
            sums[name] = max(0, sums[name] - amount)
    return _encode(known).decode()


def whole(lots: Lots, points: int) -> Lots:
    """Return lots with what lies beyond them as a last lot that never expires."""
    rest = points - sum(left for _, left in lots)
    return (*lots, (NEVER, rest)) if rest else lots


def take(lots: Lots, amount: int, *, prefer: Lots = ()) -> tuple[Lots, Lots]:
    """Return whole lots after a debit, and what it took of them.

    The preferred parts go first (points taken back from where they were put), then the earliest
    expiry.
    """
    left, taken = dict(lots), dict.fromkeys((day for day, _ in lots), 0)
    for limits in (dict(prefer), dict(lots)):
        for day in sorted(left):
            part = min(left[day], limits.get(day, 0), amount)
            left[day] -= part
            taken[day] += part
            amount -= part
    return _open(left), _open(taken)


def _open(sums: dict[date, int]) -> Lots:
    return tuple(sorted((day, points) for day, points in sums.items() if points))


def piece(lots: Lots, start: int, amount: int) -> Lots:
    """Return a part of whole lots, counted from the latest expiry: what a part of a refund gives.

    Parts that follow each other never overlap.
    """
    found: list[tuple[date, int]] = []
    for day, has in sorted(lots, reverse=True):
        part = max(0, min(has - start, amount))
        start = max(0, start - has)
        amount -= part
        if part:
            found.append((day, part))
    return tuple(sorted(found))


def put(lots: Lots, given: Lots) -> Lots:
    """Return lots with others added; what never expires needs no lot."""
    sums = dict(lots)
    for day, points in given:
        if day != NEVER:
            sums[day] = sums.get(day, 0) + points
    return tuple(sorted(sums.items()))


def lots_text(lots: Lots) -> str | None:
    """Return lots as they stand in a posting: `2026-12-31:30,2027-01-31:5`; None for none."""
    return ",".join(f"{day}:{points}" for day, points in lots if day != NEVER) or None


def gift_text(taken: Lots, given: Lots) -> str | None:
    """Return the lots of a gift: those taken, and after a `>` those given, where they differ."""
    one, two = lots_text(taken), lots_text(given)
    return one if one == two else f"{one or ''}>{two or ''}"


def read_lots(text: str | None) -> Lots:
    """Return the lots of a posting's text; of a gift's, those taken."""
    return _read((text or "").partition(">")[0])


def read_given(text: str | None) -> Lots:
    """Return the lots of a posting's text; of a gift's, those given."""
    return _read((text or "").rpartition(">")[2])


def _read(text: str) -> Lots:
    pairs = [part.partition(":") for part in text.split(",")] if text else []
    return tuple((date.fromisoformat(day), int(points)) for day, _, points in pairs)
