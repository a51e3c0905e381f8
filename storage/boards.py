"""Boards: who has earned most in a window, and one's own rank, from the packed account rows."""

import time
from bisect import bisect_left
from datetime import date
from itertools import accumulate
from threading import Lock
from typing import NamedTuple
from weakref import WeakKeyDictionary

from sqlalchemy import Engine

from content import windows
from content.windows import WINDOWS, Window
from storage.db import Sql, Tx


class Place(NamedTuple):
    """A line of a board. Equal points share a rank."""

    rank: int
    member_id: int
    name: str
    points: int


class Board(NamedTuple):
    """The best of a window, how many have points in it, and the asker's own place, if any."""

    places: list[Place]
    total: int
    own: Place | None


_COLUMN = {"day": "day_earned", "week": "week_earned", "month": "month_earned"}
_IN = (
    "programme_id = :programme AND owner_id <> 0 AND wallet = 'points'"
    " AND earned_day >= :first AND {column} > 0"
)


def _statements(window: Window) -> tuple[Sql, Sql, Sql]:
    column = _COLUMN.get(window, "total_earned")
    inside = _IN.format(column=column)
    return (
        Sql(
            f"SELECT t.owner_id, m.name, t.points FROM (SELECT programme_id, owner_id,"
            f" {column} AS points FROM account WHERE {inside}"
            f" ORDER BY {column} DESC, owner_id LIMIT :places) t"
            " JOIN member m ON m.programme_id = t.programme_id AND m.id = t.owner_id"
            " ORDER BY t.points DESC, t.owner_id"
        ),
        Sql(f"SELECT {column}, COUNT(*) FROM account WHERE {inside} GROUP BY {column}"),
        Sql(f"SELECT {column} FROM account WHERE {inside} AND owner_id = :member"),
    )


_BY_WINDOW = {window: _statements(window) for window in WINDOWS}


KEPT_FROM = 1_000
"""Members in a window from which a count is kept: below, counting is quick and always new."""
KEPT_FOR = 50
"""A count is good for so many times as long as it took, and for `KEPT_MAX_S` at most."""
KEPT_MAX_S = 5.0


class _Standings(NamedTuple):
    """How many have how much in a window: `points` descending, `above[i]` have more than that."""

    points: list[int]
    above: list[int]
    total: int
    until: float

    def rank(self, mine: int) -> int:
        index = bisect_left(self.points, -mine, key=lambda points: -points)
        return (self.above[index] if index < len(self.above) else self.total) + 1


class _Kept:
    """The counts of one database."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.standings: dict[tuple[int, Window, date], _Standings] = {}


_kept: WeakKeyDictionary[Engine, _Kept] = WeakKeyDictionary()


def _standings(tx: Tx, programme_id: int, window: Window, first: date) -> _Standings:
    tx.books.write(tx)
    kept = _kept.setdefault(tx.core.engine, _Kept())
    key = (programme_id, window, first)
    with kept.lock:  # who comes while another counts waits for that count
        known = kept.standings.get(key)
        start = time.monotonic()
        if known is not None and start < known.until:
            return known
        rows = tx.all(_BY_WINDOW[window][1], programme=programme_id, first=first)
        rows = sorted(rows, reverse=True)
        *above, total = accumulate((count for _, count in rows), initial=0)
        took = time.monotonic() - start
        until = start + min(took * KEPT_FOR, KEPT_MAX_S)
        found = _Standings([points for points, _ in rows], above, total, until)
        if total >= KEPT_FROM and not tx.books.rows:  # nothing that may yet be undone
            for old in [old for old, its in kept.standings.items() if its.until < start]:
                del kept.standings[old]
            kept.standings[key] = found
    return found


def own_place(
    tx: Tx, programme_id: int, window: Window, today: date, member_id: int
) -> Place | None:
    """Return a member's place alone. None without points."""
    first = windows.start(window, today)
    standings = _standings(tx, programme_id, window, first)
    row = tx.one(_BY_WINDOW[window][2], programme=programme_id, first=first, member=member_id)
    return Place(standings.rank(row[0]), member_id, "", row[0]) if row else None


def board(
    tx: Tx, programme_id: int, window: Window, today: date, *, places: int, member_id: int = 0
) -> Board:
    """Return a window's board on a day of the programme, with the place of `member_id`.

    In a large programme ranks below the board may be some seconds old; what stands on the board,
    and everybody's own points, never are.
    """
    first = windows.start(window, today)
    values = {"programme": programme_id, "first": first}
    standings = _standings(tx, programme_id, window, first)
    best: list[Place] = []
    for member, name, points in tx.all(_BY_WINDOW[window][0], **values, places=places):
        tied = bool(best) and best[-1].points == points
        best.append(Place(best[-1].rank if tied else len(best) + 1, member, name, points))
    row = tx.one(_BY_WINDOW[window][2], **values, member=member_id)
    own = None
    if row is not None:
        shown_above = sum(place.points > row[0] for place in best)
        rank = max(standings.rank(row[0]), shown_above + 1)
        on_board = next((place.rank for place in best if place.member_id == member_id), rank)
        own = Place(on_board, member_id, "", row[0])
    return Board(best, max(standings.total, len(best), own.rank if own else 0), own)
