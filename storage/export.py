"""The whole ledger as a stream of postings, and what it adds up to."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from storage import proof
from storage.db import Sql, Tx
from storage.pages import Row
from storage.tables import MEMBER_BUCKETS, PROGRAMME_BUCKETS

_BUCKETS = MEMBER_BUCKETS + PROGRAMME_BUCKETS
_SUMS = ", ".join(f"CAST(SUM({bucket}) AS BIGINT)" for bucket in _BUCKETS)
_BOOKS = Sql(f"SELECT programme_id, wallet, {_SUMS} FROM account GROUP BY programme_id, wallet")
_ENDS = Sql(
    "SELECT programme_id, wallet, seals, chain FROM account WHERE owner_id = 0"
    " ORDER BY programme_id, wallet"
)
_ALL = Sql("SELECT id FROM programme ORDER BY id")

Bucket = tuple[int, str, str]
"""Programme, wallet, bucket."""


class End(NamedTuple):
    """Where the chain of a programme's wallet ends: its last seal, and that one's hash."""

    programme_id: int
    wallet: str
    seals: int
    hash: str


@dataclass(slots=True)
class Sums:
    """What the postings that went by add up to: how many, and whole points by bucket."""

    rows: int = 0
    buckets: Counter[Bucket] = field(default_factory=Counter)

    def add(self, row: Row) -> None:
        """Count a posting."""
        self.rows += 1
        self.buckets[row.programme_id, row.wallet, row.from_bucket] -= row.amount
        self.buckets[row.programme_id, row.wallet, row.to_bucket] += row.amount


def programmes(tx: Tx) -> list[int]:
    """Return the numbers of all programmes."""
    return [id_ for (id_,) in tx.all(_ALL)]


def ledger(tx: Tx, wanted: list[int], sums: Sums) -> Iterator[Row]:
    """Yield every posting of these programmes in order, and count each in `sums`.

    Over a transaction that reads one moment, all of it belongs to that moment.
    """
    for programme_id in wanted:
        for row in proof.postings(tx, programme_id):
            sums.add(row)
            yield row


def ends(tx: Tx, wanted: list[int]) -> list[End]:
    """Return where the chains of these programmes end."""
    return [End(*row) for row in tx.all(_ENDS) if row[0] in wanted]


def differences(tx: Tx, wanted: list[int], sums: Sums) -> list[str]:
    """Say in words where the accounts hold something else than the postings add up to."""
    books: Counter[Bucket] = Counter()
    for programme_id, wallet, *held in tx.all(_BOOKS):
        if programme_id in wanted:
            books.update(
                {(programme_id, wallet, b): n for b, n in zip(_BUCKETS, held, strict=True)}
            )
    return [
        f"programme {key[0]}, {key[1]}: {key[2]} is {books[key]}, its postings say"
        f" {sums.buckets[key]}"
        for key in sorted({*books, *sums.buckets})
        if books[key] != sums.buckets[key]
    ]
