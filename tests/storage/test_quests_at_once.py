"""Quests that several processes touch at the same moment: nothing is lost, and paid once."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from sqlalchemy import Engine, text

from bot.worker import Asked, Outcome, Worker
from content.occasion import Occasion
from handlers import occasions, questclock
from handlers.event import Chat, Event, Sender
from handlers.router import discover
from storage import audit, ledger, members, programmes, quests
from storage.db import Tx, open_engine, reading
from storage.members import Who
from storage.programmes import MAIN, Defaults
from tests.storage.books import DAY, DEFAULTS, NOW, buckets, programme, transaction

ROUTER = discover()
QUEST = """
version = 1
[[quest]]
id = "it"
name = "三件事"
once = true
steps = [{ what = "custom.a", n = 5, name = "甲" }, { what = "custom.b", n = 5, name = "乙" }]
points = 100
[[quest]]
id = "tree"
name = "树"
once = true
group = true
steps = [{ what = "custom.a", per_day = 9, name = "甲" }]
stages = [10]
helps_min = 1
points = 7
[[quest]]
id = "sign"
name = "签"
period = "day"
steps = ["checkin"]
points = 3
"""
RULES = Defaults(DEFAULTS.zone, DEFAULTS.locale, QUEST)


@pytest.fixture(params=[pytest.param("", marks=pytest.mark.postgres)])
def server(postgres_url: str) -> Iterator[Engine]:
    """PostgreSQL alone: on SQLite one writes after the other."""
    engine = open_engine(postgres_url)
    yield engine
    with reading(engine) as tx:
        faults = audit.faults(tx)
    engine.dispose()
    assert faults == []


def _open(engine: Engine, *names: str) -> list[int]:
    with transaction(engine) as tx:
        programmes.create(tx, MAIN, "营", RULES, NOW)
        programmes.open_group(tx, "telegram", "-1", "群", by_owner=True, defaults=RULES, now=NOW)
        group = programmes.group(tx, "telegram", "-1")
        assert group is not None
        return [
            members.arrive(tx, MAIN, group.id, Who("telegram", name, name), NOW).id
            for name in names
        ]


def _at_once(engine: Engine, units: list[Any]) -> list[Outcome]:
    """Run each on a thread and a connection of its own."""
    gate = threading.Barrier(len(units))

    def run(unit: Any) -> list[Outcome]:
        worker = Worker(engine, clock=lambda: NOW, rng=Random(1), limiter=None, defaults=RULES)
        gate.wait()
        return worker.run([unit])

    with ThreadPoolExecutor(len(units)) as pool:
        return [outcome for outcomes in pool.map(run, units) for outcome in outcomes]


def _tells(member_id: int, what: str, number: int) -> Any:
    def tell(tx: Tx) -> None:
        here = programmes.programme(tx, MAIN, NOW)
        occasion = Occasion(what, member_id, NOW, DAY, f"{what}/{number}")
        occasions.tell(tx, here, occasion, NOW)

    return tell


def test_nothing_that_is_done_at_once_is_lost_and_it_is_paid_once(server: Engine) -> None:
    ming, hong = _open(server, "小明", "小红")
    units = [
        _tells(who, what, number)
        for number in range(5)
        for who in (ming, hong)
        for what in ("custom.a", "custom.b")
    ]
    outcomes = _at_once(server, units)
    assert [each.error for each in outcomes if each.error] == []
    with transaction(server) as tx:
        assert buckets(tx, MAIN, ming) == buckets(tx, MAIN, hong) == {"available": 100}
        assert quests.total(tx, MAIN, "tree", quests.goals(tx, MAIN)[0].last) == 10


def test_a_stage_is_told_and_paid_once_by_two_clocks(server: Engine) -> None:
    people = _open(server, "小明", "小红")
    for number in range(5):
        for who in people:
            with transaction(server) as tx:
                _tells(who, "custom.a", number)(tx)
    clocks = [lambda tx: questclock.run(tx, MAIN, NOW)] * 4
    told = [row for outcome in _at_once(server, clocks) for row in outcome.say]
    _at_once(server, clocks)
    _at_once(server, clocks)
    assert len(told) == 1
    with transaction(server) as tx:
        for who in people:
            assert ledger.account(tx, MAIN, who).available == 7
        rows = tx.core.execute(text("SELECT COUNT(*) FROM posting WHERE rule = 'quest.tree'"))
        assert rows.scalar_one() == 2


def test_a_check_in_on_two_platforms_completes_a_quest_once(server: Engine) -> None:
    (ming,) = _open(server, "小明")
    events = [
        Event(
            key=f"tg1:{number}", platform="telegram", kind="message", chat=Chat("-1", "group"),
            sender=Sender("小明", "小明"), at=NOW + timedelta(milliseconds=number), text="签到",
            message_id=f"{number}",
        )
        for number in range(4)
    ]  # fmt: skip
    asked = []
    for event in events:
        match = ROUTER.match(event)
        assert match is not None
        asked.append(Asked(event, match))
    states = sorted(outcome.state for outcome in _at_once(server, asked))
    assert states == ["done", "refused", "refused", "refused"]
    with transaction(server) as tx:
        assert ledger.account(tx, MAIN, ming).available == 8
        (entry,) = (e for e in quests.get(tx, MAIN, ming).entries if e.quest == "sign")
        assert (entry.state, entry.points) == ("paid", 3)


def test_under_another_programme_nothing_is_heard(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        who = members.enrol(tx, camp, Who("telegram", "1", "小明"), NOW).id
        here = programmes.programme(tx, camp, NOW)
        occasion = Occasion("custom.a", who, NOW, DAY, "k")
        assert occasions.tell(tx, here, occasion, NOW) == []
        assert quests.get(tx, camp, who).entries == ()
