"""Who came by whom: one row for each person and programme, which the first touch decides for life.

Whoever pays, refuses or takes back locks the accounts of both first, then the row.
"""

from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from content.referral import ADDED, CLICKED, REJECTED, Why
from content.rulebook import Rulebook
from storage.books import POINTS
from storage.db import Sql, Tx, from_ms, to_day, to_ms
from storage.ids import new_id
from storage.members import Who

CHAIN_MAX = 64
"""So far up somebody's own inviters are looked at."""


class Referral(NamedTuple):
    """A row, in the order of the table's columns. Instants in milliseconds, 0 and None: not yet."""

    programme_id: int
    id: int
    platform: str
    user_id: str
    member_id: int
    inviter_id: int
    code: str
    way: str
    state: str
    reason: str
    campaign: str
    inviter_points: int
    invitee_points: int
    clicked_ms: int
    joined_ms: int | None
    stay_ms: int | None
    left_ms: int | None
    rejoined: int
    activated_ms: int | None
    activation: str
    due_ms: int | None
    queued_day: date | None
    rewarded_day: date | None
    rewarded_ms: int | None
    inviter_posting: int
    invitee_posting: int
    inviter_review: int
    invitee_review: int
    news: str
    news_ms: int | None


class Touch(NamedTuple):
    """By which code somebody came, or is coming: whose it is, which way, what is promised."""

    inviter_id: int
    code: str
    way: str
    campaign: str = ""
    inviter_points: int = 0
    invitee_points: int = 0


COLUMNS = ", ".join(Referral._fields)
_SELECT = f"SELECT {COLUMNS} FROM referral WHERE programme_id = :programme"
_BY_WHO = Sql(f"{_SELECT} AND platform = :platform AND user_id = :user")
_BY_ID = Sql(f"{_SELECT} AND id = :id")
_BY_MEMBER = Sql(f"{_SELECT} AND member_id = :member AND member_id > 0 ORDER BY id LIMIT 1")
_CLICK = Sql(
    "INSERT INTO referral (programme_id, id, platform, user_id, member_id, inviter_id, code, way,"
    " state, reason, campaign, inviter_points, invitee_points, clicked_ms)"
    " VALUES (:programme, :id, :platform, :user, :member, :inviter, :code, :way, :state, :reason,"
    " :campaign, :inviter_points, :invitee_points, :at)"
    " ON CONFLICT (programme_id, platform, user_id) DO UPDATE SET inviter_id = excluded.inviter_id,"
    " code = excluded.code, way = excluded.way, campaign = excluded.campaign,"
    " inviter_points = excluded.inviter_points, invitee_points = excluded.invitee_points,"
    " clicked_ms = excluded.clicked_ms WHERE referral.state = 'clicked'"
    " AND referral.clicked_ms < :expired AND excluded.state = 'clicked' RETURNING id"
)
_COME = Sql(
    "UPDATE referral SET state = 'pending', member_id = :member, joined_ms = :at, stay_ms = :stay,"
    " news = 'joined', news_ms = CASE WHEN inviter_id > 0 THEN CAST(:at AS BIGINT) END"
    " WHERE programme_id = :programme AND platform = :platform AND user_id = :user"
    " AND state = 'clicked' AND clicked_ms >= :since"
)
_FROM_LINK = Sql(
    "UPDATE referral SET state = 'clicked', inviter_id = :inviter, code = :code, way = :way,"
    " campaign = :campaign, inviter_points = :inviter_points, invitee_points = :invitee_points,"
    " clicked_ms = :at WHERE programme_id = :programme AND id = :id AND state = 'added'"
)
_BACK = Sql(
    "UPDATE referral SET rejoined = 1, stay_ms = :at + stay_ms - left_ms, state = CASE WHEN"
    " inviter_id = 0 AND activated_ms IS NOT NULL THEN 'activated' ELSE 'pending' END,"
    " due_ms = CASE WHEN activated_ms IS NOT NULL AND inviter_id > 0"
    " THEN :at + stay_ms - left_ms END"
    " WHERE programme_id = :programme AND member_id = :member AND state = 'left' AND rejoined = 0"
    " RETURNING id"
)
_GONE = Sql(
    "UPDATE referral SET state = 'left', left_ms = :at, stay_ms = CASE WHEN stay_ms < :at THEN :at"
    " ELSE stay_ms END, due_ms = NULL, queued_day = NULL, news = '', news_ms = NULL"
    " WHERE programme_id = :programme AND id = :id"
    " AND state IN ('pending', 'pending_cap', 'activated')"
)
_IN_A_GROUP = Sql(
    "SELECT 1 FROM membership s JOIN chat_group g ON g.programme_id = s.programme_id"
    " AND g.id = s.group_id WHERE s.programme_id = :programme AND s.member_id = :member"
    " AND s.state = 'active' LIMIT 1"
)
_ACTIVATE = Sql(
    "UPDATE referral SET activated_ms = :at, activation = :what,"
    " state = CASE WHEN inviter_id = 0 THEN 'activated' ELSE state END,"
    " due_ms = CASE WHEN inviter_id > 0 THEN stay_ms END"
    " WHERE programme_id = :programme AND member_id = :member AND state = 'pending'"
    " AND activated_ms IS NULL AND joined_ms <= :at RETURNING id"
)
_WAITING = f"{_SELECT} AND state = 'pending' AND activated_ms IS NULL AND member_id"
_WAITING_OF = Sql(
    f"{_WAITING} IN (SELECT value FROM json_each(:members))",
    postgres=f"{_WAITING} = ANY(:members)",
)
_INVITERS = Sql(
    "SELECT inviter_id FROM referral WHERE programme_id = :programme AND member_id > 0"
    " AND member_id IN (SELECT value FROM json_each(:members))",
    postgres="SELECT inviter_id FROM referral WHERE programme_id = :programme AND member_id > 0"
    " AND member_id = ANY(:members)",
)
_BY_ACTIVATION = Sql(f"{_SELECT} AND member_id = :member AND activation = :what")
_UNDO_ACTIVATION = Sql(
    "UPDATE referral SET activated_ms = NULL, activation = '', due_ms = NULL, queued_day = NULL,"
    " state = CASE WHEN state = 'left' THEN 'left' ELSE 'pending' END"
    " WHERE programme_id = :programme AND id = :id"
    " AND state IN ('pending', 'pending_cap', 'activated', 'left')"
)
_UP = Sql(
    "SELECT inviter_id FROM referral WHERE programme_id = :programme AND member_id = :member"
    " AND member_id > 0 AND inviter_id > 0 AND state <> 'rejected' LIMIT 1"
)


def of_identity(tx: Tx, programme_id: int, who: Who) -> Referral | None:
    """Return how the person behind an account came, or is coming; None where it is not known."""
    row = tx.one(_BY_WHO, programme=programme_id, platform=who.platform, user=who.user_id)
    return read(row) if row else None


def of_member(tx: Tx, programme_id: int, member_id: int) -> Referral | None:
    """Return how a member came; None where it is not known."""
    row = tx.one(_BY_MEMBER, programme=programme_id, member=member_id)
    return read(row) if row else None


def source(tx: Tx, programme_id: int, member_id: int) -> str:
    """Return by which entrance a member came, as its link names it (`src_…`); "" for none."""
    found = of_member(tx, programme_id, member_id)
    return f"src_{found.code}" if found and found.code and not found.inviter_id else ""


def get(tx: Tx, programme_id: int, referral_id: int) -> Referral | None:
    """Return a row by its number."""
    row = tx.one(_BY_ID, programme=programme_id, id=referral_id)
    return read(row) if row else None


def read(row: Sequence[Any]) -> Referral:
    """Return a row as it was read."""
    found = Referral(*row)
    return found._replace(
        queued_day=to_day(found.queued_day), rewarded_day=to_day(found.rewarded_day)
    )


def lock(tx: Tx, found: Referral) -> None:
    """Lock the accounts of both, in the order of all."""
    owners = {found.member_id, found.inviter_id} - {0}
    tx.books.load(tx, found.programme_id, POINTS, owners)


def promise(rules: Rulebook, platform: str, day: date) -> tuple[str, int, int]:
    """Return (campaign, inviter's sum, invitee's sum) for one who clicks on a day."""
    ours = rules.referral
    campaign = ours.campaign_on(day)
    name = campaign.id if campaign else ""
    if platform in ours.platforms_off:
        return name, 0, 0
    sums = campaign or ours
    return name, sums.inviter, sums.invitee


# -- how they come -------------------------------------------------------------------------------


def click(
    tx: Tx,
    programme_id: int,
    who: Who,
    touch: Touch,
    now: datetime,
    *,
    click_days: int,
    why: Why | None = None,
    member_id: int = 0,
) -> bool:
    """Bind somebody to the code that he has followed; with `why`, note that it does not count.

    The first touch stands; another one takes its place when it has come to nothing within
    `click_days`. False where it does not.
    """
    row = tx.one(
        _CLICK,
        programme=programme_id,
        id=new_id(),
        platform=who.platform,
        user=who.user_id,
        member=member_id,
        inviter=touch.inviter_id,
        code=touch.code,
        way=touch.way,
        state=REJECTED if why else CLICKED,
        reason=why or "",
        campaign=touch.campaign,
        inviter_points=touch.inviter_points,
        invitee_points=touch.invitee_points,
        at=to_ms(now),
        expired=to_ms(now - timedelta(days=click_days)),
    )
    return row is not None


def added(  # noqa: PLR0917 - who was put in by whom, and when
    tx: Tx, programme_id: int, who: Who, member_id: int, by: int, now: datetime
) -> None:
    """Note who has put somebody in, to be shown alone; nothing where a row is there."""
    tx.run(
        _ADDED,
        programme=programme_id,
        id=new_id(),
        platform=who.platform,
        user=who.user_id,
        member=member_id,
        inviter=by,
        at=to_ms(now),
    )


_ADDED = Sql(
    "INSERT INTO referral (programme_id, id, platform, user_id, member_id, inviter_id, way, state,"
    " clicked_ms, joined_ms) VALUES (:programme, :id, :platform, :user, :member, :inviter, 'by',"
    f" '{ADDED}', :at, :at) ON CONFLICT DO NOTHING"
)


def bind_anew(tx: Tx, found: Referral, touch: Touch, now: datetime) -> None:
    """Let a link tell how somebody came, of whom only who put him in was known a moment ago."""
    tx.run(
        _FROM_LINK,
        programme=found.programme_id,
        id=found.id,
        inviter=touch.inviter_id,
        code=touch.code,
        way=touch.way,
        campaign=touch.campaign,
        inviter_points=touch.inviter_points,
        invitee_points=touch.invitee_points,
        at=to_ms(now),
    )


def come(  # noqa: PLR0917 - who comes, when, and under which rules
    tx: Tx, programme_id: int, who: Who, member_id: int, at: datetime, rules: Rulebook
) -> None:
    """Let somebody new be pending, if he has followed a code in time. It travels with the next
    statement: whoever speaks for the first time is not kept waiting.
    """  # noqa: D205 - one thought
    ours = rules.referral
    tx.send(
        _COME,
        programme=programme_id,
        platform=who.platform,
        user=who.user_id,
        member=member_id,
        at=to_ms(at),
        stay=to_ms(at + timedelta(days=ours.stay_days)),
        since=to_ms(at - timedelta(days=ours.click_days)),
    )


def back(tx: Tx, programme_id: int, member_id: int, at: datetime) -> bool:
    """Let the clock of one who had left go on, once; False where it does not."""
    row = tx.one(_BACK, programme=programme_id, member=member_id, at=to_ms(at))
    return row is not None


def inside(tx: Tx, programme_id: int, member_id: int) -> bool:
    """Whether a member is in any group of the programme."""
    return tx.one(_IN_A_GROUP, programme=programme_id, member=member_id) is not None


def gone(tx: Tx, found: Referral, at: datetime) -> bool:
    """Note that somebody has left before he was paid for; False where that is not so."""
    done = tx.run(_GONE, programme=found.programme_id, id=found.id, at=to_ms(at))
    return bool(done.rowcount == 1)


# -- what they do --------------------------------------------------------------------------------


def activate(tx: Tx, programme_id: int, member_id: int, what: str, at: datetime) -> bool:
    """Note what a member has done that proves him; once. It is paid when he has stayed, too."""
    row = tx.one(
        _ACTIVATE, programme=programme_id, member=member_id, what=what[:80], at=to_ms(at)
    )  # fmt: skip
    return row is not None


def unproven(tx: Tx, programme_id: int, members: Collection[int]) -> set[int]:
    """Return which of these members are still to prove themselves."""
    if not members:
        return set()
    some = f"[{','.join(map(str, members))}]" if tx.is_sqlite else [*members]
    rows = tx.all(_WAITING_OF, programme=programme_id, members=some)
    return {read(row).member_id for row in rows}


def activated_by(tx: Tx, programme_id: int, member_id: int, what: str) -> Referral | None:
    """Return the row of a member that this has activated."""
    row = tx.one(_BY_ACTIVATION, programme=programme_id, member=member_id, what=what[:80])
    return read(row) if row else None


def inviters(tx: Tx, programme_id: int, members: Collection[int]) -> set[int]:
    """Return by whom these members came."""
    some = f"[{','.join(map(str, members))}]" if tx.is_sqlite else [*members]
    return {id_ for (id_,) in tx.all(_INVITERS, programme=programme_id, members=some)} - {0}


def undo_activation(tx: Tx, found: Referral) -> None:
    """Let a member prove himself by something else: what did was taken back before it was paid."""
    tx.run(_UNDO_ACTIVATION, programme=found.programme_id, id=found.id)


def chain(tx: Tx, programme_id: int, member_id: int) -> list[int]:
    """Return by whom a member came, by whom that one, and so on."""
    found: list[int] = []
    while len(found) < CHAIN_MAX:
        row = tx.one(_UP, programme=programme_id, member=found[-1] if found else member_id)
        if row is None or row[0] in found:
            break
        found.append(row[0])
    return found


def is_fresh(found: Referral, now: datetime, click_days: int) -> bool:
    """Whether a click still binds."""
    return found.state == CLICKED and from_ms(found.clicked_ms) >= now - timedelta(days=click_days)
