"""What changes between two documents, and what of it members need notice of."""

import pytest

from content.rulebook import Rulebook, read_rulebook, shipped_document
from content.rulediff import Change, changes, worse

SHIPPED = shipped_document()


def _rules(document: str) -> Rulebook:
    return read_rulebook(document, name="test")


def _with(old: str, new: str, count: int = 1) -> Rulebook:
    assert SHIPPED.count(old) >= 1, old
    return _rules(SHIPPED.replace(old, new, count))


UGC = SHIPPED[SHIPPED.index('[[earn]]\nid = "ugc"') : SHIPPED.index("[[level]]\nid")]
GOLD = SHIPPED[SHIPPED.index('[[level]]\nid = "gold"') : SHIPPED.index("# Badges")]
FREIGHT = 'exclude = ["freight"]'


def test_nothing_changes_between_a_document_and_itself() -> None:
    assert changes(_rules(SHIPPED), _rules(SHIPPED)) == ()
    assert worse(_rules(SHIPPED), _rules(SHIPPED)) == ()
    assert changes(_rules(SHIPPED), _rules(SHIPPED + "\n# a remark")) == ()


def test_a_change_names_its_key_by_the_entrys_id() -> None:
    new = SHIPPED.replace(UGC, "").replace("points = 10\nonce", "points = 12\nonce")
    new = new.replace("social = 1.5", "social = 1.5\nsport = 2").replace("pct = 1.5", "pct = 2")
    assert changes(_rules(SHIPPED), _rules(new)) == (
        Change("categories.sport", None, 2.0),
        Change("earn.review.points", 10, 12),
        Change("rebate.steps.3.pct", 1.5, 2.0),
        Change("earn.ugc.id", "ugc", None),
        Change("earn.ugc.event", "post.featured", None),
        Change("earn.ugc.category", "social", None),
        Change("earn.ugc.points", 20, None),
        Change("earn.ugc.exclude", "", None),
        Change("earn.ugc.limit.per", "day", None),
        Change("earn.ugc.limit.n", 2, None),
        Change("earn.ugc.platforms_off", "", None),
    )


@pytest.mark.parametrize(
    ("old", "new", "keys"),
    [
        # lower earn
        ("points = 5\ncategory", "points = 4\ncategory", ["checkin.points"]),
        ("bonus = 0.20", "bonus = 0.1", ["checkin.streak.bonus"]),
        ("every = 7", "every = 8", ["checkin.streak.every"]),
        ("every = 7, bonus = 0.20", "every = 14, bonus = 0.5", ["checkin.streak.every"]),
        ("per_yuan = 1\n", "per_yuan = 0.9\n", ["earn.buy.per_yuan"]),
        ('per_yuan = 1\nexclude = ["freight"]', "points = 9", ["earn.buy.per_yuan"]),
        ("n = 2 }\n\n[[level]]", "n = 1 }\n\n[[level]]", ["earn.ugc.limit"]),
        (
            'limit = { per = "day", n = 2 }\n\n',
            'limit = { per = "month", n = 59 }\n\n',
            ["earn.ugc.limit"],
        ),
        (
            'points = 10\nonce_per = "order"',
            'points = 10\nonce_per = "member"',
            ["earn.review.once_per"],
        ),
        (
            'platforms_off = ["wecom"]',
            'platforms_off = ["wecom", "telegram"]',
            ["earn.share.platforms_off.telegram"],
        ),
        ("order.reviewed", "post.featured", ["earn.review.event"]),
        (UGC, "", ["earn.ugc"]),
        ("earn_per_day = 500", "earn_per_day = 400", ["programme.caps.earn_per_day"]),
        ("cooldown_s = 60", "cooldown_s = 61", ["activity.cooldown_s"]),
        # lower multipliers
        (
            "social = 1.5",
            "social = 1.4",
            ["categories.social", "earn.share.category", "earn.ugc.category"],
        ),
        ("multiplier = 1.2", "multiplier = 1.1", ["level.gold.multiplier"]),
        ("min = 3000", "min = 3001", ["level.gold.min"]),
        (GOLD, "", ["level.gold"]),
        ('perks = ["gift_quota_2x"]', "", ["level.gold.perks.gift_quota_2x"]),
        ('what = "streak", n = 7', 'what = "streak", n = 8', ["badge.week.when.streak"]),
        ('id = "ten"', 'id = "tenth"', ["badge.ten"]),
        ("grace_days = 30", "grace_days = 29", ["levels.grace_days"]),
        ('downgrade = "one_down"', 'downgrade = "balance_based"', ["levels.downgrade"]),
        ("max_total = 4.0", "max_total = 3", ["stacking.max_total"]),
        ("pct = 1.5", "pct = 1.4", ["rebate.steps"]),
        ("from_yuan = 1000", "from_yuan = 1200", ["rebate.steps"]),
        # shorter expiry, longer waiting
        (
            'base = "none"',
            'base = "rolling"',
            [
                "earn.buy.expires_days",
                "earn.photo.expires_days",
                "earn.review.expires_days",
                "earn.share.expires_days",
                "earn.ugc.expires_days",
                "programme.expiry.base",
            ],
        ),
        ("bonus_days = 90", "bonus_days = 89", ["programme.expiry.bonus_days"]),
        (FREIGHT, f"{FREIGHT}\nexpires_days = 3650", ["earn.buy.expires_days"]),
        ("pending_days = 7 ", "pending_days = 8 ", ["earn.buy.pending_days"]),
        (
            'once_per = "order"\n\n',
            'once_per = "order"\npending_days = 1\n\n',
            ["earn.review.pending_days"],
        ),
        # higher prices, less value
        ("price = 50", "price = 51", ["checkin.makeup.price"]),
        ("free_per_month = 1", "free_per_month = 0", ["checkin.makeup.free_per_month"]),
        # fewer gifts
        ("per_day_points = 200", "per_day_points = 199", ["redeem.gift.per_day_points"]),
        ("per_day_n = 3", "per_day_n = 0", ["redeem.gift.per_day_n"]),
        ("account_days_min = 14", "account_days_min = 15", ["redeem.gift.account_days_min"]),
        ("expires_h = 24", "expires_h = 23", ["redeem.gift.expires_h"]),
        ('name = "返利币"\nvalue_fen = 1', 'name = "返利币"\nvalue_fen = 2', []),
    ],
)
def test_what_is_worse_for_members_is_found(old: str, new: str, keys: list[str]) -> None:
    changed = _with(old, new)
    assert list(worse(_rules(SHIPPED), changed)) == keys
    if keys != ["earn.review.event"]:  # which is a loss both ways
        there_and_back = set(worse(changed, _rules(SHIPPED))) & set(keys)
        assert there_and_back == set()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("issue_per_day = 50_000", "issue_per_day = 40_000"),
        ("member_per_minute = 20", "member_per_minute = 10"),
        ("places = 10", "places = 5"),
        ('name = "黄金"', 'name = "金卡"'),
        ("approve = 2", "approve = 3"),
    ],
)
def test_what_is_no_term_for_members_needs_no_notice(old: str, new: str) -> None:
    changed = _with(old, new)
    assert changes(_rules(SHIPPED), changed) != ()
    assert worse(_rules(SHIPPED), changed) == ()


def test_who_showed_only_the_willing_needs_notice_to_show_everybody() -> None:
    shy = _with('boards = "opt_out"', 'boards = "opt_in"')
    assert worse(shy, _rules(SHIPPED)) == ("privacy.boards",)
    assert worse(_rules(SHIPPED), shy) == ()


@pytest.mark.parametrize(
    ("old", "new", "keys"),
    [
        ("members", "public", ("privacy.visibility",)),
        ("private", "members", ("privacy.visibility",)),
        ("private", "public", ("privacy.visibility",)),
        ("members", "private", ()),
        ("public", "members", ()),
    ],
)
def test_to_be_seen_by_more_is_worse(old: str, new: str, keys: tuple[str, ...]) -> None:
    before, after = (
        _with('visibility = "members"', f'visibility = "{each}"') for each in (old, new)
    )
    assert worse(before, after) == keys
