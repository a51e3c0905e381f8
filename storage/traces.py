"""What the store knows of how members act, in the numbers that `content.suspicion` looks at."""

from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime, time, timedelta

from content.suspicion import Gift
from storage.db import Sql, Tx, from_ms, to_day, to_ms
from storage.programmes import Programme

GIFTS_MAX = 50_000
"""Gifts of a programme in a month that are looked at, the newest."""
_ACTIVE = Sql(
    "SELECT owner_id FROM account WHERE programme_id = :programme AND wallet = 'points'"
    " AND owner_id > :cursor AND (checkin_day >= :day OR earned_day >= :day)"
    " ORDER BY owner_id LIMIT :most"
)
_SOME = "IN (SELECT value FROM json_each(:members))"
_CHECKINS = (
    "SELECT member_id, day, at_ms FROM checkin WHERE programme_id = :programme"
    " AND member_id {some} AND day >= :first AND day <= :last AND made_up IS NULL"
)
_CHECKINS_OF = Sql(_CHECKINS.format(some=_SOME), postgres=_CHECKINS.format(some="= ANY(:members)"))
_ON_DAY = Sql(
    "SELECT c.member_id, c.at_ms FROM account a JOIN checkin c ON c.programme_id = a.programme_id"
    " AND c.member_id = a.owner_id AND c.day = :day WHERE a.programme_id = :programme"
    " AND a.wallet = 'points' AND a.checkin_day >= :day AND c.made_up IS NULL"
)
_WALK = (
    "WITH RECURSIVE walk(owner, at_ms, rule, prev) AS ("
    "SELECT a.owner_id, p.at_ms, p.rule,"
    " CASE WHEN p.from_owner = a.owner_id THEN p.from_prev ELSE p.to_prev END"
    " FROM account a JOIN posting p ON p.programme_id = a.programme_id AND p.id = a.last_posting"
    " WHERE a.programme_id = :programme AND a.wallet = 'points' AND a.owner_id {some}"
    " AND (a.day_earned >= :least OR a.earned_day > :day)"
    " UNION ALL SELECT w.owner, p.at_ms, p.rule,"
    " CASE WHEN p.from_owner = w.owner THEN p.from_prev ELSE p.to_prev END"
    " FROM walk w JOIN posting p ON p.programme_id = :programme AND p.id = w.prev"
    " WHERE w.at_ms >= :start)"
    " SELECT owner, at_ms FROM walk WHERE rule = 'activity' AND at_ms >= :start AND at_ms < :end"
)
_WALK_OF = Sql(_WALK.format(some=_SOME), postgres=_WALK.format(some="= ANY(:members)"))
_GIFTS = Sql(
    "SELECT giver_id, receiver_id, amount, day FROM gift WHERE programme_id = :programme"
    " AND day >= :first AND state = 'accepted' ORDER BY day DESC, id DESC LIMIT :most"
)
_EARNED = (
    "SELECT a.owner_id, a.total_earned, m.created_ms FROM account a JOIN member m"
    " ON m.programme_id = a.programme_id AND m.id = a.owner_id WHERE a.programme_id = :programme"
    " AND a.wallet = 'points' AND a.owner_id {some}"
)
_EARNED_BY = Sql(_EARNED.format(some=_SOME), postgres=_EARNED.format(some="= ANY(:members)"))


def active(tx: Tx, programme_id: int, day: date, cursor: int, most: int) -> list[int]:
    """Return a page of those who have checked in or earned on a day, or after it."""
    values = {"programme": programme_id, "day": day, "cursor": cursor, "most": most}
    return [owner for (owner,) in tx.all(_ACTIVE, **values)]


def checkins(
    tx: Tx, here: Programme, members: Collection[int], first: date, last: date
) -> dict[int, dict[date, float]]:
    """Return when members checked in, in seconds since midnight, by member and day."""
    found: dict[int, dict[date, float]] = {}
    values = {"programme": here.id, "first": first, "last": last}
    offsets: dict[date, float] = {}
    for member, raw, at_ms in tx.all(_CHECKINS_OF, **values, members=_list(tx, members)):
        day = to_day(raw) or last
        if day not in offsets:
            offsets[day] = datetime.combine(day, time(), here.zone).timestamp()
        found.setdefault(member, {})[day] = at_ms / 1000 - offsets[day]
    return found


def of_day(tx: Tx, programme_id: int, day: date) -> list[tuple[int, float]]:
    """Return who checked in on a day, and when, in seconds."""
    rows = tx.all(_ON_DAY, programme=programme_id, day=day)
    return [(member, at_ms / 1000) for member, at_ms in rows]


def messages(
    tx: Tx, here: Programme, members: Collection[int], day: date, least: int
) -> dict[int, list[float]]:
    """Return when paid messages of a day came, in seconds, of those who earned so much in a day."""
    start = datetime.combine(day, time(), here.zone).astimezone(UTC)
    end = datetime.combine(day + timedelta(days=1), time(), here.zone).astimezone(UTC)
    found: dict[int, list[float]] = {}
    values = {"programme": here.id, "start": to_ms(start), "end": to_ms(end), "day": day}
    for owner, at_ms in tx.all(_WALK_OF, **values, least=least, members=_list(tx, members)):
        found.setdefault(owner, []).append(at_ms / 1000)
    return found


def gifts(tx: Tx, programme_id: int, first: date) -> list[Gift]:
    """Return gifts that were accepted, given on a day or after it, newest first."""
    rows = tx.all(_GIFTS, programme=programme_id, first=first, most=GIFTS_MAX)
    return [Gift(giver, to, amount, to_day(raw) or first) for giver, to, amount, raw in rows]


def earned(tx: Tx, programme_id: int, members: Collection[int]) -> dict[int, tuple[int, datetime]]:
    """Return what members have earned in all, and since when they are members."""
    rows = tx.all(_EARNED_BY, programme=programme_id, members=_list(tx, members))
    return {member: (total, from_ms(since)) for member, total, since in rows}


def _list(tx: Tx, members: Collection[int]) -> str | Sequence[int]:
    some = sorted(members)
    return str(some) if tx.is_sqlite else some
