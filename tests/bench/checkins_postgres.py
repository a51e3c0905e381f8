"""Complete check-ins on PostgreSQL with several workers, beside psycopg alone."""

from datetime import timedelta

from bot.app import POSTGRES_WORKERS
from storage.db import open_engine
from storage.limits import Limiter
from tests.bench import path
from tests.bench.checkins import FIRST, community
from tests.bench.databases import balanced, postgres
from tests.bench.figures import Plan, Result, one

WORKERS = (1, 2, 4)
CREW = f"… {POSTGRES_WORKERS} workers"


def run(plan: Plan, result: Result) -> None:
    who, days = community(plan)
    days = {FIRST: days[FIRST]}  # a third of SQLite's: several times as slow
    units = path.asked(days)
    count = sum(len(events) for events in units.values())
    rates: dict[str, list[float]] = {}

    def add(name: str, rate: float) -> None:
        rates.setdefault(name, []).append(rate)

    with postgres(who, [FIRST - timedelta(days=1)]) as store:
        records = {}
        for lines in (1, POSTGRES_WORKERS):
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
                add(
                    f"{CREW}, polled",
                    path.whole(engine, days, workers=POSTGRES_WORKERS, mode="polled"),
                )
                engine.dispose()
            with store.fresh() as url:
                engine = open_engine(url)
                add(
                    f"{CREW}, said", path.whole(engine, days, workers=POSTGRES_WORKERS, mode="said")
                )
                engine.dispose()
            with store.fresh() as url:
                engine = open_engine(url)
                add("worker alone, 1 thread", path.alone(engine, units, Limiter()))
                engine.dispose()
    base = rates.pop("base 1")
    several = rates.pop(f"base {POSTGRES_WORKERS}")
    result.figures += [
        one("the same statements, psycopg alone, 1 connection", "/s", base, note="baseline"),
        one(f"… psycopg alone, {POSTGRES_WORKERS} connections", "/s", several, base=base),
    ]
    result.figures += [one(name, "/s", values, base=base) for name, values in rates.items()]
