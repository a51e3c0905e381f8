"""Gifts between members: how one is asked for, and what the rules say to it. Values in and out."""

import re
from typing import NamedTuple

from content.rulebook import GiftRules, LevelRule

BACK_H = 24
"""For so many hours nobody gives to one who has just given to him: that would be a swap."""
QUOTA_2X = "gift_quota_2x"
"""The perk of a level that doubles what may be given in a day."""
READINGS_MAX = 4
"""Numbers in the words that are tried as the amount: each one asks the store for a name."""
_AMOUNT = re.compile(
    r"(?<![0-9A-Za-z.+\-\u2212])(?<![0-9],)\+?([0-9]+)"
    r"(?:\s*(?:积分|分|点|points?|pts?)(?![A-Za-z]))?"
    r"(?![0-9A-Za-z%\ufe0f\u20e3])(?![.,][0-9])",
    re.IGNORECASE,
)
_EDGES = " \t\n,:;、。"


class Reading(NamedTuple):
    """One way to read words: to whom ('' for nobody named), how much, and with which words."""

    name: str
    amount: int
    note: str


def readings(words: str) -> tuple[Reading, ...]:
    """Return the ways to read `name amount note`, the longest name first.

    Only plain digits are an amount: not with a sign, a fraction, a percentage, or as emoji.
    """
    found = [*_AMOUNT.finditer(words)][:READINGS_MAX]
    return tuple(
        Reading(
            words[: each.start()].strip(_EDGES), int(each[1]), words[each.end() :].strip(_EDGES)
        )
        for each in reversed(found)
    )


class Case(NamedTuple):
    """What the rules look at: points, days of membership, and what was given on this day.

    `earned` is what of the available points did not come as a gift; `debt` is above zero;
    `back` says whether the other has given to this one within `BACK_H` hours.
    """

    amount: int
    available: int
    earned: int
    debt: int
    giver_days: int
    receiver_days: int
    given_times: int
    given_points: int
    back: bool


def quota(rules: GiftRules, level: LevelRule | None) -> GiftRules:
    """Return the rules as they are for a giver of a level, who may have a perk."""
    if level is None or QUOTA_2X not in level.perks:
        return rules
    twice = {"per_day_points": rules.per_day_points * 2, "per_day_n": rules.per_day_n * 2}
    return rules.model_copy(update=twice)


def forbids(rules: GiftRules, case: Case) -> str | None:
    """Return what forbids a gift, as the key of the text that tells it; None for nothing."""
    reasons = {
        "gift.off": not rules.allowed,
        "gift.amount": case.amount < 1,
        "gift.debt": case.debt > 0,
        "gift.new": case.giver_days < rules.account_days_min,
        "gift.new_there": case.receiver_days < rules.account_days_min,
        "gift.times": case.given_times >= rules.per_day_n,
        "gift.much": case.given_points + case.amount > rules.per_day_points,
        "gift.short": case.amount > case.available,
        "gift.unearned": case.amount > case.earned,
        "gift.back": case.back,
    }
    return next((key for key, holds in reasons.items() if holds), None)
