"""The one way out: the outbox to the platforms, within their budgets, in order within a chat."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any

import msgspec

from bot import metrics
from bot.adapters.base import (
    Adapter,
    InsteadError,
    MaybeSentError,
    MovedError,
    NotSentError,
    RetryAfterError,
    SendError,
    ShutOutError,
)
from bot.budget import Budget
from bot.clock import Clock
from bot.dispatcher import BusyError, ClosedError
from bot.line import HURRIED, TAP, Item, Key, Line, together
from bot.worker import Job
from handlers.event import Chat, Event
from handlers.event import Sender as Doer
from storage import direct, outbox, programmes
from storage.db import DATABASE_ERRORS, Tx, to_ms
from storage.outbox import Outgoing

_log = logging.getLogger(__name__)

MAYBE_SENT_TRIES = 2
MAYBE_SENT_WAIT_S = 1.0
NOT_SENT_WAIT_MAX_S = 60.0
OVERALL_BURST = 5
IN_FLIGHT_S = 2.0
LAST_MARKS_S = 0.5

Again = tuple[float, list[Item]]
"""What is to be tried again, after how many seconds."""


class Sender:
    """Sends what the outbox holds. Rows come from the dispatcher right after their commit, and
    from the table at start; a row leaves the table when it has been said.
    """  # noqa: D205 - two sentences of one thought

    def __init__(
        self,
        adapters: Iterable[Adapter],
        *,
        run: Callable[[Job], Awaitable[Any]],
        hear: Callable[[Event], Awaitable[Any]],
        clock: Clock,
    ) -> None:
        """`run` runs a job in a transaction, `hear` takes an event (the dispatcher's)."""
        self._adapters = {adapter.name: adapter for adapter in adapters}
        self._run = run
        self._hear = hear
        self._clock = clock
        self._lines: dict[tuple[str, str], Line] = {}
        self._overall = {
            name: Budget(_overall_rate(adapter), OVERALL_BURST)
            for name, adapter in self._adapters.items()
        }
        self._for_taps = {  # beside the messages', so that neither holds up the other
            name: Budget(_overall_rate(adapter), OVERALL_BURST)
            for name, adapter in self._adapters.items()
        }
        self._known: set[Key] = set()
        self._marks: dict[str, list[Key]] = {}
        self._marking: asyncio.Task[None] | None = None
        self._taps: set[asyncio.Task[None]] = set()
        self._stopped = False
        self._idle: asyncio.Event | None = None

    @property
    def waiting(self) -> int:
        """How many rows have not been dealt with."""
        return len(self._known)

    @property
    def lines(self) -> int:
        """How many chats are kept in mind."""
        return len(self._lines)

    async def start(self) -> None:
        """Take up what an earlier run left."""
        interrupted = await self._run(outbox.give_up_interrupted)
        if interrupted:
            _log.warning("%d posts may or may not have been sent when we stopped", interrupted)
        await self.reload()

    async def reload(self) -> None:
        """Take up rows that were committed without our hearing of it (a connection lost then)."""
        self.put(await self._run(outbox.waiting))

    def put(self, rows: Iterable[Outgoing]) -> None:
        """Queue rows that are durable in the outbox; rows known already are left alone."""
        for out in rows:
            key = (out.programme_id, out.id)
            if key in self._known or out.platform not in self._adapters or self._stopped:
                continue
            self._known.add(key)
            try:
                self._queue(Item.of(out))
            except msgspec.DecodeError:  # written by a version that spoke otherwise
                _log.exception("message %d cannot be read", out.id)
                self._marks.setdefault("failed", []).append(key)
                self._done([], "failed")
        metrics.OUTBOX.set(self.waiting)

    def _queue(self, item: Item) -> None:
        if item.out.kind in HURRIED:
            self._hurry(self._tap(item))
            return
        line = self._line(item.out.platform, item.out.chat_id)
        replaced = line.add(item)
        if replaced is not None:
            self._done([replaced], "superseded")
        if line.turn is not None and item.priority < line.turn_priority:
            line.turn_priority = item.priority
            self._overall[line.platform].hurry(line.turn, item.priority)
        if line.task is None:
            line.task = asyncio.create_task(self._drain(line))

    def _line(self, platform: str, chat_id: str) -> Line:
        key = (platform, chat_id)
        if key not in self._lines:
            adapter = self._adapters[platform]
            per_minute = adapter.per_minute(chat_id)
            budget = Budget(per_minute / 60 if per_minute else None, adapter.limits.chat_burst)
            self._lines[key] = Line(platform, chat_id, budget)
        return self._lines[key]

    def _forget(self, line: Line) -> None:
        if line.idle:
            self._lines.pop((line.platform, line.chat_id), None)
        elif line.task is None:  # ask again when its budget has come back
            wait_s = max(line.budget.full_in_s, line.not_before - time.monotonic(), 0.01)
            asyncio.get_running_loop().call_later(wait_s, self._forget, line)

    def _hurry(self, work: Any) -> None:
        """Do what costs no message of the chat's: at once, beside everything else."""
        task = asyncio.create_task(work)
        self._taps.add(task)
        task.add_done_callback(self._taps.discard)

    async def _tap(self, item: Item) -> None:
        wait_s = 0.0
        while True:
            await asyncio.sleep(wait_s)
            await self._for_taps[item.out.platform].take(TAP)
            if self._expired(item):
                self._for_taps[item.out.platform].give_back()
                return
            again = await self._send([item], failures=item.tries)
            if again is None:
                return
            wait_s = again[0]

    async def _drain(self, line: Line) -> None:
        try:
            while line.items and not self._stopped:
                await self._turn(line)
                if not line.items:
                    continue
                items = line.take(self._adapters[line.platform].limits.text_max)
                line.sending = True
                again = await self._send(items, failures=line.failures)
                line.sending = False
                if again is None:
                    line.failures = 0
                else:
                    line.failures += again[0] > 0
                    line.put_back(again[1], again[0])
        finally:
            line.sending = False
            line.task = None
            self._forget(line)

    async def _turn(self, line: Line) -> None:
        """Wait until the chat may be written to; what is too late by then costs nothing."""
        await asyncio.sleep(max(0.0, line.not_before - time.monotonic()))
        line.items = [item for item in line.items if not self._expired(item)]
        if not line.items:
            return
        overall = self._overall[line.platform]
        await line.budget.take(0)
        line.turn_priority = line.items[0].priority
        line.turn = overall.ask(line.turn_priority)
        try:
            await line.turn
        finally:
            line.turn = None
        line.items = [item for item in line.items if not self._expired(item)]
        if not line.items:
            line.budget.give_back()
            overall.give_back()

    async def _send(self, items: list[Item], *, failures: int) -> Again | None:
        """Send items as one message; return what is to be tried again."""
        try:
            return await self._attempt(items, failures)
        except ClosedError:  # we are stopping: the next start does it once more
            return MAYBE_SENT_WAIT_S, items
        except DATABASE_ERRORS as error:  # a mark could not be written: nothing is known to be said
            _log.warning("the outbox cannot be marked: %s", type(error).__name__)
            return MAYBE_SENT_WAIT_S, items
        except Exception:  # noqa: BLE001 - one of three last stands: a bug must not stop the rest
            _log.exception("message %d could not be sent", items[0].out.id)
            self._done(items, "failed")
            return None

    async def _attempt(self, items: list[Item], failures: int) -> Again | None:
        first = items[0]
        adapter = self._adapters[first.out.platform]
        if first.reply.once and not first.marked:
            await self._run(partial(outbox.mark, rows=[first.key], state="sending"))
            first.marked = True
        for item in items:
            item.tries += 1
        first.parts = first.parts or adapter.fit(together(items))
        try:
            made = await adapter.deliver(first.parts[0])
        except SendError as error:
            return await self._judge(items, error, failures)
        del first.parts[0]
        if first.parts:
            first.tries = 0
            return 0.0, items
        age_s = (to_ms(self._clock()) - first.out.created_ms) / 1000
        metrics.SEND_SECONDS.observe(max(0.0, age_s))
        if first.reply.action is not None:
            await self._tell_of(first, text=made)
        self._done(items, "said")
        return None

    async def _judge(self, items: list[Item], error: SendError, failures: int) -> Again | None:
        """Return what is to be tried again after an error; the rest is dealt with."""
        first = items[0]
        if isinstance(error, InsteadError):
            return self._instead(items, error)
        if len(items) > 1:
            first.parts = []
        if isinstance(error, MovedError):
            await self._follow(items, error.chat_id)
            return None
        if isinstance(error, RetryAfterError | NotSentError):
            for item in items:
                item.tries -= 1
            if first.reply.once:  # nobody has read it: a restart may say it
                await self._run(partial(outbox.mark, rows=[first.key], state="waiting"))
                first.marked = False
            told = isinstance(error, RetryAfterError)
            self._count(first, "retry_after" if told else "not_sent")
            _log.warning("message %d to %s: %s", first.out.id, first.out.platform, error)
            grown = min(NOT_SENT_WAIT_MAX_S, 2.0 ** min(failures, 6))
            return error.seconds if isinstance(error, RetryAfterError) else grown, items
        _log.warning("message %d to %s: %s", first.out.id, first.out.platform, error)
        if not isinstance(error, MaybeSentError):
            if first.reply.action is not None:
                await self._tell_of(first, refused=str(error))
            if isinstance(error, ShutOutError):
                out = first.out
                await self._run(partial(direct.forget, platform=out.platform, chat_id=out.chat_id))
            self._done(items, "failed")
            return None
        self._count(first, "maybe_sent")
        again = [i for i in items if not i.reply.once and i.tries < MAYBE_SENT_TRIES]
        self._done([item for item in items if item not in again], "unknown")
        return (MAYBE_SENT_WAIT_S, again) if again else None

    async def _tell_of(self, item: Item, *, text: str = "", refused: str = "") -> None:
        """Let it be heard what came of an action. Errors: ClosedError, it is done again then."""
        out, action = item.out, item.reply.action
        if action is None or not action.ref:
            return
        event = Event(
            key=f"did:{out.programme_id}:{out.id}",
            platform=out.platform,
            kind="did",
            chat=Chat(out.chat_id, "group"),
            sender=Doer("", "", "bot"),
            at=self._clock(),
            text=text,
            target=action.ref,
            refused=refused,
        )
        while True:
            try:
                await self._hear(event)
            except ClosedError:
                raise
            except BusyError as busy:
                await asyncio.sleep(busy.retry_after_s)
            else:
                return

    def _instead(self, items: list[Item], error: InsteadError) -> Again | None:
        """Send something else in a part's place, within the chat's budget as well."""
        first = items[0]
        adapter = self._adapters[first.out.platform]
        self._count(first, "instead")
        _log.info("message %d to %s: %s", first.out.id, first.out.platform, error)
        first.parts = [part for row in error.rows for part in adapter.fit(row)] + first.parts[1:]
        if not first.parts:  # a picture without words
            self._done(items, "failed")
            return None
        for item in items:
            item.tries = 0
        return 0.0, items

    async def _follow(self, items: list[Item], new: str) -> None:
        """Send to the chat that a chat has become, what waits for it included."""
        platform, old = items[0].out.platform, items[0].out.chat_id

        def follow(tx: Tx) -> None:
            programmes.follow_chat(tx, platform, old, new)
            outbox.follow_chat(tx, platform, old, new)

        await self._run(follow)
        line = self._line(platform, old)
        moved, line.items = [*items, *line.items], []
        for item in moved:
            item.out, item.parts = item.out._replace(chat_id=new), []
            self._queue(item)

    def _expired(self, item: Item) -> bool:
        late = to_ms(self._clock()) > item.out.expires_ms
        if late:
            self._done([item], "expired")
        return late

    def _count(self, item: Item, state: str) -> None:
        metrics.SENDS.labels(item.out.platform, state).inc()

    def _done(self, items: list[Item], state: str) -> None:
        kept = state in {"unknown", "failed"}
        for item in items:
            self._count(item, state)
            self._marks.setdefault(state if kept else "said", []).append(item.key)
        if self._marks and self._marking is None:
            self._marking = asyncio.create_task(self._mark())

    async def _mark(self) -> None:
        """Write what became of rows; marks gather while the last ones are being written."""
        try:
            while self._marks:
                marks, self._marks = self._marks, {}
                try:
                    await self._run(partial(_write_marks, marks=marks))
                except BaseException:
                    for state, keys in self._marks.items():
                        marks.setdefault(state, []).extend(keys)
                    self._marks = marks  # not written: they are for the next time
                    raise
                for keys in marks.values():
                    self._known.difference_update(keys)
                metrics.OUTBOX.set(self.waiting)
        finally:
            self._marking = None
            if self._idle and not self._known:
                self._idle.set()

    async def stop(self, grace_s: float) -> int:
        """Send what can be sent in that time; return how many rows stay for the next start."""
        if self._known:
            self._idle = asyncio.Event()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), grace_s)
        self._stopped = True
        busy = [line.task for line in self._lines.values() if line.task and line.sending]
        if busy:  # cut off now, they would be said again at the next start
            await asyncio.wait(busy, timeout=IN_FLIGHT_S)
        tasks = [line.task for line in self._lines.values() if line.task] + list(self._taps)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        marking = self._marking or (asyncio.create_task(self._mark()) if self._marks else None)
        if marking is not None:
            await asyncio.wait([marking], timeout=LAST_MARKS_S)
            marking.cancel()
            await asyncio.gather(marking, return_exceptions=True)
        return len(self._known)


def _overall_rate(adapter: Adapter) -> float | None:
    """Return the steady rate that leaves room for the burst within any second."""
    most = adapter.limits.overall_per_second
    return max(1.0, most - OVERALL_BURST) if most else None


def _write_marks(tx: Tx, marks: dict[str, list[Key]]) -> None:
    for state, keys in marks.items():
        if state == "said":
            outbox.said(tx, keys)
        else:
            outbox.mark(tx, keys, state)
