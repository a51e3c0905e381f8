"""What is to be said: written with the event's effects, read by the sender, removed when said."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from content.message import Doing, Reply, pack
from storage.db import Sql, Tx, to_ms
from storage.ids import new_id
from storage.sql import Insert, arrays


class Outgoing(NamedTuple):
    """One row on its way out. Instants in milliseconds; `payload` is a packed Reply.

    `kind`: `say`, or `tap` (the answer to a pressed button, `target` being the tap), or `edit`
    (`target` being the message), or `do` (the reply's action). `person` is whom it answers, for
    `say` with `target` being the message it answers.
    """

    programme_id: int
    id: int
    platform: str
    chat_id: str
    thread: str | None
    kind: str
    target: str | None
    person: str
    payload: str
    created_ms: int
    expires_ms: int


ACTION_LIFE = timedelta(hours=1)
"""What could not be done for so long is not done any more."""
_PUT = Insert("outbox", Outgoing._fields)
_WAITING = Sql(
    "SELECT programme_id, id, platform, chat_id, thread, kind, target, person, payload,"
    " created_ms, expires_ms FROM outbox WHERE state = 'waiting' ORDER BY id"
)
_SAID = Sql(
    "DELETE FROM outbox WHERE programme_id = ? AND id = ?",
    postgres="DELETE FROM outbox o USING unnest(:programmes::bigint[], :ids::bigint[])"
    " AS v(programme_id, id) WHERE o.programme_id = v.programme_id AND o.id = v.id",
)
_STATE = Sql("UPDATE outbox SET state = :state WHERE programme_id = :programme_id AND id = :id")
_SENDING_UNKNOWN = Sql("UPDATE outbox SET state = 'unknown' WHERE state = 'sending'")
_MOVED = Sql(
    "UPDATE outbox SET chat_id = :new WHERE platform = :platform AND chat_id = :old"
    " AND state = 'waiting'"
)
_FORGET = Sql(
    "DELETE FROM outbox WHERE created_ms < :before AND (state <> 'waiting' OR expires_ms < :before)"
)


def put(
    tx: Tx,
    *,
    programme_id: int,
    platform: str,
    chat_id: str,
    thread: str | None,
    kind: str,
    target: str | None,
    person: str,
    payload: str,
    created_ms: int,
    expires_ms: int,
) -> Outgoing:
    """Add a row; it is durable when the batch commits, and sent then."""
    row = Outgoing(
        programme_id,
        new_id(),
        platform,
        chat_id,
        thread,
        kind,
        target,
        person,
        payload,
        created_ms,
        expires_ms,
    )
    tx.later(_PUT, row)
    tx.told.append(row)
    return row


def say(
    tx: Tx,
    *,
    programme_id: int,
    platform: str,
    chat_id: str,
    reply: Reply,
    now: datetime,
    thread: str | None = None,
) -> Outgoing:
    """Say something in any chat, of one's own accord."""
    return put(
        tx,
        programme_id=programme_id,
        platform=platform,
        chat_id=chat_id,
        thread=thread,
        kind="say",
        target=None,
        person="",
        payload=pack(reply),
        created_ms=to_ms(now),
        expires_ms=to_ms(now + timedelta(seconds=reply.life_s)),
    )


def do(
    tx: Tx,
    *,
    programme_id: int,
    platform: str,
    chat_id: str,
    action: Doing,
    now: datetime,
    life: timedelta = ACTION_LIFE,
) -> Outgoing:
    """Do something in a chat. It may be done twice, so it is of a kind where that is harmless."""
    return put(
        tx,
        programme_id=programme_id,
        platform=platform,
        chat_id=chat_id,
        thread=None,
        kind="do",
        target=None,
        person="",
        payload=pack(Reply("", action=action)),
        created_ms=to_ms(now),
        expires_ms=to_ms(now + life),
    )


def waiting(tx: Tx) -> list[Outgoing]:
    """Return what an earlier run left unsaid, oldest first."""
    return [Outgoing(*row) for row in tx.all(_WAITING)]


def said(tx: Tx, rows: Sequence[tuple[int, int]]) -> None:
    """Remove rows, given as (programme, id), that have been said."""
    if tx.is_sqlite:
        tx.each(_SAID, rows)
    elif rows:
        tx.send(_SAID, **arrays(("programmes", "ids"), rows))


def mark(tx: Tx, rows: Sequence[tuple[int, int]], state: str) -> None:
    """Keep rows with what became of them: `waiting`, `sending`, `unknown` or `failed`."""
    tx.many(
        _STATE, [{"programme_id": programme, "id": id_, "state": state} for programme, id_ in rows]
    )


def give_up_interrupted(tx: Tx) -> int:
    """Mark as unknown what was being sent, once only, when the last run ended; return how many."""
    count: int = tx.run(_SENDING_UNKNOWN).rowcount
    return count


def follow_chat(tx: Tx, platform: str, old: str, new: str) -> None:
    """Send what waits for a chat to the chat that it became."""
    tx.run(_MOVED, platform=platform, old=old, new=new)


def forget_old(tx: Tx, before_ms: int) -> int:
    """Remove what failed, or was for a platform not served now, before that instant."""
    removed: int = tx.run(_FORGET, before=before_ms).rowcount
    return removed
