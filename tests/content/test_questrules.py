"""Quests in rule documents: what is refused, in which words, and what is for the worse."""

import pytest

from content.lint import lint
from content.rulebook import RulebookError, read_rulebook, shipped_document
from content.rulediff import changes, worse

TREE = 'period = "month"\ngroup = true\n'
SURVEY = """
[[survey]]
id = "taste"
name = "口味"
[[survey.questions]]
ask = "甜还是咸？"
choices = ["甜", "咸"]
"""


def _document(body: str, *, id_: str = "it", more: str = "") -> str:
    points = "" if "points" in body else "points = 10\n"
    return f'version = 1\n[[quest]]\nid = "{id_}"\nname = "任务"\n{points}{body}\n{more}'


def _refused(body: str, more: str = "") -> str:
    with pytest.raises(RulebookError) as refused:
        read_rulebook(_document(body, more=more), name="x")
    return str(refused.value)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("once = true\nsteps = ['intro']", "x: quest.it.steps.1.what = 'intro': must be one of ch"),
        ("once = true\nsteps = []", "quest.it.steps = []: must hold at least one step"),
        ("once = true\nsteps = [3]", "quest.it.steps.1 = 3: must be a table"),
        ("once = true\nsteps = [{ what = 'talk', n = 0 }]", "steps.1.n = 0: must be a whole"),
        ("once = true\nsteps = [{ what = 'talk', m = 1 }]", "steps.1.m: there is no such key"),
        ("steps = ['talk']", "must have one of within_days, period and once"),
        ("once = true\nperiod = 'day'\nsteps = ['talk']", "must have one of within_days, period"),
        ("within_days = 0\nsteps = ['talk']", "within_days = 0: must be a whole number from 1"),
        ("period = 'hour'\nsteps = ['talk']", "period = 'hour': must be one of 'day', 'week'"),
        ("once = true\nsteps = ['talk', 'talk']", "must stand once, unless the quest is ordered"),
        ("once = true\nsteps = ['custom.film']", "steps.1.name = '': must be given"),
        ("once = true\nsteps = ['survey.taste']", "must be the id of a [[survey]]"),
        ("once = true\npoints = 501\nsteps = ['talk']", "at most programme.caps.earn"),
        ("once = true\ncategory = 'x'\nsteps = ['talk']", "category = 'x': must be one of [cat"),
        ("once = true\nunlocks = ['it']\nsteps = ['talk']", "must be the ids of other quests"),
        ("once = true\nunlocks = ['no']\nsteps = ['talk']", "must be the ids of other quests"),
        ("once = true\nstages = [5]\nsteps = ['talk']", "must be given for a group's quest"),
        (f"{TREE}steps = ['talk']", "stages = []: must be given for a group's quest"),
        (f"{TREE}stages = [9, 12]\nsteps = ['talk']", "must be further apart each time"),
        (f"{TREE}stages = [9, 9]\nsteps = ['talk']", "must be further apart each time"),
        (f"{TREE}stages = [9]\nsteps = [{{ what = 'talk', n = 2 }}]", "count by stages in a group"),
        (f"{TREE}stages = [9]\nordered = true\nsteps = ['talk']", "goes with period or once"),
    ],
)  # fmt: skip
def test_what_is_refused(body: str, words: str) -> None:
    assert words in _refused(body)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"甜", "咸"', '"甜"', "questions.1.choices = ['甜']: must be at least 2"),
        ('"甜", "咸"]', '"甜", "咸"]\nchoices_in = { en = ["Sweet"] }', "must be 2 as in choices"),
        ('ask = "甜还是咸？"', 'ask = ""', "must be 1 to 80 characters on one line"),
    ],
)
def test_surveys_that_are_refused(old: str, new: str, words: str) -> None:
    survey = SURVEY.replace(old, new)
    assert words in _refused("once = true\nsteps = ['survey.taste']", survey)


def test_a_survey_is_answered_once() -> None:
    assert "is answered once" in _refused("period = 'day'\nsteps = ['survey.taste']", SURVEY)


def test_two_quests_of_one_id_are_refused() -> None:
    other = _document("once = true\nsteps = ['talk']").partition("\n")[2]
    assert "quest.it.id = 'it': must be an id that nothing" in _refused(
        "once = true\nsteps = ['talk']", other
    )


def test_a_step_in_short_is_a_table_with_nothing_else() -> None:
    short = read_rulebook(_document("once = true\nsteps = ['talk']"), name="x")
    long = read_rulebook(_document("once = true\nsteps = [{ what = 'talk' }]"), name="x")
    assert short == long


def test_the_shipped_quests_in_every_language() -> None:
    rules = read_rulebook(shipped_document(), name="x")
    assert [quest.id for quest in rules.quest] == [
        "icebreak",
        "daily",
        "weekly",
        "monthly",
        "yearly",
    ]
    for quest in rules.quest:
        assert quest.called("en").isascii()
        assert not quest.called("zh").isascii()


BEFORE = "period = 'week'\npoints = 10\nsteps = [{ what = 'talk', n = 3 }]"


@pytest.mark.parametrize(
    ("after", "keys"),
    [
        (BEFORE, ()),
        (BEFORE.replace("10", "9"), ("quest.it.points",)),
        (BEFORE.replace("10", "11"), ()),
        (BEFORE.replace("n = 3", "n = 4"), ("quest.it.steps",)),
        (BEFORE.replace("n = 3", "n = 2"), ()),
        (BEFORE.replace("talk", "checkin"), ("quest.it.steps",)),
        (BEFORE.replace("n = 3", "n = 3, per_day = 1"), ("quest.it.per_day",)),
        (BEFORE.replace("'week'", "'year'"), ("quest.it",)),
        (f"ordered = true\n{BEFORE}", ("quest.it.ordered", "quest.it.per_day")),
        (None, ("quest.it",)),
    ],
)
def test_what_is_worse_for_members(after: str | None, keys: tuple[str, ...]) -> None:
    old = read_rulebook(_document(BEFORE), name="x")
    new = read_rulebook(_document(after) if after else "version = 1", name="x")
    assert worse(old, new) == keys
    assert bool(changes(old, new)) == (old != new)


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ("once = true\nsteps = ['order.completed']", "quest.it.steps"),
        ("period = 'day'\npoints = 251\nsteps = ['talk']", "quest"),
    ],
)
def test_what_an_operator_should_think_about(body: str, key: str) -> None:
    rules = read_rulebook(
        _document(body, more='[[level]]\nid = "a"\nname = "a"\nmin = 0'), name="x"
    )
    assert (key, "warn") in {(finding.key, finding.severity) for finding in lint(rules)}


def test_a_name_that_the_law_forbids_is_refused() -> None:
    document = _document("once = true\nsteps = ['talk']").replace("任务", "返现任务")
    found = lint(read_rulebook(document, name="x"))
    assert ("refuse", "quest.it.name") in {(each.severity, each.key) for each in found}
