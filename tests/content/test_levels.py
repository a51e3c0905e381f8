"""Levels: reached at once, lost slowly."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from content.levels import Standing, level_of, lost_on, review, to_next
from content.rulebook import LevelsRules, Rulebook, read_rulebook, shipped_document

SHIPPED = read_rulebook(shipped_document(), name="shipped")
BARE = Rulebook(version=1)
TODAY = date(2026, 3, 1)
IDS = [level.id for level in SHIPPED.level]


def _rules(**levels: Any) -> Rulebook:
    return SHIPPED.model_copy(update={"levels": LevelsRules(**levels)})


@pytest.mark.parametrize(
    ("qualifying", "level", "following", "missing"),
    [
        (-5, "member", "silver", 500),
        (0, "member", "silver", 500),
        (499, "member", "silver", 1),
        (500, "silver", "gold", 2_500),
        (2_999, "silver", "gold", 1),
        (3_000, "gold", None, None),
        (10**9, "gold", None, None),
    ],
)
def test_points_give_a_level_and_show_the_way_to_the_next(
    qualifying: int, level: str, following: str | None, missing: int | None
) -> None:
    found, gap = level_of(SHIPPED, qualifying), to_next(SHIPPED, qualifying)
    assert found is not None
    assert found.id == level
    assert (gap.level.id if gap else None, gap.missing if gap else None) == (following, missing)


def test_without_levels_there_is_none() -> None:
    assert (level_of(BARE, 5), to_next(BARE, 5)) == (None, None)
    assert review(BARE, Standing("gold"), 5, TODAY) is None


@pytest.mark.parametrize(
    ("held", "qualifying", "after"),
    [
        (None, 0, Standing("member")),
        (None, 700, Standing("silver")),
        (Standing("member"), 700, Standing("silver")),
        (Standing("member"), 9_000, Standing("gold")),
        (Standing("gold"), 3_000, Standing("gold")),
        (Standing("gold"), 2_999, Standing("gold", TODAY)),  # the days of grace begin
        (Standing("gold", TODAY - timedelta(29)), 0, Standing("gold", TODAY - timedelta(29))),
        (Standing("gold", TODAY - timedelta(30)), 0, Standing("silver", TODAY)),
        (Standing("gold", TODAY - timedelta(30)), 600, Standing("silver")),
        (Standing("gold", TODAY - timedelta(99)), 3_000, Standing("gold")),  # caught up
        (Standing("silver", TODAY - timedelta(30)), 0, Standing("member")),
        (Standing("member"), 0, Standing("member")),
        (Standing("platinum"), 600, Standing("silver")),  # not in the document any more
    ],
)
def test_under_the_shipped_rules_a_level_is_lost_one_by_one_after_a_month(
    held: Standing | None, qualifying: int, after: Standing
) -> None:
    assert review(SHIPPED, held, qualifying, TODAY) == after


@pytest.mark.parametrize(
    ("downgrade", "grace", "after"),
    [
        ("none", 30, Standing("gold")),
        ("one_down", 0, Standing("silver", TODAY)),
        ("balance_based", 0, Standing("member")),
        ("balance_based", 30, Standing("gold", TODAY)),
    ],
)
def test_the_document_says_how_a_level_is_lost(downgrade: str, grace: int, after: Standing) -> None:
    rules = _rules(downgrade=downgrade, grace_days=grace)
    assert review(rules, Standing("gold"), 0, TODAY) == after


def test_a_member_is_told_when_his_level_goes() -> None:
    assert lost_on(SHIPPED, Standing("gold")) is None
    assert lost_on(SHIPPED, Standing("gold", TODAY)) == TODAY + timedelta(days=30)
    assert lost_on(_rules(downgrade="none"), Standing("gold", TODAY)) is None


@given(
    downgrade=st.sampled_from(["none", "one_down", "balance_based"]),
    grace=st.integers(0, 20),
    points=st.lists(st.sampled_from([0, 400, 600, 2_000, 4_000]), min_size=1, max_size=60),
)
def test_day_by_day_a_level_is_never_lost_without_grace(
    downgrade: str, grace: int, points: list[int]
) -> None:
    rules = _rules(downgrade=downgrade, grace_days=grace)
    held: Standing | None = None
    below = 0  # reviews in a row that found less than the level held
    for number, qualifying in enumerate(points):
        before, reached = held, level_of(rules, qualifying)
        held = review(rules, held, qualifying, TODAY + timedelta(days=number))
        assert held is not None
        assert reached is not None
        assert IDS.index(held.level) >= IDS.index(reached.id)
        assert (held.below_since is None) or held.level != reached.id
        if before is not None and IDS.index(held.level) < IDS.index(before.level):
            assert downgrade != "none"
            assert below >= grace
            assert downgrade != "one_down" or IDS.index(before.level) - IDS.index(held.level) == 1
        fell = before is not None and held.level != before.level
        below = 0 if held.level == reached.id else 1 if fell else below + 1
