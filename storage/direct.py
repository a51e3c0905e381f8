"""Where people can be written to in private: a bot may speak to those alone who have spoken to it.

The same for every programme, like the receipts of deliveries: all rows stand under programme 0.
"""

from datetime import datetime
from typing import NamedTuple

from storage.db import Sql, Tx, to_ms
from storage.members import Who

_NOTE = Sql(
    "INSERT INTO direct (programme_id, platform, user_id, chat_id, locale, since_ms)"
    " VALUES (0, :platform, :user, :chat, :locale, :at)"
    " ON CONFLICT (programme_id, platform, user_id) DO UPDATE SET chat_id = excluded.chat_id,"
    " locale = excluded.locale WHERE direct.chat_id <> excluded.chat_id"
    " OR direct.locale <> excluded.locale"
)
_FORGET = Sql(
    "DELETE FROM direct WHERE programme_id = 0 AND platform = :platform AND chat_id = :chat"
)
_OF = Sql(
    "SELECT platform, chat_id, locale FROM direct"
    " WHERE programme_id = 0 AND platform = :platform AND user_id = :user"
)
_CHATS = Sql(
    "SELECT d.platform, d.chat_id, d.locale FROM identity i JOIN direct d ON d.programme_id = 0"
    " AND d.platform = i.platform AND d.user_id = i.user_id"
    " WHERE i.programme_id = :programme AND i.member_id = :member ORDER BY d.since_ms DESC"
)


class Direct(NamedTuple):
    """A private chat with the bot, and the language spoken there ("" where it is not known)."""

    platform: str
    chat_id: str
    locale: str


def note(tx: Tx, who: Who, chat_id: str, locale: str, now: datetime) -> None:
    """Note that somebody has spoken to the bot in private."""
    tx.send(
        _NOTE,
        platform=who.platform,
        user=who.user_id,
        chat=chat_id,
        locale=locale[:16],
        at=to_ms(now),
    )


def forget(tx: Tx, platform: str, chat_id: str) -> None:
    """Note that nobody is reached there any more; nothing happens where it is a group's."""
    tx.send(_FORGET, platform=platform, chat=chat_id)


def of(tx: Tx, platform: str, user_id: str) -> Direct | None:
    """Return somebody's private chat with the bot; None where he has not opened one."""
    row = tx.one(_OF, platform=platform, user=user_id)
    return Direct(*row) if row else None


def chats(tx: Tx, programme_id: int, member_id: int) -> list[Direct]:
    """Return a member's private chats with the bot, the one he has opened last first."""
    return [Direct(*row) for row in tx.all(_CHATS, programme=programme_id, member=member_id)]
