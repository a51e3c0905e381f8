"""Check in: the day's points, once a day, more for days in a row."""

from collections.abc import Sequence

from msgspec import structs

from content import checkin as day
from content.message import Refusal, Reply
from handlers import makeup
from handlers.awards import pay
from handlers.context import Context
from handlers.router import Router
from storage import checkins, ledger, members
from storage.awards import Award

router = Router()


@router.command("checkin", "签到", "打卡", always=True, english=("check in", "checkin", "check-in"))
def checkin(ctx: Context) -> Reply:
    """Check in for today and collect the day's points."""
    member = ctx.member
    buttons = ctx.row("checkin", "points", "top day")
    said = min(ctx.event.at, ctx.now)  # not when it was done: after an outage that is one moment
    streak = checkins.add(ctx.tx, ctx.programme.id, member.id, ctx.today, said)
    if streak is None:  # perhaps this very moment, on another platform: look again
        now_has = members.find(ctx.tx, ctx.programme.id, ctx.event.who, None) or member
        raise Refusal("checkin.already", name=ctx.name, balance=now_has.available, buttons=buttons)
    result = day.award(ctx.rules.checkin, streak=streak)
    paid = pay(ctx, "checkin", key=f"{ctx.today}/checkin/{member.id}", streak=result.bonus)
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
    if streak == 1:
        line, repair = makeup.offer(ctx, member.checkin_day)
        text = f"{reply.text}\n{line}".rstrip()
        reply = structs.replace(reply, text=text, buttons=(*repair, *buttons))
    return ctx.with_rise(reply, (award.level for award in paid))


def _answer(result: day.Award, paid: Sequence[Award]) -> str:
    """Return the key of the text that tells what a check-in has brought."""
    if not any(award.points for award in paid):
        why = {award.withheld for award in paid}
        if "watched" in why:
            return "checkin.waits"
        if "review" in why:
            return "checkin.review"
        return "checkin.light" if "credit" in why else "checkin.full"
    if result.to_bonus == 1:
        return "checkin.eve"
    return "checkin.bonus" if result.bonus else "checkin.done"
