"""Rungs follow each other without a gap, and are narrow."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from content.rungs import rung, span

POINTS = st.one_of(st.integers(0, 5_000), st.integers(0, 2**62))


@pytest.mark.parametrize(
    ("points", "number"),
    [
        (-1000, 0),
        (-1, 0),
        (0, 0),
        (1, 1),
        (127, 127),
        (128, 128),
        (129, 128),
        (130, 129),
        (255, 191),
        (256, 192),
    ],
)
def test_the_first_rungs_are_one_point_wide_and_the_next_ones_two(points: int, number: int) -> None:
    assert rung(points) == number


@given(points=POINTS)
def test_points_stand_on_the_rung_that_spans_them(points: int) -> None:
    around = span(rung(points))
    assert around.start <= points < around.stop
    assert len(around) <= max(1, points // 64)


@given(number=st.integers(0, 3_600))
def test_a_rung_begins_where_the_one_below_ends(number: int) -> None:
    assert rung(span(number).start) == rung(span(number).stop - 1) == number
    assert span(number).stop == span(number + 1).start


@given(one=POINTS, other=POINTS)
def test_who_stands_higher_has_more(one: int, other: int) -> None:
    if rung(one) > rung(other):
        assert one > other
    if one >= other:
        assert rung(one) >= rung(other)
