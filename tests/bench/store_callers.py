"""Single awards, each awaited by a caller of its own and group-committed by the dispatcher."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from statistics import median
from typing import Any
from unittest.mock import patch

from sqlalchemy import Engine

import bot.worker
from bot.app import POSTGRES_WORKERS
from bot.dispatcher import BATCH_MAX, POSTING_SHARE, Dispatcher
from storage.db import open_engine
from storage.movement import CappedError, Posting
from tests.bench import path
from tests.bench.awards import CAPS, batches, settled, warm
from tests.bench.databases import balanced
from tests.bench.figures import Figure, Goal, Plan, Result, one, percentile

CALLERS = 2_000
GOALS = {"SQLite": 10_000.0, "PostgreSQL": 8_000.0}
CALM = 1_000
TOGETHER = round(BATCH_MAX / POSTING_SHARE)
"""Postings in a full batch of the dispatcher."""
Award = Callable[[Posting], Awaitable[Any]]


def run(store: Any, people: Sequence[int], plan: Plan, result: Result) -> None:
    count = plan.size(20_000, 1_000)
    work = awards(people, count)
    steps = _recorded(store, work)
    values: dict[str, dict[str, list[float]]] = {"full": {}, "half": {}, "calm": {}}
    base: list[float] = []
    for _ in range(plan.rounds):
        with store.fresh() as url:
            base.append(count / path.replay_together(url, steps))
        with store.fresh() as url:
            rate, waits = saturated(url, store.name, work)
            balanced(url)
        values["full"].setdefault("", []).append(rate)
        note(values["full"], waits)
    rate = median(values["full"][""])
    for name, pace, seconds in (("half", rate / 2, 4), ("calm", CALM, 3)):
        some = awards(people, max(200, int(pace * (1 if plan.quick else seconds))))
        for _ in range(plan.rounds):
            with store.fresh() as url:
                note(values[name], asyncio.run(_paced(url, store.name, some, pace)))
                balanced(url)
    label = f"{store.name}: single awards"
    full = Goal(least={"": GOALS[store.name]}, most={"p99 ms": 200}, ratio=0.4)
    result.figures += [
        one(f"{label}: their statements, the driver alone", "/s", base),
        Figure(f"{label}, {CALLERS:,} callers", "/s", values["full"], base, goal=full),
        Figure(f"{label}, half of that", "ms", values["half"], goal=Goal(most={"p99 ms": 100})),
        Figure(f"{label}, {CALM:,} a second", "ms", values["calm"], goal=Goal(most={"p50 ms": 5})),
    ]


def awards(people: Sequence[int], count: int, start: int = 0) -> list[Posting]:
    (found,) = batches(people, 1, caps=CAPS, size=count, start=start, pays=0)
    return found


def note(values: dict[str, list[float]], waits: list[float]) -> None:
    for name, part in (("p50 ms", 0.5), ("p99 ms", 0.99)):
        values.setdefault(name, []).append(percentile(waits, part) * 1000)


def _lanes(name: str) -> int:
    return POSTGRES_WORKERS if name == "PostgreSQL" else 1


@asynccontextmanager
async def awarding(url: str, name: str) -> Any:
    """Give (dispatcher, award): `await award(posting)` is back when it is durable."""
    engine = open_engine(url)
    crew = [path.new_worker(engine, path.SetClock(), None) for _ in range(_lanes(name))]
    for worker in crew:
        worker.run([_nothing])
    dispatcher = Dispatcher(crew, path.ROUTER)

    def award(posting: Posting) -> Any:
        return _settled(dispatcher.post(posting))

    with settled():
        yield dispatcher, award
    assert await dispatcher.close(30)
    engine.dispose()


async def _settled(work: Awaitable[Any]) -> Any:
    try:
        return await work
    except CappedError as refused:
        return refused


def _nothing(tx: Any) -> None:
    """Open the connection before the clock runs."""


def saturated(url: str, name: str, work: Sequence[Posting]) -> tuple[float, list[float]]:
    """Return awards a second, and what each waited in seconds, under callers who never rest."""
    return asyncio.run(_saturated(url, name, work))


async def _saturated(url: str, name: str, work: Sequence[Posting]) -> tuple[float, list[float]]:
    waits: list[float] = []
    todo = iter(work)

    async def caller(award: Award) -> None:
        for posting in todo:
            started = time.perf_counter()
            await award(posting)
            waits.append(time.perf_counter() - started)

    async with awarding(url, name) as (_, award):
        started = time.perf_counter()
        await asyncio.gather(*(caller(award) for _ in range(CALLERS)))
        took = time.perf_counter() - started
    return len(work) / took, waits


async def _paced(url: str, name: str, work: Sequence[Posting], rate: float) -> list[float]:
    """Return waits in seconds, from when each award was due: arrivals wait for nobody."""
    waits: list[float] = []

    async def caller(award: Award, posting: Posting, due: float) -> None:
        await award(posting)
        waits.append(time.perf_counter() - due)

    async with awarding(url, name) as (_, award), asyncio.TaskGroup() as callers:
        async for posting, due in arrivals(work, rate):
            callers.create_task(caller(award, posting, due))
    return waits


async def arrivals(work: Sequence[Posting], rate: float) -> Any:
    """Yield each posting when it is due, at so many a second, with that moment."""
    start = time.perf_counter() + 0.02
    for number, posting in enumerate(work):
        due = start + number / rate
        early = due - time.perf_counter()
        if early > 0.001:
            await asyncio.sleep(early)
        elif number % 32 == 0:
            await asyncio.sleep(0)
        yield posting, due


def _recorded(store: Any, work: Sequence[Posting]) -> list[list[path.Step]]:
    """What the store executes for these awards in full batches: a record for each lane."""
    count = _lanes(store.name)
    records: list[list[path.Step]] = []
    with store.fresh() as url:
        engine: Engine = open_engine(url)
        warm(engine)
        for lane in range(count):
            mine = [posting for posting in work if posting.target.owner_id % count == lane]
            steps: list[path.Step] = []
            worker = path.new_worker(engine, path.SetClock(), None)
            with patch.object(bot.worker, "Tx", path.recorder(steps)):
                for some in _in_batches(mine):
                    worker.run(some)
            records.append(steps)
        engine.dispose()
    return records


def _in_batches(work: Sequence[Posting]) -> Iterator[Sequence[Posting]]:
    for n in range(0, len(work), TOGETHER):
        yield work[n : n + TOGETHER]
