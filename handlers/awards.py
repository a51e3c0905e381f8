"""What a member is paid for what he does in chat: a part of the rules, as a posting."""

from datetime import timedelta

from content.earning import Earned
from handlers.context import Context
from storage import ledger
from storage.ledger import ISSUED, CappedError, Posting, Side


def pay(ctx: Context, part: Earned, *, key: str, reason: str) -> int:
    """Post what a rule pays for today; return how much of it the member's caps have left.

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
    try:
        return ledger.post(ctx.tx, posting, fresh=True).amount
    except CappedError:
        return 0
