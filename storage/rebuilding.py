"""Rebuilding: every projection once more from the postings, to compare it or to write it anew.

Projections are the buckets, lots and sums of each account, what of it came as gifts, what was
earned by day and kind, the programme's own buckets, and the tally of its boards. Not made from
postings, and left alone: what caps have counted, the level, the streak (check-ins have it), who is
shown, the end of the chain (`storage.proof` proves it). What one has earned who has been bound to
another counts for that one; what of his gifts went along, the binding says.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from storage import account as accounts
from storage import bindings, gifted, tallies
from storage.account import NEVER, Account, Lots, read_given, read_lots
from storage.db import Sql, Tx, to_day
from storage.ledger import ROW, as_row
from storage.movement import PROGRAMME
from storage.pages import Row, read_all_accounts
from storage.tables import PROGRAMME_BUCKETS

PAGE = 5_000
_COMPARED = (
    "available",
    "pending",
    "held",
    "debt",
    "earned_day",
    "earned_week",
    "earned_month",
    "day_earned",
    "week_earned",
    "month_earned",
    "total_earned",
    "qualifying",
    "next_expiry",
    "last_posting",
    "owed_since",
    "gifted",
    "gifted_spent",
)
Key = tuple[int, str]
"""Owner, wallet."""
EarnedKey = tuple[str, date, int, str]
"""Wallet, day, owner, kind."""

_POSTINGS = Sql(
    f"SELECT {ROW} FROM posting WHERE programme_id = :programme AND id > :after"
    " ORDER BY id LIMIT :page"
)
_ORIGINAL = Sql(
    "SELECT p.day, p.from_bucket, p.to_bucket, p.to_owner, m.due_day, m.owner_id"
    " FROM posting p LEFT JOIN maturing m"
    " ON m.programme_id = p.programme_id AND m.id = p.id"
    " WHERE p.programme_id = :programme AND p.id = :id"
)
_PROGRAMMES = Sql("SELECT id FROM programme ORDER BY id")
_OWN = Sql(
    f"SELECT wallet, {', '.join(PROGRAMME_BUCKETS)} FROM account"
    " WHERE programme_id = :programme AND owner_id = 0"
)
_LOTS = Sql(
    "SELECT owner_id, wallet, expires_day, remaining FROM lot"
    " WHERE programme_id = :programme AND remaining > 0 ORDER BY owner_id, wallet, expires_day"
)
_EARNING = Sql(
    "SELECT wallet, day, owner_id, kind, points FROM earning WHERE programme_id = :programme"
)
_SET = Sql(
    f"UPDATE account SET {', '.join(f'{name} = :{name}' for name in _COMPARED)}"
    " WHERE programme_id = :programme AND owner_id = :owner AND wallet = :wallet"
)
_SET_OWN = Sql(
    f"UPDATE account SET {', '.join(f'{name} = :{name}' for name in PROGRAMME_BUCKETS)}"
    " WHERE programme_id = :programme AND owner_id = 0 AND wallet = :wallet"
)
_OPEN = Sql(
    "INSERT INTO account (programme_id, owner_id, wallet) VALUES (:programme, :owner, :wallet)"
    " ON CONFLICT DO NOTHING"
)
_NO_LOTS = Sql("DELETE FROM lot WHERE programme_id = :programme")
_LOT = Sql(
    "INSERT INTO lot (programme_id, owner_id, wallet, expires_day, remaining)"
    " VALUES (:programme, :owner, :wallet, :day, :left)"
)
_TALLY = Sql(
    "SELECT board, first, shown, rung, members FROM tally"
    " WHERE programme_id = :programme AND members <> 0"
)
_SHOWN = Sql(
    "SELECT owner_id, shown FROM account WHERE programme_id = :programme AND wallet = 'points'"
)
_BOUND = Sql(
    "SELECT id, merged_into FROM member WHERE programme_id = :programme AND merged_into IS NOT NULL"
)
_NO_TALLY = Sql("DELETE FROM tally WHERE programme_id = :programme")
_NO_EARNING = Sql("DELETE FROM earning WHERE programme_id = :programme")
_EARN = Sql(
    "INSERT INTO earning (programme_id, wallet, day, owner_id, kind, points)"
    " VALUES (:programme, :wallet, :day, :owner, :kind, :points)"
)


@dataclass(slots=True)
class Projections:
    """All that follows from a programme's postings."""

    accounts: dict[Key, Account] = field(default_factory=dict)
    lots: dict[Key, Lots] = field(default_factory=dict)
    earned: dict[EarnedKey, int] = field(default_factory=dict)
    own: dict[str, dict[str, int]] = field(default_factory=dict)
    tally: Counter[tallies.Key] = field(default_factory=Counter)
    bound: dict[int, int] = field(default_factory=dict)
    """Members who have been bound to others, and to whom: what they have earned is theirs."""


@dataclass(slots=True)
class Difference:
    """A projection that is not what the postings say."""

    what: str
    stored: Any
    right: Any

    def __str__(self) -> str:
        """Say it in a line."""
        return f"{self.what}: {self.stored!r} is stored, {self.right!r} is right"


_ALONE = Sql("SELECT 1", postgres="LOCK TABLE account IN SHARE ROW EXCLUSIVE MODE")


def hold_still(tx: Tx) -> None:
    """Let nobody else move points until this transaction ends. SQLite has one writer anyhow."""
    tx.run(_ALONE)


def compare(
    tx: Tx, programme_id: int, *, progress: Callable[[int], None] = lambda _done: None
) -> tuple[Projections, list[Difference]]:
    """Replay a programme's postings, and find every projection that differs from what is stored."""
    stored = _stored(tx, programme_id)
    right = _replayed(tx, programme_id, stored, progress)
    return right, [*_differences(stored, right)]


def all_differences(tx: Tx) -> list[str]:
    """Return in words every projection of every programme that differs from the postings."""
    return [
        f"programme {programme_id}: {difference}"
        for (programme_id,) in tx.all(_PROGRAMMES)
        for difference in compare(tx, programme_id)[1]
    ]


def apply(tx: Tx, programme_id: int, right: Projections) -> None:
    """Write projections as the postings say. Nothing else may write meanwhile."""
    for (owner, wallet), has in right.accounts.items():
        own = {"programme": programme_id, "owner": owner, "wallet": wallet}
        tx.run(_OPEN, **own)
        tx.run(_SET, **own, **{name: getattr(has, name) for name in _COMPARED})
    for wallet, buckets in right.own.items():
        tx.run(_OPEN, programme=programme_id, owner=PROGRAMME, wallet=wallet)
        tx.run(_SET_OWN, programme=programme_id, wallet=wallet, **buckets)
    tx.run(_NO_LOTS, programme=programme_id)
    tx.many(
        _LOT,
        [
            {"programme": programme_id, "owner": key[0], "wallet": key[1], "day": day, "left": left}
            for key, lots in right.lots.items()
            for day, left in lots
        ],
    )
    tx.run(_NO_EARNING, programme=programme_id)
    names = ("wallet", "day", "owner", "kind")
    tx.many(
        _EARN,
        [
            {"programme": programme_id, "points": points, **dict(zip(names, key, strict=True))}
            for key, points in right.earned.items()
        ],
    )
    tx.run(_NO_TALLY, programme=programme_id)
    tallies.add(tx, right.tally)


def _stored(tx: Tx, programme_id: int) -> Projections:
    found = Projections()
    for has in read_all_accounts(tx, programme_id):
        found.accounts[has.owner_id, has.wallet] = has
    for owner, wallet, raw, left in tx.all(_LOTS, programme=programme_id):
        key = (owner, wallet)
        found.lots[key] = (*found.lots.get(key, ()), (to_day(raw) or NEVER, left))
    for wallet, raw, owner, kind, points in tx.all(_EARNING, programme=programme_id):
        found.earned[wallet, to_day(raw) or NEVER, owner, kind] = points
    for wallet, *buckets in tx.all(_OWN, programme=programme_id):
        found.own[wallet] = dict(zip(PROGRAMME_BUCKETS, buckets, strict=True))
    for board, raw, shown, rung, members in tx.all(_TALLY, programme=programme_id):
        found.tally[programme_id, board, to_day(raw) or date.min, shown, rung] = members
    return found


def _replayed(
    tx: Tx, programme_id: int, stored: Projections, progress: Callable[[int], None]
) -> Projections:
    """Start everybody from nothing but the day since when his points qualify."""
    right = Projections()
    for key, has in stored.accounts.items():
        right.accounts[key] = Account(*has.key, qualifying_after=has.qualifying_after)
    for wallet in stored.own:
        right.own[wallet] = dict.fromkeys(PROGRAMME_BUCKETS, 0)
    right.bound = dict(tx.all(_BOUND, programme=programme_id))
    moves = deque(bindings.all_moves(tx, programme_id))
    done = 0
    for row in _postings(tx, programme_id):
        while moves and moves[0].id < row.id:
            _carry(right, programme_id, moves.popleft())
        _replay(tx, right, row)
        done += 1
        if done % PAGE == 0:
            progress(done)
    for move in moves:
        _carry(right, programme_id, move)
    progress(done)
    _keep_ages(stored, right)
    _tally(tx, programme_id, right)
    return right


def _keep_ages(stored: Projections, right: Projections) -> None:
    """Leave a debt's age alone: one that was told of late is younger than its postings say."""
    for key, has in right.accounts.items():
        known = stored.accounts.get(key)
        if known is not None and has.debt and has.owed_since <= known.owed_since < NEVER:
            has.owed_since = known.owed_since


def _tally(tx: Tx, programme_id: int, right: Projections) -> None:
    """Count who stands on each rung; whether he is shown does not follow from postings."""
    shown = dict(tx.all(_SHOWN, programme=programme_id))
    for (owner, wallet), has in right.accounts.items():
        if wallet == tallies.WALLET:
            keys = tallies.keys(programme_id, shown.get(owner, 1), tallies.standing(has))
            right.tally.update(keys)


def _postings(tx: Tx, programme_id: int) -> Iterator[Row]:
    after = 0
    while page := tx.all(_POSTINGS, programme=programme_id, after=after, page=PAGE):
        for raw in page:
            yield as_row(tx, raw)
        after = page[-1][1]


def _replay(tx: Tx, right: Projections, row: Row) -> None:
    if row.from_owner == PROGRAMME:
        _total(right, row, row.from_bucket, -row.amount)
    else:
        _move(right, row, row.from_owner, row.from_bucket, -row.amount)
        if row.from_bucket == "available":
            _put_lots(right, (row.from_owner, row.wallet), _less(right, row, read_lots(row.lots)))
            gifted.leave(_account(right, row, row.from_owner), row)
    if row.to_owner == PROGRAMME:
        _total(right, row, row.to_bucket, row.amount)
    else:
        _move(right, row, row.to_owner, row.to_bucket, row.amount)
        if row.to_bucket == "available":
            given = read_given(row.lots)
            later = row.day + timedelta(days=1)  # an end that had passed by then
            kept = tuple((day if day >= row.day else later, n) for day, n in given)
            key = (row.to_owner, row.wallet)
            _put_lots(right, key, accounts.put(right.lots.get(key, ()), kept))
            gifted.arrive(right.accounts[key], row)
    earner, day, sign = _earns(tx, row)
    earner = right.bound.get(earner, earner)
    if earner:
        accounts.earn(_account(right, row, earner), sign * row.amount, day)
        name = (row.wallet, day, earner, row.kind)
        right.earned[name] = right.earned.get(name, 0) + sign * row.amount


def _carry(right: Projections, programme_id: int, move: bindings.Move) -> None:
    """Let gifts go along with a binding, or back."""
    for owner, wallet, given, spent in move.gifts:
        has = right.accounts.setdefault((owner, wallet), Account(programme_id, owner, wallet))
        has.gifted += given
        has.gifted_spent += spent


def _account(right: Projections, row: Row, owner: int) -> Account:
    key = (owner, row.wallet)
    if key not in right.accounts:
        right.accounts[key] = Account(row.programme_id, owner, row.wallet)
    return right.accounts[key]


def _total(right: Projections, row: Row, bucket: str, amount: int) -> None:
    buckets = right.own.setdefault(row.wallet, dict.fromkeys(PROGRAMME_BUCKETS, 0))
    buckets[bucket] += amount


def _move(right: Projections, row: Row, owner: int, bucket: str, amount: int) -> None:
    has = _account(right, row, owner)
    after = getattr(has, bucket) + amount
    if bucket == "debt" and amount < 0:
        has.owed_since = max(has.owed_since if has.debt else row.day, row.day)
    if bucket == "debt" and not after:
        has.owed_since = NEVER
    setattr(has, bucket, after)
    has.last_posting = row.id


def _less(right: Projections, row: Row, taken: Lots) -> Lots:
    left = dict(right.lots.get((row.from_owner, row.wallet), ()))
    for day, points in taken:
        left[day] = left.get(day, 0) - points
    return tuple(sorted((day, points) for day, points in left.items() if points))


def _put_lots(right: Projections, key: Key, lots: Lots) -> None:
    right.lots[key] = lots
    right.accounts[key].next_expiry = lots[0][0] if lots else NEVER


def _earns(tx: Tx, row: Row) -> tuple[int, date, int]:
    """Return who earns by a posting, on which day, and its sign; owner 0 for nobody."""
    if row.to_bucket in {"available", "debt"} and (
        row.from_bucket == "issued"
        or (row.from_bucket == "pending" and row.from_owner == row.to_owner)
    ):
        return row.to_owner, row.day, 1
    if row.reverses is None or row.to_bucket != "clawed_back" or row.from_bucket == "pending":
        return 0, row.day, 0
    raw, from_bucket, to_bucket, owner, due, ripened_for = tx.one(
        _ORIGINAL, programme=row.programme_id, id=row.reverses
    )
    if from_bucket != "issued":
        return 0, row.day, 0
    if to_bucket == "pending":
        owner, raw = ripened_for, due
    return owner, to_day(raw) or row.day, -1


def _differences(stored: Projections, right: Projections) -> Iterator[Difference]:
    for key in sorted({*stored.accounts, *right.accounts}):
        one, two = stored.accounts.get(key), right.accounts.get(key)
        for name in _COMPARED:
            before, after = getattr(one, name, None), getattr(two, name, None)
            if before != after:
                yield Difference(f"{name} of member {key[0]}, {key[1]}", before, after)
    pairs: tuple[tuple[str, dict[Any, Any], dict[Any, Any]], ...] = (
        ("lots of", stored.lots, {key: lots for key, lots in right.lots.items() if lots}),
        (
            "earned by",
            {key: points for key, points in stored.earned.items() if points},
            {key: points for key, points in right.earned.items() if points},
        ),
        ("the programme's own", stored.own, right.own),
        ("the tally on", stored.tally, right.tally),
    )
    for what, before, after in pairs:
        for key in sorted({*before, *after}, key=str):
            if before.get(key) != after.get(key):
                yield Difference(f"{what} {key}", before.get(key), after.get(key))
