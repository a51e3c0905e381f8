"""Levels over the store: raised at once, lost after grace, paid by, and counted in a window."""

from datetime import date, datetime, timedelta

from sqlalchemy import Engine, text

from content.rulebook import shipped_document
from storage import audit, ledger, levels, programmes, rulebooks, undoing
from storage.account import NEVER
from storage.awards import Award, award
from storage.db import Tx
from storage.movement import ISSUED, Side
from storage.programmes import Programme
from tests.storage.books import (
    DAY,
    NOW,
    day,
    give,
    member,
    posting,
    programme,
    run_daily,
    run_due,
    transaction,
    undo,
)

WINDOW = 365


def _award(tx: Tx, here: Programme, ming: int, points: int, on: date = DAY) -> Award:
    deed = posting(here.id, Side(ming, "available"), points, source=ISSUED, day=on)
    return award(tx, here.rules, deed._replace(kind="social"), today=on, now=NOW)


def _camp(tx: Tx) -> tuple[Programme, int]:
    camp = programme(tx)
    return programmes.programme(tx, camp, NOW), member(tx, camp)


def _at(on: date) -> datetime:
    return NOW + (on - DAY)


def _nights(tx: Tx, here: Programme, on: date) -> Programme:
    """Do all that the day asks for; return the programme as it is then."""
    for _ in range(100):
        tx.seen.clear()
        if not run_daily(tx, now=_at(on)):
            break
    else:
        raise AssertionError("the day's work has no end")
    return programmes.programme(tx, here.id, _at(on))


def _publish(tx: Tx, here: Programme, **changes: str) -> Programme:
    document = rulebooks.in_force(tx, here.id, NOW).document
    for change in changes.values():
        old, new = change.split(" -> ")
        assert old in document
        document = document.replace(old, new)
    rulebooks.publish(
        tx, here.id, document, author="t", note="t", effective=NOW, now=NOW, force="test"
    )
    tx.seen.clear()
    return programmes.programme(tx, here.id, NOW)


def test_a_member_rises_at_once_and_only_once(engine: Engine) -> None:
    with transaction(engine) as tx:
        here, ming = _camp(tx)
        assert _award(tx, here, ming, 499).level is None
        risen = _award(tx, here, ming, 1).level
        assert risen is not None
        assert risen.id == "silver"
        assert _award(tx, here, ming, 1).level is None
        high = _award(tx, here, ming, 5_000).level
        assert high is not None
        assert high.id == "gold"


def test_spent_points_still_qualify(engine: Engine) -> None:
    with transaction(engine) as tx:
        here, ming = _camp(tx)
        _award(tx, here, ming, 500)
        gone = posting(here.id, Side(0, "redeemed"), 400, source=Side(ming, "available"))
        ledger.post(tx, gone)
        has = ledger.account(tx, here.id, ming)
        assert (has.available, has.qualifying, has.level) == (100, 500, "silver")


def test_points_leave_the_window_and_the_level_after_its_grace_one_step_at_a_time(
    engine: Engine,
) -> None:
    with transaction(engine) as tx:
        here, ming = _camp(tx)
        _award(tx, here, ming, 3_000)
        _award(tx, here, ming, 10, day(40))
        here = _nights(tx, here, day(WINDOW - 1))
        assert ledger.account(tx, here.id, ming).qualifying == 3_010
        here = _nights(tx, here, day(WINDOW))
        has = ledger.account(tx, here.id, ming)
        assert (has.qualifying, has.level, has.below_since) == (10, "gold", day(WINDOW))
        here = _nights(tx, here, day(WINDOW + 29))
        assert ledger.account(tx, here.id, ming).level == "gold"
        here = _nights(tx, here, day(WINDOW + 30))
        has = ledger.account(tx, here.id, ming)
        assert (has.level, has.below_since) == ("silver", day(WINDOW + 30))
        here = _nights(tx, here, day(WINDOW + 59))
        assert ledger.account(tx, here.id, ming).level == "silver"
        _nights(tx, here, day(WINDOW + 60))
        has = ledger.account(tx, here.id, ming)
        assert (has.level, has.below_since, has.qualifying) == ("member", NEVER, 0)
        tx.close()
        assert audit.faults(tx) == []


def test_who_catches_up_in_time_keeps_his_level(engine: Engine) -> None:
    with transaction(engine) as tx:
        here, ming = _camp(tx)
        _award(tx, here, ming, 600)
        here = _nights(tx, here, day(WINDOW))
        assert ledger.account(tx, here.id, ming).below_since == day(WINDOW)
        assert _award(tx, here, ming, 500, day(WINDOW + 5)).level is None
        assert ledger.account(tx, here.id, ming).below_since == NEVER
        here = _nights(tx, here, day(WINDOW + 30))
        assert ledger.account(tx, here.id, ming).level == "silver"


def test_nights_that_were_missed_are_made_up_at_once(engine: Engine) -> None:
    """The bot was away for a month: everything that has left meanwhile leaves now."""
    with transaction(engine) as tx:
        here, ming = _camp(tx)
        for number in range(10):
            _award(tx, here, ming, 100, day(number))
        here = _nights(tx, here, day(100))
        here = _nights(tx, here, day(WINDOW + 4))
        has = ledger.account(tx, here.id, ming)
        assert (has.qualifying, has.qualifying_after) == (500, day(4))
        here = _nights(tx, here, day(WINDOW + 50))
        assert ledger.account(tx, here.id, ming).qualifying == 0


def test_a_page_at_a_time_and_each_member_once(engine: Engine) -> None:
    with transaction(engine) as tx:
        here, _ = _camp(tx)
        people = [member(tx, here.id) for _ in range(7)]
        for person in people:
            _award(tx, here, person, 50)
            _award(tx, here, person, 7, day(WINDOW))
        on = day(WINDOW)
        pages = 0
        while levels.review_due(tx, here, on, most=3):
            pages += 1
            assert pages < 20
        tx.close()
        assert {ledger.account(tx, here.id, person).qualifying for person in people} == {7}
        assert audit.faults(tx) == []


def test_a_reversal_of_what_has_left_the_window_takes_nothing_more_from_it(engine: Engine) -> None:
    with transaction(engine) as tx:
        here, ming = _camp(tx)
        old = _award(tx, here, ming, 600)
        _award(tx, here, ming, 20, day(200))
        here = _nights(tx, here, day(WINDOW))
        undoing.reverse(tx, here.id, old.posting, undo("back", day(WINDOW)))
        tx.close()
        assert ledger.account(tx, here.id, ming).qualifying == 20
        assert audit.faults(tx) == []


def test_other_rules_are_looked_at_for_everybody(engine: Engine) -> None:
    with transaction(engine) as tx:
        here, ming = _camp(tx)
        _award(tx, here, ming, 450)
        here = _nights(tx, here, DAY)
        here = _publish(tx, here, silver="min = 500 -> min = 400")
        _nights(tx, here, DAY)
        assert ledger.account(tx, here.id, ming).level == "silver"


def test_a_longer_window_brings_back_what_had_left(engine: Engine) -> None:
    with transaction(engine) as tx:
        here, ming = _camp(tx)
        other = member(tx, here.id)
        here = _publish(tx, here, window="window_days = 365 -> window_days = 10")
        _award(tx, here, ming, 600)
        give(tx, here.id, other, 5)
        here = _nights(tx, here, day(10))
        assert ledger.account(tx, here.id, ming).qualifying == 0
        document = rulebooks.in_force(tx, here.id, NOW).document
        longer = document.replace("window_days = 10", "window_days = 100")
        now = _at(day(10))
        rulebooks.publish(
            tx, here.id, longer, author="t", note="t", effective=now, now=now, force="test"
        )
        _nights(tx, here, day(10))
        has = ledger.account(tx, here.id, ming)
        assert (has.qualifying, has.level) == (600, "silver")
        tx.close()
        assert audit.faults(tx) == []


def test_pending_points_qualify_when_they_arrive(engine: Engine) -> None:
    with transaction(engine) as tx:
        here, ming = _camp(tx)
        later = posting(here.id, Side(ming, "pending"), 700)._replace(matures=day(7))
        paid = award(tx, here.rules, later, today=DAY, now=NOW)
        assert paid.level is None
        assert ledger.account(tx, here.id, ming).qualifying == 0
        run_due(tx, now=NOW + timedelta(days=7))
        assert ledger.account(tx, here.id, ming).level == "silver"


def test_a_document_without_levels_has_none(engine: Engine) -> None:
    document = shipped_document()
    start, end = document.index("\n[[level]]"), document.index("\n[levels]")
    with transaction(engine) as tx:
        here, ming = _camp(tx)
        rulebooks.publish(
            tx,
            here.id,
            document[:start] + document[end:],
            author="t",
            note="t",
            effective=NOW,
            now=NOW,
            force="test",
        )
        tx.seen.clear()
        here = programmes.programme(tx, here.id, NOW)
        assert _award(tx, here, ming, 9_000).level is None
        assert levels.held(here.rules, ledger.account(tx, here.id, ming)) is None
        _nights(tx, here, DAY)
        (level,) = tx.core.execute(
            text("SELECT level FROM account WHERE owner_id = :o"), {"o": ming}
        ).one()
        assert level == ""


def test_a_shorter_window_lets_go_of_what_it_does_not_reach(engine: Engine) -> None:
    with transaction(engine) as tx:
        here, ming = _camp(tx)
        _award(tx, here, ming, 600)
        here = _nights(tx, here, day(200))
        document = rulebooks.in_force(tx, here.id, NOW).document
        shorter = document.replace("window_days = 365", "window_days = 90")
        now = _at(day(200))
        rulebooks.publish(
            tx, here.id, shorter, author="t", note="t", effective=now, now=now, force="test"
        )
        here = _nights(tx, here, day(200))
        assert ledger.account(tx, here.id, ming).qualifying == 0
        _nights(tx, here, day(230))
        assert ledger.account(tx, here.id, ming).level == "member"


def test_a_night_that_was_interrupted_goes_on_where_it_was_the_day_after(engine: Engine) -> None:
    with transaction(engine) as tx:
        here, _ = _camp(tx)
        people = [member(tx, here.id) for _ in range(5)]
        for person in people:
            _award(tx, here, person, 70)
            _award(tx, here, person, 30, day(1))
        assert levels.review_due(tx, here, day(WINDOW), most=2)  # and then it is stopped
        while levels.review_due(tx, here, day(WINDOW + 1), most=2):
            pass
        tx.close()
        assert {ledger.account(tx, here.id, person).qualifying for person in people} == {0}


def test_a_look_at_everybody_that_was_interrupted_goes_on(engine: Engine) -> None:
    with transaction(engine) as tx:
        here, _ = _camp(tx)
        people = [member(tx, here.id) for _ in range(5)]
        for person in people:
            _award(tx, here, person, 450)
        here = _nights(tx, here, DAY)
        here = _publish(tx, here, silver="min = 500 -> min = 400")
        assert levels.review_due(tx, here, DAY, most=2)
        while levels.review_due(tx, here, day(1), most=2):
            pass
        assert {ledger.account(tx, here.id, person).level for person in people} == {"silver"}


def test_a_level_that_was_bought_goes_with_the_order(engine: Engine) -> None:
    with transaction(engine) as tx:
        here, ming = _camp(tx)
        bought = _award(tx, here, ming, 3_100)
        has = ledger.account(tx, here.id, ming)
        assert has.level == "gold"
        undoing.reverse(tx, here.id, bought.posting, undo("back"), amount=2_000)
        levels.fall(tx, here.rules, ledger.account(tx, here.id, ming), has.qualifying)
        has = ledger.account(tx, here.id, ming)
        assert (has.level, has.below_since) == ("silver", NEVER)
