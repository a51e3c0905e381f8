"""python-telegram-bot's errors as ours, mapped once, here."""

from datetime import timedelta

import httpx
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Forbidden,
    InvalidToken,
    RetryAfter,
    TelegramError,
)

from bot.adapters.base import (
    MaybeSentError,
    MovedError,
    NotSentError,
    RefusedError,
    RetryAfterError,
    SendError,
    ShutOutError,
)

_NEVER_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
NONSENSE = (KeyError, TypeError, AttributeError, ValueError)
"""What the library raises over an answer that is JSON but no answer."""
_TOO_LARGE = ("request entity too large", "content too large", "(413)")
"""Status 413, for which the library has no error of its own: the upload was not even read."""
_NO_TEXT = "there is no text in the message to edit"
_DONE_ALREADY = ("message is not modified", "query is too old")


def to_send_error(error: TelegramError) -> SendError | None:
    """Return our error, or None where the platform says that there was nothing left to do."""
    if isinstance(error, BadRequest) and any(
        words in error.message.lower() for words in _DONE_ALREADY
    ):
        return None
    if isinstance(error, ChatMigrated):
        return MovedError(str(error.new_chat_id))
    if isinstance(error, RetryAfter):
        wait = error.retry_after
        return RetryAfterError(wait.total_seconds() if isinstance(wait, timedelta) else wait)
    if isinstance(error, BadRequest | Forbidden) or _is_too_large(error):
        kind = ShutOutError if isinstance(error, Forbidden) else RefusedError
        return kind(error.message)
    if _certainly_not_sent(error):
        return NotSentError(error.message)
    return MaybeSentError(f"{type(error).__name__}: {error.message}")


def _is_too_large(error: TelegramError) -> bool:
    return any(words in error.message.lower() for words in _TOO_LARGE)


def is_about_the_message(error: SendError) -> bool:
    """Whether what was sent is refused, and not the bot."""
    return isinstance(error, RefusedError) and not isinstance(error, ShutOutError)


def has_no_text(error: SendError) -> bool:
    """Whether a message's text cannot be edited because it has none: it shows a picture."""
    return isinstance(error, RefusedError) and _NO_TEXT in str(error).lower()


def _certainly_not_sent(error: TelegramError) -> bool:
    """Whether nothing left us, or Telegram's front did not reach Telegram, or knows us not."""
    never_left = isinstance(error.__cause__, _NEVER_LEFT)
    # A wrong token must not cost what waits: the next start may have the right one.
    return never_left or isinstance(error, InvalidToken) or error.message == "Bad Gateway"
