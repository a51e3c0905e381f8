"""Entrances: codes for a shop counter, a partner or a poster, and how many have come by each."""

from collections.abc import Iterator

from content.message import Refusal, Reply
from content.names import clean_name, isolate
from content.picture import QrCode
from content.startlink import start_link
from handlers import invites
from handlers.context import Context
from handlers.router import Router
from storage import invite_codes, invite_reports

router = Router()
NAME_MAX = 32
ENTRANCES_MAX = 50


@router.command("entrance", "入口", "入口码", glued=r"\s+\S.{0,40}")
def entrance(ctx: Context) -> Reply | None:
    """Make the code of an entrance, or show how many came by each (for owners)."""
    if ctx.event.sender.role != "owner" or ctx.event.sender.kind != "person":
        if ctx.group is not None and not ctx.event.addressed and ctx.event.kind == "message":
            return None  # somebody who talks of a way in
        raise Refusal("entrance.owner")
    name = clean_name(ctx.args, fallback="", most=NAME_MAX)
    if not name:
        return Reply("\n".join(_report(ctx)), private=ctx.group is not None)
    known = invite_codes.entrances(ctx.tx, ctx.programme.id, most=ENTRANCES_MAX)
    if len(known) >= ENTRANCES_MAX and all(each.name != name for each in known):
        raise Refusal("entrance.many", most=ENTRANCES_MAX)
    code = invite_codes.issue(ctx.tx, ctx.programme.id, 0, ctx.now, name=name)
    link = start_link(code.payload)
    lines = [ctx.texts.say("entrance.made", what=isolate(name), link=link)]
    lines += [
        ctx.texts.say("invite.group_link", group=isolate(way.title), link=way.url)
        for way in invites.ask_links(ctx, code, name)
    ]
    return Reply("\n".join(lines), picture=QrCode(link, name))


def _report(ctx: Context) -> Iterator[str]:
    say = ctx.texts.say
    sources = invite_reports.sources(ctx.tx, ctx.programme.id)
    yield say("entrance.head" if sources else "entrance.none")
    for each in sources:
        yield say(
            "entrance.line",
            what=isolate(each.name),
            clicks=each.clicks,
            joins=each.joins,
            active=each.activated,
        )
    all_ = invite_reports.funnel(ctx.tx, ctx.programme.id)
    yield say("entrance.funnel", **all_._asdict())
    if all_.inviters:
        yield say("entrance.factor", factor=f"{all_.invited_active / all_.inviters:.1f}")
