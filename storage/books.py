"""The open books of a transaction: accounts that it has loaded, and what it is going to write.

Accounts are read once and locked, movements are decided over them in memory, and what changed is
written with a few statements when the transaction ends, or when somebody needs to read it in SQL.
A savepoint keeps a copy: undoing is taking the copy back.
"""

from __future__ import annotations

from collections.abc import Collection
from copy import copy
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

from content.caps import Cap
from storage import pages, seals
from storage.account import NEVER, Account, AccountKey, Counts, Lots, allowed, earn, less, more
from storage.ids import new_id
from storage.pages import EarnedKey, Row, TalkedKey
from storage.tallies import Tally

if TYPE_CHECKING:
    from storage.db import Tx

POINTS = "points"
BUDGET = "issue"
"""The counter of the programme's own account that its budget is counted by."""
CLOSED = -1
"""How the accounts are shown of one who has been bound to another: nothing moves there."""
Chain = tuple[int, str]
"""Programme and wallet."""


_COPIED = (
    "accounts",
    "changed",
    "mine",
    "lots",
    "changed_lots",
    "rows",
    "made",
    "earned",
    "talked",
    "issued",
    "totals",
    "tally",
)


class RaceError(Exception):
    """Another process was quicker: what was decided here must be decided again."""


class Issued(NamedTuple):
    """What a transaction issues of a budget: its counts as read, as they become, and by what."""

    read: Counts
    counts: Counts
    asked: tuple[Any, ...] = ()
    """The last award first: (budget, amount, day, the ones before it); one without a budget was
    taken back. Adding one copies nothing, and a savepoint's copy shares them."""


@dataclass(slots=True)
class Books:
    """What a transaction knows and has to write. Amounts are whole points."""

    seal: int = field(default_factory=new_id)
    accounts: dict[AccountKey, Account] = field(default_factory=dict)
    changed: set[AccountKey] = field(default_factory=set)
    mine: set[AccountKey] = field(default_factory=set)
    """The accounts of these books alone: no savepoint's copy shares them, they may be changed."""
    lots: dict[AccountKey, Lots] = field(default_factory=dict)
    changed_lots: set[tuple[AccountKey, date]] = field(default_factory=set)
    rows: list[Row] = field(default_factory=list)
    written: int = 0
    """How many of the rows are in the database."""
    made: dict[tuple[int, str], Row] = field(default_factory=dict)
    """What this transaction has posted, by programme and key."""
    earned: dict[EarnedKey, int] = field(default_factory=dict)
    """What was earned, by day, owner and kind: the projection behind boards."""
    talked: dict[TalkedKey, int] = field(default_factory=dict)
    """How many messages counted, by day and member: the projection behind the board of talk."""
    issued: dict[Chain, Issued] = field(default_factory=dict)
    """What is issued of budgets."""
    totals: dict[Chain, dict[str, int]] = field(default_factory=dict)
    """What the programmes' own buckets move by: once for all, so that they are no hot row."""
    tally: Tally = field(default_factory=Tally)
    """Who has come to stand where on boards."""

    def copy(self) -> Books:
        """Return books that stand apart from these from now on."""
        self.mine.clear()
        twin = copy(self)
        for name in _COPIED:
            setattr(twin, name, getattr(self, name).copy())
        twin.totals = {chain: sums.copy() for chain, sums in self.totals.items()}
        return twin

    # -- accounts ------------------------------------------------------------------------------

    def load(self, tx: Tx, programme_id: int, wallet: str, owners: Collection[int]) -> None:
        """Read and lock accounts that are not known yet; who has none stays unknown.

        Errors: RaceError for a member who has just been bound to another: who looks again finds
        the other one.
        """
        missing = sorted({o for o in owners if (programme_id, o, wallet) not in self.accounts})
        if not missing:
            return
        with_lots: list[int] = []
        for account, shown in pages.read_accounts(tx, programme_id, wallet, missing):
            if shown == CLOSED and tx.writes:
                raise RaceError(f"member {account.owner_id} has been bound to another")
            self.accounts[account.key] = account
            self.tally.load(account, shown)
            if account.next_expiry != NEVER:
                with_lots.append(account.owner_id)
        if with_lots:
            self.lots |= pages.read_lots(tx, programme_id, wallet, with_lots)

    def account(self, tx: Tx, programme_id: int, owner_id: int, wallet: str) -> Account | None:
        """Return a member's account; None for a wallet that has never been used."""
        key = (programme_id, owner_id, wallet)
        if key not in self.accounts:
            self.load(tx, programme_id, wallet, [owner_id])
        return self.accounts.get(key)

    def open(self, tx: Tx, programme_id: int, owner_id: int, wallet: str) -> Account | None:
        """Open a member's wallet, and return it; None when there is no such member."""
        pages.open_account(tx, programme_id, owner_id, wallet)
        return self.account(tx, programme_id, owner_id, wallet)

    def own(self, key: AccountKey) -> Account:
        """Return a loaded account to be changed: it will be written."""
        account = self.accounts[key]
        if key not in self.mine:
            account = self.accounts[key] = copy(account)
            self.mine.add(key)
            self.changed.add(key)
        return account

    def forget(self, programme_id: int, wallet: str, owners: Collection[int]) -> None:
        """Read accounts again when they are next needed: SQL has changed them, after `write`."""
        for owner in owners:
            self.accounts.pop((programme_id, owner, wallet), None)

    def put_lots(self, key: AccountKey, lots: Lots) -> None:
        """Note an account's lots, and its next expiry."""
        days = {day for day, _ in set(self.lots.get(key, ())) ^ set(lots)}
        self.changed_lots |= {(key, day) for day in days}
        self.lots[key] = lots
        self.own(key).next_expiry = lots[0][0] if lots else NEVER

    def earn(self, key: AccountKey, amount: int, day: date, kind: str) -> None:
        """Count an amount as earned on a day by a kind of deed; a negative one undoes it."""
        earn(self.own(key), amount, day)
        programme_id, owner_id, wallet = key
        name = (programme_id, wallet, day, owner_id, kind)
        self.earned[name] = self.earned.get(name, 0) + amount

    def count(self, key: AccountKey, what: str) -> int:
        """Count a deed of a loaded account's owner; return how many that makes in all."""
        mine = self.own(key)
        mine.counts = more(mine.counts, what)
        return mine.counts.ever[what]

    def talk(self, programme_id: int, member_id: int, day: date) -> None:
        """Count a message for the board of talk."""
        key = (programme_id, day, member_id)
        self.talked[key] = self.talked.get(key, 0) + 1

    # -- the programme's own -------------------------------------------------------------------

    def total(self, chain: Chain, bucket: str, amount: int) -> None:
        """Move a programme's own bucket."""
        sums = self.totals.setdefault(chain, {})
        sums[bucket] = sums.get(bucket, 0) + amount

    def issue(self, tx: Tx, chain: Chain, budget: tuple[Cap, ...], amount: int, day: date) -> bool:
        """Count an award against the programme's budget; False when it leaves less than that.

        The budget is read without a lock, so that awards do not wait for each other, and looked at
        again under the lock when the transaction ends.
        """
        known = self._issued(tx, chain)
        left, counts = allowed(known.counts, budget, amount, day)
        if left < amount:
            return False
        self.issued[chain] = Issued(known.read, counts, (budget, amount, day, known.asked))
        return True

    def unissue(self, tx: Tx, chain: Chain, amount: int, day: date) -> None:
        """Give back to the budget what was issued on a day and is taken back."""
        known = self._issued(tx, chain)
        counts = less(known.counts, BUDGET, amount, day)
        self.issued[chain] = Issued(known.read, counts, ((), amount, day, known.asked))

    def _issued(self, tx: Tx, chain: Chain) -> Issued:
        known = self.issued.get(chain)
        if known is not None:
            return known
        counts = seals.counted(tx, *chain, lock=tx.careful)
        return Issued(counts, counts)

    # -- writing -------------------------------------------------------------------------------

    def write(self, tx: Tx) -> None:
        """Write what has changed, so that SQL sees it: accounts, lots, postings."""
        if self.changed:
            changed = [self.accounts[key] for key in sorted(self.changed)]
            self.tally.count(changed)
            pages.write_accounts(tx, changed)
            self.changed.clear()
            self.mine.clear()
        if self.earned:
            pages.write_earned(tx, self.earned)
            self.earned.clear()
        if self.talked:
            pages.write_talked(tx, self.talked)
            self.talked.clear()
        if self.changed_lots:
            left = {key: dict(self.lots[key]) for key, _ in self.changed_lots}
            lots = [(key, day, left[key].get(day, 0)) for key, day in sorted(self.changed_lots)]
            pages.write_lots(tx, lots)
            self.changed_lots.clear()
        if self.written < len(self.rows):
            pages.write_postings(tx, self.rows[self.written :])
            self.written = len(self.rows)

    def close(self, tx: Tx) -> None:
        """Write everything, and seal the postings of each programme."""
        self.write(tx)
        postings: dict[Chain, list[Row]] = {}
        for row in self.rows:
            postings.setdefault((row.programme_id, row.wallet), []).append(row)
        # In one order for every process, and at the very end: it is locked until the commit.
        boards = {(programme_id, POINTS) for programme_id in self.tally.programmes()}
        for chain in sorted({*postings, *self.totals} | boards):
            rows, totals = postings.get(chain, []), self.totals.get(chain)
            end = seals.lock(tx, *chain)
            if rows or totals is not None:
                counts = self._counts(chain, end.counts)
                seals.seal(tx, chain, end, seals.Seal(self.seal, rows, totals or {}, counts))
        self.tally.write(tx)
        self.totals.clear()
        self.rows.clear()
        self.written = 0
        self.seal = new_id()

    def _counts(self, chain: Chain, now: Counts) -> Counts:
        """Return what has been issued of a budget, now that nobody else can change it."""
        mine = self.issued.pop(chain, None)
        if mine is None or mine.read == now:
            return now if mine is None else mine.counts
        asked, last = [], mine.asked
        while last:
            *one, last = last
            asked.append(one)
        for budget, amount, day in reversed(asked):
            if not budget:
                now = less(now, BUDGET, amount, day)
                continue
            left, now = allowed(now, budget, amount, day)
            if left < amount:
                raise RaceError("the budget has been issued by another process")
        return now
