"""Who has come into a group: to be greeted once, together with others, and not in a raid.

Rows go after two days; who is in a group, and since when, `membership` tells.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from storage.db import Sql, Tx, to_ms

KEEP = timedelta(days=2)
GREETED_FOR = timedelta(days=1)
"""Who leaves and comes back within this time is not greeted again."""
PEOPLE_MAX = 200
"""How many are greeted by one message."""

_NOTE = Sql(
    "INSERT INTO arrival (programme_id, group_id, member_id, at_ms, back, due_ms, quiet_ms)"
    " VALUES (:programme, :group, :member, :at, :back, :due, :quiet)"
    " ON CONFLICT (programme_id, group_id, member_id) DO UPDATE SET at_ms = excluded.at_ms,"
    " back = excluded.back, quiet_ms = excluded.quiet_ms,"
    " due_ms = CASE WHEN arrival.greeted_ms > :lately THEN 0 ELSE excluded.due_ms END"
)
_SOURCE = Sql(
    "UPDATE arrival SET source = :source WHERE programme_id = :programme AND group_id = :group"
    " AND member_id = :member"
)
_LOOK = Sql(
    "SELECT COALESCE((SELECT raid_until_ms FROM door"
    " WHERE programme_id = :programme AND group_id = :group), 0),"
    " (SELECT COUNT(*) FROM (SELECT 1 FROM arrival WHERE programme_id = :programme"
    " AND group_id = :group AND at_ms > :since LIMIT :most) came),"
    " (SELECT COUNT(*) FROM (SELECT 1 FROM question WHERE programme_id = :programme"
    " AND group_id = :group AND asked_ms > :since LIMIT :most) asked)"
)
_RAID = Sql(
    "INSERT INTO door (programme_id, group_id, raid_since_ms, raid_until_ms)"
    " VALUES (:programme, :group, :since, :until) ON CONFLICT (programme_id, group_id)"
    " DO UPDATE SET raid_since_ms = excluded.raid_since_ms,"
    " raid_until_ms = excluded.raid_until_ms WHERE door.raid_until_ms = 0 RETURNING group_id"
)
_LONGER = Sql(
    "UPDATE door SET raid_until_ms = :until WHERE programme_id = :programme AND group_id = :group"
)
_ON = Sql(
    "SELECT raid_since_ms, raid_until_ms FROM door WHERE programme_id = :programme"
    " AND group_id = :group AND raid_until_ms > 0"
)
_OVER = Sql(
    "UPDATE door SET raid_until_ms = 0 WHERE programme_id = :programme AND group_id = :group"
)
_CAME = Sql(
    "SELECT COUNT(*) FROM arrival a JOIN membership s ON s.programme_id = a.programme_id"
    " AND s.group_id = a.group_id AND s.member_id = a.member_id AND s.state = 'active'"
    " WHERE a.programme_id = :programme AND a.group_id = :group AND a.at_ms >= :since"
)
_TURN = Sql(
    "INSERT INTO door (programme_id, group_id, greeted_ms)"
    " SELECT CAST(:programme AS BIGINT), CAST(:group AS BIGINT), CAST(:now AS BIGINT)"
    " WHERE EXISTS (SELECT 1 FROM arrival WHERE programme_id = :programme AND group_id = :group"
    " AND due_ms > 0)"
    " ON CONFLICT (programme_id, group_id) DO UPDATE SET greeted_ms = excluded.greeted_ms"
    " WHERE door.greeted_ms <= :before AND door.raid_until_ms = 0 RETURNING group_id"
)
_GREETED = Sql(
    "UPDATE arrival SET due_ms = 0, greeted_ms = :now WHERE programme_id = :programme"
    " AND group_id = :group AND due_ms > 0"
)
_JUST_NOW = Sql(
    "SELECT m.name, a.source, a.back, m.verified FROM arrival a"
    " JOIN membership s ON s.programme_id = a.programme_id AND s.group_id = a.group_id"
    " AND s.member_id = a.member_id AND s.state = 'active'"
    " JOIN member m ON m.programme_id = a.programme_id AND m.id = a.member_id"
    " WHERE a.programme_id = :programme AND a.group_id = :group AND a.at_ms > :fresh"
    " AND a.greeted_ms = :now ORDER BY a.at_ms, a.member_id LIMIT :most"
)
_DUE = Sql(
    "SELECT a.programme_id, a.group_id FROM arrival a WHERE a.due_ms > 0 AND a.due_ms <= :now"
    " AND NOT EXISTS (SELECT 1 FROM door d WHERE d.programme_id = a.programme_id"
    " AND d.group_id = a.group_id AND d.raid_until_ms > 0)"
    " UNION SELECT programme_id, group_id FROM door"
    " WHERE raid_until_ms > 0 AND raid_until_ms <= :now"
)
_QUIETED = Sql(
    "SELECT g.chat_id FROM membership s JOIN arrival a ON a.programme_id = s.programme_id"
    " AND a.group_id = s.group_id AND a.member_id = s.member_id"
    " JOIN chat_group g ON g.programme_id = s.programme_id AND g.id = s.group_id"
    " WHERE s.programme_id = :programme AND s.member_id = :member AND g.platform = :platform"
    " AND a.quiet_ms > :now ORDER BY g.id"
)
_REFUSED = Sql(
    "INSERT INTO door (programme_id, group_id, refused_ms) VALUES (:programme, :group, :now)"
    " ON CONFLICT (programme_id, group_id) DO UPDATE SET refused_ms = excluded.refused_ms"
    " WHERE door.refused_ms <= :before RETURNING group_id"
)
_FORGET = Sql("DELETE FROM arrival WHERE at_ms < :before")


class Arrived(NamedTuple):
    """Somebody to be greeted, as `content.greeting.Newcomer` has it."""

    name: str
    source: str
    back: bool
    verified: str


class Rush(NamedTuple):
    """How busy a door is: whether a raid is on, and how many have come, or asked to, lately."""

    raid: bool
    came: int


class Raid(NamedTuple):
    """A raid that is over: when it ended by the clock, and how many of it are still there."""

    until_ms: int
    came: int


def note(
    tx: Tx,
    programme_id: int,
    group_id: int,
    member_id: int,
    *,
    at: datetime,
    back: bool,
    due: datetime | None,
    quiet: datetime | None,
) -> None:
    """Note who has come, when he is to be greeted, and until when he is to be quiet, if at all."""
    tx.run(
        _NOTE,
        programme=programme_id,
        group=group_id,
        member=member_id,
        at=to_ms(at),
        back=int(back),
        due=to_ms(due) if due else 0,
        quiet=to_ms(quiet) if quiet else 0,
        lately=to_ms(at - GREETED_FOR),
    )


def came_by(tx: Tx, programme_id: int, group_id: int, member_id: int, source: str) -> None:
    """Note by which entrance somebody has come who is noted already: his greeting may be its."""
    tx.send(_SOURCE, programme=programme_id, group=group_id, member=member_id, source=source)


def rush(tx: Tx, programme_id: int, group_id: int, *, since: datetime, most: int) -> Rush:
    """Return how busy a group's door has been since a moment; what is above `most` as that."""
    until, came, asked = tx.one(
        _LOOK, programme=programme_id, group=group_id, since=to_ms(since), most=most
    )
    return Rush(until > 0, max(came, asked))


def begin_raid(
    tx: Tx, programme_id: int, group_id: int, *, since: datetime, until: datetime
) -> bool:
    """Let the bot be quiet in a group until then; False where it is already."""
    values = {"since": to_ms(since), "until": to_ms(until)}
    return tx.one(_RAID, programme=programme_id, group=group_id, **values) is not None


def prolong_raid(tx: Tx, programme_id: int, group_id: int, until: datetime) -> None:
    """Let a raid last until then."""
    tx.run(_LONGER, programme=programme_id, group=group_id, until=to_ms(until))


def end_raid(tx: Tx, programme_id: int, group_id: int) -> Raid | None:
    """End a raid and return what it was; None where there is none."""
    row = tx.one(_ON, programme=programme_id, group=group_id)
    if row is None:
        return None
    tx.run(_OVER, programme=programme_id, group=group_id)
    (came,) = tx.one(_CAME, programme=programme_id, group=group_id, since=row[0])
    return Raid(row[1], came)


def turn(tx: Tx, programme_id: int, group_id: int, now: datetime, *, pause_s: int) -> bool:
    """Whether somebody is to be greeted now, which is noted: once in `pause_s`, and in no raid."""
    before = to_ms(now - timedelta(seconds=pause_s))
    values = {"now": to_ms(now), "before": before}
    return tx.one(_TURN, programme=programme_id, group=group_id, **values) is not None


def greeted(
    tx: Tx, programme_id: int, group_id: int, now: datetime, *, fresh: datetime
) -> list[Arrived]:
    """Note that all who wait are greeted now; return those who came after `fresh` and stayed."""
    values = {"programme": programme_id, "group": group_id, "now": to_ms(now)}
    if tx.run(_GREETED, **values).rowcount == 0:
        return []
    rows = tx.all(_JUST_NOW, fresh=to_ms(fresh), most=PEOPLE_MAX, **values)
    return [Arrived(name, source, bool(back), verified) for name, source, back, verified in rows]


def due(tx: Tx, now: datetime) -> list[tuple[int, int]]:
    """Return (programme, group) where somebody is to be greeted, or a raid is over."""
    return [(programme, group) for programme, group in tx.all(_DUE, now=to_ms(now))]


def quieted(tx: Tx, programme_id: int, member_id: int, platform: str, now: datetime) -> list[str]:
    """Return the chats of a platform in which a member has been made quiet for now."""
    rows = tx.all(
        _QUIETED, programme=programme_id, member=member_id, platform=platform, now=to_ms(now)
    )
    return [chat for (chat,) in rows]


def first_refusal(tx: Tx, programme_id: int, group_id: int, now: datetime) -> bool:
    """Whether the platform refuses something there for the first time in a day; it is noted."""
    values = {"now": to_ms(now), "before": to_ms(now - GREETED_FOR)}
    return tx.one(_REFUSED, programme=programme_id, group=group_id, **values) is not None


def forget_old(tx: Tx, now: datetime) -> int:
    """Forget who came long ago; return how many."""
    removed: int = tx.run(_FORGET, before=to_ms(now - KEEP)).rowcount
    return removed
