"""What has become of an account: its statement, and what it held at a moment."""

from collections.abc import Iterator
from datetime import date, datetime
from itertools import islice
from typing import NamedTuple

from storage.books import POINTS
from storage.db import Sql, Tx, from_ms
from storage.ids import first_id_after
from storage.ledger import ROW, as_row

_BY_ID = Sql(f"SELECT {ROW} FROM posting WHERE programme_id = :programme AND id = :id")


class Movement(NamedTuple):
    """A line of a member's statement: `amount` is signed, `after` the bucket's value then."""

    id: int
    at: datetime
    day: date
    amount: int
    bucket: str
    reason: str
    after: int
    key: str = ""


def statement(
    tx: Tx,
    programme_id: int,
    owner_id: int,
    *,
    count: int,
    wallet: str = POINTS,
    until: datetime | None = None,
) -> list[Movement]:
    """Return an account's last movements, newest first.

    With `until` they are the last ones that had been booked by that moment.
    """
    moves = movements(tx, programme_id, owner_id, wallet=wallet)
    if until is not None:
        bound = first_id_after(until)
        moves = (move for move in moves if move.id < bound)
    return list(islice(moves, count))


def movements(
    tx: Tx, programme_id: int, owner_id: int, *, wallet: str = POINTS
) -> Iterator[Movement]:
    """Yield an account's movements, newest first, by following its chain of postings.

    Each is read when it is asked for.
    """
    found = tx.books.account(tx, programme_id, owner_id, wallet)
    tx.books.write(tx)
    next_id = found.last_posting if found else 0
    while next_id:
        row = as_row(tx, tx.one(_BY_ID, programme=programme_id, id=next_id))
        incoming, outgoing = row.to_owner == owner_id, row.from_owner == owner_id
        yield Movement(
            row.id,
            from_ms(row.at_ms),
            row.day,
            row.amount if incoming else -row.amount,
            row.to_bucket if incoming else row.from_bucket,
            row.reason,
            row.to_after if incoming else row.from_after,
            row.key,
        )
        # between two buckets of one account the source was touched first: its link is the old one
        next_id = row.from_prev if outgoing else row.to_prev


def balance_at(
    tx: Tx, programme_id: int, owner_id: int, moment: datetime, wallet: str = POINTS
) -> int:
    """Return what was available at a moment, by when each posting was booked, not what it is for.

    It walks back from today, so that it costs as much as there has been since.
    """
    found = tx.books.account(tx, programme_id, owner_id, wallet)
    tx.books.write(tx)
    next_id = found.last_posting if found else 0
    bound = first_id_after(moment)
    while next_id:
        row = as_row(tx, tx.one(_BY_ID, programme=programme_id, id=next_id))
        outgoing = row.from_owner == owner_id
        if row.id < bound:
            if row.to_owner == owner_id and row.to_bucket == "available":
                return row.to_after
            if outgoing and row.from_bucket == "available":
                return row.from_after
        next_id = row.from_prev if outgoing else row.to_prev
    return 0
