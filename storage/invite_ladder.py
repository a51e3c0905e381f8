"""The ladder of invitations: each rung once, taken back with the invitations that reached it."""

from contextlib import suppress
from datetime import date, datetime
from typing import NamedTuple

from content import referral
from content.referralrules import BADGE, RungRule
from storage import awards, badges, undoing
from storage.badges import Badge
from storage.db import Sql, Tx, to_ms
from storage.movement import ISSUED, GoneError, Posting, Side
from storage.programmes import Programme
from storage.undoing import Undo

OPEN, FULFILLED, REVERSED = "open", "fulfilled", "reversed"
EMOJI = "🎪"
"""Of the badges that are worn for invitations."""


class Rung(NamedTuple):
    """A rung that a member has reached; `below` when he no longer has what it asked for."""

    member_id: int
    n: int
    reward: str
    name: str
    state: str
    turn: int
    posting: int
    reached_ms: int
    below: int


_COLUMNS = ", ".join(Rung._fields)
_COUNT = Sql(
    "SELECT COUNT(*) FROM referral WHERE programme_id = :programme AND inviter_id = :member"
    " AND state = 'rewarded'"
)
_REACH = Sql(
    "INSERT INTO invite_rung (programme_id, member_id, n, reward, name, state, reached_ms)"
    " VALUES (:programme, :member, :n, :reward, :name, 'open', :at)"
    " ON CONFLICT (programme_id, member_id, n) DO UPDATE SET state = 'open', below = 0,"
    " reward = excluded.reward, name = excluded.name, reached_ms = excluded.reached_ms,"
    " turn = invite_rung.turn + 1 WHERE invite_rung.state = 'reversed' RETURNING turn"
)
_ABOVE_AGAIN = Sql(
    "UPDATE invite_rung SET below = 0 WHERE programme_id = :programme AND member_id = :member"
    " AND n <= :count AND below = 1"
)
_PAID = Sql(
    "UPDATE invite_rung SET state = 'fulfilled', posting = :posting, ended_ms = :at,"
    " ended_by = 'clock' WHERE programme_id = :programme AND member_id = :member AND n = :n"
)
_OVER = Sql(
    f"SELECT {_COLUMNS} FROM invite_rung WHERE programme_id = :programme AND member_id = :member"
    " AND n > :count AND state <> 'reversed' AND below = 0 ORDER BY n"
)
_FALL = Sql(
    "UPDATE invite_rung SET state = :state, below = :below WHERE programme_id = :programme"
    " AND member_id = :member AND n = :n"
)
_OF = Sql(
    f"SELECT {_COLUMNS} FROM invite_rung WHERE programme_id = :programme AND member_id = :member"
    " ORDER BY n"
)
_WAITING = Sql(
    "SELECT r.member_id, m.name, r.n, r.name, r.reward FROM invite_rung r JOIN member m"
    " ON m.programme_id = r.programme_id AND m.id = r.member_id"
    " WHERE r.programme_id = :programme AND r.state = 'open'"
    " AND m.merged_into IS NULL AND r.reward NOT LIKE 'badge-%'"
    " ORDER BY r.reached_ms, r.n LIMIT :most"
)
_FULFIL = Sql(
    "UPDATE invite_rung SET state = 'fulfilled', ended_ms = :at, ended_by = :by"
    " WHERE programme_id = :programme AND member_id = :member AND n = :n AND state = 'open'"
    " RETURNING name"
)


def rewarded(tx: Tx, programme_id: int, member_id: int) -> int:
    """Return how many of a member's invitations have been rewarded, and stand."""
    return int(tx.one(_COUNT, programme=programme_id, member=member_id)[0])


def climb(tx: Tx, here: Programme, member_id: int, today: date, now: datetime) -> None:
    """Give a member what he has reached, with his account locked: points at once, the rest to be
    handed over. A rung that was taken back is reached anew; one that stands is not.
    """  # noqa: D205 - one thought
    count = rewarded(tx, here.id, member_id)
    tx.run(_ABOVE_AGAIN, programme=here.id, member=member_id, count=count)
    for rung in referral.reached(here.rules.referral.ladder, count):
        row = tx.one(
            _REACH,
            programme=here.id,
            member=member_id,
            n=rung.n,
            reward=rung.reward,
            name=rung.called(here.locale),
            at=to_ms(now),
        )
        if row is not None and rung.reward.startswith(BADGE):
            worn = Badge(rung.reward.removeprefix(BADGE), today, rung.called(here.locale), EMOJI)
            badges.give(tx, here.id, member_id, worn)
        if row is not None and rung.points:
            posting = _pay(tx, here, member_id, rung, row[0], today, now)
            tx.run(
                _PAID, programme=here.id, member=member_id, n=rung.n, posting=posting, at=to_ms(now)
            )


def _pay(  # noqa: PLR0917 - a rung, for the how-manieth time, and when
    tx: Tx, here: Programme, member_id: int, rung: RungRule, turn: int, today: date, now: datetime
) -> int:
    category = here.rules.referral.category
    posting = Posting(
        programme_id=here.id,
        key=f"{today}/invite-rung/{member_id}/{rung.n}.{turn}",
        source=ISSUED,
        target=Side(member_id, "available"),
        amount=rung.points,
        reason="invite_rung",
        rule="referral",
        rule_version=here.rules_version,
        actor="clock",
        at=now,
        day=today,
        kind=category if category in here.rules.categories else "",
    )
    return awards.award(tx, here.rules, posting, today=today, now=now).posting


def fall(tx: Tx, here: Programme, member_id: int, undo: Undo) -> None:
    """Take back the rungs that a member no longer reaches, with his account locked.

    Points go back (what is spent is owed); what waits is handed over no more; what has been
    handed over stays his, and is noted.
    """
    count = rewarded(tx, here.id, member_id)
    for row in tx.all(_OVER, programme=here.id, member=member_id, count=count):
        rung = Rung._make(row)
        kept = rung.state == FULFILLED and not rung.posting
        if rung.posting:
            key = f"{undo.day}/invite-rung-back/{member_id}/{rung.n}.{rung.turn}"
            with suppress(GoneError):  # somebody has taken it back by hand
                undoing.reverse(tx, here.id, rung.posting, undo._replace(key=key))
        state = FULFILLED if kept else REVERSED
        tx.run(
            _FALL, programme=here.id, member=member_id, n=rung.n, state=state, below=int(kept)
        )  # fmt: skip


def of(tx: Tx, programme_id: int, member_id: int) -> list[Rung]:
    """Return the rungs that a member has reached, the lowest first."""
    return [Rung._make(row) for row in tx.all(_OF, programme=programme_id, member=member_id)]


class Handover(NamedTuple):
    """A reward that an owner is to hand over."""

    member_id: int
    who: str
    n: int
    name: str
    reward: str


def waiting(tx: Tx, programme_id: int, *, most: int = 20) -> list[Handover]:
    """Return what is to be handed over, the oldest first. Badges are worn, not handed over."""
    rows = tx.all(_WAITING, programme=programme_id, most=most)
    return [Handover._make(row) for row in rows]


def fulfil(tx: Tx, programme_id: int, member_id: int, n: int, *, by: str, now: datetime) -> str:
    """Note that a reward has been handed over; return its name, "" where it waits no more."""
    row = tx.one(
        _FULFIL, programme=programme_id, member=member_id, n=n, by=by[:100], at=to_ms(now)
    )  # fmt: skip
    return str(row[0]) if row else ""
