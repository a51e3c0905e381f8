"""The port that platform adapters fill: something that happened in a chat, platform-neutral."""

from datetime import datetime
from typing import Literal

import msgspec

from storage.members import Who

ChatKind = Literal["group", "private", "channel"]
SenderKind = Literal["person", "anonymous_admin", "channel", "bot", "service"]
Kind = Literal[
    "message",
    "tap",
    "joined",
    "join_request",
    "left",
    "bot_added",
    "bot_rights",
    "bot_removed",
    "migrated",
    "did",
    "other",
]
Role = Literal["member", "owner"]
Right = Literal["speak", "listen", "notice"]
"""What a bot may lack: to say something; to see every message; to be told who comes and goes."""
RIGHTS: tuple[Right, ...] = ("speak", "listen", "notice")


class Chat(msgspec.Struct, frozen=True):
    """Where it happened. `id` is the platform's, as text; `thread` a forum topic, if any."""

    id: str
    kind: ChatKind
    title: str = ""
    thread: str | None = None


class Sender(msgspec.Struct, frozen=True):
    """Who did it. Only a `person` can earn points; the other kinds have no member behind them."""

    id: str
    name: str
    kind: SenderKind = "person"
    role: Role = "member"
    locale: str = ""


class Mention(msgspec.Struct, frozen=True):
    """Somebody called in a message: `words` as they stand in it; `who` where the platform says."""

    words: str
    who: Sender | None = None


class Event(msgspec.Struct, frozen=True):
    """One thing that happened once.

    `key` names the delivery (the same update delivered again has the same key). `at` is when
    it happened by the platform's clock, aware; for things without a time of their own it is the
    time of arrival. `text` is a message's words or a pressed button's command.
    """

    key: str
    platform: str
    kind: Kind
    chat: Chat
    sender: Sender
    at: datetime
    text: str = ""
    message_id: str | None = None
    tap_id: str | None = None
    addressed: bool = False
    """The bot was mentioned, or spoken to in private. A mere answer to it is often a thank-you."""
    edited: bool = False
    from_outside: bool = False
    """It can come from somebody who is not in the group: a tap or a comment in a public one."""
    genuine: bool = False
    """For a tap: its message has such a button (`message.alike`). What is pressed can be forged."""
    photo: bool = False
    """A picture comes with it; `text` is what is written below it."""
    secondhand: bool = False
    """Forwarded, or written by way of a bot: not the sender's own words."""
    mentions: tuple[Mention, ...] = ()
    """Who is called in a message, the bot left out."""
    answers: Sender | None = None
    """Whose message this one replies to."""
    target: str = ""
    """What it concerns: the new chat id of a migration; of something done, the action's `ref`; of
    a `join_request`, the chat in which its maker can be written to for five minutes."""
    via: str = ""
    """For `joined` and `join_request`: the invite link by which he came; "" where it is not told.
    Links that another administrator has made are cut short by the platform."""
    by: Sender | None = None
    """For `joined`: who brought him in, or let him in."""
    refused: str = ""
    """For `did`: why it could not be done; else `text` has what came of it (a link's address)."""
    lacks: tuple[Right, ...] = ()
    """For `bot_added` and `bot_rights`: what the bot may not do there, in the order of RIGHTS."""

    @property
    def who(self) -> Who:
        """The sender as the store knows him."""
        return Who(self.platform, self.sender.id, self.sender.name)
