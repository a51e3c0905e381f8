"""Quests in words: what a step is called, what comes next, how long there is."""

from datetime import date

from content import questing
from content.questing import FOR_EVER, Entry
from content.questrules import SURVEY, QuestRule, StepRule
from content.rulebook import Rulebook
from content.texts import Texts

SEPARATOR = " · "
WHOLE = 1_000


def step_name(words: Texts, rules: Rulebook, step: StepRule) -> str:
    """Return what a step is called: in the operator's words, else in ours."""
    own = step.called(words.locale)
    if own is None and step.what.startswith(SURVEY):
        id_ = step.what.removeprefix(SURVEY)
        named = (each.called(words.locale) for each in rules.survey if each.id == id_)
        return next(named, words.say("quest_step.survey"))
    return own or words.say(f"quest_step.{step.what.replace('.', '_')}")


def step_hint(words: Texts, rules: Rulebook, step: StepRule) -> str:
    """Return what there is to do for a step, in a few words."""
    key = f"quest_hint.{step.what.replace('.', '_')}"
    if step.name is None and key in words:
        return words.say(key)
    return step_name(words, rules, step)


def bar(quest: QuestRule, entry: Entry | None) -> str:
    """Return a bar of how much of a quest is done, steps that are under way included."""
    return questing.bar(int(questing.share(quest, entry) * WHOLE), WHOLE)


def next_step(words: Texts, rules: Rulebook, quest: QuestRule, entry: Entry | None) -> str:
    """Return the first step that is not done, with how many times are left of it."""
    following = next(step for step in questing.steps(quest, entry) if not step.done)
    left = following.rule.n - following.times
    hint = step_hint(words, rules, following.rule)
    return words.say("quests.next" if left == 1 else "quests.next_times", step=hint, left=left)


def all_steps(words: Texts, rules: Rulebook, quest: QuestRule, entry: Entry | None) -> str:
    """Return the steps in a line, those that are done ticked."""
    return SEPARATOR.join(
        f"{'✅' if step.done else '▫️'} {step_name(words, rules, step.rule)}"
        + (f" {min(step.times, step.rule.n)}/{step.rule.n}" if step.rule.n > 1 else "")
        for step in questing.steps(quest, entry)
    )


def time_left(words: Texts, last: date, today: date) -> str:
    """Return how long a quest still runs, to be added to a line; nothing where it has no end."""
    if last == FOR_EVER:
        return ""
    days = (last - today).days
    return words.say("quests.days" if days else "quests.today", days=days + 1)
