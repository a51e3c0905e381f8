"""How newcomers are met: the rules for greeting, verifying, raids and the first days."""

import string
from collections.abc import Iterator
from datetime import date
from typing import Annotated, Literal, get_args

from pydantic import Field

from content.ruleterms import Rules

Verify = Literal["off", "button", "sum", "quiz"]
"""How somebody shows that he is a person: not at all, by a press, by a sum, by a question."""
Way = Literal["button", "sum", "quiz"]
WAYS: tuple[Way, ...] = get_args(Way)
Requests = Literal["let_in", "ask", "owner"]
HOLES = ("name", "group")
"""What a greeting may hold in braces."""
WRONG_MAX = 5
FIRST_MAX = 90
"""So many days at most are a member's first ones."""

Words = Annotated[str, Field(max_length=500, description="at most 500 characters")]
Source = Annotated[
    str,
    Field(
        pattern=r"^src_[A-Za-z0-9_-]{1,28}$",
        description="src_ and 1 to 28 letters, digits, - and _",
    ),
]
Line = Annotated[
    str, Field(pattern=r"^\S(.{0,198}\S)?$", description="1 to 200 characters on one line")
]
Choice = Annotated[
    str, Field(pattern=r"^\S(.{0,30}\S)?$", description="1 to 32 characters on one line")
]
Category = Annotated[
    str,
    Field(pattern=r"^[a-z][a-z0-9_-]{0,23}$", description="the name of one of [categories]"),
]
Conflict = tuple[str, object, str]
"""A key, its value, and what would fit."""


class QuizQuestion(Rules):
    """A question about the group, its right answer, and wrong ones to choose from."""

    ask: Line
    right: Choice
    wrong: Annotated[tuple[Choice, ...], Field(strict=False, min_length=1, max_length=WRONG_MAX)]


class WelcomeRules(Rules):
    """How newcomers are met.

    `text` greets with {name} and {group}; left empty, it is the bot's own words. Those who come
    through an entrance of one's own are greeted by its text in `sources`.
    """

    on: bool = True
    text: Words = ""
    sources: dict[Source, Words] = {}
    bundle_s: Annotated[int, Field(ge=10, le=600)] = 20
    """Who comes within so many seconds of a greeting is greeted together with the next ones."""
    verify: Verify = "off"
    quiz: Annotated[tuple[QuizQuestion, ...], Field(strict=False, max_length=50)] = ()
    quiet: bool = False
    """Whether newcomers cannot write until they are verified, for `verify_min` at most."""
    verify_min: Annotated[int, Field(ge=2, le=1_440)] = 10
    requests: Requests = "owner"
    """Who asks to join is let in, is asked a question first, or is left to the administrators."""
    raid_joins: Annotated[int, Field(ge=2, le=10_000)] = 10
    """More than so many within `raid_s` are a raid: the bot is quiet for `raid_rest_min`."""
    raid_s: Annotated[int, Field(ge=10, le=3_600)] = 60
    raid_rest_min: Annotated[int, Field(ge=1, le=1_440)] = 10
    double_days: Annotated[int, Field(ge=0, le=FIRST_MAX)] = 0
    """For so many days of a new member his points are multiplied by `double`; 0 turns it off."""
    double: Annotated[float, Field(ge=1, le=10)] = 2.0
    double_categories: Annotated[tuple[Category, ...], Field(strict=False, max_length=100)] = (
        "social",
        "behaviour",
    )

    @property
    def asks(self) -> bool:
        """Whether newcomers have to show that they are persons."""
        return self.verify != "off"

    @property
    def doubles(self) -> bool:
        """Whether the first days pay more at all."""
        return self.double_days > 0 and self.double > 1


def days_left(rules: WelcomeRules, joined: date, today: date) -> int:
    """Return how many of a member's first days are left, `today` included; 0 when they are over.

    Days are the programme's. What happened before he joined is no part of them.
    """
    gone = (today - joined).days
    return max(0, rules.double_days - gone) if rules.doubles and gone >= 0 else 0


def conflicts(rules: WelcomeRules, categories: dict[str, float]) -> Iterator[Conflict]:
    """Find values that are well-formed each, but do not fit together."""
    for key, words in (("text", rules.text), *_sources(rules)):
        if not fits(words):
            yield f"welcome.{key}", words, "may hold {name} and {group}, and no other braces"
    if rules.verify == "quiz" and not rules.quiz:
        yield "welcome.quiz", [], "must hold a question, because welcome.verify is 'quiz'"
    for number, question in enumerate(rules.quiz, 1):
        choices = [question.right, *question.wrong]
        if len(set(choices)) < len(choices):
            yield f"welcome.quiz.{number}.wrong", [*question.wrong], "must differ from each other"
    if rules.verify == "off" and rules.requests == "ask":
        yield "welcome.requests", "ask", "needs a question: welcome.verify is 'off'"
    if rules.verify == "off" and rules.quiet:
        yield "welcome.quiet", True, "needs a way out of it: welcome.verify is 'off'"
    unknown = [name for name in rules.double_categories if name not in categories]
    if rules.doubles and unknown:
        names = f"must be among [categories]: {', '.join(categories) or 'it is empty'}"
        yield "welcome.double_categories", unknown, names


def _sources(rules: WelcomeRules) -> Iterator[tuple[str, str]]:
    yield from ((f"sources.{source}", words) for source, words in rules.sources.items())


def spoken(rules: WelcomeRules) -> Iterator[tuple[str, str]]:
    """Yield (key, words) of all that a document lets the bot say to newcomers."""
    yield "welcome.text", rules.text
    yield from ((f"welcome.{key}", words) for key, words in _sources(rules))
    for number, each in enumerate(rules.quiz, 1):
        yield f"welcome.quiz.{number}", " ".join((each.ask, each.right, *each.wrong))


def fits(words: str) -> bool:
    """Whether a greeting has no other placeholders than those that are filled."""
    try:
        found = [*string.Formatter().parse(words)]
    except ValueError:  # a single brace
        return False
    holes = [(name, form, conversion) for _, name, form, conversion in found if name is not None]
    return all(name in HOLES and not form and not conversion for name, form, conversion in holes)
