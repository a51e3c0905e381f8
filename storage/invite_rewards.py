"""Invitations are paid when the friend has stayed and has done something, and taken back if not.

Everything here is done once, whoever else does it at this moment: the accounts of both are locked,
then the row is read, then its state changes. Running it twice does no harm.
"""

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from content.referral import REVIEW, REWARDED, Signs, Verdict, in_chain, verdict, worth
from storage import (
    awards,
    badges,
    credit,
    invite_ladder,
    ledger,
    levels,
    members,
    referrals,
    reviews,
    undoing,
)
from storage.awards import Award
from storage.books import POINTS
from storage.db import Sql, Tx, from_ms, to_ms
from storage.movement import ISSUED, GoneError, Posting, Side
from storage.programmes import Programme
from storage.referrals import COLUMNS, Referral
from storage.undoing import Undo

_DUE = Sql(
    f"SELECT {COLUMNS} FROM referral WHERE programme_id = :programme AND due_ms <= :now"
    " ORDER BY due_ms, stay_ms, id LIMIT :most"
)
_REVIEW_IS = (
    "v.programme_id = f.programme_id AND v.id = CASE WHEN f.inviter_review > 0"
    " THEN f.inviter_review ELSE f.invitee_review END AND v.state <> 'waiting'"
)
_DECIDED = Sql(
    f"SELECT {', '.join(f'f.{name}' for name in Referral._fields)} FROM referral f JOIN review v"
    f" ON {_REVIEW_IS} WHERE f.programme_id = :programme AND f.state = 'review'"
    " ORDER BY f.id LIMIT :most"
)
_WITH_WORK = Sql(
    "SELECT p.id FROM programme p WHERE"
    " EXISTS (SELECT 1 FROM referral f WHERE f.programme_id = p.id AND f.due_ms <= :now)"
    " OR EXISTS (SELECT 1 FROM referral f WHERE f.programme_id = p.id AND f.news_ms <= :now)"
    f" OR EXISTS (SELECT 1 FROM referral f JOIN review v ON {_REVIEW_IS}"
    " WHERE f.programme_id = p.id AND f.state = 'review') ORDER BY p.id"
)
_TIMES = Sql(
    "SELECT COALESCE(SUM(CASE WHEN rewarded_day = :today THEN 1 ELSE 0 END), 0), COUNT(*)"
    " FROM referral WHERE programme_id = :programme AND inviter_id = :inviter"
    " AND rewarded_day >= :month AND rewarded_day <= :today"
)
_BURST = Sql(
    "SELECT COUNT(*) FROM referral WHERE programme_id = :programme AND inviter_id = :inviter"
    " AND joined_ms BETWEEN :since AND :until"
)
_SET = Sql(
    "UPDATE referral SET state = :state, reason = :reason, due_ms = :due, queued_day = :queued,"
    " rewarded_day = :day, rewarded_ms = :at, inviter_posting = :inviter_posting,"
    " invitee_posting = :invitee_posting, inviter_review = :inviter_review,"
    " invitee_review = :invitee_review, news = :news, news_ms = :news_at"
    " WHERE programme_id = :programme AND id = :id"
)


class Settled(NamedTuple):
    """How many invitations were looked at, and which of them have been rewarded."""

    looked: int
    rewarded: tuple[Referral, ...]


@dataclass(slots=True)
class _Work:
    """What is done at one moment in a programme, and what has been rewarded by it."""

    tx: Tx
    here: Programme
    today: date
    now: datetime
    rewarded: list[Referral] = field(default_factory=list)

    def settled(self, looked: int) -> Settled:
        return Settled(looked, tuple(self.rewarded))

    def undo(self, key: str, reason: str) -> Undo:
        return Undo(f"{self.today}/{key}", reason, "clock", self.now, self.today)


def times(tx: Tx, programme_id: int, inviter_id: int, today: date) -> tuple[int, int]:
    """Return how many of a member's invitations were paid, or wait for a review, today and in this
    month. Exact under the lock of his account.
    """  # noqa: D205 - one thought
    first = today.replace(day=1)
    row = tx.one(
        _TIMES, programme=programme_id, inviter=inviter_id, today=today, month=first
    )  # fmt: skip
    return int(row[0]), int(row[1])


# -- paying --------------------------------------------------------------------------------------


def with_work(tx: Tx, now: datetime) -> list[int]:
    """Return the programmes in which something is due for invitations by then."""
    return [id_ for (id_,) in tx.all(_WITH_WORK, now=to_ms(now))]


def pay_due(tx: Tx, here: Programme, today: date, now: datetime, *, most: int = 200) -> Settled:
    """Pay, queue or refuse what is due. The next call goes on where it ended."""
    tx.books.write(tx)
    work = _Work(tx, here, today, now)
    due = {"programme": here.id, "now": to_ms(now), "most": most}
    found = [referrals.read(row) for row in tx.all(_DUE, **due)]
    if not found:
        return work.settled(0)
    owners = {id_ for each in found for id_ in (each.member_id, each.inviter_id)} - {0}
    tx.books.load(tx, here.id, POINTS, owners)
    done = 0
    for each in [referrals.read(row) for row in tx.all(_DUE, **due)]:  # as they are, once locked
        if {each.member_id, each.inviter_id} <= owners:
            _settle(work, each)
            done += 1
    return work.settled(done)


def _settle(work: _Work, found: Referral) -> None:
    """Decide about one that is due."""
    if found.member_id == found.inviter_id:  # two accounts have turned out to be one person's
        _reject(work, found, "self")
        return
    if in_chain(referrals.chain(work.tx, work.here.id, found.inviter_id), found.member_id):
        _reject(work, found, "cycle")
        return
    if _not_yet(work, found):
        _wait(work, found)
        return
    said = _verdict(work, found)
    if said.says == "reject":
        _reject(work, found, "risk")
        return
    ours = work.here.rules
    of_day, of_month = times(work.tx, work.here.id, found.inviter_id, work.today)
    if of_day >= ours.programme.caps.invite_per_day:
        _wait(work, found)
        return
    reasons = [*said.reasons, *(["month"] if of_month >= ours.referral.per_month else [])]
    if reasons:
        _review(work, found, reasons)
    else:
        _pay(work, found)


def _not_yet(work: _Work, found: Referral) -> bool:
    """Whether one of the two earns nothing now: he has to be verified, or his credit to recover."""
    ours = work.here.rules
    has = ledger.account(work.tx, work.here.id, found.inviter_id)
    if credit.frozen(ours, has, "referral"):
        return True
    return ours.welcome.asks and any(
        members.is_open(work.tx, work.here.id, each) for each in (found.member_id, found.inviter_id)
    )


def _verdict(work: _Work, found: Referral) -> Verdict:
    risk = work.here.rules.referral.risk
    around = risk.burst_min * 60_000
    came = found.joined_ms or 0
    (burst,) = work.tx.one(
        _BURST,
        programme=work.here.id,
        inviter=found.inviter_id,
        since=came - around,
        until=came + around,
    )
    has = ledger.account(work.tx, work.here.id, found.member_id)
    silent = not has.total_earned and has.checkin_day <= date.min
    return verdict(risk, Signs(burst, silent))


def _reject(work: _Work, found: Referral, reason: str) -> None:
    _set(work, found._replace(state="rejected", reason=reason, due_ms=None))


def _wait(work: _Work, found: Referral) -> None:
    """Let it wait for the next day's room, in order, and not for ever."""
    first = found.queued_day or work.today
    if (work.today - first).days >= work.here.rules.referral.queue_days:
        _reject(work, found, "cap")
        return
    midnight = datetime.combine(work.today + timedelta(days=1), time(), work.here.zone)
    _set(work, found._replace(state="pending_cap", queued_day=first, due_ms=to_ms(midnight)))


def _pay(work: _Work, found: Referral) -> None:
    inviter = _award(work, found, "inviter")
    invitee = _award(work, found, "invitee")
    waits = inviter.withheld == "review"
    paid = found._replace(
        state=REVIEW if waits else REWARDED,
        reason="budget" if waits else "",
        inviter_posting=inviter.posting,
        invitee_posting=invitee.posting,
        inviter_review=inviter.review,
        invitee_review=invitee.review,
    )
    _close(work, paid)


def _review(work: _Work, found: Referral, reasons: list[str]) -> None:
    """Let somebody look first: at the inviter's alone, where nothing is odd about the friend."""
    why = ", ".join(reasons)
    numbers = {}
    invitee = Award(0)
    for whose in ("inviter", "invitee"):
        posting = _posting(work, found, whose)
        if posting is None:
            continue
        if whose == "invitee" and reasons == ["month"]:
            invitee = _award(work, found, whose)
        else:
            numbers[whose] = reviews.queue(work.tx, posting, work.now, why=why)
    if not numbers:  # there is nothing to look at: neither gets points
        _reject(work, found, "risk")
        return
    waits = found._replace(
        state=REVIEW,
        reason=why[:64],
        inviter_review=numbers.get("inviter", 0),
        invitee_review=numbers.get("invitee", invitee.review),
        invitee_posting=invitee.posting,
    )
    _close(work, waits)


def _close(work: _Work, found: Referral) -> None:
    """Write what was decided, and count it for the inviter's day, month and ladder."""
    paid = found.state == REWARDED
    at = to_ms(work.now)
    _set(
        work,
        found._replace(
            due_ms=None,
            rewarded_day=found.rewarded_day or work.today,
            rewarded_ms=at,
            news="paid" if paid else "",
            news_ms=at if paid else None,
        ),
    )
    if paid:
        work.rewarded.append(found)
        if members.known(work.tx, work.here.id, [found.inviter_id]):  # else he has been erased
            badges.count(work.tx, work.here, found.inviter_id, "invite", work.today)
            invite_ladder.climb(work.tx, work.here, found.inviter_id, work.today, work.now)


def _award(work: _Work, found: Referral, whose: str) -> Award:
    posting = _posting(work, found, whose)
    if posting is None:
        return Award(0)
    return awards.award(work.tx, work.here.rules, posting, today=work.today, now=work.now)


def _posting(work: _Work, found: Referral, whose: str) -> Posting | None:
    """Return what one of the two gets, by the sum that was promised; None for nothing."""
    rules, here = work.here.rules, work.here
    ours = whose == "inviter"
    owner = found.inviter_id if ours else found.member_id
    level = levels.held(rules, ledger.account(work.tx, here.id, owner))
    sum_ = found.inviter_points if ours else found.invitee_points
    points = worth(rules, sum_, level.id if level else None)
    if not points:
        return None
    expiry = rules.programme.expiry
    category = rules.referral.category
    return Posting(
        programme_id=here.id,
        key=f"{work.today}/invite/{found.id}.{found.rejoined}/{whose}",
        source=ISSUED,
        target=Side(owner, "available"),
        amount=points,
        reason="invite" if ours else "invited",
        rule="referral",
        rule_version=here.rules_version,
        actor="clock",
        at=work.now,
        day=work.today,
        kind=category if category in rules.categories else "",
        expires=work.today + timedelta(days=expiry.base_days) if expiry.base == "rolling" else None,
    )


def _set(work: _Work, found: Referral) -> None:
    work.tx.run(
        _SET,
        programme=found.programme_id,
        id=found.id,
        state=found.state,
        reason=found.reason,
        due=found.due_ms,
        queued=found.queued_day,
        day=found.rewarded_day,
        at=found.rewarded_ms,
        inviter_posting=found.inviter_posting,
        invitee_posting=found.invitee_posting,
        inviter_review=found.inviter_review,
        invitee_review=found.invitee_review,
        news=found.news,
        news_at=found.news_ms,
    )


def follow_reviews(
    tx: Tx, here: Programme, today: date, now: datetime, *, most: int = 200
) -> Settled:
    """Let invitations be what somebody has decided about them."""
    work = _Work(tx, here, today, now)
    rows = [referrals.read(row) for row in tx.all(_DECIDED, programme=here.id, most=most)]
    owners = {owner for row in rows for owner in (row.inviter_id, row.member_id) if owner}
    tx.books.load(tx, here.id, POINTS, owners)  # all at once: in the order of all
    for found in rows:
        again = referrals.get(tx, here.id, found.id)
        if again is None or again.state != REVIEW:
            continue
        inviter = reviews.get(tx, here.id, again.inviter_review)
        invitee = reviews.get(tx, here.id, again.invitee_review)
        decided = inviter or invitee
        if decided is None or decided.state != reviews.APPROVED:
            _take_back(work, again, "risk", ("invitee",))
            _reject(work, again, "risk")
            continue
        paid = again._replace(
            state=REWARDED, reason="", inviter_posting=inviter.posted if inviter else 0
        )
        _close(work, paid)
    return work.settled(len(rows))


# -- taking back ---------------------------------------------------------------------------------


def left(tx: Tx, here: Programme, found: Referral, at: datetime, now: datetime) -> None:
    """Note that somebody has left every group, with both accounts locked.

    Before he was paid for, nothing is paid; soon after it, the inviter's reward goes back.
    """
    again = referrals.get(tx, here.id, found.id)
    if again is None or referrals.gone(tx, again, at):
        return
    days = here.rules.referral.clawback.leave_within_days
    late = at - from_ms(again.rewarded_ms or 0) > timedelta(days=days)
    if again.state == REVIEW or (again.state == REWARDED and days and not late):
        today = now.astimezone(here.zone).date()
        _take_back(_Work(tx, here, today, now), again, "left", ("inviter",))


def refunded(tx: Tx, here: Programme, member_id: int, order: str, now: datetime) -> None:
    """Take back what an order has proved, once it is refunded in full."""
    found = referrals.activated_by(tx, here.id, member_id, f"order.completed/{order}")
    if found is None:
        return
    referrals.lock(tx, found)
    again = referrals.get(tx, here.id, found.id)
    if again is None:
        return
    if again.state in {REVIEW, REWARDED}:
        if here.rules.referral.clawback.refund:
            today = now.astimezone(here.zone).date()
            _take_back(_Work(tx, here, today, now), again, "refund", ("inviter", "invitee"))
    else:
        referrals.undo_activation(tx, again)


def _take_back(work: _Work, found: Referral, why: str, whose: tuple[str, ...]) -> None:
    posted = {
        "inviter": (found.inviter_id, found.inviter_posting, found.inviter_review),
        "invitee": (found.member_id, found.invitee_posting, found.invitee_review),
    }
    for each in whose:
        owner, posting, review = posted[each]
        if review:
            if reviews.shrink(work.tx, work.here.id, review, _ALL, now=work.now):
                continue
            decided = reviews.get(work.tx, work.here.id, review)
            posting = decided.posted if decided else posting
        if posting:
            _reverse(work, found, each, owner, posting, budgeted=not review)
    _set(work, found._replace(state="clawed_back", reason=why, due_ms=None, news="", news_ms=None))
    undo = work.undo(f"invite-back/{found.id}/ladder", "invite_back")
    invite_ladder.fall(work.tx, work.here, found.inviter_id, undo)


_ALL = 10**15
"""More than any award: nothing of it waits any more."""


def _reverse(
    work: _Work, found: Referral, whose: str, owner: int, posting: int, *, budgeted: bool
) -> None:
    """Reverse an award; what is spent by now is owed."""
    tx, here = work.tx, work.here
    qualified = ledger.account(tx, here.id, owner).qualifying
    undo = work.undo(f"invite-back/{found.id}.{found.rejoined}/{whose}", "invite_back")
    try:
        undoing.reverse(tx, here.id, posting, undo, budgeted=budgeted)
    except GoneError:
        return  # somebody has taken it back by hand
    levels.fall(tx, here.rules, ledger.account(tx, here.id, owner), qualified)
    levels.keep(tx, here.rules, ledger.account(tx, here.id, owner), work.today)
