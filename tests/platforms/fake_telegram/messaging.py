"""Methods that send, change and take back messages, and answer queries."""

from typing import Any

from .errors import ApiError, bad_request, flood
from .members import is_admin
from .state import GENERAL_TOPIC, SERVICE, Chat, Json, Sent, State
from .text import merge, parse_html, utf16

MAX_TEXT = 4096
MAX_CAPTION = 1024
MAX_ANSWER = 200
MAX_BUTTON_DATA = 64
MAX_COPY_TEXT = 256
MAX_INLINE_RESULTS = 50
MAX_IDS = 100
TAP_LIFE = 150
INLINE_LIFE = 30
DELETE_LIFE = 48 * 3600
NOT_MODIFIED = (
    "message is not modified: specified new message content and reply markup are exactly the same "
    "as a current content and reply markup of the message"
)
TOO_OLD = "query is too old and response timeout expired or query ID is invalid"
ACTIONS = frozenset(
    [
        "typing",
        "upload_photo",
        "record_video",
        "upload_video",
        "record_voice",
        "upload_voice",
        "upload_document",
        "choose_sticker",
        "find_location",
        "record_video_note",
        "upload_video_note",
    ]
)
_BUTTON_KINDS = [
    "url",
    "callback_data",
    "web_app",
    "login_url",
    "switch_inline_query",
    "switch_inline_query_current_chat",
    "switch_inline_query_chosen_chat",
    "copy_text",
    "callback_game",
    "pay",
]


def _content(
    state: State, p: Json, *, field: str = "text", most: int = MAX_TEXT
) -> tuple[str, list[Json]]:
    """Read the text of a message: parsed first, measured afterwards."""
    source = p.get(field, "")
    given = p.get("entities" if field == "text" else "caption_entities", [])
    mode = p.get("parse_mode", "")
    if mode.lower() == "html":
        text, given = parse_html(source, state.users)
    elif mode in {"MarkdownV2", "Markdown"}:
        state.unsupported.append(f"parse_mode {mode}")
        raise ApiError(501, f"Not Implemented: the fake does not read {mode}")
    elif mode:
        raise bad_request("unsupported parse_mode")
    else:
        text = source
    text = text.rstrip()
    if field == "text" and not text.strip():
        raise bad_request("message text is empty")
    if utf16(text) > most:
        what = "message" if field == "text" else "message caption"
        raise bad_request(f"{what} is too long")
    return text, merge(text, given)


def _markup(p: Json) -> Json | None:
    """Check an inline keyboard; other keyboards leave no trace on a message."""
    markup = p.get("reply_markup")
    if not markup or "inline_keyboard" not in markup:
        return None
    for button in (b for row in markup["inline_keyboard"] for b in row):
        kinds = [kind for kind in _BUTTON_KINDS if kind in button]
        if not button["text"]:
            raise bad_request("can't parse inline keyboard button: Button text must be non-empty")
        if len(kinds) != 1 or button.get("callback_data") == "":
            raise bad_request(
                "can't parse inline keyboard button: Text buttons are unallowed in the inline "
                "keyboard"
            )
        if len(button.get("callback_data", "").encode()) > MAX_BUTTON_DATA:
            raise bad_request("BUTTON_DATA_INVALID")
        if len(button.get("copy_text", {}).get("text", "")) > MAX_COPY_TEXT:
            raise bad_request("BUTTON_COPY_TEXT_INVALID")
    rows = [row for row in markup["inline_keyboard"] if row]
    return {"inline_keyboard": rows} if rows else None


def _pay(state: State, chat: Chat) -> None:
    wait = state.budget.spend(chat.id, group=chat.kind != "private")
    if wait:
        raise flood(wait)


def _thread(chat: Chat, p: Json) -> int | None:
    thread = p.get("message_thread_id")
    # The General topic is in no list: its number 1 is shown, but must not be sent.
    if thread and thread not in chat.topics:
        raise bad_request("message thread not found")
    return thread or None


def _place(state: State, chat: Chat, p: Json) -> Json:
    """Where in the chat a message goes: its topic, and what it replies to."""
    thread = _thread(chat, p)
    reply = p.get("reply_parameters")
    if reply and reply["message_id"] in chat.messages:
        return state.reply_fields(chat, reply["message_id"], thread)
    if reply and not reply.get("allow_sending_without_reply"):
        raise bad_request("message to be replied not found")
    return state.topic_fields(chat, thread) if thread else {}


def _record(state: State, method: str, p: Json, message: Json) -> Json:
    thread = message.get("message_thread_id") if message.get("is_topic_message") else None
    replied = message.get("reply_to_message", {})
    state.sent.append(
        Sent(
            method=method,
            chat=message["chat"],
            message_id=message["message_id"],
            text=message.get("text", message.get("caption", "")),
            markup=message.get("reply_markup"),
            time=state.clock.now(),
            thread=thread,
            reply_to=None if "forum_topic_created" in replied else replied.get("message_id"),
            entities=message.get("entities", message.get("caption_entities", [])),
            params=p,
            message=dict(message),
        )
    )
    return message


def _send(state: State, method: str, p: Json, content: Json, chat: Chat) -> Json:
    if not _may_write(state, chat):
        raise bad_request("not enough rights to send text messages to the chat")
    place, markup = _place(state, chat, p), _markup(p)
    _pay(state, chat)
    sender = {"sender_chat": chat.info} if chat.kind == "channel" else {"from": state.me}
    message = state.store(chat, **sender, **place, **content, reply_markup=markup)
    return _record(state, method, p, message)


def _may_write(state: State, chat: Chat) -> bool:
    bot = state.bot_in(chat)
    if chat.kind == "channel":
        return state.bot_may(chat, "can_post_messages")
    return bot["status"] != "restricted" or bot["can_send_messages"]


def send_message(state: State, p: Json) -> Json:
    chat = state.open_chat(p["chat_id"])
    text, entities = _content(state, p)
    return _send(state, "sendMessage", p, {"text": text, "entities": entities or None}, chat)


def _own_message(state: State, p: Json) -> tuple[Chat, Json]:
    chat = state.open_chat(p.get("chat_id", ""))
    message = chat.messages.get(p.get("message_id", 0))
    if message is None:
        raise bad_request("message to edit not found")
    own = message.get("from", {}).get("id") == state.me["id"]
    posted = chat.kind == "channel" and "sender_chat" in message
    if not (own or posted) or SERVICE & message.keys():
        raise bad_request("message can't be edited")
    return chat, message


def _edit(state: State, method: str, p: Json, changes: Json) -> Json | bool:
    """Change a message; the edit draws on the same budget as a send."""
    if inline := p.get("inline_message_id"):
        if inline not in state.inline_messages:
            raise bad_request("MESSAGE_ID_INVALID")
        if all(state.inline_messages[inline].get(k) == v for k, v in changes.items()):
            raise bad_request(NOT_MODIFIED)
        state.inline_messages[inline].update(changes)
        return True
    chat, message = _own_message(state, p)
    if "text" in changes and "text" not in message:
        raise bad_request("there is no text in the message to edit")
    _pay(state, chat)
    if all(message.get(key) == value for key, value in changes.items()):
        raise bad_request(NOT_MODIFIED)
    if changes.keys() & {"text", "photo", "caption"}:
        message["edit_date"] = int(state.clock.now())
    for key, value in changes.items():
        if value is None:
            message.pop(key, None)
        else:
            message[key] = value
    return _record(state, method, p, message)


def edit_text(state: State, p: Json) -> Json | bool:
    text, entities = _content(state, p)
    changes = {"text": text, "entities": entities or None, "reply_markup": _markup(p)}
    return _edit(state, "editMessageText", p, changes)


def edit_markup(state: State, p: Json) -> Json | bool:
    return _edit(state, "editMessageReplyMarkup", p, {"reply_markup": _markup(p)})


def _may_delete(state: State, chat: Chat, number: int) -> bool:
    if state.clock.now() - chat.sent_at[number] >= DELETE_LIFE:
        return False
    sender = chat.messages[number].get("from", {}).get("id")
    if chat.kind == "private" or sender == state.me["id"]:
        return True
    bot = state.bot_in(chat)
    return is_admin(bot) and state.bot_may(chat, "can_delete_messages")


def delete_message(state: State, p: Json) -> bool:
    chat = state.open_chat(p["chat_id"])
    if p["message_id"] not in chat.messages:
        raise bad_request("message to delete not found")
    if not _may_delete(state, chat, p["message_id"]):
        every = "" if chat.kind in {"supergroup", "channel"} else " for everyone"
        raise bad_request(f"message can't be deleted{every}")
    chat.messages.pop(p["message_id"])
    return True


def delete_messages(state: State, p: Json) -> bool:
    """Delete many at once: what is missing or may not go is passed over."""
    chat = state.open_chat(p["chat_id"])
    if not p["message_ids"]:
        raise bad_request("message identifiers are not specified")
    if len(p["message_ids"]) > MAX_IDS:
        raise bad_request("too many message identifiers specified")
    for number in p["message_ids"]:
        if number in chat.messages and _may_delete(state, chat, number):
            chat.messages.pop(number)
    return True


def _answer(state: State, number: str, kind: str, life: float) -> Json:
    query = state.queries.get(number)
    late = query is None or query["kind"] != kind or state.clock.now() - query["time"] > life
    if late or number in state.answers:
        raise bad_request(TOO_OLD)
    return query


def answer_tap(state: State, p: Json) -> bool:
    number = p["callback_query_id"]
    _answer(state, number, "tap", TAP_LIFE)
    if utf16(p.get("text", "")) > MAX_ANSWER:
        raise bad_request("MESSAGE_TOO_LONG")
    state.answers[number] = p
    return True


def answer_inline(state: State, p: Json) -> bool:
    number = p["inline_query_id"]
    _answer(state, number, "inline", INLINE_LIFE)
    results = p["results"]
    if len(results) > MAX_INLINE_RESULTS:
        raise bad_request("RESULTS_TOO_MUCH")
    names = [str(result.get("id", "")) for result in results]
    if len(set(names)) < len(names):
        raise bad_request("RESULT_ID_DUPLICATE")
    if any(not 1 <= len(name.encode()) <= 64 for name in names):
        raise bad_request("RESULT_ID_INVALID")
    for result in results:
        _markup(result)
    state.answers[number] = p
    return True


def send_action(state: State, p: Json) -> bool:
    chat = state.open_chat(p["chat_id"])
    if p["action"] not in ACTIONS:
        raise bad_request("wrong parameter action in request")
    # Alone among the senders this one takes the General topic's number.
    if p.get("message_thread_id") != GENERAL_TOPIC:
        _thread(chat, p)
    return True


def set_reaction(state: State, p: Json) -> bool:
    chat = state.open_chat(p["chat_id"])
    if p["message_id"] not in chat.messages:
        raise bad_request("message to react not found")
    reaction = p.get("reaction", [])
    if len(reaction) > 1:
        raise bad_request("REACTIONS_TOO_MANY")
    chat.reactions[p["message_id"], state.me["id"]] = reaction
    return True


METHODS: dict[str, Any] = {
    "sendMessage": send_message,
    "editMessageText": edit_text,
    "editMessageReplyMarkup": edit_markup,
    "deleteMessage": delete_message,
    "deleteMessages": delete_messages,
    "answerCallbackQuery": answer_tap,
    "answerInlineQuery": answer_inline,
    "sendChatAction": send_action,
    "setMessageReaction": set_reaction,
}
