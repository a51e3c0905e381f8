"""Credit in rule documents: what takes it, what gives it back, and what a low score means."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Literal, get_args

from pydantic import Field

from content.ruleterms import Many, Rules

Lost = Annotated[int, Field(ge=0, le=1_000)]
Freezes = Literal["redeem", "gift", "referral"]
FREEZES: tuple[Freezes, ...] = get_args(Freezes)
"""What can be taken from somebody of low credit, until it is better."""
Kind = Literal[
    "holds_expired_3",
    "fake_share",
    "self_invite",
    "multi_account",
    "script",
    "metronome",
    "farming",
    "star",
    "ring",
    "rejoin",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""What a finding may be about (`content.suspicion`)."""


class DeductRules(Rules):
    """How much credit a finding of each kind takes; 0 does not look for it."""

    holds_expired_3: Lost = 5
    fake_share: Lost = 20
    self_invite: Lost = 30
    multi_account: Lost = 50
    script: Lost = 45
    metronome: Lost = 45
    farming: Lost = 45
    star: Lost = 50
    ring: Lost = 20
    rejoin: Lost = 10


class RecoverRules(Rules):
    """So much comes back after so many days in which nothing was found."""

    clean_days: Annotated[int, Field(ge=1, le=365)] = 30
    points: Annotated[int, Field(ge=1, le=1_000)] = 5


class WeightRule(Rules):
    """Below a score everything earned is multiplied by this, and some things are not possible."""

    below: Annotated[int, Field(ge=1, le=1_000)]
    multiplier: Annotated[float, Field(ge=0, le=1)]
    freeze: Many[Freezes] = ()


_WEIGHTS = (
    WeightRule(below=80, multiplier=0.8),
    WeightRule(below=60, multiplier=0.5),
    WeightRule(below=40, multiplier=0.0, freeze=FREEZES),
)


class CreditRules(Rules):
    """A member's credit: everybody starts with `start`, and what is found takes of it.

    While nobody has decided about a finding that takes `review_from` or more, what the member
    earns waits. One that an owner confirms takes `confirmed` besides. What is older than
    `forget_days` is forgotten, whatever it was.
    """

    watch: bool = True
    """Whether the clock looks for anything by itself."""
    start: Annotated[int, Field(ge=1, le=1_000)] = 100
    deduct: DeductRules = DeductRules()
    confirmed: Lost = 30
    review_from: Annotated[int, Field(ge=1, le=1_001)] = 40
    recover: RecoverRules = RecoverRules()
    weights: Many[WeightRule] = _WEIGHTS
    forget_days: Annotated[int, Field(ge=30, le=180)] = 180


def conflicts(rules: CreditRules) -> Iterator[tuple[str, object, str]]:
    """Yield keys whose values do not fit the others: key, value, and what would."""
    for number, (high, low) in enumerate(pairwise(rules.weights), 2):
        key = f"credit.weights.{number}"
        if low.below >= high.below:
            words = f"must be less than in the step before it ({high.below})"
            yield f"{key}.below", low.below, words
        if low.multiplier > high.multiplier:
            words = f"must be at most as much as in the step before it ({high.multiplier:g})"
            yield f"{key}.multiplier", low.multiplier, words
        if not set(high.freeze) <= set(low.freeze):
            words = f"must hold what the step before it freezes ({', '.join(high.freeze)})"
            yield f"{key}.freeze", [*low.freeze], words
    if rules.weights and rules.weights[0].below > rules.start:
        words = f"must be at most credit.start ({rules.start}), which everybody has"
        yield "credit.weights.1.below", rules.weights[0].below, words
