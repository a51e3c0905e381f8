"""What the fake's world consists of: people, chats, messages, and who sees what."""

import asyncio
import copy
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .errors import ApiError, FakeBroken, bad_request
from .limits import Budget, Clock, Limits
from .members import is_admin, is_inside, make_member, may
from .schema import Schema, Upload
from .updates import UpdateQueue

Json = dict[str, Any]

GROUP_ANONYMOUS = {
    "id": 1087968824,
    "is_bot": True,
    "first_name": "Group",
    "username": "GroupAnonymousBot",
}
CHANNEL_BOT = {"id": 136817688, "is_bot": True, "first_name": "Channel", "username": "Channel_Bot"}
TELEGRAM = {"id": 777000, "is_bot": False, "first_name": "Telegram"}
GENERAL_TOPIC = 1
SERVICE = frozenset(
    [
        "new_chat_members",
        "left_chat_member",
        "new_chat_title",
        "pinned_message",
        "group_chat_created",
        "supergroup_chat_created",
        "migrate_to_chat_id",
        "migrate_from_chat_id",
        "forum_topic_created",
        "forum_topic_closed",
    ]
)


@dataclass
class Link:
    """An invite link and who came by it."""

    data: Json
    joined: int = 0


@dataclass
class Chat:
    """One chat as the server knows it."""

    info: Json
    members: dict[int, Json] = field(default_factory=dict)
    messages: dict[int, Json] = field(default_factory=dict)
    sent_at: dict[int, float] = field(default_factory=dict)
    topics: dict[int, str] = field(default_factory=dict)
    links: dict[str, Link] = field(default_factory=dict)
    requests: dict[int, Json] = field(default_factory=dict)
    reactions: dict[tuple[int, int], list[Json]] = field(default_factory=dict)
    pinned: int | None = None
    migrated_to: int | None = None
    #: Private chats: whether the user ever wrote, and until when a join request opens the door.
    started: bool = False
    open_until: float = 0.0
    last_id: int = 0

    @property
    def id(self) -> int:
        """The chat's id."""
        return self.info["id"]

    @property
    def kind(self) -> str:
        """Private, group, supergroup or channel."""
        return self.info["type"]


@dataclass(frozen=True)
class Sent:
    """One message that the bot sent, or one edit of it."""

    method: str
    chat: Json
    message_id: int
    text: str
    markup: Json | None
    time: float
    thread: int | None
    reply_to: int | None
    entities: list[Json]
    params: Json
    message: Json

    @property
    def chat_id(self) -> int:
        """Where it went."""
        return self.chat["id"]

    @property
    def is_edit(self) -> bool:
        """Whether an older message was changed."""
        return self.method.startswith("edit")

    @property
    def buttons(self) -> list[Json]:
        """All inline buttons, row by row."""
        rows = (self.markup or {}).get("inline_keyboard", [])
        return [button for row in rows for button in row]


@dataclass(frozen=True)
class Call:
    """One request of the bot: what it asked and what it got."""

    method: str
    params: Json
    #: HTTP status the client saw; a fault's name where it saw no status.
    status: int | str
    time: float
    answer: Any = None


class State:
    """Everything that the methods and the driving side share, under one lock."""

    def __init__(self, *, token: str, privacy: bool, username: str, schema: Schema | None) -> None:
        self.token = token
        self.schema = schema
        self.clock = Clock()
        self.limits = Limits()
        self.budget = Budget(self.limits, self.clock)
        self.queue = UpdateQueue(self.clock)
        self.privacy = privacy
        self.me: Json = {
            "id": int(token.partition(":")[0]),
            "is_bot": True,
            "first_name": "Qunying",
            "username": username,
        }
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        #: What the server side wakes up when something was queued; set from its own thread.
        self.on_change: Callable[[], None] = lambda: None
        self.users: dict[int, Json] = {}
        self.chats: dict[int, Chat] = {}
        self.queries: dict[str, Json] = {}
        self.inline_messages: dict[str, Json] = {}
        self.commands: dict[tuple[str, str], list[Json]] = {}
        #: What photos there are, by any of their sizes' numbers; what was uploaded, in order.
        self.photos: dict[str, list[Json]] = {}
        self.uploads: list[Upload] = []
        self.sent: list[Sent] = []
        self.calls: list[Call] = []
        #: Answers to taps and to inline queries, by query id.
        self.answers: dict[str, Json] = {}
        self.violations: list[str] = []
        self.unsupported: list[str] = []
        self.broken: list[str] = []
        #: Postings to the webhook; how much faster than real its waits pass; answers to "lose".
        self.webhook_attempts: list[Any] = []
        self.webhook_time_scale = 0.02
        self.webhook_timeout = 5.0
        self.webhook_duplicates = 0
        self._ids = iter(range(5_000_000_001, 6_000_000_000))
        self._shared_message_id = 100

    def wake(self) -> None:
        """Tell everyone who waits that the world has changed."""
        self.changed.notify_all()
        self.on_change()

    def new_id(self) -> int:
        """Give an id beyond 32 bits, as newer users have."""
        return next(self._ids)

    # -- chats ---------------------------------------------------------------------------------

    def chat(self, ref: Any) -> Chat:
        """Find a chat by a chat object, a message in it, an id or a @username."""
        if isinstance(ref, dict):
            ref = ref["chat"]["id"] if "chat" in ref else ref["id"]
        if isinstance(ref, str) and ref.startswith("@"):
            named = [c for c in self.chats.values() if c.info.get("username") == ref[1:]]
            if not named or named[0].kind == "private":
                raise bad_request("chat not found")
            return named[0]
        chat = self.chats.get(int(ref)) if str(ref).removeprefix("-").isdecimal() else None
        if chat is None:
            raise bad_request("chat not found")
        return chat

    def open_chat(self, ref: Any) -> Chat:
        """Find a chat that the bot can act in, or say why it cannot."""
        if ref in self.users and ref not in self.chats:
            raise ApiError(403, "bot can't initiate conversation with a user")
        chat = self.chat(ref)
        if chat.migrated_to:
            raise bad_request(
                "group chat was upgraded to a supergroup chat", migrate_to_chat_id=chat.migrated_to
            )
        if chat.kind == "private":
            if self.bot_in(chat)["status"] == "kicked":
                raise ApiError(403, "bot was blocked by the user")
            if not chat.started and self.clock.now() > chat.open_until:
                raise ApiError(403, "bot can't initiate conversation with a user")
            return chat
        name = "group" if chat.kind == "group" else f"{chat.kind}"
        status = self.bot_in(chat)["status"]
        if status == "kicked":
            raise ApiError(403, f"bot was kicked from the {name} chat")
        if not is_inside(self.bot_in(chat)):
            raise ApiError(403, f"bot is not a member of the {name} chat")
        return chat

    def bot_in(self, chat: Chat) -> Json:
        """Give the bot's own membership."""
        return chat.members.setdefault(self.me["id"], make_member(self.me, "left"))

    def bot_may(self, chat: Chat, right: str) -> bool:
        """Whether the bot has an administrator's right there."""
        return may(self.bot_in(chat), right)

    def member(self, chat: Chat, user_id: int) -> Json:
        """Give someone's membership, restrictions and bans that have run out lifted."""
        member = chat.members.get(user_id) or make_member(self.users[user_id], "left")
        until = member.get("until_date")
        if until and until <= self.clock.now():
            inside = member["status"] == "restricted" and member["is_member"]
            member = make_member(member["user"], "member" if inside else "left")
            chat.members[user_id] = member
        return member

    # -- messages ------------------------------------------------------------------------------

    def store(self, chat: Chat, **fields: Any) -> Json:
        """Put a message into a chat: supergroups count their own ids, the rest share one count."""
        if chat.kind in {"supergroup", "channel"}:
            chat.last_id += 1
            number = chat.last_id
        else:
            self._shared_message_id += 1
            number = self._shared_message_id
        now = self.clock.now()
        message = {"message_id": number, "date": int(now), "chat": chat.info, **fields}
        message = {key: value for key, value in message.items() if value is not None}
        self.must_be("Message", message)
        chat.messages[number] = message
        chat.sent_at[number] = now
        return message

    def reply_fields(self, chat: Chat, target: int, thread: int | None) -> Json:
        """Give the fields of a reply: the message, and the thread that it opens or goes on."""
        original = chat.messages[target]
        shown = {key: value for key, value in original.items() if key != "reply_to_message"}
        fields: Json = {"reply_to_message": copy.deepcopy(shown)}
        if original.get("is_topic_message"):
            fields |= {"message_thread_id": original["message_thread_id"], "is_topic_message": True}
        elif chat.kind == "supergroup" and thread is None:
            # No topic, yet a thread id: whoever sends into it gets "message thread not found".
            fields["message_thread_id"] = original.get("message_thread_id", target)
        return fields

    def topic_fields(self, chat: Chat, thread: int) -> Json:
        """Give the fields of a message in a topic: it looks like a reply to the topic's start."""
        fields: Json = {"message_thread_id": thread, "is_topic_message": True}
        if thread in chat.messages:
            fields["reply_to_message"] = copy.deepcopy(chat.messages[thread])
        return fields

    def sees(self, chat: Chat, message: Json) -> bool:
        """Whether the bot gets this message (privacy mode)."""
        if not is_inside(self.bot_in(chat)) and chat.kind != "private":
            return False
        if chat.kind in {"private", "channel"} or SERVICE & message.keys():
            return True
        sender = message.get("from", {})
        if sender.get("is_bot") and sender["id"] not in {GROUP_ANONYMOUS["id"], CHANNEL_BOT["id"]}:
            return False
        return is_admin(self.bot_in(chat)) or not self.privacy or self._meant_for_bot(message)

    def _meant_for_bot(self, message: Json) -> bool:
        replied = message.get("reply_to_message", {}).get("from", {}).get("id")
        if self.me["id"] in {replied, message.get("via_bot", {}).get("id")}:
            return True
        word = (message.get("text") or message.get("caption") or "").split(maxsplit=1)[:1]
        if not word or not word[0].startswith("/"):
            return False
        _, at, addressee = word[0].partition("@")
        return not at or addressee.lower() == self.me["username"].lower()

    # -- updates -------------------------------------------------------------------------------

    def emit(self, kind: str, body: Json, *, seen: bool = True) -> Json:
        """Queue an update if the bot may see it and asked for its kind.

        What is not queued comes back without an `update_id`.
        """
        update = {kind: copy.deepcopy(body)}
        self.must_be("Update", {"update_id": 0, **update})
        if seen and self.queue.wants(kind):
            update = {"update_id": self.queue.take_id(), **update}
            self.queue.put(update)
        self.wake()
        return update

    def emit_message(self, chat: Chat, message: Json, *, edited: bool = False) -> Json:
        """Queue a message or an edit of it."""
        kind = "channel_post" if chat.kind == "channel" else "message"
        return self.emit(
            f"edited_{kind}" if edited else kind, message, seen=self.sees(chat, message)
        )

    def set_member(self, chat: Chat, new: Json, by: Json, **extra: Any) -> Json:
        """Change a membership and tell the bot, of others only where it is an administrator."""
        user = new["user"]
        old = self.member(chat, user["id"]) if user["id"] in self.users else self.bot_in(chat)
        chat.members[user["id"]] = new
        body = {
            "chat": chat.info,
            "from": by,
            "date": int(self.clock.now()),
            "old_chat_member": old,
            "new_chat_member": new,
            **extra,
        }
        if user["id"] == self.me["id"]:
            return self.emit("my_chat_member", body)
        return self.emit("chat_member", body, seen=is_admin(self.bot_in(chat)))

    def must_be(self, kind: str, value: Any) -> None:
        """Hold the fake itself to the schema."""
        self.hold(self.schema.check(kind, value, kind) if self.schema else [])

    def hold(self, problems: list[str]) -> None:
        """Note problems of something the fake was about to say, and say nothing."""
        if problems:
            self.broken += problems
            raise FakeBroken("; ".join(problems))

    def on_loop(self, loop: asyncio.AbstractEventLoop, wake: Callable[[], None]) -> None:
        """Let changes wake tasks of the server's loop."""
        self.on_change = lambda: None if loop.is_closed() else loop.call_soon_threadsafe(wake)
