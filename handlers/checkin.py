"""Check in: the day's points, once a day, more for days in a row."""

from collections.abc import Sequence
from datetime import timedelta

from content import checkin as day
from content.earning import Deed, Earned, earned
from content.message import Refusal, Reply
from handlers.context import Context
from handlers.router import Router
from storage import awards, checkins, ledger, levels, members
from storage.awards import Award
from storage.ledger import ISSUED, Posting, Side

router = Router()


@router.command("checkin", "签到", "打卡", always=True)
def checkin(ctx: Context) -> Reply:
    """Check in for today and collect the day's points."""
    member = ctx.member
    buttons = ctx.row("checkin", "points", "top day")
    streak = checkins.add(ctx.tx, ctx.programme.id, member.id, ctx.today, ctx.now)
    if streak is None:  # perhaps this very moment, on another platform: look again
        now_has = members.find(ctx.tx, ctx.programme.id, ctx.event.who, None) or member
        raise Refusal("checkin.already", name=ctx.name, balance=now_has.available, buttons=buttons)
    result = day.award(ctx.rules.checkin, streak=streak)
    paid = [_paid(ctx, part) for part in earned(ctx.rules, _deed(ctx, bonus=result.bonus))]
    reply = ctx.say(
        _answer(result, paid),
        name=ctx.name,
        points=sum(award.points for award in paid),
        streak=streak,
        to_bonus=result.to_bonus,
        percent=round(ctx.rules.checkin.streak.bonus * 100),
        balance=ledger.account(ctx.tx, ctx.programme.id, member.id).available,
        buttons=buttons,
        private=True,
    )
    return ctx.with_rise(reply, (award.level for award in paid))


def _answer(result: day.Award, paid: Sequence[Award]) -> str:
    """Return the key of the text that tells what a check-in has brought."""
    if not any(award.points for award in paid):
        return "checkin.review" if any(award.review for award in paid) else "checkin.full"
    if result.to_bonus == 1:
        return "checkin.eve"
    return "checkin.bonus" if result.bonus else "checkin.done"


def _deed(ctx: Context, *, bonus: bool) -> Deed:
    level = levels.held(ctx.rules, ledger.account(ctx.tx, ctx.programme.id, ctx.member.id))
    return Deed(
        event="checkin",
        streak=bonus,
        platform=ctx.event.platform,
        level=level.id if level else None,
    )


def _paid(ctx: Context, part: Earned) -> Award:
    """Pay what a rule gives for today."""
    posting = Posting(
        programme_id=ctx.programme.id,
        key=f"{ctx.today}/checkin/{ctx.member.id}",
        source=ISSUED,
        target=Side(ctx.member.id, "available"),
        amount=part.points,
        reason="checkin",
        rule=part.rule,
        rule_version=ctx.programme.rules_version,
        actor=f"{ctx.event.platform}:{ctx.event.sender.id}"[:100],
        at=ctx.event.at,
        day=ctx.today,
        kind=part.category,
        expires=ctx.today + timedelta(days=part.expires_days) if part.expires_days else None,
        caps=part.caps,
    )
    return awards.award(ctx.tx, ctx.rules, posting, today=ctx.today, now=ctx.now)
