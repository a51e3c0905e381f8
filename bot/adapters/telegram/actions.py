"""What the bot does in a group besides speaking, as calls of the Bot API."""

from collections.abc import Awaitable
from typing import Any

from telegram import Bot, ChatPermissions
from telegram.error import BadRequest

from content.message import (
    DeleteMessage,
    Doing,
    LetIn,
    Loud,
    MakeLink,
    Quiet,
    SetTag,
    TurnAway,
)

LINK_NAME_MAX, TAG_MAX = 32, 16
_DONE_ALREADY = (
    "user_already_participant",
    "hide_requester_missing",
    "message to delete not found",
)
"""What Telegram says when there is nothing left to do."""


async def act(bot: Bot, chat_id: int, action: Doing) -> str:
    """Do it; return the address of a link that was made, else nothing. Errors: TelegramError."""
    try:
        made = await _call(bot, chat_id, action)
    except BadRequest as error:
        if any(words in error.message.lower() for words in _DONE_ALREADY):
            return ""
        raise
    return str(made.invite_link) if isinstance(action, MakeLink) else ""


def _call(bot: Bot, chat_id: int, action: Doing) -> Awaitable[Any]:
    if isinstance(action, MakeLink):
        name = action.name[:LINK_NAME_MAX]
        return bot.create_chat_invite_link(chat_id, name=name, creates_join_request=action.asks)
    if isinstance(action, DeleteMessage):
        return bot.delete_message(chat_id, int(action.message_id))
    return _about(bot, chat_id, int(action.user_id), action)


def _about(
    bot: Bot, chat_id: int, user_id: int, action: LetIn | TurnAway | Quiet | Loud | SetTag
) -> Awaitable[Any]:
    match action:
        case LetIn():
            return bot.approve_chat_join_request(chat_id, user_id)
        case TurnAway():
            return bot.decline_chat_join_request(chat_id, user_id)
        case Quiet(until=until):
            may = ChatPermissions.no_permissions()
            return bot.restrict_chat_member(chat_id, user_id, may, until_date=until)
        case Loud():
            may = ChatPermissions.all_permissions()
            return bot.restrict_chat_member(chat_id, user_id, may)
        case SetTag(tag=tag):
            return bot.set_chat_member_tag(chat_id, user_id, tag[:TAG_MAX])
