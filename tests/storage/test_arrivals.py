"""Who comes at the same moment, on several connections: one greeting, one raid, one answer."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from random import Random

import pytest
from sqlalchemy import Engine

from bot.worker import Asked, Outcome, Worker
from content.message import LetIn, unpack
from handlers.event import Chat, Event, Kind, Sender
from handlers.router import discover
from scheduler.housekeeping import tidy
from storage import arrivals, direct, members, programmes, questions, rulebooks
from storage.db import Tx, reading, to_ms
from storage.members import Who
from storage.outbox import Outgoing
from storage.programmes import MAIN
from storage.questions import Held
from tests.storage.books import DEFAULTS, NOW, count, programme, transaction

ROUTER = discover()
SUM = 'version = 1\n[welcome]\nverify = "sum"\nrequests = "ask"\n'


@pytest.fixture
def group(engine: Engine) -> int:
    """A group of the main programme, whose owner can be written to."""
    with transaction(engine) as tx:
        programme(tx, MAIN)
        direct.note(tx, Who("telegram", "1", "群主"), "1", "zh", NOW)
        return programmes.open_group(
            tx, "telegram", "-1", "群", by_owner=True, defaults=DEFAULTS, now=NOW
        ).id


def _event(name: str, number: int, kind: Kind = "joined", text: str = "") -> Asked:
    tap = kind == "tap"
    event = Event(
        key=f"tg1:{number}",
        platform="telegram",
        kind=kind,
        chat=Chat(name, "private") if tap else Chat("-1", "group"),
        sender=Sender(name, name),
        at=NOW,
        text=text,
        message_id="9",
        tap_id=f"{number}" if tap else None,
        addressed=tap,
        genuine=tap,
        target=name,
    )
    match = ROUTER.match(event)
    assert match is not None
    return Asked(event, match)


def _at_once(engine: Engine, units: list[Asked]) -> list[Outcome]:
    """Run each on a thread and a connection of its own."""
    gate = threading.Barrier(len(units))

    def run(unit: Asked) -> Outcome:
        worker = Worker(
            engine,
            clock=lambda: NOW,
            rng=Random(1),
            limiter=None,
            defaults=DEFAULTS,
            owners=frozenset({"telegram:1"}),
        )
        gate.wait()
        return worker.run([unit])[0]

    with ThreadPoolExecutor(len(units)) as pool:
        return list(pool.map(run, units))


def _said(outcomes: list[Outcome], chat: str) -> list[Outgoing]:
    return [row for each in outcomes for row in each.say if row.chat_id == chat]


def test_of_those_who_come_at_once_some_are_greeted_now_and_all_once(
    engine: Engine, group: int
) -> None:
    names = [f"客{n}" for n in range(8)]
    outcomes = _at_once(engine, [_event(name, n) for n, name in enumerate(names)])
    assert [each.state for each in outcomes] == ["done"] * 8
    (row,) = _said(outcomes, "-1")
    now = NOW + timedelta(seconds=30)
    with transaction(engine) as tx:
        assert arrivals.due(tx, now) == [(MAIN, group)]
        assert arrivals.turn(tx, MAIN, group, now, pause_s=20)
        rest = arrivals.greeted(tx, MAIN, group, now, fresh=NOW - timedelta(minutes=1))
        assert not arrivals.turn(tx, MAIN, group, now + timedelta(hours=1), pause_s=20)
    text = unpack(row.payload).text
    assert sorted(each.name for each in rest) == [name for name in names if name not in text]


def test_a_raid_begins_once(engine: Engine, group: int) -> None:
    outcomes: list[Outcome] = []
    for first in range(0, 32, 8):
        outcomes += _at_once(engine, [_event(f"客{n}", n) for n in range(first, first + 8)])
    assert len(_said(outcomes, "-1")) == 1
    (told,) = _said(outcomes, "1")
    assert "安静 10 分钟" in unpack(told.payload).text
    with transaction(engine) as tx:
        assert arrivals.rush(tx, MAIN, group, since=NOW, most=1).raid
        over = arrivals.end_raid(tx, MAIN, group)
        assert over == (to_ms(NOW + timedelta(minutes=10)), 32)
        assert arrivals.end_raid(tx, MAIN, group) is None


@pytest.mark.usefixtures("group")
def test_an_answer_pressed_twice_at_once_counts_once(engine: Engine) -> None:
    with transaction(engine) as tx:
        rulebooks.publish(
            tx, MAIN, SUM, author="老板", note="试", effective=NOW, now=NOW, force="测试"
        )
    _at_once(engine, [_event("小明", 1, "join_request")])
    with reading(engine) as tx:
        held = questions.get(tx, MAIN, Who("telegram", "小明", ""))
    assert held is not None
    press = f"verify {held.token} {held.right}"
    outcomes = _at_once(engine, [_event("小明", n, "tap", press) for n in range(2, 6)])
    assert sorted(each.state for each in outcomes) == ["done", "refused", "refused", "refused"]
    (row,) = _said(outcomes, "-1")
    assert unpack(row.payload).action == LetIn("welcome", "小明")


def test_wrong_answers_at_once_are_one_try(engine: Engine, group: int) -> None:
    who = Who("telegram", "小明", "")
    held = Held(MAIN, group, "abc", "sum", 3, 0, to_ms(NOW), 0, 0)
    with transaction(engine) as tx:
        rulebooks.publish(
            tx, MAIN, SUM, author="老板", note="试", effective=NOW, now=NOW, force="测试"
        )
        questions.put(tx, who, held)
    _at_once(engine, [_event("小明", n, "tap", "verify abc 1") for n in range(2, 6)])
    with reading(engine) as tx:
        after = questions.get(tx, MAIN, who)
    assert after is not None
    assert (after.tries, after.group_id) == (1, group)
    assert after.token not in {"", "abc"}


def test_a_token_is_its_persons_alone_and_for_once(engine: Engine, group: int) -> None:
    ming, hong = Who("telegram", "7", "小明"), Who("telegram", "8", "小红")
    with transaction(engine) as tx:
        questions.put(tx, ming, Held(MAIN, group, "abc", "quiz", 2, 1, to_ms(NOW), 0, 0))
        assert questions.take(tx, hong, "abc") is None
        assert questions.take(tx, ming._replace(platform="local"), "abc") is None
        assert questions.take(tx, ming, "") is None
        taken = questions.take(tx, ming, "abc")
        assert taken == Held(MAIN, group, "", "quiz", 2, 1, to_ms(NOW), 0, 0)
        assert questions.take(tx, ming, "abc") is None
        assert questions.passed(tx, MAIN, group, ming, NOW) == ""
        assert taken is not None
        questions.put(tx, ming, taken._replace(passed_ms=to_ms(NOW)))
        assert questions.passed(tx, MAIN, group, ming, NOW) == "quiz"
        assert questions.passed(tx, MAIN, group + 1, ming, NOW) == ""
        assert questions.passed(tx, MAIN, group, ming, NOW + timedelta(days=1)) == ""


def test_what_is_long_over_is_forgotten(engine: Engine, group: int) -> None:
    def come(tx: Tx) -> None:
        ming = members.arrive(tx, MAIN, group, Who("telegram", "7", "小明"), NOW)
        arrivals.note(
            tx, MAIN, group, ming.id, at=NOW, back=False, due=NOW, quiet=NOW + timedelta(hours=1)
        )
        assert arrivals.quieted(tx, MAIN, ming.id, "telegram", NOW) == ["-1"]
        assert arrivals.quieted(tx, MAIN, ming.id, "local", NOW) == []
        questions.put(
            tx, Who("telegram", "7", ""), Held(MAIN, 0, "a", "sum", 0, 0, to_ms(NOW), 0, 0)
        )

    with transaction(engine) as tx:
        come(tx)
        tidy(tx, NOW + timedelta(days=2))
        assert (count(tx, "arrival"), count(tx, "question")) == (1, 1)
        tidy(tx, NOW + timedelta(days=2, seconds=1))
        assert (count(tx, "arrival"), count(tx, "question")) == (0, 0)
        assert count(tx, "member") == 1
