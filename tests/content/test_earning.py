"""What a deed earns: tables, and what holds for whatever the document says."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from content.caps import Cap
from content.earning import CAMPAIGN, Deed, Earned, earned, rebate
from content.rulebook import FACTORS, Rulebook, exact, read_rulebook, shipped_document

SHIPPED = read_rulebook(shipped_document(), name="shipped")
EARN = Cap("earn", "day", "points", 500)
BRAND = '[[wallet]]\nid = "brand"\nname = "品牌积分"\nper_yuan = 0.5\n'
BUY = '[[earn]]\nid = "buy"\nevent = "order.completed"\ncategory = "consume"\nper_yuan = 1\n'
TWICE = Fraction(2)


def _rules(body: str) -> Rulebook:
    return read_rulebook(f"version = 1\n{body}", name="test")


def _points(rules: Rulebook, event: str, **more: Any) -> dict[str, int]:
    paid = earned(rules, Deed(event=event, **more))
    return {f"{part.rule}@{part.wallet}": part.points for part in paid}


@pytest.mark.parametrize(
    ("deed", "paid"),
    [
        (Deed(event="order.completed", amount_fen=10_000), {"buy": 100}),
        (Deed(event="order.completed", amount_fen=10_099), {"buy": 100}),
        (Deed(event="order.completed", amount_fen=99), {}),  # less than a point is none
        (Deed(event="order.completed"), {}),
        (Deed(event="order.completed", amount_fen=10_000, freight_fen=1_000), {"buy": 90}),
        (Deed(event="order.completed", amount_fen=800, freight_fen=800), {}),
        (Deed(event="order.completed", amount_fen=10_000, level="gold"), {"buy": 120}),
        (Deed(event="order.completed", amount_fen=10_000, level="no more"), {"buy": 100}),
        (Deed(event="order.reviewed"), {"review": 10}),
        (Deed(event="order.reviewed", level="silver"), {"review": 11}),
        (Deed(event="share.verified"), {"share": 7}),  # 5 × 1.5, rounded down
        (Deed(event="share.verified", level="gold"), {"share": 9}),  # 5 × 1.5 × 1.2
        (Deed(event="share.verified", platform="telegram"), {"share": 7}),
        (Deed(event="share.verified", platform="wecom"), {}),
        (Deed(event="post.featured", level="silver"), {"ugc": 33}),  # in floats 32.99…
        (Deed(event="checkin"), {"checkin": 5}),
        (Deed(event="checkin", streak=True), {"checkin": 6}),
        (Deed(event="checkin", streak=True, level="gold"), {"checkin": 7}),  # 5 × 1.2 × 1.2
        (Deed(event="activity"), {"activity": 1}),
        (Deed(event="custom.nobody_knows"), {}),
        (
            Deed(event="post.featured", level="gold", campaign=TWICE),
            {"ugc": 36, "ugc.campaign": 36},
        ),
        (  # 1.5 × 1.2 × 3 = 5.4 is more than 4
            Deed(event="post.featured", level="gold", campaign=Fraction(3)),
            {"ugc": 36, "ugc.campaign": 44},
        ),
        (  # both together are rounded down once: 7.5 × 2 = 15 = 7 + 8
            Deed(event="share.verified", campaign=TWICE),
            {"share": 7, "share.campaign": 8},
        ),
    ],
)
def test_the_shipped_rules_pay(deed: Deed, paid: dict[str, int]) -> None:
    parts = earned(SHIPPED, deed)
    assert {part.rule: part.points for part in parts} == paid
    assert {part.wallet for part in parts} <= {"points"}


def test_what_is_paid_says_when_it_comes_when_it_goes_and_what_limits_it() -> None:
    ugc = Cap("ugc", "day", "times", 2)
    share = Cap("share.share", "day", "times", 3)
    assert [
        *earned(SHIPPED, Deed(event="order.completed", amount_fen=100)),
        *earned(SHIPPED, Deed(event="order.reviewed")),
        *earned(SHIPPED, Deed(event="share.verified")),
        *earned(SHIPPED, Deed(event="post.featured")),
        *earned(SHIPPED, Deed(event="activity")),
        *earned(SHIPPED, Deed(event="checkin")),
    ] == [
        Earned("buy", "points", "consume", 1, 7, None, (), None),
        Earned("review", "points", "behaviour", 10, 0, None, (EARN,), "order"),
        Earned("share", "points", "social", 7, 0, None, (share, EARN), None),
        Earned("ugc", "points", "social", 30, 0, None, (ugc, EARN), None),
        Earned(
            "activity",
            "points",
            "behaviour",
            1,
            0,
            None,
            (Cap("activity", "day", "points", 30), EARN),
            None,
        ),
        Earned("checkin", "points", "behaviour", 5, 0, None, (EARN,), None),
    ]


def test_what_a_campaign_adds_expires_earlier_and_is_counted_by_itself() -> None:
    own, added = earned(SHIPPED, Deed(event="post.featured", campaign=TWICE))
    assert (own.rule, own.expires_days) == ("ugc", None)
    assert (added.rule, added.expires_days) == (f"ugc{CAMPAIGN}", 90)
    assert own.caps == (Cap("ugc", "day", "times", 2), EARN)
    assert added.caps == (Cap("ugc.campaign", "day", "times", 2), EARN)


def test_a_rule_may_wait_and_expire_otherwise_than_the_programme() -> None:
    rules = _rules(
        BUY + "pending_days = 0\nexpires_days = 400\n"
        '[[earn]]\nid = "review"\nevent = "order.reviewed"\ncategory = "behaviour"\npoints = 9\n'
        'pending_days = 14\n[programme.expiry]\nbase = "rolling"\nbase_days = 800'
    )
    (buy,) = earned(rules, Deed(event="order.completed", amount_fen=100))
    (review,) = earned(rules, Deed(event="order.reviewed"))
    (checkin,) = earned(rules, Deed(event="checkin"))
    assert (buy.pending_days, buy.expires_days) == (0, 400)
    assert (review.pending_days, review.expires_days) == (14, 800)
    assert (checkin.pending_days, checkin.expires_days) == (0, 800)


def test_one_yuan_is_one_point_and_half_a_point_of_the_brand() -> None:
    rules = _rules(BUY + 'limit = { per = "day", n = 9 }\nonce_per = "order"\n' + BRAND)
    assert _points(rules, "order.completed", amount_fen=10_050) == {
        "buy@points": 100,
        "buy@brand": 50,
    }
    assert _points(rules, "order.completed", amount_fen=100) == {"buy@points": 1}
    point, brand = earned(rules, Deed(event="order.completed", amount_fen=1_000))
    assert (point.once_per, brand.once_per) == ("order", "order")
    assert point.caps == (Cap("buy", "day", "times", 9),)
    assert brand.caps == (Cap("buy.brand", "day", "times", 9),)
    assert _points(rules, "order.completed", amount_fen=1_000, campaign=TWICE) == {
        "buy@points": 10,
        "buy.campaign@points": 10,
        "buy@brand": 5,
        "buy.campaign@brand": 5,
    }


def test_only_points_for_money_are_credited_twice() -> None:
    assert _points(_rules(BRAND), "checkin") == {"checkin@points": 5}


def test_every_rule_of_an_event_pays() -> None:
    second = BUY.replace('"buy"', '"more"').replace("per_yuan = 1", "points = 3")
    assert _points(_rules(BUY + second), "order.completed", amount_fen=200) == {
        "buy@points": 2,
        "more@points": 3,
    }


def test_a_message_that_pays_nothing_earns_nothing() -> None:
    assert earned(_rules("[activity]\npoints = 0"), Deed(event="activity")) == ()
    assert earned(_rules("[categories]\nbehaviour = 0"), Deed(event="checkin")) == ()


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount_fen": -1},
        {"amount_fen": 100, "freight_fen": 101},
        {"freight_fen": -1},
        {"campaign": Fraction(1, 2)},
    ],
)
def test_a_deed_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"freight|campaign"):
        Deed(event="order.completed", **wrong)


TENTHS = st.integers(0, 50).map(lambda tenths: tenths / 10)


@given(
    order=st.permutations(FACTORS),
    ceiling=st.integers(10, 100).map(lambda tenths: tenths / 10),
    category=TENTHS,
    level=TENTHS,
    bonus=TENTHS,
    per_yuan=st.integers(1, 5_000).map(lambda hundredths: hundredths / 100),
    amount=st.integers(0, 10_000_000),
    campaign=st.fractions(1, 10, max_denominator=20),
    streak=st.booleans(),
)
def test_any_order_of_factors_pays_the_exact_product_rounded_down_once(
    *,
    order: list[str],
    ceiling: float,
    category: float,
    level: float,
    bonus: float,
    per_yuan: float,
    amount: int,
    campaign: Fraction,
    streak: bool,
) -> None:
    rules = Rulebook.model_validate(
        {
            "version": 1,
            "stacking": {"order": order, "max_total": ceiling},
            "categories": {"consume": category},
            "checkin": {"streak": {"bonus": bonus}},
            "level": [{"id": "gold", "name": "金", "min": 0, "multiplier": level}],
            "wallet": [{"id": "brand", "name": "品牌", "per_yuan": per_yuan}],
            "earn": [
                {"id": "b", "event": "order.completed", "category": "consume", "per_yuan": per_yuan}
            ],
        }
    )
    deed = Deed(
        event="order.completed",
        amount_fen=amount,
        level="gold",
        streak=streak,
        campaign=campaign,
    )
    parts = earned(rules, deed)
    factor = exact(category) * exact(level) * (1 + exact(bonus) if streak else 1) * campaign
    whole = Fraction(amount, 100) * exact(per_yuan) * min(factor, exact(ceiling))
    for wallet in ("points", "brand"):
        assert sum(part.points for part in parts if part.wallet == wallet) == whole.__floor__()
    assert all(part.points > 0 for part in parts)
    assert len({(part.rule, part.wallet) for part in parts}) == len(parts)
    names = [cap.name for part in parts for cap in part.caps]
    assert all(len(name) <= 64 for name in names)


@pytest.mark.parametrize(
    ("yuan", "coins"),
    [
        (0, 0),
        (299.99, 0),
        (300, 300),
        (300.99, 300),
        (999.99, 999),
        (1_000, 1_500),
        (9_999, 14_998),
    ],
)
def test_a_rebate_is_on_all_that_was_spent_by_the_step_that_it_reaches(
    yuan: float, coins: int
) -> None:
    assert rebate(SHIPPED, round(yuan * 100)) == coins


def test_without_steps_there_is_no_rebate_and_a_dearer_coin_is_fewer() -> None:
    assert rebate(_rules(""), 10**9) == 0
    steps = '[[wallet]]\nid = "coin"\nname = "币"\nvalue_fen = 10\n[rebate]\nsteps = '
    rules = _rules(steps + "[{ from_yuan = 100, pct = 2.5 }]")
    assert [rebate(rules, yuan * 100) for yuan in (99, 100, 107)] == [0, 25, 26]


@given(st.integers(0, 10**8), st.integers(0, 10**6))
def test_who_spends_more_gets_no_less_and_never_more_than_the_highest_rate(
    spent: int, more: int
) -> None:
    assert rebate(SHIPPED, spent) <= rebate(SHIPPED, spent + more)
    assert rebate(SHIPPED, spent) <= spent * 15 // 1_000
