"""A member's credit: his score, what it means for him, and how it comes back. Numbers alone."""

from collections.abc import Iterable
from typing import NamedTuple

from content.creditrules import CreditRules, Freezes, WeightRule
from content.rulebook import exact

APPEAL_MAX = 200
"""Characters of a member's own words about a finding."""


class Standing(NamedTuple):
    """What a score means: by what everything earned is multiplied, and what is not possible."""

    score: int
    multiplier: float = 1.0
    freeze: tuple[Freezes, ...] = ()


def standing(rules: CreditRules, lost: int) -> Standing:
    """Return where somebody stands who has lost so much."""
    score = min(rules.start, max(0, rules.start - lost))
    step = _step(rules, score)
    return Standing(score, step.multiplier, step.freeze) if step else Standing(score)


def _step(rules: CreditRules, score: int) -> WeightRule | None:
    """Return the lowest step that a score is below."""
    return next((step for step in reversed(rules.weights) if score < step.below), None)


def weighted(rules: CreditRules, lost: int, points: int) -> int:
    """Return what is left of points that somebody has earned, rounded down; mostly all of them."""
    if lost <= 0:
        return points
    return int(points * exact(standing(rules, lost).multiplier))


def total_lost(entries: Iterable[int], start: int) -> int:
    """Return what is lost after entries in their order; negative ones take, others give back.

    Nobody falls below nothing, or rises above what he started with.
    """
    change = 0
    for points in entries:
        change = min(0, max(-start, change + points))
    return -change


def next_rise(rules: CreditRules, lost: int) -> int:
    """Return how much comes back next time; nothing to somebody who lacks nothing."""
    return min(rules.recover.points, max(0, lost))
