"""What waits for one chat: in order of importance, some of it together in one message."""

import asyncio
import time
from dataclasses import dataclass, field

import msgspec

from bot.adapters.base import units
from bot.budget import Budget
from content.message import Button, Reply, pack, unpack
from storage.outbox import Outgoing

TAP, ANSWER, POST, LIVE_EDIT = range(4)
HURRIED = {"tap", "do"}
"""Kinds that cost no message of the chat's."""
MERGED_MAX = 20
WAITING_PER_PERSON_MAX = 3
Key = tuple[int, int]


@dataclass(slots=True, eq=False)
class Item:
    """One row of the outbox on its way."""

    out: Outgoing
    reply: Reply
    priority: int
    tries: int = 0
    marked: bool = False
    """Whether the outbox has been told that a `once` row is being sent."""
    parts: list[Outgoing] = field(default_factory=list)
    """What of it is still to be sent, each part fit for the platform; empty before the first."""

    @classmethod
    def of(cls, out: Outgoing) -> "Item":
        """Make the item of a row."""
        if out.kind in HURRIED:
            priority = TAP
        elif out.person:
            priority = ANSWER
        else:
            priority = LIVE_EDIT if out.kind == "edit" else POST
        return cls(out, unpack(out.payload), priority)

    @property
    def key(self) -> Key:
        """The row's key."""
        return self.out.programme_id, self.out.id

    @property
    def mergeable(self) -> bool:
        """Whether it may share a message; what is tried again goes alone, to be said once more."""
        return self.out.kind == "say" and self.priority == ANSWER and not self._is_special

    @property
    def _is_special(self) -> bool:
        reply = self.reply
        return (
            reply.once
            or reply.alone
            or self.tries > 0
            or bool(self.parts)
            or reply.picture is not None
        )


@dataclass(slots=True, eq=False)
class Line:
    """The queue of one chat."""

    platform: str
    chat_id: str
    budget: Budget
    items: list[Item] = field(default_factory=list)
    not_before: float = 0.0
    failures: int = 0
    sending: bool = False
    task: asyncio.Task[None] | None = None
    turn: asyncio.Future[None] | None = None
    """Our place among all chats, while we wait for it."""
    turn_priority: int = LIVE_EDIT

    def add(self, item: Item) -> Item | None:
        """Queue an item; return the one that it replaces, if any.

        That is an edit of the same message, or the oldest of too many answers to one person.
        """
        if item.out.kind == "edit":
            for index, other in enumerate(self.items):
                if other.out.kind == "edit" and other.out.target == item.out.target:
                    self.items[index] = item
                    return other
        if item.priority == ANSWER:
            own = [other for other in self.items if other.out.person == item.out.person]
            if len(own) >= WAITING_PER_PERSON_MAX:  # nobody's answers may crowd out the others'
                replaced = own[0]
                self.items.remove(replaced)
                self.items.append(item)
                return replaced
        self.items.append(item)
        self.items.sort(key=lambda waiting: (waiting.priority, waiting.out.id))
        return None

    def put_back(self, items: list[Item], wait_s: float) -> None:
        """Try these again, first of all, after a while."""
        self.items[:0] = items
        self.not_before = time.monotonic() + wait_s

    def take(self, text_max: int) -> list[Item]:
        """Take the first item, with those that may share its message if the budget is spent."""
        first = self.items.pop(0)
        taken = [first]
        if not self.budget.spent or not first.mergeable:
            return taken
        size = units(first.reply.text)
        while self.items and len(taken) < MERGED_MAX:
            other = self.items[0]
            size += units(other.reply.text) + 2
            if not other.mergeable or other.out.thread != first.out.thread or size > text_max:
                break
            taken.append(self.items.pop(0))
        return taken

    @property
    def idle(self) -> bool:
        """Whether a new line would be the same."""
        rests = self.not_before <= time.monotonic() and self.budget.full
        return rests and self.task is None and not self.items


def together(items: list[Item]) -> Outgoing:
    """Return one row that says what all of them say, with every button once."""
    if len(items) == 1:
        return items[0].out
    text = "\n\n".join(item.reply.text for item in items)
    seen: set[Button] = set()
    rows: list[tuple[Button, ...]] = []
    for item in items:
        for row in item.reply.buttons:
            new = tuple(button for button in row if button not in seen)
            seen.update(new)
            rows += [new] if new else []
    whole = msgspec.structs.replace(items[0].reply, text=text, buttons=tuple(rows))
    return items[0].out._replace(payload=pack(whole), target=None)
