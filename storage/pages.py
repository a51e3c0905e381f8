"""How open books stand in the database: statements that read accounts and write what changed."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec.structs import astuple

from storage.account import Account, AccountKey, Lots, counts_text, read_counts
from storage.sql import Insert, Sql, arrays

if TYPE_CHECKING:
    from storage.db import Tx

EarnedKey = tuple[int, str, date, int, str]
"""Programme, wallet, day, owner, kind."""
TalkedKey = tuple[int, date, int]
"""Programme, day, member."""


class Row(NamedTuple):
    """A posting as it is written, in the order of the table's columns."""

    programme_id: int
    id: int
    key: str
    at_ms: int
    day: date
    wallet: str
    from_owner: int
    from_bucket: str
    to_owner: int
    to_bucket: str
    amount: int
    asked: int
    reason: str
    rule: str
    rule_version: int
    kind: str
    actor: str
    reverses: int | None
    expires_day: date | None
    lots: str | None
    from_prev: int
    to_prev: int
    from_after: int
    to_after: int
    seal: int


_FIELDS = Account.__struct_fields__
_COLUMNS = ", ".join(_FIELDS)
_LOADED = f"{_COLUMNS}, shown"
_TYPES = dict.fromkeys(_FIELDS, "bigint") | {
    "wallet": "text",
    "earned_day": "date",
    "checkin_day": "date",
    "streak": "int",
    "counts": "text",
    "next_expiry": "date",
    "qualifying_after": "date",
    "level": "text",
    "below_since": "date",
    "owed_since": "date",
    "earned_week": "date",
    "earned_month": "date",
}
_DAYS = [index for index, name in enumerate(_FIELDS) if _TYPES[name] == "date"]
_COUNTS = _FIELDS.index("counts")
_OF = "WHERE programme_id = :programme AND wallet = :wallet"
_ONE = f"SELECT {_LOADED} FROM account {_OF} AND owner_id = :owner"
_SOME = (
    f"SELECT {_LOADED} FROM account {_OF} AND owner_id IN (SELECT value FROM json_each(:owners))"
)
_ANY = f"SELECT {_LOADED} FROM account {_OF} AND owner_id = ANY(:owners)"
_READ_ONE, _READ = Sql(_ONE), Sql(_SOME, postgres=_ANY)
_LOCK_ONE = Sql(_ONE, postgres=f"{_ONE} FOR UPDATE")
_LOCK = Sql(_SOME, postgres=f"{_ANY} ORDER BY owner_id FOR UPDATE")
_ALL = Sql(f"SELECT {_COLUMNS} FROM account WHERE programme_id = :programme AND owner_id <> 0")
_OPEN = Sql(
    "INSERT INTO account (programme_id, owner_id, wallet) SELECT programme_id, id, :wallet"
    " FROM member WHERE programme_id = :programme AND id = :owner ON CONFLICT DO NOTHING"
)
_LOTS_OF = (
    "SELECT owner_id, expires_day, remaining FROM lot"
    f" {_OF} AND remaining > 0 AND owner_id {{owners}} ORDER BY owner_id, expires_day"
)
_LOTS = Sql(
    _LOTS_OF.format(owners="IN (SELECT value FROM json_each(:owners))"),
    postgres=_LOTS_OF.format(owners="= ANY(:owners)"),
)
_CHANGED = [name for name in _FIELDS if name not in {"programme_id", "owner_id", "wallet"}]
_WRITE = Sql(
    f"UPDATE account SET {', '.join(f'{name} = ?' for name in _CHANGED)}"
    " WHERE programme_id = ? AND owner_id = ? AND wallet = ?",
    postgres=f"UPDATE account a SET {', '.join(f'{name} = v.{name}' for name in _CHANGED)} FROM"
    f" unnest({', '.join(f':{name}::{_TYPES[name]}[]' for name in _FIELDS)}) AS v({_COLUMNS})"
    " WHERE a.programme_id = v.programme_id AND a.owner_id = v.owner_id AND a.wallet = v.wallet",
)
_TALKED = (
    "INSERT INTO talked (programme_id, day, member_id, messages) {values}"
    " ON CONFLICT (programme_id, day, member_id)"
    " DO UPDATE SET messages = talked.messages + excluded.messages"
)
_TALK = Sql(
    _TALKED.format(values="VALUES (?, ?, ?, ?)"),
    postgres=_TALKED.format(
        values="SELECT * FROM unnest(:programme::bigint[], :day::date[], :member::bigint[],"
        " :messages::bigint[])"
    ),
)
_POST = Insert("posting", Row._fields)
_WRITE_LOT = Sql(
    "INSERT INTO lot (programme_id, owner_id, wallet, expires_day, remaining)"
    " VALUES (:programme, :owner, :wallet, :day, :left)"
    " ON CONFLICT (programme_id, owner_id, wallet, expires_day)"
    " DO UPDATE SET remaining = excluded.remaining"
)
_EARNED = (
    "INSERT INTO earning (programme_id, wallet, day, owner_id, kind, points) {values}"
    " ON CONFLICT (programme_id, wallet, day, owner_id, kind)"
    " DO UPDATE SET points = earning.points + excluded.points"
)
_EARN = Sql(
    _EARNED.format(values="VALUES (?, ?, ?, ?, ?, ?)"),
    postgres=_EARNED.format(
        values="SELECT * FROM unnest(:programme::bigint[], :wallet::text[], :day::date[],"
        " :owner::bigint[], :kind::text[], :points::bigint[])"
    ),
)


def read_accounts(
    tx: "Tx", programme_id: int, wallet: str, owners: Sequence[int]
) -> Iterator[tuple[Account, int]]:
    """Yield accounts of some owners, and how they are shown; locked if the transaction writes."""
    values: dict[str, Any] = {"programme": programme_id, "wallet": wallet}
    if len(owners) == 1:
        rows = tx.all(_LOCK_ONE if tx.writes else _READ_ONE, **values, owner=owners[0])
    else:
        owned = str(owners) if tx.is_sqlite else owners
        rows = tx.all(_LOCK if tx.writes else _READ, **values, owners=owned)
    return ((_account(tx, row), shown) for *row, shown in rows)


def read_all_accounts(tx: "Tx", programme_id: int) -> Iterator[Account]:
    """Yield all accounts of a programme's members as they are written."""
    for row in tx.run(_ALL, programme=programme_id):
        yield _account(tx, row)


def _account(tx: "Tx", row: Sequence[Any]) -> Account:
    values = list(row)
    if tx.is_sqlite:
        for index in _DAYS:
            values[index] = date.fromisoformat(values[index])
    values[_COUNTS] = read_counts(values[_COUNTS])
    return Account(*values)


def open_account(tx: "Tx", programme_id: int, owner_id: int, wallet: str) -> None:
    """Open a wallet for a member; nothing happens when he has it, or is none."""
    tx.send(_OPEN, programme=programme_id, owner=owner_id, wallet=wallet)


def read_lots(
    tx: "Tx", programme_id: int, wallet: str, owners: Sequence[int]
) -> dict[AccountKey, Lots]:
    """Return the lots of some accounts."""
    some = str(owners) if tx.is_sqlite else owners
    found: dict[AccountKey, Lots] = {(programme_id, owner, wallet): () for owner in owners}
    for owner, raw, left in tx.all(_LOTS, programme=programme_id, wallet=wallet, owners=some):
        day = date.fromisoformat(raw) if isinstance(raw, str) else raw
        found[programme_id, owner, wallet] += ((day, left),)
    return found


def write_accounts(tx: "Tx", accounts: Iterable[Account]) -> None:
    """Write accounts that have changed."""
    rows = []
    for account in accounts:
        values = list(astuple(account))
        values[_COUNTS] = counts_text(account.counts)
        rows.append(values)
    if not tx.is_sqlite:
        tx.send(_WRITE, **arrays(_FIELDS, rows))
        return
    for values in rows:
        for index in _DAYS:  # the driver's own way takes three times as long
            values[index] = values[index].isoformat()
    tx.each(_WRITE, [values[3:] + values[:3] for values in rows])


def write_earned(tx: "Tx", earned: dict[EarnedKey, int]) -> None:
    """Add what was earned to what is known of it."""
    if not earned:
        return
    rows = [(*key, points) for key, points in sorted(earned.items())]
    if tx.is_sqlite:
        tx.each(_EARN, rows)
    else:
        names = ("programme", "wallet", "day", "owner", "kind", "points")
        tx.send(_EARN, **arrays(names, rows))


def write_talked(tx: "Tx", talked: dict[TalkedKey, int]) -> None:
    """Add messages to those that were counted on their days."""
    rows = [(*key, messages) for key, messages in sorted(talked.items())]
    if tx.is_sqlite:
        tx.each(_TALK, rows)
    else:
        tx.send(_TALK, **arrays(("programme", "day", "member", "messages"), rows))


def write_lots(tx: "Tx", lots: Iterable[tuple[AccountKey, date, int]]) -> None:
    """Write what is left of lots."""
    rows = [
        {"programme": programme, "owner": owner, "wallet": wallet, "day": day, "left": left}
        for (programme, owner, wallet), day, left in lots
    ]
    tx.many(_WRITE_LOT, rows)


def write_postings(tx: "Tx", rows: Sequence[Row]) -> None:
    """Write new postings."""
    tx.insert(_POST, rows)
