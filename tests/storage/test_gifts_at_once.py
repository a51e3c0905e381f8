"""Gifts that several people, or the clock, touch at the same moment: exactly one outcome."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from sqlalchemy import Engine, text

from bot.worker import Asked, Outcome, Worker
from content.message import unpack
from handlers.event import Chat, Event, Sender
from handlers.router import discover
from storage import gifts, ledger, members, programmes
from storage.db import Tx, reading
from storage.gifts import Gift
from storage.members import Who
from storage.programmes import MAIN
from tests.storage.books import (
    DAY,
    DEFAULTS,
    NOW,
    buckets,
    give,
    offer,
    payment,
    programme,
    transaction,
)

ROUTER = discover()
HOUR = timedelta(hours=1)


def _open(engine: Engine, *names: str) -> list[int]:
    """Open a group with members who have been there for a month and have 100 points each."""
    since = NOW - timedelta(days=30)
    with transaction(engine) as tx:
        programme(tx, MAIN)
        programmes.open_group(tx, "telegram", "-1", "群", by_owner=True, defaults=DEFAULTS, now=NOW)
        group = programmes.group(tx, "telegram", "-1")
        assert group is not None
        people = []
        for name in names:
            who = Who("telegram", name, name)
            people.append(members.arrive(tx, MAIN, group.id, who, since).id)
            give(tx, MAIN, people[-1], 100)
    return people


def _does(name: str, words: str, number: int) -> Asked:
    tap = words.startswith("gift ")
    event = Event(
        key=f"tg1:{number}",
        platform="telegram",
        kind="tap" if tap else "message",
        chat=Chat("-1", "group"),
        sender=Sender(name, name),
        at=NOW,
        text=words,
        message_id="9",
        tap_id=f"{number}" if tap else None,
        addressed=tap,
        genuine=tap,
    )
    match = ROUTER.match(event)
    assert match is not None
    return Asked(event, match)


def _at_once(engine: Engine, units: list[Any]) -> list[Outcome]:
    """Run each on a thread and a connection of its own."""
    gate = threading.Barrier(len(units))

    def run(unit: Any) -> list[Outcome]:
        worker = Worker(engine, clock=lambda: NOW, rng=Random(1), limiter=None, defaults=DEFAULTS)
        gate.wait()
        return worker.run([unit])

    with ThreadPoolExecutor(len(units)) as threads:
        return [outcome for outcomes in threads.map(run, units) for outcome in outcomes]


def _offers(engine: Engine, *people: int, amounts: tuple[int, ...] = (20,)) -> list[Gift]:
    with transaction(engine) as tx:
        return [offer(tx, MAIN, people[0], people[1], amount) for amount in amounts]


def _said(outcomes: list[Outcome]) -> str:
    return "\n".join(unpack(row.payload).text for each in outcomes for row in each.say)


@pytest.mark.parametrize(
    "presses", [("yes", "yes"), ("yes", "no"), ("yes", "back"), ("no", "back")]
)
def test_two_presses_at_once_have_one_outcome(engine: Engine, presses: tuple[str, str]) -> None:
    ming, hong = _open(engine, "ming", "hong")
    for trial in range(3):
        (offered,) = _offers(engine, ming, hong)
        units = [
            _does(
                "ming" if press == "back" else "hong", f"gift {press} {offered.id}", 10 * trial + n
            )
            for n, press in enumerate(presses)
        ]
        outcomes = _at_once(engine, units)
        assert [each.state for each in outcomes] == ["done", "done"]
        with reading(engine) as tx:
            found = gifts.get(tx, MAIN, offered.id)
            assert found is not None
            has = buckets(tx, MAIN, ming)["available"], buckets(tx, MAIN, hong)["available"]
        assert sum(has) == 200
        texts = {line for line in _said(outcomes).splitlines() if "20 积分" in line}
        assert len(texts) == 1  # both are told the same
    with reading(engine) as tx:
        ends = tx.core.execute(text("SELECT COUNT(*) FROM posting WHERE key LIKE '%gift-ended%'"))
        assert ends.scalar_one() == 3


def test_an_acceptance_and_the_clock_at_once_have_one_outcome(engine: Engine) -> None:
    ming, hong = _open(engine, "ming", "hong")
    for trial in range(4):
        (offered,) = _offers(engine, ming, hong)

        def due(tx: Tx) -> int:
            return gifts.expire_due(tx, MAIN, DAY, NOW + 48 * HOUR)

        outcomes = _at_once(engine, [_does("hong", f"gift yes {offered.id}", trial), due])
        assert [each.state for each in outcomes] == ["done", "done"]
        with reading(engine) as tx:
            found = gifts.get(tx, MAIN, offered.id)
            assert found is not None
            assert found.state in {"accepted", "expired"}
            assert ("收下了" in _said(outcomes)) == (found.state == "accepted")
            assert "held" not in buckets(tx, MAIN, ming)


def test_offers_from_many_devices_at_once_keep_to_the_day(engine: Engine) -> None:
    ming, _ = _open(engine, "ming", "hong")
    outcomes = _at_once(engine, [_does("ming", "赠送 hong 10", number) for number in range(5)])
    assert Counter(each.state for each in outcomes) == {"done": 3, "refused": 2}
    with reading(engine) as tx:
        assert gifts.given(tx, MAIN, ming, DAY) == (3, 30)
        assert buckets(tx, MAIN, ming) == {"available": 70, "held": 30}


def test_offers_and_a_purchase_at_once_never_spend_the_same_points(engine: Engine) -> None:
    ming, _ = _open(engine, "ming", "hong")

    def buy(tx: Tx) -> int:
        return ledger.post(tx, payment(MAIN, ming, 60)).balance

    gave, bought = _at_once(engine, [_does("ming", "赠送 hong 60", 1), buy])
    assert (gave.state, bought.state) in {("done", "failed"), ("refused", "done")}
    with reading(engine) as tx:
        assert buckets(tx, MAIN, ming)["available"] == 40


def test_two_who_offer_each_other_at_once_swap_nothing(engine: Engine) -> None:
    ming, hong = _open(engine, "ming", "hong")
    (one,), (two,) = _offers(engine, ming, hong), _offers(engine, hong, ming)
    presses = [_does("hong", f"gift yes {one.id}", 1), _does("ming", f"gift yes {two.id}", 2)]
    outcomes = _at_once(engine, presses)
    assert Counter(each.state for each in outcomes) == {"done": 1, "refused": 1}
    with reading(engine) as tx:
        states = {gifts.get(tx, MAIN, each.id).state for each in (one, two)}
    assert states == {"accepted", "offered"}
