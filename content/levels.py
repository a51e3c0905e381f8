"""Levels: which one points give, how far it is to the next, and how one is lost again."""

from datetime import date, timedelta
from typing import NamedTuple

from content.rulebook import LevelRule, Rulebook


class Standing(NamedTuple):
    """The level that a member holds, and since when his points have given a lower one."""

    level: str
    below_since: date | None = None


class Gap(NamedTuple):
    """The next level, and how many qualifying points are missing."""

    level: LevelRule
    missing: int


def level_of(rules: Rulebook, qualifying: int) -> LevelRule | None:
    """Return the level that so many qualifying points give; None when there are no levels.

    Qualifying are the points earned in the last `levels.window_days` days, spent or not; less
    than none (after a clawback) counts as none.
    """
    reached = [level for level in rules.level if level.min <= max(qualifying, 0)]
    return reached[-1] if reached else None


def to_next(rules: Rulebook, qualifying: int) -> Gap | None:
    """Return how far it is to the next level; None at the top, or without levels."""
    ahead = (level for level in rules.level if level.min > max(qualifying, 0))
    return next((Gap(level, level.min - max(qualifying, 0)) for level in ahead), None)


def review(rules: Rulebook, held: Standing | None, qualifying: int, today: date) -> Standing | None:
    """Return the standing after a look at the points; None when there are no levels.

    Going up happens at once. Who falls below his level keeps it for `grace_days`, counted from the
    review that found it; then he goes down one level, or straight to what his points give, or not
    at all, as `levels.downgrade` says. Each step down has its own days of grace. A level
    that the document does not know any more gives way to the one that the points give.
    """
    reached = level_of(rules, qualifying)
    if reached is None:
        return None
    ids = [level.id for level in rules.level]
    here, there = (
        (ids.index(held.level) if held and held.level in ids else -1),
        ids.index(reached.id),
    )
    if held is None or there >= here or rules.levels.downgrade == "none":
        return Standing(ids[max(here, there)])
    since = held.below_since or today
    if today < since + timedelta(days=rules.levels.grace_days):
        return Standing(held.level, since)
    if rules.levels.downgrade == "balance_based" or here - 1 == there:
        return Standing(reached.id)
    return Standing(ids[here - 1], today)


def lost_on(rules: Rulebook, standing: Standing) -> date | None:
    """Return the day on which a level is lost; None while the points give it."""
    if standing.below_since is None or rules.levels.downgrade == "none":
        return None
    return standing.below_since + timedelta(days=rules.levels.grace_days)
