"""What a shop tells of its members: a deed earns by the rules of its day, a refund takes back."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import NamedTuple

from content.earning import CAMPAIGN, Earned, earned, rules_for
from content.earning import Deed as Doing
from content.message import Refusal
from content.notice import COMPLETED, REFUNDED, Notice
from content.welcome import WelcomeRules, days_left
from handlers import occasions
from handlers.occasions import Occasion
from storage import (
    awards,
    badges,
    deeds,
    invite_rewards,
    ledger,
    levels,
    members,
    programmes,
    rebates,
    referrals,
    reviews,
    rulebooks,
    tombstones,
    undoing,
)
from storage.books import POINTS
from storage.db import Tx, from_ms, to_ms
from storage.deeds import Deed, Part
from storage.movement import AMOUNT_MAX, ISSUED, GoneError, Posting, Side
from storage.programmes import Programme
from storage.rulebooks import Version
from storage.undoing import Undo

CLOCKS_DIFFER_MAX = timedelta(minutes=5)


class Receipt(NamedTuple):
    """What became of a notice; `replayed` when that was known already and nothing has changed."""

    deed: Deed
    replayed: bool


@dataclass(slots=True)
class _Work:
    """Notices together with what the store knows of them."""

    tx: Tx
    here: Programme
    actor: str
    now: datetime
    known: dict[str, Deed]
    orders: dict[str, list[Deed]] = field(default_factory=dict)
    people: dict[members.Identity, int] = field(default_factory=dict)
    joined: dict[int, datetime] = field(default_factory=dict)
    """Since when they are members, where that is asked for."""
    numbers: dict[int, int] = field(default_factory=dict)
    """Members that are named by number, or whose orders these are; whose they are now."""
    new: list[Deed] = field(default_factory=list)
    """Deeds that are still to be written."""

    def whose(self, deed: Deed) -> int:
        """Return whose a deed is: the member's, or of him to whom that one has been bound."""
        return self.numbers.get(deed.member_id, deed.member_id)

    def day(self, moment: datetime) -> date:
        """Return the programme's day of a moment; what the shop's clock has ahead is today."""
        return min(moment, self.now).astimezone(self.here.zone).date()

    def is_new(self, rules: WelcomeRules, member_id: int, moment: datetime) -> bool:
        """Whether a moment is one of a member's first days, which pay more."""
        if not rules.doubles:
            return False
        if member_id not in self.joined:
            everybody = {*self.people.values(), *self.numbers.values(), member_id}
            self.joined |= members.joined(self.tx, self.here.id, everybody)
        return days_left(rules, self.day(self.joined[member_id]), self.day(moment)) > 0


def take(
    tx: Tx, programme_id: int, notices: Sequence[Notice], *, actor: str, now: datetime
) -> list[Receipt | Refusal]:
    """Let notices earn, in order; each is taken whole or refused alone (texts `deed.…`).

    A deed earns by the rules in force when it happened, and counts for that day. The same key again
    changes nothing, nor does the same order under another key. What is refused leaves no trace, so
    that it can come again. Errors: LookupError when there is no such programme.
    """
    work = _look_up(tx, programmes.programme(tx, programme_id, now), notices, actor, now)
    results: list[Receipt | Refusal] = []
    for notice in notices:
        try:
            results.append(_take(work, notice))
        except Refusal as refusal:
            results.append(refusal)
    _write(work)
    _prove(work, results)
    return results


def _look_up(
    tx: Tx, here: Programme, notices: Sequence[Notice], actor: str, now: datetime
) -> _Work:
    """Read at once what the notices are about, and lock it in one order."""
    work = _Work(tx, here, actor, now, deeds.by_keys(tx, here.id, {n.key for n in notices}))
    fresh = [notice for notice in notices if notice.key not in work.known]
    for deed in deeds.of_orders(tx, here.id, {n.order for n in fresh if n.order}):
        work.orders.setdefault(deed.order_no or "", []).append(deed)
    named = {(n.platform, n.user_id) for n in fresh if n.platform and n.user_id}
    work.people = members.by_identity(tx, here.id, named) if named else {}
    ids = {int(n.member_id) for n in fresh if n.member_id}
    work.numbers = members.known(tx, here.id, ids) if ids else {}
    of_orders = {deed.member_id for of_order in work.orders.values() for deed in of_order}
    if of_orders:
        work.numbers |= members.heirs(tx, here.id, of_orders)
    owners = {*work.numbers.values(), *work.people.values()}
    if owners and any(notice.event == REFUNDED for notice in fresh):
        owners |= referrals.inviters(tx, here.id, owners)  # a refund may take theirs back
    tx.books.load(tx, here.id, POINTS, owners)
    return work


def _take(work: _Work, notice: Notice) -> Receipt:
    mark = _fingerprint(notice)
    before = work.known.get(notice.key)
    if before is not None:
        if before.fingerprint != mark:
            raise Refusal("deed.key_used", given=notice.key)
        return Receipt(before, replayed=True)
    if notice.at > work.now + CLOCKS_DIFFER_MAX:
        raise Refusal("deed.future", at=f"{notice.at:%Y-%m-%d %H:%M %Z}")
    of_order = work.orders.get(notice.order or "", [])
    bought = next((deed for deed in of_order if deed.event == COMPLETED), None)
    member_id = _member(work, notice, bought or next(iter(of_order), None))
    if notice.event == REFUNDED:
        return _refund(work, notice, bought, mark)
    same = next((deed for deed in of_order if deed.event == notice.event and not deed.slot), None)
    if same is not None:
        told = (notice.amount_fen or 0, notice.freight_fen)
        if (same.amount_fen, same.freight_fen) != told:
            raise Refusal("deed.order_known", order=notice.order)
        return Receipt(same, replayed=True)
    if bought is not None and bought.refunded_fen == bought.amount_fen:
        raise Refusal("deed.order_refunded", order=notice.order)
    parts = _earn(work, notice, member_id)
    at, day = min(notice.at, work.now), work.day(notice.at)
    occasion = Occasion(notice.event, member_id, at, day, notice.key)
    occasions.tell(work.tx, work.here, occasion, work.now, aloud=False)
    month = None
    if notice.event == COMPLETED:
        month = _spend(work, notice, member_id)
        badges.count(work.tx, work.here, member_id, "order", work.day(work.now))
    return _note(work, notice, member_id, mark, parts=parts, month=month)


def _fingerprint(notice: Notice) -> str:
    said = notice.model_dump_json(exclude={"key", "at"})
    return hashlib.sha256(f"{to_ms(notice.at)}{said}".encode()).hexdigest()


def _member(work: _Work, notice: Notice, of_order: Deed | None) -> int:
    """Return whose deed it is; an order knows its member."""
    if notice.member_id:
        found = work.numbers.get(int(notice.member_id))
    elif notice.user_id:
        found = work.people.get((notice.platform or "", notice.user_id))
    elif of_order is None:
        raise Refusal("deed.order_unknown", order=notice.order)
    else:
        return work.whose(of_order)
    if found is None:
        raise Refusal("deed.member_unknown", who=notice.who)
    if of_order is not None and work.whose(of_order) != found:
        raise Refusal("deed.not_his", order=notice.order)
    return found


def _note(
    work: _Work,
    notice: Notice,
    member_id: int,
    mark: str,
    *,
    parts: tuple[Part, ...],
    fen: int = 0,
    month: date | None = None,
) -> Receipt:
    """Keep a deed, to be written with the others."""
    deed = Deed(
        programme_id=work.here.id,
        key=notice.key,
        event=notice.event,
        order_no=notice.order,
        slot="" if notice.once else notice.key,
        member_id=member_id,
        amount_fen=fen or notice.amount_fen or 0,
        freight_fen=notice.freight_fen,
        refunded_fen=0,
        refunded_freight_fen=0,
        at_ms=to_ms(notice.at),
        fingerprint=mark,
        spent_month=month,
        parts=parts,
    )
    work.new.append(deed)
    work.known[deed.key] = deed
    if deed.order_no:
        work.orders.setdefault(deed.order_no, []).append(deed)
    return Receipt(deed, replayed=False)


def _spend(work: _Work, notice: Notice, member_id: int) -> date | None:
    """Count what an order paid for goods, for a month's rebate; return the month."""
    goods = (notice.amount_fen or 0) - notice.freight_fen
    if not goods:
        return None
    day, today = work.day(notice.at), work.day(work.now)
    return rebates.spend(work.tx, work.here, member_id, day, today, goods)


def _write(work: _Work) -> None:
    deeds.add(work.tx, work.new)
    work.new.clear()


def _prove(work: _Work, results: Sequence[Receipt | Refusal]) -> None:
    """Let paid orders prove those who were invited (`storage.referrals`)."""
    if COMPLETED not in work.here.rules.referral.activate_by:
        return
    keys = [each.deed.key for each in results if isinstance(each, Receipt) and not each.replayed]
    told = [work.known[key] for key in keys]
    bought = [each for each in told if each.event == COMPLETED and each.amount_fen]
    kept = [each for each in bought if each.refunded_fen < each.amount_fen]
    waiting = referrals.unproven(work.tx, work.here.id, {each.member_id for each in kept})
    for each in kept:
        if each.member_id in waiting:
            what = f"{COMPLETED}/{each.order_no}"
            at = min(from_ms(each.at_ms), work.now)
            referrals.activate(work.tx, work.here.id, each.member_id, what, at)


# -- earning -------------------------------------------------------------------------------------


def _earn(work: _Work, notice: Notice, member_id: int) -> tuple[Part, ...]:
    """Post what a deed earns. Everything is checked before the first posting."""
    version = rulebooks.in_force(work.tx, work.here.id, notice.at)
    level = levels.held(version.rules, ledger.account(work.tx, work.here.id, member_id))
    doing = Doing(
        event=notice.event,
        amount_fen=notice.amount_fen or 0,
        freight_fen=notice.freight_fen,
        platform=notice.platform or "",
        level=level.id if level else None,
        newcomer=work.is_new(version.rules.welcome, member_id, notice.at),
    )
    if not doing.platform:
        for rule in version.rules.earn:
            if rule.event == notice.event and rule.platforms_off:
                raise Refusal("deed.platform_needed", rule=rule.id)
    parts = earned(version.rules, doing)
    for part in parts:
        if part.points > AMOUNT_MAX:
            raise Refusal("deed.too_much", points=part.points)
    subjects = [_subject(notice, part, member_id) for part in parts]
    of_goods = {r.id for r in rules_for(version.rules, doing) if r.exclude or r.per_yuan is None}
    return tuple(
        _award(work, notice, version, part, Side(member_id, "available"), subject)._replace(
            of_goods=part.rule.removesuffix(CAMPAIGN) in of_goods
        )
        for part, subject in zip(parts, subjects, strict=True)
    )


def _subject(notice: Notice, part: Earned, member_id: int) -> str | None:
    """Return for what a rule pays once, if it does."""
    if part.once_per is None:
        return None
    what = {"order": notice.order, "post": notice.post, "member": f"{member_id}"}[part.once_per]
    if what is None:
        raise Refusal("deed.subject_needed", rule=part.rule, what=part.once_per)
    return f"{part.once_per}/{what}"


def _award(  # noqa: PLR0917 - a part, whose it is, and under which rules
    work: _Work, notice: Notice, version: Version, part: Earned, to: Side, subject: str | None
) -> Part:
    """Post one part. What would be ripe by now is available at once, and counts for that day."""
    day = work.day(notice.at)
    ripe = day + timedelta(days=part.pending_days)
    pends = ripe > work.day(work.now)
    expires = ripe + timedelta(days=part.expires_days) if part.expires_days else None
    kept = Part(part.rule, part.wallet, 0, 0, ripe, expires)
    again = part.once_per == "member" and tombstones.returned(work.tx, work.here.id, to.owner_id)
    if again or (subject and deeds.paid_once(work.tx, work.here.id, kept, subject)):
        return kept._replace(withheld="once")
    booked = day if pends else ripe
    name = notice.order if notice.once else notice.key
    posting = Posting(
        programme_id=work.here.id,
        key=f"{booked}/deed/{part.rule}/{part.wallet}/{name}.",  # no ending of the ledger's own
        source=ISSUED,
        target=to._replace(bucket="pending") if pends else to,
        amount=part.points,
        reason=notice.event,
        rule=part.rule,
        rule_version=version.version,
        actor=work.actor,
        at=min(notice.at, work.now),
        day=booked,
        wallet=part.wallet,
        kind=part.category,
        expires=expires,
        matures=ripe if pends else None,
        caps=part.caps,
    )
    today = work.day(work.now)
    paid = awards.award(work.tx, work.here.rules, posting, today=today, now=work.now)
    if subject and (paid.posting or paid.review):
        deeds.pay_once(work.tx, work.here.id, kept, subject)
    return kept._replace(
        points=paid.points, posting=paid.posting, withheld=paid.withheld, review=paid.review
    )


# -- taking back ---------------------------------------------------------------------------------


def _refund(work: _Work, notice: Notice, bought: Deed | None, mark: str) -> Receipt:
    """Take back what the refunded part of an order has earned, by the numbers of that time.

    It is rounded in the member's favour until the last refund, which takes the rest, and then also
    what else the order has earned (its review).
    """
    if bought is None:
        raise Refusal("deed.order_unknown", order=notice.order)
    left = bought.amount_fen - bought.refunded_fen
    fen = notice.amount_fen or left
    freight_left = bought.freight_fen - bought.refunded_freight_fen
    if not 0 < fen <= left or notice.freight_fen > freight_left:
        raise Refusal("deed.refund_over", order=notice.order, left=left, freight=freight_left)
    after = bought._replace(
        refunded_fen=bought.refunded_fen + fen,
        refunded_freight_fen=bought.refunded_freight_fen + notice.freight_fen,
    )
    at, booked = min(notice.at, work.now), work.day(work.now)
    undo = Undo("", notice.event, work.actor, at, work.day(notice.at), booked)
    _write(work)  # the order may be among them
    owner = work.whose(bought)
    qualified = ledger.account(work.tx, work.here.id, owner).qualifying
    parts = [
        part
        for original, points in _due(work, bought, after)
        if (part := _take_back(work, original, points, undo, notice.key))
    ]
    deeds.note_refund(work.tx, bought, fen, notice.freight_fen)
    if bought.spent_month:
        goods = _goods_back(after) - _goods_back(bought)
        back = undo._replace(key=f"{undo.day}/rebate/{bought.spent_month:%Y-%m}/{notice.key}.")
        month, buyer = bought.spent_month, bought.member_id
        rebates.unspend(work.tx, work.here.id, buyer, month, goods, back, heir=owner)
    has = ledger.account(work.tx, work.here.id, owner)
    levels.fall(work.tx, work.here.rules, has, qualified)
    has = ledger.account(work.tx, work.here.id, owner)
    levels.keep(work.tx, work.here.rules, has, work.day(work.now))
    if after.refunded_fen == after.amount_fen:
        invite_rewards.refunded(
            work.tx, work.here, bought.member_id, bought.order_no or "", work.now
        )
    of_order = work.orders[bought.order_no or ""]
    of_order[of_order.index(bought)] = work.known[bought.key] = after
    return _note(work, notice, owner, mark, parts=tuple(parts), fen=fen)


def _goods_back(order: Deed) -> int:
    """Return what has been refunded of an order's goods; in the end that is all of them."""
    goods = order.amount_fen - order.freight_fen
    if order.refunded_fen == order.amount_fen:
        return goods
    return min(goods, order.refunded_fen - order.refunded_freight_fen)


def _due(work: _Work, before: Deed, after: Deed) -> Iterator[tuple[Part, int]]:
    """Yield how many points of which part a refund takes back."""
    for part in before.parts:
        known = _by_now(work, part)
        yield known, _returned(after, known) - _returned(before, known)
    if after.refunded_fen == after.amount_fen:
        for deed in work.orders[before.order_no or ""]:
            if deed.event not in {COMPLETED, REFUNDED}:
                for part in deed.parts:
                    known = _by_now(work, part)
                    yield known, known.points


def _by_now(work: _Work, part: Part) -> Part:
    """Return a part that had to wait as it stands now, with the points that it was for."""
    known = reviews.get(work.tx, work.here.id, part.review) if part.review else None
    if known is None or known.state not in {reviews.WAITING, reviews.APPROVED}:
        return part
    return part._replace(points=known.posting.amount, posting=known.posted)


def _returned(order: Deed, part: Part) -> int:
    """Return how many of a part's points the refunds so far are worth."""
    goods = order.amount_fen - order.freight_fen
    if order.refunded_fen == order.amount_fen:
        return part.points
    if not part.of_goods or not goods:
        return part.points * order.refunded_fen // order.amount_fen
    back = min(goods, order.refunded_fen - order.refunded_freight_fen)
    return part.points * back // goods


def _take_back(work: _Work, part: Part, points: int, undo: Undo, key: str) -> Part | None:
    """Reverse so much of a posting; None when nothing is left of it, or nothing was due.

    Of what still waits for a review, so much does not wait any more.
    """
    if part.review and not part.posting and points:
        if reviews.shrink(work.tx, work.here.id, part.review, points, now=work.now):
            return None
        part = _by_now(work, part)  # somebody has decided it at this very moment
    if not part.posting or not points:
        return None
    undo = undo._replace(key=f"{undo.day}/refund/{part.posting}/{key}.")
    for amount in (points, None):  # None: somebody has taken a part back by hand
        try:
            posted = undoing.reverse(
                work.tx,
                work.here.id,
                part.posting,
                undo,
                amount=amount,
                budgeted=not part.review,  # an approval is not counted against the budget
            )
        except GoneError:
            continue
        return Part(part.rule, part.wallet, -posted.amount, posted.id, undo.day)
    return None
