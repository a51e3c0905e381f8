"""Give points to another member: set aside at once, his when he accepts, back if he does not.

Nobody learns in the group that a gift has lapsed: it goes back quietly, and the giver's statement
tells. The rules are `content.gifting`'s, which of a member's points were earned `storage.gifted`'s.
"""

import re
from datetime import datetime, timedelta

from content import gifting
from content.gifting import BACK_H, Case, Reading
from content.message import Button, Refusal, Reply
from content.names import clean_name, isolate
from content.privacy import may
from content.rulebook import BadgeRule, GiftRules
from handlers import occasions, whom
from handlers.badges import with_badges
from handlers.context import Context
from handlers.occasions import Occasion
from handlers.router import Router
from handlers.whom import Whom
from storage import ages, badges, credit, gifts, ledger, levels, members
from storage.gifts import End, Gift
from storage.movement import InsufficientError, Posting

router = Router()
NOTE_MAX = 40
_NOBODY_ELSE = {"", "给", "你", "他", "她", "ta", "you"}
"""Words before the amount that name nobody else than the one who is mentioned or replied to."""
_GLUED = (
    r"\s*(?:@[^\d]{1,48}?|@\S{1,48}\s+|[^\s\d]{0,24}?)"
    r"(?:[0-9]{1,13})(?:\s*(?:积分|分|点|points?))?(?:[\s,，。!！~].*)?"
)
_PRESSED = re.compile(r"(yes|no|back) ([0-9]{1,19})")
_ID_END = 2**63
_PRESSES: dict[str, End] = {"yes": "accepted", "no": "declined", "back": "taken_back"}
_LABELS = {"yes": "button.gift_yes", "no": "button.gift_no", "back": "button.gift_back"}
_TOLD: dict[str, str] = {
    "accepted": "gift.accepted",
    "declined": "gift.declined",
    "taken_back": "gift.taken_back",
    "expired": "gift.expired",
}


@router.command("gift", "赠送", glued=_GLUED)
def gift(ctx: Context) -> Reply | None:
    """Give points to another member, who accepts them or not."""
    if ctx.event.kind == "tap":
        return _pressed(ctx)
    if ctx.event.secondhand:
        return None  # somebody else's words, handed on
    giver = ctx.member
    if ctx.group is None:
        raise Refusal("whom.private")
    if not ctx.rules.redeem.gift.allowed:
        raise Refusal("gift.off")
    receiver, asked = _asked(ctx)
    if receiver.id == giver.id:
        raise Refusal("gift.self", name=ctx.name)
    _check_ages(ctx, receiver.id)
    return _offer(ctx, receiver, asked)


# -- offering ------------------------------------------------------------------------------------


def _asked(ctx: Context) -> tuple[Whom, Reading]:
    """Return who is meant and what he is to get. Refuses what cannot be told."""
    receiver, words = whom.mentioned(ctx)
    readings = gifting.readings(words)
    if receiver is None:
        for reading in readings:
            bare = reading.name.removeprefix("@")
            for name in dict.fromkeys((bare, bare.removeprefix("给").strip())):
                found = whom.named(ctx, name) if name else None
                if found is not None:
                    return found, reading
    called, receiver = receiver is not None, receiver or whom.replied_to(ctx)
    plain = [each for each in readings if each.name.casefold() in _NOBODY_ELSE]
    if receiver is not None and plain:
        first = plain[-1]  # the first number is the amount, others are words
        note = first.note.removeprefix("给").strip() if called else first.note
        return receiver, first._replace(note=note)
    if readings and not called and not plain:
        given = isolate(clean_name(readings[-1].name, fallback="…"))
        raise Refusal("whom.unnamed", who=given, amount=min(readings[-1].amount, 10**6))
    rules, has = _rules(ctx), ledger.account(ctx.tx, ctx.programme.id, ctx.member.id)
    raise Refusal(
        "gift.usage",
        name=ctx.name,
        earned=has.available - has.gifted,
        most=rules.per_day_points,
        hours=rules.expires_h,
    )


def _offer(ctx: Context, receiver: Whom, asked: Reading) -> Reply:
    rules, giver = _rules(ctx), ctx.member
    case = _case(ctx, receiver, asked.amount)
    if credit.frozen(ctx.rules, ledger.account(ctx.tx, ctx.programme.id, giver.id), "gift"):
        raise Refusal("credit.frozen", name=ctx.name)
    why = gifting.forbids(rules, case)
    if why is not None:
        raise _refusal(ctx, why, receiver, case)
    note = clean_name(asked.note, fallback="", most=NOTE_MAX) if asked.note else ""
    source, target = gifts.from_to(giver.id, receiver.id)
    payment = Posting(
        programme_id=ctx.programme.id,
        key=f"{ctx.today}/gift/{ctx.event.key}",
        source=source,
        target=target,
        amount=asked.amount,
        reason="gift",
        rule="gift",
        rule_version=ctx.programme.rules_version,
        actor=ctx.actor,
        at=ctx.event.at,
        day=ctx.today,
    )
    due = ctx.now + timedelta(hours=rules.expires_h)
    try:
        made = gifts.offer(ctx.tx, payment, note, due=due)
    except InsufficientError:  # some of what was there has expired
        raise _refusal(ctx, "gift.short", receiver, _case(ctx, receiver, asked.amount)) from None
    yes, no, back = (
        Button(ctx.texts.say(label), f"gift {press} {made.id}") for press, label in _LABELS.items()
    )
    reply = _tell(ctx, made, "gift.offered", hours=rules.expires_h)
    return Reply(reply.text, ((yes, no), (back,)), alone=True)


def _rules(ctx: Context) -> GiftRules:
    """Return the rules for what the asker gives: his level may let him give more."""
    has = ledger.account(ctx.tx, ctx.programme.id, ctx.member.id)
    return gifting.quota(ctx.rules.redeem.gift, levels.held(ctx.rules, has))


def _case(ctx: Context, receiver: Whom, amount: int) -> Case:
    """Look at everything that the rules ask, with the giver's account locked."""
    tx, programme_id, giver = ctx.tx, ctx.programme.id, ctx.member
    has = ledger.account(tx, programme_id, giver.id)
    times, points = gifts.given(tx, programme_id, giver.id, ctx.today)
    lately = ctx.now - timedelta(hours=BACK_H)
    return Case(
        amount=amount,
        available=has.available,
        earned=has.available - has.gifted,
        debt=-has.debt,
        giver_days=_days(ctx, members.since(tx, programme_id, giver.id)),
        receiver_days=_days(ctx, members.since(tx, programme_id, receiver.id)),
        given_times=times,
        given_points=points,
        back=gifts.has_given(tx, programme_id, receiver.id, giver.id, lately, offers=True),
    )


def _days(ctx: Context, since: datetime) -> int:
    """Return for how many days somebody has been a member, by the programme's days."""
    return (ctx.today - since.astimezone(ctx.programme.zone).date()).days


def _refusal(ctx: Context, key: str, receiver: Whom, case: Case) -> Refusal:
    rules = _rules(ctx)
    return Refusal(
        key,
        name=ctx.name,
        who=isolate(receiver.name),
        balance=case.available,
        earned=case.earned,
        debt=case.debt,
        days=rules.account_days_min,
        wait=rules.account_days_min - case.giver_days,
        times=rules.per_day_n,
        most=rules.per_day_points,
        left=max(0, rules.per_day_points - case.given_points),
        hours=BACK_H,
    )


# -- ending --------------------------------------------------------------------------------------


def _pressed(ctx: Context) -> Reply:
    """Carry out a button under an offer: for the one whom it is for, and as long as it is open."""
    presser = ctx.member
    found = _PRESSED.fullmatch(ctx.args)
    number = int(found[2]) if found else _ID_END
    offered = gifts.get(ctx.tx, ctx.programme.id, number) if number < _ID_END else None
    if found is None or offered is None or not ctx.event.genuine:
        raise Refusal("gift.gone")
    new: list[BadgeRule] = []
    wanted = _PRESSES[found[1]]
    meant = offered.giver_id if wanted == "taken_back" else offered.receiver_id
    # he may have been bound since, or erased
    meant = members.heirs(ctx.tx, ctx.programme.id, [meant])[meant]
    if presser.id != meant:
        key = "gift.not_giver" if wanted == "taken_back" else "gift.not_receiver"
        raise Refusal(key, name=ctx.name, who=_name(ctx, meant))
    if offered.state == gifts.OFFERED and ctx.event.at >= offered.due:
        wanted = gifts.EXPIRED
    if offered.state == gifts.OFFERED:
        gifts.lock(ctx.tx, ctx.programme.id, offered)
        if wanted == gifts.ACCEPTED:
            _check_acceptance(ctx, offered)
        done = gifts.end(
            ctx.tx,
            ctx.programme.id,
            offered,
            wanted,
            actor=ctx.actor,
            at=ctx.event.at,
            today=ctx.today,
        )
        if done and wanted == gifts.ACCEPTED:
            _note_given(ctx, offered)
        # else it ended this very moment, elsewhere
        offered = offered._replace(state=wanted) if done else _again(ctx, offered)
        if done and wanted == gifts.ACCEPTED:
            new = badges.count(ctx.tx, ctx.programme, offered.giver_id, "gift", ctx.today)
    told = _tell(ctx, offered, _TOLD[offered.state])
    return with_badges(ctx, told, new, _name(ctx, offered.giver_id)) if new else told


def _note_given(ctx: Context, given: Gift) -> None:
    """Tell that a gift has arrived: it is its giver's deed."""
    key = f"{ctx.today}/gift-ended/{given.id}"
    deed = Occasion("gift.accepted", given.giver_id, ctx.event.at, ctx.today, key)
    occasions.tell(ctx.tx, ctx.programme, deed, ctx.now, aloud=False)


def _again(ctx: Context, offered: Gift) -> Gift:
    """Return a gift as it stands now."""
    found = gifts.get(ctx.tx, ctx.programme.id, offered.id)
    assert found is not None
    return found


def _check_acceptance(ctx: Context, offered: Gift) -> None:
    """Refuse what has come up since the offer, with both accounts locked."""
    _check_ages(ctx, offered.giver_id)
    has = ledger.account(ctx.tx, ctx.programme.id, offered.receiver_id)
    giver_has = ledger.account(ctx.tx, ctx.programme.id, offered.giver_id)
    if credit.frozen(ctx.rules, has, "gift"):
        raise Refusal("credit.frozen", name=ctx.name)
    if credit.frozen(ctx.rules, giver_has, "gift"):
        raise Refusal("credit.not_now", name=ctx.name)
    if has.debt:
        raise Refusal("gift.owing", name=ctx.name, debt=-has.debt)
    since = ctx.now - timedelta(hours=BACK_H)
    giver, receiver = offered.giver_id, offered.receiver_id
    if gifts.has_given(ctx.tx, ctx.programme.id, receiver, giver, since, offers=False):
        raise Refusal("gift.swap", name=ctx.name, who=_name(ctx, giver), hours=BACK_H)


def _check_ages(ctx: Context, other: int) -> None:
    """Refuse gifts with children; nobody learns of another that he is one."""
    for who, key in ((ctx.member.id, "gift.young"), (other, "gift.cannot")):
        if not may(ages.band(ctx.tx, ctx.programme.id, who), "gift"):
            raise Refusal(key, name=ctx.name)


def _tell(ctx: Context, told: Gift, key: str, **more: int) -> Reply:
    """Return the offer's message with what has become of it, and no buttons."""
    text = ctx.texts.say(
        key,
        giver=_name(ctx, told.giver_id),
        receiver=_name(ctx, told.receiver_id),
        points=told.amount,
        **more,
    )
    note = ctx.texts.say("gift.note", note=isolate(told.note)) if told.note else ""
    return Reply(f"{text}\n{note}".rstrip(), replaces=True)


def _name(ctx: Context, member_id: int) -> str:
    return isolate(members.name(ctx.tx, ctx.programme.id, member_id))
