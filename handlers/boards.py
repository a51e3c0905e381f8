"""Boards: the best of the day, week, month and of all time; one's own rank is always shown.

Who does not want to stand there says so, and says when he wants to again.
"""

from datetime import timedelta
from typing import NamedTuple

from content import windows
from content.message import Button, Buttons, Refusal, Reply
from content.names import clean_name, isolate
from content.texts import LOCALES, texts
from content.windows import Window
from handlers.context import Context
from handlers.router import Router
from storage import boards, dayboards, members
from storage.dayboards import Span
from storage.standings import Board

router = Router()
_HERE = "here"  # said by a board's own buttons: the answer takes the board's place
_WINDOWS: dict[str, Window] = {
    "day": "day",
    "week": "week",
    "month": "month",
    "all": "all",
    "lastweek": "week",
    "lastmonth": "month",
}
_PAST = ("lastweek", "lastmonth")
_TABS = ("day", "week", "lastweek", "month", "all")
_WORDS = {
    **{name: name for name in _WINDOWS},
    "日": "day",
    "今日": "day",
    "今天": "day",
    "周": "week",
    "本周": "week",
    "月": "month",
    "本月": "month",
    "总": "all",
    "全部": "all",
    "上周": "lastweek",
    "上月": "lastmonth",
}
_CHECKIN = "签到"  # pays by the category that the rules say
_KIND_WORDS = ("消费", "互动", "日常", _CHECKIN)
_MEDALS = {1: "🥇", 2: "🥈", 3: "🥉"}


class _Asked(NamedTuple):
    """Which board: its window by name, and the kind of deed ('' for all of them)."""

    window: str
    kind: str

    @property
    def command(self) -> str:
        return f"top {self.window} {self.kind}".strip()


@router.command(
    "top",
    "排行",
    "排行榜",
    glued=f"({'|'.join(_WORDS)})?({'|'.join(_KIND_WORDS)})?",
    presets={
        "日榜": "day",
        "周榜": "week",
        "月榜": "month",
        "总榜": "all",
        "上周榜": "lastweek",
        "上月榜": "lastmonth",
        "消费榜": "消费",
        "互动榜": "互动",
    },
    english=("leaderboard",),
)
def top(ctx: Context) -> Reply:
    """Show who has earned most: day, week, month or all; lastweek, lastmonth; by kind."""
    words = ctx.args.lower().split()
    here = words[-1:] == [_HERE]
    asked = _asked(ctx, words[:-1] if here else words)
    board = _board(ctx, asked)
    title = ctx.texts.say(f"top.{asked.window}")
    if asked.kind:
        title = ctx.texts.say("top.of", title=title, kind=_kind_word(ctx, asked.kind))
    narrow = bool(asked.kind) or asked.window in _PAST
    rows = [title, "", *_places(ctx, board, narrow=narrow), "", _own(ctx, board, asked)]
    return Reply("\n".join(rows), _tabs(ctx, asked), replaces=here)


def _asked(ctx: Context, words: list[str]) -> _Asked:
    """Read which board is meant: a window, a kind, or both, with or without a space between."""
    window, kind, kinds = "", "", _kinds(ctx)
    for word in words:
        rest = word
        begins = max((w for w in _WORDS if word.startswith(w)), key=len, default="")
        whole = begins == word or not begins.isascii()  # 上周消费, but not "weekly" for "week"
        if begins and whole and not window and word not in kinds:
            window, rest = _WORDS[begins], word.removeprefix(begins)
        if rest in kinds and not kind:
            kind, rest = kinds[rest], ""
        if rest:
            raise Refusal(
                "top.usage",
                given=isolate(clean_name(ctx.args[:20], fallback="…")),
                kinds=" · ".join(_kind_word(ctx, each) for each in ctx.rules.categories),
            )
    return _Asked(window or "week", kind)


def _kinds(ctx: Context) -> dict[str, str]:
    """Return the words for the categories of the rules, in every language, and their ids."""
    found = {_CHECKIN: ctx.rules.checkin.category}
    for kind in ctx.rules.categories:
        said = (texts(locale) for locale in LOCALES)
        found |= {each.say(f"kind.{kind}").lower(): kind for each in said if f"kind.{kind}" in each}
        found[kind] = kind
    return found


def _kind_word(ctx: Context, kind: str) -> str:
    """Return a category in words; an operator's own by its id."""
    return ctx.texts.say(f"kind.{kind}") if f"kind.{kind}" in ctx.texts else kind


def _board(ctx: Context, asked: _Asked) -> Board:
    private = ctx.event.chat.kind == "private"  # a board is for those who are in the group
    tapped = ctx.event.kind == "tap"  # and a button can be reached from outside
    me = ctx.member.id if private or tapped else ctx.person.id if ctx.person else 0
    window = _WINDOWS[asked.window]
    who = {"member_id": me, "places": ctx.rules.boards.places}
    opt_in = ctx.rules.privacy.opt_in
    first = windows.start(window, ctx.today)
    past = asked.window in _PAST
    late = first != windows.start(window, ctx.now.astimezone(ctx.programme.zone).date())
    if not (asked.kind or past or late):
        return boards.board(ctx.tx, ctx.programme.id, window, ctx.today, opt_in=opt_in, **who)
    last = ctx.today
    if past:
        last = first - timedelta(days=1)
        first = windows.start(window, last)
    span = Span(first, last, asked.kind)
    return dayboards.board(ctx.tx, ctx.programme.id, span, opt_in=opt_in, **who)


def _places(ctx: Context, board: Board, *, narrow: bool) -> list[str]:
    """Return the lines of a board; an empty one is `narrow` when a check-in would not fill it."""
    if not board.places:
        return [ctx.texts.say("top.nobody" if narrow else "top.empty")]
    return [
        ctx.texts.say(
            "top.line",
            place=_MEDALS.get(place.rank, f"{place.rank}."),
            name=isolate(place.name),
            points=place.points,
        )
        for place in board.places
    ]


def _own(ctx: Context, board: Board, asked: _Asked) -> str:
    if board.own is None and (asked.kind or asked.window in _PAST):
        return ctx.texts.say("top.absent", name=ctx.name)
    if board.own is None:
        return ctx.texts.say("top.unranked", name=ctx.name)
    own = board.own
    if not own.rank:
        return ctx.texts.say("top.hidden", name=ctx.name, points=own.points)
    return ctx.texts.say(
        "top.own", name=ctx.name, rank=own.rank, total=board.total, points=own.points
    )


def _tabs(ctx: Context, shown: _Asked) -> Buttons:
    """Offer the other windows, of the same kind, and what helps somebody who is not there.

    A check-in does where it counts; beside the board of another kind of deed stands that of all.
    """
    tabs = (shown._replace(window=window) for window in _TABS if window != shown.window)
    row = tuple(
        Button(ctx.button(f"top {tab.window} {_HERE}").label, f"{tab.command} {_HERE}")
        for tab in tabs
    )
    if shown.kind not in {"", ctx.rules.checkin.category}:
        label = ctx.texts.say("button.top_points")
        return (row, (Button(label, f"top {shown.window} {_HERE}"),))
    return (row,) if shown.window in _PAST else (row, (ctx.button("checkin"),))


@router.command("hide", "隐身")
def hide(ctx: Context) -> Reply:
    """Stand on no board from now on."""
    members.wish(ctx.tx, ctx.programme.id, ctx.member.id, -1)
    return ctx.say("hide.done", name=ctx.name, buttons=ctx.row("show", "points"), private=True)


@router.command("show", "现身")
def show(ctx: Context) -> Reply:
    """Stand on the boards again."""
    members.wish(ctx.tx, ctx.programme.id, ctx.member.id, 1)
    buttons = ctx.row("top week", "hide")
    return ctx.say("show.done", name=ctx.name, buttons=buttons, private=True)
