"""Compensation: what members get when points lose value, or when something went wrong."""

from fractions import Fraction
from typing import Literal, NamedTuple, get_args

from content.rulebook import POINTS, Rulebook, exact

Kind = Literal["inflation", "value_drop", "fixed"]
KINDS: tuple[Kind, ...] = get_args(Kind)
POINTS_MAX = 1_000_000
"""Of a fixed sum, for each member."""
DROP_MAX = Fraction(90)
"""Per cent: what has lost more is worth next to nothing, and needs a decision of another kind."""


class OfferError(ValueError):
    """A compensation that the rules do not know, or that makes no sense."""


class Offer(NamedTuple):
    """What is to be given into a wallet, by its kind.

    `percent` is what was measured (prices that rose in a year, value that a point has lost, exact
    to a hundredth), `points` the fixed sum for each; `most` is a ceiling of each member's points.
    """

    kind: Kind
    wallet: str = POINTS
    percent: Fraction | None = None
    points: int | None = None
    most: int | None = None


def check(rules: Rulebook, offer: Offer) -> None:
    """Refuse an offer that does not fit the rules. Errors: OfferError, which names the key."""
    if offer.wallet != POINTS and offer.wallet not in {wallet.id for wallet in rules.wallet}:
        names = ", ".join((POINTS, *(wallet.id for wallet in rules.wallet)))
        raise OfferError(f"there is no wallet {offer.wallet!r}: {names}")
    if offer.kind == "fixed":
        _check_fixed(offer)
    else:
        _check_percent(rules, offer)


def ratio(offer: Offer) -> Fraction:
    """Return what is given for each point that a member has: exact, rounded down by the payer.

    Inflation is paid as it was measured. A value that fell by a fifth takes a quarter more points
    to be whole again. Errors: OfferError for a fixed sum.
    """
    if offer.percent is None:
        raise OfferError("a fixed sum has no percentage")
    part = offer.percent / 100
    return part / (1 - part) if offer.kind == "value_drop" else part


def value_fen(rules: Rulebook, wallet: str) -> int:
    """Return what a point of a wallet is worth, in fen."""
    if wallet == POINTS:
        return rules.programme.point.value_fen
    return next(each.value_fen for each in rules.wallet if each.id == wallet)


def _check_fixed(offer: Offer) -> None:
    if offer.percent is not None or offer.most is not None:
        raise OfferError("a fixed sum has neither a percentage nor a ceiling")
    if offer.points is None or not 1 <= offer.points <= POINTS_MAX:
        raise OfferError(f"a fixed sum is 1 to {POINTS_MAX:,} points for each")


def _check_percent(rules: Rulebook, offer: Offer) -> None:
    if offer.percent is None or offer.points is not None:
        raise OfferError(f"{offer.kind} is a percentage, not a sum")
    if offer.most is not None and offer.most < 1:
        raise OfferError("the ceiling for each member is at least 1 point")
    if (offer.percent * 100).denominator != 1:
        raise OfferError("a percentage has at most two decimal places")
    inflation = offer.kind == "inflation"
    most = Fraction(100) if inflation else DROP_MAX
    if not 0 < offer.percent <= most:
        raise OfferError(f"{offer.kind} is more than 0% and at most {float(most):g}%")
    made_good = rules.compensation
    key = "inflation_pct_year" if inflation else "value_drop.pct"
    above = made_good.inflation_pct_year if inflation else made_good.value_drop.pct
    if offer.percent <= exact(above):
        raise OfferError(
            f"{float(offer.percent):g}% is not above compensation.{key} ({above:g}%): the rules"
            " promise nothing; a fixed sum can be given at any time"
        )
