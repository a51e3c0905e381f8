"""What the law forbids in a document, and what an operator is warned of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from content.lint import lint, rebate_pct
from content.rulebook import Rulebook, read_rulebook, shipped_document

SHARE = '[[earn]]\nid = "share"\nevent = "share.verified"\ncategory = "social"\npoints = 5\n'
BUY = '[[earn]]\nid = "buy"\nevent = "order.completed"\ncategory = "consume"\nper_yuan = {}\n'
BRAND = '[[wallet]]\nid = "brand"\nname = "品牌积分"\nper_yuan = {}\n'
BADGE = '[[badge]]\nid = "a"\nname = "{}"\nemoji = "🌅"\nwhen = {{ what = "talk", n = 1 }}\n{}\n'
GOLD = '[[level]]\nid = "gold"\nname = "黄金"\nmin = 0\nmultiplier = {}\n'


def _rules(body: str) -> Rulebook:
    return read_rulebook(f"version = 1\n{body}", name="test")


def _found(body: str) -> list[str]:
    return [f"{each.severity} {each.key}: {each.message}" for each in lint(_rules(body))]


def test_the_shipped_rules_are_beyond_reproach() -> None:
    assert lint(read_rulebook(shipped_document(), name="shipped")) == ()
    assert _found("") == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (SHARE, "refuse earn.share.platforms_off: must hold 'wecom'"),
        (SHARE + 'platforms_off = ["telegram"]', "refuse earn.share.platforms_off: must hold 'wec"),
        ('[programme.point]\nname = "代币"', "refuse programme.point.name: '代币' says '代币'"),
        ('[programme.point]\nname = "提 现 金"', "refuse programme.point.name: '提 现 金' says"),
        ('[programme.point]\nnames = { en = "代币" }', "refuse programme.point.names.en: '代币' s"),
        (BRAND.format(1).replace("品牌积分", "理财金"), "refuse wallet.brand.name"),
        (GOLD.format(1).replace("黄金", "团队奖金"), "refuse level.gold.name"),
        (BADGE.format("提现王", ""), "refuse badge.a.name"),
        (BADGE.format("早", 'words = { zh = "可以套现" }'), "refuse badge.a.words.zh"),
        (SHARE + 'platforms_off = ["wecom"]\nname = "拉人头"', "refuse earn.share.name"),
        (BUY.format(4), "warn earn: at best 4% of what is spent comes back (earn.buy 4%): above"),
        (BUY.format(0.4), "warn earn: at best 0.4% of what is spent comes back (earn.buy 0.4%): b"),
        (
            "[programme.point]\nvalue_fen = 10\n" + BUY.format(1) + GOLD.format(1.2),
            "at best 12% of what is spent",  # S4's own figures
        ),
        (BUY.format(2) + BRAND.format(0.5) + GOLD.format(1.25), "3.12% of what is spent comes b"),
        (
            '[programme.expiry]\nbase = "rolling"\nbase_days = 364',
            "warn programme.expiry.base_days",
        ),
        (BUY.format(1) + "expires_days = 90", "warn earn.buy.expires_days: 90 days: points that"),
        ("[programme.expiry]\nremind_days = []", "warn programme.expiry.remind_days: nobody is"),
        ("[programme.expiry]\nbonus_days = 30", "warn programme.expiry.bonus_days: 30 days: over"),
        (
            GOLD.format(2) + '[[level]]\nid = "top"\nname = "顶"\nmin = 9\nmultiplier = 1.5',
            "warn level.top.multiplier: 1.5: a lower level earns more (2)",
        ),
        (GOLD.format(1) + "[levels]\ngrace_days = 0", "warn levels.grace_days: 0: a level is lost"),
        ("[redeem.gift]\naccount_days_min = 6", "warn redeem.gift.account_days_min: 6: new accou"),
        (
            "[redeem.gift]\nper_day_points = 501",
            "warn redeem.gift.per_day_points: 501: more than a member can earn in a day (500)",
        ),
        ("[compensation]\napprove = 1", "warn compensation.approve: 1: whoever proposes it"),
    ],
)
def test_a_document_is_refused_or_warned_of(body: str, said: str) -> None:
    assert any(said in line for line in _found(body)), _found(body)


@pytest.mark.parametrize(
    "body",
    [
        SHARE + 'platforms_off = ["wecom"]',
        BUY.format(3),
        BUY.format(0.5),
        BUY.format(1) + BRAND.format(1) + GOLD.format(1.5),
        '[programme.expiry]\nbase = "none"\nbase_days = 30',  # does not count
        '[programme.expiry]\nbase = "rolling"\nbase_days = 365',
        '[programme.point]\nname = "金币"',
        "[redeem.gift]\naccount_days_min = 7\nper_day_points = 500",
        "[redeem.gift]\naccount_days_min = 0\nper_day_n = 0",
        GOLD.format(1) + '[levels]\ngrace_days = 0\ndowngrade = "none"',
    ],
)
def test_what_is_just_within_is_not_talked_about(body: str) -> None:
    assert _found(body) == []


def test_what_refuses_comes_first() -> None:
    severities = [line.split()[0] for line in _found(SHARE + BUY.format(9))]
    assert severities == ["refuse", "warn"]


def test_rules_of_one_event_add_up_and_those_of_different_events_do_not() -> None:
    other = BUY.format(2).replace('"buy"', '"more"')
    assert sum(rebate_pct(_rules(BUY.format(1) + other)).values()) == 3
    elsewhere = other.replace("order.completed", "custom.partner") + 'name = "合作"\n'
    assert rebate_pct(_rules(BUY.format(1) + elsewhere)) == {"earn.more": 2}


@given(rate=st.integers(1, 1_000), level=st.integers(0, 40), brand=st.integers(1, 100))
def test_the_warning_stands_exactly_where_the_sum_is_out_of_bounds(
    rate: int, level: int, brand: int
) -> None:
    body = BUY.format(rate / 100) + BRAND.format(brand / 100) + GOLD.format(level / 10)
    best = max(level, 10) * (rate + brand)  # in thousandths of a per cent
    warned = any(line.startswith("warn earn") for line in _found(body))
    assert warned == (not 500 <= best <= 3_000)
