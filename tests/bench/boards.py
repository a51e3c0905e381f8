"""Boards and ranks among 20,000 members with 1,000,000 postings, with and without an index."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from random import Random
from typing import Any

import psycopg
from sqlalchemy.engine import make_url

from bot.worker import Asked
from content import windows
from content.windows import WINDOWS, Window
from storage import boards
from storage.db import open_engine, reading
from storage.programmes import MAIN
from tests.bench import path
from tests.bench.community import BOT_NAME, Community, answers, days_from, noon, plain, update
from tests.bench.databases import Sqlite, balanced, postgres
from tests.bench.figures import Figure, Plan, Result, one, percentile

MEMBERS, DAYS = 20_000, 50
TODAY = date(2026, 3, 25)  # a Wednesday
ASKED = 30
COLUMNS = {
    "day": "day_earned",
    "week": "week_earned",
    "month": "month_earned",
    "all": "total_earned",
}
INDEX = "CREATE INDEX board_{0} ON account (programme_id, wallet, {0} DESC, owner_id, earned_day)"


def run(plan: Plan, result: Result) -> None:
    who = Community.of(plan.size(40, 2), MEMBERS // 40)
    days = days_from(TODAY - timedelta(days=DAYS - 1), DAYS)
    sqlite = Sqlite(plan.folder, who, days)
    with postgres(who, days) as server:
        for store in (sqlite, server):
            with store.fresh() as url, store.fresh() as indexed:
                _create_indexes(indexed, list(COLUMNS.values()))
                result.figures += _asking(store.name, who, url, indexed, plan)
                result.figures += _writing(store.name, who, url, indexed, plan)


def _execute(url: str, statements: list[str]) -> None:
    with _raw(url) as ask:
        for statement in statements:
            ask(statement, {})


def _create_indexes(url: str, columns: list[str]) -> None:
    analyze = [] if url.startswith("sqlite") else ["VACUUM ANALYZE account"]
    _execute(url, [*(INDEX.format(column) for column in columns), *analyze])


@contextmanager
def _raw(url: str) -> Iterator[Callable[[str, dict[str, Any]], Any]]:
    """The bare driver."""
    if url.startswith("sqlite"):
        connection: Any = sqlite3.connect(str(make_url(url).database), isolation_level=None)
        connection.execute("PRAGMA cache_size=-65536")
        yield connection.execute
    else:
        connection = psycopg.connect(plain(url), autocommit=True)
        yield lambda sql, values: connection.execute(_named(sql), values)
    connection.close()


def _named(sql: str) -> str:
    for name in ("first", "mine", "member"):
        sql = sql.replace(f":{name}", f"%({name})s")
    return sql


def _hand(window: Window) -> tuple[str, str, str, str]:
    """Own points; how many there are and how many above; the ten best; a name."""
    column = COLUMNS[window]
    fresh = "" if window == "all" else " AND earned_day >= :first"
    inside = f"programme_id = {MAIN} AND wallet = 'points' AND {column} > 0{fresh}"
    me = f"programme_id = {MAIN} AND owner_id = :member AND wallet = 'points'{fresh}"
    above = f"COUNT(CASE WHEN {column} > :mine THEN 1 END)"
    best = f"ORDER BY {column} DESC, owner_id DESC LIMIT 10"
    return (
        f"SELECT {column} FROM account WHERE {me}",
        f"SELECT COUNT(*), {above} FROM account WHERE {inside}",
        f"SELECT owner_id, {column} FROM account WHERE {inside} {best}",
        f"SELECT name FROM member WHERE programme_id = {MAIN} AND id = :member",
    )


def _by_hand(ask: Any, window: Window, member: int) -> tuple[list[tuple[int, int]], int, int]:
    own, count, best, name = _hand(window)
    first = {"first": windows.start(window, TODAY)}
    mine = ask(own, {"member": member} | (first if ":first" in own else {})).fetchone()[0]
    values = {"mine": mine} | (first if ":first" in own else {})
    total, above = ask(count, values).fetchone()
    values.pop("mine")
    top = ask(best, values).fetchall()
    for who, _ in top:
        ask(name, {"member": who}).fetchone()
    return top, total, above + 1


def _asking(label: str, who: Community, url: str, indexed_url: str, plan: Plan) -> Iterator[Figure]:
    engine, indexed = open_engine(url), open_engine(indexed_url)
    rng = Random(5)
    times: dict[tuple[str, Window], list[float]] = {}
    with _raw(url) as ask, _raw(indexed_url) as ask_indexed:
        for number in range(plan.rounds * ASKED):
            for window in WINDOWS:
                member = rng.choice(who.people).id
                ways: dict[str, Callable[[], Any]] = {
                    "board, top 10 and own rank": lambda w=window, m=member: _board(engine, w, m),
                    "… with a board index": lambda w=window, m=member: _board(indexed, w, m),
                    "… by hand on the driver": lambda w=window, m=member: _by_hand(ask, w, m),
                    "… by hand with the index": lambda w=window, m=member: _by_hand(
                        ask_indexed, w, m
                    ),
                    "积分's own rank": lambda w=window, m=member: _board(engine, w, m, places=0),
                    "积分's with the index": lambda w=window, m=member: _board(
                        indexed, w, m, places=0
                    ),
                }
                if number == 0:
                    _agree(ways)
                for name, do in ways.items():
                    started = time.perf_counter()
                    do()
                    took = (time.perf_counter() - started) * 1000
                    times.setdefault((name, window), []).append(took)
    engine.dispose()
    indexed.dispose()
    names = list(dict.fromkeys(name for name, _ in times))
    for name in names:
        for window in WINDOWS:
            if "积分" in name and window != "week":
                continue
            took = times[name, window]
            values = {"p50": _rounds(took, 0.5), "p99": [percentile(took, 0.99)]}
            base = _rounds(times["… by hand on the driver", window], 0.5)
            figure = Figure(f"{label}: {name}, {window}", "ms", values)
            figure.base = base if "hand on" not in name and "积分" not in name else None
            yield figure


def _rounds(took: list[float], part: float) -> list[float]:
    return [percentile(took[n : n + ASKED], part) for n in range(0, len(took), ASKED)]


def _board(engine: Any, window: Window, member: int, places: int = 10) -> Any:
    with reading(engine) as tx:
        return boards.board(tx, MAIN, window, TODAY, places=places, member_id=member)


def _agree(ways: dict[str, Callable[[], Any]]) -> None:
    """All ways say the same, or the comparison is worth nothing."""
    board, hand = ways["board, top 10 and own rank"](), ways["… by hand on the driver"]()
    assert board == ways["… with a board index"]()
    assert hand == ways["… by hand with the index"]()
    assert [(place.member_id, place.points) for place in board.places] == [
        tuple(t) for t in hand[0]
    ]
    assert (board.total, board.own.rank) == hand[1:]


def _writing(
    label: str, who: Community, url: str, indexed_url: str, plan: Plan
) -> Iterator[Figure]:
    """What four board indexes cost check-ins, and what a rank costs in the writer's transaction."""
    rates: dict[str, list[float]] = {}
    some = Community(who.chats, who.people[: plan.size(2_000, 200)])
    for number in range(1, plan.rounds + 1):
        day = TODAY + timedelta(days=number)
        units = path.asked({day: answers(some, day, number * 10_000)})
        for name, at in (
            ("check-ins, worker alone", url),
            ("… with four board indexes", indexed_url),
        ):
            engine = open_engine(at)
            rates.setdefault(name, []).append(path.alone(engine, units, None))
            engine.dispose()
        for name, at in (
            ("积分, worker alone", url),
            ("积分 … with four board indexes", indexed_url),
        ):
            engine = open_engine(at)
            asked = {day: _points(some, day, number)[: plan.size(300, 30)]}
            rates.setdefault(name, []).append(path.alone(engine, asked, None))
            engine.dispose()
    balanced(url)
    balanced(indexed_url)
    for name, values in rates.items():
        base = rates["check-ins, worker alone" if "积分" not in name else "积分, worker alone"]
        yield one(f"{label}: {name}", "/s", values, base=base if "four" in name else None)


def _points(who: Community, day: date, number: int) -> list[Asked]:
    found = []
    for n, person in enumerate(who.people):
        raw = update(who, person, 50_000_000 + number * 100_000 + n, noon(day), "积分")
        event = path.to_event(raw, path.ME, noon(day))
        assert event is not None
        match = path.ROUTER.match(event, bot_name=BOT_NAME)
        assert match is not None
        found.append(Asked(event, match))
    return found
