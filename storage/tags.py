"""Which tag members wear beside their names in which group, so that one is set when it changes.

Kept is what it stands for, the id of a level or a title; '' for none.
"""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Literal, NamedTuple

from storage import chores
from storage.chores import Chore
from storage.db import Sql, Tx

Of = Literal["level", "title", "off"]
RESTS = timedelta(days=7)
"""So long nothing is tried in a group in which the bot may not do it."""
MOST = 200
"""Changes at a time, and a day: a group that has just begun with tags still hears answers."""
_WEARS: dict[Of, str] = {
    "level": "CASE WHEN a.level = :lowest THEN '' ELSE a.level END",
    "title": "COALESCE((SELECT MAX(h.title) FROM honour h WHERE h.programme_id = s.programme_id"
    " AND h.week = :week AND h.member_id = s.member_id), '')",
    "off": "''",
}
_CHANGED = (
    "SELECT s.group_id, s.member_id, g.platform, g.chat_id, i.user_id, {wears} FROM membership s"
    " JOIN chat_group g ON g.programme_id = s.programme_id AND g.id = s.group_id"
    " JOIN identity i ON i.programme_id = s.programme_id AND i.member_id = s.member_id"
    " AND i.platform = g.platform JOIN account a ON a.programme_id = s.programme_id"
    " AND a.owner_id = s.member_id AND a.wallet = 'points' WHERE s.programme_id = :programme"
    " AND s.state = 'active' AND g.state = 'active' AND s.tag <> {wears}{whose}"
    " AND NOT EXISTS (SELECT 1 FROM chore c WHERE c.programme_id = s.programme_id"
    " AND c.name = 'tag ' || CAST(s.group_id AS TEXT) AND c.day > :rested)"
    " ORDER BY s.member_id, s.group_id LIMIT :most"
)
_OF_ALL = {of: Sql(_CHANGED.format(wears=wears, whose="")) for of, wears in _WEARS.items()}
_OF_ONE = {
    of: Sql(_CHANGED.format(wears=wears, whose=" AND s.member_id = :member"))
    for of, wears in _WEARS.items()
}
_PUT = Sql(
    "UPDATE membership SET tag = :tag WHERE programme_id = :programme AND group_id = :group"
    " AND member_id = :member"
)


class Change(NamedTuple):
    """Somebody whose tag in a group is to be another: what it stands for."""

    group_id: int
    member_id: int
    platform: str
    chat_id: str
    user_id: str
    tag: str


def changed(  # noqa: PLR0917 - where, what, when
    tx: Tx, programme_id: int, of: Of, lowest: str, week: date, today: date, *, member_id: int = 0
) -> list[Change]:
    """Return whose tag has to change: a member's, else of all members, a few hundred at most.

    Level tags leave out the `lowest`, which everybody has.
    """
    tx.books.write(tx)
    values = {"programme": programme_id, "lowest": lowest, "week": week, "rested": today - RESTS}
    which = _OF_ONE if member_id else _OF_ALL
    rows = tx.all(which[of], **values, member=member_id, most=MOST)
    return [Change(*row) for row in rows]


def note(tx: Tx, programme_id: int, changes: Iterable[Change]) -> None:
    """Note tags as worn."""
    for each in changes:
        tx.send(
            _PUT, programme=programme_id, group=each.group_id, member=each.member_id, tag=each.tag
        )


def rest(tx: Tx, programme_id: int, group_id: int, member_id: int, today: date) -> bool:
    """Note that tags cannot be set in a group, for lack of a right; False when that is known."""
    tx.send(_PUT, programme=programme_id, group=group_id, member=member_id, tag="")
    name = f"tag {group_id}"
    known = chores.get(tx, programme_id, name).day > today - RESTS
    if not known:
        chores.put(tx, programme_id, name, Chore(today))
    return not known
