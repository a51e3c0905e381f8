"""Who stands on boards: everybody who does not say 隐身, or those alone who say 现身.

On the board of purchases stands nobody unasked: that is said by itself.
"""

from content.message import Refusal, Reply
from content.names import clean_name, isolate
from handlers.context import Context
from handlers.router import Router
from storage import members

router = Router()
_SPENDING = ("消费榜", "消费", "spend")
"""Words that ask for a place on the board of purchases, or to leave it."""
_PLACE = rf"\s*(?:{'|'.join(_SPENDING)})"


@router.command("hide", "隐身", glued=_PLACE)
def hide(ctx: Context) -> Reply | None:
    """Stand on no board from now on, or only not on that of purchases."""
    only = _of_spending(ctx)
    if only is None:
        return None
    _may_wish(ctx)
    buttons = ctx.row("show", "points")
    members.wish_spending(ctx.tx, ctx.programme.id, ctx.member.id, wish=False)
    if only:
        return ctx.say("hide.spending", name=ctx.name, private=True)
    members.wish(ctx.tx, ctx.programme.id, ctx.member.id, -1)
    return ctx.say("hide.done", name=ctx.name, buttons=buttons, private=True)


def _of_spending(ctx: Context) -> bool | None:
    """Whether the board of purchases alone is meant; None for talk that begins with the word.

    Refuses other words where they are said to the bot.
    """
    if not ctx.args or ctx.args.lower() in _SPENDING:
        return bool(ctx.args)
    if not ctx.event.addressed and not ctx.event.text.lstrip().startswith("/"):
        return None
    raise Refusal("show.usage", given=isolate(clean_name(ctx.args[:20], fallback="…")))


def _may_wish(ctx: Context) -> None:
    if ctx.member and ctx.event.sender.role == "owner":
        raise Refusal("top.aside", name=ctx.name)


@router.command("show", "现身", glued=_PLACE)
def show(ctx: Context) -> Reply | None:
    """Stand on the boards again, or on that of purchases as well."""
    spending = _of_spending(ctx)
    if spending is None:
        return None
    _may_wish(ctx)
    if spending:
        members.wish_spending(ctx.tx, ctx.programme.id, ctx.member.id, wish=True)
    if not spending or ctx.member.board_wish < 0:
        members.wish(ctx.tx, ctx.programme.id, ctx.member.id, 1)
    buttons = ctx.row("top week", "hide")
    if spending:
        return ctx.say("show.spending", name=ctx.name, buttons=buttons, private=True)
    return ctx.say("show.done", name=ctx.name, buttons=buttons, private=True)
