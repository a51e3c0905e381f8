"""Check in: the day's points, once a day, more for days in a row."""

from datetime import timedelta

from content.checkin import award
from content.earning import Deed, Earned, earned
from content.message import Refusal, Reply
from handlers.context import Context
from handlers.router import Router
from storage import checkins, ledger, members
from storage.ledger import ISSUED, CappedError, Posting, Side

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
    day = award(ctx.rules.checkin, streak=streak)
    points = sum(_paid(ctx, part) for part in earned(ctx.rules, _deed(ctx, bonus=day.bonus)))
    key = "checkin.bonus" if day.bonus else "checkin.done"
    if day.to_bonus == 1:
        key = "checkin.eve"
    return ctx.say(
        key if points else "checkin.full",
        name=ctx.name,
        points=points,
        streak=streak,
        to_bonus=day.to_bonus,
        percent=round(ctx.rules.checkin.streak.bonus * 100),
        balance=ledger.account(ctx.tx, ctx.programme.id, member.id).available,
        buttons=buttons,
        private=True,
    )


def _deed(ctx: Context, *, bonus: bool) -> Deed:
    return Deed(event="checkin", streak=bonus, platform=ctx.event.platform)


def _paid(ctx: Context, part: Earned) -> int:
    """Post what a rule pays for today; return how much of it the member's caps have left."""
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
    try:
        return ledger.post(ctx.tx, posting, fresh=True).amount
    except CappedError:
        return 0
