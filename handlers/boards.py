"""Boards: the best of the day, week, month and of all time, in points, in talk, in purchases.

One's own rank is always shown; of purchases a band, never an amount.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple

from content import windows
from content.message import Button, Buttons, Refusal, Reply
from content.names import clean_name, isolate
from content.notice import COMPLETED
from content.rulebook import Rulebook
from content.texts import LOCALES, texts
from content.windows import Window
from handlers.context import Context
from handlers.router import Router
from storage import boards, dayboards, honours
from storage.dayboards import Of, Span
from storage.standings import Board, Place

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
_KIND_WORDS = ("热聊", "邀请", "消费", "互动", "日常", _CHECKIN)
_OF: dict[str, Of] = {
    "talk": "talk",
    "热聊": "talk",
    "invite": "invite",
    "邀请": "invite",
    "spend": "spend",
}
_COUNTS: dict[Of, str] = {"talk": "top.messages", "invite": "top.friends"}
_BANDS = ((0.1, "top.band_high"), (0.4, "top.band_middle"), (1.0, "top.band_low"))
"""What is told of purchases instead of amounts: up to which part of the board one stands."""
_MEDALS = {1: "🥇", 2: "🥈", 3: "🥉"}


class _Asked(NamedTuple):
    """Which board: its window by name, what it counts, the kind of deed ('' for all of them)."""

    window: str
    kind: str = ""
    of: Of = "points"

    @property
    def command(self) -> str:
        what = self.kind if self.of == "points" else self.of
        return f"top {self.window} {what}".strip()


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
        "热聊榜": "热聊",
        "邀请榜": "邀请",
        "消费榜": "消费",
        "互动榜": "互动",
    },
    english=("leaderboard",),
)
def top(ctx: Context) -> Reply:
    """Show who leads: day, week, month, all, lastweek, lastmonth; talk, invite, spend or kind."""
    words = ctx.args.lower().split()
    here = words[-1:] == [_HERE]
    asked = _asked(ctx, words[:-1] if here else words)
    board = _board(ctx, asked)
    titles = honours.holders(ctx.tx, ctx.programme.id, windows.start("week", ctx.today))
    places = [_place(ctx, place, board.total, asked, titles) for place in board.places]
    if not places:  # a check-in would not fill every board
        narrow = asked.kind or asked.of != "points" or asked.window in _PAST
        places = [ctx.texts.say("top.nobody" if narrow else "top.empty")]
    rows = [_title(ctx, asked), "", *places, "", _own(ctx, board, asked)]
    return Reply("\n".join(rows), _tabs(ctx, asked), replaces=here)


def _asked(ctx: Context, words: list[str]) -> _Asked:
    """Read which board is meant: a window, a kind, or both, with or without a space between."""
    window, kind, kinds = "", "", _kinds(ctx)
    of: Of = "points"
    for word in words:
        rest = word
        begins = max((w for w in _WORDS if word.startswith(w)), key=len, default="")
        whole = begins == word or not begins.isascii()  # 上周消费, but not "weekly" for "week"
        if begins and whole and not window and word not in kinds:
            window, rest = _WORDS[begins], word.removeprefix(begins)
        if rest in kinds and not kind and of == "points":
            kind, rest = kinds[rest], ""
        elif rest in _OF and not kind and of == "points":
            of, rest = _OF[rest], ""
        if rest:
            raise Refusal(
                "top.usage",
                given=isolate(clean_name(ctx.args[:20], fallback="…")),
                kinds=" · ".join(_kind_word(ctx, each) for each in ctx.rules.categories),
            )
    spending = _spending(ctx.rules)
    if of == "spend" or kind == spending:  # what was bought is told to nobody by the point
        return _Asked(window or "week", spending, "spend")
    return _Asked(window or "week", kind, of)


def _spending(rules: Rulebook) -> str:
    """Return the category by which purchases are paid."""
    return next((r.category for r in rules.earn if r.event == COMPLETED and r.per_yuan), "consume")


def _title(ctx: Context, asked: _Asked) -> str:
    of = "" if asked.of == "points" else f"{asked.of}_"
    title = ctx.texts.say(f"top.{of}{asked.window}")
    if asked.kind and not of:
        return ctx.texts.say("top.of", title=title, kind=_kind_word(ctx, asked.kind))
    return title


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
    if not (asked.kind or past or late) and asked.of == "points":
        return boards.board(ctx.tx, ctx.programme.id, window, ctx.today, opt_in=opt_in, **who)
    last = ctx.today
    if past:
        last = first - timedelta(days=1)
        first = windows.start(window, last)
    span = Span(first, last, asked.kind, asked.of)
    return dayboards.board(ctx.tx, ctx.programme.id, span, opt_in=opt_in, **who)


def _place(
    ctx: Context, place: Place, total: int, asked: _Asked, titles: Mapping[int, Sequence[str]]
) -> str:
    """Return a line of a board, with the titles that somebody holds this week."""
    line = ctx.texts.say(
        "top.line",
        place=_MEDALS.get(place.rank, f"{place.rank}."),
        name=isolate(place.name),
        points=_amount(ctx, place, total, asked),
    )
    held = (ctx.texts.say(f"title.{each}") for each in titles.get(place.member_id, ()))
    return " · ".join((line, *held))


def _amount(ctx: Context, place: Place, total: int, asked: _Asked) -> str:
    """Return what stands beside a name; of purchases only where among the others it is."""
    if asked.of in _COUNTS:
        return ctx.texts.say(_COUNTS[asked.of], n=place.points)
    if asked.of == "spend":
        return ctx.texts.say(next(key for part, key in _BANDS if place.rank <= part * total + 1))
    return str(place.points)


def _own(ctx: Context, board: Board, asked: _Asked) -> str:
    own, who = board.own, {"name": ctx.name}
    if asked.of == "spend":
        if own is None or not own.rank:
            return ctx.texts.say("top.spend_absent", **who)
        band = _amount(ctx, own, board.total, asked)
        return ctx.texts.say("top.spend_own", **who, rank=own.rank, total=board.total, band=band)
    if own is None and (asked.kind or asked.of in _COUNTS or asked.window in _PAST):
        return ctx.texts.say("top.absent", **who)
    if own is None:
        return ctx.texts.say("top.unranked", **who)
    count = _amount(ctx, own, board.total, asked)
    values = {**who, "rank": own.rank, "total": board.total, "points": own.points, "count": count}
    if not own.rank and ctx.event.sender.role == "owner":
        return ctx.texts.say("top.aside", **who)
    key = "top.own" if own.rank else "top.hidden"
    return ctx.texts.say(f"{key}_count" if asked.of in _COUNTS else key, **values)


def _tabs(ctx: Context, shown: _Asked) -> Buttons:
    """Offer the other windows, of the same kind, and what helps somebody who is not there.

    A check-in does where it counts; beside the board of another kind of deed stands that of all,
    and beside that those of talk and invitations, where the rules pay for them.
    """
    tabs = (shown._replace(window=window) for window in _TABS if window != shown.window)
    row = tuple(
        Button(ctx.button(f"top {tab.window} {_HERE}").label, f"{tab.command} {_HERE}")
        for tab in tabs
    )
    if shown.of != "points" or shown.kind not in {"", ctx.rules.checkin.category}:
        label = ctx.texts.say("button.top_points")
        return (row, (Button(label, f"top {shown.window} {_HERE}"),))
    below = [] if shown.window in _PAST else [ctx.button("checkin")]
    others = {"talk": ctx.rules.activity.points, "invite": ctx.rules.referral.inviter}
    for of, pays in others.items() if not shown.kind else ():
        if pays:
            label = ctx.button(f"top {of}").label
            below.append(Button(label, f"top {shown.window} {of} {_HERE}"))
    return (row, tuple(below)) if below else (row,)
