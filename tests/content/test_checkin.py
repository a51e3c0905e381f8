"""What a check-in is worth, as tables."""

from datetime import date, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from content.checkin import (
    Repair,
    award,
    longest_streak,
    makeup_days,
    makeup_price,
    makeup_worthwhile,
    streak_ending,
    streak_now,
)
from content.rulebook import CheckinRules, MakeupRules, StreakRules

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


CALENDAR = st.sets(st.integers(-40, 3), max_size=30)
MAKEUP = st.builds(
    MakeupRules,
    free_per_month=st.integers(0, 3),
    price=st.integers(0, 100),
    window_days=st.integers(1, 31),
    max_per_month=st.integers(0, 5),
    gap_days_max=st.integers(1, 10),
)


def _ago(*days: int) -> set[date]:
    return {TODAY - timedelta(days=number) for number in days}


@pytest.mark.parametrize(
    ("checked", "repairable"),
    [
        ((), ()),  # nobody missed anything before his first check-in
        ((0,), ()),
        ((0, 1, 2), ()),
        ((1,), ()),  # today is not missed yet
        ((0, 2), (1,)),
        ((2,), (1,)),
        ((0, 3), (2, 1)),
        ((0, 4), (3, 2, 1)),
        ((0, 5), ()),  # four days in a row are too many
        ((5,), ()),
        ((0, 2, 4), (3, 1)),
        ((0, 1, 2, 3, 4, 5, 6, 8), (7,)),
        ((0, 1, 2, 3, 4, 5, 6, 7, 9), ()),  # eight days ago
        ((0, 1, 2, 3, 4, 5, 6, 9), (7,)),  # of two in a row one is still in reach
        ((-1, 0, 2), (1,)),  # the day after today, seen by a clock that was moved
        ((-2, 3), (2, 1)),
        ((-3,), ()),
    ],
)
def test_missed_days_can_be_repaired_within_a_week_unless_too_many_in_a_row(
    checked: tuple[int, ...], repairable: tuple[int, ...]
) -> None:
    days = makeup_days(MakeupRules(), _ago(*checked), TODAY)
    assert days == tuple(TODAY - timedelta(days=number) for number in repairable)


@given(rules=MAKEUP, ago=CALENDAR)
def test_what_can_be_repaired_was_missed_lately_in_a_short_gap(
    rules: MakeupRules, ago: set[int]
) -> None:
    days = _ago(*ago)
    found = makeup_days(rules, days, TODAY)
    assert list(found) == sorted(set(found))
    for day in found:
        assert day not in days
        assert 1 <= (TODAY - day).days <= rules.window_days
        run = {day}
        for step in (timedelta(days=1), timedelta(days=-1)):
            end = day + step
            while end not in days and end != TODAY:
                run.add(end)
                end += step
                assert len(run) <= rules.gap_days_max
    # repairing all of them leaves nothing to repair but what lies outside the window
    assert makeup_days(rules, days | set(found), TODAY) == ()


@given(rules=MAKEUP, ago=CALENDAR)
def test_repairing_never_shortens_a_streak(rules: MakeupRules, ago: set[int]) -> None:
    days = _ago(*ago)
    repaired = days | set(makeup_days(rules, days, TODAY))
    for end in (TODAY, YESTERDAY):
        assert streak_ending(repaired, end) >= streak_ending(days, end)


@pytest.mark.parametrize(("used", "price"), [(0, 0), (1, 50), (2, None), (3, None)])
def test_the_first_repair_of_a_month_is_free_the_third_is_refused(
    used: int, price: int | None
) -> None:
    assert makeup_price(MakeupRules(), used) == price


@given(rules=MAKEUP)
def test_a_month_has_its_free_repairs_first_and_no_more_than_its_number(rules: MakeupRules) -> None:
    prices = [makeup_price(rules, used) for used in range(10)]
    free = min(rules.free_per_month, rules.max_per_month)
    paid = rules.max_per_month - free
    assert prices == [0] * free + [rules.price] * paid + [None] * (10 - free - paid)


@pytest.mark.parametrize(
    ("checked", "used", "repaired", "price", "streak"),
    [
        ((0, 2, 3), 0, (1,), 0, 4),
        ((2, 3), 0, (1,), 0, 3),  # not yet today: yesterday's streak can be carried on
        ((0, 2, 3), 1, (1,), 50, 4),
        ((0, 3, 4), 0, (2, 1), 50, 5),
        ((0, 2, 4, 5), 0, (3, 1), 50, 6),
        ((0, 2, 4, 5), 1, (1,), 50, 3),  # one repair is left: the gap nearest to today
    ],
)
def test_a_repair_joins_the_latest_gaps_as_long_as_the_month_allows(
    checked: tuple[int, ...], used: int, repaired: tuple[int, ...], price: int, streak: int
) -> None:
    days = tuple(TODAY - timedelta(days=number) for number in repaired)
    found = makeup_worthwhile(MakeupRules(), _ago(*checked), TODAY, used)
    assert found == Repair(days, price, streak)


@pytest.mark.parametrize(
    ("checked", "used"),
    [
        ((), 0),
        ((0,), 0),
        ((0, 1, 2), 0),
        ((0, 2, 3), 2),  # the month has no more
        ((0, 3, 4), 1),  # half a gap joins nothing
        ((0, 4, 5), 0),
        ((0, 5, 7), 0),  # behind a gap that cannot be repaired
    ],
)
def test_what_makes_no_streak_longer_is_not_worth_a_repair(
    checked: tuple[int, ...], used: int
) -> None:
    assert makeup_worthwhile(MakeupRules(), _ago(*checked), TODAY, used) is None


@given(rules=MAKEUP, ago=CALENDAR, used=st.integers(0, 3))
def test_a_repair_keeps_the_rules_and_what_it_promises(
    rules: MakeupRules, ago: set[int], used: int
) -> None:
    days = _ago(*ago)
    found = makeup_worthwhile(rules, days, TODAY, used)
    if found is None:
        return
    assert set(found.days) <= set(makeup_days(rules, days, TODAY))
    prices = [makeup_price(rules, used + number) for number in range(len(found.days))]
    assert None not in prices
    assert found.price == sum(price or 0 for price in prices)
    end = TODAY if TODAY in days else YESTERDAY
    assert found.streak == streak_ending(days | set(found.days), end) > streak_ending(days, end)


@pytest.mark.parametrize(
    ("ago", "longest"),
    [((), 0), ((0,), 1), ((0, 2, 4), 1), ((9, 8, 7, 1, 0), 3), ((5, 4, 3, 2, 1, 0), 6)],
)
def test_the_longest_streak_may_be_long_ago(ago: tuple[int, ...], longest: int) -> None:
    assert longest_streak({TODAY - timedelta(days=each) for each in ago}) == longest


@given(st.sets(st.integers(0, 40)))
def test_the_longest_streak_is_that_of_some_day(ago: set[int]) -> None:
    days = {TODAY - timedelta(days=each) for each in ago}
    assert longest_streak(days) == max((streak_ending(days, day) for day in days), default=0)
