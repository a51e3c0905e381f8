"""Whether Telegram answers, and calling it until it does."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from telegram.error import BadRequest, InvalidToken, TelegramError

from bot import metrics
from bot.adapters.telegram.decode import PLATFORM
from bot.adapters.telegram.errors import NONSENSE, to_send_error

_log = logging.getLogger(__name__)

ERROR_WAIT_MAX_S = 30.0


class TokenRefusedError(Exception):
    """Telegram does not know the token."""


class Contact:
    """When Telegram was last heard, and what is the matter, if anything. Logs changes alone."""

    def __init__(self) -> None:
        """Nothing has been heard yet."""
        self.last = 0.0
        """By the monotonic clock, in seconds."""
        self.trouble = "not started"

    def made(self) -> None:
        """Note an answer to one of our own calls: there is no trouble any more."""
        if self.trouble:
            _log.info("Telegram answers")
        self.trouble = ""
        self.heard()

    def heard(self) -> None:
        """Note a word from Telegram."""
        self.last = time.monotonic()
        metrics.CONTACT.labels(PLATFORM).set_to_current_time()

    def failed(self, what: str) -> None:
        """Note trouble."""
        if what != self.trouble:
            _log.error("Telegram: %s", what)
        self.trouble = what

    async def insist(
        self, call: Callable[[], Awaitable[Any]], *, despite_refusal: bool = True
    ) -> None:
        """Call until it works. Errors: TokenRefusedError; BadRequest unless `despite_refusal`."""
        wait_s = 1.0
        while True:
            try:
                await call()
            except InvalidToken as error:
                raise TokenRefusedError from error
            except (TelegramError, *NONSENSE) as error:
                if isinstance(error, BadRequest) and not despite_refusal:
                    raise
                self.failed(f"cannot be reached, trying again: {type(error).__name__}")
                problem = to_send_error(error) if isinstance(error, TelegramError) else None
                await asyncio.sleep(getattr(problem, "seconds", wait_s))
                wait_s = min(wait_s * 2, ERROR_WAIT_MAX_S)
            else:
                self.made()
                return
