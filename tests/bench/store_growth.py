"""How rates and reads grow from 10,000 postings to as many as are asked for (`--size`).

Each size is a store of its own; they take turns, so that a ratio compares the same seconds. The
members that post are the same number everywhere (100,000, by Zipf): what grows is what is there.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from content import rulebook
from storage import audit, boards, ledger, levels
from storage.db import open_engine, reading
from storage.programmes import MAIN
from tests import services
from tests.bench import filled
from tests.bench.awards import BATCH, CAPS, FIRST, batches, post, warm
from tests.bench.databases import settle
from tests.bench.figures import Figure, Goal, Plan, Result, one, percentile
from tests.bench.store_callers import awards, note, saturated

ACTIVE = 100_000
GROWN, YOUNG = 5_000_000, 100_000
AUDITED_MAX = 1_000_000
"""Larger stores are not audited: it takes minutes, and the fill is the same at every size."""
ASKED = 60
RULES = rulebook.read_rulebook(rulebook.shipped_document(), name="shipped")


class _Store(NamedTuple):
    url: str
    postings: int
    members: int
    people: list[int]


def ladder(most: int) -> list[int]:
    """Return the sizes that are measured: powers of ten, 5 million, and the largest."""
    sizes = {10**power for power in range(4, 8)} | {GROWN, most}
    return sorted(size for size in sizes if size <= most)


def run(plan: Plan, result: Result) -> None:
    names = ["SQLite"] + (["PostgreSQL"] if services.postgres_url() else [])
    least = plan.size(ACTIVE, 1_000)
    for name in names:
        with ExitStack() as stack:
            stores = [
                _filled(stack, name, plan.folder, size, least) for size in ladder(plan.postings)
            ]
            settle()
            result.figures += _writing(name, stores, plan)
            for store in stores:
                result.figures += _reading(name, store, plan)
                if store.postings <= AUDITED_MAX:
                    _audit(store.url)


def _filled(stack: ExitStack, name: str, folder: Path, postings: int, least: int) -> _Store:
    empty = filled.empty_sqlite(folder) if name == "SQLite" else filled.empty_postgres()
    url = stack.enter_context(empty)
    members = filled.members_of(postings, least=least)
    filled.fill(url, members, postings)
    step = members // least
    people = [filled.FIRST_MEMBER + n * step for n in range(least)]
    return _Store(url, postings, members, people)


def _audit(url: str) -> None:
    engine = open_engine(url)
    with reading(engine) as tx:
        found = audit.faults(tx)
    engine.dispose()
    assert found == [], found[:3]


def _writing(name: str, stores: list[_Store], plan: Plan) -> Iterator[Figure]:
    many: dict[int, list[float]] = {}
    single: dict[int, dict[str, list[float]]] = {}
    numbers = count(0, 1_000_000)
    work = plan.size(5, 2)
    for _ in range(plan.rounds):
        for store in stores:
            some = list(batches(store.people, work, caps=CAPS, start=next(numbers), pays=0))
            took = post(store.url, some)
            many.setdefault(store.postings, []).append(work * BATCH / took)
        for store in stores:
            some_awards = awards(store.people, plan.size(4_000, 500), next(numbers))
            rate, waits = saturated(store.url, name, some_awards)
            values = single.setdefault(store.postings, {})
            values.setdefault("", []).append(rate)
            note(values, waits)
    young = YOUNG if YOUNG in many else min(many)
    for size, rates in many.items():
        goal = Goal(ratio=0.75) if size == GROWN else None
        base = many[young] if size > young else None
        yield one(_label(name, "post_many", size), "/s", rates, base=base, goal=goal)
    for size, values in single.items():
        base = single[young][""] if size > young else None
        yield Figure(_label(name, "single awards", size), "/s", values, base)


def _label(name: str, what: str, size: int) -> str:
    return f"{name}: {what} at {size:,} postings"


def _reading(name: str, store: _Store, plan: Plan) -> Iterator[Figure]:
    """Reads of one member and of a board; `first` is one that finds no count made before it."""
    rng = Random(5)
    asked = plan.size(ASKED, 10)
    for what, ask, most in (
        ("balance, level, rank", _member, 5),
        ("board of 100 and own rank", _board, 20),
    ):
        values: dict[str, list[float]] = {"p50": [], "p99": [], "first": []}
        for _ in range(plan.rounds):
            engine = open_engine(store.url)  # what is kept is kept by engine
            warm(engine)
            times = []
            for _ in range(asked):
                member = filled.FIRST_MEMBER + rng.randrange(store.members)
                started = time.perf_counter()
                with reading(engine) as tx:
                    ask(tx, member)
                times.append((time.perf_counter() - started) * 1000)
            engine.dispose()
            values["first"].append(times[0])
            values["p50"].append(percentile(times[1:], 0.5))
            values["p99"].append(percentile(times[1:], 0.99))
        label = _label(name, what, store.postings)
        goal = Goal(most={"p99": most, "first": most})
        yield Figure(label, "ms", values, goal=goal, note=f"{store.members:,} members")


Read = Callable[[Any, int], Any]


def _member(tx: Any, member: int) -> Any:
    account = ledger.account(tx, MAIN, member)
    level = levels.held(RULES, account)
    place = boards.own_place(tx, MAIN, "all", FIRST, member)
    return account.available, level, place


def _board(tx: Any, member: int) -> Any:
    return boards.board(tx, MAIN, "all", FIRST, places=100, member_id=member)
