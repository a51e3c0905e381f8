"""Talk in a group is worth points, within limits, and counts for quests. Nothing is said there."""

from datetime import datetime, time, timedelta

from content.activity import worth
from handlers import occasions
from handlers.awards import pay
from handlers.context import Context
from handlers.occasions import Occasion
from handlers.router import Router
from storage import badges, habits, members
from storage.books import POINTS
from storage.talk import KEPT

router = Router()
FIRST = "first_interaction"


@router.listen
def talk(ctx: Context) -> None:
    """Pay for a message that keeps the rules in force, once."""
    said = ctx.said
    if said is None or ctx.person is None or ctx.unverified:
        return
    if said.alike:
        habits.note(ctx.tx, ctx.programme.id, ctx.person.id, ctx.today, "alike", said.alike)
    rules, words = ctx.rules.activity, ctx.event.text[:KEPT]
    if not worth(rules, words, said.previous, since_s=said.since_s, command=ctx.asks):
        return
    met = _met(ctx)
    asked = occasions.ask(ctx.tx, ctx.programme, ctx.member.id, "talk")
    key = f"{ctx.today}/activity/{ctx.event.key}."  # no ending of the ledger's own
    paid = pay(ctx, "activity", key=key, waits=False)
    if any(award.points for award in paid):
        ctx.tx.books.talk(ctx.programme.id, ctx.person.id, ctx.today)
        badges.count(ctx.tx, ctx.programme, ctx.person.id, "talk", ctx.today)
    elif ctx.talk is not None:
        # the day's ceiling, or the budget's end: do not ask the store again before it is over
        tomorrow = datetime.combine(ctx.today + timedelta(days=1), time(), ctx.programme.zone)
        ctx.talk.rest((ctx.event.platform, ctx.event.sender.id), ctx.programme.id, tomorrow)
    said_so = Occasion("talk", ctx.member.id, ctx.event.at, ctx.today, key)
    occasions.tell(ctx.tx, ctx.programme, said_so, ctx.now, asked=asked, aloud=False)
    for each in met:
        occasions.tell(ctx.tx, ctx.programme, each, ctx.now, aloud=False)


def _met(ctx: Context) -> list[Occasion]:
    """Return that he answers somebody, for both of them, whose accounts are locked in one order.

    The two of them count once a day for each other, whoever of them answers.
    """
    other, platform = ctx.event.answers, ctx.event.platform
    if other is None or other.kind != "person" or FIRST not in ctx.programme.listens:
        return []
    found = members.by_identity(ctx.tx, ctx.programme.id, {(platform, other.id)})
    two = {ctx.member.id, *found.values()}
    if other.id == ctx.event.sender.id or (found and len(two) == 1):
        return []
    ctx.tx.books.load(ctx.tx, ctx.programme.id, POINTS, two)
    names = "/".join(map(str, sorted(two))) if found else f"{ctx.member.id}/{other.id}"
    key = f"{ctx.today}/met/{names}"
    return [Occasion(FIRST, each, ctx.event.at, ctx.today, key) for each in sorted(two)]
