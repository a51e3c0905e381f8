"""How a member gets what is known about him, and how he leaves: asked twice, with days of grace."""

from collections.abc import Sequence
from datetime import timedelta

from content.message import Button, Refusal, Reply
from content.names import isolate
from content.privacy import GRACE_DAYS
from handlers.context import Context
from storage import downloads, erasing
from storage.books import POINTS
from storage.members import Place

NAMED_MAX = 10
_PATH = "privacy"
"""Of the page that a link opens."""


def named(found: Sequence[Place]) -> str:
    """Return places by their names, as many as can be read."""
    shown = [isolate(place.programme) for place in found[:NAMED_MAX]]
    return " · ".join([*shown, *(["…"] if len(found) > NAMED_MAX else [])])


def lock(ctx: Context, found: Sequence[Place]) -> None:
    """Let nobody else decide for the same person at the same moment; in the order of all."""
    for place in found:
        ctx.tx.books.load(ctx.tx, place.programme_id, POINTS, {place.member_id})


def export(ctx: Context, found: list[Place], _: str) -> Reply:
    """Give a link to what is known; the same one for a day. Without a page, say whom to ask."""
    who = (ctx.event.platform, ctx.event.sender.id)
    if not ctx.public_url:
        return ctx.say("privacy.export_ask", id=f"{who[0]}:{who[1]}")
    lock(ctx, found)
    link = downloads.make(ctx.tx, found[0].programme_id, who, ctx.texts.locale, ctx.now)
    if not link.remaining:
        raise Refusal("privacy.export_used", times=downloads.TIMES)
    hours = max(1, round((link.until_ms / 1000 - ctx.now.timestamp()) / 3600))
    url = f"{ctx.public_url}/{_PATH}/{downloads.token(ctx.tx, link)}"
    return ctx.say("privacy.export_link", url=url, hours=hours, times=link.remaining)


def delete(ctx: Context, found: list[Place], step: str) -> Reply:
    """Say what goes and what stays, ask twice, then note it; the clock does it after some days.

    Both questions are buttons of today, each with the next one's words nowhere but behind it.
    """
    if all(place.erase_ms is not None for place in found):
        raise Refusal("privacy.delete_twice")
    lock(ctx, found)
    _check(ctx, found)
    today = f"{ctx.today:%Y%m%d}"
    pressed = ctx.event.kind == "tap" and ctx.event.genuine
    no = ctx.button("privacy")
    if pressed and step == f"{today} yes":
        for place in found:
            erasing.ask(ctx.tx, place.programme_id, place.member_id, ctx.now)
        day = (ctx.now + timedelta(days=GRACE_DAYS)).astimezone(ctx.programme.zone)
        text = ctx.texts.say("privacy.delete_noted", day=f"{day:%Y-%m-%d}", days=GRACE_DAYS)
        return Reply(text, ((ctx.button("privacy keep"),),), replaces=True)
    if pressed and step == f"sure {today}":
        yes = Button(ctx.texts.say("button.privacy_yes"), f"privacy delete {today} yes")
        text = ctx.texts.say("privacy.delete_sure", places=named(found), days=GRACE_DAYS)
        return Reply(text, ((no,), (yes,)), replaces=True)
    sure = Button(ctx.texts.say("button.privacy_sure"), f"privacy delete sure {today}")
    text = ctx.texts.say("privacy.delete_what", places=named(found), days=GRACE_DAYS)
    return Reply(text, ((sure, no),), replaces=True)


def _check(ctx: Context, found: Sequence[Place]) -> None:
    """Refuse while something is under way: what has begun has to end first."""
    for place in found:
        now = erasing.under_way(ctx.tx, place.programme_id, place.member_id)
        if now.blocks:
            raise Refusal(
                "privacy.delete_later",
                place=isolate(place.programme),
                held=now.held,
                pending=now.pending,
            )


def keep(ctx: Context, found: list[Place], _: str) -> Reply:
    """Stay after all."""
    stays = [erasing.stay(ctx.tx, place.programme_id, place.member_id) for place in found]
    if ctx.person is not None:
        ctx.person = ctx.person._replace(erase_ms=None)
    key = "privacy.kept_on" if any(stays) else "privacy.not_leaving"
    return ctx.say(key, name=ctx.name, private=ctx.event.chat.kind != "private")
