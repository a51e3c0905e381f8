"""The first words: help, start, the bot's own coming and going, and what to say to nonsense."""

from datetime import timedelta

from content.message import Reply
from handlers import invites
from handlers.context import Context
from handlers.router import Router
from storage import outbox, programmes

router = Router()

OPENED_JUST_NOW = timedelta(minutes=2)
"""Members may be quicker than the news that an owner has added the bot."""


@router.command("help", "帮助", "菜单")
def show_help(ctx: Context) -> Reply:
    """Show what I can do here."""
    where = "private" if ctx.event.chat.kind == "private" else "group"
    lines = [ctx.texts.say("help.head"), ctx.texts.say("help.member")]
    if ctx.event.sender.role == "owner":
        lines.append(ctx.texts.say("help.owner"))
    lines.append(ctx.texts.say(f"help.{where}", id=f"{ctx.event.platform}:{ctx.event.sender.id}"))
    return Reply("\n".join(lines), ctx.row("checkin", "points", "top week"))


@router.command("start")
def start(ctx: Context) -> Reply:
    """Say hello and how it works; links into the bot land here."""
    followed = invites.follow(ctx) if ctx.args else None
    if followed is not None:
        return followed
    if ctx.event.chat.kind == "private" and ctx.person is None:
        return ctx.say("start.stranger")
    return ctx.say(
        "start.member", name=ctx.name, buttons=ctx.row("checkin", "points", "top week", "help")
    )


@router.unknown
def unknown(ctx: Context) -> Reply:
    """Answer words that mean nothing, when the bot is spoken to."""
    return ctx.say("unknown.words", buttons=ctx.row("help"), private=True)


@router.on("bot_added")
def bot_added(ctx: Context) -> Reply | None:
    """Say hello in a new group, and what is missing there."""
    if ctx.group is not None:
        if ctx.event.sender.role == "owner":
            programmes.adopt(ctx.tx, ctx.group, since=ctx.event.at - OPENED_JUST_NOW)
        programmes.set_state(ctx.tx, ctx.group, programmes.ACTIVE)
    if "speak" in ctx.event.lacks:
        return None  # the platform would refuse it; the adapter's log tells
    lines = [ctx.texts.say("hello.group", every=ctx.rules.checkin.streak.every), *_lacks(ctx)]
    return Reply("\n".join(lines), ctx.row("checkin", "rules", "help"))


@router.on("bot_rights")
def bot_rights(ctx: Context) -> Reply | None:
    """Confirm that nothing is missing any more, or say what is."""
    if "speak" in ctx.event.lacks:
        return None  # the platform would refuse it; the adapter's log tells
    return Reply("\n".join(_lacks(ctx) or [ctx.texts.say("hello.complete")]))


def _lacks(ctx: Context) -> list[str]:
    """Tell what the bot may not do here and what would change it, in a line each."""
    lines = [ctx.texts.say(f"lacks.{right}") for right in ctx.event.lacks]
    return [*lines, ctx.texts.say("lacks.remedy")] if lines else []


@router.on("bot_removed")
def bot_removed(ctx: Context) -> None:
    """Note that the bot has been removed from a group."""
    if ctx.group is not None:
        by_owner = ctx.event.sender.role == "owner"
        programmes.set_state(ctx.tx, ctx.group, programmes.LET_GO if by_owner else "removed")


@router.on("migrated")
def migrated(ctx: Context) -> None:
    """Follow a chat that got another id, with its points and what waits to be said."""
    old, new = ctx.event.chat.id, ctx.event.target
    programmes.follow_chat(ctx.tx, ctx.event.platform, old, new)
    outbox.follow_chat(ctx.tx, ctx.event.platform, old, new)
