"""The tally: how many stand on each rung of a board, moved with the postings that move them.

A rank is then a sum over few rows, exact at every moment: the tally equals what `COUNTED` counts
of the accounts. A transaction collects its moves (`Tally`), and writes them at its very end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from content.rungs import rung
from content.windows import WINDOWS, Window
from storage.sql import Sql, arrays

if TYPE_CHECKING:
    from storage.account import Account
    from storage.db import Tx

WALLET = "points"
"""Boards are of this wallet alone."""
Key = tuple[int, str, date, int, int]
"""Programme, board, its first day, shown, rung."""
Standing = tuple[tuple[date, int], ...]
"""For each window its first day, and the points in it."""

KEY = "programme_id, board, first, shown, rung"
_SHIFTS = 56  # of 63 bits
_WRITE = (
    f"INSERT INTO tally ({KEY}, members) {{values}} ON CONFLICT ({KEY})"
    " DO UPDATE SET members = tally.members + excluded.members"
)
_MOVE = Sql(
    _WRITE.format(values="VALUES (?, ?, ?, ?, ?, ?)"),
    postgres=_WRITE.format(
        values="SELECT * FROM unnest(:programme::bigint[], :board::text[], :first::date[],"
        " :shown::int[], :rung::int[], :members::bigint[])"
    ),
)
_NAMES = ("programme", "board", "first", "shown", "rung", "members")
_EMPTY = Sql("SELECT 1 FROM tally WHERE programme_id = :programme AND members = 0 LIMIT 1")
_SWEEP = Sql("DELETE FROM tally WHERE programme_id = :programme AND members = 0")
STANDING = (
    "earned_day, day_earned, earned_week, week_earned, earned_month, month_earned, total_earned"
)
"""The columns that a standing is made of."""


def shift(points: str) -> str:
    """Return in SQL by how many bits points are shortened on their rung."""
    steps = " ".join(f"WHEN {points} < {128 << n} THEN {n}" for n in range(_SHIFTS))
    return f"CASE {steps} ELSE {_SHIFTS} END"


_EACH = " UNION ALL ".join(
    f"SELECT programme_id, '{board}' AS board, {first} AS first, shown, {points} AS points,"
    f" {shift(points)} AS shift FROM account"
    f" WHERE wallet = '{WALLET}' AND owner_id <> 0 AND shown > 0 AND {points} > 0"
    for board, first, points in (
        ("day", "earned_day", "day_earned"),
        ("week", "earned_week", "week_earned"),
        ("month", "earned_month", "month_earned"),
        ("all", "'0001-01-01'", "total_earned"),
    )
)
COUNTED = (
    "SELECT programme_id, board, first, shown, (shift << 6) + (points >> shift) AS rung,"
    f" COUNT(*) AS members FROM ({_EACH}) e GROUP BY {KEY}"
)
"""What the tally has to be, from the accounts of all programmes."""


def standing(account: Account) -> Standing:
    """Return where an account stands in each window."""
    return (
        (account.earned_day, account.day_earned),
        (account.earned_week, account.week_earned),
        (account.earned_month, account.month_earned),
        (date.min, account.total_earned),
    )


def read_standing(row: Sequence[Any]) -> Standing:
    """Return a standing from the columns of `STANDING`."""
    days = [date.fromisoformat(day) if isinstance(day, str) else day for day in row[:-1:2]]
    return (*zip(days, row[1::2], strict=True), (date.min, row[-1]))


def keys(programme_id: int, shown: int, stands: Standing) -> Iterator[Key]:
    """Yield the rows of the tally in which somebody is counted."""
    if shown > 0:
        for board, (first, points) in zip(WINDOWS, stands, strict=True):
            if points > 0:
                yield programme_id, board, first, shown, rung(points)


@dataclass(slots=True)
class Tally:
    """What a transaction moves in the tally."""

    counted: dict[tuple[int, int], tuple[int, Standing]] = field(default_factory=dict)
    """Who is shown and stands where as his row has it, by programme and owner; his lock is held."""
    moves: dict[Key, int] = field(default_factory=dict)
    """By how much the table is behind the rows of the accounts."""
    swept: set[int] = field(default_factory=set)
    """Programmes whose empty rungs go."""

    def copy(self) -> Tally:
        """Return a tally that stands apart from this one from now on."""
        return Tally(self.counted.copy(), self.moves.copy(), self.swept.copy())

    def load(self, account: Account, shown: int) -> None:
        """Note how an account's row counts."""
        if account.wallet == WALLET:
            self.counted[account.programme_id, account.owner_id] = (shown, standing(account))

    def count(self, accounts: Iterable[Account]) -> None:
        """Count accounts as their rows become."""
        for account in accounts:
            if account.wallet != WALLET:
                continue
            who = (account.programme_id, account.owner_id)
            shown, before = self.counted[who]
            after = standing(account)
            if shown > 0:
                self._move(who[0], shown, before, after)
            self.counted[who] = (shown, after)

    def _move(self, programme_id: int, shown: int, before: Standing, after: Standing) -> None:
        moves = self.moves
        windows = zip(WINDOWS, before, after, strict=True)
        for board, (had_since, had), (since, has) in windows:
            old, new = rung(had), rung(has)
            if old == new and had_since == since:
                continue
            if old:
                key = (programme_id, board, had_since, shown, old)
                moves[key] = moves.get(key, 0) - 1
            if new:
                key = (programme_id, board, since, shown, new)
                moves[key] = moves.get(key, 0) + 1

    def show(self, programme_id: int, owner_id: int, shown: int) -> None:
        """Count somebody whose account is loaded as his row is shown from now on."""
        was, stands = self.counted[programme_id, owner_id]
        self.turn(programme_id, owner_id, was, shown, stands)

    def turn(
        self, programme_id: int, owner_id: int, was: int, shown: int, stands: Standing
    ) -> None:
        """Count somebody whose row is locked, and stands so, as it is shown from now on."""
        for state, by in ((was, -1), (shown, 1)):
            for key in keys(programme_id, state, stands):
                self.moves[key] = self.moves.get(key, 0) + by
        if (programme_id, owner_id) in self.counted:
            self.counted[programme_id, owner_id] = (shown, stands)

    def pending(
        self, programme_id: int, board: Window, first: date, shown: Sequence[int]
    ) -> list[tuple[int, int]]:
        """Return rungs of a board, and by how much the table is behind on them."""
        return [
            (key[4], by)
            for key, by in self.moves.items()
            if by and key[:3] == (programme_id, board, first) and key[3] in shown
        ]

    def programmes(self) -> set[int]:
        """Return the programmes whose own account must be locked before `write`."""
        return {key[0] for key, by in self.moves.items() if by} | self.swept

    def write(self, tx: Tx) -> None:
        """Write the moves. Rungs are hot: who writes them holds the lock of their programme."""
        add(tx, self.moves)
        for programme_id in sorted(self.swept):
            tx.send(_SWEEP, programme=programme_id)
        self.moves.clear()
        self.swept.clear()


def add(tx: Tx, moves: Mapping[Key, int]) -> None:
    """Add to rows of the tally, in the order of their keys."""
    rows = sorted((*key, by) for key, by in moves.items() if by)
    if rows and tx.is_sqlite:
        tx.each(_MOVE, rows)
    elif rows:
        tx.send(_MOVE, **arrays(_NAMES, rows))


def sweep(tx: Tx, programme_id: int) -> None:
    """Let go, when the transaction ends, of the rungs on which nobody stands any more."""
    if tx.one(_EMPTY, programme=programme_id) is not None:
        tx.books.tally.swept.add(programme_id)
