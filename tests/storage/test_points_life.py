"""The life of points by example: earned, pending, spent, held, expired, taken back, owed."""

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from content.caps import Cap
from content.windows import WINDOWS, Window
from storage import audit, boards, checkins, clockwork, history, holds, ledger, undoing
from storage.db import Tx
from storage.movement import (
    PROGRAMME,
    CappedError,
    GoneError,
    InsufficientError,
    LedgerError,
    Posted,
    Side,
)
from tests.storage.books import (
    DAY,
    NOW,
    buckets,
    chain,
    day,
    give,
    lots,
    member,
    owe,
    payment,
    posting,
    programme,
    run_due,
    transaction,
    undo,
)

CLAWED_BACK = Side(PROGRAMME, "clawed_back")


def _give(
    tx: Tx, camp: int, owner: int, amount: int, *, last: date | None = None, **more: Any
) -> Posted:
    asked = posting(camp, Side(owner, "available"), amount, **more)
    return ledger.post(tx, asked._replace(expires=last))


def _later(tx: Tx, camp: int, owner: int, amount: int, due: date, **more: Any) -> Posted:
    asked = posting(camp, Side(owner, "pending"), amount)
    return ledger.post(tx, asked._replace(matures=due, **more))


def _pay(tx: Tx, camp: int, owner: int, amount: int, **more: Any) -> Posted:
    return ledger.post(tx, payment(camp, owner, amount, **more))


def _gift(tx: Tx, camp: int, giver: int, taker: int, amount: int, **more: Any) -> Posted:
    goal, source = Side(taker, "available"), Side(giver, "available")
    return ledger.post(tx, posting(camp, goal, amount, source=source, **more))


def _windows(tx: Tx, camp: int, owner: int, today: date = DAY) -> dict[Window, int]:
    tx.close()
    shown = {w: boards.board(tx, camp, w, today, places=0, member_id=owner).own for w in WINDOWS}
    return {window: place.points for window, place in shown.items() if place}


def _is_sound(tx: Tx) -> None:
    tx.close()
    assert audit.faults(tx) == []


# -- lots ----------------------------------------------------------------------------------------


def test_the_earliest_expiry_is_spent_first_and_what_never_expires_last(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        give(tx, camp, ming, 10)
        _give(tx, camp, ming, 10, last=day(30))
        _give(tx, camp, ming, 4, last=day(5))
        _give(tx, camp, ming, 6, last=day(5))
        assert lots(tx, camp, ming) == {day(5): 10, day(30): 10}
        _pay(tx, camp, ming, 7)
        assert lots(tx, camp, ming) == {day(5): 3, day(30): 10}
        _pay(tx, camp, ming, 8)
        assert lots(tx, camp, ming) == {day(30): 5}
        _pay(tx, camp, ming, 10)
        assert lots(tx, camp, ming) == {}
        assert buckets(tx, camp, ming) == {"available": 5}


def test_a_gift_keeps_the_last_days_of_its_points(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming, hong = member(tx, camp), member(tx, camp)
        _give(tx, camp, ming, 5, last=day(2))
        _give(tx, camp, ming, 5, last=day(9))
        _gift(tx, camp, ming, hong, 7)
        assert lots(tx, camp, ming) == {day(9): 3}
        assert lots(tx, camp, hong) == {day(2): 5, day(9): 2}


def test_what_is_released_goes_back_to_its_lots(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        _give(tx, camp, ming, 5, last=day(2))
        _give(tx, camp, ming, 5, last=day(9))
        give(tx, camp, ming, 5)
        aside = holds.hold(tx, payment(camp, ming, 12), due=NOW)
        assert lots(tx, camp, ming) == {}
        assert buckets(tx, camp, ming) == {"available": 3, "held": 12}
        holds.release(tx, camp, aside.id, undo("back"))
        assert lots(tx, camp, ming) == {day(2): 5, day(9): 5}
        assert buckets(tx, camp, ming) == {"available": 15}


def test_a_hold_ends_once(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        give(tx, camp, ming, 10)
        first, second = (holds.hold(tx, payment(camp, ming, 5), due=NOW) for _ in range(2))
        holds.capture(tx, camp, first.id, undo("1"))
        holds.release(tx, camp, second.id, undo("2"))
        for ended in (first.id, second.id, 4711):
            for end in (holds.capture, holds.release):
                with pytest.raises(GoneError, match=str(ended)):
                    end(tx, camp, ended, undo("3"))
        assert buckets(tx, camp, ming) == {"available": 5}
        assert buckets(tx, camp)["redeemed"] == 5


def test_holds_whose_time_is_over_are_released_once(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        give(tx, camp, ming, 10)
        for minutes in (-1, 0, 1):
            holds.hold(tx, payment(camp, ming, 3), due=NOW + timedelta(minutes=minutes))
        assert holds.release_due(tx, camp, undo("timeout")) == 2
        assert holds.release_due(tx, camp, undo("timeout")) == 0
        assert buckets(tx, camp, ming) == {"available": 7, "held": 3}


def test_the_same_hold_again_is_the_first_whatever_became_of_it(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        give(tx, camp, ming, 10)
        asked = payment(camp, ming, 10, key="hold")
        first = holds.hold(tx, asked, due=NOW)
        assert holds.hold(tx, asked, due=NOW) == first
        holds.capture(tx, camp, first.id, undo("bought"))
        assert holds.hold(tx, asked, due=NOW) == first._replace(state="captured")
        assert buckets(tx, camp, ming) == {}


@pytest.mark.parametrize("captured", [False, True], ids=["a payment", "a captured hold"])
def test_a_payment_reversed_goes_back_to_its_lots(engine: Engine, *, captured: bool) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        _give(tx, camp, ming, 5, last=day(2))
        give(tx, camp, ming, 5)
        if captured:
            aside = holds.hold(tx, payment(camp, ming, 8), due=NOW)
            paid = holds.capture(tx, camp, aside.id, undo("bought"))
        else:
            paid = _pay(tx, camp, ming, 8)
        undoing.reverse(tx, camp, paid.id, undo("back"))
        assert buckets(tx, camp, ming) == {"available": 10}
        assert lots(tx, camp, ming) == {day(2): 5}


@pytest.mark.parametrize("captured", [False, True], ids=["a payment", "a captured hold"])
def test_parts_of_a_payment_reversed_make_up_the_lots_it_took(
    engine: Engine, *, captured: bool
) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        _give(tx, camp, ming, 5, last=day(2))
        _give(tx, camp, ming, 5, last=day(9))
        give(tx, camp, ming, 5)
        if captured:
            aside = holds.hold(tx, payment(camp, ming, 15), due=NOW)
            paid = holds.capture(tx, camp, aside.id, undo("bought"))
        else:
            paid = _pay(tx, camp, ming, 15)
        seen = []
        for number in range(3):  # what lives longest first
            undoing.reverse(tx, camp, paid.id, undo(f"part{number}"), amount=5)
            seen.append(lots(tx, camp, ming))
        assert seen == [{}, {day(9): 5}, {day(2): 5, day(9): 5}]
        assert buckets(tx, camp, ming) == {"available": 15}


def test_a_gift_reversed_gives_back_the_points_that_were_given(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming, hong = member(tx, camp), member(tx, camp)
        _give(tx, camp, ming, 10, last=day(9))
        _give(tx, camp, hong, 10, last=day(2))
        given = _gift(tx, camp, ming, hong, 10)
        undoing.reverse(tx, camp, given.id, undo("back"))
        assert lots(tx, camp, ming) == {day(9): 10}
        assert lots(tx, camp, hong) == {day(2): 10}


def test_a_gift_that_was_spent_comes_back_with_its_last_day(engine: Engine) -> None:
    """Else two friends turn points that expire into points that never do."""
    with transaction(engine) as tx:
        camp = programme(tx)
        ming, hong = member(tx, camp), member(tx, camp)
        _give(tx, camp, ming, 10, last=day(9))
        given = _gift(tx, camp, ming, hong, 10)
        _pay(tx, camp, hong, 10)
        undoing.reverse(tx, camp, given.id, undo("back"))
        assert buckets(tx, camp, hong) == {"debt": -10}
        assert buckets(tx, camp, ming) == {"available": 10}
        assert lots(tx, camp, ming) == {day(9): 10}


@pytest.mark.parametrize("last", [None, day(9)])
def test_an_award_reversed_takes_its_own_lot_first(engine: Engine, last: date | None) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        wrong = _give(tx, camp, ming, 10, last=last)
        _give(tx, camp, ming, 10, last=day(5))
        undoing.reverse(tx, camp, wrong.id, undo("back"))
        assert lots(tx, camp, ming) == {day(5): 10}
        assert buckets(tx, camp, ming) == {"available": 10}


# -- expiry --------------------------------------------------------------------------------------


def test_points_can_be_spent_on_their_last_day_and_not_after(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        _give(tx, camp, ming, 10, last=day(3))
        assert _pay(tx, camp, ming, 4, day=day(3)).balance == 6
        with pytest.raises(InsufficientError):  # though no job has run
            _pay(tx, camp, ming, 1, day=day(4))
        with pytest.raises(InsufficientError):
            holds.hold(tx, payment(camp, ming, 1, day=day(4)), due=NOW)


def test_expiry_takes_what_is_over_and_nothing_twice(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming, hong = member(tx, camp), member(tx, camp)
        for owner in (ming, hong):
            _give(tx, camp, owner, 5, last=day(1))
            _give(tx, camp, owner, 6, last=day(2))
            _give(tx, camp, owner, 7, last=day(3))
            give(tx, camp, owner, 8)
        assert clockwork.expire_due(tx, camp, day(1), NOW) == 0
        assert clockwork.expire_due(tx, camp, day(3), NOW) == 2
        assert clockwork.expire_due(tx, camp, day(3), NOW) == 0
        for owner in (ming, hong):
            assert buckets(tx, camp, owner) == {"available": 15}
            assert lots(tx, camp, owner) == {day(3): 7}
        assert buckets(tx, camp)["expired"] == 22


def test_a_late_award_that_is_over_expires_though_its_like_has_already(engine: Engine) -> None:
    """A message of the day before yesterday is delivered after the job of today."""
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        for _ in range(2):
            _give(tx, camp, ming, 5, last=day(1))
            assert clockwork.expire_due(tx, camp, day(3), NOW) == 1
            assert buckets(tx, camp, ming) == {}
    with transaction(engine) as tx:
        assert buckets(tx, camp)["expired"] == 10


def test_a_lot_that_lapsed_while_held_lives_one_day_more(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        _give(tx, camp, ming, 5, last=day(1))
        aside = holds.hold(tx, payment(camp, ming, 5), due=NOW)
        assert clockwork.expire_due(tx, camp, day(6), NOW) == 0  # a hold freezes expiry
        holds.release(tx, camp, aside.id, undo("back", day(6)))
        assert lots(tx, camp, ming) == {day(7): 5}
        clockwork.expire_due(tx, camp, day(7), NOW)
        assert buckets(tx, camp, ming) == {"available": 5}
        clockwork.expire_due(tx, camp, day(8), NOW)
        assert buckets(tx, camp, ming) == {}


def test_a_lot_that_lapsed_after_it_was_paid_lives_one_day_more(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        _give(tx, camp, ming, 5, last=day(1))
        paid = _pay(tx, camp, ming, 5)
        undoing.reverse(tx, camp, paid.id, undo("back", day(6)))
        assert lots(tx, camp, ming) == {day(7): 5}


@pytest.mark.parametrize("last", [date(2028, 2, 29), date(2026, 12, 31), date(2026, 3, 29)])
def test_the_last_day_counts_whole_whatever_day_it_is(engine: Engine, last: date) -> None:
    """A leap day, a year's end, the night on which clocks change elsewhere."""
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        _give(tx, camp, ming, 5, last=last)
        assert clockwork.expire_due(tx, camp, last, NOW) == 0
        assert clockwork.expire_due(tx, camp, last + timedelta(days=1), NOW) == 1


# -- pending -------------------------------------------------------------------------------------


def test_pending_points_become_available_on_their_day_and_once(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        _later(tx, camp, ming, 10, day(7), expires=day(30))
        assert buckets(tx, camp, ming) == {"pending": 10}
        assert _windows(tx, camp, ming) == {}
        assert clockwork.mature_due(tx, camp, day(6), NOW) == 0
        assert clockwork.mature_due(tx, camp, day(7), NOW) == 1
        assert clockwork.mature_due(tx, camp, day(7), NOW) == 0
        assert clockwork.mature_due(tx, camp, day(8), NOW) == 0
        assert buckets(tx, camp, ming) == {"available": 10}
        assert lots(tx, camp, ming) == {day(30): 10}
        assert _windows(tx, camp, ming, day(7))["day"] == 10


def test_pending_points_are_taken_back_where_they_pend(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        give(tx, camp, ming, 50)
        first = _later(tx, camp, ming, 10, day(7))
        undoing.reverse(tx, camp, first.id, undo("part"), amount=4)
        assert buckets(tx, camp, ming) == {"available": 50, "pending": 6}
        clockwork.mature_due(tx, camp, day(7), NOW)
        assert buckets(tx, camp, ming) == {"available": 56}
        undoing.reverse(tx, camp, first.id, undo("rest", day(8)))
        assert buckets(tx, camp, ming) == {"available": 50}
        with pytest.raises(GoneError):
            undoing.reverse(tx, camp, first.id, undo("more", day(8)), amount=1)
        assert buckets(tx, camp)["clawed_back"] == 10


def test_all_pending_points_taken_back_leave_nothing_to_mature(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        first = _later(tx, camp, ming, 10, day(7))
        undoing.reverse(tx, camp, first.id, undo("back"))
        assert clockwork.mature_due(tx, camp, day(7), NOW) == 0
        assert buckets(tx, camp, ming) == {}


def test_points_that_matured_late_leave_the_board_when_taken_back(engine: Engine) -> None:
    """The job did not run on their day (the server was off), but two days later."""
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        first = _later(tx, camp, ming, 10, day(5))
        clockwork.mature_due(tx, camp, day(7), NOW)
        assert _windows(tx, camp, ming, day(7))["day"] == 10
        undoing.reverse(tx, camp, first.id, undo("back", day(7)))
        assert _windows(tx, camp, ming, day(7)) == {}


# -- debt ----------------------------------------------------------------------------------------


def test_what_a_clawback_cannot_take_is_owed_and_paid_by_new_earnings(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        first = give(tx, camp, ming, 50)
        _pay(tx, camp, ming, 30)
        done = undoing.reverse(tx, camp, first.id, undo("fraud"))
        assert (done.amount, done.replayed) == (50, False)
        assert type(done.amount) is int
        assert buckets(tx, camp, ming) == {"debt": -30}
        assert undoing.reverse(tx, camp, first.id, undo("fraud")) == done._replace(replayed=True)
        for ask in (lambda: _pay(tx, camp, ming, 1), lambda: _gift(tx, camp, ming, 4711, 1)):
            with pytest.raises(LedgerError):
                ask()
        assert give(tx, camp, ming, 20, key="some").balance == -10
        assert buckets(tx, camp, ming) == {"debt": -10}
        last = give(tx, camp, ming, 25, key="rest")
        assert (last.amount, last.balance) == (25, 15)
        assert give(tx, camp, ming, 25, key="rest") == last._replace(replayed=True)
        assert give(tx, camp, ming, 20, key="some").replayed
        assert buckets(tx, camp, ming) == {"available": 15}


def test_gifts_refunds_and_what_matures_pay_a_debt_too(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming, hong = member(tx, camp), member(tx, camp)
        give(tx, camp, ming, 10)
        give(tx, camp, hong, 10)
        paid = _pay(tx, camp, ming, 10)
        _later(tx, camp, ming, 10, day(1))
        owe(tx, camp, ming, 25)
        _gift(tx, camp, hong, ming, 10)
        assert buckets(tx, camp, ming) == {"pending": 10, "debt": -15}
        undoing.reverse(tx, camp, paid.id, undo("back"))
        assert buckets(tx, camp, ming) == {"pending": 10, "debt": -5}
        clockwork.mature_due(tx, camp, day(1), NOW)
        assert buckets(tx, camp, ming) == {"available": 5}


@pytest.mark.parametrize("way", ["release", "refund", "gift", "maturing", "award"])
def test_points_that_expire_and_pay_a_debt_keep_only_what_is_left(engine: Engine, way: str) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming, hong = member(tx, camp), member(tx, camp)
        _give(tx, camp, hong if way == "gift" else ming, 10, last=day(5))
        if way == "release":
            aside = holds.hold(tx, payment(camp, ming, 10), due=NOW)
        elif way != "gift":
            paid = _pay(tx, camp, ming, 10)
        owe(tx, camp, ming, 4)
        if way == "release":
            holds.release(tx, camp, aside.id, undo("back"))
        elif way == "refund":
            undoing.reverse(tx, camp, paid.id, undo("back"))
        elif way == "gift":
            _gift(tx, camp, hong, ming, 10)
        elif way == "maturing":
            _later(tx, camp, ming, 10, DAY, expires=day(5))
            clockwork.mature_due(tx, camp, DAY, NOW)
        else:
            _give(tx, camp, ming, 10, last=day(5))
        assert buckets(tx, camp, ming) == {"available": 6}
        assert lots(tx, camp, ming) == {day(5): 6}
        clockwork.expire_due(tx, camp, day(6), NOW)
        assert buckets(tx, camp, ming) == {}


def test_a_checkin_that_pays_a_debt_in_part_was_paid_once(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        owe(tx, camp, ming, 3)
        checkins.add(tx, camp, ming, DAY, NOW)
        give(tx, camp, ming, 5, reason="checkin")
        assert buckets(tx, camp, ming) == {"available": 2}
        _is_sound(tx)


def test_a_debt_is_written_off_in_parts_and_no_further(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        owe(tx, camp, ming, 10)
        goal = Side(ming, "debt")
        first = ledger.post(tx, posting(camp, goal, 6, source=CLAWED_BACK))
        assert first.balance == -4
        with pytest.raises(LedgerError, match="owes less"):
            ledger.post(tx, posting(camp, goal, 5, source=CLAWED_BACK))
        ledger.post(tx, posting(camp, goal, 4, source=CLAWED_BACK))
        assert buckets(tx, camp, ming) == {}
        undoing.reverse(tx, camp, first.id, undo("after all"))
        assert buckets(tx, camp, ming) == {"debt": -6}
        assert _windows(tx, camp, ming) == {}  # nothing of it was earned


# -- reversal ------------------------------------------------------------------------------------


def test_parts_of_an_award_never_come_to_more_than_the_award(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        first = give(tx, camp, ming, 10)
        give(tx, camp, ming, 90)
        for part in (3, 4):
            undoing.reverse(tx, camp, first.id, undo(f"part{part}"), amount=part)
        with pytest.raises(GoneError, match="3 of"):
            undoing.reverse(tx, camp, first.id, undo("more"), amount=4)
        assert undoing.reverse(tx, camp, first.id, undo("rest")).amount == 3
        with pytest.raises(GoneError, match="0 of"):
            undoing.reverse(tx, camp, first.id, undo("again"))
        assert buckets(tx, camp, ming) == {"available": 90}
        assert _windows(tx, camp, ming) == dict.fromkeys(WINDOWS, 90)


def test_an_award_that_was_cut_is_reversed_as_it_was_paid(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        owe(tx, camp, ming, 3)
        asked = posting(camp, Side(ming, "available"), 100)
        first = ledger.post(tx, asked._replace(caps=(Cap("a", "day", "points", 8),)))
        assert (first.amount, first.balance) == (8, 5)
        assert undoing.reverse(tx, camp, first.id, undo("back")).amount == 8
        assert buckets(tx, camp, ming) == {"debt": -3}


def test_what_is_no_movement_of_its_own_cannot_be_reversed(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        first = give(tx, camp, ming, 10)
        back = undoing.reverse(tx, camp, first.id, undo("back"), amount=2)
        aside = holds.hold(tx, payment(camp, ming, 5), due=NOW)
        for id_ in (4711, back.id, aside.id):
            with pytest.raises(LedgerError, match=str(id_)):
                undoing.reverse(tx, camp, id_, undo("more"))
        assert buckets(tx, camp, ming) == {"available": 3, "held": 5}


def test_a_clawback_lowers_the_windows_that_counted_the_award(engine: Engine) -> None:
    monday, tuesday = date(2026, 3, 30), date(2026, 3, 31)
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        early = give(tx, camp, ming, 10, day=monday)
        give(tx, camp, ming, 5, day=tuesday)
        undoing.reverse(tx, camp, early.id, undo("back", tuesday))
        assert _windows(tx, camp, ming, tuesday) == dict.fromkeys(WINDOWS, 5)
        late = give(tx, camp, ming, 7, day=monday)
        give(tx, camp, ming, 1, day=date(2026, 4, 1))
        undoing.reverse(tx, camp, late.id, undo("back2", date(2026, 4, 1)))
        shown = _windows(tx, camp, ming, date(2026, 4, 1))
        assert shown == {"day": 1, "week": 6, "month": 1, "all": 6}


# -- caps ----------------------------------------------------------------------------------------


def _capped(tx: Tx, camp: int, owner: int, amount: int, on: date, *caps: Cap) -> int:
    asked = posting(camp, Side(owner, "available"), amount, day=on)._replace(caps=caps)
    try:
        return ledger.post(tx, asked).amount
    except CappedError:
        return 0


def test_caps_of_points_cut_and_begin_anew_with_the_day_and_the_month(engine: Engine) -> None:
    daily, monthly = Cap("chat", "day", "points", 10), Cap("chat", "month", "points", 24)
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        days = [date(2028, 2, 28), date(2028, 2, 29), date(2028, 3, 1)]
        got = [
            [_capped(tx, camp, ming, amount, on, daily, monthly) for amount in (7, 7, 7)]
            for on in (date(2028, 2, 1), *days)
        ]
        assert got == [[7, 3, 0], [7, 3, 0], [4, 0, 0], [7, 3, 0]]
        assert buckets(tx, camp, ming) == {"available": 34}


def test_caps_of_times_count_awards_and_another_name_is_another_counter(engine: Engine) -> None:
    twice, other = Cap("share", "day", "times", 2), Cap("quiz", "day", "times", 1)
    with transaction(engine) as tx:
        camp = programme(tx)
        ming, hong = member(tx, camp), member(tx, camp)
        assert [_capped(tx, camp, ming, 5, DAY, twice) for _ in range(3)] == [5, 5, 0]
        assert _capped(tx, camp, ming, 5, DAY, other) == 5
        assert _capped(tx, camp, ming, 5, DAY, other, twice) == 0
        assert _capped(tx, camp, hong, 5, DAY, twice) == 5


def test_late_events_find_no_fresh_cap(engine: Engine) -> None:
    cap = Cap("chat", "day", "points", 10)
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        got = [_capped(tx, camp, ming, 6, day(n), cap) for n in (0, 1, 0, -40)]
        assert got == [6, 6, 4, 0]


def test_what_was_refused_or_undone_has_used_nothing_of_a_cap(engine: Engine) -> None:
    cap = Cap("chat", "day", "times", 1)
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        with suppress(ZeroDivisionError), tx.savepoint():
            assert _capped(tx, camp, ming, 5, DAY, cap) == 5
            raise ZeroDivisionError
        asked = posting(camp, Side(ming, "available"), 5, key="once")._replace(caps=(cap,))
        first = ledger.post(tx, asked)
        assert ledger.post(tx, asked) == first._replace(replayed=True)
        assert _capped(tx, camp, ming, 5, DAY, cap) == 0
        assert buckets(tx, camp, ming) == {"available": 5}


def test_two_wallets_are_credited_and_capped_apart(engine: Engine) -> None:
    cap = Cap("chat", "day", "points", 8)
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        goal = Side(ming, "available")
        both = [
            posting(camp, goal, amount, wallet=wallet)._replace(caps=(cap,), expires=last)
            for amount in (5, 5)
            for wallet, last in (("points", day(5)), ("xp", None))
        ]
        results = ledger.post_many(tx, both)
        assert [r.amount for r in results if isinstance(r, Posted)] == [5, 5, 3, 3]
        _pay(tx, camp, ming, 8)
        assert ledger.account(tx, camp, ming).available == 0
        assert ledger.account(tx, camp, ming, "xp").available == 8
        assert lots(tx, camp, ming, "xp") == {}


def test_a_checkin_credited_in_two_wallets_was_paid_once(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        checkins.add(tx, camp, ming, DAY, NOW)
        give(tx, camp, ming, 5, reason="checkin")
        give(tx, camp, ming, 5, reason="checkin", wallet="xp")
        _is_sound(tx)


# -- reading -------------------------------------------------------------------------------------


def test_a_statement_tells_the_whole_life(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming, hong = member(tx, camp), member(tx, camp)
        first = _give(tx, camp, ming, 20, last=day(1), reason="checkin")
        _later(tx, camp, ming, 5, day(1))
        clockwork.mature_due(tx, camp, day(1), NOW)
        aside = holds.hold(tx, payment(camp, ming, 8, reason="hold"), due=NOW)
        holds.release(tx, camp, aside.id, undo("r", reason="released"))
        _gift(tx, camp, ming, hong, 4, reason="gift")
        clockwork.expire_due(tx, camp, day(2), NOW)
        undoing.reverse(tx, camp, first.id, undo("claw", day(2), reason="fraud"))
        give(tx, camp, ming, 20, reason="quiz")
        said = history.statement(tx, camp, ming, count=50)
        assert [(m.amount, m.bucket, m.reason, m.after) for m in reversed(said)] == [
            (20, "available", "checkin", 20),
            (5, "pending", "test", 5),
            (5, "available", "mature", 25),
            (8, "held", "hold", 8),
            (8, "available", "released", 25),
            (-4, "available", "gift", 21),
            (-16, "available", "expiry", 5),
            (-5, "available", "fraud", 0),
            (-15, "debt", "fraud", -15),
            (15, "debt", "quiz", 0),
            (5, "available", "quiz", 5),
        ]


def test_a_balance_of_the_past_is_what_was_available_then(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        was: dict[int, int] = {}

        def note(id_: int) -> int:
            was[id_] = ledger.account(tx, camp, ming).available
            return id_

        aside = []
        for amount in (10, 20, 30):
            note(give(tx, camp, ming, amount).id)
            aside.append(note(holds.hold(tx, payment(camp, ming, 5), due=NOW).id))
        for number, id_ in enumerate(aside):
            note(holds.release(tx, camp, id_, undo(f"r{number}")).id)
        assert list(was.values()) == [10, 5, 25, 20, 50, 45, 50, 55, 60]
    with transaction(engine) as tx:
        millisecond = 1 << 20  # of a number: see storage.ids
        for id_ in was:
            moment = datetime.fromtimestamp(id_ // millisecond / 1000, UTC)
            newest = max(other for other in was if other // millisecond <= id_ // millisecond)
            assert history.balance_at(tx, camp, ming, moment) == was[newest]
        before = datetime.fromtimestamp(min(was) // millisecond / 1000, UTC)
        assert history.balance_at(tx, camp, ming, before - timedelta(milliseconds=1)) == 0
        assert history.balance_at(tx, camp, 4711, before) == 0


def test_every_batch_is_sealed_over_the_one_before_it(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp, other = programme(tx), programme(tx)
        ming, hong = member(tx, camp), member(tx, other)
        first = _give(tx, camp, ming, 10, last=day(5))
        give(tx, other, hong, 5)
    assert chain(engine, camp) == [1]
    with transaction(engine) as tx:
        _pay(tx, camp, ming, 4)
        with suppress(ZeroDivisionError), tx.savepoint():
            give(tx, camp, ming, 100)
            tx.books.write(tx)
            raise ZeroDivisionError
    with transaction(engine) as tx:
        pass  # a batch without postings needs no seal
    with transaction(engine) as tx:
        undoing.reverse(tx, camp, first.id, undo("back"))
        give(tx, camp, ming, 1)
    assert chain(engine, camp) == [1, 1, 3]
    assert chain(engine, other) == [1]


# -- the clock -----------------------------------------------------------------------------------


def test_what_is_due_is_done_in_each_programme_by_its_own_day(engine: Engine) -> None:
    with transaction(engine) as tx:
        camps = [programme(tx), programme(tx)]
        tx.core.execute(
            text("UPDATE programme SET zone = 'Pacific/Auckland' WHERE id = :id"), {"id": camps[1]}
        )
        people = [member(tx, camp) for camp in camps]
        for camp, person in zip(camps, people, strict=True):
            _give(tx, camp, person, 5, last=DAY)
            give(tx, camp, person, 20)
            _later(tx, camp, person, 7, day(1))
            holds.hold(tx, payment(camp, person, 10), due=NOW + timedelta(hours=1))
    before_midnight = datetime(2026, 3, 4, 15, 0, tzinfo=UTC)  # Shanghai 23:00, Auckland 04:00
    with transaction(engine) as tx:
        assert run_due(tx, now=before_midnight) == 3
        assert run_due(tx, now=before_midnight) == 0
        assert buckets(tx, camps[0], people[0]) == {"available": 25, "pending": 7}
        assert buckets(tx, camps[1], people[1]) == {"available": 32}  # a lot comes back
    with transaction(engine) as tx:
        assert run_due(tx, now=before_midnight + timedelta(days=1)) == 2
        assert buckets(tx, camps[0], people[0]) == {"available": 27}
        assert buckets(tx, camps[1], people[1]) == {"available": 32}  # for one more day
        assert run_due(tx, now=before_midnight + timedelta(days=2)) == 1
        assert buckets(tx, camps[1], people[1]) == {"available": 27}


def test_a_gift_given_back_takes_its_own_points_and_no_others(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming, hong = member(tx, camp), member(tx, camp)
        for person in (ming, hong):
            for last in (day(2), day(9)):
                _give(tx, camp, person, 8, last=last)
            give(tx, camp, person, 8)
        before = {day(2): 8, day(9): 8}
        for number, amount in enumerate((24, 5, 13)):
            given = _gift(tx, camp, ming, hong, amount)
            undoing.reverse(tx, camp, given.id, undo(f"back{number}"))
            assert lots(tx, camp, ming) == lots(tx, camp, hong) == before
            assert buckets(tx, camp, hong) == {"available": 24}


def test_a_programme_with_broken_rules_stops_no_other(engine: Engine) -> None:
    with transaction(engine) as tx:
        broken, sound = programme(tx), programme(tx)
        person = member(tx, sound)
        _later(tx, sound, person, 7, day(1))
        tx.core.execute(
            text(
                "INSERT INTO rulebook (programme_id, version, document, author, note, created_ms,"
                " effective_ms) VALUES (:id, 2, 'version = 9', 'hand', '', 0, 0)"
            ),
            {"id": broken},
        )
    later = NOW + timedelta(days=1)
    with transaction(engine) as tx:
        assert clockwork.with_work(tx, now=later) == sorted((broken, sound))
    with transaction(engine) as tx, pytest.raises(ValueError, match="programme"):
        clockwork.run_programme(tx, broken, now=later)
    with transaction(engine) as tx:
        assert clockwork.run_programme(tx, sound, now=later)
        assert ledger.account(tx, sound, person).available == 7


def test_a_gift_given_back_to_one_who_owes_takes_its_own_points_once(engine: Engine) -> None:
    """The part that pays the debt and the rest are one return: each lot is taken from once."""
    with transaction(engine) as tx:
        camp = programme(tx)
        ming, hong = member(tx, camp), member(tx, camp, "小红")
        for owner in (ming, hong):
            give(tx, camp, owner, 20)
            _give(tx, camp, owner, 8, last=day(2))
        award = _give(tx, camp, hong, 8, last=day(9))
        given = _gift(tx, camp, hong, ming, 36)
        undoing.reverse(tx, camp, award.id, undo("award"))
        assert buckets(tx, camp, hong)["debt"] == -8
        undoing.reverse(tx, camp, given.id, undo("gift"))
        assert lots(tx, camp, ming) == {day(2): 8}  # his own, which he had before
        assert lots(tx, camp, hong) == {day(9): 8}
        assert buckets(tx, camp, hong)["available"] == 28
