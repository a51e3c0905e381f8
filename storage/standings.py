"""Places on a board; for boards of any days, counts that are kept a while where they are costly."""

import time
from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import accumulate
from threading import Lock
from typing import NamedTuple
from weakref import WeakKeyDictionary

from sqlalchemy import Engine

from storage.db import Tx

KEPT_FROM = 1_000
"""Members on a board from which a count is kept: below, counting is quick and always new."""
KEPT_FOR = 50
"""A count is good for so many times as long as it took, and for `most_s` at most."""


class Place(NamedTuple):
    """A line of a board. Equal points share a rank, and of those who came last is named first.

    Rank 0 is that of one who stands on no board.
    """

    rank: int
    member_id: int
    name: str
    points: int


class Board(NamedTuple):
    """The best, how many stand on the board, and the asker's own place, if he has points."""

    places: list[Place]
    total: int
    own: Place | None


class Counted(NamedTuple):
    """How many have so many points, in any order, and if they were counted too, the best."""

    rows: Iterable[tuple[int, int]]
    best: Sequence[tuple[int, int]] = ()
    """Member and points."""


class Standings(NamedTuple):
    """How many have how much: `points` descending, `above[i]` have more than that."""

    points: list[int]
    above: list[int]
    total: int
    best: Sequence[tuple[int, int]]
    until: float

    def rank(self, mine: int) -> int:
        """Return the rank of so many points."""
        index = bisect_left(self.points, -mine, key=lambda points: -points)
        return (self.above[index] if index < len(self.above) else self.total) + 1


class _Kept:
    """The counts of one database."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.standings: dict[Hashable, Standings] = {}


_kept: WeakKeyDictionary[Engine, _Kept] = WeakKeyDictionary()


def standings(tx: Tx, key: Hashable, count: Callable[[], Counted], *, most_s: float) -> Standings:
    """Return what `count` counts, or what it has counted lately, for `most_s` at most."""
    tx.books.write(tx)
    kept = _kept.setdefault(tx.core.engine, _Kept())
    known = kept.standings.get(key)
    if known is not None and kept.lock.locked() and time.monotonic() < known.until + most_s:
        return known  # somebody else counts: what was counted last will do
    with kept.lock:  # who comes while another counts for the first time waits for that count
        known = kept.standings.get(key)
        start = time.monotonic()
        if known is not None and start < known.until:
            return known
        counted = count()
        rows = sorted(counted.rows, reverse=True)
        *above, total = accumulate((many for _, many in rows), initial=0)
        now = time.monotonic()  # from its end: a count that takes long must be good for a while
        until = now + max(min((now - start) * KEPT_FOR, most_s), now - start)
        found = Standings([points for points, _ in rows], above, total, counted.best, until)
        if total >= KEPT_FROM and not tx.books.rows:  # nothing that may yet be undone
            for old in [old for old, its in kept.standings.items() if its.until < start]:
                del kept.standings[old]
            kept.standings[key] = found
    return found


def in_order(rows: Iterable[tuple[int, str, int]]) -> list[Place]:
    """Return the places of the best (member, name, points), who come in order."""
    best: list[Place] = []
    for member, name, points in rows:
        tied = bool(best) and best[-1].points == points
        best.append(Place(best[-1].rank if tied else len(best) + 1, member, name, points))
    return best


def ranked(
    rows: Sequence[tuple[int, str, int]],
    all_of_them: Standings,
    member_id: int,
    mine: tuple[int, bool] | None,
) -> Board:
    """Give each his rank.

    `rows` are the best (member, name, points), in order; `mine` the points of `member_id`, and
    whether he stands on boards.
    """
    best = in_order(rows)
    own = None
    if mine is not None:
        points, stands = mine
        shown_above = sum(place.points > points for place in best)
        rank = max(all_of_them.rank(points), shown_above + 1) if stands else 0
        on_board = next((place.rank for place in best if place.member_id == member_id), rank)
        own = Place(on_board, member_id, "", points)
    return Board(best, max(all_of_them.total, len(best), own.rank if own else 0), own)
