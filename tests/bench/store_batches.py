"""`post_many`, 1,000 a batch, beside the same statements through the bare driver.

"The same statements" are recorded from a run of `post_many` itself and replayed: what is left is
what deciding costs. All postings have caps; what chain, caps and levels cost together is measured
against a run without them.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.bench import path
from tests.bench.awards import BATCH, CAPS, Batch, batches, post, without
from tests.bench.databases import balanced
from tests.bench.figures import Goal, Plan, Result, one

GOALS = {"SQLite": 15_000.0, "PostgreSQL": 8_000.0}
TOGETHER = 14_000.0
WITHOUT = ("chain", "levels")


def run(store: Any, people: Sequence[int], plan: Plan, result: Result) -> None:
    count = plan.size(20, 3)
    capped = list(batches(people, count, caps=CAPS))
    plain = list(batches(people, count))
    (steps,) = _recorded(store, capped)
    rates: dict[str, list[float]] = {"base": [], "post_many": [], "plain": [], "bare": []}
    for _ in range(plan.rounds):
        with store.fresh() as url:
            rates["base"].append(BATCH * count / path.replay(url, steps))
        for name, work, off in (
            ("post_many", capped, ()),
            ("plain", plain, ()),
            ("bare", plain, WITHOUT),
        ):
            with store.fresh() as url:
                with without(*off):
                    took = post(url, work)
                rates[name].append(BATCH * count / took)
                if not off:
                    balanced(url)
    label = f"{store.name}: post_many, {BATCH:,} a batch"
    goal = Goal(least={"": GOALS[store.name]}, ratio=0.5)
    cost = Goal(ratio=0.75)
    result.figures += [
        one(f"{store.name}: its statements, the driver alone", "/s", rates["base"]),
        one(label, "/s", rates["post_many"], base=rates["base"], goal=goal),
        one(f"{label}, without caps", "/s", rates["plain"]),
        one(f"{label}, without caps, chain, levels", "/s", rates["bare"]),
        one(
            "… with them, against without", "/s", rates["post_many"], base=rates["bare"], goal=cost
        ),
    ]
    if store.name == "PostgreSQL":
        _two_connections(store, people, plan, result)


def _recorded(store: Any, *works: list[Batch]) -> list[list[path.Step]]:
    """Return a record for each work: one after the other, so that their seals follow each other."""
    records: list[list[path.Step]] = []
    with store.fresh() as url:
        for work in works:
            steps: list[path.Step] = []
            post(url, work, path.recorder(steps))
            records.append(steps)
    return records


def _two_connections(store: Any, people: Sequence[int], plan: Plan, result: Result) -> None:
    """Two threads of one process, as the product works, each with half of the members."""
    count = plan.size(10, 2)
    halves = [
        list(batches(people[half::2], count, caps=CAPS, start=half * 10_000_000))
        for half in range(2)
    ]
    records = _recorded(store, *halves)
    whole = 2 * BATCH * count
    base, rates = [], []
    for _ in range(plan.rounds):
        with store.fresh() as url:
            base.append(whole / path.replay_together(url, records))
        with store.fresh() as url:
            rates.append(whole / _together(url, halves))
            balanced(url)
    goal = Goal(least={"": TOGETHER}, ratio=0.5)
    result.figures += [
        one(f"{store.name}: its statements, two connections", "/s", base),
        one(f"{store.name}: post_many, two connections", "/s", rates, base=base, goal=goal),
    ]


def _together(url: str, halves: list[list[Batch]]) -> float:
    with ThreadPoolExecutor(len(halves)) as threads:
        started = time.perf_counter()
        list(threads.map(lambda half: post(url, half), halves))
        return time.perf_counter() - started
