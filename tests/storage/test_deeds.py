"""What shops tell us, over the store: deeds earn once, refunds take back to the point."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from sqlalchemy import Engine, text

from content.message import Refusal
from content.notice import Notice, faults
from content.rulebook import shipped_document
from handlers.deeds import Receipt, take
from storage import clockwork, ledger, members, rulebooks, undoing
from storage.db import Tx, open_engine
from storage.members import Who
from storage.tables import MEMBER_BUCKETS
from tests.storage.books import NOW, count, member, payment, programme, transaction, undo

PLAIN = shipped_document().replace("pending_days = 7", "pending_days = 0")
SECOND = PLAIN.replace('name = "返利币"\n', 'name = "返利币"\nper_yuan = 0.5\n')
CUSTOM = (
    PLAIN
    + """
[[earn]]
id = "film"
event = "custom.film"
category = "behaviour"
name = "看视频"
points = 30
once_per = "member"

[[earn]]
id = "unbox"
event = "custom.unbox"
category = "behaviour"
name = "开箱"
points = 7
once_per = "order"
"""
)


def notice(event: str = "order.completed", **more: Any) -> Notice:
    said: dict[str, Any] = {"key": f"{event}-{more.get('order', '')}", "event": event, "at": NOW}
    if event == "order.completed":
        said |= {"order": "A1", "amount_fen": 10_000}
    if event.startswith("order."):
        said["order"] = more.get("order", "A1")
    return Notice(**{**said, **more})


class Shop:
    """One programme, one member, and a shop that tells of him."""

    def __init__(self, tx: Tx, document: str = PLAIN) -> None:
        self.tx = tx
        self.camp = programme(tx)
        if document != shipped_document():
            rulebooks.publish(
                tx, self.camp, document, author="t", note="t", effective=NOW, now=NOW, force="test"
            )
        self.ming = member(tx, self.camp)

    def say(self, *notices: Notice, now: datetime = NOW) -> list[Receipt | Refusal]:
        return take(self.tx, self.camp, notices, actor="api:test", now=now)

    def tell(self, event: str = "order.completed", *, now: datetime = NOW, **more: Any) -> Receipt:
        """Tell of something that is taken."""
        (told,) = self.say(self.of_him(event, **more), now=now)
        assert isinstance(told, Receipt), told.key
        return told

    def refused(self, event: str, **more: Any) -> str:
        (told,) = self.say(self.of_him(event, **more))
        assert isinstance(told, Refusal)
        return told.key

    def of_him(self, event: str, **more: Any) -> Notice:
        him = {} if {"member_id", "user_id"} & more.keys() else {"member_id": f"{self.ming}"}
        return notice(event, **him, **more)

    def has(self, wallet: str = "points") -> dict[str, int]:
        found = ledger.account(self.tx, self.camp, self.ming, wallet)
        return {name: left for name in MEMBER_BUCKETS if (left := getattr(found, name))}


@pytest.fixture
def shop(engine: Engine) -> Iterator[Callable[..., Shop]]:
    with transaction(engine) as tx:
        yield lambda document=PLAIN: Shop(tx, document)


@pytest.fixture
def one_engine(sqlite_url: str) -> Iterator[Engine]:
    engine = open_engine(sqlite_url)
    yield engine
    engine.dispose()


def points(receipt: Receipt) -> list[tuple[str, str, int]]:
    return [(part.rule, part.wallet, part.points) for part in receipt.deed.parts]


# -- earning -------------------------------------------------------------------------------------


def test_an_order_earns_a_point_for_each_yuan_without_freight(shop: Callable[..., Shop]) -> None:
    here = shop()
    told = here.tell(amount_fen=19_999, freight_fen=1_000)
    assert points(told) == [("buy", "points", 189)]
    assert here.has() == {"available": 189}


def test_points_for_money_wait_for_the_refund_window(shop: Callable[..., Shop]) -> None:
    here = shop(shipped_document())
    told = here.tell()
    (part,) = told.deed.parts
    assert here.has() == {"pending": 100}
    ripe = NOW + timedelta(days=7)
    assert part.available == ripe.date()
    clockwork.mature_due(here.tx, here.camp, ripe.date(), ripe)
    assert here.has() == {"available": 100}


def test_an_order_of_long_ago_is_ripe_at_once_and_counts_for_its_day(
    shop: Callable[..., Shop],
) -> None:
    here = shop(shipped_document())
    here.tell(at=NOW - timedelta(days=40))
    assert here.has() == {"available": 100}
    has = ledger.account(here.tx, here.camp, here.ming)
    assert (has.total_earned, has.earned_day) == (100, (NOW - timedelta(days=33)).date())


def test_dual_credit_pays_into_the_second_wallet(shop: Callable[..., Shop]) -> None:
    here = shop(SECOND)
    assert points(here.tell()) == [("buy", "points", 100), ("buy", "coin", 50)]
    assert here.has("coin") == {"available": 50}
    here.tell("order.refunded", amount_fen=5_000)
    assert (here.has(), here.has("coin")) == ({"available": 50}, {"available": 25})


def test_an_event_earns_by_the_rules_of_its_day(shop: Callable[..., Shop]) -> None:
    here = shop()
    better = PLAIN.replace("per_yuan = 1\n", "per_yuan = 2\n")
    later = NOW + timedelta(days=2)
    rulebooks.publish(
        here.tx, here.camp, better, author="t", note="t", effective=later, now=NOW, force="test"
    )
    old = here.tell(order="A1", now=NOW + timedelta(days=3))
    new = here.tell(order="A2", at=later, now=NOW + timedelta(days=3))
    assert [points(old)[0][2], points(new)[0][2]] == [100, 200]


def test_a_late_order_keeps_its_day_and_its_version(shop: Callable[..., Shop]) -> None:
    here = shop()
    here.tell(at=datetime(2026, 3, 3, 15, 59, 59, tzinfo=UTC))  # 23:59:59 in Shanghai
    here.tx.close()
    row = here.tx.core.execute(text("SELECT key, day, rule_version, actor, kind FROM posting"))
    key, day, version, actor, kind = row.one()
    assert (key, str(day)) == ("2026-03-03/deed/buy/points/A1.", "2026-03-03")
    assert (version, actor, kind) == (1, "api:test", "consume")


@pytest.mark.parametrize("ending", ["/debt", "/owed", "."])
def test_no_number_of_a_shop_is_taken_for_a_key_of_the_ledgers_own(
    shop: Callable[..., Shop], ending: str
) -> None:
    here = shop()
    assert points(here.tell(order=f"X{ending}", key=f"a{ending}")) == [("buy", "points", 100)]
    assert points(here.tell(order="X", key="b")) == [("buy", "points", 100)]
    here.tell("order.refunded", order=f"X{ending}", amount_fen=5_000, key=f"c{ending}")
    assert here.has() == {"available": 150}


def test_a_review_pays_once_for_each_order(shop: Callable[..., Shop]) -> None:
    here = shop()
    here.tell()
    assert points(here.tell("order.reviewed")) == [("review", "points", 10)]
    again = here.tell("order.reviewed", key="other", at=NOW - timedelta(hours=30))
    assert again.replayed
    assert here.has() == {"available": 110}


def test_a_review_finds_the_member_of_its_order(shop: Callable[..., Shop]) -> None:
    here = shop()
    here.tell()
    (told,) = here.say(notice("order.reviewed"))
    assert isinstance(told, Receipt)
    assert told.deed.member_id == here.ming


def test_what_pays_once_for_each_member_pays_once(shop: Callable[..., Shop]) -> None:
    here = shop(CUSTOM)
    first = here.tell("custom.film", key="f1")
    second = here.tell("custom.film", key="f2")
    assert [part.withheld for part in (*first.deed.parts, *second.deed.parts)] == ["", "once"]
    assert here.has() == {"available": 30}


def test_what_pays_once_for_each_order_must_name_it(shop: Callable[..., Shop]) -> None:
    here = shop(CUSTOM)
    assert here.refused("custom.unbox", key="u0") == "deed.subject_needed"
    here.tell("custom.unbox", key="u1", order="A1")
    here.tell("custom.unbox", key="u2", order="A1")
    assert here.has() == {"available": 7}


def test_caps_are_a_result(shop: Callable[..., Shop]) -> None:
    here = shop()
    told = [here.tell("post.featured", key=f"p{n}", post=f"p{n}") for n in range(3)]
    assert [each.deed.parts[0].points for each in told] == [30, 30, 0]
    assert told[2].deed.parts[0].withheld == "cap"
    assert count(here.tx, "deed") == 3


def test_what_no_rule_pays_for_is_taken_and_earns_nothing(shop: Callable[..., Shop]) -> None:
    assert shop().tell("custom.nothing", key="n").deed.parts == ()


def test_sharing_is_not_paid_on_wecom_and_needs_to_say_where(shop: Callable[..., Shop]) -> None:
    here = shop()
    assert here.refused("share.verified", key="s0") == "deed.platform_needed"
    assert here.tell("share.verified", key="s1", platform="wecom").deed.parts == ()
    assert points(here.tell("share.verified", key="s2", platform="telegram"))[0][2] == 7


def test_a_member_is_found_by_his_identity(shop: Callable[..., Shop]) -> None:
    here = shop()
    members.link(here.tx, here.camp, here.ming, Who("shop", "C-7", ""))
    here.tell(platform="shop", user_id="C-7")
    assert here.has() == {"available": 100}


# -- the same again ------------------------------------------------------------------------------


def test_the_same_key_and_body_give_the_same_answer(shop: Callable[..., Shop]) -> None:
    here = shop()
    first, again = here.tell(), here.tell()
    assert (first.replayed, again.replayed) == (False, True)
    assert first.deed == again.deed
    assert here.has() == {"available": 100}


def test_the_same_instant_in_another_zone_is_the_same_body(shop: Callable[..., Shop]) -> None:
    here = shop()
    here.tell()
    assert here.tell(at=datetime.fromisoformat("2026-03-04T12:00:00+08:00")).replayed


@pytest.mark.parametrize(
    "change", [{"amount_fen": 9_999}, {"freight_fen": 1}, {"at": NOW - timedelta(1)}, {"post": "x"}]
)
def test_the_same_key_with_another_body_is_refused(
    shop: Callable[..., Shop], change: dict[str, Any]
) -> None:
    here = shop()
    here.tell()
    assert here.refused("order.completed", **change) == "deed.key_used"
    assert here.has() == {"available": 100}


def test_the_same_order_under_another_key_changes_nothing(shop: Callable[..., Shop]) -> None:
    here = shop()
    here.tell()
    assert here.tell(key="from-a-file", at=NOW - timedelta(days=1)).replayed
    assert here.refused("order.completed", key="third", amount_fen=5) == "deed.order_known"
    assert here.has() == {"available": 100}


def test_a_batch_knows_what_it_has_just_done(shop: Callable[..., Shop]) -> None:
    here = shop()
    buy, back = here.of_him("order.completed"), notice("order.refunded", amount_fen=4_000)
    results = here.say(buy, buy, back, back, notice("order.refunded", key="more", amount_fen=6_001))
    assert [r.replayed if isinstance(r, Receipt) else r.key for r in results] == [
        False, True, False, True, "deed.refund_over",
    ]  # fmt: skip
    assert here.has() == {"available": 60}


def test_programmes_share_no_keys(engine: Engine) -> None:
    with transaction(engine) as tx:
        for here in (Shop(tx), Shop(tx)):
            here.tell()
            assert here.has() == {"available": 100}


# -- refused ------------------------------------------------------------------------------------


def test_refusals_leave_no_trace(shop: Callable[..., Shop]) -> None:
    here = shop()
    other = member(here.tx, here.camp, "小红")
    here.tell()
    refused = {
        "deed.member_unknown": [
            here.refused("order.completed", order="B", member_id="77"),
            here.refused("order.completed", order="B", platform="shop", user_id="nobody"),
        ],
        "deed.future": [here.refused("order.completed", order="B", at=NOW + timedelta(minutes=6))],
        "deed.order_unknown": [here.refused("order.refunded", order="B")],
        "deed.not_his": [
            here.refused("order.refunded", member_id=f"{other}"),
            here.refused("order.reviewed", member_id=f"{other}"),
        ],
        "deed.refund_over": [
            here.refused("order.refunded", amount_fen=10_001),
            here.refused("order.refunded", amount_fen=10, freight_fen=1),
        ],
    }
    for key, found in refused.items():
        assert {*found} == {key}
    assert count(here.tx, "deed") == 1
    assert not here.tell("order.completed", order="B", at=NOW + timedelta(minutes=4)).replayed


def test_a_member_of_another_programme_is_unknown(shop: Callable[..., Shop]) -> None:
    here, there = shop(), shop()
    assert here.refused("order.completed", member_id=f"{there.ming}") == "deed.member_unknown"


def test_more_than_a_posting_can_move_is_refused(shop: Callable[..., Shop]) -> None:
    rich = (
        PLAIN.replace("per_yuan = 1\n", "per_yuan = 1000\n")
        .replace("consume = 1.0", "consume = 100.0")
        .replace("max_total = 4.0", "max_total = 100.0")
    )
    here = shop(rich)
    assert here.refused("order.completed", amount_fen=10**10) == "deed.too_much"
    assert here.has() == {}


REFUNDS_MAX = 6
BAD: list[tuple[dict[str, Any], str]] = [
    ({"amount_fen": 0}, "amount_fen"),
    ({"amount_fen": -1}, "amount_fen"),
    ({"amount_fen": 2**63}, "amount_fen"),
    ({"amount_fen": 1.0}, "amount_fen"),
    ({"amount_fen": "100"}, "amount_fen"),
    ({"amount_fen": True}, "amount_fen"),
    ({"amount_fen": None}, "."),
    ({"freight_fen": -1}, "freight_fen"),
    ({"freight_fen": 10_001}, "."),
    ({"key": ""}, "key"),
    ({"key": "k" * 10_000}, "key"),
    ({"key": "a\u200bb"}, "key"),
    ({"key": "a\nb"}, "key"),
    ({"key": "k\n"}, "key"),
    ({"key": 7}, "key"),
    ({"order": "订单"}, "order"),
    ({"order": "A\x00"}, "order"),
    ({"order": None}, "."),
    ({"event": "order.done"}, "event"),
    ({"event": "custom."}, "event"),
    ({"member_id": "0"}, "member_id"),
    ({"member_id": "9223372036854775808"}, "member_id"),
    ({"member_id": 5}, "member_id"),
    ({"member_id": None}, "."),
    ({"member_id": "5", "platform": "shop", "user_id": "5"}, "."),
    ({"member_id": None, "user_id": "5"}, "."),
    ({"platform": "Shop!"}, "platform"),
    ({"at": "2026-03-04T12:00:00"}, "at"),
    ({"at": datetime(1999, 1, 1, tzinfo=UTC)}, "at"),
    ({"at": datetime(9999, 12, 31, tzinfo=UTC)}, "at"),
    ({"at": 5}, "at"),
    ({"wallet": "gold"}, "wallet"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "where"), BAD)
def test_what_is_no_notice_is_refused_by_its_key(change: dict[str, Any], where: str) -> None:
    with pytest.raises(ValidationError) as caught:
        notice(**{"member_id": "5", "key": "k"} | change)
    (fault,) = faults(caught.value)
    assert fault.where == where
    assert "pattern" not in fault.what


# -- taking back ---------------------------------------------------------------------------------


def test_partial_refunds_take_their_share_and_the_last_one_the_rest(
    shop: Callable[..., Shop],
) -> None:
    here = shop()
    here.tell(amount_fen=999)  # 9 points
    left = []
    for number, fen in enumerate((333, 333, 333)):
        here.tell("order.refunded", key=f"r{number}", amount_fen=fen)
        left.append(here.has().get("available", 0))
    assert left == [6, 3, 0]
    assert here.refused("order.refunded", key="r9", amount_fen=1) == "deed.refund_over"


def test_a_refund_of_all_goods_takes_all_points_though_freight_is_kept(
    shop: Callable[..., Shop],
) -> None:
    here = shop()
    here.tell(amount_fen=11_000, freight_fen=1_000)
    here.tell("order.refunded", key="r1", amount_fen=1_000, freight_fen=1_000)
    assert here.has() == {"available": 100}
    here.tell("order.refunded", key="r2", amount_fen=5_000)
    assert here.has() == {"available": 50}
    here.tell("order.refunded", key="r3")
    assert here.has() == {}


def test_a_refund_takes_pending_points_first(shop: Callable[..., Shop]) -> None:
    here = shop(shipped_document())
    here.tell()
    here.tell("order.refunded", amount_fen=3_000)
    assert here.has() == {"pending": 70}


def test_what_has_been_spent_becomes_a_debt(shop: Callable[..., Shop]) -> None:
    here = shop()
    here.tell()
    ledger.post(here.tx, payment(here.camp, here.ming, 80))
    here.tell("order.refunded")
    assert here.has() == {"debt": -80}
    here.tell(order="A2")
    assert here.has() == {"available": 20}
    here.tell("order.refunded", order="A2")  # of which a part has paid a debt
    assert here.has() == {"debt": -80}


def test_a_refund_goes_by_the_rules_of_the_order(shop: Callable[..., Shop]) -> None:
    here = shop()
    here.tell()
    better = PLAIN.replace("per_yuan = 1\n", "per_yuan = 2\n")
    later = NOW + timedelta(days=1)
    rulebooks.publish(
        here.tx, here.camp, better, author="t", note="t", effective=later, now=NOW, force="test"
    )
    here.tell("order.refunded", at=later, now=later)
    assert here.has() == {}


def test_the_whole_refund_takes_back_the_review_as_well(shop: Callable[..., Shop]) -> None:
    here = shop()
    here.tell()
    here.tell("order.reviewed")
    here.tell("order.refunded", key="r1", amount_fen=5_000)
    assert here.has() == {"available": 60}
    told = here.tell("order.refunded", key="r2")
    assert points(told) == [("buy", "points", -50), ("review", "points", -10)]
    assert here.has() == {}
    assert here.refused("custom.unbox", key="late", order="A1") == "deed.order_refunded"


def test_a_refund_takes_what_somebody_has_left_of_it(shop: Callable[..., Shop]) -> None:
    here = shop()
    told = here.tell()
    undoing.reverse(here.tx, here.camp, told.deed.parts[0].posting, undo("hand"), amount=70)
    back = here.tell("order.refunded")
    assert points(back) == [("buy", "points", -30)]
    assert here.has() == {}


def test_the_refund_itself_comes_once(shop: Callable[..., Shop]) -> None:
    here = shop()
    here.tell()
    first = here.tell("order.refunded", amount_fen=1_000)
    assert here.tell("order.refunded", amount_fen=1_000).deed == first.deed
    assert here.has() == {"available": 90}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(data=st.data())
def test_refunds_in_any_parts_end_at_nothing(one_engine: Engine, data: st.DataObject) -> None:
    """However an order is refunded: never more than was given, in the end all of it."""
    with transaction(one_engine) as tx:
        here = Shop(tx, SECOND)
        amount = data.draw(st.integers(1, 50_000))
        freight = data.draw(st.integers(0, amount))
        bought = here.tell(amount_fen=amount, freight_fen=freight)
        left, freight_left, number = amount, freight, 0
        before = sum(part.points for part in bought.deed.parts)
        while left:
            fen = data.draw(st.integers(1, left)) if number < REFUNDS_MAX else left
            of_freight = data.draw(st.integers(0, min(fen, freight_left)))
            back = here.tell(
                "order.refunded", key=f"r{number}", amount_fen=fen, freight_fen=of_freight
            )
            left, freight_left, number = left - fen, freight_left - of_freight, number + 1
            assert all(part.points < 0 for part in back.deed.parts)
            before += sum(part.points for part in back.deed.parts)
            assert before >= 0
        assert (here.has(), here.has("coin"), before) == ({}, {}, 0)
