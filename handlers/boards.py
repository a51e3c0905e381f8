"""Boards: the best of the day, week, month and of all time; one's own rank is always shown.

Who does not want to stand there says so, and says when he wants to again.
"""

from content.message import Buttons, Refusal, Reply
from content.names import clean_name, isolate
from content.windows import WINDOWS, Window
from handlers.context import Context
from handlers.router import Router
from storage import boards, members
from storage.boards import Board

router = Router()
_HERE = "here"  # said by a board's own buttons: the answer takes the board's place
_WORDS: dict[str, Window] = {
    "day": "day",
    "日": "day",
    "今日": "day",
    "今天": "day",
    "week": "week",
    "周": "week",
    "本周": "week",
    "month": "month",
    "月": "month",
    "本月": "month",
    "all": "all",
    "总": "all",
    "全部": "all",
}
_MEDALS = {1: "🥇", 2: "🥈", 3: "🥉"}


@router.command(
    "top",
    "排行",
    "排行榜",
    glued="|".join(_WORDS),
    presets={"日榜": "day", "周榜": "week", "月榜": "month", "总榜": "all"},
)
def top(ctx: Context) -> Reply:
    """Show who has earned most: day, week, month or all."""
    word, _, place = ctx.args.partition(" ")
    window = _WORDS.get(word.lower() or "week")
    if window is None:
        raise Refusal("top.usage", given=isolate(clean_name(word[:20], fallback="…")))
    private = ctx.event.chat.kind == "private"  # a board is for those who are in the group
    tapped = ctx.event.kind == "tap"  # and a button can be reached from outside
    me = ctx.member.id if private or tapped else ctx.person.id if ctx.person else 0
    board = boards.board(
        ctx.tx,
        ctx.programme.id,
        window,
        ctx.today,
        places=ctx.rules.boards.places,
        member_id=me,
        opt_in=ctx.rules.privacy.boards == "opt_in",
    )
    rows = [ctx.texts.say(f"top.{window}"), "", *_places(ctx, board), "", _own(ctx, board)]
    return Reply("\n".join(rows), _tabs(ctx, window), replaces=place == _HERE)


def _places(ctx: Context, board: Board) -> list[str]:
    if not board.places:
        return [ctx.texts.say("top.empty")]
    return [
        ctx.texts.say(
            "top.line",
            place=_MEDALS.get(place.rank, f"{place.rank}."),
            name=isolate(place.name),
            points=place.points,
        )
        for place in board.places
    ]


def _own(ctx: Context, board: Board) -> str:
    if board.own is None:
        return ctx.texts.say("top.unranked", name=ctx.name)
    own = board.own
    if not own.rank:
        return ctx.texts.say("top.hidden", name=ctx.name, points=own.points)
    return ctx.texts.say(
        "top.own", name=ctx.name, rank=own.rank, total=board.total, points=own.points
    )


def _tabs(ctx: Context, shown: Window) -> Buttons:
    tabs = tuple(ctx.button(f"top {window} {_HERE}") for window in WINDOWS if window != shown)
    return (tabs, (ctx.button("checkin"),))


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
