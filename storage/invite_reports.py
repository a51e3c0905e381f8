"""What is counted of invitations: a member's own, the board of all, and the entrances."""

from datetime import date
from typing import NamedTuple

from content.referral import FAKE
from storage.db import Sql, Tx


class Tally(NamedTuple):
    """A member's invitations by what has become of them.

    `waiting` have come and wait for their time, their proof or a review; `fake` are those refused
    as himself, in a circle, or suspicious; `refused` all others; `added` were put in by him.
    """

    clicked: int = 0
    waiting: int = 0
    rewarded: int = 0
    left: int = 0
    fake: int = 0
    refused: int = 0
    added: int = 0


class Source(NamedTuple):
    """An entrance: how many followed its code, came by it, and have done something since."""

    name: str
    clicks: int
    joins: int
    activated: int


_STATES = Sql(
    "SELECT state, reason, COUNT(*) FROM referral WHERE programme_id = :programme"
    " AND inviter_id = :member GROUP BY state, reason"
)
_BOARD = Sql(
    "SELECT inviter_id, COUNT(*) FROM referral WHERE programme_id = :programme"
    " AND rewarded_day BETWEEN :first AND :last AND state = 'rewarded' AND inviter_id > 0"
    " GROUP BY inviter_id ORDER BY COUNT(*) DESC, MAX(rewarded_ms), inviter_id LIMIT :most"
)
_SOURCES = Sql(
    "SELECT c.name, c.clicks, COUNT(f.joined_ms), COUNT(f.activated_ms)"
    " FROM invite_code c LEFT JOIN referral f ON f.programme_id = c.programme_id"
    " AND f.inviter_id = 0 AND f.code = c.code AND f.state <> 'rejected'"
    " WHERE c.programme_id = :programme AND c.member_id = 0"
    " GROUP BY c.code, c.name, c.clicks, c.made_ms ORDER BY c.made_ms, c.name LIMIT :most"
)
_INVITED = Sql(
    "SELECT COUNT(joined_ms), COUNT(activated_ms), COUNT(DISTINCT inviter_id) FROM referral"
    " WHERE programme_id = :programme AND inviter_id > 0 AND state NOT IN ('rejected', 'added')"
)
_MEMBERS = Sql("SELECT COUNT(*) FROM member WHERE programme_id = :programme")
_KNOWN = Sql(
    "SELECT COUNT(joined_ms) FROM referral WHERE programme_id = :programme"
    " AND state NOT IN ('rejected', 'added')"
)
_GROUPS = {
    "clicked": "clicked",
    "pending": "waiting",
    "pending_cap": "waiting",
    "review": "waiting",
    "rewarded": "rewarded",
    "left": "left",
    "clawed_back": "left",
    "added": "added",
}


def tally(tx: Tx, programme_id: int, member_id: int) -> Tally:
    """Return what has become of a member's invitations."""
    found = dict.fromkeys(Tally._fields, 0)
    for state, reason, count in tx.all(_STATES, programme=programme_id, member=member_id):
        name = _GROUPS.get(state) or ("fake" if reason in FAKE else "refused")
        found[name] += count
    return Tally(**found)


def board(
    tx: Tx, programme_id: int, first: date, last: date, *, most: int = 100
) -> list[tuple[int, int]]:
    """Return (member, count) by how many invitations were rewarded on these days, and stand.

    Those who left in time for it, and those refused, are not among them. Of equal ones stands
    first who had so many first.
    """
    values = {"programme": programme_id, "first": first, "last": last, "most": most}
    return [(member, count) for member, count in tx.all(_BOARD, **values)]


def sources(tx: Tx, programme_id: int, *, most: int = 30) -> list[Source]:
    """Return the entrances with what came of them, the oldest first."""
    return [Source._make(row) for row in tx.all(_SOURCES, programme=programme_id, most=most)]


class Funnel(NamedTuple):
    """How members came: by others (with how many inviters), by entrances, or nobody knows how."""

    members: int
    invited: int
    invited_active: int
    inviters: int
    unknown: int


def funnel(tx: Tx, programme_id: int) -> Funnel:
    """Return how all members of a programme came. Who came unknown stays so."""
    (count,) = tx.one(_MEMBERS, programme=programme_id)
    invited, active, inviters = tx.one(_INVITED, programme=programme_id)
    (known,) = tx.one(_KNOWN, programme=programme_id)
    return Funnel(count, invited, active, inviters, count - known)
