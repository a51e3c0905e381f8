"""What a member has: balance, streak, rank, and the last movements with their reasons."""

from collections.abc import Iterator
from datetime import date
from itertools import islice
from typing import NamedTuple

from content.checkin import streak_now
from content.levels import lost_on, to_next
from content.message import Refusal, Reply
from content.names import clean_name, isolate
from handlers.context import Context
from handlers.router import Router
from storage import boards, gifts, history, ledger, levels, members
from storage.history import Movement

router = Router()
LINES, LINES_MAX = 10, 30
LINES_TAPPED = 5  # as many as fit where only the presser sees them
ROWS_MAX = 120
"""How many movements are read at most: a day's talk, one after the other, is one line."""


@router.command("points", "积分", "我的积分", english=("points", "my points"))
def points(ctx: Context) -> Reply:
    """Show your balance, streak and rank."""
    member = ctx.member
    opt_in = ctx.rules.privacy.opt_in
    own = boards.own_place(ctx.tx, ctx.programme.id, "week", ctx.today, member.id, opt_in=opt_in)
    text = ctx.texts.say(
        "points.balance",
        name=ctx.name,
        balance=member.available,
        earned=member.total_earned,
    )
    days = streak_now(member.checkin_day, member.streak, ctx.today)
    streak = ctx.texts.say("points.streak" if days else "points.no_streak", streak=days)
    rank = ctx.texts.say("points.unranked")
    if own is not None:
        key = "points.rank" if own.rank else "points.hidden"
        rank = ctx.texts.say(key, rank=own.rank, points=own.points)
    lines = (text, streak, rank, *_standing(ctx))
    return Reply("\n".join(lines), ctx.row("checkin", "ledger", "top week"), private=True)


def _standing(ctx: Context) -> Iterator[str]:
    """Tell the level with what is missing for the next, and what is on its way or owed."""
    member, say = ctx.member, ctx.texts.say
    has = ledger.account(ctx.tx, ctx.programme.id, member.id)
    level = levels.held(ctx.rules, has)
    ahead = to_next(ctx.rules, max(has.qualifying, level.min)) if level else None
    locale = ctx.texts.locale
    if level and len(ctx.rules.level) > 1:
        name = level.called(locale)
        if ahead:
            missing = ahead.level.min - has.qualifying
            yield say("points.level", level=name, missing=missing, next=ahead.level.called(locale))
        else:
            yield say("points.top_level", level=name)
        standing = levels.standing(has)
        until = lost_on(ctx.rules, standing) if standing else None
        if until and has.qualifying < level.min:
            short = level.min - has.qualifying
            yield say("points.losing", day=f"{until:%m-%d}", missing=short, level=name)
    if member.pending:
        yield say("points.pending", pending=member.pending)
    if member.debt:
        yield say("points.debt", debt=-member.debt)


@router.command("ledger", "明细", "积分明细", glued=r"\d{1,3}", english=("ledger", "my ledger"))
def statement(ctx: Context) -> Reply:
    """List your last movements, with their reasons."""
    count = _count(ctx.args, tapped=ctx.event.kind == "tap")
    lines = _lines(ctx, count)
    if not lines:
        return Reply(ctx.texts.say("ledger.empty", name=ctx.name), ctx.row("checkin"), private=True)
    rows = [ctx.texts.say("ledger.head", name=ctx.name, balance=ctx.member.available)]
    for line in lines:
        reason = ctx.texts.say(line.reason, who=line.who) if line.who else _reason(ctx, line.reason)
        if line.times > 1:
            reason = ctx.texts.say("ledger.times", reason=reason, n=line.times)
        rows.append(
            ctx.texts.say(
                "ledger.waiting" if line.bucket == "pending" else "ledger.line",
                day=f"{line.day:%m-%d}",
                amount=f"{line.amount:+d}",
                reason=reason,
            )
        )
    return Reply("\n".join(rows), ctx.row("checkin", "points"), private=True)


class _Line(NamedTuple):
    day: date
    amount: int
    reason: str
    bucket: str
    times: int = 1
    who: str = ""
    """For a gift, the other one's name; `reason` is then the text's own key."""


def _lines(ctx: Context, count: int) -> list[_Line]:
    lines: list[_Line] = []
    moves = history.movements(ctx.tx, ctx.programme.id, ctx.member.id)
    for move in islice(moves, ROWS_MAX):
        if move.bucket == "held" and (move.amount < 0 or move.reason.startswith("bind")):
            continue  # it was told when it was set aside
        line = _line(ctx, move)
        last = lines[-1] if lines else None
        if last and line.reason == "activity" and (last.day, last.reason) == (line.day, "activity"):
            lines[-1] = last._replace(amount=last.amount + line.amount, times=last.times + 1)
        elif len(lines) < count:
            lines.append(line)
        else:
            break
    return lines


def _line(ctx: Context, move: Movement) -> _Line:
    """Return a movement as its member feels it: what is set aside has gone."""
    amount = -move.amount if move.bucket == "held" else move.amount
    line = _Line(move.day, amount, move.reason, move.bucket)
    if not move.reason.startswith("gift"):
        return line
    gift = gifts.of_movement(ctx.tx, ctx.programme.id, move.id, move.key)
    if gift is None:
        return line
    given = gift.giver_id == ctx.member.id
    other = members.name(ctx.tx, ctx.programme.id, gift.receiver_id if given else gift.giver_id)
    key = f"reason.{move.reason}" if given else "reason.gift_received"
    return line._replace(reason=key, who=isolate(other))


def _reason(ctx: Context, reason: str) -> str:
    """Return a reason in words; for an event of the operator's own, in his."""
    key = f"reason.{reason}"
    if key in ctx.texts:
        return ctx.texts.say(key)
    names = (r.called(ctx.texts.locale) for r in ctx.rules.earn if r.event == reason)
    return next(filter(None, names), reason)


def _count(args: str, *, tapped: bool) -> int:
    if not args:
        return LINES_TAPPED if tapped else LINES
    if not (args.isascii() and args.isdigit() and 1 <= int(args) <= LINES_MAX):
        raise Refusal(
            "ledger.usage", given=isolate(clean_name(args[:20], fallback="…")), most=LINES_MAX
        )
    return int(args)
