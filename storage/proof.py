"""Proof of the chain: every posting is sealed, as it stands, in an unbroken row of seals."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from storage.db import Sql, Tx
from storage.ledger import ROW, as_row
from storage.pages import Row
from storage.seals import seal_hash

PAGE = 5_000

_POSTINGS = Sql(
    f"SELECT {ROW} FROM posting WHERE programme_id = :programme AND id > :after"
    " ORDER BY id LIMIT :page"
)
_PROGRAMMES = Sql("SELECT DISTINCT programme_id FROM posting ORDER BY programme_id")
_SEAL = Sql(
    "SELECT s.number, s.postings, s.hash, COALESCE(b.hash, '') FROM seal s LEFT JOIN seal b"
    " ON b.programme_id = s.programme_id AND b.wallet = s.wallet AND b.number = s.number - 1"
    " WHERE s.programme_id = :programme AND s.wallet = :wallet AND s.id = :id"
)
_CHAINS = Sql(
    "SELECT a.programme_id, a.wallet, a.seals, a.chain, COUNT(s.number), COALESCE(MAX(s.number), 0)"
    " FROM account a LEFT JOIN seal s ON s.programme_id = a.programme_id AND s.wallet = a.wallet"
    " WHERE a.owner_id = 0 GROUP BY a.programme_id, a.wallet, a.seals, a.chain"
)
_END = Sql(
    "SELECT hash FROM seal WHERE programme_id = :programme AND wallet = :wallet"
    " AND number = :number"
)


_WITH_POSTINGS = Sql(
    "SELECT COUNT(*) FROM seal WHERE programme_id = :programme AND wallet = :wallet"
    " AND postings > 0"
)


class _Seal(NamedTuple):
    number: int
    postings: int
    hash: str
    before: str


def chain_faults(tx: Tx, *, progress: Callable[[int], None] = lambda _done: None) -> list[str]:
    """Recompute every seal; return every fault in words. An empty list is the proof.

    Postings are read once, in order, a page at a time; `progress` hears how many have been read.
    """
    faults = list(_ends(tx))
    sealed: dict[tuple[int, str], int] = {}
    read = 0
    for (programme_id,) in tx.all(_PROGRAMMES):
        open_: dict[tuple[str, int], list[Row]] = {}
        seals: dict[tuple[str, int], _Seal | None] = {}
        for row in postings(tx, programme_id):
            read += 1
            if read % PAGE == 0:
                progress(read)
            key = (row.wallet, row.seal)
            if key not in seals:
                found = tx.one(_SEAL, programme=programme_id, wallet=row.wallet, id=row.seal)
                seals[key] = _Seal._make(found) if found else None
            seal = seals[key]
            if seal is None:
                faults.append(f"posting {row.id} of programme {programme_id} is not sealed")
                continue
            rows = open_.setdefault(key, [])
            rows.append(row)
            if len(rows) == seal.postings:
                if seal_hash(seal.before, open_.pop(key)) != seal.hash:
                    faults.append(f"seal {seal.number} of programme {programme_id}: broken")
                sealed[programme_id, row.wallet] = sealed.get((programme_id, row.wallet), 0) + 1
        faults += [
            f"a seal of programme {programme_id}: {len(rows)} of its postings are there"
            for rows in open_.values()
        ]
    progress(read)
    return faults or list(_unmet(tx, sealed))


def postings(tx: Tx, programme_id: int) -> Iterator[Row]:
    """Yield all postings of a programme in order, reading a page at a time."""
    after = 0
    while page := tx.all(_POSTINGS, programme=programme_id, after=after, page=PAGE):
        for raw in page:
            yield as_row(tx, raw)
        after = page[-1][1]


def _ends(tx: Tx) -> Iterator[str]:
    """Compare the end of each chain with what the programme's own account says of it."""
    for programme_id, wallet, number, end, count, last in tx.all(_CHAINS):
        found = tx.one(_END, programme=programme_id, wallet=wallet, number=number)
        if (count, last, found[0] if found else "") != (number, number, end):
            yield f"the chain of programme {programme_id}, {wallet}, does not end where it should"


def _unmet(tx: Tx, sealed: dict[tuple[int, str], int]) -> Iterator[str]:
    """Tell of seals whose postings are all gone."""
    for programme_id, wallet, *_ in tx.all(_CHAINS):
        (count,) = tx.one(_WITH_POSTINGS, programme=programme_id, wallet=wallet)
        if count != sealed.get((programme_id, wallet), 0):
            yield f"seals of programme {programme_id}, {wallet}, have lost their postings"
