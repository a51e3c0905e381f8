"""getUpdates and the methods that choose between it and a webhook."""

import asyncio
import contextlib
import re
import time
from typing import Any

from .errors import ApiError, bad_request, flood
from .state import Json, State
from .webhook import Webhook

MAX_POLL = 50
CONFLICT = "terminated by other getUpdates request; make sure that only one bot instance is running"
WEBHOOK_ACTIVE = (
    "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook "
    "first"
)
_SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")


class Poll:
    """One waiting getUpdates call."""

    def __init__(self) -> None:
        self.woken = asyncio.Event()
        self.refused: str | None = None


class Delivery:
    """How updates leave the queue; lives on the server's loop."""

    def __init__(self, state: State, closing: asyncio.Event) -> None:
        self.state = state
        self.closing = closing
        self.poll: Poll | None = None
        self.webhook: Webhook | None = None
        self._last_poll = (-1, 0.0)
        self._last_conflict = 0.0
        self._webhook_sets: list[float] = []
        self._closer: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """Look at the queue again."""
        if self.poll:
            self.poll.woken.set()
        if self.webhook:
            self.webhook.woken.set()

    def allow(self, p: Json) -> None:
        """Take over the wanted kinds; an omitted list keeps the old one, an empty one resets it."""
        if (wanted := p.get("allowed_updates")) is not None:
            kinds = self.state.schema.update_kinds if self.state.schema else None
            # Unknown names are passed over silently, as the server does.
            self.state.queue.allowed = [k for k in wanted if kinds is None or k in kinds] or None

    async def get_updates(self, p: Json) -> list[Json]:
        """Answer at once when something waits, else when something comes or time is up."""
        if self.webhook:
            raise ApiError(409, WEBHOOK_ACTIVE)
        offset, timeout = p.get("offset", 0), min(max(p.get("timeout", 0), 0), MAX_POLL)
        limit = p.get("limit", 100)
        limit = limit if 1 <= limit <= 100 else 100
        started = time.monotonic()
        with self.state.lock:
            self.allow(p)
            if self.state.limits.poll_guard and self._last_poll[0] == offset:
                since = started - self._last_poll[1]
                timeout = 3 if timeout < 3 and since < 3 else timeout
                limit = 1 if since < 0.5 else limit
        self._last_poll = (offset, started)
        self._end_poll(CONFLICT)
        poll = self.poll = Poll()
        try:
            return await self._wait(poll, offset, limit, started + timeout)
        finally:
            if self.poll is poll:
                self.poll = None

    async def _wait(self, poll: Poll, offset: int, limit: int, until: float) -> list[Json]:
        while True:
            poll.woken.clear()
            if poll.refused:
                await self._pause_between_conflicts()
                raise ApiError(409, poll.refused)
            with self.state.lock:
                batch = self.state.queue.fetch(offset, limit)
            left = until - time.monotonic()
            if batch or left <= 0 or self.closing.is_set():
                return batch
            try:
                await asyncio.wait_for(poll.woken.wait(), left)
            except TimeoutError:
                continue

    async def _pause_between_conflicts(self) -> None:
        """Hold back a second refusal within 3 s, so that two bots do not spin."""
        now = time.monotonic()
        if self.state.limits.poll_guard and now - self._last_conflict < 3:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.closing.wait(), 3)
        self._last_conflict = now

    def _end_poll(self, refusal: str) -> None:
        if self.poll:
            self.poll.refused = refusal
            self.poll.woken.set()
            self.poll = None

    async def set_webhook(self, p: Json) -> bool:
        """Switch to posting, or back with an empty address."""
        url = p.get("url", "")
        if not url:
            return await self.delete_webhook(p)
        if not re.match(r"https?://[^/\s]+", url):
            raise bad_request("bad webhook: Failed to parse HTTP URL")
        secret = p.get("secret_token", "")
        if secret and not _SECRET.fullmatch(secret):
            raise bad_request("secret token contains unallowed characters or is too long")
        now = time.monotonic()
        limits = self.state.limits
        self._webhook_sets = [at for at in self._webhook_sets if now - at < 1]
        if limits.enabled and len(self._webhook_sets) >= limits.webhook_sets_per_second:
            raise flood(1)
        self._webhook_sets.append(now)
        self._end_poll("terminated by setWebhook request")
        await self.stop()
        with self.state.lock:
            self.allow(p)
            if p.get("drop_pending_updates"):
                self.state.queue.entries.clear()
        most = min(max(p.get("max_connections", 40), 1), 100)
        self.webhook = Webhook(self.state, url, secret, most, on_gone=self._gone)
        return True

    async def delete_webhook(self, p: Json) -> bool:
        """Go back to being polled."""
        await self.stop()
        if p.get("drop_pending_updates"):
            with self.state.lock:
                self.state.queue.entries.clear()
        return True

    async def stop(self) -> None:
        """End the posting of updates."""
        if self.webhook:
            webhook, self.webhook = self.webhook, None
            await webhook.close()

    def _gone(self) -> None:
        # The posting task asks for its own end: another task has to close it.
        webhook, self.webhook = self.webhook, None
        if webhook:
            self._closer = asyncio.create_task(webhook.close())

    def info(self) -> Json:
        """Describe the webhook."""
        with self.state.lock:
            self.state.queue.drop_expired()
            info: dict[str, Any] = {
                "url": "",
                "has_custom_certificate": False,
                "pending_update_count": len(self.state.queue.entries),
            }
            if self.state.queue.allowed:
                info["allowed_updates"] = self.state.queue.allowed
        if self.webhook:
            info |= {"url": self.webhook.url, "max_connections": self.webhook.most}
            if self.webhook.last_error:
                info["last_error_date"], info["last_error_message"] = self.webhook.last_error
        return info
