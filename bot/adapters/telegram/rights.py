"""What the bot may not do in a group, told to whoever runs it."""

from telegram import Bot, ChatPermissions
from telegram.error import BadRequest, Forbidden

from bot.adapters.telegram.decode import Me, lacks
from content.names import clean_text
from handlers.event import Right

_REMEDIES: dict[Right, str] = {
    "speak": "the bot may not send messages: lift its restriction, or make it an administrator",
    "listen": "the bot sees commands and buttons only, not 签到: make it an administrator",
    "notice": "the bot may miss who joins or leaves, and reactions: make it an administrator",
}
_TITLE_MAX = 60


def in_words(chat_id: str, title: str, missing: tuple[Right, ...]) -> str:
    """Return what is missing in a group and what to do about it, in a line."""
    return f"{_group(chat_id, title)}: " + "; ".join(_REMEDIES[right] for right in missing)


async def ask(bot: Bot, me: Me, chat_id: str, title: str) -> str | None:
    """Ask Telegram what is missing in a group; None when nothing is.

    Errors: TelegramError when it cannot be asked.
    """
    try:
        mine = await bot.get_chat_member(int(chat_id), me.id)
        chat = await bot.get_chat(int(chat_id))
    except (BadRequest, Forbidden) as error:
        return f"{_group(chat_id, title)}: {error.message}"
    missing = lacks(mine.to_dict(), me)
    if missing is None:
        return f"{_group(chat_id, title)}: the bot is no member: add it again"
    everybody = chat.permissions or ChatPermissions.all_permissions()
    if "notice" in missing and not everybody.can_send_messages and "speak" not in missing:
        missing = ("speak", *missing)  # no administrator, and nobody else may speak there
    return in_words(chat_id, title, missing) if missing else None


def _group(chat_id: str, title: str) -> str:
    return f"group {chat_id} ({clean_text(title, _TITLE_MAX)})"
