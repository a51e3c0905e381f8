"""What a message costs that is worth nothing: in a dispatcher that hears talk, and in one that
does not; and what one costs that is paid.
"""

import asyncio
import gc
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import Engine

from bot.dispatcher import Dispatcher
from handlers.event import Chat, Event, Sender
from storage.db import open_engine
from storage.programmes import MAIN
from storage.talk import SHIPPED, Talk
from tests.bench import path
from tests.bench.community import BOT_NAME, Community, noon
from tests.bench.databases import Sqlite
from tests.bench.figures import Figure, Plan, Result, one
from tests.bench.latency import FIRST

CHAT = "-1"
GROUP = Chat(CHAT, "group", "露营群")
WORDS = "今天的鱼很新鲜，晚上一起吃吧"
MINUTE = timedelta(seconds=61)
Make = Callable[[int, datetime], Event]


def _event(number: int, at: datetime, words: str, who: str = "7") -> Event:
    return Event(
        key=f"tg1:{number}",
        platform="telegram",
        kind="message",
        chat=GROUP,
        sender=Sender(who, f"人{who}"),
        at=at,
        text=words,
        message_id=f"{number}",
    )


KINDS: dict[str, Make] = {
    "too soon": lambda n, at: _event(n, at, f"{n} {WORDS}"),
    "too soon, 4,096 characters": lambda n, at: _event(n, at, WORDS * 292),
    "too short": lambda n, at: _event(n, at + n * MINUTE, "好"),
    "the same again, a minute later": lambda n, at: _event(n, at + n * MINUTE, WORDS),
    "alike, a thousand a second": lambda n, at: _event(
        n, at + 2 * MINUTE + n * timedelta(milliseconds=1), ("ab" * 60)[n % 9 : n % 9 + 90]
    ),
    "of 5,000 people, too soon": lambda n, at: _event(n, at, f"{n} {WORDS}", str(n % 5_000)),
}


def run(plan: Plan, result: Result) -> None:
    who = Community.of(1, 10)
    store = Sqlite(plan.folder, who, [FIRST - timedelta(days=1)])
    count = plan.size(20_000, 200)
    figures: dict[str, Figure] = {}
    with store.fresh() as url:
        engine = open_engine(url)
        for _ in range(plan.rounds):
            for name, make in KINDS.items():
                costs = asyncio.run(_both(engine, make, count))
                row = figures.setdefault(name, Figure(name, "us", {"heard": [], "not heard": []}))
                row.values["heard"].append(costs[0])
                row.values["not heard"].append(costs[1])
        for figure in figures.values():
            figure.base = figure.values["not heard"]
        engine.dispose()
    result.figures += figures.values()
    result.figures.append(_paid(plan, store))


async def _both(engine: Engine, make: Make, count: int) -> tuple[float, float]:
    """Microseconds for a message that is ignored: with talk, and without."""
    talk = Talk()
    talk.learn(("telegram", CHAT), MAIN, SHIPPED)
    return await _ignored(engine, make, count, talk), await _ignored(engine, make, count, None)


async def _ignored(engine: Engine, make: Make, count: int, talk: Talk | None) -> float:
    clock = path.SetClock()
    dispatcher = Dispatcher([path.new_worker(engine, clock, None)], path.ROUTER, talk=talk)
    at = noon(FIRST)
    if talk is not None:  # each has just been paid
        for number in range(5_000):
            talk.heard(("telegram", f"{number}"), ("telegram", CHAT), WORDS, at)
            talk.rest(("telegram", f"{number}"), MAIN, at)
    events = [make(number, at) for number in range(count)]
    gc.collect()
    began = (
        time.thread_time()
    )  # of the event loop's thread: what others do meanwhile is not counted
    outcomes = [dispatcher.submit(event, bot_name=BOT_NAME) for event in events]
    elapsed = time.thread_time() - began
    ignored = [outcome for outcome in outcomes if outcome.done()]
    assert len(ignored) >= count - 2, f"{count - len(ignored)} asked the store"
    assert await dispatcher.close(10)
    return elapsed / count * 1e6


def _paid(plan: Plan, store: Sqlite) -> Figure:
    """Paid messages a second, through the dispatcher to the commit."""
    return one(
        "paid, to the commit (SQLite)", "/s", [_rate(plan, store) for _ in range(plan.rounds)]
    )


def _rate(plan: Plan, store: Sqlite) -> float:
    count = plan.size(4_000, 40)
    with store.fresh() as url:
        engine = open_engine(url)
        rate = asyncio.run(_all_paid(engine, count))
        engine.dispose()
    return rate


async def _all_paid(engine: Engine, count: int) -> float:
    clock = path.SetClock(noon(FIRST))
    talk = Talk()
    worker = path.new_worker(engine, clock, None)
    dispatcher = Dispatcher([worker], path.ROUTER, talk=talk)
    await dispatcher.submit(_event(-1, clock.now, "签到", who="0"))  # the group is known
    gc.collect()
    began = time.perf_counter()
    waiting = [
        dispatcher.submit(_event(n, clock.now, f"{n} {WORDS}", who=f"{n}")) for n in range(count)
    ]
    outcomes = await asyncio.gather(*waiting)
    rate = count / (time.perf_counter() - began)
    assert {outcome.state for outcome in outcomes} == {"done"}
    assert await dispatcher.close(10)
    return rate
