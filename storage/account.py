"""An account as it stands, and what movements make of it and of its lots: no database here."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date
from typing import NamedTuple

import msgspec

from content import windows
from content.caps import Cap
from content.windows import Window

NEVER = date.max
"""The expiry of points that do not expire."""

AccountKey = tuple[int, int, str]
"""Programme, owner, wallet."""

Lots = tuple[tuple[date, int], ...]
"""What is left of points that expire, as (last day, points), the earliest first. Points of one
account that expire on one day are the same lot: nobody can tell them apart. What is in
`available` beyond its lots never expires."""


class Counts(NamedTuple):
    """What caps have counted, by name, in the day and month of `day`. Never changed in place.

    `ever` counts what a member has done in all, for badges: by `content.rulebook.Deeds`.
    """

    day: date = date.min
    in_day: Mapping[str, int] = {}
    in_month: Mapping[str, int] = {}
    ever: Mapping[str, int] = {}


NOTHING_COUNTED = Counts()


class Account(msgspec.Struct, gc=False):
    """One wallet of one member: the packed row, in the order of the table's columns.

    Whoever changes one takes it from the books first (`Books.own`): others may be looking at it.
    """

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
    counts: Counts = NOTHING_COUNTED
    next_expiry: date = NEVER
    last_posting: int = 0
    qualifying: int = 0
    qualifying_after: date = date.min
    level: str = ""
    below_since: date = NEVER
    owed_since: date = NEVER
    earned_week: date = date.min
    earned_month: date = date.min
    gifted: int = 0
    gifted_spent: int = 0
    credit_lost: int = 0
    watched: int = 0

    @property
    def key(self) -> AccountKey:
        """What the books know it by."""
        return self.programme_id, self.owner_id, self.wallet


def earn(account: Account, amount: int, day: date) -> None:
    """Count an amount as earned on a day, in the windows that are open; a negative one undoes it.

    A day that comes late counts in those of its windows that still stand.
    """
    account.total_earned += amount
    if day > account.qualifying_after:
        account.qualifying += amount
    if day == account.earned_day:  # nearly always: every window is open
        account.day_earned += amount
        account.week_earned += amount
        account.month_earned += amount
        return
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
    account.day_earned, account.week_earned, account.month_earned = sums
    account.earned_day = last
    account.earned_week = windows.start("week", last)
    account.earned_month = windows.start("month", last)


class _Stored(msgspec.Struct, omit_defaults=True):
    """Counts as they stand in the database."""

    day: date = date.min
    in_day: dict[str, int] = {}
    in_month: dict[str, int] = {}
    ever: dict[str, int] = {}


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Stored).decode


def read_counts(text: str) -> Counts:
    """Return counts from their text in the database."""
    if not text:
        return NOTHING_COUNTED
    stored = _decode(text)
    return Counts(stored.day, stored.in_day, stored.in_month, stored.ever)


def counts_text(counts: Counts) -> str:
    """Return counts as they are stored; nothing for none."""
    if counts == NOTHING_COUNTED:
        return ""
    last, in_day, in_month, ever = counts
    return _encode(_Stored(last, dict(in_day), dict(in_month), dict(ever))).decode()


def allowed(counts: Counts, caps: Iterable[Cap], amount: int, day: date) -> tuple[int, Counts]:
    """Return how much of an amount the caps leave, and the counts with it counted.

    A day before the newest one counted is counted as that one: late events find no fresh cap.
    """
    last, in_day, in_month, ever = counts
    if day > last:
        same_month = (day.year, day.month) == (last.year, last.month)
        last, in_day, in_month = day, {}, in_month if same_month else {}
    left = amount
    for name, period, unit, most in caps:
        room = most - (in_day if period == "day" else in_month).get(name, 0)
        if room < left and (unit == "points" or room <= 0):
            left = room
    if left <= 0:
        return 0, counts
    in_day, in_month = dict(in_day), dict(in_month)
    for name, period, unit, _ in caps:
        sums = in_day if period == "day" else in_month
        sums[name] = sums.get(name, 0) + (left if unit == "points" else 1)
    return left, Counts(last, in_day, in_month, ever)


def less(counts: Counts, name: str, amount: int, day: date) -> Counts:
    """Return counts with less by a name, for a day that has not passed, and for its month."""
    last, in_day, in_month, ever = counts
    if day == last and name in in_day:
        in_day = {**in_day, name: max(0, in_day[name] - amount)}
    if (day.year, day.month) == (last.year, last.month) and name in in_month:
        in_month = {**in_month, name: max(0, in_month[name] - amount)}
    return Counts(last, in_day, in_month, ever)


def more(counts: Counts, what: str, times: int = 1) -> Counts:
    """Return counts with a deed more of a kind, in all."""
    return counts._replace(ever={**counts.ever, what: counts.ever.get(what, 0) + times})


def united(one: Counts, other: Counts) -> Counts:
    """Return what two members have used of their caps as that of one; what has passed is gone."""
    last = max(one.day, other.day)
    in_day: Counter[str] = Counter()
    in_month: Counter[str] = Counter()
    for counts in (one, other):
        if counts.day == last:
            in_day.update(counts.in_day)
        if (counts.day.year, counts.day.month) == (last.year, last.month):
            in_month.update(counts.in_month)
    ever = Counter(one.ever)
    ever.update(other.ever)
    return Counts(last, dict(in_day), dict(in_month), dict(ever))


def parted(both: Counts, other: Counts) -> Counts:
    """Return what remains of two members' counts without those of one of them."""
    last, in_day, in_month, ever = both
    if other.day == last:
        in_day = _minus(in_day, other.in_day)
    if (other.day.year, other.day.month) == (last.year, last.month):
        in_month = _minus(in_month, other.in_month)
    left = {what: times for what, times in _minus(ever, other.ever).items() if times}
    return Counts(last, in_day, in_month, left)


def _minus(sums: Mapping[str, int], others: Mapping[str, int]) -> dict[str, int]:
    return {name: max(0, number - others.get(name, 0)) for name, number in sums.items()}


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


def less_lots(lots: Lots, taken: Lots) -> Lots:
    """Return what is left of lots when others have been taken, of which they may know nothing."""
    gone = dict(taken)
    return _open({day: max(0, points - gone.get(day, 0)) for day, points in lots})


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
