"""Findings and credit in the store: once, in order, undone whole, and by one of two at once."""

import threading
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Engine, text

from bot.worker import Worker
from content.rulebook import shipped_document
from content.suspicion import Evidence
from storage import (
    awards,
    credit,
    findings,
    ledger,
    programmes,
    reviews,
    riskwatch,
    rulebooks,
    schema,
)
from storage.credit import Change
from storage.db import Tx, reading
from storage.findings import CLEARED, CONFIRMED, DecidedError
from storage.movement import Side
from storage.programmes import Programme
from tests.storage.books import (
    DAY,
    DEFAULTS,
    NOW,
    buckets,
    count,
    give,
    member,
    posting,
    programme,
    transaction,
)
from tests.storage.test_schema import _config

SEEN = Evidence("script", DAY, {"days": 10, "time": "08:00:03", "seconds": 1}, "script")
MILD = Evidence("rejoin", DAY, {"times": 3}, "rejoin")


def _here(tx: Tx, camp: int) -> Programme:
    return programmes.programme(tx, camp, NOW)


def _award(tx: Tx, here: Programme, who: int, key: str, amount: int = 10) -> awards.Award:
    deed = posting(here.id, Side(who, "available"), amount, key=key, reason="checkin")
    return awards.award(tx, here.rules, deed, today=DAY, now=NOW)


def _score(tx: Tx, here: Programme, who: int) -> int:
    return credit.standing(here.rules, ledger.account(tx, here.id, who)).score


def test_a_finding_takes_credit_once_and_lets_awards_wait(engine: Engine) -> None:
    with transaction(engine) as tx:
        here = _here(tx, programme(tx))
        ming = member(tx, here.id)
        first = findings.add(tx, here, ming, SEEN, NOW)
        assert first is not None
        assert findings.add(tx, here, ming, SEEN, NOW) is None
        assert _score(tx, here, ming) == 55
        paid = _award(tx, here, ming, "2026-03-04/checkin/1")
        assert (paid.points, paid.withheld) == (0, "watched")
        assert reviews.of_finding(tx, here.id, first) == [paid.review]
        assert reviews.points_of_finding(tx, here.id, first) == 10


def test_a_mild_one_weighs_and_lets_nothing_wait(engine: Engine) -> None:
    with transaction(engine) as tx:
        here = _here(tx, programme(tx))
        ming = member(tx, here.id)
        findings.add(tx, here, ming, MILD, NOW)
        assert _award(tx, here, ming, "2026-03-04/checkin/1").points == 10
        for kind in ("ring", "rejoin"):
            findings.add(tx, here, ming, MILD._replace(kind=kind), NOW)
        assert _score(tx, here, ming) == 70
        assert _award(tx, here, ming, "2026-03-04/checkin/2").points == 8
        assert _award(tx, here, ming, "2026-03-04/checkin/3", 1).withheld == "credit"


def test_what_the_rules_set_to_nothing_is_not_found(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        document = shipped_document().replace("script = 45", "script = 0")
        rulebooks.publish(
            tx, camp, document, author="t", note="t", effective=NOW, now=NOW, force="test"
        )
        tx.seen.clear()
        here = _here(tx, camp)
        assert findings.add(tx, here, member(tx, camp), SEEN, NOW) is None


def test_clearing_pays_what_waited_and_gives_the_credit_back(engine: Engine) -> None:
    with transaction(engine) as tx:
        here = _here(tx, programme(tx))
        ming = member(tx, here.id)
        number = findings.add(tx, here, ming, SEEN, NOW)
        assert number is not None
        _award(tx, here, ming, "2026-03-04/checkin/1")
        findings.decide(tx, here, number, CLEARED, by="文", now=NOW)
        assert buckets(tx, here.id, ming) == {"available": 10}
        assert _score(tx, here, ming) == 100
        assert ledger.account(tx, here.id, ming).watched == 0
        assert findings.of_member(tx, here.id, ming) == []
        with pytest.raises(DecidedError, match="cleared by 文"):
            findings.decide(tx, here, number, CONFIRMED, by="武", now=NOW)
        assert findings.add(tx, here, ming, SEEN, NOW + timedelta(days=29)) is None
        assert findings.add(tx, here, ming, SEEN, NOW + timedelta(days=31)) is not None


def test_confirming_takes_back_what_it_brought_and_no_more(engine: Engine) -> None:
    with transaction(engine) as tx:
        here = _here(tx, programme(tx))
        ming = member(tx, here.id)
        before = DAY - timedelta(days=1)
        give(tx, here.id, ming, 7, reason="checkin", day=before, key=f"{before}/checkin/{ming}")
        give(tx, here.id, ming, 30, reason="order.completed")
        _award(tx, here, ming, "2026-03-04/checkin/1")
        number = findings.add(tx, here, ming, SEEN, NOW)
        assert number is not None
        waits = _award(tx, here, ming, "2026-03-04/checkin/2").review
        done = findings.decide(tx, here, number, CONFIRMED, by="文", now=NOW)
        assert done.taken == 10
        assert buckets(tx, here.id, ming) == {"available": 37}
        assert _score(tx, here, ming) == 25
        review = reviews.get(tx, here.id, waits)
        assert review is not None
        assert review.state == reviews.REFUSED
        assert _award(tx, here, ming, "2026-03-05/checkin/3").withheld == "credit"


def test_what_is_not_there_any_more_is_owed_and_a_mistake_is_made_good(engine: Engine) -> None:
    with transaction(engine) as tx:
        here = _here(tx, programme(tx))
        ming = member(tx, here.id)
        _award(tx, here, ming, "2026-03-04/checkin/1")
        spent = posting(
            here.id, Side(0, "redeemed"), 10, source=Side(ming, "available"), key="2026-03-04/p"
        )
        ledger.post(tx, spent)
        number = findings.add(tx, here, ming, SEEN, NOW)
        assert number is not None
        _award(tx, here, ming, "2026-03-04/checkin/2")
        findings.decide(tx, here, number, CONFIRMED, by="文", now=NOW)
        assert buckets(tx, here.id, ming) == {"debt": -10}
        assert findings.appeal(tx, here.id, ming, number, "我是人")
        assert not findings.appeal(tx, here.id, ming, number, "真的")
        done = findings.decide(tx, here, number, CLEARED, by="武", now=NOW)
        assert done.taken == 0
        assert buckets(tx, here.id, ming) == {"available": 10}
        assert _score(tx, here, ming) == 100


def test_awards_wait_for_the_last_of_several_findings(engine: Engine) -> None:
    with transaction(engine) as tx:
        here = _here(tx, programme(tx))
        ming = member(tx, here.id)
        one = findings.add(tx, here, ming, SEEN, NOW)
        two = findings.add(tx, here, ming, SEEN._replace(kind="metronome"), NOW)
        assert one is not None
        assert two is not None
        _award(tx, here, ming, "2026-03-04/checkin/1")
        findings.decide(tx, here, one, CLEARED, by="文", now=NOW)
        assert buckets(tx, here.id, ming) == {}
        assert reviews.points_of_finding(tx, here.id, two) == 10
        findings.decide(tx, here, two, CLEARED, by="文", now=NOW)
        assert buckets(tx, here.id, ming) == {"available": 10}


def test_nobody_appeals_for_another_or_against_nothing(engine: Engine) -> None:
    with transaction(engine) as tx:
        here = _here(tx, programme(tx))
        ming, hong = member(tx, here.id), member(tx, here.id)
        number = findings.add(tx, here, ming, SEEN, NOW)
        assert number is not None
        assert not findings.appeal(tx, here.id, hong, number, "不是我")
        assert not findings.appeal(tx, here.id, ming, 7, "没有这条")
        with pytest.raises(DecidedError, match="does not exist"):
            findings.decide(tx, here, 7, CLEARED, by="文", now=NOW)


def test_credit_comes_back_a_little_at_a_time_and_once_a_night(engine: Engine) -> None:
    with transaction(engine) as tx:
        here = _here(tx, programme(tx))
        ming = member(tx, here.id)
        credit.change(tx, here.rules, here.id, ming, Change(-8, "test", "t", NOW))
        for days, score in ((29, 92), (31, 97), (32, 97), (62, 100), (95, 100)):
            credit.recover_due(tx, here, NOW + timedelta(days=days))
            assert _score(tx, here, ming) == score
        credit.forget_due(tx, here, NOW + timedelta(days=300))
        assert count(tx, "credit_entry") == 0
        assert _score(tx, here, ming) == 100


def test_the_night_goes_on_where_it_stopped_and_is_done_once(engine: Engine) -> None:
    with transaction(engine) as tx:
        here = _here(tx, programme(tx))
        people = [member(tx, here.id) for _ in range(5)]
        ledger.account(tx, here.id, people[0])
        for who in people:
            tx.books.own(ledger.account(tx, here.id, who).key).checkin_day = DAY
        tx.books.write(tx)
        tomorrow, at = DAY + timedelta(days=1), NOW + timedelta(days=1)
        steps = 0
        while riskwatch.look_due(tx, here, tomorrow, at, most=2):
            steps += 1
        assert steps == 4  # three pages, and what they do with each other
        assert riskwatch.look_due(tx, here, tomorrow, at, most=2) == 0
        assert count(tx, "finding") == 0


def _both(engine: Engine, *jobs: Any) -> list[Any]:
    """Do jobs at the same moment, each with a worker of its own."""
    barrier, found = threading.Barrier(len(jobs)), [None] * len(jobs)

    def work(place: int, job: Any) -> None:
        worker = Worker(
            engine, clock=lambda: NOW, rng=Random(place), limiter=None, defaults=DEFAULTS
        )
        barrier.wait()
        (found[place],) = worker.run([job])

    threads = [threading.Thread(target=work, args=each) for each in enumerate(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_two_owners_at_once_decide_it_once(engine: Engine) -> None:
    with transaction(engine) as tx:
        here = _here(tx, programme(tx))
        ming = member(tx, here.id)
        _award(tx, here, ming, "2026-03-04/checkin/1")
        number = findings.add(tx, here, ming, SEEN, NOW)
        assert number is not None
        _award(tx, here, ming, "2026-03-04/checkin/2")

    def decide(verdict: findings.Verdict) -> Any:
        return lambda tx: findings.decide(tx, _here(tx, here.id), number, verdict, by="文", now=NOW)

    outcomes = _both(engine, decide(CONFIRMED), decide(CONFIRMED))
    assert sorted(each.state for each in outcomes) == ["done", "failed"]
    with reading(engine) as tx:
        assert ledger.account(tx, here.id, ming).available == 0
        assert _score(tx, here, ming) == 25


def test_an_award_at_the_moment_of_a_decision_is_not_lost(engine: Engine) -> None:
    with transaction(engine) as tx:
        here = _here(tx, programme(tx))
        ming = member(tx, here.id)
        number = findings.add(tx, here, ming, SEEN, NOW)
        assert number is not None

    outcomes = _both(
        engine,
        lambda tx: findings.decide(tx, _here(tx, here.id), number, CLEARED, by="文", now=NOW),
        lambda tx: _award(tx, _here(tx, here.id), ming, "2026-03-04/checkin/1"),
    )
    assert [each.error for each in outcomes] == [None, None]
    with reading(engine) as tx:
        assert ledger.account(tx, here.id, ming).available == 10
        assert reviews.count(tx, here.id) == (0, 0)


def test_a_store_of_before_gets_full_credit(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        give(tx, camp, ming, 5)
    with engine.begin() as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.downgrade(config, "0006")
    assert schema.migrate(engine) == "0006"
    with engine.connect() as connection:
        row = connection.execute(
            text(f"SELECT credit_lost, watched, available FROM account WHERE owner_id = {ming}")
        ).one()
    assert tuple(row) == (0, 0, 5)
