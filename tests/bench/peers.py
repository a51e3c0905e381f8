"""The shapes on which Red's bank was measured (spec/peers.md, part 1): races first, then rates."""

import logging
import threading
import time
from collections.abc import Callable
from datetime import date, timedelta
from random import Random
from typing import Any

from bot.worker import Asked, Job, Outcome, Worker
from storage import boards, ledger
from storage.db import Tx, open_engine, reading
from storage.movement import ISSUED, PROGRAMME, InsufficientError, Posting, Side
from storage.programmes import MAIN
from tests.bench import path
from tests.bench.community import BOT_NAME, Community, noon, update
from tests.bench.databases import Sqlite, balanced, postgres
from tests.bench.figures import Figure, Plan, Result, one, percentile

TODAY = date(2026, 3, 4)
HANDS = 4
"""Threads, each with a worker and a connection of its own (on SQLite they queue for the writer)."""
RED = {
    "deposits": "Red's bank 3.5.24, measured before: 20",
    "withdrawals": "Red: all 50 succeed, 800 left",
    "claims": "Red: 10 of 10 granted",
    "awards": "Red: 266 /s with 2 accounts; 20 and 1.9 /s with 1,000 and 20,000",
    "top 1000": "Red: 15 ms",
    "top 20000": "Red: 191 ms",
    "rank 1000": "Red: 11 ms",
    "rank 20000": "Red: 155 ms",
}


def run(plan: Plan, result: Result) -> None:
    logging.getLogger("bot.worker").setLevel(logging.CRITICAL)  # withdrawals fail on purpose
    before = [TODAY - timedelta(days=1)]
    for size in (1_000, plan.size(20_000, 1_000)):
        who = Community.of(20, size // 20)
        with postgres(who, before) as server:
            for store in (Sqlite(plan.folder, who, before), server):
                figures: dict[str, Figure] = {}
                for _ in range(plan.rounds):
                    with store.fresh() as url:
                        _round(url, who, plan, figures)
                        balanced(url)
                for figure in figures.values():
                    figure.name = f"{store.name}, {size:,} members: {figure.name}"
                    figure.note = RED.get(figure.note.replace("N", str(size)), "")
                result.figures += figures.values()


def _round(url: str, who: Community, plan: Plan, figures: dict[str, Figure]) -> None:
    def note(name: str, unit: str, value: float, red: str) -> None:
        figures.setdefault(name, one(name, unit, [], note=red)).values[""].append(value)

    engine = open_engine(url, workers=HANDS)
    clock = path.SetClock(noon(TODAY))
    hands = [path.new_worker(engine, clock, None) for _ in range(HANDS)]
    first, second, third = (person.id for person in who.people[:3])

    start = _balance(engine, first)
    _at_once(hands, [_earn(first, 10, f"deposit/{n}") for n in range(100)])
    got = _balance(engine, first) - start
    note("100 concurrent deposits of 10 bring", "", got, "deposits")

    start = _balance(engine, second)
    hands[0].run([_earn(second, 1_000 - start, "to a thousand")])
    done = _at_once(hands, [_spend(second, 100, f"withdrawal/{n}") for n in range(50)])
    paid = sum(outcome.state == "done" for outcome in done)
    refused = sum(isinstance(outcome.error, InsufficientError) for outcome in done)
    assert paid + refused == 50
    note("50 concurrent withdrawals of 100: succeed", "", paid, "withdrawals")
    note("… left of 1,000", "", _balance(engine, second), "")

    done = _at_once(hands, [_claim(who, number) for number in range(10)])
    note("10 concurrent check-ins of one: paid", "", sum(o.state == "done" for o in done), "claims")

    count = plan.size(500, 50)
    jobs = [_earn(third, 5, f"sequential/{n}") for n in range(count)]
    started = time.perf_counter()
    for job in jobs:
        assert hands[0].run([job])[0].state == "done"
    rate = count / (time.perf_counter() - started)
    note("sequential awards, each committed", "/s", rate, "awards")

    for name, places, red in (("top 10", 10, "top N"), ("own rank", 0, "rank N")):
        note(name, "ms", _median_ms(lambda p=places: _board(engine, who, p)), red)
    engine.dispose()


def _at_once(hands: list[Worker], units: list[Any]) -> list[Outcome]:
    """Run units from several threads as nearly at once as threads can."""
    found: list[Outcome] = []
    gate = threading.Barrier(len(hands))

    def work(number: int) -> None:
        gate.wait()
        for unit in units[number :: len(hands)]:
            found.extend(hands[number].run([unit]))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(len(hands))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == len(units)
    return found


def _posting(key: str, source: Side, target: Side, amount: int) -> Posting:
    return Posting(
        programme_id=MAIN,
        key=f"{TODAY}/bench/{key}",
        source=source,
        target=target,
        amount=amount,
        reason="bench",
        rule="bench",
        rule_version=1,
        actor="bench",
        at=noon(TODAY),
        day=TODAY,
    )


def _earn(member: int, amount: int, key: str) -> Job:
    posting = _posting(key, ISSUED, Side(member, "available"), amount)
    return lambda tx: ledger.post(tx, posting)


def _spend(member: int, amount: int, key: str) -> Job:
    posting = _posting(key, Side(member, "available"), Side(PROGRAMME, "redeemed"), amount)
    return lambda tx: ledger.post(tx, posting)


def _claim(who: Community, number: int) -> Asked:
    raw = update(who, who.people[7], 900_000 + number, noon(TODAY))
    event = path.to_event(raw, path.ME, noon(TODAY))
    assert event is not None
    match = path.ROUTER.match(event, bot_name=BOT_NAME)
    assert match is not None
    return Asked(event, match)


def _balance(engine: Any, member: int) -> int:
    with reading(engine) as tx:
        return int(_one(tx, f"SELECT available FROM account WHERE owner_id = {member}"))


def _one(tx: Tx, sql: str) -> Any:
    return tx.core.exec_driver_sql(sql).fetchone()[0]


def _board(engine: Any, who: Community, places: int) -> None:
    member = Random(time.time_ns()).choice(who.people).id
    with reading(engine) as tx:
        board = boards.board(tx, MAIN, "all", TODAY, places=places, member_id=member)
    assert board.own
    assert len(board.places) == places


def _median_ms(do: Callable[[], None], times: int = 25) -> float:
    took = []
    for _ in range(times):
        started = time.perf_counter()
        do()
        took.append((time.perf_counter() - started) * 1000)
    return percentile(took, 0.5)
