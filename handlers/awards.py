"""What a member is paid for what he does in chat: a part of the rules, as a posting."""

from datetime import timedelta

from content.earning import Earned
from handlers.context import Context
from storage import awards, ledger, levels
from storage.awards import Award
from storage.ledger import ISSUED, Posting, Side


def pay(ctx: Context, part: Earned, *, key: str, reason: str, waits: bool = True) -> Award:
    """Pay what a rule gives for today; over the budget it waits, or without `waits` is not paid.

    The caller has just written a row that makes the key new: a check-in, the event's receipt.
    """
    posting = Posting(
        programme_id=ctx.programme.id,
        key=key,
        source=ISSUED,
        target=Side(ctx.member.id, "available"),
        amount=part.points,
        reason=reason,
        rule=part.rule,
        rule_version=ctx.programme.rules_version,
        actor=f"{ctx.event.platform}:{ctx.event.sender.id}"[:100],
        at=ctx.event.at,
        day=ctx.today,
        kind=part.category,
        expires=ctx.today + timedelta(days=part.expires_days) if part.expires_days else None,
        caps=part.caps,
    )
    return awards.award(ctx.tx, ctx.rules, posting, today=ctx.today, now=ctx.now, waits=waits)


def level(ctx: Context) -> str | None:
    """Return the id of the level that the member is paid by."""
    held = levels.held(ctx.rules, ledger.account(ctx.tx, ctx.programme.id, ctx.member.id))
    return held.id if held else None
