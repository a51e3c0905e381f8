"""Boards: who has earned most in a window, and one's own rank, from the packed account rows."""

from datetime import date
from typing import NamedTuple

from content import windows
from content.windows import WINDOWS, Window
from storage.db import Sql, Tx
from storage.standings import Board, Counted, Place, Standings, ranked, standings

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


class _Asks(NamedTuple):
    """The statements of a window."""

    best: Sql
    counted: Sql
    own: Sql


def _asks(window: Window, shown: Shown) -> _Asks:
    column = _IN[window].rpartition(" ")[2]
    has = f"programme_id = :programme AND wallet = 'points' AND {_IN[window]} > 0"
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
            " UNION ALL ".join(
                f"SELECT {column}, COUNT(*) FROM account WHERE {has} AND shown > 0"
                f" AND shown = {each} GROUP BY {column}"
                for each in shown
            )
        ),
        Sql(
            f"SELECT {column}, shown >= {shown[0]} FROM account WHERE {has} AND owner_id = :member"
        ),
    )


_BY_WINDOW = {
    (window, shown): _asks(window, shown) for window in WINDOWS for shown in (OPT_OUT, OPT_IN)
}


def _standings(tx: Tx, programme_id: int, window: Window, first: date, shown: Shown) -> Standings:
    counted = _BY_WINDOW[window, shown].counted
    return standings(
        tx,
        (programme_id, window, first, shown),
        lambda: Counted(tx.all(counted, programme=programme_id, first=first)),
    )


def own_place(
    tx: Tx, programme_id: int, window: Window, today: date, member_id: int, *, opt_in: bool = False
) -> Place | None:
    """Return a member's place alone: None without points, rank 0 for one who is on no board."""
    first, shown = windows.start(window, today), OPT_IN if opt_in else OPT_OUT
    found = _standings(tx, programme_id, window, first, shown)
    own = _BY_WINDOW[window, shown].own
    row = tx.one(own, programme=programme_id, first=first, member=member_id)
    if row is None:
        return None
    points, stands = row
    return Place(found.rank(points) if stands else 0, member_id, "", points)


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
    (`members.wish`); with `opt_in` only those stand there who wish it. In a large programme ranks
    below the board may be some seconds old; what stands on the board, and everybody's own points,
    never are.
    """
    first, shown = windows.start(window, today), OPT_IN if opt_in else OPT_OUT
    values = {"programme": programme_id, "first": first}
    found = _standings(tx, programme_id, window, first, shown)
    asks = _BY_WINDOW[window, shown]
    best = tx.all(asks.best, **values, places=places)
    return ranked(best, found, member_id, tx.one(asks.own, **values, member=member_id))
