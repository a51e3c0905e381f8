"""Twice the load that the store can take, and one poisoned operation among many."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from statistics import median
from typing import Any

from bot.dispatcher import BusyError
from storage import ledger
from storage.db import Tx, open_engine
from storage.movement import PROGRAMME, CappedError, LedgerError, Posting, Side
from tests.bench import path
from tests.bench.awards import BATCH, CAPS, batches, warm
from tests.bench.databases import balanced
from tests.bench.figures import Figure, Goal, Plan, Result, one, percentile
from tests.bench.store_callers import TOGETHER, arrivals, awarding, awards, saturated

OVER_S = 10


def run(store: Any, people: Sequence[int], plan: Plan, result: Result) -> None:
    _overload(store, people, plan, result)
    _poisoned(store, people, plan, result)


# -- too much --------------------------------------------------------------------------------------


def _overload(store: Any, people: Sequence[int], plan: Plan, result: Result) -> None:
    rounds = min(plan.rounds, 3)
    seconds = plan.size(OVER_S, 1)
    base, kept = [], []
    refused: dict[str, list[float]] = {}
    notes: list[str] = []
    for _ in range(rounds):
        rates = []
        for _ in range(plan.size(3, 1)):
            with store.fresh() as url:
                rates.append(
                    saturated(url, store.name, awards(people, plan.size(15_000, 1_000)))[0]
                )
        capacity = median(rates)
        work = awards(people, int(2 * capacity * seconds))
        with store.fresh() as url:
            done, took, waits = asyncio.run(_flood(url, store.name, work, 2 * capacity))
            balanced(url)
        base.append(capacity)
        kept.append(done / took)
        notes.append(f"{len(waits):,} refused of {len(work):,}")
        for name, part in (("p50", 0.5), ("p99", 0.99), ("max", 1.0)):
            times = [wait for wait, _ in waits] or [0.0]
            refused.setdefault(name, []).append(percentile(times, part) * 1000)
        late = [since for _, since in waits] or [0.0]
        refused.setdefault("p99 since due", []).append(percentile(late, 0.99) * 1000)
    label = f"{store.name}: twice the load"
    result.figures += [
        one(f"{label}: the rate kept", "/s", kept, base=base, goal=Goal(ratio=0.8)),
        Figure(
            f"{label}: a refusal, with when to retry",
            "ms",
            refused,
            note=notes[-1],
            goal=Goal(most={"p99": 10}),
        ),
    ]


async def _flood(
    url: str, name: str, work: Sequence[Posting], rate: float
) -> tuple[int, float, list[tuple[float, float]]]:
    """Return how many were done while they came, in how many seconds, and for each refusal how
    long it took, from the call and from when it was due.
    """
    done = 0
    refused: list[tuple[float, float]] = []
    retries: set[float] = set()

    async def caller(work: Awaitable[Any]) -> None:
        nonlocal done
        await work
        done += 1

    async with awarding(url, name) as (_, award):
        started = time.perf_counter()
        async with asyncio.TaskGroup() as callers:
            async for posting, due in arrivals(work, rate):
                called = time.perf_counter()
                try:
                    callers.create_task(caller(award(posting)))
                except BusyError as busy:  # at once, before anything waits
                    now = time.perf_counter()
                    refused.append((now - called, now - due))
                    retries.add(busy.retry_after_s)
            took = time.perf_counter() - started
            before = done
    assert all(seconds > 0 for seconds in retries)
    return before, took, refused


# -- poison ----------------------------------------------------------------------------------------


def _senseless(posting: Posting) -> Posting:
    return posting._replace(amount=0, caps=())


def _too_dear(posting: Posting) -> Posting:
    pays = {"source": posting.target, "target": Side(PROGRAMME, "redeemed")}
    return posting._replace(amount=10**9, caps=(), **pays)


def _unwritable(posting: Posting) -> Posting:
    """No database takes half of a surrogate pair."""
    return posting._replace(actor="\ud83d")


POISONS: dict[str, Callable[[Posting], Posting]] = {
    "makes no sense": _senseless,
    "cannot be paid": _too_dear,
    "cannot be written": _unwritable,
}


def _poisoned(store: Any, people: Sequence[int], plan: Plan, result: Result) -> None:
    count = plan.size(5, 2)
    clean = list(batches(people, count, caps=CAPS, pays=0))
    singles = list(batches(people, count, caps=CAPS, pays=0, size=TOGETHER))
    times: dict[str, list[float]] = {}
    for _ in range(plan.rounds):
        for name, poison in {"": None, **POISONS}.items():
            for way, work, flush in (
                (f"in a batch of {BATCH:,}", clean, _in_one),
                (f"among {TOGETHER:,} single awards", singles, _by_worker),
            ):
                with store.fresh() as url:
                    took = flush(url, work, poison)
                    balanced(url)
                times.setdefault(f"{way}/{name}", []).append(took / count * 1000)
    for way_and_name, values in times.items():
        way, _, name = way_and_name.partition("/")
        if name:
            label = f"{store.name}: one that {name}, {way}"
            goal = Goal(ratio_most=3)
            base = times[f"{way}/"]
            result.figures.append(one(label, "ms", values, base=base, goal=goal))


def _in_one(url: str, work: list[list[Posting]], poison: Any) -> float:
    engine = open_engine(url)
    warm(engine)
    took = 0.0
    for batch in work:
        some = [*batch]
        bad = len(some) // 2
        if poison is not None:
            some[bad] = poison(some[bad])
        started = time.perf_counter()
        with engine.connect() as connection, connection.begin():
            tx = Tx(connection)
            results = ledger.post_many(tx, some)
            tx.close()
        took += time.perf_counter() - started
        failed = [n for n, each in enumerate(results) if _wrong(each)]
        assert failed == ([bad] if poison is not None else []), failed
    engine.dispose()
    return took


def _by_worker(url: str, work: list[list[Posting]], poison: Any) -> float:
    engine = open_engine(url)
    worker = path.new_worker(engine, path.SetClock(), None)
    worker.run([lambda _tx: None])
    took = 0.0
    for batch in work:
        some = [*batch]
        bad = len(some) // 2
        if poison is not None:
            some[bad] = poison(some[bad])
        started = time.perf_counter()
        outcomes = worker.run(some)
        took += time.perf_counter() - started
        failed = [
            n for n, each in enumerate(outcomes) if each.error is not None and _wrong(each.error)
        ]
        assert failed == ([bad] if poison is not None else []), failed
    engine.dispose()
    return took


def _wrong(result: Any) -> bool:
    """Whether it failed otherwise than by its caps."""
    if isinstance(result, CappedError):
        return False
    return isinstance(result, LedgerError | ValueError)
