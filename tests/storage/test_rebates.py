"""The monthly rebate, through the door by which orders come in; and debts that are given up."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from content.rulebook import shipped_document
from storage import audit, debts, ledger, programmes, rebates, reviews, rulebooks
from storage.account import NEVER
from storage.db import Tx, open_engine
from storage.deeds import Part
from storage.movement import Posting, Side
from storage.reviews import DecidedError
from tests.storage.books import (
    NOW,
    day,
    give,
    member,
    owe,
    programme,
    run_daily,
    run_due,
    transaction,
)
from tests.storage.test_deeds import PLAIN, Shop

PAID = datetime(2026, 4, 8, 4, 0, tzinfo=UTC)
"""A week after March has ended: the refund window of its last order has closed."""
STEPS = shipped_document().replace(
    """    { from_yuan = 300, pct = 1 },
    { from_yuan = 1000, pct = 1.5 },
""",
    """    { from_yuan = 100, pct = 1 },
    { from_yuan = 1000, pct = 2 },
""",
)


@pytest.fixture
def shop(engine: Engine) -> Iterator[Callable[..., Shop]]:
    with transaction(engine) as tx:
        yield lambda document=STEPS: Shop(tx, document)
        tx.close()
        assert audit.faults(tx) == []


def _nights(tx: Tx, now: datetime) -> None:
    tx.seen.clear()
    for _ in range(50):
        if not run_due(tx, now=now) + run_daily(tx, now=now):
            return
    raise AssertionError("the day's work has no end")


def _coins(here: Shop) -> int:
    return here.has("coin").get("available", 0)


def test_a_month_is_rebated_at_the_step_that_all_of_it_reaches(shop: Callable[..., Shop]) -> None:
    here = shop()
    here.tell(order="A1", amount_fen=60_000, freight_fen=10_000)
    here.tell(order="A2", amount_fen=50_000)
    _nights(here.tx, PAID - timedelta(days=1))
    assert _coins(here) == 0
    _nights(here.tx, PAID)
    assert _coins(here) == 2_000  # 2% of 1,000 yuan; freight does not count
    _nights(here.tx, PAID)
    _nights(here.tx, PAID + timedelta(days=40))
    assert _coins(here) == 2_000


def test_too_little_spent_is_rebated_nothing_and_decided(shop: Callable[..., Shop]) -> None:
    here = shop()
    here.tell(amount_fen=9_999)
    _nights(here.tx, PAID)
    assert _coins(here) == 0
    here.tell("order.refunded", amount_fen=5_000, now=PAID)
    assert _coins(here) == 0


def test_a_refund_before_the_rebate_counts(shop: Callable[..., Shop]) -> None:
    here = shop()
    here.tell(order="A1", amount_fen=100_000)
    here.tell("order.refunded", order="A1", amount_fen=50_000)
    _nights(here.tx, PAID)
    assert _coins(here) == 500


def test_a_refund_after_the_rebate_takes_back_what_it_was_too_much(
    shop: Callable[..., Shop],
) -> None:
    here = shop()
    here.tell(order="A1", amount_fen=100_000)
    _nights(here.tx, PAID)
    assert _coins(here) == 2_000
    here.tell("order.refunded", order="A1", key="r1", amount_fen=50_000, now=PAID)
    assert _coins(here) == 500
    here.tell("order.refunded", order="A1", key="r2", amount_fen=50_000, now=PAID)
    assert _coins(here) == 0
    here.tell("order.refunded", order="A1", key="r2", amount_fen=50_000, now=PAID)
    assert here.has("coin") == {}


def test_spent_coins_that_are_taken_back_become_a_debt(shop: Callable[..., Shop]) -> None:
    here = shop()
    here.tell(amount_fen=100_000)
    _nights(here.tx, PAID)
    gone = Posting(
        programme_id=here.camp,
        key="2026-04-08/pay",
        source=Side(here.ming, "available"),
        target=Side(0, "redeemed"),
        amount=2_000,
        reason="t",
        rule="t",
        rule_version=1,
        actor="t",
        at=PAID,
        day=PAID.date(),
        wallet="coin",
    )
    ledger.post(here.tx, gone)
    here.tell("order.refunded", now=PAID)
    assert here.has("coin") == {"debt": -2_000}


def test_what_is_told_late_counts_in_the_month_of_today(shop: Callable[..., Shop]) -> None:
    here = shop()
    here.tell(order="A1", amount_fen=100_000)
    _nights(here.tx, PAID)
    here.tell(order="A2", amount_fen=100_000, now=PAID)  # of March, like the first
    _nights(here.tx, PAID)
    assert _coins(here) == 2_000
    _nights(here.tx, datetime(2026, 5, 8, 4, 0, tzinfo=UTC))
    assert _coins(here) == 4_000


def test_rules_without_steps_rebate_nothing(shop: Callable[..., Shop]) -> None:
    start = STEPS.index("steps = [")
    here = shop(STEPS[:start] + "steps = []\n" + STEPS[STEPS.index("]\n", start) + 2 :])
    here.tell(amount_fen=1_000_000)
    _nights(here.tx, PAID)
    assert _coins(here) == 0


# -- the budget and what orders earn -----------------------------------------------------------


LITTLE = PLAIN.replace("issue_per_day = 50_000", "issue_per_day = 100")


def _part(here: Shop, **more: object) -> Part:
    return here.tell(**more).deed.parts[0]


def test_an_order_over_the_budget_waits_and_its_refund_takes_it_from_what_waits(
    shop: Callable[..., Shop],
) -> None:
    here = shop(LITTLE)
    part = _part(here, amount_fen=20_000)
    assert (part.points, part.withheld) == (0, "review")
    here.tell("order.refunded", key="r1", amount_fen=5_000)
    assert reviews.count(here.tx, here.camp) == (1, 150)
    here.tell("order.refunded", key="r2", amount_fen=15_000)
    known = reviews.get(here.tx, here.camp, part.review)
    assert known is not None
    assert known.state == "cancelled"
    assert here.has() == {}


def test_a_refund_after_the_approval_takes_back_what_it_paid(shop: Callable[..., Shop]) -> None:
    here = shop(LITTLE)
    part = _part(here, amount_fen=20_000)
    here.tell("order.refunded", key="r1", amount_fen=5_000)
    reviews.approve(here.tx, here.camp, part.review, by="w", now=NOW, today=NOW.date())
    assert here.has() == {"available": 150}
    here.tell("order.refunded", key="r2", amount_fen=5_000)
    assert here.has() == {"available": 100}
    here.tell("order.refunded", key="r3", amount_fen=10_000)
    assert here.has() == {}


def test_an_approved_award_that_is_returned_frees_no_budget(shop: Callable[..., Shop]) -> None:
    """It was never counted: giving it back would let the day issue more than its budget."""
    here = shop(LITTLE)
    assert _part(here, order="A1", amount_fen=10_000).points == 100
    part = _part(here, order="A2", amount_fen=20_000)
    reviews.approve(here.tx, here.camp, part.review, by="w", now=NOW, today=NOW.date())
    here.tell("order.refunded", order="A2")
    assert _part(here, order="A3", amount_fen=100).withheld == "review"
    assert here.has() == {"available": 100}


def test_a_refused_award_has_nothing_to_take_back(shop: Callable[..., Shop]) -> None:
    here = shop(LITTLE)
    part = _part(here, amount_fen=20_000)
    reviews.refuse(here.tx, here.camp, part.review, by="w", now=NOW)
    here.tell("order.refunded")
    assert here.has() == {}


def test_a_gold_member_earns_by_his_level(shop: Callable[..., Shop]) -> None:
    here = shop(PLAIN)
    here.tell(order="A1", amount_fen=300_000)
    assert _part(here, order="A2", amount_fen=10_000).points == 120


def test_a_refund_takes_the_level_that_the_order_gave(shop: Callable[..., Shop]) -> None:
    here = shop(PLAIN)
    here.tell(order="A1", amount_fen=60_000)
    assert ledger.account(here.tx, here.camp, here.ming).level == "silver"
    here.tell("order.refunded", order="A1")
    has = ledger.account(here.tx, here.camp, here.ming)
    assert (has.level, has.below_since, has.qualifying) == ("member", NEVER, 0)


def test_a_refund_of_an_order_with_freight_leaves_other_orders_their_rebate(
    shop: Callable[..., Shop],
) -> None:
    here = shop()
    here.tell(order="A0", amount_fen=100_000)
    here.tell(order="A1", amount_fen=110_000, freight_fen=100_000)
    _nights(here.tx, PAID)
    assert _coins(here) == 2_200
    here.tell("order.refunded", order="A1", now=PAID)
    assert _coins(here) == 2_000


def test_an_order_that_is_returned_gives_the_budget_back(shop: Callable[..., Shop]) -> None:
    here = shop(LITTLE)
    here.tell(order="A1", amount_fen=10_000)
    here.tell("order.refunded", order="A1")
    assert _part(here, order="A2", amount_fen=10_000).points == 100
    assert _part(here, order="A3", amount_fen=100).withheld == "review"


def test_an_approved_award_gives_the_level_it_is_worth(shop: Callable[..., Shop]) -> None:
    here = shop(LITTLE)
    part = _part(here, amount_fen=60_000)
    reviews.approve(here.tx, here.camp, part.review, by="w", now=NOW, today=NOW.date())
    assert ledger.account(here.tx, here.camp, here.ming).level == "silver"


def test_a_late_order_is_judged_by_the_levels_of_today(shop: Callable[..., Shop]) -> None:
    here = shop(PLAIN)
    stricter = PLAIN.replace("min = 500", "min = 1000")
    then = NOW + timedelta(days=40)
    rulebooks.publish(
        here.tx, here.camp, stricter, author="t", note="t", effective=then, now=NOW, force="t"
    )
    here.tx.seen.clear()
    here.tell(amount_fen=60_000, now=then)
    assert ledger.account(here.tx, here.camp, here.ming).level == "member"


# -- debts -----------------------------------------------------------------------------------


def test_small_debts_end_with_their_day_and_old_ones_with_their_time(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        small, large = member(tx, camp), member(tx, camp)
        owe(tx, camp, small, 49)
        owe(tx, camp, large, 50)
        _nights(tx, NOW)
        assert ledger.account(tx, camp, small).debt == -49
        _nights(tx, NOW + timedelta(days=1))
        has = ledger.account(tx, camp, small)
        assert (has.debt, has.owed_since) == (0, NEVER)
        _nights(tx, NOW + timedelta(days=179))
        assert ledger.account(tx, camp, large).debt == -50
        _nights(tx, NOW + timedelta(days=180))
        assert ledger.account(tx, camp, large).debt == 0


def test_a_debt_that_grows_is_as_old_as_its_newest_part(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        owe(tx, camp, ming, 50)
        owe(tx, camp, ming, 20, day=day(9))
        assert ledger.account(tx, camp, ming).owed_since == day(9)
        give(tx, camp, ming, 70, day=day(10))
        owe(tx, camp, ming, 20, day=day(11))
        assert ledger.account(tx, camp, ming).owed_since == day(11)


def test_buying_and_returning_every_day_makes_no_points(engine: Engine) -> None:
    """A small debt is given up once, and then not again for half a year."""
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        for number in range(60):
            owe(tx, camp, ming, 1, day=day(number))
            _nights(tx, NOW + timedelta(days=number + 1))
        assert ledger.account(tx, camp, ming).debt == -59


@pytest.mark.parametrize("begin", [0, 45, 90, 135])
def test_small_debts_are_given_up_half_a_year_apart_and_never_closer(
    engine: Engine, begin: int
) -> None:
    """Wherever a calendar of half years would begin anew, it is days that count."""
    with transaction(engine) as tx:
        camp = programme(tx)
        ming, hong = member(tx, camp), member(tx, camp)
        first = NOW + timedelta(days=begin + 1)
        owe(tx, camp, ming, 49, day=day(begin))
        owe(tx, camp, ming, 7, day=day(begin), wallet="coin")
        _nights(tx, first)
        assert ledger.account(tx, camp, ming).debt == 0
        assert ledger.account(tx, camp, ming, "coin").debt == 0
        _nights(tx, first + timedelta(days=100))
        owe(tx, camp, ming, 49, day=day(begin + 101))
        owe(tx, camp, hong, 49, day=day(begin + 101))
        for later in (101, 140, 179):
            _nights(tx, first + timedelta(days=later))
            assert ledger.account(tx, camp, ming).debt == -49
            assert ledger.account(tx, camp, hong).debt == 0
        _nights(tx, first + timedelta(days=180))
        assert ledger.account(tx, camp, ming).debt == 0
        owe(tx, camp, ming, 49, day=day(begin + 181))
        _nights(tx, first + timedelta(days=300))
        assert ledger.account(tx, camp, ming).debt == -49


def test_a_wallet_is_forgiven_by_itself(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        owe(tx, camp, ming, 49)
        _nights(tx, NOW + timedelta(days=1))
        owe(tx, camp, ming, 49, day=day(30), wallet="coin")
        _nights(tx, NOW + timedelta(days=31))
        assert ledger.account(tx, camp, ming, "coin").debt == 0


# -- two at once -------------------------------------------------------------------------------


def _overtaken(engine: Engine, slow: Callable[[Tx], object], quick: Callable[[Tx], object]) -> None:
    """Let `quick` do its work and hold it while `slow` begins; then it commits."""
    began = threading.Event()
    errors: list[BaseException] = []

    def run_slow() -> None:
        try:
            with transaction(engine) as tx:
                began.set()
                slow(tx)
        except BaseException as error:  # noqa: BLE001 - raised below
            errors.append(error)

    other = threading.Thread(target=run_slow)
    with transaction(engine) as tx:
        quick(tx)
        other.start()
        began.wait()
        time.sleep(0.3)
    other.join()
    assert not errors, errors


def _shop_of(engine: Engine) -> tuple[int, int]:
    with transaction(engine) as tx:
        here = Shop(tx, STEPS)
        here.tell(order="A1", amount_fen=100_000)
        _nights(tx, PAID - timedelta(days=1))
        return here.camp, here.ming


def _tell(camp: int, ming: int, **more: object) -> Callable[[Tx], object]:
    def job(tx: Tx) -> object:
        here = Shop.__new__(Shop)
        here.tx, here.camp, here.ming = tx, camp, ming
        return here.tell(**more)

    return job


@pytest.mark.postgres
def test_a_refund_that_meets_the_rebate_leaves_no_coins(postgres_url: str) -> None:
    engine = open_engine(postgres_url)
    camp, ming = _shop_of(engine)

    def pay(tx: Tx) -> int:
        return rebates.pay_due(tx, programmes.programme(tx, camp, PAID), PAID.date(), PAID)

    _overtaken(engine, pay, _tell(camp, ming, event="order.refunded", order="A1", now=PAID))
    with transaction(engine) as tx:
        assert ledger.account(tx, camp, ming, "coin").available == 0
    engine.dispose()


@pytest.mark.postgres
def test_a_debt_that_grows_meanwhile_is_not_written_off(postgres_url: str) -> None:
    engine = open_engine(postgres_url)
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        owe(tx, camp, ming, 5)
    tomorrow = NOW + timedelta(days=1)

    def give_up(tx: Tx) -> int:
        here = programmes.programme(tx, camp, tomorrow)
        return debts.write_off_due(tx, here, tomorrow.date(), tomorrow)

    _overtaken(engine, give_up, lambda tx: owe(tx, camp, ming, 9_000))
    with transaction(engine) as tx:
        assert ledger.account(tx, camp, ming).debt == -9_005
    engine.dispose()


@pytest.mark.postgres
def test_a_review_of_an_order_that_is_being_returned_is_taken_back(postgres_url: str) -> None:
    engine = open_engine(postgres_url)
    with transaction(engine) as tx:
        here = Shop(tx, PLAIN)
        here.tell(order="A1", amount_fen=10_000)
        camp, ming = here.camp, here.ming
    refund = _tell(camp, ming, event="order.refunded", order="A1")
    _overtaken(engine, refund, _tell(camp, ming, event="order.reviewed", order="A1"))
    with transaction(engine) as tx:
        assert ledger.account(tx, camp, ming).available == 0
    engine.dispose()


def _approve(camp: int, review: int) -> Callable[[Tx], object]:
    def job(tx: Tx) -> object:
        try:
            return reviews.approve(tx, camp, review, by="w", now=NOW, today=NOW.date())
        except DecidedError:
            return None  # the refund has come first: nothing waits any more

    return job


@pytest.mark.postgres
@pytest.mark.parametrize("approval_first", [True, False])
@pytest.mark.parametrize(("refunded", "left"), [(20_000, 0), (5_000, 150)])
def test_an_approval_that_meets_the_refund_of_its_order_pays_what_is_left(
    postgres_url: str, approval_first: bool, refunded: int, left: int
) -> None:
    """Whichever is first: no deadlock, and nothing is paid for what was returned."""
    engine = open_engine(postgres_url)
    with transaction(engine) as tx:
        here = Shop(tx, LITTLE)
        review = _part(here, order="A1", amount_fen=20_000).review
        camp, ming = here.camp, here.ming
    approve = _approve(camp, review)
    refund = _tell(camp, ming, event="order.refunded", order="A1", amount_fen=refunded)
    slow, quick = (refund, approve) if approval_first else (approve, refund)
    _overtaken(engine, slow, quick)
    with transaction(engine) as tx:
        has = ledger.account(tx, camp, ming)
        assert (has.available, has.debt) == (left, 0)
        assert reviews.count(tx, camp) == (0, 0)
        assert audit.faults(tx) == []
    engine.dispose()


@pytest.mark.postgres
def test_approvals_and_refunds_of_many_orders_at_once_do_not_lock_each_other_out(
    postgres_url: str,
) -> None:
    engine = open_engine(postgres_url)
    orders = [f"A{number}" for number in range(20)]
    with transaction(engine) as tx:
        here = Shop(tx, LITTLE)
        waits = {order: _part(here, order=order, amount_fen=20_000).review for order in orders}
        camp, ming = here.camp, here.ming
    approvals = [_approve(camp, review) for review in waits.values()]
    refunds = [_tell(camp, ming, event="order.refunded", order=order) for order in orders]
    gate = threading.Barrier(2)

    def run(jobs: list[Callable[[Tx], object]]) -> None:
        for job in jobs:
            gate.wait(30)
            with transaction(engine) as tx:
                job(tx)

    with ThreadPoolExecutor(2) as threads:
        for done in [threads.submit(run, jobs) for jobs in (approvals, refunds)]:
            done.result(60)  # a deadlock would be raised here
    with transaction(engine) as tx:
        assert reviews.count(tx, camp) == (0, 0)
        has = ledger.account(tx, camp, ming)
        assert (has.available, has.debt, has.qualifying, has.level) == (0, 0, 0, "member")
        assert audit.faults(tx) == []
    engine.dispose()
