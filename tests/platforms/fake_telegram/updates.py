"""The queue of updates: sequential ids, a life for each kind, confirmation by offset."""

import random
from dataclasses import dataclass
from typing import Any

from .limits import Clock

DAY = 86_400.0
LIFE = {
    "callback_query": 150.0,
    "shipping_query": 150.0,
    "pre_checkout_query": 150.0,
    "inline_query": 30.0,
    "chosen_inline_result": 600.0,
}
#: Kinds that come only to those who ask for them by name.
ON_REQUEST = frozenset({"chat_member", "message_reaction", "message_reaction_count"})
#: A client may name an offset a little ahead; further ahead it is taken for a mistake.
AHEAD = 10


@dataclass
class Entry:
    """One queued update."""

    update: dict[str, Any]
    expires: float
    queue: str
    #: A redelivered update comes once more even though its id was confirmed.
    again: bool = False

    @property
    def id(self) -> int:
        """The update's id."""
        return self.update["update_id"]


class UpdateQueue:
    """What waits to be fetched or posted."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.allowed: list[str] | None = None
        self.entries: list[Entry] = []
        self.next_id = random.randint(100_000_000, 900_000_000)
        self._last_event = clock.now()

    def wants(self, kind: str) -> bool:
        """Whether an update of this kind would be queued now."""
        return kind in self.allowed if self.allowed else kind not in ON_REQUEST

    def take_id(self) -> int:
        """Give the next id: sequential, but anything after a week of silence."""
        now = self.clock.now()
        if now - self._last_event > 7 * DAY and not self.entries:
            self.next_id = random.randint(100_000_000, 900_000_000)
        self._last_event = now
        self.next_id += 1
        return self.next_id - 1

    def put(self, update: dict[str, Any], *, again: bool = False) -> None:
        """Queue an update; its life is counted from now."""
        kind = next((key for key in update if key != "update_id"), "")
        life = LIFE.get(kind, DAY)
        entry = Entry(update, self.clock.now() + life, _queue_of(kind, update.get(kind)), again)
        self.entries.append(entry)

    def drop_expired(self) -> None:
        """Forget what has outlived its kind's life."""
        now = self.clock.now()
        self.entries = [entry for entry in self.entries if entry.expires > now]

    def fetch(self, offset: int, limit: int) -> list[dict[str, Any]]:
        """Confirm everything below the offset and give what stands from there on."""
        self.drop_expired()
        if offset < 0:
            self.entries = self.entries[offset:]
        elif offset <= self.next_id + AHEAD:
            self.entries = [e for e in self.entries if e.id >= offset or e.again]
        batch = sorted(self.entries, key=lambda entry: entry.id)[:limit]
        for entry in batch:
            entry.again = False
        return [entry.update for entry in batch]

    def remove(self, entry: Entry) -> None:
        """Forget a posted update."""
        self.entries = [other for other in self.entries if other is not entry]


def _queue_of(kind: str, body: Any) -> str:
    """Name the serial queue: order is kept within it only (webhooks)."""
    body = body if isinstance(body, dict) else {}
    chat, user = body.get("chat"), body.get("from")
    by_user = kind in {"callback_query", "inline_query", "chosen_inline_result"}
    if by_user or kind in {"chat_member", "chat_join_request"}:
        group = kind if by_user else "membership"
        return f"{group}:{user.get('id') if isinstance(user, dict) else None}"
    group = "reaction" if kind.startswith("message_reaction") else "message"
    if kind == "my_chat_member":
        group = "my_chat_member"
    return f"{group}:{chat.get('id') if isinstance(chat, dict) else None}"
