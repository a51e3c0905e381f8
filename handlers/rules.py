"""The rules in force, as members read them, rendered from the rule document."""

from content.checkin import award
from content.message import Reply
from handlers.context import Context
from handlers.router import Router

router = Router()


@router.command("rules", "规则", "积分规则")
def rules(ctx: Context) -> Reply:
    """Show the rules in force here."""
    checkin = ctx.rules.checkin
    return ctx.say(
        "rules.all",
        version=ctx.programme.rules_version,
        points=checkin.points,
        every=checkin.streak.every,
        percent=round(checkin.streak.bonus * 100),
        bonus=award(checkin, streak=checkin.streak.every).points,
        zone=ctx.programme.zone.key,
        buttons=ctx.row("checkin", "points", "top week"),
    )
