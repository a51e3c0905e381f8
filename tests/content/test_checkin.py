"""What a check-in is worth, as tables."""

from datetime import date, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from content.checkin import award, streak_ending, streak_now
from content.rulebook import CheckinRules, StreakRules

TODAY = date(2026, 3, 1)  # the day after the last of a February
YESTERDAY = TODAY - timedelta(days=1)


def _rules(points: int = 5, every: int = 7, bonus: float = 0.2) -> CheckinRules:
    return CheckinRules(points=points, streak=StreakRules(every=every, bonus=bonus))


@pytest.mark.parametrize(
    ("streak", "points", "bonus", "to_bonus"),
    [
        (1, 5, False, 6),
        (2, 5, False, 5),
        (6, 5, False, 1),
        (7, 6, True, 7),
        (8, 5, False, 6),
        (13, 5, False, 1),
        (14, 6, True, 7),
        (366, 5, False, 5),
        (7_000, 6, True, 7),
    ],
)
def test_under_the_shipped_rules_every_seventh_day_pays_six(
    streak: int, points: int, bonus: bool, to_bonus: int
) -> None:
    earned = award(_rules(), streak=streak)
    assert (earned.points, earned.streak, earned.bonus, earned.to_bonus) == (
        points,
        streak,
        bonus,
        to_bonus,
    )


@pytest.mark.parametrize(
    ("points", "bonus", "paid"),
    [
        (1, 0.2, 1),  # 1.2 is rounded down
        (4, 0.2, 4),  # 4.8 as well
        (5, 0.2, 6),
        (10, 0.0, 10),
        (10, 10, 110),
        (100, 0.29, 129),  # 100 * 1.29 is 128.99999999999997 in floats
        (100, 0.57, 157),
        (1_000_000, 0.1, 1_100_000),
        (3, 0.333333, 3),
        (1_000_000, 10, 11_000_000),
    ],
)
def test_the_bonus_is_exact_and_rounded_down_once(points: int, bonus: float, paid: int) -> None:
    assert award(_rules(points, 2, bonus), streak=2).points == paid


@given(
    points=st.integers(1, 1_000_000),
    every=st.integers(2, 366),
    hundredths=st.integers(0, 1_000),
    streak=st.integers(1, 2_000),
)
def test_an_award_agrees_with_plain_fractions(
    points: int, every: int, hundredths: int, streak: int
) -> None:
    earned = award(_rules(points, every, hundredths / 100), streak=streak)
    bonus = streak % every == 0
    exact = points * (1 + (Fraction(hundredths, 100) if bonus else 0))
    assert earned.points == exact.__floor__()
    assert earned.bonus == bonus
    assert (streak + earned.to_bonus) % every == 0
    assert 1 <= earned.to_bonus <= every


@pytest.mark.parametrize(
    ("last", "streak", "now"),
    [
        (None, 0, 0),
        (TODAY, 3, 3),
        (YESTERDAY, 3, 3),
        (TODAY - timedelta(days=2), 3, 0),
        (date.min, 0, 0),
        (TODAY + timedelta(days=1), 4, 4),  # seen from a day that came late
    ],
)
def test_a_streak_stands_until_a_day_is_missed(last: date | None, streak: int, now: int) -> None:
    assert streak_now(last, streak, TODAY) == now


@pytest.mark.parametrize(
    ("ago", "length"),
    [
        ((), 0),
        ((1, 2, 3), 0),
        ((0,), 1),
        ((0, 1, 2), 3),
        ((0, 2, 3), 1),
        ((-1, 0, 1), 2),
        (tuple(range(40)), 40),
    ],
)
def test_a_streak_that_ends_on_a_day_counts_back_to_the_first_gap(
    ago: tuple[int, ...], length: int
) -> None:
    assert streak_ending({TODAY - timedelta(days=days) for days in ago}, TODAY) == length
