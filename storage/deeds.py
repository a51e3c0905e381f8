"""What shops have told us: a row for each event, with the postings that it made."""

import json
from collections.abc import Collection, Iterable
from datetime import date
from typing import NamedTuple

import msgspec

from storage.db import Sql, Tx, to_day
from storage.sql import Insert


class Part(NamedTuple):
    """What a deed moved by one rule, in one wallet; negative for what a refund took back.

    `posting` is 0 where nothing was moved, `withheld` says why there is less than the rule pays:
    `cap` (of the member), `once` (paid before), `review` (it waits: that is its number).
    `of_goods`: freight does not count for it.
    """

    rule: str
    wallet: str
    points: int
    posting: int
    available: date
    expires: date | None = None
    withheld: str = ""
    of_goods: bool = False
    review: int = 0


class Deed(NamedTuple):
    """A row, in the order of the table's columns."""

    programme_id: int
    key: str
    event: str
    order_no: str | None
    slot: str
    member_id: int
    amount_fen: int
    freight_fen: int
    refunded_fen: int
    refunded_freight_fen: int
    at_ms: int
    fingerprint: str
    spent_month: date | None
    parts: tuple[Part, ...]


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(tuple[Part, ...]).decode
_COLUMNS = ", ".join(Deed._fields)
_SELECT = f"SELECT {_COLUMNS} FROM deed WHERE programme_id = :programme AND"
_BY_KEYS = Sql(
    f"{_SELECT} key IN (SELECT value FROM json_each(:keys))",
    postgres=f"{_SELECT} key = ANY(:keys)",
)
_BY_ORDERS = Sql(
    # Without statistics SQLite would read every deed there is: it must be told what is rare.
    f"SELECT {', '.join(f'd.{name}' for name in Deed._fields)} FROM json_each(:orders) o"
    " CROSS JOIN deed d ON d.programme_id = :programme"
    " AND likelihood(d.order_no = o.value, 0.0001) ORDER BY d.key",
    postgres=f"{_SELECT} order_no = ANY(:orders) ORDER BY key",
)
_LOCK_ORDERS = Sql(
    "SELECT key FROM deed WHERE programme_id = :programme AND order_no = ANY(:orders)"
    " ORDER BY key FOR UPDATE"
)
_ADD = Insert("deed", Deed._fields)
_REFUND = Sql(
    "UPDATE deed SET refunded_fen = refunded_fen + :fen,"
    " refunded_freight_fen = refunded_freight_fen + :freight"
    " WHERE programme_id = :programme AND key = :key"
)
_ONCE = "programme_id = :programme AND rule = :rule AND wallet = :wallet AND subject = :subject"
_PAID = Sql(f"SELECT 1 FROM paid_once WHERE {_ONCE}")
_PAY = Sql(
    "INSERT INTO paid_once (programme_id, rule, wallet, subject)"
    " VALUES (:programme, :rule, :wallet, :subject)"
)


def by_keys(tx: Tx, programme_id: int, keys: Collection[str]) -> dict[str, Deed]:
    """Return the deeds with these keys."""
    some = json.dumps([*keys]) if tx.is_sqlite else [*keys]
    rows = [_deed(row) for row in tx.all(_BY_KEYS, programme=programme_id, keys=some)]
    return {row.key: row for row in rows}


def of_orders(tx: Tx, programme_id: int, orders: Collection[str]) -> list[Deed]:
    """Return and lock all that has happened to these orders."""
    some = json.dumps([*orders]) if tx.is_sqlite else [*orders]
    if not tx.is_sqlite:  # by itself: what somebody wrote while we waited is seen by the next one
        tx.all(_LOCK_ORDERS, programme=programme_id, orders=some)
    return [_deed(row) for row in tx.all(_BY_ORDERS, programme=programme_id, orders=some)]


def add(tx: Tx, deeds: Iterable[Deed]) -> None:
    """Write new deeds. One that another process has written this moment breaks the unit of work,
    which the worker then runs again: it is known by then.
    """  # noqa: D205 - one thought
    rows = [(*deed[:-1], _encode(deed.parts).decode()) for deed in deeds]
    tx.insert(_ADD, rows)


def note_refund(tx: Tx, order: Deed, fen: int, freight_fen: int) -> None:
    """Count what is refunded of an order that is written and locked."""
    tx.run(_REFUND, programme=order.programme_id, key=order.key, fen=fen, freight=freight_fen)


def paid_once(tx: Tx, programme_id: int, part: Part, subject: str) -> bool:
    """Whether a rule has paid for an order, a post or a member."""
    values = {"rule": part.rule, "wallet": part.wallet, "subject": subject}
    return tx.one(_PAID, programme=programme_id, **values) is not None


def pay_once(tx: Tx, programme_id: int, part: Part, subject: str) -> None:
    """Note that it has."""
    values = {"rule": part.rule, "wallet": part.wallet, "subject": subject}
    tx.run(_PAY, programme=programme_id, **values)


def _deed(row: tuple[object, ...]) -> Deed:
    *known, month, parts = row
    return Deed._make((*known, to_day(month), _decode(str(parts))))
