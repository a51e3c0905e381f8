"""The ledger in batches of 1,000: what `post_many` reaches beside the same statements alone."""

import time
from collections.abc import Iterator
from datetime import date, timedelta
from random import Random
from typing import Any

from content.caps import Cap
from storage import ledger
from storage.db import Tx, open_engine
from storage.ledger import ISSUED, PROGRAMME, LedgerError, Posting, Side
from storage.programmes import MAIN
from tests.bench import path
from tests.bench.community import Community, noon
from tests.bench.databases import Sqlite, balanced, postgres
from tests.bench.figures import Plan, Result, one

BATCH = 1_000
FIRST = date(2026, 3, 4)
CAPS = (Cap("earn", "day", "points", 500), Cap("ugc", "day", "times", 50))
PAYMENTS = 0.04


def run(plan: Plan, result: Result) -> None:
    who = Community.of(40, plan.size(500, 50))
    before = [FIRST - timedelta(days=1)]
    with postgres(who, before) as server:
        for store in (Sqlite(plan.folder, who, before), server):
            _measure(store, who, plan, result)


def _measure(store: Any, who: Community, plan: Plan, result: Result) -> None:
    batches = list(_batches(who, plan.size(20, 3), ()))
    capped = list(_batches(who, plan.size(20, 3), CAPS))
    count = BATCH * len(batches)
    steps: list[path.Step] = []
    with store.fresh() as url:
        _post(url, batches, path.recorder(steps))
    rates: dict[str, list[float]] = {}
    for _ in range(plan.rounds):
        with store.fresh() as url:
            rates.setdefault("base", []).append(count / path.replay(url, steps))
        for name, work in (("post_many", batches), ("post_many with caps", capped)):
            with store.fresh() as url:
                rates.setdefault(name, []).append(count / _post(url, work, Tx))
                balanced(url)
    base = rates.pop("base")
    name = f"{store.name}: the same statements, the driver alone"
    result.figures.append(one(name, "/s", base, note="baseline"))
    result.figures += [
        one(f"{store.name}: {name}, {BATCH:,} a batch", "/s", values, base=base)
        for name, values in rates.items()
    ]


def _batches(who: Community, count: int, caps: tuple[Cap, ...]) -> Iterator[list[Posting]]:
    """Yield batches of awards, with a few payments, by members of whom some do much."""
    rng = Random(11)
    people = [person.id for person in who.people]
    weights = [1 / (rank + 10) for rank in range(len(people))]
    number = 0
    for _ in range(count):
        batch = []
        for owner in rng.choices(people, weights, k=BATCH):
            number += 1
            batch.append(_posting(owner, number, caps, pays=rng.random() < PAYMENTS))
        yield batch


def _posting(owner: int, number: int, caps: tuple[Cap, ...], *, pays: bool) -> Posting:
    mine = Side(owner, "available")
    return Posting(
        programme_id=MAIN,
        key=f"{FIRST}/bench/{number:09}",
        source=mine if pays else ISSUED,
        target=Side(PROGRAMME, "redeemed") if pays else mine,
        amount=1,
        reason="bench",
        rule="bench",
        rule_version=1,
        actor="bench",
        at=noon(FIRST),
        day=FIRST,
        kind="behaviour",
        caps=() if pays else caps,
    )


def _post(url: str, batches: list[list[Posting]], kind: type[Tx]) -> float:
    """Return the seconds that it takes."""
    engine = open_engine(url)
    with engine.connect() as warm, warm.begin():
        Tx(warm)
    started = time.perf_counter()
    for batch in batches:
        with engine.connect() as connection, connection.begin():
            tx = kind(connection)
            results = ledger.post_many(tx, batch)
            tx.close()
        refused = [each for each in results if isinstance(each, LedgerError)]
        assert all(isinstance(each, ledger.CappedError) for each in refused), refused[:3]
    took = time.perf_counter() - started
    engine.dispose()
    return took
