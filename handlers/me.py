"""A member's card, drawn: name, level and the way to the next, points, streak, rank, since when."""

from collections.abc import Iterable

from content import windows
from content.checkin import streak_now
from content.levels import to_next
from content.message import Reply
from content.picture import Card
from handlers.context import Context
from handlers.router import Router
from storage import badges, boards, honours, ledger, levels, members

router = Router()
BADGES_MAX = 8
"""So many fit into the picture."""


@router.command("me", "名片", "我的名片", english=("my card",))
def me(ctx: Context) -> Reply:
    """Show your card."""
    member, locale = ctx.member, ctx.texts.locale
    opt_in = ctx.rules.privacy.opt_in
    place = boards.own_place(ctx.tx, ctx.programme.id, "month", ctx.today, member.id, opt_in=opt_in)
    since = members.since(ctx.tx, ctx.programme.id, member.id)
    first_day = min(since.astimezone(ctx.programme.zone).date(), ctx.today)
    has = ledger.account(ctx.tx, ctx.programme.id, member.id)
    level = levels.held(ctx.rules, has) if len(ctx.rules.level) > 1 else None
    ahead = to_next(ctx.rules, max(has.qualifying, level.min)) if level else None
    done = max(0, has.qualifying - level.min) if level else 0
    titles = honours.holders(ctx.tx, ctx.programme.id, windows.start("week", ctx.today))
    mine = badges.held(ctx.tx, ctx.programme.id, member.id)
    shown = Card(
        locale=locale,
        name=member.name,
        since=first_day,
        days=(ctx.today - first_day).days + 1,
        points=member.available,
        streak=streak_now(member.checkin_day, member.streak, ctx.today),
        rank=place.rank if place else 0,
        level=level.called(locale) if level else "",
        next=ahead.level.called(locale) if ahead else "",
        missing=ahead.level.min - has.qualifying if ahead else 0,
        title=" · ".join(ctx.texts.say(f"title.{each}") for each in titles.get(member.id, ())),
        badges="".join(each.emoji for each in reversed(mine[-BADGES_MAX:])),
        percent=100 * done // (ahead.level.min - level.min) if level and ahead else 0,
    )
    hidden = place is not None and not place.rank
    text = "\n".join(_words(ctx, shown, hidden=hidden))
    return Reply(text, ctx.row("calendar", "badges", "top month"), picture=shown)


def _words(ctx: Context, shown: Card, *, hidden: bool) -> Iterable[str]:
    """Say in words what the picture shows."""
    say = ctx.texts.say
    yield say("me.head", name=ctx.name)
    if shown.next:
        yield say("points.level", level=shown.level, missing=shown.missing, next=shown.next)
    elif shown.level:
        yield say("points.top_level", level=shown.level)
    if shown.title:
        yield say("me.title", title=shown.title)
    if shown.badges:
        yield say("me.badges", badges=shown.badges)
    yield say("me.points", points=shown.points)
    yield say("points.streak" if shown.streak else "points.no_streak", streak=shown.streak)
    if hidden:
        yield say("me.hidden")
    else:
        yield say("me.rank" if shown.rank else "me.unranked", rank=shown.rank)
    yield say("me.since", since=f"{shown.since:%Y-%m-%d}", days=shown.days)
