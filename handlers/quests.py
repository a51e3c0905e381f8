"""Quests: what a member can set out to do, how far he is, and what comes next."""

from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

from content import questing
from content.message import Button, Reply
from content.questing import OPEN, PAID, Entry
from content.questrules import SURVEY, QuestRule, hidden
from content.rulebook import Rulebook
from handlers import questing as hearing
from handlers import questwords, surveys
from handlers.context import Context
from handlers.questwords import SEPARATOR
from handlers.router import Router
from storage import ledger
from storage import quests as store

router = Router()
SHOWN_MAX = 12
SURVEYS_MAX = 3
INDENT = "\u3000"


class Way(NamedTuple):
    """A quest that a member may do now, by the rules that count for him, and how far he is."""

    quest: QuestRule
    rules: Rulebook
    entry: Entry | None
    last: date

    @property
    def open(self) -> bool:
        """Whether something is left to do."""
        return self.entry is None or self.entry.state == OPEN


@router.command("quests", "任务", presets={"任务结果": "results"}, english=("quests", "my quests"))
def quests(ctx: Context) -> Reply:
    """Show your quests and what comes next."""
    word, _, rest = ctx.args.partition(" ")
    if word == "results":
        return surveys.results(ctx, rest)
    found, told = _look(ctx)
    if word in {"ask", "answer"}:
        asked = {step.what for way in found if way.open for step in way.quest.steps}
        return (surveys.ask if word == "ask" else surveys.answer)(ctx, rest, asked)
    return _list(ctx, found[:SHOWN_MAX], told)


def _look(ctx: Context) -> tuple[list[Way], list[str]]:
    """Return the member's quests of today, and lines for what is done and he has not heard."""
    member_id, tx, here = ctx.member.id, ctx.tx, ctx.programme
    asked = store.ask(tx, here.id, member_id)
    ledger.account(tx, here.id, member_id)  # locked: what he hears now is noted
    standing = store.answer(asked)
    book = {(entry.quest, entry.last): entry for entry in standing.entries}
    told = [line.said(ctx.texts) for line in hearing.news(tx, here, book)]
    if told:
        store.put(tx, here.id, member_id, [*book.values()])
    joined = standing.joined.astimezone(here.zone).date()
    return [*_ways(ctx, book, joined)], told


def _ways(ctx: Context, book: dict[tuple[str, date], Entry], joined: date) -> Iterator[Way]:
    """Yield what may be done today: first in the order of the rules, then what they left out."""
    here, today = ctx.programme, ctx.today
    mine = {e.quest: e for e in book.values() if e.first <= today <= e.last}
    unseen = hidden(here.rules.quest)
    for quest in here.rules.quest:
        entry = mine.pop(quest.id, None)
        runs = questing.window(quest, today, joined)
        if entry is not None:
            yield _way(ctx, entry)
        elif runs is not None and quest.id not in unseen:
            yield Way(quest, here.rules, None, runs.last)
    for entry in mine.values():
        yield _way(ctx, entry)


def _way(ctx: Context, entry: Entry) -> Way:
    rules = hearing.rules_of(ctx.tx, ctx.programme, entry.version)
    return Way(hearing.quest_of(ctx.tx, ctx.programme, entry), rules, entry, entry.last)


def _list(ctx: Context, found: list[Way], told: list[str]) -> Reply:
    if not found:
        text = "\n".join((*told, ctx.texts.say("quests.empty", name=ctx.name)))
        return Reply(text, ctx.row("checkin", "points"))
    lines = [*told, ctx.texts.say("quests.head", name=ctx.name)]
    hints = 0
    for way in found:
        lines.append(_line(ctx, way))
        if way.open and (ctx.group is None or not hints):  # in a group one hint is enough
            lines += _details(ctx, way)
            hints += 1
    if not hints:
        lines.append(ctx.texts.say("quests.all_done"))
    asked = {
        step.rule.what.removeprefix(SURVEY)
        for way in found
        if way.open
        for step in questing.steps(way.quest, way.entry)
        if step.rule.what.startswith(SURVEY) and not step.done
    }
    named = [each for each in ctx.rules.survey if each.id in asked][:SURVEYS_MAX]
    label = "button.survey"
    rows = [
        (Button(ctx.texts.say(label, survey=each.called(ctx.texts.locale)), _asks(ctx, each.id)),)
        for each in named
    ]
    return Reply("\n".join(lines), (*rows, *ctx.row("checkin", "points")))


def _asks(ctx: Context, survey: str) -> str:
    return f"quests ask {survey} {ctx.member.id}"


def _line(ctx: Context, way: Way) -> str:
    """Return a quest in one line: its bar, its points, how long it still runs."""
    say, quest, entry = ctx.texts.say, way.quest, way.entry
    name = quest.called(ctx.texts.locale)
    if quest.group:
        return _goal_line(ctx, way)
    if entry is not None and not way.open:
        if entry.state == PAID or _has_been_paid(ctx, entry):
            key = "quests.done" if entry.points or entry.state != PAID else "quests.done_full"
            return say(key, quest=name, points=entry.points or hearing.worth(way.rules, way.quest))
        return say("quests.done_review", quest=name)
    have, need = questing.parts(quest, entry)
    bar, points = questwords.bar(quest, entry), hearing.worth(way.rules, quest)
    line = say("quests.open", quest=name, bar=bar, have=have, need=need, points=points)
    return line + questwords.time_left(ctx.texts, way.last, ctx.today)


def _has_been_paid(ctx: Context, entry: Entry) -> bool:
    """Whether what had to wait for the budget has been approved meanwhile."""
    key = hearing.key_of(entry, ctx.member.id)
    return ledger.known_row(ctx.tx, ctx.programme.id, key) is not None


def _goal_line(ctx: Context, way: Way) -> str:
    quest, tx = way.quest, ctx.tx
    total = store.total(tx, ctx.programme.id, quest.id, way.last)
    stage = questing.stage_of(quest.stages, total)
    need = quest.stages[min(stage, len(quest.stages) - 1)]
    return ctx.texts.say(
        "quests.goal" if stage < len(quest.stages) else "quests.goal_grown",
        quest=quest.called(ctx.texts.locale),
        bar=questing.bar(total, need),
        total=total,
        need=need,
        stage=stage,
        stages=len(quest.stages),
        mine=sum(way.entry.counts) if way.entry else 0,
        least=quest.helps_min,
        points=hearing.worth(way.rules, way.quest),
    )


def _details(ctx: Context, way: Way) -> Iterator[str]:
    """Yield the steps where there are several, and what to do next in a few words."""
    words, rules, quest = ctx.texts, way.rules, way.quest
    if quest.group:
        names = (questwords.step_name(words, rules, step) for step in quest.steps)
        yield words.say("quests.help_by", steps=SEPARATOR.join(names))
        return
    if len(quest.steps) > 1 and ctx.group is None:
        yield f"{INDENT}{questwords.all_steps(words, rules, quest, way.entry)}"
    following = questwords.next_step(words, rules, quest, way.entry)
    yield f"{INDENT}👉 {following}"
