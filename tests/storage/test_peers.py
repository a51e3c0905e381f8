"""What users of other systems complained of (spec/peers.md): none of it can be said of this one."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from psycopg.errors import UniqueViolation
from sqlalchemy import Engine

from content.caps import Cap
from storage import clockwork, history, ledger, undoing
from storage.db import Tx
from storage.movement import GoneError, InsufficientError, Posted, Side
from tests.storage.books import (
    NOW,
    buckets,
    count,
    day,
    give,
    lots,
    member,
    payment,
    posting,
    programme,
    transaction,
    undo,
)

THREADS = 4


def _at_once(engine: Engine, work: Any) -> list[Any]:
    """Do the same in several transactions that begin at the same moment.

    Where the unique key stops one of them it is run again, as the dispatcher does.
    """
    start = Barrier(THREADS)

    def one(number: int) -> Any:
        start.wait()
        try:
            with transaction(engine) as tx:
                return work(tx, number)
        except UniqueViolation:
            with transaction(engine) as tx:
                return work(tx, number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(one, range(THREADS)))


def test_complinks_258_and_jjbot_1_credited_twice_at_the_same_moment(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
    done = _at_once(engine, lambda tx, _: give(tx, camp, ming, 45, key="checkin"))
    assert {(each.id, each.balance) for each in done} == {(done[0].id, 45)}
    assert sorted(each.replayed for each in done) == [False, True, True, True]
    with transaction(engine) as tx:
        assert buckets(tx, camp, ming) == {"available": 45}


def test_zhenxun_1044_a_reward_logged_four_times(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        asked = posting(camp, Side(ming, "available"), 10)
        results = ledger.post_many(tx, [asked] * 4)
        assert [r.replayed for r in results if isinstance(r, Posted)] == [False, True, True, True]
        tx.close()
        assert count(tx, "posting") == 1
        assert len(history.statement(tx, camp, ming, count=9)) == 1


def test_bastion_1104_and_mall_299_an_update_between_read_and_save_is_lost(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        give(tx, camp, ming, 100)
        paid = ledger.post(tx, payment(camp, ming, 100))

    def refund_or_give(tx: Tx, number: int) -> None:
        if number % 2:
            give(tx, camp, ming, 7)
        else:
            undoing.reverse(tx, camp, paid.id, undo(f"refund{number}"), amount=50)

    _at_once(engine, refund_or_give)
    with transaction(engine) as tx:
        assert buckets(tx, camp, ming) == {"available": 114}


def test_mall_1003_used_five_times_at_once(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        give(tx, camp, ming, 10)

    def spend(tx: Tx, _number: int) -> bool:
        try:
            ledger.post(tx, payment(camp, ming, 10))
        except InsufficientError:
            return False
        return True

    assert sorted(_at_once(engine, spend)) == [False, False, False, True]
    with transaction(engine) as tx:
        assert buckets(tx, camp, ming) == {}


def test_odoo_257854_and_yudao_802_a_refund_keeps_points_that_were_spent(engine: Engine) -> None:
    """Buy, spend the points, return the goods: what is not there is owed, and earnings pay it."""
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        order = give(tx, camp, ming, 50)
        ledger.post(tx, payment(camp, ming, 50))
        undoing.reverse(tx, camp, order.id, undo("refund"))
        assert buckets(tx, camp, ming) == {"debt": -50}
        give(tx, camp, ming, 60)
        assert buckets(tx, camp, ming) == {"available": 10}


def test_odoo_212922_a_refund_charges_points_again(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        give(tx, camp, ming, 30)
        paid = ledger.post(tx, payment(camp, ming, 30))
        assert undoing.reverse(tx, camp, paid.id, undo("refund")).balance == 30
        assert undoing.reverse(tx, camp, paid.id, undo("refund")).replayed
        assert buckets(tx, camp, ming) == {"available": 30}


def test_nopcommerce_5595_a_wrong_balance_after_cancel_and_refund(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        give(tx, camp, ming, 5)
        order = give(tx, camp, ming, 20)
        undoing.reverse(tx, camp, order.id, undo("cancel"))
        with pytest.raises(GoneError):
            undoing.reverse(tx, camp, order.id, undo("refund"))
        assert buckets(tx, camp, ming) == {"available": 5}


def test_sylius_giftcard_284_a_refund_does_not_restore(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        asked = posting(camp, Side(ming, "available"), 20)._replace(expires=day(9))
        ledger.post(tx, asked)
        paid = ledger.post(tx, payment(camp, ming, 15))
        undoing.reverse(tx, camp, paid.id, undo("refund"))
        assert lots(tx, camp, ming) == {day(9): 20}


def test_merit_25_no_most_of_points_in_a_day(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        cap = Cap("chat", "day", "points", 10)
        asked = [posting(camp, Side(ming, "available"), 4) for _ in range(4)]
        results = ledger.post_many(tx, [each._replace(caps=(cap,)) for each in asked])
        assert [r.amount if isinstance(r, Posted) else 0 for r in results] == [4, 4, 2, 0]


def test_kademi_50_and_flocafe_78_an_expiry_nobody_can_see(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        asked = posting(camp, Side(ming, "available"), 20)._replace(expires=day(1))
        ledger.post(tx, asked)
        ledger.post(tx, payment(camp, ming, 15))
        give(tx, camp, ming, 8)
        clockwork.expire_due(tx, camp, day(2), NOW)
        last = history.statement(tx, camp, ming, count=1)[0]
        assert (last.amount, last.reason, last.after) == (-5, "expiry", 8)


def test_qna_983_a_large_payment_over_many_small_lots(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        small = [posting(camp, Side(ming, "available"), 1_000) for _ in range(1_000)]
        ledger.post_many(tx, [each._replace(expires=day(n % 365)) for n, each in enumerate(small)])
        tx.close()
        before = count(tx, "posting")
        assert ledger.post(tx, payment(camp, ming, 999_999)).balance == 1
        tx.close()
        assert count(tx, "posting") == before + 1  # one for the payment, whatever it took
        assert sum(lots(tx, camp, ming).values()) == 1
