"""What is said to newcomers, and the questions that they are asked. Values in, replies out."""

from collections.abc import Sequence
from functools import reduce
from random import Random
from typing import NamedTuple

from content.message import Button, Buttons, Reply
from content.names import isolate
from content.texts import Texts
from content.welcome import HOLES, QuizQuestion, Way, WelcomeRules

NAMES_MAX = 10
"""So many are called by name; the others are counted."""
LETTERS_MAX = 3
"""Different texts in one greeting: of those who came by different entrances."""
CHOICES = 6


class Newcomer(NamedTuple):
    """Somebody who has come: `back` when he has been here before, `open` until he is verified."""

    name: str
    source: str
    back: bool
    open: bool


class Question(NamedTuple):
    """A question with its choices in the order shown; `right` is the place of the right one."""

    words: str
    choices: tuple[str, ...]
    right: int


def greeting(rules: WelcomeRules, texts: Texts, group: str, people: Sequence[Newcomer]) -> Reply:
    """Return one message for all who have come. There is somebody."""
    letters: dict[str, list[str]] = {}
    for each in people:
        words = "" if each.back else rules.sources.get(each.source, rules.text)
        key = _own(texts, "welcome.back") if each.back else words or _own(texts, "welcome.new")
        letters.setdefault(key, []).append(each.name)
    if len(letters) > LETTERS_MAX:
        letters = {rules.text or _own(texts, "welcome.new"): [each.name for each in people]}
    lines = [
        words.format(name=_names(texts, names), group=isolate(group))
        for words, names in letters.items()
    ]
    asks = rules.verify != "off" and any(each.open for each in people)
    if asks:
        lines.append(texts.say("welcome.verify"))
    return Reply("\n".join(lines), buttons(texts, verify=asks), once=True)


def buttons(texts: Texts, *, verify: bool) -> Buttons:
    """Return what stands below a greeting."""
    below = (_button(texts, "rules mine"), _button(texts, "checkin"))
    return ((_button(texts, "verify"),), below) if verify else (below,)


def _button(texts: Texts, command: str) -> Button:
    return Button(texts.say(f"button.{command.replace(' ', '_')}"), command)


def _own(texts: Texts, key: str) -> str:
    """Return the bot's own words, still to be filled like those of a document."""
    return texts.say(key, **{hole: f"{{{hole}}}" for hole in HOLES})


def _names(texts: Texts, names: Sequence[str]) -> str:
    called = [isolate(name) for name in names[:NAMES_MAX]]
    some = reduce(lambda one, two: texts.say("welcome.two", one=one, two=two), called)
    more = len(names) - NAMES_MAX
    return texts.say("welcome.many", names=some, count=len(names)) if more > 0 else some


def question(way: Way, quiz: Sequence[QuizQuestion], texts: Texts, rng: Random) -> Question:
    """Return a question by chance. A mere press has one choice, which is right."""
    if way == "button":
        return Question(texts.say("verify.press"), (texts.say("verify.human"),), 0)
    if way == "sum":
        one, two = rng.randint(2, 9), rng.randint(11, 39)
        near = [one + two + step for step in range(-9, 10) if step]
        words, right = texts.say("verify.sum", one=two, two=one), str(one + two)
        wrong = [str(each) for each in rng.sample(near, CHOICES - 1)]
    else:
        chosen = rng.choice(quiz)
        words, right, wrong = chosen.ask, chosen.right, [*chosen.wrong]
    choices = [right, *wrong]
    rng.shuffle(choices)
    return Question(words, tuple(choices), choices.index(right))


def choices(asked: Question, token: str) -> Buttons:
    """Return a question's buttons, three in a row: what they hold does not tell the right one."""
    each = [Button(words, f"verify {token} {n}") for n, words in enumerate(asked.choices)]
    return tuple(tuple(each[start : start + 3]) for start in range(0, len(each), 3))
