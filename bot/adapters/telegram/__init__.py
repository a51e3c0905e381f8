"""Telegram, through python-telegram-bot: polling or webhook in, Bot API calls out."""

import os

# The library's next form of `RetryAfter.retry_after`; the present one warns at every use.
os.environ.setdefault("PTB_TIMEDELTA", "true")

from bot.adapters.telegram.adapter import TelegramAdapter

__all__ = ["TelegramAdapter"]
