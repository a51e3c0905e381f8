"""Boards: who has earned most in a window, and one's own rank, exact at every moment.

The best are the first of an index over the packed account rows. A rank is a sum over the tally
(`storage.tallies`), and what lies above on one's own rung of it.
"""

from collections.abc import Iterable
from datetime import date
from typing import Any

from content import windows
from content.rungs import rung
from content.windows import WINDOWS, Window
from storage import tallies
from storage.db import Sql, Tx
from storage.standings import Board, Place, in_order

_EARNED_IN = "earned_{0} = :first AND {0}_earned"
_IN: dict[Window, str] = {
    "day": _EARNED_IN.format("day"),
    "week": _EARNED_IN.format("week"),
    "month": _EARNED_IN.format("month"),
    "all": "total_earned",
}
Shown = tuple[int, ...]
OPT_OUT: Shown = (1, 2)
OPT_IN: Shown = (2,)
"""Who stands on a board, by `account.shown`: all but those who said no, or who said yes alone."""

_RUNG = "(own.shift << 6) + (own.points >> own.shift)"
_OVER = "((own.points >> own.shift) + 1) << own.shift"
"""Where the rung above begins."""


def _standing(window: Window, shown: Shown) -> str:
    """One's own points, whether one stands there, how many do, and how many have more."""
    column = _IN[window].rpartition(" ")[2]
    whose = f"programme_id = :programme AND wallet = 'points' AND {_IN[window]}"
    tally = (
        "(SELECT CAST(COALESCE(SUM(members), 0) AS BIGINT) FROM tally"
        f" WHERE programme_id = :programme AND board = '{window}' AND first = :first"
        f" AND shown IN ({', '.join(map(str, shown))}){{above}})"
    )
    beside = " + ".join(
        f"(SELECT COUNT(*) FROM account WHERE {whose} > own.points AND {column} < {_OVER}"
        f" AND shown > 0 AND shown = {each})"
        for each in shown
    )
    return (
        # materialized, so that the planner does not write the steps of a shift into each condition
        f"WITH own AS MATERIALIZED (SELECT {column} AS points, shown >= {shown[0]} AS stands,"
        f" {tallies.shift(column)} AS shift"
        f" FROM account WHERE {whose} > 0 AND owner_id = :member)"
        " SELECT 0 AS part, 0 AS owner_id, '' AS name, own.points AS points, own.stands AS stands,"
        f" {tally.format(above='')} AS total,"
        f" {tally.format(above=f' AND rung > {_RUNG}')} + {beside} AS above"
        " FROM (SELECT 1) one LEFT JOIN own ON 1 = 1"
    )


def _best(window: Window, shown: Shown) -> str:
    column = _IN[window].rpartition(" ")[2]
    # Each by itself, so that the index gives them in order, and no more of them than are shown.
    best = " UNION ALL ".join(
        f"SELECT * FROM (SELECT programme_id, owner_id, {column} AS points FROM account"
        f" WHERE programme_id = :programme AND wallet = 'points' AND {_IN[window]} > 0"
        f" AND shown > 0 AND shown = {each}"
        f" ORDER BY {column} DESC, owner_id DESC LIMIT :places) t{each}"
        for each in shown
    )
    return (
        f"SELECT 1, t.owner_id, m.name, t.points, NULL, 0, 0 FROM (SELECT * FROM ({best}) b"
        " ORDER BY points DESC, owner_id DESC LIMIT :places) t"
        " JOIN member m ON m.programme_id = t.programme_id AND m.id = t.owner_id"
    )


_EACH = [(window, shown) for window in WINDOWS for shown in (OPT_OUT, OPT_IN)]
_OWN = {which: Sql(_standing(*which)) for which in _EACH}
_BOARD = {  # one statement, so that all of it is of one moment
    which: Sql(
        f"{_standing(*which)} UNION ALL {_best(*which)} ORDER BY part, points DESC, owner_id DESC"
    )
    for which in _EACH
}


def own_place(
    tx: Tx, programme_id: int, window: Window, today: date, member_id: int, *, opt_in: bool = False
) -> Place | None:
    """Return a member's place alone: None without points, rank 0 for one who is on no board."""
    first, shown = windows.start(window, today), OPT_IN if opt_in else OPT_OUT
    tx.books.write(tx)
    row = tx.one(_OWN[window, shown], programme=programme_id, first=first, member=member_id)
    behind = tx.books.tally.pending(programme_id, window, first, shown)
    return _own(row, member_id, behind)[1]


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

    Today's, that is: who has earned since stands in the window of that later day. (`dayboards`
    knows other days.) Who has left every group stands on no board, nor does who is hidden
    (`members.wish`); with `opt_in` only those stand there who wish it.
    """
    first, shown = windows.start(window, today), OPT_IN if opt_in else OPT_OUT
    tx.books.write(tx)
    values = {"programme": programme_id, "first": first, "member": member_id}
    head, *rows = tx.all(_BOARD[window, shown], **values, places=places)
    behind = tx.books.tally.pending(programme_id, window, first, shown)
    total, own = _own(head, member_id, behind)
    return Board(in_order([row[1:4] for row in rows]), total, own)


def _own(row: Any, member_id: int, behind: Iterable[tuple[int, int]]) -> tuple[int, Place | None]:
    """Return how many stand on a board, and one's own place; the table is `behind` on rungs."""
    points, stands, total, above = row[3:]
    total += sum(by for _, by in behind)
    if points is None:
        return total, None
    mine = rung(points)
    above += sum(by for number, by in behind if number > mine)
    return total, Place(above + 1 if stands else 0, member_id, "", points)
