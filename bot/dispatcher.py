"""The queue between the doors and the store: batches by group commit, in order within a chat."""

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from zlib import crc32

from bot import metrics
from bot.hearing import hear
from bot.worker import Asked, Job, Outcome, StoreDownError, Unit, Worker
from handlers.event import Event
from handlers.router import Router
from storage.movement import Posted, Posting
from storage.outbox import Outgoing
from storage.talk import Talk

_log = logging.getLogger(__name__)

BATCH_MAX = 256
POSTING_SHARE = 0.25
"""What a posting takes of a batch's room: it is a small part of the work that an event is."""
QUEUE_MAX = 10_000
RETRY_WAIT_MAX_S = 2.0


class BusyError(Exception):
    """The queue is full; the caller may try again after `retry_after_s`."""

    def __init__(self, retry_after_s: float) -> None:
        """Say when to try again."""
        super().__init__(f"busy, try again in {retry_after_s:.0f} s")
        self.retry_after_s = retry_after_s


class ClosedError(BusyError):
    """The bot is stopping and takes nothing more."""


@dataclass(slots=True)
class _Waiting:
    unit: Unit
    done: asyncio.Future[Outcome]
    since: float


class Dispatcher:
    """Takes units from the event loop and runs them on worker threads, one queue per thread."""

    def __init__(
        self,
        workers: list[Worker],
        router: Router,
        *,
        talk: Talk | None = None,
        queue_max: int = QUEUE_MAX,
    ) -> None:
        """Start a thread for each worker; must be called on the event loop that submits."""
        self.router = router
        self._talk = talk
        self.say: Callable[[list[Outgoing]], None] = lambda _rows: None
        """Called on the loop after each commit with what is to be said (the sender's `put`)."""
        self.recovered: Callable[[], None] = lambda: None
        """Called on the loop when rows may wait in the outbox that `say` was not told of."""
        self._queue_max = queue_max
        self._loop = asyncio.get_running_loop()
        self._waiting = 0
        self._closed = False
        self._idle: asyncio.Event | None = None
        self._abandon = threading.Event()
        self.store_up = True
        self._queues: list[queue.SimpleQueue[_Waiting | None]] = [
            queue.SimpleQueue() for _ in workers
        ]
        self._threads = [
            threading.Thread(
                target=self._serve, args=(worker, line), name=f"worker-{number}", daemon=True
            )
            for number, (worker, line) in enumerate(zip(workers, self._queues, strict=True))
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """How many units wait or are being worked on."""
        return self._waiting

    def submit(self, event: Event, *, bot_name: str = "") -> asyncio.Future[Outcome]:
        """Queue an event; the future is done when its effects are durable.

        What nobody asked us about, and is worth no points, is answered at once with the state
        `ignored`.
        Errors: BusyError when the queue is full, ClosedError while stopping.
        """
        # Talk gives way before what is asked for: it is not heard while the queue is half full.
        room = not self._closed and self._waiting * 2 < self._queue_max
        unit = hear(event, self.router, self._talk if room else None, bot_name=bot_name)
        if unit is None:
            metrics.EVENTS.labels(event.platform, "ignored").inc()
            done = self._loop.create_future()
            done.set_result(Outcome("ignored"))
            return done
        # By person, not by chat: it is a member's rows that are locked, and he has several chats.
        line = crc32(f"{event.platform}:{event.sender.id}".encode()) % len(self._queues)
        return self._enqueue(unit, line)

    async def run(self, job: Job) -> Any:
        """Run a function over the open transaction of a batch; return what it returns.

        For marks, console writes and the like; whatever it raises is raised here, undone.
        """
        outcome = await self._enqueue(job, 0, closing=True)
        if outcome.error is not None:
            raise outcome.error
        return outcome.value

    async def ask(self, job: Job, *, lane: int) -> Any:
        """Run a job like `run`, but wait in the queue like an event: jobs of one lane in order.

        Errors: BusyError when the queue is full, ClosedError while stopping, and the job's own.
        """
        outcome = await self._enqueue(job, lane % len(self._queues))
        if outcome.error is not None:
            raise outcome.error
        return outcome.value

    def post(self, posting: Posting) -> Coroutine[Any, Any, Posted]:
        """Make one movement; those that wait at the same time are made together.

        Errors: at once BusyError when the queue is full, ClosedError while stopping; when it is
        awaited the ledger's.
        """
        owner = posting.target.owner_id or posting.source.owner_id
        return _posted(self._enqueue(posting, owner % len(self._queues)))

    def _enqueue(self, unit: Unit, line: int, *, closing: bool = False) -> asyncio.Future[Outcome]:
        if self._closed and not closing:
            raise ClosedError(5)
        if self._waiting >= self._queue_max and not closing:
            metrics.BUSY.inc()
            raise BusyError(1)
        self._waiting += 1
        item = _Waiting(unit, self._loop.create_future(), time.monotonic())
        self._queues[line].put(item)
        return item.done

    async def close(self, timeout_s: float) -> bool:
        """Take nothing more, finish what is queued; False when the store would not let us."""
        self._closed = True
        clean = await self.finish(timeout_s)
        self._abandon.set()
        for line in self._queues:
            line.put(None)
        for thread in self._threads:
            await asyncio.to_thread(thread.join, timeout_s)
        return clean

    def refuse_more(self) -> None:
        """Let doors be refused from now on; the sender's marks still pass."""
        self._closed = True

    async def finish(self, timeout_s: float) -> bool:
        """Wait until nothing is queued or in work; False when that takes too long."""
        if self._waiting:
            self._idle = asyncio.Event()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), timeout_s)
        return not self._waiting

    def _serve(self, worker: Worker, line: queue.SimpleQueue[_Waiting | None]) -> None:
        while (batch := _next_batch(line)) is not None:
            self._work(worker, batch)

    def _work(self, worker: Worker, batch: list[_Waiting]) -> None:
        wait_s = 0.05
        while batch:
            try:
                outcomes = worker.run([item.unit for item in batch])
            except StoreDownError as error:
                self._store_is(up=False, why=str(error))
                pairs = list(zip(batch, error.outcomes, strict=True))
                self._finish([pair for pair in pairs if pair[1].state != "again"])
                batch = [item for item, outcome in pairs if outcome.state == "again"]
                if self._abandon.wait(wait_s):
                    self._loop.call_soon_threadsafe(self._give_up, batch)
                    return
                wait_s = min(wait_s * 2, RETRY_WAIT_MAX_S)
            except Exception as error:  # noqa: BLE001 - this thread must not end
                _log.exception("a batch of %d failed", len(batch))
                self._finish([(item, Outcome("failed", error=error)) for item in batch])
                return
            else:
                self._store_is(up=True)
                self._finish(list(zip(batch, outcomes, strict=True)))
                if worker.unsure:
                    worker.unsure = False
                    self._loop.call_soon_threadsafe(self.recovered)
                return

    def _store_is(self, *, up: bool, why: str = "") -> None:
        if up == self.store_up:
            return
        self.store_up = up
        if up:
            _log.warning("the store answers again")
        else:
            _log.error("the store is down, events wait: %s", why)

    def _finish(self, done: list[tuple[_Waiting, Outcome]]) -> None:
        metrics.BATCH.observe(len(done))
        self._loop.call_soon_threadsafe(self._deliver, done)

    def _deliver(self, done: list[tuple[_Waiting, Outcome]]) -> None:
        self._waiting -= len(done)
        now = time.monotonic()
        say: list[Outgoing] = []
        for item, outcome in done:
            if isinstance(item.unit, Asked):
                metrics.EVENTS.labels(item.unit.event.platform, outcome.state).inc()
                metrics.EVENT_SECONDS.observe(now - item.since)
            say += outcome.say
            if not item.done.done():
                item.done.set_result(outcome)
        if say:
            self.say(say)
        if self._idle and not self._waiting:
            self._idle.set()

    def _give_up(self, batch: list[_Waiting]) -> None:
        for item in batch:
            if not item.done.done():
                item.done.set_exception(ClosedError(5))


async def _posted(done: asyncio.Future[Outcome]) -> Posted:
    outcome = await done
    if outcome.error is not None:
        raise outcome.error
    posted: Posted = outcome.value
    return posted


def _next_batch(line: queue.SimpleQueue[_Waiting | None]) -> list[_Waiting] | None:
    """Wait for one unit and take with it whatever is there already; None ends the thread."""
    first = line.get()
    if first is None:
        return None
    batch = [first]
    room = BATCH_MAX - _share(first)
    while room > 0:
        try:
            item = line.get_nowait()
        except queue.Empty:
            break
        if item is None:
            line.put(None)
            break
        batch.append(item)
        room -= _share(item)
    return batch


def _share(item: _Waiting) -> float:
    return POSTING_SHARE if isinstance(item.unit, Posting) else 1
