"""Check in: the day's points, once a day, more for days in a row."""

from content.checkin import award
from content.earning import Deed, earned
from content.message import Refusal, Reply
from handlers import makeup
from handlers.awards import pay
from handlers.context import Context
from handlers.router import Router
from storage import checkins, ledger, members

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
    key = f"{ctx.today}/checkin/{member.id}"
    parts = earned(ctx.rules, _deed(ctx, bonus=day.bonus))
    points = sum(pay(ctx, part, key=key, reason="checkin") for part in parts)
    words = "checkin.bonus" if day.bonus else "checkin.done"
    if day.to_bonus == 1:
        words = "checkin.eve"
    said = ctx.texts.say(
        words if points else "checkin.full",
        name=ctx.name,
        points=points,
        streak=streak,
        to_bonus=day.to_bonus,
        percent=round(ctx.rules.checkin.streak.bonus * 100),
        balance=ledger.account(ctx.tx, ctx.programme.id, member.id).available,
    )
    if streak == 1:
        line, repair = makeup.offer(ctx, member.checkin_day)
        said, buttons = f"{said}\n{line}".rstrip(), (*repair, *buttons)
    return Reply(said, buttons, private=True)


def _deed(ctx: Context, *, bonus: bool) -> Deed:
    return Deed(event="checkin", streak=bonus, platform=ctx.event.platform)
