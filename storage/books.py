"""The open books of a transaction: accounts that it has loaded, and what it is going to write.

Accounts are read once and locked, movements are decided over them in memory, and what changed is
written with a few statements when the transaction ends, or when somebody needs to read it in SQL.
A savepoint keeps a copy: undoing is taking the copy back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from content.caps import Cap
from storage.account import NEVER, Account, Lots, allowed, earn, less
from storage.ids import new_id
from storage.sql import Sql
from storage.tables import PROGRAMME_BUCKETS
from storage.tallies import Tally

if TYPE_CHECKING:
    from storage.db import Tx

POINTS = "points"
BUDGET = "issue"
"""The counter of the programme's own account that its budget is counted by."""
WORTH_A_COPY = 64
"""Rows from which COPY is quicker than INSERTs in one message (PostgreSQL)."""
AccountKey = tuple[int, int, str]
"""Programme, owner, wallet."""


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


_FIELDS = Account._fields
_COLUMNS = ", ".join(_FIELDS)
_LOADED = f"{_COLUMNS}, shown"
_DATES = {
    "earned_day",
    "checkin_day",
    "next_expiry",
    "qualifying_after",
    "below_since",
    "owed_since",
    "earned_week",
    "earned_month",
}
_DAYS = [index for index, name in enumerate(_FIELDS) if name in _DATES]
_READ_ONE = Sql(
    f"SELECT {_LOADED} FROM account WHERE programme_id = :programme AND wallet = :wallet"
    " AND owner_id = :owner"
)
_LOAD_ONE = Sql(_READ_ONE.sqlite, postgres=f"{_READ_ONE.sqlite} FOR UPDATE")
_READ = Sql(
    f"SELECT {_LOADED} FROM account WHERE programme_id = :programme AND wallet = :wallet"
    " AND owner_id IN (SELECT value FROM json_each(:owners))",
    postgres=f"SELECT {_LOADED} FROM account WHERE programme_id = :programme"
    " AND wallet = :wallet AND owner_id = ANY(:owners)",
)
_LOAD = Sql(
    _READ.sqlite,
    postgres=f"SELECT {_LOADED} FROM account WHERE programme_id = :programme"
    " AND wallet = :wallet AND owner_id = ANY(:owners) ORDER BY owner_id FOR UPDATE",
)
_READ_ALL = Sql(f"SELECT {_COLUMNS} FROM account WHERE programme_id = :programme AND owner_id <> 0")
_OPEN = Sql(
    "INSERT INTO account (programme_id, owner_id, wallet) SELECT programme_id, id, :wallet"
    " FROM member WHERE programme_id = :programme AND id = :owner ON CONFLICT DO NOTHING"
)
_LOTS_OF = (
    "SELECT owner_id, expires_day, remaining FROM lot WHERE programme_id = :programme"
    " AND wallet = :wallet AND remaining > 0 AND owner_id {owners} ORDER BY owner_id, expires_day"
)
_LOTS = Sql(
    _LOTS_OF.format(owners="IN (SELECT value FROM json_each(:owners))"),
    postgres=_LOTS_OF.format(owners="= ANY(:owners)"),
)
_CHANGED = [name for name in _FIELDS if name not in {"programme_id", "owner_id", "wallet"}]
_POSTGRES_TYPES = dict.fromkeys(_DATES, "date") | {
    "wallet": "text",
    "counts": "text",
    "level": "text",
    "streak": "int",
}
_WRITE = Sql(
    f"UPDATE account SET {', '.join(f'{name} = ?' for name in _CHANGED)}"
    " WHERE programme_id = ? AND owner_id = ? AND wallet = ?",
    postgres=f"UPDATE account a SET {', '.join(f'{name} = v.{name}' for name in _CHANGED)} FROM"
    " unnest("
    + ", ".join(f":{name}::{_POSTGRES_TYPES.get(name, 'bigint')}[]" for name in _FIELDS)
    + f") AS v({_COLUMNS}) WHERE a.programme_id = v.programme_id AND a.owner_id = v.owner_id"
    " AND a.wallet = v.wallet",
)
_POST = Sql(
    f"INSERT INTO posting ({', '.join(Row._fields)}) VALUES ({', '.join('?' * len(Row._fields))})",
    postgres=f"INSERT INTO posting ({', '.join(Row._fields)})"
    f" VALUES ({', '.join(['%s'] * len(Row._fields))})",
)
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
_EARN_NAMES = ("programme", "wallet", "day", "owner", "kind", "points")
_TOTALS = ", ".join(f"{bucket} = {bucket} + :{bucket}" for bucket in PROGRAMME_BUCKETS)
_OWN = "WHERE programme_id = :programme AND owner_id = 0 AND wallet = :wallet"
_BUDGET = Sql(f"SELECT counts FROM account {_OWN}")
_BUDGET_LOCKED = Sql(_BUDGET.sqlite, postgres=f"{_BUDGET.sqlite} FOR UPDATE")
_OPEN_OWN = Sql(
    "INSERT INTO account (programme_id, owner_id, wallet) VALUES (:programme, 0, :wallet)"
    " ON CONFLICT DO NOTHING"
)
_CHAIN_END = Sql(
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


_COPIED = (
    "accounts",
    "changed",
    "lots",
    "changed_lots",
    "rows",
    "made",
    "earned",
    "issued",
    "totals",
    "tally",
)


class RaceError(Exception):
    """Another process was quicker: what was decided here must be decided again."""


class Issued(NamedTuple):
    """What a transaction issues of a budget: its counts as read, as they become, and by what."""

    read: str
    counts: str
    asked: tuple[Any, ...] = ()
    """The last award first: (budget, amount, day, the ones before it); one without a budget was
    taken back. Adding one copies nothing,
    and a savepoint's copy shares them."""


def read_accounts(tx: Tx, programme_id: int) -> Iterator[Account]:
    """Yield all accounts of a programme's members as they are written."""
    for row in tx.run(_READ_ALL, programme=programme_id):
        yield Account._make(_with_days(row) if tx.is_sqlite else row)


@dataclass(slots=True)
class Books:
    """What a transaction knows and has to write. Amounts are whole points."""

    seal: int = field(default_factory=new_id)
    accounts: dict[AccountKey, Account] = field(default_factory=dict)
    changed: set[AccountKey] = field(default_factory=set)
    lots: dict[AccountKey, Lots] = field(default_factory=dict)
    changed_lots: set[tuple[AccountKey, date]] = field(default_factory=set)
    rows: list[Row] = field(default_factory=list)
    written: int = 0
    """How many of the rows are in the database."""
    made: dict[tuple[int, str], Any] = field(default_factory=dict)
    """What this transaction has posted, by programme and key."""
    earned: dict[tuple[int, str, date, int, str], int] = field(default_factory=dict)
    """What was earned, by programme, wallet, day, owner and kind: the projection behind boards."""
    issued: dict[tuple[int, str], Issued] = field(default_factory=dict)
    """What is issued of budgets, by programme and wallet."""
    totals: dict[tuple[int, str, str], int] = field(default_factory=dict)
    """What the programmes' own buckets move by: once for all, so that they are no hot row."""
    tally: Tally = field(default_factory=Tally)
    """Who has come to stand where on boards."""

    def copy(self) -> Books:
        """Return books that stand apart from these from now on."""
        twin = copy(self)
        for name in _COPIED:
            setattr(twin, name, getattr(self, name).copy())
        return twin

    def put(self, account: Account) -> None:
        """Note what an account has become."""
        key = account[:3]
        self.accounts[key] = account
        self.changed.add(key)

    def put_lots(self, account: Account, lots: Lots) -> Account:
        """Note an account's lots; return it with its next expiry."""
        key = account[:3]
        days = {day for day, _ in set(self.lots.get(key, ())) ^ set(lots)}
        self.changed_lots |= {(key, day) for day in days}
        self.lots[key] = lots
        return account._replace(next_expiry=lots[0][0] if lots else NEVER)

    def earn(self, account: Account, amount: int, day: date, kind: str) -> None:
        """Count an amount as earned on a day by a kind of deed; a negative one undoes it."""
        self.put(earn(account, amount, day))
        programme_id, owner_id, wallet = account[:3]
        key = (programme_id, wallet, day, owner_id, kind)
        self.earned[key] = self.earned.get(key, 0) + amount

    def issue(  # noqa: PLR0917 - whose budget, and what of it
        self,
        tx: Tx,
        programme_id: int,
        wallet: str,
        budget: tuple[Cap, ...],
        amount: int,
        day: date,
    ) -> bool:
        """Count an award against the programme's budget; False when it leaves less than that.

        The budget is read without a lock, so that awards do not wait for each other, and looked at
        again under the lock when the transaction ends.
        """
        key = (programme_id, wallet)
        known = self._issued(tx, key)
        own = Account(programme_id, 0, wallet, counts=known.counts)
        left, counts = allowed(own, budget, amount, day)
        if left < amount:
            return False
        self.issued[key] = Issued(known.read, counts, (budget, amount, day, known.asked))
        return True

    def unissue(self, tx: Tx, programme_id: int, wallet: str, amount: int, day: date) -> None:
        """Give back to the budget what was issued on a day and is taken back."""
        key = (programme_id, wallet)
        known = self._issued(tx, key)
        counts = less(known.counts, BUDGET, amount, day)
        self.issued[key] = Issued(known.read, counts, ((), amount, day, known.asked))

    def _issued(self, tx: Tx, key: tuple[int, str]) -> Issued:
        known = self.issued.get(key)
        if known is not None:
            return known
        sql = _BUDGET_LOCKED if tx.careful else _BUDGET
        row = tx.one(sql, programme=key[0], wallet=key[1])
        counts = row[0] if row else ""
        return Issued(counts, counts)

    def total(self, programme_id: int, wallet: str, bucket: str, amount: int) -> None:
        """Move a programme's own bucket."""
        key = (programme_id, wallet, bucket)
        self.totals[key] = self.totals.get(key, 0) + amount

    def load(self, tx: Tx, programme_id: int, wallet: str, owners: Collection[int]) -> None:
        """Read and lock accounts that are not known yet; who has none stays unknown."""
        missing = sorted({o for o in owners if (programme_id, o, wallet) not in self.accounts})
        if not missing:
            return
        values: dict[str, Any] = {"programme": programme_id, "wallet": wallet}
        if len(missing) == 1:
            rows = tx.all(_LOAD_ONE if tx.writes else _READ_ONE, **values, owner=missing[0])
        else:
            owned = str(missing) if tx.is_sqlite else missing
            rows = tx.all(_LOAD if tx.writes else _READ, **values, owners=owned)
        with_lots: list[int] = []
        for *row, shown in rows:
            account = Account._make(_with_days(row) if tx.is_sqlite else row)
            self.accounts[account[:3]] = account
            self.tally.load(account, shown)
            if account.next_expiry != NEVER:
                with_lots.append(account.owner_id)
                self.lots[account[:3]] = ()
        if with_lots:
            self._load_lots(tx, programme_id, wallet, with_lots)

    def account(self, tx: Tx, programme_id: int, owner_id: int, wallet: str) -> Account | None:
        """Return a member's account; None for a wallet that has never been used."""
        key = (programme_id, owner_id, wallet)
        if key not in self.accounts:
            self.load(tx, programme_id, wallet, [owner_id])
        return self.accounts.get(key)

    def open(self, tx: Tx, programme_id: int, owner_id: int, wallet: str) -> Account | None:
        """Open a member's wallet, and return it; None when there is no such member."""
        tx.run(_OPEN, programme=programme_id, owner=owner_id, wallet=wallet)
        return self.account(tx, programme_id, owner_id, wallet)

    def forget(self, programme_id: int, wallet: str, owners: Collection[int]) -> None:
        """Read accounts again when they are next needed: SQL has changed them, after `write`."""
        for owner in owners:
            self.accounts.pop((programme_id, owner, wallet), None)

    def _load_lots(self, tx: Tx, programme_id: int, wallet: str, owners: list[int]) -> None:
        some = str(owners) if tx.is_sqlite else owners
        for owner, raw, left in tx.all(_LOTS, programme=programme_id, wallet=wallet, owners=some):
            day = date.fromisoformat(raw) if isinstance(raw, str) else raw
            key = (programme_id, owner, wallet)
            self.lots[key] = (*self.lots[key], (day, left))

    def write(self, tx: Tx) -> None:
        """Write what has changed, so that SQL sees it: accounts, lots, postings."""
        if self.changed:
            accounts = [self.accounts[key] for key in sorted(self.changed)]
            self.tally.count(accounts)
            if tx.is_sqlite:
                tx.each(_WRITE, [(*account[3:], *account[:3]) for account in accounts])
            else:
                columns = zip(*accounts, strict=True)
                tx.run(_WRITE, **{n: list(c) for n, c in zip(_FIELDS, columns, strict=True)})
            self.changed.clear()
        if self.earned:
            earned = [(*key, points) for key, points in sorted(self.earned.items())]
            if tx.is_sqlite:
                tx.each(_EARN, earned)
            else:
                columns = zip(*earned, strict=True)
                tx.run(_EARN, **{n: list(c) for n, c in zip(_EARN_NAMES, columns, strict=True)})
            self.earned.clear()
        if self.changed_lots:
            tx.many(_WRITE_LOT, [self._lot(key, day) for key, day in sorted(self.changed_lots)])
            self.changed_lots.clear()
        if self.written < len(self.rows):
            rows = self.rows[self.written :]
            if tx.is_sqlite or len(rows) < WORTH_A_COPY:
                tx.each(_POST, rows)
            else:
                tx.copy_many("posting", Row._fields, rows)
            self.written = len(self.rows)

    def _lot(self, key: AccountKey, day: date) -> dict[str, Any]:
        programme_id, owner_id, wallet = key
        left = dict(self.lots[key]).get(day, 0)
        return {
            "programme": programme_id,
            "owner": owner_id,
            "wallet": wallet,
            "day": day,
            "left": left,
        }

    def close(self, tx: Tx) -> None:
        """Write everything, and seal the postings of each programme."""
        self.write(tx)
        by_programme: dict[tuple[int, str], list[Row]] = {}
        for row in self.rows:
            by_programme.setdefault((row.programme_id, row.wallet), []).append(row)
        # In one order for every process, and at the very end: it is locked until the commit.
        sealed = {*by_programme, *(key[:2] for key in self.totals)}
        for chain in sorted(sealed | {(id_, POINTS) for id_ in self.tally.programmes()}):
            if chain in sealed:
                self._seal(tx, *chain, by_programme.get(chain, []))
            else:
                _chain_end(tx, *chain)
        self.tally.write(tx)
        self.totals.clear()
        self.rows.clear()
        self.written = 0
        self.seal = new_id()

    def _seal(self, tx: Tx, programme_id: int, wallet: str, rows: Sequence[Row]) -> None:
        """Move the programme's own buckets of a wallet, and add a seal to its chain."""
        own = {"programme": programme_id, "wallet": wallet}
        end = _chain_end(tx, programme_id, wallet)
        totals = {b: self.totals.get((programme_id, wallet, b), 0) for b in PROGRAMME_BUCKETS}
        values = own | totals
        values |= {"number": end[0] + 1, "id": self.seal, "postings": len(rows)}
        values["hash"] = seal_hash(end[1], rows)
        values["counts"] = self._counts(programme_id, wallet, end[2])
        if tx.is_sqlite:
            for sql in _SEALED:
                tx.run(sql, **values)
        else:
            tx.run(_SEALED_AT_ONCE, **values)

    def _counts(self, programme_id: int, wallet: str, now: str) -> str:
        """Return what has been issued of a budget, now that nobody else can change it."""
        mine = self.issued.pop((programme_id, wallet), None)
        if mine is None or mine.read == now:
            return now if mine is None else mine.counts
        own = Account(programme_id, 0, wallet, counts=now)
        asked, last = [], mine.asked
        while last:
            *one, last = last
            asked.append(one)
        for budget, amount, day in reversed(asked):
            if not budget:
                own = own._replace(counts=less(own.counts, BUDGET, amount, day))
                continue
            left, counts = allowed(own, budget, amount, day)
            if left < amount:
                raise RaceError("the budget has been issued by another process")
            own = own._replace(counts=counts)
        return own.counts


def _chain_end(tx: Tx, programme_id: int, wallet: str) -> Sequence[Any]:
    """Lock the programme's own account, and return the end of its chain."""
    own = {"programme": programme_id, "wallet": wallet}
    end = tx.one(_CHAIN_END, **own)
    if end is None:
        tx.run(_OPEN_OWN, **own)
        end = tx.one(_CHAIN_END, **own)
    found: Sequence[Any] = end
    return found


def _with_days(row: Sequence[Any]) -> list[Any]:
    values = list(row)
    for index in _DAYS:
        values[index] = date.fromisoformat(values[index])
    return values
