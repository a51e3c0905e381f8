"""A bot that runs: its start, its parts side by side, and its orderly end."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, time
from functools import partial
from typing import Any

from sqlalchemy import Engine

from bot import collector, metrics
from bot.adapters.local import LocalAdapter
from bot.adapters.telegram import TelegramAdapter
from bot.clock import Clock
from bot.config import Settings
from bot.dispatcher import BusyError, Dispatcher
from bot.owners import tell
from bot.pictures import Pictures
from bot.sender import Sender
from bot.web.app import WebServer
from handlers import tags, weekly
from handlers.clock import run_programme, with_work
from handlers.greeting import run_due
from scheduler.heartbeat import TIDY_EVERY_MIN, Heartbeat
from scheduler.housekeeping import tidy
from storage import arrivals, audit, proof, reviews
from storage.books import RaceError
from storage.db import DATABASE_ERRORS, Tx, reading
from storage.inbox import FORGET_MAX
from storage.lock import Lock, LockedError
from storage.movement import LedgerError

_log = logging.getLogger(__name__)

LOCK_EVERY_S = 3
DUE_EVERY_S = 60
GREET_EVERY_S = 5
AUDIT_AT = time(4, 17)  # when a community sleeps: it reads every posting
LOOK_S = 1.0  # parts that began meanwhile are watched from the next look on
STOP_COMMIT_S = 5.0
STOP_SEND_S = 3.0
STOP_WEB_S = 3.0


def _faults(engine: Engine) -> list[str]:
    with reading(engine) as tx:
        return audit.faults(tx) + proof.chain_faults(tx)


async def _lock_lost() -> None:
    raise LockedError("another process has taken over this database")


class PortError(OSError):
    """The HTTP port cannot be opened."""


@dataclass(slots=True)
class App:
    """The parts of one bot. `start`, then `wait`, and always `stop`."""

    settings: Settings
    clock: Clock
    dispatcher: Dispatcher
    sender: Sender
    web: WebServer
    telegram: TelegramAdapter | None
    local: LocalAdapter | None
    engine: Engine
    pictures: Pictures
    lock: Lock | None = None
    heartbeat: Heartbeat = field(default_factory=Heartbeat)
    tasks: list[asyncio.Task[Any]] = field(default_factory=list)
    serving: asyncio.Task[None] | None = None
    reviews: int = 0

    def _run(self, work: Any) -> None:
        self.tasks.append(asyncio.create_task(work))

    async def start(self) -> None:
        """Connect what hands out to what comes in. Errors: PortError."""
        self.dispatcher.say = self.sender.put
        self.dispatcher.recovered = lambda: self._run(self.sender.reload())
        await self.sender.start()
        if self.telegram is not None:
            self._run(self._telegram(self.telegram))
        await self._open_port()
        self.heartbeat.every(TIDY_EVERY_MIN * 60, self._tidy, "tidy")
        self.heartbeat.every(DUE_EVERY_S, self._do_what_is_due, "due")
        self.heartbeat.every(GREET_EVERY_S, self._greet, "greet")
        self.heartbeat.daily(AUDIT_AT, self.settings.timezone, self._audit, "audit")
        self.heartbeat.every(LOCK_EVERY_S, self._look_at_lock, "lock")
        self.heartbeat.start()
        self._run(self.pictures.look())
        collector.settle()

    async def _open_port(self) -> None:
        self.serving = serving = asyncio.create_task(self._serve())
        self.tasks.append(serving)
        while not self.web.started:
            if serving.done():
                await serving
            await asyncio.sleep(0.01)

    async def _serve(self) -> None:
        try:
            await self.web.serve()
        except SystemExit as error:  # how uvicorn says that the port is taken
            where = f"{self.settings.web_host}:{self.settings.web_port}"
            raise PortError(f"QUNYING_WEB_PORT: {where} cannot be opened, is it taken?") from error

    async def _telegram(self, telegram: TelegramAdapter) -> None:
        await telegram.connect()
        self._run(telegram.publish_commands())
        secret = self.settings.telegram_webhook_secret
        if self.settings.telegram_mode == "webhook" and secret is not None:
            url = f"{self.settings.public_url}/telegram/webhook"
            await telegram.open_webhook(url, secret.get_secret_value())
        else:
            await telegram.poll()

    async def _tidy(self) -> None:
        gone = FORGET_MAX
        while gone >= FORGET_MAX:  # a little at a time: events go between
            gone = await self.dispatcher.run(partial(tidy, now=self.clock()))

    async def _do_what_is_due(self) -> None:
        for programme_id in await self.dispatcher.run(partial(with_work, now=self.clock())):
            try:  # each by itself: one with broken rules does not stop the clock of the others
                await self._do_all_of(programme_id)
            except (LookupError, ValueError, LedgerError, RaceError) as error:
                _log.error("what is due in programme %d fails: %s", programme_id, error)
        await self._do_each(weekly.due, weekly.announce)
        await self._do_each(tags.due, tags.look)
        owners, now = self.settings.owners, self.clock()
        await self.dispatcher.run(lambda tx: tell(tx, owners, now))
        waiting = await self.dispatcher.run(reviews.count_all)
        if waiting > self.reviews:
            _log.warning("%d awards wait for somebody to look: python -m bot reviews list", waiting)
        self.reviews = waiting
        metrics.REVIEWS.set(waiting)

    async def _greet(self) -> None:
        """Greet who waits in a group, together with others."""
        for programme_id, group_id in await self.dispatcher.run(
            partial(arrivals.due, now=self.clock())
        ):
            job = partial(run_due, programme_id=programme_id, group_id=group_id, now=self.clock())
            try:
                await self.dispatcher.run(job)
            except (LookupError, ValueError, RaceError) as error:
                _log.error("nobody is greeted in programme %d: %s", programme_id, error)

    async def _do_each(
        self, due: Callable[[Tx, datetime], list[int]], do: Callable[[Tx, int, datetime], Any]
    ) -> None:
        """Do something in each programme in which it is due, apart from the others."""
        now = self.clock()
        for programme_id in await self.dispatcher.run(lambda tx: due(tx, now)):

            def job(tx: Tx, id_: int = programme_id) -> Any:
                return do(tx, id_, now)

            try:
                await self.dispatcher.run(job)
            except (LookupError, ValueError, LedgerError, RaceError) as error:
                _log.error("%s in programme %d fails: %s", do.__name__, programme_id, error)

    async def _do_all_of(self, programme_id: int) -> None:
        done = 1
        while done:  # a few hundred at a time: events go between
            job = partial(run_programme, programme_id=programme_id, now=self.clock())
            done = await self.dispatcher.run(job)

    async def _audit(self) -> None:
        """Prove the books beside the running bot; a fault is the operator's to look at."""
        try:
            faults = await asyncio.to_thread(_faults, self.engine)
        except DATABASE_ERRORS as error:
            _log.warning("the books could not be looked at: %s", type(error).__name__)
            return
        metrics.FAULTS.set(len(faults))
        for fault in faults:
            _log.error("the books are wrong: %s", fault)

    async def _look_at_lock(self) -> None:
        """End, rather than serve a database beside another process."""
        if self.lock is None:
            return
        try:
            held = await asyncio.to_thread(self.lock.held)
        except DATABASE_ERRORS:
            return  # it is away; nobody else can have it either
        if not held:
            self._run(_lock_lost())

    async def wait(self, stop: asyncio.Event) -> None:
        """Return when told to stop; what a part raises, is raised here."""
        stopped = asyncio.create_task(stop.wait())
        while not stop.is_set():
            parts = [stopped, *self.tasks]
            await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED, timeout=LOOK_S)
            for task in [task for task in self.tasks if task.done()]:
                self.tasks.remove(task)
                task.result()

    async def stop(self) -> None:
        """End intake, finish what is in flight, send what can be sent, keep the rest."""
        _log.info("stopping: what is in flight is finished")
        self.dispatcher.refuse_more()
        if self.telegram is not None:
            self.telegram.stop_intake()
        if self.local is not None:
            self.local.hang_up()
        self.web.should_exit = True
        await self.dispatcher.finish(STOP_COMMIT_S)
        left = await self.sender.stop(STOP_SEND_S)
        if self.serving is not None:
            await asyncio.wait([self.serving], timeout=STOP_WEB_S)
        for task in self.tasks:
            task.cancel()
        for ended in await asyncio.gather(*self.tasks, return_exceptions=True):
            if isinstance(ended, Exception) and not isinstance(ended, BusyError):
                _log.warning("while stopping: %s: %s", type(ended).__name__, ended)
        if self.heartbeat.running:
            self.heartbeat.stop()
        clean = await self.dispatcher.close(STOP_COMMIT_S)
        if self.telegram is not None:
            await self.telegram.close()
        self.pictures.close()
        down = "" if clean else "; the store is down"
        _log.info("stopped; %d messages wait for the next start%s", left, down)
