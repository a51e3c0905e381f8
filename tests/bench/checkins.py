"""Complete check-ins on SQLite: bytes in, durable with fsync, the reply in the outbox."""

import json
import time
from collections.abc import Callable
from datetime import date, timedelta
from statistics import median
from typing import Any

from telegram import Bot, Update

from bot.adapters.telegram.decode import to_event
from storage.db import open_engine
from storage.limits import Limiter
from tests.bench import path
from tests.bench.community import BOT, BOT_NAME, Community, answers, days_from
from tests.bench.databases import Sqlite, balanced
from tests.bench.figures import Figure, Plan, Result, one

GROUPS, EACH = 40, 50
FIRST = date(2026, 3, 4)


def community(plan: Plan) -> tuple[Community, path.Days]:
    """The members, and several days on which each of them checks in."""
    who = Community.of(GROUPS, EACH)
    days = days_from(FIRST, plan.size(3, 1))
    return who, {day: answers(who, day, n * len(who.people)) for n, day in enumerate(days)}


def run(plan: Plan, result: Result) -> None:
    who, days = community(plan)
    store = Sqlite(plan.folder, who, [FIRST - timedelta(days=1)])
    units = path.asked(days)
    count = sum(len(events) for events in units.values())
    with store.fresh() as url:
        steps = path.record(url, units)
        balanced(url)
    rates: dict[str, list[float]] = {}
    for _ in range(plan.rounds):
        with store.fresh() as url:
            rates.setdefault("base", []).append(count / path.replay(url, steps))
        _round(store, days, units, rates)
    parts = _parts(days, plan.rounds)
    base = rates.pop("base")
    result.figures.append(one("the same statements, sqlite3 alone", "/s", base, note="baseline"))
    costs = {name: rates.pop(name) for name in list(rates) if name.startswith("CPU")}
    result.figures += [one(name, "/s", values, base=base) for name, values in rates.items()]
    result.figures += [one(name, "us", values) for name, values in costs.items()]
    result.figures += _layers(rates, base, parts)
    per_event = path.per_event(steps, count)
    note = ", ".join(f"{n:g}x {name}" for name, n in per_event.items())
    total = sum(per_event.values())
    result.figures.append(one("statements for each check-in", "", [total], note=note))


def _round(
    store: Sqlite,
    days: path.Days,
    units: Any,
    rates: dict[str, list[float]],
) -> None:
    count = sum(len(events) for events in units.values())

    def add(name: str, rate: float) -> None:
        rates.setdefault(name, []).append(rate)

    for name, mode in (
        ("whole path", "free"),
        ("… polled, next answer after the commit", "polled"),
        ("… and said: handed over, row removed", "said"),
    ):
        with store.fresh() as url:
            engine = open_engine(url)
            cpu_s = time.process_time()
            add(name, path.whole(engine, days, mode=mode))
            add(f"CPU: {name}", (time.process_time() - cpu_s) / count * 1e6)
            engine.dispose()
    for name, limiter in (("worker alone", Limiter()), ("worker alone, without limits", None)):
        with store.fresh() as url:
            engine = open_engine(url)
            add(name, path.alone(engine, units, limiter))
            engine.dispose()
            if len(rates[name]) == 1:
                balanced(url)


def _parts(days: path.Days, rounds: int) -> dict[str, list[float]]:
    """Microseconds of each part that runs without a database, for one check-in."""
    bodies = next(iter(days.values()))
    raws = [raw for body in bodies for raw in json.loads(body)["result"]]
    bot = Bot(f"{BOT}:AAFakeTokenForBenchesOnly_0123456789abc")
    clock = path.SetClock()
    events = [to_event(raw, path.ME, clock()) for raw in raws]
    limiter = Limiter()
    rules = path_rules()
    work: dict[str, Callable[[], Any]] = {
        "json.loads": lambda: [json.loads(body) for body in bodies],
        "to_event": lambda: [to_event(raw, path.ME, clock()) for raw in raws],
        "python-telegram-bot's own decoding": lambda: [Update.de_json(raw, bot) for raw in raws],
        "router": lambda: [path.ROUTER.match(event, bot_name=BOT_NAME) for event in events],
        "limits": lambda: [
            limiter.ask(rules, group=event.chat.id, member=event.sender.id) for event in events
        ],
    }
    found: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, do in work.items():
            started = time.perf_counter()
            do()
            found[name].append((time.perf_counter() - started) / len(raws) * 1e6)
    return found


def path_rules() -> Any:
    """The shipped limits, high enough for a minute of this bench."""
    from content.rulebook import LimitRules  # noqa: PLC0415 - beside its only use

    return LimitRules(member_per_minute=10_000, group_per_minute=1_000_000)


def _layers(
    rates: dict[str, list[float]], base: list[float], parts: dict[str, list[float]]
) -> list[Figure]:
    """Where the microseconds of the whole path go, by measuring parts and by subtraction."""
    whole = 1e6 / median(rates["whole path"])
    worker = 1e6 / median(rates["worker alone, without limits"])
    sql = 1e6 / median(base)
    decoding = median(parts["json.loads"]) + median(parts["to_event"])
    router, limits = median(parts["router"]), median(parts["limits"])
    shares = {
        "decode: json.loads and to_event": decoding,
        "router": router,
        "limits": limits,
        "worker, handlers, storage: Python": worker - sql,
        "sqlite3 and fsync": sql,
        "event loop, queue, threads, metrics (rest)": whole - decoding - router - limits - worker,
    }
    figures = [one(name, "us", values) for name, values in parts.items()]
    return figures + [
        Figure(f"part: {name}", "us", {"": [us]}, note=f"{us / whole:.0%} of {whole:.0f} us")
        for name, us in shares.items()
    ]
