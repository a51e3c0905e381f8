"""The one way out: the outbox to the platforms, within their budgets, in order within a chat."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec

from bot import metrics
from bot.adapters.base import (
    Adapter,
    MaybeSentError,
    MovedError,
    NotSentError,
    RetryAfterError,
    SendError,
    units,
)
from bot.budget import Budget
from bot.clock import Clock
from bot.worker import Job
from content.message import pack, unpack
from storage import outbox, programmes
from storage.db import Tx, to_ms
from storage.outbox import Outgoing

_log = logging.getLogger(__name__)

TAP, ANSWER, POST, LIVE_EDIT = range(4)
MAYBE_SENT_TRIES = 2
WAIT_MAX_S = 60.0
MERGED_MAX = 20
CHATS_KEPT = 1000
Key = tuple[int, int]


@dataclass(slots=True)
class _Item:
    out: Outgoing
    priority: int
    once: bool
    tries: int = 0

    @property
    def key(self) -> Key:
        return self.out.programme_id, self.out.id


@dataclass(slots=True)
class _Chat:
    """What waits for one chat, most important first, then in order."""

    budget: Budget
    items: list[_Item] = field(default_factory=list)
    not_before: float = 0.0
    failures: int = 0
    task: asyncio.Task[None] | None = None

    def add(self, item: _Item) -> _Item | None:
        """Queue an item; return the waiting edit of the same message that it replaces, if any."""
        if item.out.kind == "edit":
            for index, other in enumerate(self.items):
                if other.out.kind == "edit" and other.out.target == item.out.target:
                    self.items[index] = item
                    return other
        self.items.append(item)
        self.items.sort(key=lambda waiting: (waiting.priority, waiting.out.id))
        return None


class Sender:
    """Sends what the outbox holds. Rows come from the dispatcher right after their commit, and
    from the table at start; a row leaves the table when it has been said.
    """  # noqa: D205 - two sentences of one thought

    def __init__(
        self,
        adapters: Iterable[Adapter],
        *,
        run: Callable[[Job], Awaitable[Any]],
        clock: Clock,
    ) -> None:
        """`run` runs a job in a transaction (the dispatcher's)."""
        self._adapters = {adapter.name: adapter for adapter in adapters}
        self._run = run
        self._clock = clock
        self._chats: dict[tuple[str, str], _Chat] = {}
        self._chats_max = CHATS_KEPT
        self._overall = {
            name: Budget(adapter.limits.overall_per_second, adapter.limits.overall_per_second or 1)
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
            self._queue(_Item(out, _priority(out), unpack(out.payload).once))
        metrics.OUTBOX.set(self.waiting)

    def _queue(self, item: _Item) -> None:
        if item.out.kind == "tap":  # no message, no budget of the chat: at once
            task = asyncio.create_task(self._tap(item))
            self._taps.add(task)
            task.add_done_callback(self._taps.discard)
            return
        chat = self._chat(item.out.platform, item.out.chat_id)
        replaced = chat.add(item)
        if replaced is not None:
            self._done(replaced, "superseded")
        if chat.task is None:
            chat.task = asyncio.create_task(self._drain(chat))

    def _chat(self, platform: str, chat_id: str) -> _Chat:
        key = (platform, chat_id)
        if key not in self._chats:
            if len(self._chats) >= self._chats_max:
                self._forget_idle_chats()
            adapter = self._adapters[platform]
            per_minute = adapter.per_minute(chat_id)
            rate = per_minute / 60 if per_minute else None
            self._chats[key] = _Chat(Budget(rate, adapter.limits.chat_burst))
        return self._chats[key]

    def _forget_idle_chats(self) -> None:
        now = time.monotonic()
        self._chats = {
            key: chat
            for key, chat in self._chats.items()
            if chat.task or chat.items or chat.not_before > now or not chat.budget.full
        }
        self._chats_max = max(CHATS_KEPT, 2 * len(self._chats))

    async def _tap(self, item: _Item) -> None:
        while not self._expired(item):
            await self._overall[item.out.platform].take(TAP)
            wait_s = await self._send(item)
            if wait_s is None:
                return
            await asyncio.sleep(wait_s)

    async def _drain(self, chat: _Chat) -> None:
        try:
            while chat.items and not self._stopped:
                await self._turn(chat)
                if chat.items:
                    await self._next(chat)
        finally:
            chat.task = None

    async def _next(self, chat: _Chat) -> None:
        item = chat.items.pop(0)
        if self._expired(item):
            return
        merged = self._merge(chat, item)
        wait_s = await self._send(item, merged)
        chat.failures = 0 if wait_s is None else chat.failures + 1
        if wait_s is not None:
            chat.not_before = time.monotonic() + wait_s
            chat.items[:0] = [item, *merged]

    async def _turn(self, chat: _Chat) -> None:
        """Wait until the chat may be written to; what comes meanwhile may go first."""
        await asyncio.sleep(max(0.0, chat.not_before - time.monotonic()))
        first = chat.items[0]
        await chat.budget.take(first.priority)
        if chat.items:
            await self._overall[first.out.platform].take(chat.items[0].priority)

    def _merge(self, chat: _Chat, item: _Item) -> list[_Item]:
        """Take what may go in the same message, when the chat's budget is spent."""
        merged: list[_Item] = []
        if not chat.budget.spent or not _mergeable(item):
            return merged
        most = self._adapters[item.out.platform].limits.text_max
        size = units(unpack(item.out.payload).text)
        while chat.items and len(merged) < MERGED_MAX - 1:
            other = chat.items[0]
            size += units(unpack(other.out.payload).text) + 2
            if not _mergeable(other) or other.out.thread != item.out.thread or size > most:
                break
            chat.items.pop(0)
            if not self._expired(other):
                merged.append(other)
        return merged

    async def _send(self, item: _Item, merged: list[_Item] | None = None) -> float | None:
        """Send; return None when it is over and done with, else how many seconds to wait."""
        adapter = self._adapters[item.out.platform]
        items = [item, *(merged or [])]
        if item.once and item.tries == 0:
            await self._run(lambda tx: outbox.mark(tx, [item.key], "sending"))
        item.tries += 1
        try:
            await adapter.deliver(_together(items))
        except SendError as error:
            wait_s, state = await self._judge(items, error)
            if wait_s is not None or not state:
                return wait_s
        except Exception:  # noqa: BLE001 - the last stand of three: a bug here must not stop the rest
            _log.exception("message %d could not be sent", item.out.id)
            state = "failed"
        else:
            state = "said"
            age_s = (to_ms(self._clock()) - item.out.created_ms) / 1000
            metrics.SEND_SECONDS.observe(max(0.0, age_s))
        for each in items:
            self._done(each, state)
        return None

    async def _judge(self, items: list[_Item], error: SendError) -> tuple[float | None, str]:
        """Return after how many seconds to try again, or else the state that it ends in.

        Neither (None and an empty state): the items have been queued elsewhere.
        """
        item = items[0]
        if isinstance(error, RetryAfterError):
            item.tries -= 1
            self._count(item, "retry_after")
            return error.seconds, ""
        if isinstance(error, NotSentError):
            item.tries -= 1
            self._count(item, "not_sent")
            _log.warning("%s cannot be reached: %s", item.out.platform, error)
            return min(WAIT_MAX_S, 2.0 ** min(self._failures(item), 6)), ""
        if isinstance(error, MovedError):
            await self._follow(items, error.chat_id)
            return None, ""
        _log.warning("message %d to %s: %s", item.out.id, item.out.platform, error)
        if isinstance(error, MaybeSentError):
            self._count(item, "maybe_sent")
            again = not item.once and item.tries < MAYBE_SENT_TRIES
            return (1.0, "") if again else (None, "unknown")
        return None, "failed"

    def _failures(self, item: _Item) -> int:
        chat = self._chats.get((item.out.platform, item.out.chat_id))
        return chat.failures if chat else 0

    async def _follow(self, items: list[_Item], new: str) -> None:
        platform, old = items[0].out.platform, items[0].out.chat_id

        def follow(tx: Tx) -> None:
            programmes.follow_chat(tx, platform, old, new)
            outbox.follow_chat(tx, platform, old, new)

        await self._run(follow)
        waiting = self._chat(platform, old).items
        moved = [*items, *waiting]
        waiting.clear()
        for item in moved:
            item.out = item.out._replace(chat_id=new)
            self._queue(item)

    def _expired(self, item: _Item) -> bool:
        late = to_ms(self._clock()) > item.out.expires_ms
        if late:
            self._done(item, "expired")
        return late

    def _count(self, item: _Item, state: str) -> None:
        metrics.SENDS.labels(item.out.platform, state).inc()

    def _done(self, item: _Item, state: str) -> None:
        self._count(item, state)
        kept = state in {"unknown", "failed"}
        self._marks.setdefault(state if kept else "said", []).append(item.key)
        if self._marking is None:
            self._marking = asyncio.create_task(self._mark())

    async def _mark(self) -> None:
        """Write what became of rows; marks gather while the last ones are being written."""
        try:
            while self._marks:
                marks, self._marks = self._marks, {}
                await self._run(partial(_write_marks, marks=marks))
                self._forget(key for keys in marks.values() for key in keys)
        finally:
            self._marking = None

    def _forget(self, keys: Iterable[Key]) -> None:
        """Let go of rows, now that the outbox itself says what became of them."""
        self._known.difference_update(keys)
        metrics.OUTBOX.set(self.waiting)
        if self._idle and not self._known:
            self._idle.set()

    async def stop(self, grace_s: float) -> int:
        """Send what can be sent in that time; return how many rows stay for the next start."""
        if self._known:
            self._idle = asyncio.Event()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), grace_s)
        self._stopped = True
        tasks = [chat.task for chat in self._chats.values() if chat.task] + list(self._taps)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._marking is not None:
            await self._marking
        return len(self._known)


def _priority(out: Outgoing) -> int:
    if out.kind == "tap":
        return TAP
    if out.person:
        return ANSWER
    return LIVE_EDIT if out.kind == "edit" else POST


def _mergeable(item: _Item) -> bool:
    return item.out.kind == "say" and item.priority == ANSWER and not item.once


def _together(items: list[_Item]) -> Outgoing:
    """Return one row that says what all of them say, with the last one's buttons."""
    if len(items) == 1:
        return items[0].out
    replies = [unpack(item.out.payload) for item in items]
    text = "\n\n".join(reply.text for reply in replies)
    whole = msgspec.structs.replace(replies[-1], text=text)
    return items[0].out._replace(payload=pack(whole), target=None)


def _write_marks(tx: Tx, marks: dict[str, list[Key]]) -> None:
    for state, keys in marks.items():
        if state == "said":
            outbox.said(tx, keys)
        else:
            outbox.mark(tx, keys, state)
