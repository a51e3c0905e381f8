"""Receipts of deliveries: the same update delivered again is known."""

from datetime import datetime, timedelta

from storage.db import Sql, Tx, to_ms
from storage.journeys import Sent

KEEP = timedelta(days=3)
"""Longer than any platform redelivers, shorter than the week of silence after which Telegram
starts its update numbers anew at random."""

STALE = timedelta(days=2)
"""An event older than this is not acted on any more, so forgetting its receipt is harmless."""

FORGET_MAX = 5_000
"""At a time, and those of the same millisecond, so that the one writer is not held."""

_RECEIPT = Sql(
    "INSERT INTO inbox (programme_id, key, at_ms) VALUES (:programme, :key, :at)"
    " ON CONFLICT DO NOTHING"
)
_FORGET = Sql(
    "DELETE FROM inbox WHERE at_ms <= (SELECT MAX(at_ms) FROM (SELECT at_ms FROM inbox"
    f" WHERE at_ms < :before ORDER BY at_ms LIMIT {FORGET_MAX}) old)"
)


def receive(tx: Tx, programme_id: int, key: str, now: datetime) -> Sent:
    """Write the receipt of a delivery; its count is 0 when there is one already, else 1."""
    return tx.send(_RECEIPT, programme=programme_id, key=key, at=to_ms(now))


def forget_old(tx: Tx, now: datetime) -> int:
    """Remove receipts that no redelivery can need; return how many."""
    removed: int = tx.run(_FORGET, before=to_ms(now - KEEP)).rowcount
    return removed
