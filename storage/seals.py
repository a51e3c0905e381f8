"""The end of a programme's chain: where a batch is sealed, and the programme's own account moves.

Every batch locks this one row, so it comes last and waits for nothing.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from storage.account import Counts, counts_text, read_counts
from storage.sql import Sql
from storage.tables import PROGRAMME_BUCKETS

if TYPE_CHECKING:
    from storage.db import Tx
    from storage.pages import Row

_TOTALS = ", ".join(f"{bucket} = {bucket} + :{bucket}" for bucket in PROGRAMME_BUCKETS)
_OWN = "WHERE programme_id = :programme AND owner_id = 0 AND wallet = :wallet"
_COUNTED = Sql(f"SELECT counts FROM account {_OWN}")
_COUNTED_LOCKED = Sql(_COUNTED.sqlite, postgres=f"{_COUNTED.sqlite} FOR UPDATE")
_OPEN = Sql(
    "INSERT INTO account (programme_id, owner_id, wallet) VALUES (:programme, 0, :wallet)"
    " ON CONFLICT DO NOTHING"
)
_END = Sql(
    f"SELECT seals, chain, counts FROM account {_OWN}",
    postgres=f"SELECT seals, chain, counts FROM account {_OWN} FOR UPDATE",
)
_SEAL = (
    "INSERT INTO seal (programme_id, wallet, number, id, postings, hash)"
    " VALUES (:programme, :wallet, :number, :id, :postings, :hash)"
)
_MOVE = f"UPDATE account SET seals = :number, chain = :hash, counts = :counts, {_TOTALS} {_OWN}"
_SEALED = (Sql(_SEAL), Sql(_MOVE))
_SEALED_AT_ONCE = Sql(f"WITH sealed AS ({_SEAL}) {_MOVE}")
_encode = msgspec.json.Encoder().encode


def seal_hash(before: str, rows: Iterable[Sequence[Any]]) -> str:
    """Return the hash of a batch: over the one before it in its chain, and every posting."""
    digest = hashlib.sha256(before.encode())
    digest.update(_encode(list(rows)))
    return digest.hexdigest()


def counted(tx: "Tx", programme_id: int, wallet: str, *, lock: bool) -> Counts:
    """Return what has been counted of a programme's budget."""
    row = tx.one(_COUNTED_LOCKED if lock else _COUNTED, programme=programme_id, wallet=wallet)
    return read_counts(row[0] if row else "")


class End(NamedTuple):
    """The end of a chain: how many seals it has, the last hash, and what the budget has counted."""

    seals: int
    hash: str
    counts: Counts


class Seal(NamedTuple):
    """What a batch does to a chain: its number, its postings, how buckets move, the new counts."""

    id: int
    rows: Sequence["Row"]
    totals: Mapping[str, int]
    counts: Counts


def lock(tx: "Tx", programme_id: int, wallet: str) -> End:
    """Lock the programme's own account until the commit, and return the end of its chain."""
    own = {"programme": programme_id, "wallet": wallet}
    found = tx.one(_END, **own)
    if found is None:
        tx.send(_OPEN, **own)
        found = tx.one(_END, **own)
    return End(found[0], found[1], read_counts(found[2]))


def seal(tx: "Tx", chain: tuple[int, str], end: End, batch: Seal) -> None:
    """Add a seal over a batch's postings, move the programme's own buckets, count its budget."""
    values: dict[str, Any] = {bucket: batch.totals.get(bucket, 0) for bucket in PROGRAMME_BUCKETS}
    values |= {"programme": chain[0], "wallet": chain[1], "number": end.seals + 1, "id": batch.id}
    values |= {"postings": len(batch.rows), "hash": seal_hash(end.hash, batch.rows)}
    values["counts"] = counts_text(batch.counts)
    if tx.is_sqlite:
        for sql in _SEALED:
            tx.send(sql, **values)
    else:
        tx.send(_SEALED_AT_ONCE, **values)
