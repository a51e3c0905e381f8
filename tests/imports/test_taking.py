"""Files over the store: what has come in once changes nothing, by whatever way it comes again."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, text

from content.cells import Cell
from content.columns import recognise
from content.intake import Newcomer, Reader
from content.message import Refusal
from content.notice import Notice
from content.rulebook import shipped_document
from handlers.deeds import Receipt, take
from handlers.intake import take_members, take_orders
from storage import deeds, ledger, members, rulebooks
from storage.db import Tx, open_engine
from storage.members import Who
from storage.movement import PROGRAMME, Posting, Side
from tests.storage.books import NOW, count, member, programme, transaction

HEAD = ["订单号", "状态", "平台", "用户号", "金额", "运费", "时间", "退款单号"]
READER = Reader(recognise("orders", HEAD, {}, ""), zone=ZoneInfo("Asia/Shanghai"))
LATER = NOW + timedelta(hours=1)
PLAIN = shipped_document().replace("pending_days = 7", "pending_days = 0")
BUY: list[Cell] = ["A1", "已完成", "shop", "C-7", "199.00", "9", "2026-03-04 12:00", ""]
REFUND: list[Cell] = ["A1", "退款", "", "", "90", "", "2026-03-04 12:10", ""]


def _read(row: Sequence[Cell], **changes: Cell) -> Notice:
    meanings = ("order", "event", "platform", "user", "amount", "freight", "at", "key")
    changed = dict(zip(meanings, row, strict=True)) | changes
    return READER.order([*changed.values()])


class Shop:
    """A programme with one customer of a shop."""

    def __init__(self, tx: Tx) -> None:
        self.tx = tx
        self.camp = programme(tx)
        rulebooks.publish(
            tx, self.camp, PLAIN, author="t", note="t", effective=NOW, now=NOW, force="test"
        )
        self.ming = member(tx, self.camp)
        members.link(tx, self.camp, self.ming, Who("shop", "C-7", ""))

    def file(self, *notices: Notice) -> list[str]:
        """Let a file in; return what became of each row: new, known, or why it is refused."""
        results = take_orders(self.tx, self.camp, notices, actor="import:t", now=LATER)
        return [_state(result) for result in results]

    def api(self, **said: Any) -> list[str]:
        told = Notice(**{"at": NOW, "platform": "shop", "user_id": "C-7", "order": "A1", **said})
        return [_state(r) for r in take(self.tx, self.camp, [told], actor="api:t", now=LATER)]

    def points(self) -> int:
        return ledger.account(self.tx, self.camp, self.ming).available

    def bring(self, *people: Newcomer, now: datetime = NOW) -> list[tuple[bool, int] | str]:
        results = take_members(self.tx, self.camp, people, actor="import:t", now=now)
        return [r.key if isinstance(r, Refusal) else (r.new, r.points) for r in results]

    def number(self, user_id: str) -> int:
        found = members.by_identity(self.tx, self.camp, [("shop", user_id)])
        return found["shop", user_id]


def _state(result: Receipt | Refusal) -> str:
    if isinstance(result, Refusal):
        return result.key
    return "known" if result.replayed else "new"


# -- orders --------------------------------------------------------------------------------------


def test_the_same_rows_again_pay_nothing(engine: Engine) -> None:
    with transaction(engine) as tx:
        shop = Shop(tx)
        assert shop.file(_read(BUY)) == ["new"]
        assert shop.points() == 190
        assert shop.file(_read(BUY), _read(BUY)) == ["known", "known"]
        assert shop.file(_read(BUY, order="A2"), _read(BUY)) == ["new", "known"]
        assert shop.points() == 380


def test_an_order_that_the_api_told_is_known(engine: Engine) -> None:
    with transaction(engine) as tx:
        shop = Shop(tx)
        paid = {"key": "k1", "event": "order.completed", "amount_fen": 19_900, "freight_fen": 900}
        assert shop.api(**paid) == ["new"]
        assert shop.file(_read(BUY)) == ["known"]
        assert shop.file(_read(BUY, order="A2")) == ["new"]
        assert shop.api(**paid | {"key": "k2", "order": "A2"}) == ["known"]
        assert shop.points() == 380


def test_a_row_that_contradicts_an_order_is_refused(engine: Engine) -> None:
    with transaction(engine) as tx:
        shop = Shop(tx)
        assert shop.file(_read(BUY), _read(BUY, amount="5", freight="")) == [
            "new",
            "deed.order_known",
        ]
        assert shop.file(_read(BUY, at="2026-03-03")) == ["known"]  # exported by another column
        assert shop.points() == 190


def test_a_refund_follows_its_order_and_is_taken_once(engine: Engine) -> None:
    with transaction(engine) as tx:
        shop = Shop(tx)
        assert shop.file(_read(BUY), _read(REFUND), _read(REFUND)) == ["new", "new", "known"]
        assert shop.points() == 100
        assert shop.file(_read(REFUND)) == ["known"]
        assert shop.file(_read(REFUND, at="2026-03-04 12:30")) == ["deed.key_used"]
        assert shop.points() == 100


def test_a_refund_without_a_number_is_not_taken_beside_another(engine: Engine) -> None:
    with transaction(engine) as tx:
        shop = Shop(tx)
        shop.file(_read(BUY))
        assert shop.api(key="r1", event="order.refunded", amount_fen=9_000) == ["new"]
        assert shop.file(_read(REFUND)) == ["import.refund_unnumbered"]
        assert shop.points() == 100
        assert shop.file(_read(REFUND, key="r2", amount="10")) == ["new"]
        assert shop.file(_read(REFUND, key="r2", amount="10")) == ["known"]
        assert shop.points() == 90


def test_refunds_with_numbers_are_told_apart(engine: Engine) -> None:
    with transaction(engine) as tx:
        shop = Shop(tx)
        both = [_read(REFUND, key=key, amount="50") for key in ("r1", "r2")]
        assert shop.file(_read(BUY), *both, *both) == ["new", "new", "new", "known", "known"]
        assert shop.points() == 90


def test_what_is_refused_does_not_disturb_its_neighbours(engine: Engine) -> None:
    with transaction(engine) as tx:
        shop = Shop(tx)
        rows = [
            _read(BUY, order="B1", user="nobody"),
            _read(BUY),
            _read(REFUND, order="B2"),
            _read(BUY, order="B3", at=NOW + timedelta(days=1)),
        ]
        assert shop.file(*rows) == [
            "deed.member_unknown", "new", "deed.order_unknown", "deed.future",
        ]  # fmt: skip
        assert count(tx, "deed") == 1


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"order": ""}, "cell_empty"),
        ({"amount": ""}, "cell_empty"),
        ({"amount": "0"}, "cell_zero"),
        ({"amount": "-1"}, "cell_negative"),
        ({"amount": "1e9"}, "cell_number"),
        ({"freight": "200"}, "row_wrong"),
        ({"at": ""}, "cell_empty"),
        ({"at": "1999-12-31"}, "row_wrong"),
        ({"event": "待付款"}, "cell_event"),
        ({"event": ""}, "cell_event"),
        ({"user": ""}, "row_wrong"),
        ({"user": "小明"}, "cell_id"),
        ({"platform": "my shop"}, "cell_platform"),
        ({"platform": "telegram"}, "cell_telegram"),
        ({"order": "A 1"}, "cell_id"),
        ({"order": "x" * 65}, "cell_id"),
        ({"key": "x" * 101}, "cell_id"),
    ],
)
def test_a_row_that_makes_no_sense_is_refused(changes: dict[str, Cell], why: str) -> None:
    with pytest.raises(Refusal) as caught:
        _read(BUY, **changes)
    assert caught.value.key == f"import.{why}"


def test_the_longest_order_number_has_a_key(engine: Engine) -> None:
    with transaction(engine) as tx:
        shop = Shop(tx)
        longest = "9" * 64
        assert shop.file(_read(BUY, order=longest), _read(REFUND, order=longest)) == ["new", "new"]


# -- members -------------------------------------------------------------------------------------

ANN = Newcomer("shop", "ann", "Ann", date(2024, 5, 1), 500, date(2027, 12, 31))


def test_members_come_once_with_what_they_bring(engine: Engine) -> None:
    with transaction(engine) as tx:
        shop = Shop(tx)
        ben = ANN._replace(user_id="ben", name="", balance=0, expires=None)
        assert shop.bring(ANN, ben, ANN) == [(True, 500), (True, 0), (False, 0)]
        assert shop.bring(ANN, ben) == [(False, 0), (False, 0)]
        rows = tx.core.execute(text("SELECT name, created_ms FROM member ORDER BY id")).all()
        joined = int(datetime(2024, 4, 30, 16, tzinfo=UTC).timestamp() * 1000)
        assert [tuple(row) for row in rows[1:]] == [("Ann", joined), ("#ben", joined)]
        has = ledger.account(tx, shop.camp, shop.number("ann"))
        assert (has.available, has.next_expiry) == (500, date(2027, 12, 31))


@pytest.mark.parametrize(
    ("platform", "told", "why"),
    [
        ("Telegram", "", None),
        ("企业微信", "", None),
        ("商城", "", None),
        ("local", "", None),
        ("telegarm", "", ("cell_platform_near", "telegram")),
        ("wecon", "", ("cell_platform_near", "wecom")),
        ("youzan", "", ("cell_platform_own", "")),
        ("youzan", "youzan", None),
        ("Youzan", "youzan", None),
        ("telegarm", "telegarm", None),
        ("telegarm", "shop", ("cell_platform_near", "telegram")),
        ("", "youzan", None),
        ("my shop", "my shop", ("cell_platform", None)),
    ],
)
def test_a_member_is_on_a_platform_that_is_known_or_was_told(
    platform: str, told: str, why: tuple[str, str | None] | None
) -> None:
    columns = recognise("members", ["平台", "用户号"], {}, told)
    reader = Reader(columns, zone=ZoneInfo("Asia/Shanghai"), platform=told)
    if why is None:
        assert reader.member([platform, "7"]).user_id == "7"
        return
    with pytest.raises(Refusal) as caught:
        reader.member([platform, "7"])
    assert (caught.value.key, caught.value.values.get("near")) == (f"import.{why[0]}", why[1])


def test_an_opening_balance_is_on_no_board_of_this_month(engine: Engine) -> None:
    with transaction(engine) as tx:
        shop = Shop(tx)
        shop.bring(ANN)
        has = ledger.account(tx, shop.camp, shop.number("ann"))
        assert (has.total_earned, has.earned_day) == (500, date(2026, 2, 28))


def test_who_is_known_gets_what_he_brings_and_keeps_his_name(engine: Engine) -> None:
    with transaction(engine) as tx:
        shop = Shop(tx)
        assert shop.bring(ANN._replace(user_id="C-7")) == [(False, 500)]
        assert shop.points() == 500
        name = tx.core.execute(text("SELECT name FROM member")).scalar_one()
        assert name == "小明"


def test_another_opening_balance_is_refused(engine: Engine) -> None:
    with transaction(engine) as tx:
        shop = Shop(tx)
        assert shop.bring(ANN, ANN._replace(balance=600)) == [(True, 500), "import.balance_known"]
        assert shop.bring(ANN._replace(expires=None)) == ["import.balance_known"]
        assert ledger.account(tx, shop.camp, shop.number("ann")).available == 500


def test_what_has_expired_is_not_brought_but_stays_known(engine: Engine) -> None:
    with transaction(engine) as tx:
        shop = Shop(tx)
        late = datetime(2028, 1, 1, tzinfo=UTC)
        assert shop.bring(ANN, now=late) == ["import.points_expired"]
        assert count(tx, "member") == 1
        assert shop.bring(ANN) == [(True, 500)]
        assert shop.bring(ANN, now=late) == [(False, 0)]
        future = ANN._replace(user_id="x", joined=date(2026, 3, 5))
        assert shop.bring(future) == ["deed.future"]


def test_an_opening_balance_pays_a_debt_first(engine: Engine) -> None:
    with transaction(engine) as tx:
        shop = Shop(tx)
        shop.file(_read(BUY))
        ledger.post(
            tx,
            Posting(
                shop.camp,
                "spent",
                Side(shop.ming, "available"),
                Side(PROGRAMME, "redeemed"),
                190,
                "t",
                "t",
                1,
                "t",
                NOW,
                NOW.date(),
            ),
        )
        shop.file(_read(REFUND))
        assert ledger.account(tx, shop.camp, shop.ming).debt == -90
        assert shop.bring(ANN._replace(user_id="C-7")) == [(False, 500)]
        assert shop.bring(ANN._replace(user_id="C-7")) == [(False, 0)]
        has = ledger.account(tx, shop.camp, shop.ming)
        assert (has.available, has.debt) == (410, 0)


# -- speed ---------------------------------------------------------------------------------------


def test_sqlite_finds_many_by_their_index(sqlite_url: str) -> None:
    """Without statistics it would read every identity, and every deed, for each batch."""

    engine = open_engine(sqlite_url)
    with engine.connect() as connection:
        for sql, values, wanted in (
            (members._BY_IDENTITY, {"pairs": "[]"}, "platform=? AND user_id=?"),
            (deeds._BY_ORDERS, {"orders": "[]"}, "programme_id=? AND order_no=?"),
        ):
            plan = connection.exec_driver_sql(
                f"EXPLAIN QUERY PLAN {sql.sqlite}", {"programme": 1, **values}
            ).all()
            assert any(wanted in str(row) for row in plan), plan
    engine.dispose()
