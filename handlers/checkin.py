"""Check in: the day's points, once a day, more for days in a row."""

from content.checkin import Award, award
from content.message import Refusal, Reply
from handlers.context import Context
from handlers.router import Router
from storage import checkins, ledger, members
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
    earned = award(ctx.rules.checkin, streak=streak)
    posted = ledger.post(ctx.tx, _posting(ctx, earned))
    key = "checkin.bonus" if earned.bonus else "checkin.done"
    if earned.to_bonus == 1:
        key = "checkin.eve"
    return ctx.say(
        key,
        name=ctx.name,
        points=earned.points,
        streak=earned.streak,
        to_bonus=earned.to_bonus,
        percent=round(ctx.rules.checkin.streak.bonus * 100),
        balance=posted.balance,
        buttons=buttons,
        private=True,
    )


def _posting(ctx: Context, earned: Award) -> Posting:
    return Posting(
        programme_id=ctx.programme.id,
        key=f"{ctx.today}/checkin/{ctx.member.id}",
        source=ISSUED,
        target=Side(ctx.member.id, "available"),
        amount=earned.points,
        reason="checkin",
        rule="checkin",
        rule_version=ctx.programme.rules_version,
        actor=f"{ctx.event.platform}:{ctx.event.sender.id}"[:100],
        at=ctx.event.at,
        day=ctx.today,
    )
