"""Posting updates to the bot: in order per queue, again and again until a 2xx or old age."""

import asyncio
import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from .state import State
from .updates import Entry

SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"
MAX_RETRY_AFTER = 3600.0
GONE = 410
GONE_FOR = 23 * 3600.0


@dataclass(frozen=True)
class Attempt:
    """One posting of one update; status 0 when there was no answer."""

    update_id: int
    status: int
    #: Seconds that a real server would wait before the next try (None after success).
    delay: float | None


class Webhook:
    """The posting side of one setWebhook."""

    def __init__(
        self, state: State, url: str, secret: str, most: int, *, on_gone: Callable[[], None]
    ) -> None:
        self.state = state
        self.url = url
        self.secret = secret
        self.most = most
        self.on_gone = on_gone
        self.woken = asyncio.Event()
        self.last_error: tuple[int, str] | None = None
        self._gone_since: float | None = None
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._client = httpx.AsyncClient(
            trust_env=False, timeout=state.webhook_timeout, follow_redirects=False
        )
        self.woken.set()
        self._main = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop posting; what was not delivered stays in the queue."""
        tasks = [self._main, *self._tasks.values()]
        tasks = [task for task in tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.aclose()

    async def _run(self) -> None:
        while True:
            await self.woken.wait()
            self.woken.clear()
            with self.state.lock:
                self.state.queue.drop_expired()
                entries = sorted(self.state.queue.entries, key=lambda e: e.id)
            for entry in entries:
                if len(self._tasks) >= self.most:
                    break
                # One at a time per queue: a later update waits for the retries of an earlier one.
                if entry.queue not in self._tasks:
                    self._tasks[entry.queue] = asyncio.create_task(self._deliver(entry))

    async def _deliver(self, entry: Entry) -> None:
        delay = 1.0
        try:
            while entry.expires > self.state.clock.now():
                wait = await self._post(entry, delay)
                if wait is None:
                    with self.state.lock:
                        self.state.queue.remove(entry)
                    return
                delay = min(delay * 2, random.uniform(60, 120))
                await self._sleep(wait, entry)
            with self.state.lock:
                self.state.queue.remove(entry)
        finally:
            self._tasks.pop(entry.queue, None)
            self.woken.set()

    async def _sleep(self, seconds: float, entry: Entry) -> None:
        """Wait, scaled; skipped time counts, and an update that has grown too old ends the wait."""
        clock = self.state.clock
        until = clock.now() + seconds
        real_end = asyncio.get_running_loop().time() + seconds * self.state.webhook_time_scale
        while clock.now() < min(until, entry.expires):
            left = real_end - asyncio.get_running_loop().time()
            if left <= 0:
                return
            await asyncio.sleep(min(left, 0.02))

    async def _post(self, entry: Entry, delay: float) -> float | None:
        """Post once; None means delivered, else the seconds to wait."""
        headers = {SECRET_HEADER: self.secret} if self.secret else {}
        try:
            answer = await self._client.post(self.url, json=entry.update, headers=headers)
        except httpx.HTTPError as error:
            return self._failed(entry, 0, delay, f"Connection failed: {type(error).__name__}")
        if not answer.is_success:
            with contextlib.suppress(ValueError):
                asked = float(answer.headers.get("Retry-After", ""))
                delay = min(max(asked, 1.0), MAX_RETRY_AFTER)
            reason = f"{answer.status_code} {answer.reason_phrase}"
            return self._failed(
                entry, answer.status_code, delay, f"Wrong response from the webhook: {reason}"
            )
        self._gone_since = None
        self._note(entry, answer.status_code, None)
        if self._lose_answer():
            return delay
        with contextlib.suppress(ValueError):
            body = answer.json()
            if isinstance(body, dict) and "method" in body:
                # A method may ride on the answer; nobody hears what came of it.
                self.state.call_in_answer(body)
        return None

    def _lose_answer(self) -> bool:
        with self.state.lock:
            if self.state.webhook_duplicates <= 0:
                return False
            self.state.webhook_duplicates -= 1
            return True

    def _failed(self, entry: Entry, status: int, delay: float, message: str) -> float:
        now = self.state.clock.now()
        self.last_error = (int(now), message)
        self._note(entry, status, delay)
        if status != GONE:
            self._gone_since = None
        elif self._gone_since is None:
            self._gone_since = now
        elif now - self._gone_since >= GONE_FOR:
            self.on_gone()
        return delay

    def _note(self, entry: Entry, status: int, delay: float | None) -> None:
        with self.state.lock:
            self.state.webhook_attempts.append(Attempt(entry.id, status, delay))
            self.state.changed.notify_all()
