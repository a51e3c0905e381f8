"""What the tests of the store share: a programme with members, and postings in short."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Engine, text

from storage import audit, ledger, members, programmes
from storage.db import Tx
from storage.ids import new_id
from storage.ledger import ISSUED, PROGRAMME, Posting, Side
from storage.members import Who
from storage.programmes import Defaults

NOW = datetime(2026, 3, 4, 4, 0, tzinfo=UTC)
DAY = date(2026, 3, 4)
DEFAULTS = Defaults("Asia/Shanghai", "zh")
_numbers = itertools.count(1)


@contextmanager
def transaction(engine: Engine) -> Iterator[Tx]:
    """Open a batch as the worker does; what raises undoes all of it."""
    with engine.connect() as connection, connection.begin():
        tx = Tx(connection)
        yield tx
        ledger.write_totals(tx)
        tx.write_later_rows()


@contextmanager
def undone(engine: Engine) -> Iterator[Tx]:
    """Open a batch that leaves nothing behind."""
    with engine.connect() as connection:
        trial = connection.begin()
        yield Tx(connection)
        trial.rollback()


def programme(tx: Tx, programme_id: int | None = None) -> int:
    id_ = programme_id or new_id()
    programmes.create(tx, id_, "营", DEFAULTS, NOW)
    return id_


def member(tx: Tx, programme_id: int, name: str = "小明", platform: str = "telegram") -> int:
    who = Who(platform, f"u{next(_numbers)}", name)
    return members.enrol(tx, programme_id, who, NOW).id


def posting(
    programme_id: int,
    target: Side,
    amount: Any,
    *,
    source: Side = ISSUED,
    key: str | None = None,
    reason: str = "test",
    at: datetime = NOW,
    day: date = DAY,
    wallet: str = "points",
) -> Posting:
    return Posting(
        programme_id=programme_id,
        key=key or f"2026-03-04/test/{next(_numbers)}",
        source=source,
        target=target,
        amount=amount,
        reason=reason,
        rule="test",
        rule_version=1,
        actor="test:1",
        at=at,
        day=day,
        wallet=wallet,
    )


def give(tx: Tx, programme_id: int, member_id: int, amount: int, **more: Any) -> ledger.Posted:
    return ledger.post(tx, posting(programme_id, Side(member_id, "available"), amount, **more))


def buckets(tx: Tx, programme_id: int, owner_id: int = PROGRAMME) -> dict[str, int]:
    """Return an account's buckets that hold anything."""
    row = (
        tx.core.execute(
            text("SELECT * FROM account WHERE programme_id = :p AND owner_id = :o"),
            {"p": programme_id, "o": owner_id},
        )
        .mappings()
        .one_or_none()
    )
    names = audit.MEMBER_BUCKETS + audit.PROGRAMME_BUCKETS
    return {name: row[name] for name in names if row[name]} if row else {}


def count(tx: Tx, table: str) -> int:
    return int(tx.core.execute(text(f"SELECT COUNT(*) FROM {table}")).scalar_one())
