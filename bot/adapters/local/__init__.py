"""The local chat room: a platform of our own, in the browser, for trying everything out."""

from bot.adapters.local.adapter import LocalAdapter, Person

__all__ = ["LocalAdapter", "Person"]
