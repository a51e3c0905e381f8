"""Where the time of a check-in goes: cProfile over the worker alone, on SQLite."""

import cProfile
import pstats
from collections import defaultdict
from datetime import timedelta
from pathlib import Path

from storage.db import open_engine
from storage.limits import Limiter
from tests.bench import path
from tests.bench.checkins import FIRST, community
from tests.bench.databases import Sqlite
from tests.bench.figures import Plan, Result, one

LINES = 32


def run(plan: Plan, result: Result) -> None:
    who, days = community(plan)
    store = Sqlite(plan.folder, who, [FIRST - timedelta(days=1)])
    units = path.asked(days)
    count = sum(len(events) for events in units.values())
    with store.fresh() as url:
        engine = open_engine(url)
        profile = cProfile.Profile()
        profile.enable()
        path.alone(engine, units, Limiter())
        profile.disable()
        engine.dispose()
    stats = pstats.Stats(profile)
    by_place: dict[str, float] = defaultdict(float)
    for (file, line, name), (_, calls, own, total, _) in stats.stats.items():
        by_place[_place(file, name)] += own
        if total / count > 2e-6 and _place(file, name) != "other":
            where = f"{Path(file).parent.name}/{Path(file).name}:{line} {name}"
            values = {"own": [own / count * 1e6], "with callees": [total / count * 1e6]}
            figure = one(where[-46:], "us", [], note=f"{calls / count:.1f} calls")
            figure.values = values
            result.figures.append(figure)
    result.figures.sort(key=lambda figure: -figure.values["own"][0])
    del result.figures[LINES:]
    whole = sum(by_place.values())
    for name, own in sorted(by_place.items(), key=lambda item: -item[1]):
        note = f"{own / whole:.0%}, the profiler's own cost included"
        result.figures.append(one(f"in {name}", "us", [own / count * 1e6], note=note))


def _place(file: str, name: str) -> str:
    if "sqlite3" in name:
        return "sqlite3 " + name.replace("<method ", "").split(" of ")[0].strip("'<>")
    for floor in ("bot", "handlers", "storage", "content", "sqlalchemy", "limits"):
        if f"/{floor}/" in file:
            return f"{floor}/{Path(file).name}"
    return "other"
