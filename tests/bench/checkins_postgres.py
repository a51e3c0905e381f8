"""Complete check-ins on PostgreSQL with several workers, beside psycopg alone."""

from datetime import timedelta

from storage.db import open_engine
from storage.limits import Limiter
from tests.bench import path
from tests.bench.checkins import FIRST, community
from tests.bench.databases import balanced, postgres
from tests.bench.figures import Plan, Result, one

WORKERS = (1, 2, 4)


def run(plan: Plan, result: Result) -> None:
    who, days = community(plan)
    days = {FIRST: days[FIRST]}  # a third of SQLite's: four times as slow
    units = path.asked(days)
    count = sum(len(events) for events in units.values())
    rates: dict[str, list[float]] = {}

    def add(name: str, rate: float) -> None:
        rates.setdefault(name, []).append(rate)

    with postgres(who, [FIRST - timedelta(days=1)]) as store:
        records = {}
        for lines in (1, 4):
            with store.fresh() as url:
                records[lines] = [
                    path.record(url, path.asked(days, line=line, lines=lines))
                    for line in range(lines)
                ]
                balanced(url)
        for number in range(plan.rounds):
            for lines, steps in records.items():
                with store.fresh() as url:
                    add(f"base {lines}", count / path.replay_together(url, steps))
            for workers in WORKERS:
                with store.fresh() as url:
                    engine = open_engine(url, workers=workers)
                    add(f"whole path, {workers} workers", path.whole(engine, days, workers=workers))
                    engine.dispose()
                    if number == 0:
                        balanced(url)
            with store.fresh() as url:
                engine = open_engine(url)
                add("… 4 workers, polled", path.whole(engine, days, workers=4, mode="polled"))
                engine.dispose()
            with store.fresh() as url:
                engine = open_engine(url)
                add("… 4 workers, said", path.whole(engine, days, workers=4, mode="said"))
                engine.dispose()
            with store.fresh() as url:
                engine = open_engine(url)
                add("worker alone, 1 thread", path.alone(engine, units, Limiter()))
                engine.dispose()
    base = rates.pop("base 1")
    four = rates.pop("base 4")
    result.figures += [
        one("the same statements, psycopg alone, 1 connection", "/s", base, note="baseline"),
        one("… psycopg alone, 4 connections in threads", "/s", four, base=base),
    ]
    result.figures += [one(name, "/s", values, base=base) for name, values in rates.items()]
