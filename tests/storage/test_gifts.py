"""Gifts in the store: set aside, ended once, of earned points alone, with their last days."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from handlers.router import discover
from storage import audit, boards, clockwork, gifts, holds, ledger, members, rebuilding, undoing
from storage.db import Tx
from storage.gifts import End, Gift
from storage.members import Who
from storage.movement import GoneError, InsufficientError, Side
from storage.programmes import MAIN
from tests.storage.books import (
    DAY,
    NOW,
    buckets,
    chain,
    day,
    end_gift,
    give,
    lots,
    member,
    offer,
    owe,
    payment,
    posting,
    programme,
    run_due,
    transaction,
    undo,
    undone,
)

ROUTER = discover()
HOUR = timedelta(hours=1)


def _gift(tx: Tx, camp: int, giver: int, receiver: int, amount: int) -> Gift:
    offered = offer(tx, camp, giver, receiver, amount)
    assert end_gift(tx, camp, offered, "accepted")
    return offered


def _posting(tx: Tx, ended: Gift) -> int:
    """Return the number of the posting that ended a gift."""
    tx.close()
    found = text("SELECT id FROM posting WHERE key = :key")
    return int(tx.core.execute(found, {"key": f"{DAY}/gift-ended/{ended.id}"}).scalar_one())


def _gifted(tx: Tx, camp: int, owner: int) -> tuple[int, int]:
    has = ledger.account(tx, camp, owner)
    return has.available, has.gifted


def _two(tx: Tx) -> tuple[int, int, int]:
    camp = programme(tx)
    return camp, member(tx, camp), member(tx, camp, "小红")


def test_a_gift_is_set_aside_and_goes_over_when_it_is_accepted(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp, ming, hong = _two(tx)
        give(tx, camp, ming, 50)
        offered = offer(tx, camp, ming, hong, 20)
        assert offered[1:] == (ming, hong, 20, "谢谢", "offered", offered.due_ms)
        assert buckets(tx, camp, ming) == {"available": 30, "held": 20}
        assert buckets(tx, camp, hong) == {}
        assert end_gift(tx, camp, offered, "accepted")
        assert buckets(tx, camp, ming) == {"available": 30}
        assert buckets(tx, camp, hong) == {"available": 20}
        assert gifts.get(tx, camp, offered.id) == offered._replace(state="accepted")


@pytest.mark.parametrize("state", ["declined", "taken_back", "expired"])
def test_a_gift_that_is_not_accepted_goes_back_to_its_lots(engine: Engine, state: End) -> None:
    with transaction(engine) as tx:
        camp, ming, hong = _two(tx)
        mine = posting(camp, Side(ming, "available"), 10)
        ledger.post(tx, mine._replace(expires=day(9)))
        give(tx, camp, ming, 10)
        offered = offer(tx, camp, ming, hong, 15)
        assert lots(tx, camp, ming) == {}
        assert end_gift(tx, camp, offered, state)
        assert buckets(tx, camp, ming) == {"available": 20}
        assert lots(tx, camp, ming) == {day(9): 10}
        assert gifts.given(tx, camp, ming, DAY) == (0, 0)


def test_a_gift_ends_once(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp, ming, hong = _two(tx)
        give(tx, camp, ming, 50)
        offered = offer(tx, camp, ming, hong, 20)
        assert end_gift(tx, camp, offered, "declined")
        for state in gifts.End.__args__:
            assert not end_gift(tx, camp, offered, state)
        assert buckets(tx, camp, ming) == {"available": 50}
        with pytest.raises(GoneError):
            holds.capture(tx, camp, offered.id, undo("x"), to=hong)


def test_the_same_offer_again_is_the_first(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp, ming, hong = _two(tx)
        give(tx, camp, ming, 50)
        first = offer(tx, camp, ming, hong, 20, key="2026-03-04/gift/1")
        assert offer(tx, camp, ming, hong, 20, key="2026-03-04/gift/1") == first
        assert buckets(tx, camp, ming) == {"available": 30, "held": 20}


def test_the_receivers_points_end_when_the_givers_would_have(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp, ming, hong = _two(tx)
        for last in (day(2), day(9)):
            mine = posting(camp, Side(ming, "available"), 5)
            ledger.post(tx, mine._replace(expires=last))
        _gift(tx, camp, ming, hong, 7)
        assert lots(tx, camp, ming) == {day(9): 3}
        assert lots(tx, camp, hong) == {day(2): 5, day(9): 2}
        assert clockwork.expire_due(tx, camp, day(3), NOW) == 1
        assert buckets(tx, camp, hong) == {"available": 2}
        assert _gifted(tx, camp, hong) == (2, 2)


def test_what_lapsed_while_it_was_offered_lives_a_day_more(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp, ming, hong = _two(tx)
        mine = posting(camp, Side(ming, "available"), 5)
        ledger.post(tx, mine._replace(expires=day(0)))
        offered = offer(tx, camp, ming, hong, 5)
        assert end_gift(tx, camp, offered, "accepted", on=day(1))
        assert lots(tx, camp, hong) == {day(2): 5}


def test_boards_and_levels_do_not_move(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp, ming, hong = _two(tx)
        give(tx, camp, ming, 50)
        _gift(tx, camp, ming, hong, 20)
        tx.close()
        (first,) = boards.board(tx, camp, "all", DAY, places=9, member_id=hong).places
        assert (first.member_id, first.points) == (ming, 50)
        has = ledger.account(tx, camp, hong)
        assert (has.total_earned, has.qualifying, has.day_earned) == (0, 0, 0)


# -- earned points alone -------------------------------------------------------------------------


def test_what_was_given_cannot_be_given_on(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp, ming, hong = _two(tx)
        give(tx, camp, ming, 50)
        give(tx, camp, hong, 3)
        _gift(tx, camp, ming, hong, 20)
        assert _gifted(tx, camp, hong) == (23, 20)
        with pytest.raises(InsufficientError, match="was earned"):
            offer(tx, camp, hong, ming, 4)
        _gift(tx, camp, hong, ming, 3)
        assert _gifted(tx, camp, hong) == (20, 20)
        assert _gifted(tx, camp, ming) == (33, 3)


def test_spending_takes_gifts_first_and_leaves_what_was_earned(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp, ming, hong = _two(tx)
        give(tx, camp, ming, 50)
        give(tx, camp, hong, 10)
        _gift(tx, camp, ming, hong, 20)
        ledger.post(tx, payment(camp, hong, 15))
        assert _gifted(tx, camp, hong) == (15, 5)
        ledger.post(tx, payment(camp, hong, 10))
        assert _gifted(tx, camp, hong) == (5, 0)


@pytest.mark.parametrize("held", [False, True], ids=["a refund", "a released hold"])
def test_points_do_not_become_earned_by_a_purchase_undone(engine: Engine, *, held: bool) -> None:
    with transaction(engine) as tx:
        camp, ming, hong = _two(tx)
        give(tx, camp, ming, 50)
        _gift(tx, camp, ming, hong, 20)
        if held:
            aside = holds.hold(tx, payment(camp, hong, 20), due=NOW)
            assert _gifted(tx, camp, hong) == (0, 0)
            holds.release(tx, camp, aside.id, undo("back"))
        else:
            paid = ledger.post(tx, payment(camp, hong, 20))
            undoing.reverse(tx, camp, paid.id, undo("back"))
        assert _gifted(tx, camp, hong) == (20, 20)
        with pytest.raises(InsufficientError):
            offer(tx, camp, hong, ming, 1)


def test_an_award_taken_back_takes_what_was_earned(engine: Engine) -> None:
    """Else an order and its refund would turn gifts into points that can be given on."""
    with transaction(engine) as tx:
        camp, ming, hong = _two(tx)
        give(tx, camp, ming, 50)
        award = give(tx, camp, hong, 30)
        _gift(tx, camp, ming, hong, 20)
        undoing.reverse(tx, camp, award.id, undo("refund"))
        assert _gifted(tx, camp, hong) == (20, 20)


def test_a_gift_that_did_not_go_over_stays_earned(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp, ming, hong = _two(tx)
        give(tx, camp, ming, 50)
        give(tx, camp, hong, 50)
        _gift(tx, camp, hong, ming, 20)
        ledger.post(tx, payment(camp, ming, 5))  # so that some of the gifts have been spent
        offered = offer(tx, camp, ming, hong, 50)
        assert _gifted(tx, camp, ming) == (15, 15)
        end_gift(tx, camp, offered, "declined")
        assert _gifted(tx, camp, ming) == (65, 15)


@pytest.mark.parametrize("spent", [0, 12, 20])
def test_a_gift_reversed_gives_the_giver_what_he_had(engine: Engine, spent: int) -> None:
    with transaction(engine) as tx:
        camp, ming, hong = _two(tx)
        mine = posting(camp, Side(ming, "available"), 20)
        ledger.post(tx, mine._replace(expires=day(9)))
        offered = _gift(tx, camp, ming, hong, 20)
        if spent:
            ledger.post(tx, payment(camp, hong, spent))
        undoing.reverse(tx, camp, _posting(tx, offered), undo("wrong"))
        assert _gifted(tx, camp, ming) == (20, 0)
        assert lots(tx, camp, ming) == {day(9): 20}
        assert buckets(tx, camp, hong) == ({"debt": -spent} if spent else {})


@pytest.mark.parametrize("owed", [5, 20, 30])
def test_the_ledger_lets_a_gift_pay_a_debt_and_can_undo_that(engine: Engine, owed: int) -> None:
    with transaction(engine) as tx:
        camp, ming, hong = _two(tx)
        mine = posting(camp, Side(ming, "available"), 20)
        ledger.post(tx, mine._replace(expires=day(9)))
        owe(tx, camp, hong, owed)
        offered = _gift(tx, camp, ming, hong, 20)
        left = 20 - owed
        bucket = "available" if left > 0 else "debt"
        assert buckets(tx, camp, hong) == ({bucket: left} if left else {})
        assert lots(tx, camp, hong) == ({day(9): left} if left > 0 else {})
        undoing.reverse(tx, camp, _posting(tx, offered), undo("wrong"))
        assert buckets(tx, camp, hong) == {"debt": -owed}
        assert lots(tx, camp, ming) == {day(9): 20}


def test_who_owes_gives_nothing(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp, ming, hong = _two(tx)
        owe(tx, camp, ming, 5)
        with pytest.raises(InsufficientError):
            offer(tx, camp, ming, hong, 1)


# -- time ----------------------------------------------------------------------------------------


def test_what_nobody_accepts_goes_back_by_the_clock_once(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp, ming, hong = _two(tx)
        give(tx, camp, ming, 50)
        offered = offer(tx, camp, ming, hong, 20)
        other = holds.hold(tx, payment(camp, ming, 5), due=NOW + 25 * HOUR)
        assert run_due(tx, now=NOW + 23 * HOUR) == 0
        assert run_due(tx, now=NOW + 24 * HOUR) == 1
        assert run_due(tx, now=NOW + 24 * HOUR) == 0
        assert buckets(tx, camp, ming) == {"available": 45, "held": 5}
        found = gifts.get(tx, camp, offered.id)
        assert found is not None
        assert found.state == "expired"
        assert not end_gift(tx, camp, offered, "accepted")
        assert run_due(tx, now=NOW + 26 * HOUR) == 1
        assert holds.get(tx, camp, other.id).state == "released"


def test_expiry_goes_on_where_its_part_ended(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp, ming, hong = _two(tx)
        give(tx, camp, ming, 50)
        for _ in range(5):
            offer(tx, camp, ming, hong, 2)
        later, today = NOW + 30 * HOUR, day(1)
        assert holds.release_due(tx, camp, undo("x")._replace(at=later)) == 0  # not its affair
        parts = [gifts.expire_due(tx, camp, today, later, most=2) for _ in range(4)]
        assert parts == [2, 2, 1, 0]
        assert buckets(tx, camp, ming) == {"available": 50}


def test_a_day_counts_what_was_not_given_back(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp, ming, hong = _two(tx)
        give(tx, camp, ming, 50)
        _gift(tx, camp, ming, hong, 5)
        offer(tx, camp, ming, hong, 7)
        end_gift(tx, camp, offer(tx, camp, ming, hong, 9), "declined")
        offer(tx, camp, ming, hong, 1, day=day(1))
        assert gifts.given(tx, camp, ming, DAY) == (2, 12)
        assert gifts.given(tx, camp, ming, day(1)) == (1, 1)
        assert gifts.given(tx, camp, hong, DAY) == (0, 0)


def test_who_has_given_to_whom_lately(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp, ming, hong = _two(tx)
        give(tx, camp, ming, 50)
        before = NOW - HOUR

        def lately(*, offers: bool, since: Any = before) -> bool:
            return gifts.has_given(tx, camp, ming, hong, since, offers=offers)

        assert not lately(offers=True)
        offered = offer(tx, camp, ming, hong, 5)
        assert (lately(offers=True), lately(offers=False)) == (True, False)
        end_gift(tx, camp, offered, "accepted")
        assert lately(offers=False)
        assert not lately(offers=True, since=NOW)
        assert not gifts.has_given(tx, camp, hong, ming, before, offers=True)


# -- names ---------------------------------------------------------------------------------------


def test_a_name_is_found_as_people_write_it(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx, MAIN)
        names = ["🌲松果", "Ａｎｎ", "Bean's mum", "😀", "豆豆", "豆豆!", "ﷺ" * 24]
        people = [
            members.arrive(tx, camp, 5, Who("telegram", f"p{n}", name), NOW).id
            for n, name in enumerate(names)
        ]
        for words, number in (("松果", 0), ("ann", 1), ("BEANS MUM", 2), ("🌲 松果", 0)):
            assert [id_ for id_, _ in members.of_name(tx, camp, 5, words)] == [people[number]]
        for words in ("😀", "", "松", "nobody"):
            assert members.of_name(tx, camp, 5, words) == []
        assert len(members.of_name(tx, camp, 5, "豆豆")) == 2
        assert members.of_name(tx, camp, 6, "松果") == []
        members.arrive(tx, camp, 5, Who("telegram", "p0", "小松"), NOW)
        assert members.of_name(tx, camp, 5, "松果") == []
        members.leave(tx, camp, 5, people[1])
        assert members.of_name(tx, camp, 5, "Ann") == []
        tx.core.execute(text("INSERT INTO chat_group (programme_id, id, platform, chat_id, title,"
                             " created_ms) VALUES (1, 5, 'telegram', '-5', '', 0)"))  # fmt: skip
        for person in (0, *range(2, 7)):
            members.show(tx, camp, people[person])
        members.show(tx, camp, people[1])


# -- proofs --------------------------------------------------------------------------------------


def test_the_proofs_find_gifts_that_are_wrong(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp, ming, hong = _two(tx)
        give(tx, camp, ming, 50)
        _gift(tx, camp, ming, hong, 5)
        offer(tx, camp, ming, hong, 5)
    for change, said in (
        ("UPDATE gift SET state = 'declined' WHERE state = 'offered'", "a gift stands as"),
        ("UPDATE gift SET amount = 6", "a gift stands as"),
        ("UPDATE gift SET receiver_id = 4711 WHERE state = 'accepted'", "went to its receiver"),
        ("UPDATE account SET gifted = 6 WHERE gifted = 5", "came as gifts than there is"),
    ):
        with undone(engine) as tx:
            tx.core.execute(text(change))
            assert any(said in fault for fault in audit.faults(tx)), change
    with undone(engine) as tx:
        tx.core.execute(text("UPDATE account SET gifted = 4 WHERE gifted = 5"))
        (difference,) = rebuilding.all_differences(tx)
        assert f"gifted of member {hong}, points: 4 is stored, 5 is right" in difference


def test_the_chain_covers_gifts(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp, ming, hong = _two(tx)
        give(tx, camp, ming, 50)
        _gift(tx, camp, ming, hong, 5)
    assert chain(engine, camp) == [3]
