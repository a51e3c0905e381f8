"""Badges: those that a member has, what the next ones are for, and a line when one is new."""

from collections.abc import Iterable, Iterator, Mapping

from msgspec import structs

from content.checkin import streak_now
from content.message import Reply
from content.rulebook import BadgeRule
from handlers.context import Context
from handlers.router import Router
from storage import badges
from storage.badges import Badge

router = Router()
NEXT_MAX = 3
"""So many of the badges that are still to come are shown: of each kind of deed the nearest."""


@router.command("badges", "徽章", "我的徽章", english=("badges", "my badges"))
def show(ctx: Context) -> Reply:
    """Show your badges, and how far the next ones are."""
    member, say = ctx.member, ctx.texts.say
    mine = badges.held(ctx.tx, ctx.programme.id, member.id)
    lines = [say("badges.head" if mine else "badges.none", name=ctx.name, count=len(mine))]
    lines += [
        say("badges.line", emoji=each.emoji, badge=called(ctx, each), day=f"{each.day:%Y-%m-%d}")
        for each in mine
    ]
    done = {
        **badges.done(ctx.tx, ctx.programme.id, member.id),
        "streak": streak_now(member.checkin_day, member.streak, ctx.today),
    }
    ahead = [*_next(ctx.rules.badge, {each.id for each in mine}, done)][:NEXT_MAX]
    lines += [say("badges.next")] if ahead else []
    lines += [_ahead(ctx, badge, done.get(badge.when.what, 0)) for badge in ahead]
    return Reply("\n".join(lines), ctx.row("checkin", "me", "top week"))


def called(ctx: Context, badge: Badge) -> str:
    """Return a badge's name by the rules in force, else by those of its day."""
    rule = next((each for each in ctx.rules.badge if each.id == badge.id), None)
    return rule.called(ctx.texts.locale) if rule else badge.name


def _next(
    rules: Iterable[BadgeRule], mine: set[str], done: Mapping[str, int]
) -> Iterator[BadgeRule]:
    """Yield what is still to come, of each kind of deed the nearest; what is nearly there first."""
    nearest: dict[str, BadgeRule] = {}
    for badge in sorted(rules, key=lambda each: each.when.n):
        if badge.id not in mine:
            nearest.setdefault(badge.when.what, badge)
    parts = [(done.get(each.when.what, 0) / each.when.n, each) for each in nearest.values()]
    yield from (badge for _, badge in sorted(parts, key=lambda part: -part[0]))


def _ahead(ctx: Context, badge: BadgeRule, has: int) -> str:
    return ctx.texts.say(
        "badges.ahead",
        emoji=badge.emoji,
        badge=badge.called(ctx.texts.locale),
        what=ctx.texts.say(f"badge.{badge.when.what}", n=badge.when.n),
        has=min(has, badge.when.n),
        n=badge.when.n,
    )


def with_badges(ctx: Context, reply: Reply, new: Iterable[BadgeRule], name: str = "") -> Reply:
    """Return the answer with a line for each badge that is new: the asker's, or `name`'s."""
    lines = [
        ctx.texts.say(
            "badges.new",
            name=name or ctx.name,
            emoji=badge.emoji,
            badge=badge.called(ctx.texts.locale),
            words=badge.words.get(ctx.texts.locale, ""),
        ).rstrip()
        for badge in new
    ]
    return structs.replace(reply, text="\n".join((reply.text, *lines))) if lines else reply
