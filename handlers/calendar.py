"""The month of a member's check-ins, drawn; to be leafed back to the first of them."""

import re
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from itertools import groupby

from content.checkin import longest_streak, streak_ending
from content.message import Button, Buttons, Refusal, Reply
from content.names import clean_name, isolate
from content.picture import Calendar
from handlers.context import Context
from handlers.router import Router
from storage import checkins

router = Router()
_MONTH = r"(?:(\d{4}) ?[-/.年] ?)?(\d{1,2}) ?月?"
_ARGS = re.compile(rf"{_MONTH}(?: (?P<whose>\d{{1,19}}))?", re.ASCII)
_DAY = timedelta(days=1)


@router.command(
    "calendar", "日历", "签到日历", glued=_MONTH, english=("my calendar", "check-in calendar")
)
def calendar(ctx: Context) -> Reply:
    """Show your check-ins of a month."""
    member = ctx.member
    month, whose = _asked(ctx)
    if whose and whose != member.id:  # another's calendar stays his
        raise Refusal("calendar.not_yours", name=ctx.name, buttons=ctx.row("calendar"))
    marked = checkins.marked(ctx.tx, ctx.programme.id, member.id)
    known = {day: made_up for day, made_up in marked.items() if day <= ctx.today}
    first = min(known, default=ctx.today).replace(day=1)
    if month > ctx.today:
        raise Refusal("calendar.future", name=ctx.name, month=_title(ctx, month))
    if month < first:
        raise Refusal(
            "calendar.before_first",
            name=ctx.name,
            month=_title(ctx, month),
            first=_title(ctx, first),
            buttons=ctx.row("calendar"),
        )
    shown = _picture(ctx, month, known)
    buttons = _buttons(ctx, month, first, checked_in=ctx.today in known)
    return Reply("\n".join(_words(ctx, shown)), buttons, picture=shown, replaces=bool(whose))


def _picture(ctx: Context, month: date, known: Mapping[date, bool]) -> Calendar:
    """Return the month's picture; `known` are all check-ins, and whether they were made up."""
    here = sorted(day for day in known if day.replace(day=1) == month)
    return Calendar(
        locale=ctx.texts.locale,
        name=ctx.member.name,
        month=month,
        today=ctx.today,
        days=tuple(day.day for day in here),
        made_up=tuple(day.day for day in here if known[day]),
        streak=streak_ending(known, ctx.today if ctx.today in known else ctx.today - _DAY),
        best=longest_streak(known),
    )


def _words(ctx: Context, shown: Calendar) -> Iterable[str]:
    """Say in words what the picture shows."""
    say, month = ctx.texts.say, _title(ctx, shown.month)
    if shown.days:
        yield say("calendar.head", name=ctx.name, month=month, count=len(shown.days))
        yield say("calendar.days", days=_runs(shown.days))
    else:
        yield say("calendar.empty", name=ctx.name, month=month)
    if shown.made_up:
        yield say("calendar.made_up", days=_runs(shown.made_up))
    if shown.best:
        yield say("calendar.streak", streak=shown.streak, best=shown.best)


def _runs(days: Iterable[int]) -> str:
    """Return days of a month with those in a row together: `1–5 · 7`."""
    together = groupby(enumerate(days), key=lambda pair: pair[1] - pair[0])
    runs = [[day for _, day in run] for _, run in together]
    return " · ".join(f"{run[0]}" if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs)


def _buttons(ctx: Context, month: date, first: date, *, checked_in: bool) -> Buttons:
    """Offer the months beside this one, as far as there is something to see in them."""
    turns = []
    if month > first:
        turns.append(_turn(ctx, "calendar_back", (month - _DAY).replace(day=1)))
    if month < ctx.today.replace(day=1):
        turns.append(_turn(ctx, "calendar_on", (month + 31 * _DAY).replace(day=1)))
    rows = [tuple(turns)] if turns else []
    return (*rows, *ctx.row("makeup" if checked_in else "checkin", "me"))


def _turn(ctx: Context, label: str, month: date) -> Button:
    """Return a button that shows another month in the place of this one, to its owner alone.

    The owner's number stands last: there `message.alike` sees whose calendar a message is.
    """
    words = ctx.texts.say(f"button.{label}", month=_month_word(ctx, month))
    return Button(words, f"calendar {month:%Y-%m} {ctx.member.id}")


def _asked(ctx: Context) -> tuple[date, int]:
    """Return the month that is meant, by its first day, and for a button whose calendar it is.

    Without a year it is the nearest one that has begun. Refuses other words.
    """
    this_month = ctx.today.replace(day=1)
    if not ctx.args:
        return this_month, 0
    found = _ARGS.fullmatch(ctx.args)
    year, number = (found.group(1), int(found.group(2))) if found else (None, 0)
    if found is None or not 1 <= number <= 12 or year == "0000":  # noqa: PLR2004 - months
        given = isolate(clean_name(ctx.args[:20], fallback="…"))
        example = f"{this_month:%Y-%m}"
        raise Refusal("calendar.usage", given=given, example=example, buttons=ctx.row("calendar"))
    month = date(int(year or ctx.today.year), number, 1)
    if not year and month > ctx.today:
        month = month.replace(year=month.year - 1)
    return month, int(found["whose"] or 0)


def _title(ctx: Context, month: date) -> str:
    return ctx.texts.say("picture.month", month=_month_word(ctx, month), year=month.year)


def _month_word(ctx: Context, month: date) -> str:
    return ctx.texts.say("picture.months").split()[month.month - 1]
