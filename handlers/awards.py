"""What a member is paid for what he does in chat, by the rules and his level."""

from datetime import timedelta

from content.earning import CAMPAIGN, Deed, Earned, earned
from handlers.context import Context
from storage import awards, ledger, levels
from storage.awards import Award
from storage.movement import ISSUED, Posting, Side


def pay(
    ctx: Context, event: str, *, key: str, streak: bool = False, waits: bool = True
) -> list[Award]:
    """Pay all that the rules give for today's check-in or a message.

    Over the programme's budget it waits for a review; without `waits` it is not paid.

    The caller has just written a row that makes the key new: a check-in's, the event's receipt.
    Refuses who still has to show that he is a person.
    """
    level = levels.held(ctx.rules, ledger.account(ctx.tx, ctx.programme.id, ctx.earner.id))
    deed = Deed(
        event=event,
        streak=streak,
        platform=ctx.event.platform,
        level=level.id if level else None,
        newcomer=ctx.first_days > 0,
    )
    return [_paid(ctx, part, key, event, waits=waits) for part in earned(ctx.rules, deed)]


def _paid(ctx: Context, part: Earned, key: str, reason: str, *, waits: bool) -> Award:
    posting = Posting(
        programme_id=ctx.programme.id,
        key=f"{key}{CAMPAIGN}" if part.rule.endswith(CAMPAIGN) else key,
        source=ISSUED,
        target=Side(ctx.member.id, "available"),
        amount=part.points,
        reason=reason,
        rule=part.rule,
        rule_version=ctx.programme.rules_version,
        actor=ctx.actor,
        at=ctx.event.at,
        day=ctx.today,
        kind=part.category,
        expires=ctx.today + timedelta(days=part.expires_days) if part.expires_days else None,
        caps=part.caps,
    )
    return awards.award(ctx.tx, ctx.rules, posting, today=ctx.today, now=ctx.now, waits=waits)
