"""Latency under paced arrivals: from an update's bytes to its answer handed to the platform.

Arrivals do not wait for answers (open loop), and time runs from when an update was due, so that a
stall is charged to every update that it delays. The pacing timer itself adds up to 1 ms.
"""

import asyncio
import json
import time
from datetime import date, timedelta
from statistics import median
from typing import Any

from sqlalchemy import Engine

from bot.adapters.telegram.decode import to_event
from bot.app import POSTGRES_WORKERS
from bot.dispatcher import Dispatcher
from bot.sender import Sender
from storage.db import open_engine
from storage.limits import Limiter
from tests.bench import path
from tests.bench.awards import settled
from tests.bench.community import BOT_NAME, Community, answers, noon, update
from tests.bench.databases import Sqlite, balanced, postgres
from tests.bench.figures import Figure, Plan, Result, one, percentile

FIRST = date(2026, 3, 4)
RATES = (1, 50, 200)
GOALS = {"SQLite": 1_200, "PostgreSQL": 600}
"""Check-ins a second that the product promises; half of that is measured as well."""
PARTS = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}


def run(plan: Plan, result: Result) -> None:
    who = Community.of(40, plan.size(500, 100))
    before = [FIRST - timedelta(days=1)]
    with postgres(who, before) as server:
        stores = [(Sqlite(plan.folder, who, before), 1), (server, POSTGRES_WORKERS)]
        full = {FIRST: answers(who, FIRST)[: plan.size(40, 10)]}
        halves: dict[str, float] = {}
        for store, workers in stores:
            rates = []
            for _ in range(plan.rounds):
                with store.fresh() as url:
                    engine = open_engine(url)
                    rates.append(path.whole(engine, full, workers=workers, mode="said"))
                    engine.dispose()
            halves[store.name] = round(median(rates) / 2)
            result.figures.append(one(f"{store.name}: full rate, replies handed over", "/s", rates))
        figures: dict[tuple[str, str], Figure] = {}
        for number in range(plan.rounds):
            for store, workers in stores:
                half = halves[store.name]
                paced = [(f"{rate}/s", rate) for rate in (*RATES, GOALS[store.name] // 2)]
                for name, rate in [*paced, ("half", half)]:
                    if rate == 1 and number:
                        continue
                    seconds = plan.size(20 if rate == 1 else 4, 2)
                    waits = _once(store, who, rate, seconds, workers)
                    label = f"{store.name}: {name}" + (f" = {half:g}/s" if name == "half" else "")
                    key = (store.name, name)
                    note = f"{len(waits)} arrivals a round"
                    figure = figures.setdefault(key, Figure(label, "ms", {}, note=note))
                    for part, share in PARTS.items():
                        figure.values.setdefault(part, []).append(percentile(waits, share) * 1000)
    result.figures += [figures[key] for key in sorted(figures, key=lambda key: key[0] != "SQLite")]


def _once(store: Any, who: Community, rate: float, seconds: int, workers: int) -> list[float]:
    at = noon(FIRST)
    count = min(len(who.people), int(rate * seconds))
    bodies = [
        json.dumps(update(who, person, number, at)).encode()
        for number, person in enumerate(who.people[:count])
    ]
    with store.fresh() as url:
        engine = open_engine(url)
        with settled():  # as a bot does once it has started
            waits = asyncio.run(_paced(engine, bodies, rate, workers))
        engine.dispose()
        balanced(url)
    return waits


async def _paced(engine: Engine, bodies: list[bytes], rate: float, count: int) -> list[float]:
    clock = path.SetClock(noon(FIRST))
    limiter = Limiter()
    crew = [path.new_worker(engine, clock, limiter) for _ in range(count)]
    for worker in crew:
        worker.run([_nothing])
    dispatcher = Dispatcher(crew, path.ROUTER)
    platform = path.Platform()
    sender = Sender([platform], run=dispatcher.run, hear=dispatcher.submit, clock=clock)
    dispatcher.say = sender.put
    due: dict[str, float] = {}
    start = time.perf_counter() + 0.05
    for number, body in enumerate(bodies):
        moment = start + number / rate
        await asyncio.sleep(max(0.0, moment - time.perf_counter()))
        event = to_event(json.loads(body), path.ME, clock())
        assert event is not None
        assert event.message_id is not None
        due[event.message_id] = moment
        dispatcher.submit(event, bot_name=BOT_NAME)
    while len(platform.handed) < len(due):  # noqa: ASYNC110 - looked at from outside
        await asyncio.sleep(0.005)
    await path.said(sender)
    assert await dispatcher.close(10)
    return [platform.handed[key] - moment for key, moment in due.items()]


def _nothing(tx: Any) -> None:
    """Open the connection before the clock runs."""
