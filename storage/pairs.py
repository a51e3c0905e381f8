"""Two members who are bound or parted: their accounts, locked, and what both ways share."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from content.checkin import streak_ending
from content.rulebook import Rulebook
from storage import account as accounts
from storage import checkins, ledger
from storage.account import Account, Lots
from storage.books import POINTS
from storage.db import Sql, Tx, to_day
from storage.movement import BIND, Posting, Side, Terms
from storage.pages import open_account

_LOCK = Sql(
    "SELECT wallet FROM account WHERE programme_id = :programme AND owner_id IN (:one, :other)"
    " ORDER BY wallet <> 'points', wallet, owner_id",
    postgres="SELECT wallet FROM account WHERE programme_id = :programme"
    " AND owner_id IN (:one, :other) ORDER BY wallet <> 'points', wallet, owner_id FOR UPDATE",
)
_EARNED = Sql(
    # Each day that there is by itself: no index has the owner first.
    "WITH RECURSIVE d(day) AS (SELECT MIN(day) FROM earning WHERE programme_id = :programme"
    " AND wallet = :wallet UNION ALL SELECT (SELECT MIN(e.day) FROM earning e"
    " WHERE e.programme_id = :programme AND e.wallet = :wallet AND e.day > d.day) FROM d"
    " WHERE d.day IS NOT NULL) SELECT e.day, e.kind, e.points FROM d CROSS JOIN earning e"
    " WHERE e.programme_id = :programme AND e.wallet = :wallet AND e.day = d.day"
    " AND e.owner_id = :owner"
)


class Act(NamedTuple):
    """Who binds or parts two members, by which rules, and when."""

    programme_id: int
    rules: Rulebook
    actor: str
    at: datetime
    today: date


@dataclass(slots=True)
class Pair:
    """Two members whose accounts are locked, in all their wallets."""

    tx: Tx
    act: Act
    survivor: int
    bound: int
    wallets: list[str]

    @property
    def both(self) -> dict[str, int]:
        """The values that most statements take."""
        ids = {"survivor": self.survivor, "bound": self.bound}
        return {"programme": self.act.programme_id, **ids}

    def ids(self, sql: Sql) -> tuple[int, ...]:
        """Carry out a statement; return the numbers of the rows that it has changed, in order."""
        names = {name: self.both[name] for name in sql.names}
        return tuple(sorted(id_ for (id_,) in self.tx.all(sql, **names)))

    def account(self, owner: int, wallet: str) -> Account:
        """Return an account as it stands now."""
        return ledger.account(self.tx, self.act.programme_id, owner, wallet)

    def own(self, owner: int, wallet: str) -> Account:
        """Return an account to be changed."""
        return self.tx.books.own((self.act.programme_id, owner, wallet))

    def lots(self, owner: int, wallet: str) -> Lots:
        """Return the whole lots of what somebody has available."""
        has = self.account(owner, wallet)
        return accounts.whole(self.tx.books.lots.get(has.key, ()), has.available)

    def move(  # noqa: PLR0917 - whence, whither, how much
        self,
        wallet: str,
        source: Side,
        target: Side,
        amount: int,
        key: str,
        terms: Terms = Terms(),  # noqa: B008 - nothing changes it
    ) -> None:
        """Move points between the two; nothing to move is no movement."""
        if not amount:
            return
        act = self.act
        moved = Posting(
            programme_id=act.programme_id,
            key=f"{act.today}/{key}/{wallet}/{source.bucket}-{target.bucket}",
            source=source,
            target=target,
            amount=amount,
            reason=key.partition("/")[0],
            rule=BIND,
            rule_version=0,
            actor=act.actor,
            at=act.at,
            day=act.today,
            wallet=wallet,
        )
        ledger.move(self.tx, moved, terms)


def lock(tx: Tx, act: Act, survivor: int, bound: int) -> Pair:
    """Lock the accounts of two members, in the order of all: what is looked at now stays so.

    Errors: RaceError when one of them has just been bound to another.
    """
    wallets = lock_rows(tx, act.programme_id, survivor, bound)
    for wallet in wallets:
        tx.books.load(tx, act.programme_id, wallet, {survivor, bound})
    return Pair(tx, act, survivor, bound, wallets)


def lock_rows(tx: Tx, programme_id: int, one: int, other: int) -> list[str]:
    """Lock the accounts of two members, whether they are closed or not; return their wallets."""
    rows = tx.all(_LOCK, programme=programme_id, one=one, other=other)
    return list(dict.fromkeys(wallet for (wallet,) in rows))


def settle(pair: Pair) -> None:
    """Open each wallet that only one of them has, and take away what has expired by now."""
    tx, act = pair.tx, pair.act
    for wallet in pair.wallets:
        for owner in (pair.survivor, pair.bound):
            has = tx.books.account(tx, act.programme_id, owner, wallet)
            if has is None:
                open_account(tx, act.programme_id, owner, wallet)
                has = tx.books.account(tx, act.programme_id, owner, wallet)
            if has is not None and has.next_expiry < act.today:
                ledger.expire(tx, has, act.today, act.at)


def carry(
    pair: Pair, wallet: str, *changes: tuple[int, int, int]
) -> Iterator[tuple[int, str, int, int]]:
    """Change what of the points of each counts as gifts; yield what is to be kept of it."""
    for owner, given, spent in changes:
        if given or spent:
            has = pair.own(owner, wallet)
            has.gifted += given
            has.gifted_spent += spent
            yield owner, wallet, given, spent


def earned(pair: Pair, owner: int, wallet: str) -> list[tuple[date, str, int]]:
    """Return what somebody has earned as it is written: day, kind, points."""
    of = {"programme": pair.act.programme_id, "wallet": wallet, "owner": owner}
    rows = pair.tx.all(_EARNED, **of)
    return [(to_day(raw) or date.min, kind, points) for raw, kind, points in rows]


def run_on(pair: Pair, owner: int) -> None:
    """Count somebody's streak anew from his days."""
    days = checkins.days(pair.tx, pair.act.programme_id, owner)
    has = pair.own(owner, POINTS)
    has.checkin_day = max(days, default=date.min)
    has.streak = streak_ending(days, has.checkin_day) if days else 0
