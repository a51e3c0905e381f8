"""What a check-in is worth: streaks and their bonus. Dates and ints in, values out."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction

from content.rulebook import CheckinRules

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
    factor = 1 + Fraction(str(rules.streak.bonus)) if bonus else Fraction(1)
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
