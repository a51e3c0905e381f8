"""The path of a check-in through the product, from Telegram's bytes to the outbox, and its parts.

Also its record: the very statements that the store executed, to be replayed on the bare driver.
"""

import asyncio
import gc
import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from random import Random
from typing import Any
from unittest.mock import patch
from zlib import crc32

import psycopg
from sqlalchemy import Engine
from sqlalchemy.engine import make_url

import bot.worker
from bot.adapters.base import Adapter, Limits
from bot.adapters.telegram.adapter import TelegramAdapter
from bot.adapters.telegram.decode import Me, to_event
from bot.dispatcher import BATCH_MAX, Dispatcher
from bot.sender import Sender
from bot.worker import Asked, Outcome, Worker
from handlers.event import Event
from handlers.router import Router, discover
from storage.db import SQLITE_PRAGMAS, Sql, Tx, open_engine
from storage.journeys import BEGIN, COMMIT
from storage.limits import Limiter
from storage.programmes import Defaults
from storage.sql import Wired
from storage.wire import Answer, Call, Wire
from tests.bench.awards import settled
from tests.bench.community import BOT, BOT_NAME, noon, plain

ME = Me(BOT, BOT_NAME, sees_all=True, owners=frozenset())
DEFAULTS = Defaults("Asia/Shanghai", "zh")
ROUTER: Router = discover()
Days = dict[date, list[bytes]]


@dataclass(slots=True)
class SetClock:
    """A clock that stands on the day that is being played."""

    now: datetime = field(default_factory=lambda: noon(date(2026, 3, 4)))

    def __call__(self) -> datetime:
        return self.now


def new_worker(engine: Engine, clock: Callable[[], datetime], limiter: Limiter | None) -> Worker:
    return Worker(engine, clock=clock, rng=Random(7), limiter=limiter, defaults=DEFAULTS)


class Platform(Adapter):
    """A platform without limits, which notes when it was handed what."""

    name = "telegram"
    limits = Limits(
        text_max=4096,
        toast_max=200,
        buttons=True,
        edits=True,
        chat_burst=1_000,
        chat_per_minute=None,
        overall_per_second=None,
    )

    def __init__(self) -> None:
        self.handed: dict[str, float] = {}

    async def say(self, out: Any, reply: Any) -> None:
        assert reply.text
        self.handed[out.target] = time.perf_counter()

    async def toast(self, out: Any, text: str) -> None:
        raise AssertionError(f"no button is pressed in a bench: {out} {text}")

    async def edit(self, out: Any, reply: Any) -> None:
        raise AssertionError(f"no message is edited in a bench: {out} {reply}")


def decode(body: bytes, clock: Callable[[], datetime]) -> list[Event]:
    updates = json.loads(body)["result"]
    events = [event for raw in updates if (event := to_event(raw, ME, clock())) is not None]
    assert len(events) == len(updates)
    return events


def _must(outcomes: list[Outcome]) -> None:
    states = {outcome.state for outcome in outcomes}
    assert states == {"done"}, states


def whole(engine: Engine, days: Days, *, workers: int = 1, mode: str = "free") -> float:
    """Check-ins a second, from bytes to durable with the reply in the outbox.

    `free`: answers come one after the other, as with a webhook; `polled`: as our poller does, the
    next one after the commit of the last; `said`: free, and every reply handed to a platform
    without limits and its row removed.
    """
    with settled():  # as a bot does once it has started
        return asyncio.run(_whole(engine, days, workers, mode))


async def _whole(engine: Engine, days: Days, count: int, mode: str) -> float:
    clock = SetClock()
    limiter = Limiter()
    crew = [new_worker(engine, clock, limiter) for _ in range(count)]
    for worker in crew:
        worker.run([_nothing])
    dispatcher = Dispatcher(crew, ROUTER)
    adapter = _poller(dispatcher, clock)
    platform = Platform()
    sender = Sender([platform], run=dispatcher.run, hear=dispatcher.submit, clock=clock)
    if mode == "said":
        dispatcher.say = sender.put
    done = 0
    started = time.perf_counter()
    for day, answers in days.items():
        clock.now = noon(day)
        waiting: list[Any] = []
        for body in answers:
            if mode == "polled":
                updates = json.loads(body)["result"]
                await adapter._polling._take(updates, 0)
                done += len(updates)
            else:
                waiting += [
                    dispatcher.submit(event, bot_name=BOT_NAME) for event in decode(body, clock)
                ]
                await asyncio.sleep(0)
        _must(list(await asyncio.gather(*waiting)) or [Outcome("done")])
        done += len(waiting)
        if mode == "said":
            await said(sender)
    elapsed = time.perf_counter() - started
    assert await dispatcher.close(10)
    assert mode != "said" or len(platform.handed) == done
    return done / elapsed


async def said(sender: Sender) -> None:
    """Wait until everything has been handed over and the marks are written."""
    while sender.waiting or sender._marking:  # noqa: ASYNC110 - looked at from outside
        await asyncio.sleep(0.001)


def _poller(dispatcher: Dispatcher, clock: Callable[[], datetime]) -> TelegramAdapter:
    token = f"{BOT}:AAFakeTokenForBenchesOnly_0123456789abc"
    adapter = TelegramAdapter(
        token,
        api_url="http://127.0.0.1:9",
        owners=frozenset(),
        dispatcher=dispatcher,
        clock=clock,
    )
    adapter._me = ME
    return adapter


def _nothing(tx: Tx) -> None:
    """Open the connection before the clock runs."""


def asked(days: Days, *, line: int = 0, lines: int = 1) -> dict[date, list[Asked]]:
    """The events of a dispatcher's queue, matched, day by day."""
    found: dict[date, list[Asked]] = {}
    for day, answers in days.items():
        events = [event for body in answers for event in decode(body, lambda d=day: noon(d))]
        found[day] = [
            Asked(event, ROUTER.match(event, bot_name=BOT_NAME))
            for event in events
            if crc32(f"{event.platform}:{event.chat.id}".encode()) % lines == line
        ]
    return found


def alone(engine: Engine, units: dict[date, list[Asked]], limiter: Limiter | None) -> float:
    """Check-ins a second through the worker, without event loop, in batches of 256."""
    clock = SetClock()
    worker = new_worker(engine, clock, limiter)
    worker.run([_nothing])
    gc.collect()
    count = 0
    started = time.perf_counter()
    for day, events in units.items():
        clock.now = noon(day)
        for n in range(0, len(events), BATCH_MAX):
            _must(worker.run(events[n : n + BATCH_MAX]))
        count += len(events)
    return count / (time.perf_counter() - started)


# -- the record ------------------------------------------------------------------------------------

Step = tuple[str, str, Any]


class _Copy:
    """A copy in progress that notes its rows."""

    def __init__(self, target: Any, rows: list[Any]) -> None:
        self._target, self._rows = target, rows

    def write_row(self, row: Any) -> None:
        self._rows.append(row)
        self._target.write_row(row)


class _Recorder:
    """A driver's cursor that notes what it is asked."""

    def __init__(self, cursor: Any, steps: list[Step]) -> None:
        self._cursor, self._steps = cursor, steps

    def execute(self, sql: str, values: Any = ()) -> "_Recorder":
        self._steps.append(("do", sql, values))
        self._cursor.execute(sql, values)
        return self

    def executemany(self, sql: str, rows: list[Any]) -> None:
        self._steps.append(("many", sql, rows))
        self._cursor.executemany(sql, rows)

    @contextmanager
    def copy(self, sql: str) -> Iterator["_Copy"]:
        rows: list[Any] = []
        self._steps.append(("copy", sql, rows))
        with self._cursor.copy(sql) as target:
            yield _Copy(target, rows)

    def fetchone(self) -> Any:
        self._steps.append(("one", "", None))
        return self._cursor.fetchone()

    def fetchall(self) -> Any:
        self._steps.append(("all", "", None))
        return self._cursor.fetchall()

    @property
    def rowcount(self) -> int:
        return self._cursor.rowcount


class _RecordingWire:
    """A way to the server that notes what goes there, as a cursor would be given it."""

    def __init__(self, wire: Wire, steps: list[Step]) -> None:
        self._wire, self._steps = wire, steps
        self._values: dict[int, list[Any]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wire, name)

    def call(self, sql: Wired, values: Iterable[Any] = ()) -> Call:
        call = self._wire.call(sql, values)
        self._values[id(call.texts)] = list(values)
        return call

    def execute(self, calls: Sequence[Call]) -> list[Answer]:
        answers = self._wire.execute(calls)
        for call, answer in zip(calls, answers, strict=True):
            sql, values = call.sql, self._values.pop(id(call.texts))
            if sql in {BEGIN, COMMIT}:
                continue
            if isinstance(sql, Sql):
                self._steps.append(("do", sql.postgres, dict(zip(sql.names, values, strict=True))))
            else:
                places = ", ".join(["%s"] * len(sql.columns))
                into = f"INSERT INTO {sql.table} ({', '.join(sql.columns)}) VALUES ({places})"
                self._steps.append(("do", into, values))
            if answer.columns:
                self._steps.append(("all", "", None))
        return answers


def recorder(steps: list[Step]) -> type[Tx]:
    """Return a Tx that notes what its driver is asked."""

    class RecordingTx(Tx):
        def __init__(self, connection: Any, *, careful: bool = False) -> None:
            super().__init__(connection, careful=careful)
            steps.append(("begin", "", None))
            self._cursor = _Recorder(self._cursor, steps)
            if self._journeys is not None:
                wire: Any = _RecordingWire(self._journeys.wire, steps)
                self._journeys.wire = wire

    return RecordingTx


def record(url: str, units: dict[date, list[Asked]]) -> list[Step]:
    """What the store executes for these events in batches of 256: statements and values."""
    engine = open_engine(url)
    steps: list[Step] = []
    clock = SetClock()
    worker = new_worker(engine, clock, None)
    for day, events in units.items():
        clock.now = noon(day)
        for n in range(0, len(events), BATCH_MAX):
            with patch.object(bot.worker, "Tx", recorder(steps)):
                _must(worker.run(events[n : n + BATCH_MAX]))
    engine.dispose()
    return steps


def per_event(steps: list[Step], events: int) -> dict[str, float]:
    """How many statements an event costs, by their first words."""
    found: dict[str, float] = {}
    for kind, sql, values in steps:
        if kind in {"do", "many"}:
            name = " ".join(sql.split()[:3])
            found[name] = found.get(name, 0) + (len(values) if kind == "many" else 1)
    return {name: round(count / events, 2) for name, count in sorted(found.items())}


def replay(url: str, steps: list[Step]) -> float:
    """Seconds that the bare driver takes for the same statements."""
    path = make_url(url).database
    if not url.startswith("sqlite"):
        with psycopg.connect(plain(url), autocommit=False) as connection:
            return _replay(connection.cursor(), steps, lambda: None, connection.commit)
    connection = sqlite3.connect(str(path), isolation_level=None, check_same_thread=False)
    for pragma in SQLITE_PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
    cursor = connection.cursor()
    try:
        return _replay(
            cursor,
            steps,
            lambda: cursor.execute("BEGIN IMMEDIATE"),
            lambda: cursor.execute("COMMIT"),
        )
    finally:
        connection.close()


def _replay(
    cursor: Any, steps: list[Step], begin: Callable[[], Any], commit: Callable[[], Any]
) -> float:
    gc.collect()
    execute, many, one, every = (
        cursor.execute,
        cursor.executemany,
        cursor.fetchone,
        cursor.fetchall,
    )
    started = time.perf_counter()
    open_ = False
    for kind, sql, values in steps:
        if kind == "do":
            execute(sql, values)
        elif kind == "one":
            one()
        elif kind == "many":
            many(sql, values)
        elif kind == "all":
            every()
        elif kind == "copy":
            with cursor.copy(sql) as target:
                for row in values:
                    target.write_row(row)
        else:
            if open_:
                commit()
            begin()
            open_ = True
    if open_:
        commit()
    return time.perf_counter() - started


def replay_together(url: str, records: list[list[Step]]) -> float:
    """Seconds for several records at once, each on a connection and thread of its own."""
    with ThreadPoolExecutor(len(records)) as threads:
        started = time.perf_counter()
        list(threads.map(lambda steps: replay(url, steps), records))
        return time.perf_counter() - started
