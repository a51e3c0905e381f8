"""From a Bot API update to an event, reading only what is needed, each update for itself.

python-telegram-bot decodes whole batches: one object with a missing field, or of a kind newer than
the library, would keep every later update from being seen (docs/decisions/0005).
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from content.message import alike
from content.names import mentions
from handlers.event import (
    RIGHTS,
    Chat,
    ChatKind,
    Event,
    Kind,
    Mention,
    Right,
    Role,
    Sender,
    SenderKind,
)

PLATFORM = "telegram"
ANONYMOUS_ADMIN, CHANNEL_BOT, SERVICE = 1087968824, 136817688, 777000
GENERAL_TOPIC = 1
ALLOWED_UPDATES = (
    "message",
    "edited_message",
    "callback_query",
    "my_chat_member",
    "chat_member",
    "chat_join_request",
    "message_reaction",
    "message_reaction_count",
    "inline_query",
    "chosen_inline_result",
    "poll_answer",
)


class _User(msgspec.Struct):
    id: int
    is_bot: bool = False
    first_name: str = ""
    last_name: str = ""
    language_code: str = ""


class _Chat(msgspec.Struct):
    id: int
    type: str = ""
    title: str = ""
    username: str = ""


class _Button(msgspec.Struct):
    callback_data: str = ""


class _Keyboard(msgspec.Struct):
    inline_keyboard: list[list[_Button]] = []


class _Entity(msgspec.Struct):
    type: str
    offset: int
    length: int
    user: _User | None = None


class _Original(msgspec.Struct, rename={"from_": "from"}):
    chat: _Chat = msgspec.field(default_factory=lambda: _Chat(0))
    from_: _User | None = None
    sender_chat: _Chat | None = None
    is_automatic_forward: bool = False
    forum_topic_created: dict[str, Any] | None = None


class _Message(msgspec.Struct, rename={"from_": "from"}):
    message_id: int
    date: int
    chat: _Chat
    from_: _User | None = None
    sender_chat: _Chat | None = None
    text: str = ""
    caption: str = ""
    photo: list[dict[str, Any]] = []
    entities: list[_Entity] = []
    caption_entities: list[_Entity] = []
    is_topic_message: bool = False
    message_thread_id: int | None = None
    is_automatic_forward: bool = False
    migrate_to_chat_id: int | None = None
    migrate_from_chat_id: int | None = None
    forward_origin: dict[str, Any] | None = None
    via_bot: dict[str, Any] | None = None
    reply_to_message: _Original | None = None
    new_chat_members: list[_User] = []
    left_chat_member: _User | None = None
    reply_markup: _Keyboard | None = None


class _Tap(msgspec.Struct, rename={"from_": "from"}):
    id: str
    from_: _User
    message: _Message | None = None
    data: str = ""


class _Status(msgspec.Struct):
    status: str
    user: _User
    is_member: bool = False
    can_send_messages: bool = True

    @property
    def present(self) -> bool:
        return self.status in {"creator", "administrator", "member"} or (
            self.status == "restricted" and self.is_member
        )


class _Link(msgspec.Struct):
    invite_link: str = ""


class _Change(msgspec.Struct, rename={"from_": "from"}):
    chat: _Chat
    from_: _User
    date: int
    old_chat_member: _Status
    new_chat_member: _Status
    invite_link: _Link | None = None


class _Request(msgspec.Struct, rename={"from_": "from"}):
    chat: _Chat
    from_: _User
    date: int
    user_chat_id: int = 0
    invite_link: _Link | None = None


class _Update(msgspec.Struct):
    update_id: int
    message: _Message | None = None
    edited_message: _Message | None = None
    callback_query: _Tap | None = None
    my_chat_member: _Change | None = None
    chat_member: _Change | None = None
    chat_join_request: _Request | None = None


class Me(NamedTuple):
    """The bot itself, and who owns the installation."""

    id: int
    username: str
    sees_all: bool
    owners: frozenset[str]


class UndecodableError(ValueError):
    """An update that is not as the Bot API describes it."""


def to_event(raw: Any, me: Me, now: datetime) -> Event | None:
    """Return the event of an update, None for kinds that mean nothing to us.

    Errors: UndecodableError for one that breaks the Bot API's description.
    """
    try:
        return _to_event(msgspec.convert(raw, _Update), me, now)
    except (msgspec.ValidationError, ValueError, OverflowError) as error:
        raise UndecodableError(str(error)) from error  # a wrong field, or a date out of range


def _to_event(update: _Update, me: Me, now: datetime) -> Event | None:
    key = f"tg{me.id}:{update.update_id}"
    if update.message or update.edited_message:
        return _message(key, update, me)
    if update.callback_query:
        return _tap(key, update.callback_query, me, now)
    if update.my_chat_member:
        return _myself(key, update.my_chat_member, me)
    if update.chat_member:
        return _someone(key, update.chat_member, me)
    if update.chat_join_request:
        return _request(key, update.chat_join_request, me)
    return None


def _message(key: str, update: _Update, me: Me) -> Event | None:
    message = update.message or update.edited_message
    assert message is not None
    moved = _migration(key, message, me)
    if moved is not None:
        return moved
    joined_or_left = message.new_chat_members or message.left_chat_member
    if joined_or_left:
        return _service(key, message, me)
    text = message.text or message.caption
    private = message.chat.type == "private"
    return Event(
        key=key,
        platform=PLATFORM,
        kind="message",
        chat=_chat(message),
        sender=_sender(message, me),
        at=_time(message.date),
        text=text,
        message_id=str(message.message_id),
        addressed=private or mentions(text, me.username),
        edited=update.message is None,
        from_outside=_may_be_outside(message),
        photo=bool(message.photo),
        secondhand=message.forward_origin is not None or message.via_bot is not None,
        mentions=tuple(_mentions(message, me)),
        answers=_answers(message.reply_to_message, me),
    )


def _mentions(message: _Message, me: Me) -> Iterator[Mention]:
    """Tell who is called: of one with a username Telegram says that name alone, not who it is."""
    entities = message.entities if message.text else message.caption_entities
    units = (message.text or message.caption).encode("utf-16-le", "surrogatepass")
    for entity in entities:
        span = units[2 * entity.offset : 2 * (entity.offset + entity.length)]
        words = span.decode("utf-16-le", "replace")
        called = entity.type in {"mention", "text_mention"}
        if called and words.casefold() != f"@{me.username}".casefold():
            yield Mention(words, _person(entity.user, me) if entity.user else None)


def _answers(original: _Original | None, me: Me) -> Sender | None:
    """Tell whose message is replied to. In a topic every message seems to reply to its start."""
    if original is None or original.forum_topic_created is not None:
        return None
    return _sender(original, me)


def _migration(key: str, message: _Message, me: Me) -> Event | None:
    if message.migrate_to_chat_id is not None:
        old, new = message.chat.id, message.migrate_to_chat_id
    elif message.migrate_from_chat_id is not None:
        old, new = message.migrate_from_chat_id, message.chat.id
    else:
        return None
    chat = Chat(str(old), "group", message.chat.title)
    sender = _sender(message, me)
    return _happened(key, "migrated", chat, sender, message.date, target=str(new))


def _service(key: str, message: _Message, me: Me) -> Event | None:
    """Tell of a join or departure as a bot that is no administrator sees it."""
    kind: Kind = "joined" if message.new_chat_members else "left"
    gone = message.left_chat_member
    people = message.new_chat_members or ([gone] if gone else [])
    person = people[0]
    if len(people) != 1 or person.is_bot:
        return None  # several at once: chat_member, or their first word, tells of each
    who, did = _person(person, me), _sender(message, me)
    by = did if kind == "joined" and did.id != who.id else None
    return _happened(key, kind, _chat(message), who, message.date, by=by)


def _tap(key: str, tap: _Tap, me: Me, now: datetime) -> Event | None:
    if tap.message is None:
        return None
    return Event(
        key=key,
        platform=PLATFORM,
        kind="tap",
        chat=_chat(tap.message),
        sender=_person(tap.from_, me),
        at=now,
        text=tap.data,
        message_id=str(tap.message.message_id),
        tap_id=tap.id,
        addressed=True,
        from_outside=_may_be_outside(tap.message),
        genuine=_shows(tap.message, tap.data),
    )


def _shows(message: _Message, data: str) -> bool:
    """Whether a message has such a button: Telegram hands on whatever data a client sends."""
    rows = message.reply_markup.inline_keyboard if message.reply_markup else []
    return any(alike(button.callback_data, data) for row in rows for button in row)


def _may_be_outside(message: _Message) -> bool:
    """Whether its author may be no member: the group is public, or he comments on a channel."""
    original = message.reply_to_message
    return bool(message.chat.username) or (original is not None and original.is_automatic_forward)


def _myself(key: str, change: _Change, me: Me) -> Event | None:
    if change.chat.type not in {"group", "supergroup"}:
        return None
    old, new = change.old_chat_member, change.new_chat_member
    if not new.present:
        kind: Kind = "bot_removed"
    elif not old.present:
        kind = "bot_added"
    elif _lacks(new, me) != _lacks(old, me):
        kind = "bot_rights"
    else:
        return None
    chat = Chat(str(change.chat.id), "group", change.chat.title)
    sender = _person(change.from_, me)
    return _happened(key, kind, chat, sender, change.date, lacks=_lacks(new, me))


def _lacks(mine: _Status, me: Me) -> tuple[Right, ...]:
    admin = mine.status in {"creator", "administrator"}
    has = {
        "speak": mine.status != "restricted" or mine.can_send_messages,
        "listen": admin or me.sees_all,
        "notice": admin,
    }
    return tuple(right for right in RIGHTS if mine.present and not has[right])


def lacks(raw: Any, me: Me) -> tuple[Right, ...] | None:
    """Return what the bot lacks by its own ChatMember object; None when it is not inside.

    Errors: UndecodableError.
    """
    try:
        mine = msgspec.convert(raw, _Status)
    except msgspec.ValidationError as error:
        raise UndecodableError(str(error)) from error
    return _lacks(mine, me) if mine.present else None


def _someone(key: str, change: _Change, me: Me) -> Event | None:
    was, now_is = change.old_chat_member.present, change.new_chat_member.present
    if was == now_is or change.new_chat_member.user.is_bot or _kind(change.chat) != "group":
        return None
    chat = Chat(str(change.chat.id), _kind(change.chat), change.chat.title)
    person = _person(change.new_chat_member.user, me)
    if not now_is:
        return _happened(key, "left", chat, person, change.date)
    by = _person(change.from_, me)
    brought = by if by.id != person.id else None
    via = _address(change.invite_link)
    return _happened(key, "joined", chat, person, change.date, via=via, by=brought)


def _request(key: str, request: _Request, me: Me) -> Event | None:
    if _kind(request.chat) != "group" or request.from_.is_bot:
        return None
    chat = Chat(str(request.chat.id), "group", request.chat.title)
    person = _person(request.from_, me)
    return _happened(
        key,
        "join_request",
        chat,
        person,
        request.date,
        via=_address(request.invite_link),
        target=str(request.user_chat_id or request.from_.id),
    )


def _address(link: _Link | None) -> str:
    return link.invite_link if link else ""


def _happened(
    key: str,
    kind: Kind,
    chat: Chat,
    sender: Sender,
    date: int,
    *,
    target: str = "",
    lacks: tuple[Right, ...] = (),
    via: str = "",
    by: Sender | None = None,
) -> Event:
    return Event(
        key=key,
        platform=PLATFORM,
        kind=kind,
        chat=chat,
        sender=sender,
        at=_time(date),
        target=target,
        lacks=lacks,
        via=via,
        by=by,
    )


def _kind(chat: _Chat) -> ChatKind:
    if chat.type == "private":
        return "private"
    return "channel" if chat.type == "channel" else "group"


def _chat(message: _Message) -> Chat:
    topic = message.message_thread_id if message.is_topic_message else None
    thread = None if topic in {None, GENERAL_TOPIC} else str(topic)
    return Chat(str(message.chat.id), _kind(message.chat), message.chat.title, thread)


def _sender(message: _Message | _Original, me: Me) -> Sender:
    who = message.from_
    if message.is_automatic_forward or (who and who.id == SERVICE):
        return _nobody(message, "service")
    if message.sender_chat is not None:
        anonymous = message.sender_chat.id == message.chat.id
        return _nobody(message, "anonymous_admin" if anonymous else "channel")
    if who is None or who.id == CHANNEL_BOT:
        return _nobody(message, "channel")
    if who.id == ANONYMOUS_ADMIN:
        return _nobody(message, "anonymous_admin")
    return _person(who, me)


def _nobody(message: _Message | _Original, kind: SenderKind) -> Sender:
    chat = message.sender_chat or message.chat
    return Sender(str(chat.id), chat.title, kind)


def _person(user: _User, me: Me) -> Sender:
    name = f"{user.first_name} {user.last_name}".strip()
    role: Role = "owner" if f"{PLATFORM}:{user.id}" in me.owners else "member"
    kind: SenderKind = "bot" if user.is_bot else "person"
    return Sender(str(user.id), name, kind, role, user.language_code)


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def update_id(raw: Any) -> int | None:
    """Return the number of an update, None for what has none."""
    id_ = raw.get("update_id") if isinstance(raw, dict) else None
    return id_ if isinstance(id_, int) else None
