"""Titles of the week: who led a board holds its title in the week that follows."""

from collections.abc import Iterable
from datetime import date
from typing import Literal, get_args

from storage.db import Sql, Tx

Title = Literal["talk", "points"]
TITLES: tuple[Title, ...] = get_args(Title)

_CROWN = Sql(
    "INSERT INTO honour (programme_id, week, title, member_id)"
    " VALUES (:programme, :week, :title, :member) ON CONFLICT DO NOTHING"
)
_HOLDERS = Sql(
    "SELECT member_id, title FROM honour WHERE programme_id = :programme AND week = :week"
    " ORDER BY title DESC"
)


def crown(tx: Tx, programme_id: int, week: date, title: Title, members: Iterable[int]) -> None:
    """Give members a title for the week that begins on a Monday. Safe to do twice."""
    for member in members:
        tx.send(_CROWN, programme=programme_id, week=week, title=title, member=member)


def holders(tx: Tx, programme_id: int, week: date) -> dict[int, list[Title]]:
    """Return who holds which titles in a week."""
    found: dict[int, list[Title]] = {}
    for member, title in tx.all(_HOLDERS, programme=programme_id, week=week):
        found.setdefault(member, []).append(title)
    return found
