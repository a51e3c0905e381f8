"""Postings as a busy store takes them: awards, with a few payments, by members of whom some do
much (Zipf), and what the store's parts are switched off by, for comparison.
"""

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date
from random import Random
from typing import Any
from unittest.mock import patch

from sqlalchemy import Engine

from bot import collector
from content.caps import Cap
from storage import account as accounts
from storage import books, ledger, seals
from storage.db import Tx, open_engine
from storage.movement import ISSUED, PROGRAMME, CappedError, LedgerError, Posting, Side
from storage.programmes import MAIN
from tests.bench.community import noon

BATCH = 1_000
FIRST = date(2026, 3, 4)
CAPS = (Cap("earn", "day", "points", 500), Cap("ugc", "day", "times", 50))
BUDGET = (Cap("issue", "day", "points", 10**9), Cap("issue", "month", "points", 10**9))
PAYMENTS = 0.04
Batch = list[Posting]


def batches(
    people: Sequence[int],
    count: int,
    *,
    caps: tuple[Cap, ...] = (),
    size: int = BATCH,
    start: int = 0,
    pays: float = PAYMENTS,
) -> Iterator[Batch]:
    """Yield batches; `start` numbers the first posting, so that no key comes twice."""
    rng = Random(11 + start)
    weights = [1 / (rank + 10) for rank in range(len(people))]
    number = start
    for _ in range(count):
        batch = []
        for owner in rng.choices(people, weights, k=size):
            number += 1
            batch.append(posting(owner, number, caps, pays=rng.random() < pays))
        yield batch


def posting(owner: int, number: int, caps: tuple[Cap, ...] = (), *, pays: bool = False) -> Posting:
    mine = Side(owner, "available")
    return Posting(
        programme_id=MAIN,
        key=f"{FIRST}/bench/{number:09}",
        source=mine if pays else ISSUED,
        target=Side(PROGRAMME, "redeemed") if pays else mine,
        amount=1,
        reason="bench",
        rule="bench",
        rule_version=1,
        actor="bench",
        at=noon(FIRST),
        day=FIRST,
        kind="behaviour",
        caps=() if pays else caps,
        budget=BUDGET if caps and not pays else (),
    )


def post(url: str, work: Sequence[Batch], kind: type[Tx] = Tx) -> float:
    """Return the seconds that it takes to post batches, a transaction for each."""
    engine = open_engine(url)
    warm(engine)
    with settled():
        started = time.perf_counter()
        for batch in work:
            with engine.connect() as connection, connection.begin():
                tx = kind(connection)
                results = ledger.post_many(tx, batch)
                tx.close()
            must(results)
        took = time.perf_counter() - started
    engine.dispose()
    return took


@contextmanager
def settled() -> Iterator[None]:
    """Let the collector do as in a running bot: it leaves alone what a bench holds ready, too."""
    before = gc.get_threshold()
    collector.settle()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


def warm(engine: Engine) -> None:
    """Open a connection before the clock runs."""
    with engine.connect() as connection, connection.begin():
        Tx(connection)


def must(results: Sequence[object]) -> None:
    """All were posted, or the caps left nothing of them."""
    refused = [each for each in results if isinstance(each, LedgerError)]
    assert all(isinstance(each, CappedError) for each in refused), refused[:3]


def _earn_alone(its: Any, key: Any, amount: int, day: date, _kind: str) -> None:
    accounts.earn(its.own(key), amount, day)


@contextmanager
def without(*parts: str) -> Iterator[None]:
    """Do without parts of the store, for a bench alone. A part that is not there is none.

    `chain`: no hash is computed over a batch, everything else of sealing stays. `levels`: no rows
    of what was earned by day and kind, from which levels are counted anew.
    """
    off: dict[str, tuple[object, str, Callable[..., object]]] = {
        "chain": (seals, "seal_hash", lambda _before, _rows: ""),
        "levels": (books.Books, "earn", _earn_alone),
    }
    with ExitStack() as stack:
        for part in parts:
            if part in off:
                where, name, instead = off[part]
                stack.enter_context(patch.object(where, name, instead))
        yield
