"""What time does for quests: a group's stages are told and paid, and members are reminded."""

from datetime import datetime

from content import questing
from content.message import Reply
from content.occasion import Line, Occasion
from content.questing import Entry
from content.questrules import QuestRule
from content.texts import texts
from handlers import questing as hearing
from handlers import questreminders
from storage import members, outbox, programmes, quests
from storage.books import POINTS
from storage.db import Tx
from storage.programmes import Programme
from storage.quests import GROWING, GROWN, OVER, PAYING, Goal

PAID_MAX = 200
"""Members paid at a time: events go between."""


def with_work(tx: Tx, now: datetime) -> list[int]:
    """Return the programmes in which members have a goal, or are to be reminded of their quests."""
    return [*quests.with_goals(tx), *questreminders.with_work(tx, now)]


def run(tx: Tx, programme_id: int, now: datetime) -> int:
    """Do a part of what is due for quests; return how much, 0 when all is done."""
    here = programmes.programme(tx, programme_id, now)
    done = sum(_tend(tx, here, goal, now) for goal in quests.goals(tx, here.id))
    return done or questreminders.run(tx, here, now)


def _tend(tx: Tx, here: Programme, goal: Goal, now: datetime) -> int:
    """Look after a goal: one stage more is told of, some of its members are paid, it ends."""
    quest, entry = _quest(tx, here, goal)
    if goal.state == PAYING:
        return _pay_some(tx, here, goal, quest, entry, now)
    total = quests.total(tx, here.id, goal.quest, goal.last)
    if questing.stage_of(quest.stages, total) > goal.stage:
        return _reach(tx, here, goal, quest, now)
    today = now.astimezone(here.zone).date()
    if goal.last < today - hearing.LATE:
        return int(quests.move(tx, here.id, goal, goal._replace(state=OVER)))
    return 0


def _quest(tx: Tx, here: Programme, goal: Goal) -> tuple[QuestRule, Entry]:
    """Return a goal's quest, and an entry as its members have it."""
    entry = Entry(goal.quest, goal.last, goal.last, goal.version, ())
    return hearing.quest_of(tx, here, entry), entry


def _reach(tx: Tx, here: Programme, goal: Goal, quest: QuestRule, now: datetime) -> int:
    """Begin to pay for a stage, and tell all groups of it."""
    stage = goal.stage + 1
    if not quests.move(tx, here.id, goal, goal._replace(stage=stage, state=PAYING, cursor=0)):
        return 0
    line = Line(
        "quest.stage",
        {
            "quest": quest,
            "stage": stage,
            "stages": len(quest.stages),
            "least": quest.helps_min,
            "points": hearing.worth(hearing.rules_of(tx, here, goal.version), quest),
        },
    )
    reply = Reply(line.said(texts(here.locale)), once=True)
    for platform, chat_id in programmes.chats(tx, here.id):
        outbox.say(
            tx, programme_id=here.id, platform=platform, chat_id=chat_id, reply=reply, now=now
        )
    return 1


def _pay_some(  # noqa: PLR0917 - a goal, its quest, and when
    tx: Tx, here: Programme, goal: Goal, quest: QuestRule, entry: Entry, now: datetime
) -> int:
    """Pay the next members who have helped enough; after the last one the goal goes on."""
    some = quests.helpers(tx, here.id, goal, quest.helps_min, PAID_MAX)
    asks, whose = here.rules.welcome.asks, members.known(tx, here.id, some)
    due = [  # who has been erased or bound to another is not, nor who has not shown who he is
        each
        for each in some
        if whose.get(each) == each and not (asks and members.is_open(tx, here.id, each))
    ]
    tx.books.load(tx, here.id, POINTS, due)  # all at once, in the order of all
    after = goal._replace(cursor=some[-1] if some else 0)
    if len(some) < PAID_MAX:
        over = goal.stage == len(quest.stages)
        after = after._replace(cursor=0, state=GROWN if over else GROWING)
    if not quests.move(tx, here.id, goal, after):
        return 0
    today = now.astimezone(here.zone).date()
    for member_id in due:
        key = f"{goal.last}/quest/{goal.quest}.{goal.stage}/{member_id}"
        occasion = Occasion(f"quest.{goal.quest}", member_id, now, today, key)
        hearing.pay(tx, here, quest, entry, key, occasion, now)
    return 1 + len(some)
