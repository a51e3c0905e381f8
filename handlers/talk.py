"""Talk in a group is worth points, within limits. Nothing is said about it."""

from datetime import datetime, time, timedelta

from content.activity import worth
from handlers.awards import pay
from handlers.context import Context
from handlers.router import Router
from storage import habits
from storage.talk import KEPT

router = Router()


@router.listen
def talk(ctx: Context) -> None:
    """Pay for a message that keeps the rules in force, once."""
    said = ctx.said
    if said is None or ctx.person is None:
        return
    if said.alike:
        habits.note(ctx.tx, ctx.programme.id, ctx.person.id, ctx.today, "alike", said.alike)
    rules, words = ctx.rules.activity, ctx.event.text[:KEPT]
    if not worth(rules, words, said.previous, since_s=said.since_s, command=ctx.asks):
        return
    key = f"{ctx.today}/activity/{ctx.event.key}."  # no ending of the ledger's own
    paid = pay(ctx, "activity", key=key, waits=False)
    if ctx.talk is not None and not any(award.points for award in paid):
        # the day's ceiling, or the budget's end: do not ask the store again before it is over
        tomorrow = datetime.combine(ctx.today + timedelta(days=1), time(), ctx.programme.zone)
        ctx.talk.rest((ctx.event.platform, ctx.event.sender.id), ctx.programme.id, tomorrow)
