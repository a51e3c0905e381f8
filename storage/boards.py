"""Boards: who has earned most in a window, and one's own rank, from the packed account rows."""

import time
from bisect import bisect_left
from collections.abc import Sequence
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
    """A line of a board. Equal points share a rank, and of those who came last is named first.

    Rank 0 is that of one who stands on no board.
    """

    rank: int
    member_id: int
    name: str
    points: int


class Board(NamedTuple):
    """The best of a window, how many stand in it, and the asker's own place, if he has points."""

    places: list[Place]
    total: int
    own: Place | None


_COLUMN = {"day": "day_earned", "week": "week_earned", "month": "month_earned"}
_Shown = tuple[int, ...]
_OPT_OUT: _Shown = (1, 2)
_OPT_IN: _Shown = (2,)
"""Who stands on a board, by `account.shown`: all but those who said no, or who said yes alone."""


class _Asks(NamedTuple):
    """The statements of a window."""

    best: Sql
    counted: Sql
    own: Sql


def _asks(window: Window, shown: _Shown) -> _Asks:
    column = _COLUMN.get(window, "total_earned")
    has = (
        "programme_id = :programme AND owner_id <> 0 AND wallet = 'points'"
        f" AND earned_day >= :first AND {column} > 0"
    )
    # Each by itself, so that the index gives them in order, and no more of them than are shown.
    best = " UNION ALL ".join(
        f"SELECT * FROM (SELECT programme_id, owner_id, {column} AS points FROM account"
        f" WHERE {has} AND shown > 0 AND shown = {each}"
        f" ORDER BY {column} DESC, owner_id DESC LIMIT :places) t{each}"
        for each in shown
    )
    return _Asks(
        Sql(
            f"SELECT t.owner_id, m.name, t.points FROM ({best}) t"
            " JOIN member m ON m.programme_id = t.programme_id AND m.id = t.owner_id"
            " ORDER BY t.points DESC, t.owner_id DESC LIMIT :places"
        ),
        Sql(
            f"SELECT {column}, COUNT(*) FROM account WHERE {has} AND shown > 0"
            f" AND shown >= {shown[0]} GROUP BY {column}"
        ),
        Sql(
            f"SELECT {column}, shown >= {shown[0]} FROM account WHERE {has} AND owner_id = :member"
        ),
    )


_BY_WINDOW = {
    (window, shown): _asks(window, shown) for window in WINDOWS for shown in (_OPT_OUT, _OPT_IN)
}


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


_Key = tuple[int, Window, date, _Shown]
"""Programme, window, its first day, who stands there."""


class _Kept:
    """The counts of one database."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.standings: dict[_Key, _Standings] = {}


_kept: WeakKeyDictionary[Engine, _Kept] = WeakKeyDictionary()


def _standings(tx: Tx, key: _Key) -> _Standings:
    tx.books.write(tx)
    programme_id, window, first, shown = key
    kept = _kept.setdefault(tx.core.engine, _Kept())
    with kept.lock:  # who comes while another counts waits for that count
        known = kept.standings.get(key)
        start = time.monotonic()
        if known is not None and start < known.until:
            return known
        rows = tx.all(_BY_WINDOW[window, shown].counted, programme=programme_id, first=first)
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
    tx: Tx, programme_id: int, window: Window, today: date, member_id: int, *, opt_in: bool = False
) -> Place | None:
    """Return a member's place alone: None without points, rank 0 for one who is on no board."""
    first, shown = windows.start(window, today), _OPT_IN if opt_in else _OPT_OUT
    standings = _standings(tx, (programme_id, window, first, shown))
    own = _BY_WINDOW[window, shown].own
    row = tx.one(own, programme=programme_id, first=first, member=member_id)
    if row is None:
        return None
    points, stands = row
    return Place(standings.rank(points) if stands else 0, member_id, "", points)


def board(
    tx: Tx,
    programme_id: int,
    window: Window,
    today: date,
    *,
    places: int,
    member_id: int = 0,
    opt_in: bool = False,
) -> Board:
    """Return a window's board on a day of the programme, with the place of `member_id`.

    Who has left every group stands on none, nor does who is hidden (`members.wish`); with
    `opt_in` only those stand there who wish it. In a large programme ranks below the board may be
    some seconds old; what stands on the board, and everybody's own points, never are.
    """
    first, shown = windows.start(window, today), _OPT_IN if opt_in else _OPT_OUT
    values = {"programme": programme_id, "first": first}
    standings = _standings(tx, (programme_id, window, first, shown))
    asks = _BY_WINDOW[window, shown]
    best = tx.all(asks.best, **values, places=places)
    return _board(best, standings, member_id, tx.one(asks.own, **values, member=member_id))


def _board(
    rows: Sequence[tuple[int, str, int]],
    standings: _Standings,
    member_id: int,
    mine: tuple[int, bool] | None,
) -> Board:
    """Give each his rank: `rows` are members, names and points, `mine` points and standing."""
    best: list[Place] = []
    for member, name, points in rows:
        tied = bool(best) and best[-1].points == points
        best.append(Place(best[-1].rank if tied else len(best) + 1, member, name, points))
    own = None
    if mine is not None:
        points, stands = mine
        shown_above = sum(place.points > points for place in best)
        rank = max(standings.rank(points), shown_above + 1) if stands else 0
        on_board = next((place.rank for place in best if place.member_id == member_id), rank)
        own = Place(on_board, member_id, "", points)
    return Board(best, max(standings.total, len(best), own.rank if own else 0), own)
