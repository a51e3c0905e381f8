"""Boards: who has earned most in a window, and one's own rank, from the packed account rows."""

from datetime import date
from typing import NamedTuple

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


def _statements(window: Window) -> tuple[Sql, Sql, Sql, Sql]:
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
        Sql(
            f"SELECT COUNT(*), COALESCE(SUM(CASE WHEN {column} > :mine THEN 1 ELSE 0 END), 0)"
            f" FROM account WHERE {inside}"
        ),
        Sql(f"SELECT {column} FROM account WHERE {inside} AND owner_id = :member"),
        Sql(f"SELECT COUNT(*) FROM account WHERE {inside} AND {column} > :mine"),
    )


_BY_WINDOW = {window: _statements(window) for window in WINDOWS}


def own_place(
    tx: Tx, programme_id: int, window: Window, today: date, member_id: int
) -> Place | None:
    """Return a member's place alone: cheaper than the board around it. None without points."""
    _, _, mine, above = _BY_WINDOW[window]
    values = {"programme": programme_id, "first": windows.start(window, today)}
    row = tx.one(mine, **values, member=member_id)
    if row is None:
        return None
    (better,) = tx.one(above, **values, mine=row[0])
    return Place(int(better) + 1, member_id, "", row[0])


def board(
    tx: Tx, programme_id: int, window: Window, today: date, *, places: int, member_id: int = 0
) -> Board:
    """Return a window's board on a day of the programme, with the place of `member_id`."""
    top, ranks, mine, _ = _BY_WINDOW[window]
    values = {"programme": programme_id, "first": windows.start(window, today)}
    own_row = tx.one(mine, **values, member=member_id)
    own_points = own_row[0] if own_row else 0
    total, above = tx.one(ranks, **values, mine=own_points)
    best: list[Place] = []
    for member, name, points in tx.all(top, **values, places=places):
        tied = bool(best) and best[-1].points == points
        best.append(Place(best[-1].rank if tied else len(best) + 1, member, name, points))
    own = Place(int(above) + 1, member_id, "", own_points) if own_row else None
    return Board(best, int(total), own)
