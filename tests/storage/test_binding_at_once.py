"""Bindings at the same moment as each other, as check-ins, gifts, orders: one outcome, all kept."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from bot.worker import Asked
from content.linking import code_hash
from handlers.event import Chat, Event, Sender
from handlers.router import discover
from storage import bindings, gifts, holds, ledger, linkcodes, members, programmes, undoing
from storage.db import Tx, reading
from storage.members import Who
from storage.movement import Side
from storage.programmes import MAIN
from tests.storage.books import (
    DEFAULTS,
    NOW,
    buckets,
    give,
    offer,
    payment,
    posting,
    programme,
    transaction,
    undo,
)
from tests.storage.test_gifts_at_once import _at_once, _said

pytestmark = pytest.mark.postgres  # SQLite has one writer at a time
ROUTER = discover()
TRIALS = 4
CODES = {"ming": "MMMMMMMM", "hong": "HHHHHHHH", "gang": "GGGGGGGG"}


@pytest.fixture
def store_url(postgres_url: str) -> str:
    return postgres_url


@pytest.fixture(params=range(TRIALS), autouse=True)
def trial(request: pytest.FixtureRequest) -> int:
    """Each test several times: what happens at once does not happen in one order."""
    number: int = request.param
    return number


def _camp(engine: Engine, *names: str) -> list[int]:
    """Open a group with members of a month, who have 100 points each, and a code of their own."""
    with transaction(engine) as tx:
        programme(tx, MAIN)
        programmes.open_group(tx, "telegram", "-1", "群", by_owner=True, defaults=DEFAULTS, now=NOW)
        group = programmes.group(tx, "telegram", "-1")
        assert group is not None
        people = []
        for name in names:
            who = Who("telegram", name, name)
            since = NOW - timedelta(days=30)
            people.append(members.arrive(tx, MAIN, group.id, who, since).id)
            give(tx, MAIN, people[-1], 100)
            due = NOW + timedelta(minutes=5)
            linkcodes.make(tx, MAIN, people[-1], code_hash(CODES[name]), due)
    return people


def _does(name: str, words: str, number: int) -> Asked:
    private = words.startswith(("link", "绑定"))
    tap = words.startswith(("link ", "gift "))
    event = Event(
        key=f"tg1:{number}",
        platform="telegram",
        kind="tap" if tap else "message",
        chat=Chat(name, "private") if private else Chat("-1", "group"),
        sender=Sender(name, name),
        at=NOW,
        text=words,
        message_id="9",
        tap_id=f"{number}" if tap else None,
        addressed=tap or private,
        genuine=tap,
    )
    match = ROUTER.match(event)
    assert match is not None
    return Asked(event, match)


def _binds(name: str, to: str, number: int) -> Asked:
    return _does(name, f"link yes {CODES[to]}", number)


def _right(engine: Engine, total: int) -> None:
    """Nothing is lost or doubled; that the books are right, the engine's own end looks after."""
    with reading(engine) as tx:
        sums = "SELECT SUM(available + pending + held + debt) FROM account WHERE owner_id <> 0"
        assert tx.core.execute(text(sums)).scalar_one() == total


def _whose(engine: Engine, ids: list[int]) -> list[int]:
    with reading(engine) as tx:
        known = members.known(tx, MAIN, ids)
    return [known[id_] for id_ in ids]


def test_two_who_bind_each_other_are_bound_once(engine: Engine) -> None:
    people = _camp(engine, "ming", "hong")
    outcomes = _at_once(engine, [_binds("ming", "hong", 1), _binds("hong", "ming", 2)])
    assert Counter(each.state for each in outcomes) == {"done": 1, "refused": 1}
    assert len({*_whose(engine, people)}) == 1
    _right(engine, 200)


def test_a_ring_of_three_becomes_one_or_two(engine: Engine) -> None:
    people = _camp(engine, "ming", "hong", "gang")
    pairs = (("ming", "hong"), ("hong", "gang"), ("gang", "ming"))
    outcomes = _at_once(engine, [_binds(*pair, number) for number, pair in enumerate(pairs)])
    assert {each.state for each in outcomes} <= {"done", "refused"}
    done = sum(each.state == "done" for each in outcomes)
    assert len({*_whose(engine, people)}) == 3 - done
    assert done
    _right(engine, 300)


def test_one_code_serves_one_of_two(engine: Engine) -> None:
    _camp(engine, "ming", "hong", "gang")
    outcomes = _at_once(engine, [_binds("hong", "ming", 1), _binds("gang", "ming", 2)])
    assert Counter(each.state for each in outcomes) == {"done": 1, "refused": 1}
    assert "已经用过了" in _said(outcomes)
    _right(engine, 300)


def test_both_check_in_while_they_become_one(engine: Engine) -> None:
    _camp(engine, "ming", "hong")
    units = [_does("ming", "签到", 1), _binds("hong", "ming", 2), _does("hong", "签到", 3)]
    outcomes = _at_once(engine, units)
    assert {each.state for each in outcomes} <= {"done", "refused"}
    assert outcomes[1].state == "done"
    _right(engine, 205)  # once for the day, whatever came first


def test_a_gift_is_accepted_while_its_receiver_is_bound(engine: Engine) -> None:
    ming, hong, gang = _camp(engine, "ming", "hong", "gang")
    with transaction(engine) as tx:
        to_him, of_his = offer(tx, MAIN, gang, hong, 20), offer(tx, MAIN, hong, gang, 10)
    units = [
        _does("hong", f"gift yes {to_him.id}", 1),
        _binds("hong", "ming", 2),
        _does("hong", f"gift back {of_his.id}", 3),
    ]
    outcomes = _at_once(engine, units)
    assert [each.state for each in outcomes] == ["done"] * 3, _said(outcomes)
    with reading(engine) as tx:
        states = [gifts.get(tx, MAIN, each.id).state for each in (to_him, of_his)]
        assert states == ["accepted", "taken_back"]
        has = ledger.account(tx, MAIN, ming)
        assert (has.available, has.gifted) == (220, 20)
    _right(engine, 300)


def test_what_moves_meanwhile_finds_the_survivor(engine: Engine) -> None:
    ming, hong = _camp(engine, "ming", "hong")
    with transaction(engine) as tx:
        paid = ledger.post(tx, payment(MAIN, hong, 30)).id
        aside = holds.hold(tx, payment(MAIN, hong, 20), due=NOW + timedelta(days=1))

    def refund(tx: Tx) -> Any:
        return undoing.reverse(tx, MAIN, paid, undo("2026-03-04/refund"))

    def release(tx: Tx) -> Any:
        return holds.release(tx, MAIN, aside.id, undo("2026-03-04/release"))

    def award(tx: Tx) -> Any:
        whose = members.by_identity(tx, MAIN, [("telegram", "hong")])["telegram", "hong"]
        key = "2026-03-04/award"
        return ledger.post(tx, posting(MAIN, Side(whose, "available"), 7, key=key))

    outcomes = _at_once(engine, [refund, release, award, _binds("hong", "ming", 1)])
    assert [each.state for each in outcomes] == ["done"] * 4
    with reading(engine) as tx:
        assert buckets(tx, MAIN, ming) == {"available": 207}
    _right(engine, 207)


def test_undone_by_both_at_once_it_is_undone_once(engine: Engine) -> None:
    people = _camp(engine, "ming", "hong")
    (bound,) = _at_once(engine, [_binds("hong", "ming", 1)])
    assert bound.state == "done"
    units = [
        _does("ming", "绑定 撤销", 2),
        _does("hong", "绑定 撤销", 3),
        _does("hong", "签到", 4),
    ]
    outcomes = _at_once(engine, units)
    assert Counter(each.state for each in outcomes[:2]) == {"done": 1, "refused": 1}
    assert outcomes[2].state == "done"
    assert _whose(engine, people) == people
    with reading(engine) as tx:
        assert bindings.last(tx, MAIN, people[0]) is None
    _right(engine, 205)
