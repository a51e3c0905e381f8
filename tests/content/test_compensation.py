"""What may be compensated, and by how much for each point."""

from fractions import Fraction

import pytest

from content.compensation import Offer, OfferError, check, ratio, value_fen
from content.rulebook import read_rulebook, shipped_document

RULES = read_rulebook(shipped_document(), name="shipped")


@pytest.mark.parametrize(
    ("offer", "for_a_point"),
    [
        (Offer("inflation", percent=Fraction("5.01")), Fraction(501, 10_000)),
        (Offer("inflation", percent=Fraction(100), most=1), Fraction(1)),
        (Offer("value_drop", percent=Fraction(50)), Fraction(1)),
        (Offer("value_drop", percent=Fraction(25), wallet="coin"), Fraction(1, 3)),
        (Offer("value_drop", percent=Fraction(90)), Fraction(9)),
    ],
)
def test_a_percentage_is_exact(offer: Offer, for_a_point: Fraction) -> None:
    check(RULES, offer)
    assert ratio(offer) == for_a_point


def test_a_value_that_fell_is_whole_again() -> None:
    fall = Fraction("37.5")
    points = 1 + ratio(Offer("value_drop", percent=fall))
    assert points * (1 - fall / 100) == 1


@pytest.mark.parametrize(
    ("offer", "said"),
    [
        (Offer("inflation", percent=Fraction(5)), "5% is not above compensation.inflation_pct_ye"),
        (Offer("value_drop", percent=Fraction(20)), "20% is not above compensation.value_drop.pct"),
        (Offer("inflation", percent=Fraction(101)), "at most 100%"),
        (Offer("value_drop", percent=Fraction("90.01")), "at most 90%"),
        (Offer("inflation", percent=Fraction("6.001")), "two decimal places"),
        (Offer("inflation", percent=Fraction(-6)), "more than 0%"),
        (Offer("inflation"), "inflation is a percentage"),
        (Offer("inflation", percent=Fraction(6), points=5), "inflation is a percentage"),
        (Offer("inflation", percent=Fraction(6), most=0), "at least 1 point"),
        (Offer("fixed"), "1 to 1,000,000"),
        (Offer("fixed", points=0), "1 to 1,000,000"),
        (Offer("fixed", points=1_000_001), "1 to 1,000,000"),
        (Offer("fixed", points=5, percent=Fraction(6)), "neither"),
        (Offer("fixed", points=5, most=3), "neither"),
        (Offer("fixed", points=5, wallet="gold"), "no wallet 'gold': points, coin"),
    ],
)
def test_what_the_rules_do_not_promise_is_refused(offer: Offer, said: str) -> None:
    with pytest.raises(OfferError, match=said):
        check(RULES, offer)


def test_the_rules_say_from_where_on() -> None:
    document = shipped_document().replace("inflation_pct_year = 5", "inflation_pct_year = 2.5")
    rules = read_rulebook(document, name="mine")
    check(rules, Offer("inflation", percent=Fraction(3)))
    with pytest.raises(OfferError, match=r"not above compensation.inflation_pct_year \(2.5%\)"):
        check(rules, Offer("inflation", percent=Fraction("2.5")))


def test_a_fixed_sum_has_no_percentage() -> None:
    with pytest.raises(OfferError):
        ratio(Offer("fixed", points=5))


def test_each_wallet_has_a_value() -> None:
    document = shipped_document().replace(
        'name = "返利币"\nvalue_fen = 1', 'name = "返利币"\nvalue_fen = 7'
    )
    rules = read_rulebook(document, name="mine")
    assert (value_fen(rules, "points"), value_fen(rules, "coin")) == (1, 7)
