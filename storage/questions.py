"""What people are asked to show that they are persons: members, and who asks to join a group.

The right answer stays here; the buttons hold a random token and a place.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from storage.db import Sql, Tx, to_ms
from storage.members import Who

KEEP = timedelta(days=2)
PASSED_FOR = timedelta(days=1)
"""Who has answered before he was let in, and comes within this time, is not asked again."""


class Held(NamedTuple):
    """A question that somebody has been asked. Instants in milliseconds, 0 for never.

    `group_id` is the group that he asks to join, 0 for a member's. `token` is '' when it is over.
    """

    programme_id: int
    group_id: int
    token: str
    way: str
    right: int
    tries: int
    asked_ms: int
    wait_ms: int
    passed_ms: int


_COLUMNS = "programme_id, group_id, token, way, right_n, tries, asked_ms, wait_ms, passed_ms"
_PUT = Sql(
    "INSERT INTO question (programme_id, platform, user_id, group_id, token, way, right_n, tries,"
    " asked_ms, wait_ms, passed_ms) VALUES (:programme, :platform, :user, :group, :token, :way,"
    " :right, :tries, :asked, :wait, :passed) ON CONFLICT (programme_id, platform, user_id)"
    " DO UPDATE SET group_id = excluded.group_id, token = excluded.token, way = excluded.way,"
    " right_n = excluded.right_n, tries = excluded.tries, asked_ms = excluded.asked_ms,"
    " wait_ms = excluded.wait_ms, passed_ms = excluded.passed_ms"
)
_GET = Sql(
    f"SELECT {_COLUMNS} FROM question"
    " WHERE programme_id = :programme AND platform = :platform AND user_id = :user"
)
_TAKE = Sql(
    "UPDATE question SET token = '' WHERE platform = :platform AND user_id = :user"
    f" AND token = :token RETURNING {_COLUMNS}"
)
_GROUP = Sql("SELECT chat_id, title FROM chat_group WHERE id = :id AND state = 'active'")
_FORGET = Sql("DELETE FROM question WHERE asked_ms < :before")


def put(tx: Tx, who: Who, held: Held) -> None:
    """Keep what somebody is asked, in place of what he was asked before."""
    tx.run(
        _PUT,
        programme=held.programme_id,
        platform=who.platform,
        user=who.user_id,
        group=held.group_id,
        token=held.token,
        way=held.way,
        right=held.right,
        tries=held.tries,
        asked=held.asked_ms,
        wait=held.wait_ms,
        passed=held.passed_ms,
    )


def get(tx: Tx, programme_id: int, who: Who) -> Held | None:
    """Return what somebody was asked last in a programme; None for nothing."""
    row = tx.one(_GET, programme=programme_id, platform=who.platform, user=who.user_id)
    return Held._make(row) if row else None


def take(tx: Tx, who: Who, token: str) -> Held | None:
    """Return the question of that token, if it is this person's and open: from now on it is not."""
    if not token:
        return None
    row = tx.one(_TAKE, platform=who.platform, user=who.user_id, token=token)
    return Held._make(row) if row else None


def passed(tx: Tx, programme_id: int, group_id: int, who: Who, now: datetime) -> str:
    """Return how he has shown lately, before he was let in, that he is a person; else nothing."""
    held = get(tx, programme_id, who)
    since = to_ms(now - PASSED_FOR)
    return held.way if held and held.group_id == group_id and held.passed_ms > since else ""


def chat(tx: Tx, group_id: int) -> tuple[str, str] | None:
    """Return chat id and title of the group that somebody asks to join, if the bot is there."""
    row = tx.one(_GROUP, id=group_id)
    return (row[0], row[1]) if row else None


def forget_old(tx: Tx, now: datetime) -> int:
    """Forget what was asked long ago; return how much."""
    removed: int = tx.run(_FORGET, before=to_ms(now - KEEP)).rowcount
    return removed
