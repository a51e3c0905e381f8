"""Days, weeks, months: where a board's window begins and ends."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from content.windows import WINDOWS, Window, end, start

DATES = st.dates(date(1, 1, 8), date(9998, 12, 1))


@pytest.mark.parametrize(
    ("window", "today", "first", "after"),
    [
        ("day", "2026-03-04", "2026-03-04", "2026-03-05"),
        ("day", "2026-12-31", "2026-12-31", "2027-01-01"),
        ("day", "2024-02-28", "2024-02-28", "2024-02-29"),
        ("day", "2026-02-28", "2026-02-28", "2026-03-01"),
        ("week", "2026-03-02", "2026-03-02", "2026-03-09"),  # a Monday
        ("week", "2026-03-04", "2026-03-02", "2026-03-09"),
        ("week", "2026-03-08", "2026-03-02", "2026-03-09"),  # a Sunday
        ("week", "2026-01-01", "2025-12-29", "2026-01-05"),  # over the new year
        ("week", "2024-12-31", "2024-12-30", "2025-01-06"),
        ("week", "2024-02-29", "2024-02-26", "2024-03-04"),
        ("month", "2026-01-31", "2026-01-01", "2026-02-01"),
        ("month", "2026-02-01", "2026-02-01", "2026-03-01"),
        ("month", "2026-02-28", "2026-02-01", "2026-03-01"),
        ("month", "2024-02-29", "2024-02-01", "2024-03-01"),
        ("month", "2000-02-29", "2000-02-01", "2000-03-01"),  # a leap year
        ("month", "2100-02-28", "2100-02-01", "2100-03-01"),  # none
        ("month", "2026-12-31", "2026-12-01", "2027-01-01"),
        ("month", "2026-04-30", "2026-04-01", "2026-05-01"),
    ],
)
def test_a_window_runs_from_its_first_day_to_the_day_after_its_last(
    window: Window, today: str, first: str, after: str
) -> None:
    day = date.fromisoformat(today)
    assert start(window, day) == date.fromisoformat(first)
    assert end(window, day) == date.fromisoformat(after)


@given(today=DATES, window=st.sampled_from(["day", "week", "month"]))
def test_every_day_of_a_window_has_the_same_window(today: date, window: Window) -> None:
    first, after = start(window, today), end(window, today)
    assert first <= today < after
    last = after - timedelta(days=1)
    for day in (first, last):
        assert (start(window, day), end(window, day)) == (first, after)
    assert start(window, after) == after
    assert end(window, first - timedelta(days=1)) == first


@given(today=DATES)
def test_windows_have_the_length_of_a_day_a_week_and_a_month(today: date) -> None:
    assert (end("day", today) - start("day", today)).days == 1
    assert (end("week", today) - start("week", today)).days == 7
    assert start("week", today).isoweekday() == 1
    first, after = start("month", today), end("month", today)
    assert first.day == after.day == 1
    assert 28 <= (after - first).days <= 31


def test_all_time_begins_with_the_calendar() -> None:
    assert start("all", date(2026, 3, 4)) == date.min
    assert WINDOWS == ("day", "week", "month", "all")


@given(today=DATES, later=st.integers(0, 400))
def test_all_time_ends_never(today: date, later: int) -> None:
    assert end("all", today) > today + timedelta(days=later)
