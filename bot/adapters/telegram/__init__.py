"""Telegram, through python-telegram-bot: polling or webhook in, Bot API calls out."""

from bot.adapters.telegram.adapter import TelegramAdapter

__all__ = ["TelegramAdapter"]
