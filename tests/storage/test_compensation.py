"""Compensation runs on both databases: what is approved is paid, to everybody, once."""

from datetime import date, timedelta
from fractions import Fraction
from math import floor
from random import Random
from typing import Any

import pytest
from sqlalchemy import Engine, text

from content.compensation import Offer, OfferError
from content.names import person
from content.rulebook import shipped_document
from storage import compensating, compensation, history, ledger, programmes, rulebooks
from storage.compensation import CompensationError, Run
from storage.db import Tx, reading
from storage.movement import AMOUNT_MAX, PROGRAMME, Side
from storage.programmes import Programme
from tests.storage.books import (
    DAY,
    NOW,
    buckets,
    count,
    day,
    give,
    lots,
    member,
    owe,
    payment,
    posting,
    programme,
    transaction,
    undone,
)

SIX = Offer("inflation", percent=Fraction(6))
FIVE = Offer("fixed", points=5)


def _here(tx: Tx, camp: int) -> Programme:
    return programmes.programme(tx, camp, NOW)


def _camp(engine: Engine, *has: int) -> tuple[int, list[int]]:
    """Return a programme and its members, who have so many points."""
    with transaction(engine) as tx:
        camp = programme(tx)
        people = [member(tx, camp) for _ in has]
        for person, points in zip(people, has, strict=True):
            if points:
                give(tx, camp, person, points)
    return camp, people


def _proposed(engine: Engine, camp: int, offer: Offer = SIX, people: Any = None) -> Run:
    with transaction(engine) as tx:
        return compensation.propose(
            tx, _here(tx, camp), offer, people, author="Ann", note="prices", now=NOW
        )


def _approved(engine: Engine, camp: int, offer: Offer = SIX, people: Any = None) -> int:
    number = _proposed(engine, camp, offer, people).id
    for by in ("Bob", "Cai"):
        with transaction(engine) as tx:
            compensating.approve(tx, camp, number, by=by, now=NOW)
    return number


def _begun(engine: Engine, camp: int, offer: Offer = SIX, people: Any = None) -> int:
    number = _approved(engine, camp, offer, people)
    with transaction(engine) as tx:
        compensating.begin(tx, camp, number, by="Ann", now=NOW)
    return number


def _paid(engine: Engine, camp: int, number: int, *, most: int = 500) -> list[int]:
    """Carry a run out; return how many were paid in each batch."""
    after: int | None = 0
    batches = []
    while after is not None:
        with transaction(engine) as tx:
            batch = compensating.pay(tx, _here(tx, camp), number, now=NOW, after=after, most=most)
        batches.append(batch.paid)
        after = batch.last
    return batches


def _available(engine: Engine, camp: int, people: list[int]) -> list[int]:
    with reading(engine) as tx:
        return [ledger.account(tx, camp, person).available for person in people]


# -- what it comes to ---------------------------------------------------------------------------


def test_a_dry_run_says_everything_and_writes_nothing(engine: Engine) -> None:
    camp, people = _camp(engine, 100, 33, 16, 0, *range(1_000, 1_010))
    with reading(engine) as tx:
        found = compensation.dry_run(tx, _here(tx, camp), SIX, None, DAY)
        assert found.members == 12  # 16 and 0 come to nothing
        assert found.points == 6 + 1 + sum(n * 6 // 100 for n in range(1_000, 1_010))
        assert found.cost_fen == found.points
        assert [share.points for share in found.largest] == [60] * 10
        assert {share.member_id for share in found.largest} == {*people[4:]}
        assert [count(tx, t) for t in ("compensation_run", "compensation_line")] == [0, 0]
        assert compensation.all_runs(tx, camp) == []


def test_it_costs_what_a_point_is_worth(engine: Engine) -> None:
    camp, people = _camp(engine, 100)
    document = shipped_document().replace(
        'name = "返利币"\nvalue_fen = 1', 'name = "返利币"\nvalue_fen = 3'
    )
    with transaction(engine) as tx:
        give(tx, camp, people[0], 1_000, wallet="coin")
        rulebooks.publish(tx, camp, document, author="me", note="x", effective=NOW, now=NOW)
        offer = SIX._replace(wallet="coin")
        found = compensation.dry_run(tx, _here(tx, camp), offer, None, DAY)
    assert (found.points, found.cost_fen) == (60, 180)


def test_a_ceiling_holds_for_each(engine: Engine) -> None:
    camp, people = _camp(engine, 100, 200, 300)
    run = _proposed(engine, camp, SIX._replace(most=10))
    with reading(engine) as tx:
        shares = {one.member_id: one.points for one in compensation.largest(tx, run)}
    assert shares == dict(zip(people, (6, 10, 10), strict=True))
    assert (run.members, run.points, run.offer.most) == (3, 26, 10)


def test_points_that_have_lapsed_are_no_points(engine: Engine) -> None:
    camp, people = _camp(engine, 100)
    with transaction(engine) as tx:
        for last in (DAY, day(1)):
            short = posting(camp, Side(people[0], "available"), 100)._replace(expires=last)
            ledger.post(tx, short)
        today, tomorrow = (
            compensation.dry_run(tx, _here(tx, camp), SIX, None, when).points
            for when in (DAY, day(1))
        )
    assert (today, tomorrow) == (18, 12)


@pytest.mark.parametrize("kind", ["inflation", "value_drop"])
def test_the_database_rounds_as_fractions_do(engine: Engine, kind: Any) -> None:
    camp, (person,) = _camp(engine, 0)
    rng = Random(7)
    update = text("UPDATE account SET available = :has WHERE owner_id = :owner")
    with undone(engine) as tx:
        for _ in range(300):
            has = rng.randrange(1, 10 ** rng.randrange(1, 16))
            percent = Fraction(rng.randrange(2_001, 9_001), 100)
            part = percent / 100 if kind == "inflation" else percent / (100 - percent)
            tx.core.execute(update, {"has": has, "owner": person})
            found = compensation.dry_run(
                tx, _here(tx, camp), Offer(kind, percent=percent), None, DAY
            )
            assert found.points == min(floor(has * part), AMOUNT_MAX)


# -- who gets it --------------------------------------------------------------------------------


def test_a_fixed_sum_is_for_everybody_or_for_some(engine: Engine) -> None:
    camp, people = _camp(engine, 7, 0, 9)
    other, _ = _camp(engine, 5)
    assert _proposed(engine, camp, FIVE).members == 3
    assert _proposed(engine, camp, FIVE, [people[1], people[1], people[2]]).members == 2
    number = _begun(engine, camp, FIVE, [people[1]])
    assert _paid(engine, camp, number) == [1]
    assert _available(engine, camp, people) == [7, 5, 9]
    with reading(engine) as tx:
        assert [run.id for run in compensation.all_runs(tx, camp)] == [3, 2, 1]
        assert compensation.all_runs(tx, other) == []
        with pytest.raises(CompensationError, match="no compensation run 1"):
            compensation.find(tx, other, 1)


def test_strangers_and_lists_for_percentages_are_refused(engine: Engine) -> None:
    camp, people = _camp(engine, 100)
    _, strangers = _camp(engine, 100)
    with pytest.raises(CompensationError, match=f"no members: {strangers[0]}"):
        _proposed(engine, camp, FIVE, [people[0], strangers[0]])
    with pytest.raises(CompensationError, match="only a fixed sum has a list"):
        _proposed(engine, camp, SIX, people)
    with pytest.raises(OfferError, match="not above"):
        _proposed(engine, camp, Offer("inflation", percent=Fraction(4)))
    with reading(engine) as tx:
        assert count(tx, "compensation_run") == 0


@pytest.mark.parametrize("offer", [SIX, FIVE, FIVE._replace(wallet="coin")])
def test_an_empty_programme_has_nothing_to_compensate(engine: Engine, offer: Offer) -> None:
    camp, _ = _camp(engine)
    with reading(engine) as tx:
        found = compensation.dry_run(tx, _here(tx, camp), offer, None, DAY)
    assert found == (0, 0, 0, ())
    with pytest.raises(CompensationError, match="nobody would get anything"):
        _proposed(engine, camp, offer)
    with pytest.raises(CompensationError, match="nobody would get anything"):
        _proposed(engine, camp, FIVE, [])
    with reading(engine) as tx:
        assert count(tx, "compensation_run") == 0


@pytest.mark.parametrize(
    ("author", "note"), [(" ", "x"), ("x" * 101, "x"), ("a\x00", "x"), ("Ann", " ")]
)
def test_a_run_says_who_and_why(engine: Engine, author: str, note: str) -> None:
    camp, _ = _camp(engine, 100)
    with transaction(engine) as tx, pytest.raises(CompensationError, match="1 to"):
        compensation.propose(tx, _here(tx, camp), SIX, None, author=author, note=note, now=NOW)


# -- who decides --------------------------------------------------------------------------------


def test_as_many_different_people_as_the_rules_ask_for_approve(engine: Engine) -> None:
    camp, people = _camp(engine, 100)
    run = _proposed(engine, camp)
    assert (run.state, run.needs, run.author, run.note) == ("proposed", 2, "Ann", "prices")
    with transaction(engine) as tx:
        assert compensating.approve(tx, camp, 1, by="Bob", now=NOW, note="ok").state == "proposed"
        with pytest.raises(CompensationError, match="has 1 of the 2 approvals"):
            compensating.begin(tx, camp, 1, by="Ann", now=NOW)
        for same in ("Bob", " bob ", "Ｂｏｂ"):
            with pytest.raises(CompensationError, match="has approved run 1 before"):
                compensating.approve(tx, camp, 1, by=same, now=NOW)
        later = NOW + timedelta(hours=1)
        assert compensating.approve(tx, camp, 1, by="蔡", now=later).state == "approved"
        with pytest.raises(CompensationError, match="nothing to decide"):
            compensating.approve(tx, camp, 1, by="Dan", now=NOW)
        assert [vote[:3] for vote in compensating.votes(tx, run)] == [
            ("Bob", "approve", "ok"),
            ("蔡", "approve", ""),
        ]
        assert [vote.at for vote in compensating.votes(tx, run)] == [NOW, later]
    assert _available(engine, camp, people) == [100]


def test_the_author_is_one_of_them_and_never_two(engine: Engine) -> None:
    camp, _ = _camp(engine, 100)
    _proposed(engine, camp)
    with transaction(engine) as tx:
        assert compensating.approve(tx, camp, 1, by="Ann", now=NOW).state == "proposed"
        with pytest.raises(CompensationError, match="somebody else has to"):
            compensating.approve(tx, camp, 1, by="ANN", now=NOW)
        assert compensating.approve(tx, camp, 1, by="Bob", now=NOW).state == "approved"


def test_a_run_keeps_the_rules_that_it_was_proposed_under(engine: Engine) -> None:
    camp, people = _camp(engine, 100)
    _proposed(engine, camp)
    document = shipped_document().replace("approve = 2", "approve = 1")
    with transaction(engine) as tx:
        rulebooks.publish(tx, camp, document, author="me", note="x", effective=NOW, now=NOW)
    with transaction(engine) as tx:
        assert compensating.approve(tx, camp, 1, by="Bob", now=NOW).state == "proposed"
    run = _proposed(engine, camp, FIVE, people)
    assert (run.needs, run.rules_version) == (1, 2)
    with transaction(engine) as tx:
        assert compensating.approve(tx, camp, 2, by="Bob", now=NOW).state == "approved"


@pytest.mark.parametrize(
    ("by", "state", "verdict"), [("ann", "withdrawn", "withdraw"), ("Bob", "refused", "refuse")]
)
def test_one_who_says_no_ends_it(engine: Engine, by: str, state: str, verdict: str) -> None:
    camp, people = _camp(engine, 100)
    run = _proposed(engine, camp)
    with transaction(engine) as tx:
        compensating.approve(tx, camp, 1, by="Bob", now=NOW)
        ended = compensating.refuse(tx, camp, 1, by=by, now=NOW, note="not now")
        assert (ended.state, ended.ended) == (state, NOW)
        assert (by, verdict, "not now", NOW) in compensating.votes(tx, run)
        for again in (compensating.approve, compensating.refuse):
            with pytest.raises(CompensationError, match=f"run 1 is {state}"):
                again(tx, camp, 1, by="Cai", now=NOW)
        with pytest.raises(CompensationError, match=f"has been {state}"):
            compensating.begin(tx, camp, 1, by="Cai", now=NOW)
        with pytest.raises(CompensationError, match="has not begun"):
            compensating.pay(tx, _here(tx, camp), 1, now=NOW)
    assert _available(engine, camp, people) == [100]


def test_what_is_approved_is_not_refused_any_more(engine: Engine) -> None:
    camp, _ = _camp(engine, 100)
    _approved(engine, camp)
    with transaction(engine) as tx, pytest.raises(CompensationError, match="nothing to decide"):
        compensating.refuse(tx, camp, 1, by="Ann", now=NOW)
    with transaction(engine) as tx, pytest.raises(CompensationError, match="has not begun"):
        compensating.pay(tx, _here(tx, camp), 1, now=NOW)


# -- paying -------------------------------------------------------------------------------------


def test_what_was_approved_is_paid_whatever_happened_meanwhile(engine: Engine) -> None:
    camp, people = _camp(engine, 100, 200, 300)
    number = _approved(engine, camp)
    with transaction(engine) as tx:
        ledger.post(tx, payment(camp, people[0], 100))
        give(tx, camp, people[1], 1_000)
        late = member(tx, camp)
        give(tx, camp, late, 1_000)
    with transaction(engine) as tx:
        compensating.begin(tx, camp, number, by="Dan", now=NOW)
    assert _paid(engine, camp, number) == [3]
    assert _available(engine, camp, [*people, late]) == [6, 1_212, 318, 1_000]
    with reading(engine) as tx:
        run = compensation.find(tx, camp, number)
        assert (run.state, run.ended) == ("done", NOW)
        assert compensation.paid(tx, run) == (run.members, run.points) == (3, 36)
        assert compensating.votes(tx, run)[-1] == ("Dan", "run", "", NOW)
        own = buckets(tx, camp)
        assert own["compensation"] == -36
        (line,) = history.statement(tx, camp, people[2], count=1)
        assert (line.amount, line.reason, line.after) == (18, "compensation", 318)
        assert ledger.account(tx, camp, people[2]).total_earned == 300  # nothing that was earned


def test_a_second_time_pays_nobody(engine: Engine) -> None:
    camp, people = _camp(engine, 100, 200, 300)
    number = _begun(engine, camp)
    assert _paid(engine, camp, number) == [3]
    with transaction(engine) as tx:
        assert compensating.begin(tx, camp, number, by="Bob", now=NOW).state == "done"
    assert _paid(engine, camp, number) == [0]
    assert _available(engine, camp, people) == [106, 212, 318]
    assert _begun(engine, camp) == number + 1  # another run is another compensation
    assert _paid(engine, camp, number + 1) == [3]
    assert _available(engine, camp, people) == [112, 224, 337]


def test_a_run_that_was_interrupted_goes_on_where_it_stands(engine: Engine) -> None:
    camp, people = _camp(engine, *[100] * 7)
    number = _begun(engine, camp)
    with transaction(engine) as tx:
        first = compensating.pay(tx, _here(tx, camp), number, now=NOW, most=3)
    assert (first.paid, first.points, first.last, first.state) == (3, 18, people[2], "running")
    with undone(engine) as tx:  # in the midst of a batch
        assert compensating.pay(tx, _here(tx, camp), number, now=NOW, most=3).paid == 3
        tx.close()
    assert _available(engine, camp, people) == [106] * 3 + [100] * 4
    tomorrow = NOW + timedelta(days=1)
    with transaction(engine) as tx:
        run = compensating.begin(tx, camp, number, by="Ann", now=tomorrow)
        assert run.state == "running"
        assert compensation.paid(tx, run) == (3, 18)
    with transaction(engine) as tx:
        rest = compensating.pay(tx, _here(tx, camp), number, now=tomorrow)
    assert (rest.paid, rest.last, rest.state) == (4, None, "done")
    assert _available(engine, camp, people) == [106] * 7


def test_who_owes_pays_his_debt_first(engine: Engine) -> None:
    camp, people = _camp(engine, 0, 0, 100)
    with transaction(engine) as tx:
        owe(tx, camp, people[0], 3)
        owe(tx, camp, people[1], 30)
    number = _begun(engine, camp, FIVE)
    assert _paid(engine, camp, number) == [3]
    with transaction(engine) as tx:
        assert buckets(tx, camp, people[0]) == {"available": 2}
        assert buckets(tx, camp, people[1]) == {"debt": -25}
        assert compensation.paid(tx, compensation.find(tx, camp, number)) == (3, 15)
    assert _paid(engine, camp, number) == [0]


def test_a_second_wallet_is_compensated_by_itself(engine: Engine) -> None:
    camp, people = _camp(engine, 1_000, 1_000)
    with transaction(engine) as tx:
        give(tx, camp, people[0], 200, wallet="coin")
    percent = _begun(engine, camp, Offer("value_drop", "coin", percent=Fraction(50)))
    assert _paid(engine, camp, percent) == [1]
    fixed = _begun(engine, camp, FIVE._replace(wallet="coin"))
    assert _paid(engine, camp, fixed) == [2]  # who has never had one gets it opened
    assert _available(engine, camp, people) == [1_000, 1_000]
    with reading(engine) as tx:
        coins = [ledger.account(tx, camp, person, "coin").available for person in people]
    assert coins == [405, 5]


def test_points_expire_as_the_rules_say_from_the_day_they_are_paid(engine: Engine) -> None:
    camp, people = _camp(engine, 100)
    document = shipped_document().replace('base = "none"', 'base = "rolling"')
    with transaction(engine) as tx:
        rulebooks.publish(
            tx, camp, document, author="me", note="x", effective=NOW, now=NOW, force="test"
        )
    number = _begun(engine, camp)
    tomorrow = NOW + timedelta(days=1)
    with transaction(engine) as tx:
        here = programmes.programme(tx, camp, tomorrow)
        compensating.pay(tx, here, number, now=tomorrow)
        assert lots(tx, camp, people[0]) == {day(731): 6}


def test_one_who_cannot_be_paid_is_named_and_the_others_are_paid(engine: Engine) -> None:
    camp, people = _camp(engine, *[100] * 4)
    number = _begun(engine, camp)
    taken = f"{DAY}/compensation/{number}/{people[1]}"
    with transaction(engine) as tx:
        give(tx, camp, people[1], 1, key=taken)
        batch = compensating.pay(tx, _here(tx, camp), number, now=NOW, most=3)
    assert (batch.paid, batch.state, batch.last) == (2, "running", people[2])
    ((failed, reason),) = batch.failed
    assert failed == people[1]
    assert "has been used" in reason
    assert _paid(engine, camp, number) == [1, 0]
    assert _available(engine, camp, people) == [106, 101, 106, 106]
    with reading(engine) as tx:
        run = compensation.find(tx, camp, number)
        assert (run.state, *compensation.paid(tx, run)) == ("running", 3, 18)


def test_a_line_whose_mark_was_lost_is_not_paid_again(engine: Engine) -> None:
    camp, people = _camp(engine, 100, 100)
    number = _begun(engine, camp)
    assert _paid(engine, camp, number) == [2]
    with transaction(engine) as tx:
        tx.core.execute(text("UPDATE compensation_line SET posting_id = NULL"))
        tx.core.execute(text("UPDATE compensation_run SET state = 'running'"))
    assert _paid(engine, camp, number) == [2]
    assert _available(engine, camp, people) == [106, 106]
    with reading(engine) as tx:
        assert count(tx, "posting") == 4


def test_every_posting_names_its_run(engine: Engine) -> None:
    camp, people = _camp(engine, 100)
    number = _begun(engine, camp)
    _paid(engine, camp, number)
    with reading(engine) as tx:
        row = tx.core.execute(
            text(
                "SELECT p.key, p.actor, p.rule, p.rule_version, p.day, p.from_owner, l.member_id"
                " FROM compensation_line l JOIN posting p ON p.programme_id = l.programme_id"
                " AND p.id = l.posting_id"
            )
        ).one()
    key, actor, rule, version, on, payer, paid_to = row
    assert key == f"{DAY}/compensation/1/{people[0]}"
    assert (actor, rule, version, payer) == ("compensation:1", "compensation", 1, PROGRAMME)
    assert (date.fromisoformat(f"{on}"), paid_to) == (DAY, people[0])


@pytest.mark.parametrize(
    "name", ["ann", "  Ann", "Ａｎｎ", "Ann\u2800", "A\u3164nn", "Ann\ufe0f", "A-nn.", "Ann\u02bc"]
)
def test_one_person_is_not_two_by_what_nobody_sees(name: str) -> None:
    assert person(name) == person("Ann")


@pytest.mark.parametrize("name", ["", "---", "\u2800", "\u3164\u3164", "👍"])
def test_a_name_says_who_it_is(name: str) -> None:
    with pytest.raises(CompensationError, match="letter or digit"):
        compensation.check_name(name)


@pytest.mark.parametrize("name", ["\u0410nn", "小\u0430"])
def test_nobody_approves_twice_in_letters_that_look_the_same(engine: Engine, name: str) -> None:
    camp, _ = _camp(engine, 100)
    number = _proposed(engine, camp).id
    with transaction(engine) as tx:
        compensating.approve(tx, camp, number, by="Ann", now=NOW)
        with pytest.raises(CompensationError, match="mixes letters of CYRILLIC and"):
            compensating.approve(tx, camp, number, by=name, now=NOW)
        assert compensating.approve(tx, camp, number, by="小红 Ann", now=NOW).state == "approved"
