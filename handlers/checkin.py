"""Check in: the day's points, once a day, more for days in a row."""

from collections.abc import Sequence

from msgspec import structs

from content import checkin as day
from content.message import Refusal, Reply
from handlers import makeup, occasions, tags
from handlers.awards import pay
from handlers.badges import with_badges
from handlers.context import Context
from handlers.occasions import Occasion
from handlers.router import Router
from storage import badges, checkins, ledger, members
from storage.awards import Award

router = Router()


@router.command("checkin", "签到", "打卡", always=True, english=("check in", "checkin", "check-in"))
def checkin(ctx: Context) -> Reply:
    """Check in for today and collect the day's points."""
    member = ctx.member
    buttons = ctx.row("checkin", "points", "top day")
    asked = occasions.ask(ctx.tx, ctx.programme, member.id, "checkin")
    said = min(ctx.event.at, ctx.now)  # not when it was done: after an outage that is one moment
    streak = checkins.add(ctx.tx, ctx.programme.id, member.id, ctx.today, said)
    if streak is None:  # perhaps this very moment, on another platform: look again
        now_has = members.find(ctx.tx, ctx.programme.id, ctx.event.who, None) or member
        raise Refusal("checkin.already", name=ctx.name, balance=now_has.available, buttons=buttons)
    result = day.award(ctx.rules.checkin, streak=streak)
    key = f"{ctx.today}/checkin/{member.id}"
    paid = pay(ctx, "checkin", key=key, streak=result.bonus)
    occasion = Occasion("checkin", member.id, ctx.event.at, ctx.today, key)
    lines = occasions.tell(ctx.tx, ctx.programme, occasion, ctx.now, asked=asked)
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
    doubled = ctx.rules.checkin.category in ctx.rules.welcome.double_categories
    if doubled and ctx.first_days and any(award.points for award in paid):
        reply = structs.replace(reply, text=f"{reply.text}\n{_first_days(ctx)}")
    if streak == 1:
        line, repair = makeup.offer(ctx, member.checkin_day)
        text = f"{reply.text}\n{line}".rstrip()
        reply = structs.replace(reply, text=text, buttons=(*repair, *buttons))
    if any(award.level for award in paid):
        tags.wear(ctx.tx, ctx.programme, ctx.now, [member.id])
    new = badges.checked_in(ctx.tx, ctx.programme, member.id, member.streak, ctx.today)
    reply = ctx.with_rise(reply, (award.level for award in paid))
    return ctx.with_lines(with_badges(ctx, reply, new), lines)


def _first_days(ctx: Context) -> str:
    """Tell a newcomer that his points are multiplied, and for how long."""
    factor = f"{ctx.rules.welcome.double:g}"
    key = "checkin.first_days" if ctx.first_days > 1 else "checkin.first_days_end"
    return ctx.texts.say(key, factor=factor, days=ctx.first_days - 1)


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
