"""What a check-in is worth: streaks, bonus, repair. Dates and ints in, values out."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from itertools import pairwise

from content.rulebook import CheckinRules, MakeupRules, exact

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Award:
    """A check-in's result. `to_bonus` is in days: 1 means that tomorrow's brings the bonus."""

    points: int
    streak: int
    bonus: bool
    to_bonus: int


def award(rules: CheckinRules, *, streak: int) -> Award:
    """Return what the day that makes `streak` days in a row pays (rounded down, once)."""
    every = rules.streak.every
    bonus = streak % every == 0
    factor = 1 + exact(rules.streak.bonus) if bonus else Fraction(1)
    return Award(int(rules.points * factor), streak, bonus, every - streak % every)


def streak_now(last: date | None, streak: int, today: date) -> int:
    """Return the streak that still stands: yesterday's can yet be carried on."""
    return streak if last is not None and last >= today - _DAY else 0


def streak_ending(days: Collection[date], end: date) -> int:
    """Return how many days in a row up to and with `end` are in `days`."""
    length = 0
    while end - _DAY * length in days:
        length += 1
    return length


def longest_streak(days: Collection[date]) -> int:
    """Return the most days in a row that are in `days`."""
    ends = (day for day in days if day + _DAY not in days)
    return max((streak_ending(days, end) for end in ends), default=0)


def makeup_days(rules: MakeupRules, days: Collection[date], today: date) -> tuple[date, ...]:
    """Return the missed days that may be repaired today, the earliest first.

    `days` are the member's check-ins, repaired days among them. A missed day lies between two
    check-ins, or between the last one and today; it is at most `window_days` ago, and the days
    missed in a row there are at most `gap_days_max`. Days after today (a clock was moved) do not
    count, and before the first check-in nothing was missed.
    """
    known = sorted({day for day in days if day < today} | {today})
    missed = (
        before + _DAY * number
        for before, after in pairwise(known)
        if (after - before).days - 1 <= rules.gap_days_max
        for number in range(1, (after - before).days)
    )
    return tuple(day for day in missed if (today - day).days <= rules.window_days)


def makeup_price(rules: MakeupRules, used: int) -> int | None:
    """Return what the next repair costs in points, when `used` were made this month.

    The free ones come first. None when the month has no more.
    """
    if used >= rules.max_per_month:
        return None
    return 0 if used < rules.free_per_month else rules.price


@dataclass(frozen=True, slots=True)
class Repair:
    """Missed days that, repaired, make a streak longer: the earliest first, at least one.

    `price` is for all of them in points, `streak` what the member then has in a row.
    """

    days: tuple[date, ...]
    price: int
    streak: int


def makeup_worthwhile(
    rules: MakeupRules, days: Collection[date], today: date, used: int
) -> Repair | None:
    """Return the repair that makes today's streak as long as this month's repairs allow.

    `days` are all the member's check-ins, `used` his repairs of this month. The latest gaps are
    closed first, each of them whole: a part of one would join nothing. None when there is no such
    repair. A streak of yesterday counts while today can still carry it on.
    """
    end = today if today in days else today - _DAY
    longest, best = streak_ending(days, end), None
    price, known = 0, set(days)
    for number, day in enumerate(reversed(makeup_days(rules, days, today))):
        more = makeup_price(rules, used + number)
        if more is None:
            break
        price += more
        known.add(day)
        if day - _DAY not in days:
            continue
        streak = streak_ending(known, end)
        if streak > longest:
            longest, best = streak, Repair(tuple(sorted(known - set(days))), price, streak)
    return best
