"""What the tests of the store share: a programme with members, and postings in short."""

import hashlib
import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, select, text

from storage import audit, clockwork, gifts, ledger, members, programmes
from storage.db import Tx
from storage.gifts import End, Gift
from storage.ids import new_id
from storage.members import Who
from storage.movement import ISSUED, PROGRAMME, Posted, Posting, Side
from storage.programmes import Defaults
from storage.tables import lot as table_lot
from storage.tables import metadata, seal
from storage.undoing import Undo

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
        tx.close()


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


def give(tx: Tx, programme_id: int, member_id: int, amount: int, **more: Any) -> Posted:
    return ledger.post(tx, posting(programme_id, Side(member_id, "available"), amount, **more))


def payment(programme_id: int, member_id: int, amount: Any, **more: Any) -> Posting:
    target, source = Side(PROGRAMME, "redeemed"), Side(member_id, "available")
    return posting(programme_id, target, amount, source=source, **more)


def offer(tx: Tx, programme_id: int, giver: int, receiver: int, amount: int, **more: Any) -> Gift:
    """Offer a gift that can be accepted for a day."""
    source, target = gifts.from_to(giver, receiver)
    asked = posting(programme_id, target, amount, source=source, **more)
    return gifts.offer(tx, asked, "谢谢", due=NOW + timedelta(hours=24))


def end_gift(tx: Tx, programme_id: int, gift: Gift, state: End, on: date = DAY) -> bool:
    return gifts.end(tx, programme_id, gift, state, actor="test:1", at=NOW, today=on)


def owe(tx: Tx, programme_id: int, member_id: int, amount: int, **more: Any) -> Posted:
    """Deduct from somebody who has nothing."""
    target, source = Side(PROGRAMME, "clawed_back"), Side(member_id, "debt")
    return ledger.post(tx, posting(programme_id, target, amount, source=source, **more))


def day(number: int) -> date:
    """Return the day that many days after the first."""
    return DAY + timedelta(days=number)


def undo(key: str, on: date = DAY, *, reason: str = "undo") -> Undo:
    return Undo(key, reason, "test:1", NOW, on)


def lots(tx: Tx, programme_id: int, owner_id: int, wallet: str = "points") -> dict[date, int]:
    """Return what is left of an account's points that expire, by their last day."""
    tx.close()
    rows = tx.core.execute(
        select(table_lot.c.expires_day, table_lot.c.remaining).where(
            table_lot.c.programme_id == programme_id,
            table_lot.c.owner_id == owner_id,
            table_lot.c.wallet == wallet,
            table_lot.c.remaining > 0,
        )
    )
    return dict(tuple(row) for row in rows)


def buckets(tx: Tx, programme_id: int, owner_id: int = PROGRAMME) -> dict[str, int]:
    """Return an account's buckets that hold anything."""
    tx.close()
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


def run_due(tx: Tx, *, now: datetime) -> int:
    """Do what is due for points in every programme, each by its own day."""
    return sum(clockwork.run_points(tx, id_, now) for id_ in clockwork.with_work(tx, now=now))


def run_daily(tx: Tx, *, now: datetime) -> int:
    """Do a part of what the day asks for in every programme; 0 when all is done."""
    return sum(clockwork.run_day(tx, id_, now) for id_ in clockwork.with_work(tx, now=now))


def count(tx: Tx, table: str) -> int:
    return int(tx.core.execute(text(f"SELECT COUNT(*) FROM {table}")).scalar_one())


def chain(engine: Engine, programme_id: int) -> list[int]:
    """Check the seals of a programme from the tables alone; return how much each one covers."""
    table, ours = metadata.tables["posting"], {"programme_id": programme_id}
    with engine.connect() as connection:
        seals = connection.execute(
            select(seal).filter_by(**ours).order_by(seal.c.number)
        ).mappings()
        rows = connection.execute(select(table).filter_by(**ours).order_by(table.c.id)).all()
        batches: dict[int, list[list[Any]]] = {}
        for row in rows:
            values = [v.isoformat() if isinstance(v, date) else v for v in row]
            batches.setdefault(row.seal, []).append(values)
        before, covered = "", []
        for number, one in enumerate(seals, start=1):
            batch = batches.pop(one["id"])
            told = json.dumps(batch, separators=(",", ":"), ensure_ascii=False)
            before = hashlib.sha256((before + told).encode()).hexdigest()
            assert (one["number"], one["postings"]) == (number, len(batch))
            assert one["hash"] == before
            covered.append(len(batch))
        assert batches == {}  # nothing unsealed
    return covered
