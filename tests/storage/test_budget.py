"""The programme's budget: never exceeded, and what it does not leave waits for somebody to look."""

import threading
from contextlib import suppress
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import Engine

from content.caps import Cap
from content.rulebook import shipped_document
from storage import awards, ledger, programmes, reviews, rulebooks, undoing
from storage.awards import Award
from storage.books import RaceError
from storage.db import Tx, open_engine
from storage.movement import LedgerError, Side
from storage.programmes import Programme
from storage.reviews import DecidedError
from tests.faults import house
from tests.storage.books import (
    DAY,
    NOW,
    buckets,
    day,
    member,
    posting,
    programme,
    transaction,
    undo,
)


def _camp(tx: Tx, per_day: int = 100, per_month: int = 250) -> tuple[Programme, int]:
    camp = programme(tx)
    document = (
        shipped_document()
        .replace("issue_per_day = 50_000", f"issue_per_day = {per_day}")
        .replace("issue_per_month = 1_000_000", f"issue_per_month = {per_month}")
    )
    rulebooks.publish(
        tx, camp, document, author="t", note="t", effective=NOW, now=NOW, force="test"
    )
    return programmes.programme(tx, camp, NOW), member(tx, camp)


def _award(tx: Tx, here: Programme, ming: int, points: int, *, on: int = 0, key: str = "") -> Award:
    deed = posting(here.id, Side(ming, "available"), points, day=day(on))
    deed = deed._replace(key=key or deed.key)
    return awards.award(tx, here.rules, deed, today=day(on), now=NOW + timedelta(days=on))


def test_what_the_budget_leaves_is_paid_and_what_is_more_waits_whole(engine: Engine) -> None:
    with transaction(engine) as tx:
        here, ming = _camp(tx)
        assert _award(tx, here, ming, 90).points == 90
        over = _award(tx, here, ming, 20)
        assert (over.points, over.withheld) == (0, "review")
        assert _award(tx, here, ming, 10).points == 10
        assert buckets(tx, here.id, ming) == {"available": 100}
        assert reviews.count(tx, here.id) == (1, 20)


def test_a_day_and_a_month_have_budgets_of_their_own(engine: Engine) -> None:
    with transaction(engine) as tx:
        here, ming = _camp(tx)
        assert [_award(tx, here, ming, 100, on=on).points for on in range(3)] == [100, 100, 0]
        assert _award(tx, here, ming, 50, on=2).points == 50
        assert _award(tx, here, ming, 100, on=28).points == 100  # it is April by then


def test_the_budget_counts_across_transactions(engine: Engine) -> None:
    with transaction(engine) as tx:
        here, ming = _camp(tx)
    for points, paid in ((60, 60), (50, 0), (40, 40), (1, 0)):
        with transaction(engine) as tx:
            assert _award(tx, here, ming, points).points == paid


def test_what_is_undone_gives_the_budget_back(engine: Engine) -> None:
    with transaction(engine) as tx:
        here, ming = _camp(tx)
        with suppress(ZeroDivisionError), tx.savepoint():
            assert _award(tx, here, ming, 100).points == 100
            raise ZeroDivisionError
        assert _award(tx, here, ming, 100).points == 100


def test_second_wallets_have_no_part_in_the_budget(engine: Engine) -> None:
    with transaction(engine) as tx:
        here, ming = _camp(tx)
        coins = posting(here.id, Side(ming, "available"), 5_000, wallet="coin")
        assert awards.award(tx, here.rules, coins, today=DAY, now=NOW).points == 5_000
        assert _award(tx, here, ming, 100).points == 100


def test_a_budget_is_for_what_the_programme_gives(engine: Engine) -> None:
    with transaction(engine) as tx:
        here, ming = _camp(tx)
        gift = posting(
            here.id, Side(member(tx, here.id), "available"), 1, source=Side(ming, "available")
        )
        with pytest.raises(LedgerError, match="budgets"):
            ledger.post(tx, gift._replace(budget=awards.budget(here.rules)))


# -- reviews ---------------------------------------------------------------------------------


def test_an_approval_pays_once_for_the_day_it_was_earned_on(engine: Engine) -> None:
    with transaction(engine) as tx:
        here, ming = _camp(tx, per_day=1, per_month=1)
        waits = _award(tx, here, ming, 20).review
        known = reviews.get(tx, here.id, waits)
        assert known is not None
        assert (known.name, known.amount, known.state) == ("小明", 20, "waiting")
        decide = partial(reviews.approve, by="阿文", now=NOW, today=day(3))
        posted = decide(tx, here.id, waits)
        assert posted.amount == 20
        has = ledger.account(tx, here.id, ming)
        assert (has.available, has.earned_day) == (20, DAY)
        with pytest.raises(DecidedError, match="approved by 阿文"):
            decide(tx, here.id, waits)
        with pytest.raises(DecidedError, match="approved by 阿文"):
            reviews.refuse(tx, here.id, waits, by="x", now=NOW)
        assert reviews.waiting(tx, here.id) == []


def test_a_refusal_pays_nothing_ever(engine: Engine) -> None:
    with transaction(engine) as tx:
        here, ming = _camp(tx, per_day=1, per_month=1)
        waits = _award(tx, here, ming, 20).review
        reviews.refuse(tx, here.id, waits, by="阿文", now=NOW)
        with pytest.raises(DecidedError, match="refused by 阿文"):
            reviews.approve(tx, here.id, waits, by="x", now=NOW, today=DAY)
        assert buckets(tx, here.id, ming) == {}


def test_what_is_undone_waits_less_or_not_at_all_but_only_while_it_waits(engine: Engine) -> None:
    with transaction(engine) as tx:
        here, ming = _camp(tx, per_day=1, per_month=1)
        one, two = (_award(tx, here, ming, 20).review for _ in range(2))
        assert reviews.shrink(tx, here.id, one, 5, now=NOW)
        assert reviews.count(tx, here.id) == (2, 35)
        assert reviews.approve(tx, here.id, one, by="x", now=NOW, today=DAY).amount == 15
        assert not reviews.shrink(tx, here.id, one, 5, now=NOW)
        assert reviews.shrink(tx, here.id, two, 20, now=NOW)
        assert not reviews.shrink(tx, here.id, two, 20, now=NOW)
        with pytest.raises(DecidedError, match="cancelled by refund"):
            reviews.approve(tx, here.id, two, by="x", now=NOW, today=DAY)


def test_what_waited_is_valid_as_long_as_it_would_have_been(engine: Engine) -> None:
    with transaction(engine) as tx:
        here, ming = _camp(tx, per_day=1, per_month=1)
        deed = posting(here.id, Side(ming, "available"), 20)._replace(expires=day(10))
        waits = awards.award(tx, here.rules, deed, today=DAY, now=NOW).review
        reviews.approve(tx, here.id, waits, by="x", now=NOW, today=day(30))
        assert ledger.account(tx, here.id, ming).next_expiry == day(40)


@pytest.mark.parametrize("by", ["", "  ", "x" * 201])
def test_who_decides_has_a_name(engine: Engine, by: str) -> None:
    with transaction(engine) as tx:
        here, ming = _camp(tx, per_day=1, per_month=1)
        waits = _award(tx, here, ming, 20).review
        with pytest.raises(DecidedError, match="a name has"):
            reviews.approve(tx, here.id, waits, by=by, now=NOW, today=DAY)


def test_the_same_award_waits_once(engine: Engine) -> None:
    with transaction(engine) as tx:
        here, ming = _camp(tx, per_day=1, per_month=1)
        one, two = (_award(tx, here, ming, 20, key="2026-03-04/one") for _ in range(2))
        assert one.review == two.review
        assert reviews.count(tx, here.id) == (1, 20)


def test_a_review_of_another_programme_is_not_to_be_had(engine: Engine) -> None:
    with transaction(engine) as tx:
        here, ming = _camp(tx, per_day=1, per_month=1)
        other = programme(tx)
        waits = _award(tx, here, ming, 20).review
        with pytest.raises(DecidedError, match="does not exist"):
            reviews.approve(tx, other, waits, by="x", now=NOW, today=DAY)


# -- several at once ---------------------------------------------------------------------------


def test_several_workers_never_issue_more_than_the_budget(store_url: str) -> None:
    """Forty awards of 10 from four workers: ten fit, thirty wait, whoever comes first."""
    engine = open_engine(store_url)
    with transaction(engine) as tx:
        here, _ = _camp(tx, per_day=100)
        people = [member(tx, here.id) for _ in range(40)]
    results: list[Award] = []

    def work(some: list[int]) -> None:
        worker = house.worker(engine)
        for person in some:

            def job(tx: Tx, person: int = person) -> Award:
                return _award(tx, here, person, 10, key=f"2026-03-04/{person}")

            (outcome,) = worker.run([job])
            assert outcome.error is None, outcome.error
            results.append(outcome.value)

    threads = [threading.Thread(target=work, args=(people[n::4],)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(award.points for award in results) == [0] * 30 + [10] * 10
    with transaction(engine) as tx:
        assert reviews.count(tx, here.id) == (30, 300)
        assert buckets(tx, here.id)["issued"] == -100
    engine.dispose()


@pytest.mark.postgres
def test_who_finds_the_budget_gone_at_the_end_decides_again(postgres_url: str) -> None:
    engine = open_engine(postgres_url)
    with transaction(engine) as tx:
        here, ming = _camp(tx, per_day=100)
        other = member(tx, here.id)

    def overtaken() -> None:
        with transaction(engine) as late:
            assert _award(late, here, ming, 60).points == 60
            with transaction(engine) as quick:
                assert _award(quick, here, other, 60).points == 60

    with pytest.raises(RaceError):
        overtaken()
    with transaction(engine) as tx:
        assert _award(tx, here, ming, 60).withheld == "review"
        assert buckets(tx, here.id)["issued"] == -60
    engine.dispose()


@pytest.mark.postgres
def test_who_finds_less_than_he_read_but_enough_goes_on(postgres_url: str) -> None:
    engine = open_engine(postgres_url)
    with transaction(engine) as tx:
        here, ming = _camp(tx, per_day=100)
        other = member(tx, here.id)
    with transaction(engine) as late:
        _award(late, here, ming, 60)
        with transaction(engine) as quick:
            _award(quick, here, other, 40)
    with transaction(engine) as tx:
        assert _award(tx, here, ming, 1).withheld == "review"
    engine.dispose()


def test_what_the_budget_does_not_pay_uses_up_no_cap(engine: Engine) -> None:
    """Nobody looks at a point for talking: when the budget is spent, it was not said."""
    with transaction(engine) as tx:
        here, ming = _camp(tx, per_day=100)
        caps = (Cap("chat", "day", "points", 30),)
        talk = posting(here.id, Side(ming, "available"), 20)._replace(key="talk/1", caps=caps)
        assert _award(tx, here, ming, 90).points == 90
        before = ledger.account(tx, here.id, ming).counts
        ways = {"today": day(0), "now": NOW, "waits": False}
        assert awards.award(tx, here.rules, talk, **ways).withheld == "budget"
        assert ledger.account(tx, here.id, ming).counts == before
        assert reviews.count(tx, here.id) == (0, 0)


@pytest.mark.postgres
def test_what_is_taken_back_meets_what_another_process_issues(postgres_url: str) -> None:
    engine = open_engine(postgres_url)
    with transaction(engine) as tx:
        here, ming = _camp(tx, per_day=100)
        other = member(tx, here.id)
        first = _award(tx, here, ming, 60)
    with transaction(engine) as late:
        undoing.reverse(late, here.id, first.posting, undo("back"))
        with transaction(engine) as quick:
            assert _award(quick, here, other, 40).points == 40
    with transaction(engine) as tx:  # 40 of 100 are issued
        assert _award(tx, here, ming, 61).points == 0
        assert _award(tx, here, ming, 60).points == 60
    engine.dispose()
