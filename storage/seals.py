"""The end of a programme's chain: where a batch is sealed, and the programme's own account moves.

Every batch locks this one row, so it comes last and waits for nothing.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

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


def seal(  # noqa: PLR0917 - all that a batch does to one chain
    tx: "Tx",
    chain: tuple[int, str],
    number: int,
    rows: Sequence["Row"],
    totals: Mapping[str, int],
    counts: Callable[[Counts], Counts],
) -> None:
    """Add a seal over a batch's postings, move the programme's own buckets, count its budget.

    `chain` is programme and wallet, `number` the seal's; `counts` makes the budget's counts of
    those that are read under the lock.
    """
    own = {"programme": chain[0], "wallet": chain[1]}
    end = tx.one(_END, **own)
    if end is None:
        tx.run(_OPEN, **own)
        end = tx.one(_END, **own)
    seals, last, issued = end
    values = own | {bucket: totals.get(bucket, 0) for bucket in PROGRAMME_BUCKETS}
    values |= {"number": seals + 1, "id": number, "postings": len(rows)}
    values["hash"] = seal_hash(last, rows)
    values["counts"] = counts_text(counts(read_counts(issued)))
    if tx.is_sqlite:
        for sql in _SEALED:
            tx.run(sql, **values)
    else:
        tx.run(_SEALED_AT_ONCE, **values)
