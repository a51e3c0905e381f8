"""Badges that members have: each granted once, in the transaction of the deed that reaches it.

What has been done is counted in the packed account row (`Counts.ever`), so that counting costs no
statement; a grant is one, on the day on which a number is reached.
"""

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

from content.rulebook import BadgeRule, Deeds
from storage import chores
from storage.account import read_counts
from storage.chores import Chore
from storage.db import Sql, Tx, to_day
from storage.ledger import account
from storage.programmes import Programme

_CHORE = "badges"
_DONE = -1
_ID_MAX, _NAME_MAX, _EMOJI_MAX = 24, 24, 16
_COLUMNS = "(programme_id, member_id, badge, day, name, emoji)"
_GRANT = Sql(
    f"INSERT INTO badge {_COLUMNS} VALUES (:programme, :member, :badge, :day, :name, :emoji)"
    " ON CONFLICT DO NOTHING"
)
_HELD = Sql(
    "SELECT badge, day, name, emoji FROM badge WHERE programme_id = :programme"
    " AND member_id = :member ORDER BY day, badge"
)
_PAGE = Sql(
    "SELECT owner_id, streak, counts FROM account WHERE programme_id = :programme"
    " AND wallet = 'points' AND owner_id > :cursor ORDER BY owner_id LIMIT :most"
)


class Badge(NamedTuple):
    """A badge that a member has since a day, as the rules of that day called it."""

    id: str
    day: date
    name: str
    emoji: str


def held(tx: Tx, programme_id: int, member_id: int) -> list[Badge]:
    """Return a member's badges, the earliest first."""
    rows = tx.all(_HELD, programme=programme_id, member=member_id)
    return [Badge(id_, to_day(day) or date.min, name, emoji) for id_, day, name, emoji in rows]


def done(tx: Tx, programme_id: int, member_id: int) -> Mapping[str, int]:
    """Return what a member has done in all, by `Deeds`; the streak is the one he has."""
    has = account(tx, programme_id, member_id)
    return {**has.counts.ever, "streak": has.streak}


def count(tx: Tx, here: Programme, member_id: int, what: Deeds, day: date) -> list[BadgeRule]:
    """Count a deed; return the badges that it brings. Locks the member's account."""
    has = account(tx, here.id, member_id)
    times = tx.books.count(has.key, what)
    return reach(tx, here, member_id, what, (times - 1, times), day)


def checked_in(tx: Tx, here: Programme, member_id: int, before: int, day: date) -> list[BadgeRule]:
    """Return the badges that a check-in brings, which `storage.checkins` has just counted.

    `before` is the streak that the member had.
    """
    now = done(tx, here.id, member_id)
    days = now["checkin"]
    return [
        *reach(tx, here, member_id, "checkin", (days - 1, days), day),
        *reach(tx, here, member_id, "streak", (before, now["streak"]), day),
    ]


def give(tx: Tx, programme_id: int, member_id: int, badge: Badge) -> bool:
    """Give a member a badge that some other rule brings; False when he has it already."""
    values = {
        "badge": badge.id[:_ID_MAX],
        "day": badge.day,
        "name": badge.name[:_NAME_MAX],
        "emoji": badge.emoji[:_EMOJI_MAX],
    }
    return tx.send(_GRANT, programme=programme_id, member=member_id, **values).count == 1


def reach(  # noqa: PLR0917 - where, who, what, from what to what, when
    tx: Tx, here: Programme, member_id: int, what: Deeds, grown: tuple[int, int], day: date
) -> list[BadgeRule]:
    """Grant what a number that has grown reaches; return what the member had not had before."""
    before, now = grown
    return [
        badge
        for badge in here.rules.badge
        if badge.when.what == what
        and before < badge.when.n <= now
        and tx.send(_GRANT, **_row(here.id, member_id, badge, day)).count
    ]


def _row(programme_id: int, member_id: int, badge: BadgeRule, day: date) -> dict[str, object]:
    return {
        "programme": programme_id,
        "member": member_id,
        "badge": badge.id,
        "day": day,
        "name": badge.name[:_NAME_MAX],
        "emoji": badge.emoji[:_EMOJI_MAX],
    }


def review_due(tx: Tx, here: Programme, today: date, *, most: int = 500) -> int:
    """Grant what new rules give for deeds of before; return how many were looked at.

    Done once for each version of the rules, a page of members at a time, until it returns 0.
    """
    chore = chores.get(tx, here.id, _CHORE)
    if chore.version != here.rules_version:
        chore = Chore(today, today, here.rules_version, 0)
    if chore.cursor == _DONE or not here.rules.badge:
        return 0
    tx.books.write(tx)
    rows = tx.all(_PAGE, programme=here.id, cursor=chore.cursor, most=most)
    due = []
    for owner, streak, counts in rows:
        has = {**read_counts(counts).ever, "streak": streak}
        due += [
            _row(here.id, owner, badge, today)
            for badge in here.rules.badge
            if owner and has.get(badge.when.what, 0) >= badge.when.n
        ]
    if due:
        tx.many(_GRANT, due)
    cursor = rows[-1][0] if len(rows) == most else _DONE
    chores.put(tx, here.id, _CHORE, chore._replace(cursor=cursor))
    return max(len(rows), 1)
