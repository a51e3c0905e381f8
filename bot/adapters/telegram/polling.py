"""Long polling: each batch of updates is confirmed after its commit."""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlencode

from telegram.error import Conflict, InvalidToken, NetworkError, RetryAfter, TelegramError
from telegram.request import HTTPXRequest

from bot.adapters.telegram.contact import ERROR_WAIT_MAX_S, Contact, TokenRefusedError
from bot.adapters.telegram.decode import ALLOWED_UPDATES, update_id
from bot.adapters.telegram.errors import NONSENSE, to_send_error

_log = logging.getLogger(__name__)

POLL_S = 25
POLL_READ_S = POLL_S + 10
SILENT_S = 90.0
"""Polling that has brought no answer for so long is broken: its connections are made anew."""
CONFLICT_WAIT_S = 5.0
UPDATES_MAX = 100


class Polling:
    """The loop over getUpdates. Not the library's: that one confirms before anything is done."""

    def __init__(
        self,
        url: str,
        contact: Contact,
        *,
        receive: Callable[[Any], Awaitable[Any]],
        delete_webhook: Callable[[], Awaitable[Any]],
    ) -> None:
        """`url` ends in the token; `receive` returns when an update is durable."""
        self._url = url
        self._contact = contact
        self._receive = receive
        self._delete_webhook = delete_webhook
        self._stopping = False
        self._request = _new_request()

    async def run(self) -> None:
        """Fetch updates until stopped. Errors: TokenRefusedError."""
        await self._request.initialize()
        await self._contact.insist(self._delete_webhook)
        offset, wait_s = 0, 1.0
        while not self._stopping:
            try:
                updates = await self.fetch(offset)
            except Conflict as error:
                await self._conflict(error)
            except InvalidToken as error:
                raise TokenRefusedError from error
            except RetryAfter as error:
                problem = to_send_error(error)
                await asyncio.sleep(getattr(problem, "seconds", 1.0))
            except TelegramError as error:
                self._contact.failed(f"cannot be reached: {type(error).__name__}")
                await self._renew_if_silent(error)
                await asyncio.sleep(wait_s)
                wait_s = min(wait_s * 2, ERROR_WAIT_MAX_S)
            else:
                self._contact.made()
                wait_s = 1.0
                offset = await self._take(updates, offset)

    def stop(self) -> None:
        """Fetch no more after the call that is open."""
        self._stopping = True

    async def close(self) -> None:
        """End the connection, and with it a call that is open."""
        await self._request.shutdown()

    async def _conflict(self, error: Conflict) -> None:
        if "webhook" in error.message.lower():
            self._contact.failed("somebody has set a webhook for this token; it is removed")
            await self._contact.insist(self._delete_webhook)
            return
        self._contact.failed(
            "another process polls with this token; only one may. Waiting for it to stop"
        )
        await asyncio.sleep(CONFLICT_WAIT_S)

    async def fetch(self, offset: int) -> list[Any]:
        """Ask once for updates from that number on. Errors: TelegramError."""
        query = {
            "offset": offset,
            "timeout": POLL_S,
            "limit": UPDATES_MAX,
            "allowed_updates": json.dumps(ALLOWED_UPDATES),
        }
        try:
            async with asyncio.timeout(POLL_READ_S + 5):  # an answer that drips is none
                found = await self._request.post(f"{self._url}/getUpdates?{urlencode(query)}")
        except TimeoutError as error:
            raise NetworkError("getUpdates took too long") from error
        except NONSENSE as error:
            raise NetworkError(f"answered nonsense: {type(error).__name__}") from error
        if not isinstance(found, list):
            raise NetworkError("getUpdates did not return a list")
        return found

    async def _renew_if_silent(self, error: TelegramError) -> None:
        if time.monotonic() - self._contact.last < SILENT_S:
            return
        _log.error("no word from Telegram for %.0f s (%s): new connections", SILENT_S, error)
        old, self._request = self._request, _new_request()
        await self._request.initialize()
        await old.shutdown()
        self._contact.last = time.monotonic()

    async def _take(self, updates: list[Any], offset: int) -> int:
        """Hand updates on and wait until they are durable; return the offset that confirms them."""
        await asyncio.gather(*[self._receive(raw) for raw in updates])
        ids = [update_id(raw) for raw in updates]
        return max([offset, *[id_ + 1 for id_ in ids if id_ is not None]])


def _new_request() -> HTTPXRequest:
    return HTTPXRequest(connection_pool_size=1, read_timeout=POLL_READ_S)
