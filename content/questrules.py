"""Quests and surveys in rule documents: what members may set out to do, and what it brings."""

from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from content.ruleterms import Id, Language, Many, Name, Named, Points, Rules

DEEDS = (
    "checkin",
    "talk",
    "introduce",
    "first_interaction",
    "gift.accepted",
    "order.completed",
    "order.reviewed",
    "photo.approved",
    "invite.rewarded",
)
"""What a step may ask for. A feature that tells of more (`handlers.occasions`) adds it here."""
CUSTOM, SURVEY = "custom.", "survey."
"""Prefixes: events of the operator's own, and a `[[survey]]` to be answered."""
YEAR_DAYS = 366
CHOICES_MIN, CHOICES_MAX, QUESTIONS_MAX, STEPS_MAX = 2, 8, 10, 10

DeedName = Annotated[
    str,
    Field(
        pattern=rf"^({'|'.join(DEEDS)}|{CUSTOM}[a-z][a-z0-9_]{{0,30}}|{SURVEY}[a-z][a-z0-9_-]{{0,23}})$"
        .replace(".", r"\."),
        description=f"one of {', '.join(DEEDS)}, or {CUSTOM} and a name of yours, or {SURVEY}"
        " and the id of a [[survey]]",
    ),
]  # fmt: skip
Words = Annotated[
    str, Field(pattern=r"^\S(.{0,78}\S)?$", description="1 to 80 characters on one line")
]
Times = Annotated[int, Field(ge=1, le=10_000)]
Period = Literal["day", "week", "month", "year"]
Found = tuple[str, object, str]
"""A key, its value, and what is wrong with it."""


class StepRule(Rules):
    """A deed, and how many times. In short it is the deed's name alone."""

    what: DeedName
    n: Times = 1
    per_day: Times | None = None
    """How many of a day count. Left out: all, or one where the quest is `ordered` or a group's."""
    name: Name | None = None
    """What members read; needed for an event of one's own."""
    names: dict[Language, Name] = {}

    @model_validator(mode="before")
    @classmethod
    def _in_short(cls, value: Any) -> Any:
        return {"what": value} if isinstance(value, str) else value

    def called(self, locale: str) -> str | None:
        """Return the name in a language, None where the document gives none."""
        return self.names.get(locale, self.name)


class QuestRule(Named):
    """Steps, and the points for all of them.

    One of three: `within_days` of joining (the first day counts), for new members alone; anew in
    each `period`; or `once` for ever. One that another quest `unlocks` is hidden until then, and
    its `within_days` count from there.

    A `group` quest is everybody's: what its steps count is added up, and at each of `stages` all
    who have helped at least `helps_min` times get the points.
    """

    id: Id
    steps: Annotated[tuple[StepRule, ...], Field(strict=False, max_length=STEPS_MAX)]
    points: Points
    category: Id = "behaviour"
    within_days: Annotated[int, Field(ge=1, le=YEAR_DAYS)] | None = None
    period: Period | None = None
    once: bool = False
    ordered: bool = False
    """A step counts when the one before it is done."""
    unlocks: Many[Id] = ()
    group: bool = False
    stages: Many[Points] = ()
    helps_min: Times = 3

    def per_day(self, step: StepRule) -> int | None:
        """Return how many of a day count for a step; None for all."""
        return step.per_day or (1 if self.ordered or self.group else None)


class QuestionRule(Rules):
    """A question with the answers to choose from, in any language that members read."""

    ask: Words
    asks: dict[Language, Words] = {}
    choices: Annotated[tuple[Name, ...], Field(strict=False, max_length=CHOICES_MAX)]
    choices_in: dict[Language, Annotated[tuple[Name, ...], Field(strict=False, max_length=8)]] = {}

    def asked(self, locale: str) -> str:
        """Return the question in a language: `ask` where the document gives no other."""
        return self.asks.get(locale, self.ask)

    def offered(self, locale: str) -> tuple[str, ...]:
        """Return the answers in a language: `choices` where the document gives no others."""
        return self.choices_in.get(locale, self.choices)


class SurveyRule(Named):
    """Questions of one tap each; every member answers once."""

    id: Id
    questions: Annotated[tuple[QuestionRule, ...], Field(strict=False, max_length=QUESTIONS_MAX)]


def hidden(quests: Sequence[QuestRule]) -> frozenset[str]:
    """Return the quests that others unlock."""
    return frozenset(each for quest in quests for each in quest.unlocks)


def conflicts(
    quests: Sequence[QuestRule],
    surveys: Sequence[SurveyRule],
    categories: Collection[str],
    points_max: int,
) -> Iterator[Found]:
    """Find what does not fit together: keys, their values, and what would fit."""
    for section, items in (("quest", quests), ("survey", surveys)):
        ids = [each.id for each in items]
        for id_ in sorted({id_ for id_ in ids if ids.count(id_) > 1}):
            yield f"{section}.{id_}.id", id_, "must be an id that nothing else has"
    by_id = {quest.id: quest for quest in quests}
    asked = {survey.id for survey in surveys}
    for quest in quests:
        key = f"quest.{quest.id}"
        if [bool(quest.within_days), bool(quest.period), quest.once].count(True) != 1:
            times = {"within_days": quest.within_days, "period": quest.period, "once": quest.once}
            yield key, times, "must have one of within_days, period and once"
        if quest.category not in categories:
            names = f"must be one of [categories]: {', '.join(categories) or 'it is empty'}"
            yield f"{key}.category", quest.category, names
        if quest.points > points_max:
            words = f"must be at most programme.caps.earn_per_day ({points_max})"
            yield f"{key}.points", quest.points, words
        yield from _of_unlocking(quest, by_id)
        yield from _of_steps(quest, asked)
        yield from _of_group(quest)
    for survey in surveys:
        yield from _of_survey(survey)


def _of_survey(survey: SurveyRule) -> Iterator[Found]:
    if not survey.questions:
        yield f"survey.{survey.id}.questions", [], "must hold at least one question"
    for number, question in enumerate(survey.questions, 1):
        key = f"survey.{survey.id}.questions.{number}"
        if len(question.choices) < CHOICES_MIN:
            yield f"{key}.choices", [*question.choices], f"must be at least {CHOICES_MIN}"
        for locale, choices in question.choices_in.items():
            if len(choices) != len(question.choices):
                where = f"{key}.choices_in.{locale}"
                yield where, [*choices], f"must be {len(question.choices)} as in choices"


def _of_unlocking(quest: QuestRule, by_id: dict[str, QuestRule]) -> Iterator[Found]:
    key = f"quest.{quest.id}.unlocks"
    for other in quest.unlocks:
        found = by_id.get(other)
        if found is None or found is quest:
            yield key, other, "must be the ids of other quests"
        elif found.group:
            yield key, other, "must not be a group's quest: that one everybody sees"
    if quest.unlocks and quest.group:
        yield key, [*quest.unlocks], "does not go with group: nobody alone has done it"


def _of_steps(quest: QuestRule, surveys: Collection[str]) -> Iterator[Found]:
    whats = [step.what for step in quest.steps]
    if not whats:
        yield f"quest.{quest.id}.steps", [], "must hold at least one step"
    for number, step in enumerate(quest.steps, 1):
        key = f"quest.{quest.id}.steps.{number}"
        if not quest.ordered and whats.count(step.what) > 1:
            yield f"{key}.what", step.what, "must stand once, unless the quest is ordered"
        if step.what.startswith(CUSTOM) and step.name is None:
            yield f"{key}.name", "", "must be given, because members do not know this event"
        if not step.what.startswith(SURVEY):
            continue
        if step.what.removeprefix(SURVEY) not in surveys:
            yield f"{key}.what", step.what, "must be the id of a [[survey]]"
        if step.n > 1 or quest.period or quest.group:
            yield key, step.what, "is answered once: it stands once, in a quest of one member"


def _of_group(quest: QuestRule) -> Iterator[Found]:
    key = f"quest.{quest.id}"
    if quest.group != bool(quest.stages):
        yield f"{key}.stages", [*quest.stages], "must be given for a group's quest, and no other"
    if quest.group and (quest.ordered or quest.within_days):
        yield f"{key}.group", True, "goes with period or once, and not with ordered"
    if quest.group and any(step.n > 1 for step in quest.steps):
        yield f"{key}.steps", [step.n for step in quest.steps], "count by stages in a group: no n"
    needs = [high - low for low, high in pairwise((0, *quest.stages))]
    if any(after < before or after < 1 for before, after in pairwise((1, *needs))):
        yield f"{key}.stages", [*quest.stages], "must be further apart each time"
