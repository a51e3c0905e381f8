"""Questions of one tap each: answered once, by the one who was asked, while a quest asks for it."""

import pytest
from sqlalchemy import Engine

from tests.stage import Stage
from tests.stories.test_makeup import _buttons, _labels, _publish
from tests.stories.test_quests import DONE, WEEK, _says, _stage

SURVEY = """
[[survey]]
id = "taste"
name = "口味小问卷"
[[survey.questions]]
ask = "甜的还是咸的？"
choices = ["甜的", "咸的"]
choices_in = { en = ["Sweet", "Salty"] }
[[survey.questions]]
ask = "多久来一次？"
choices = ["每天", "每周", "偶尔"]
"""
QUEST = """
[[quest]]
id = "ask"
name = "说说看"
within_days = 3
steps = ["survey.taste"]
points = 6
"""


@pytest.fixture
def stage(engine: Engine) -> Stage:
    return _stage(engine, QUEST + SURVEY)


def _asked(stage: Stage, who: str, **more: object) -> list[str]:
    """Open the survey; return the commands under its first question."""
    stage.replies()
    stage.says(who, "任务", **more)
    (reply,) = stage.replies()
    assert _labels(reply)[0] == "📝 口味小问卷"
    stage.taps(who, _buttons(reply)[0], **more)
    _, question = stage.replies()
    assert question.text == "📝 口味小问卷（1/2）\n甜的还是咸的？"
    assert _labels(question) == ["甜的", "咸的"]
    assert all(len(command.encode()) <= 64 for command in _buttons(question))
    return _buttons(question)


@pytest.mark.parametrize("private", [True, False])
def test_a_survey_is_answered_by_taps(stage: Stage, private: bool) -> None:
    stage.says("小明", "签到")
    stage.heard()
    first = _asked(stage, "小明", private=private)
    (outcome,) = stage.taps("小明", first[1], private=private)
    assert [row.kind for row in outcome.say] == ["tap", "edit"]
    _, second = stage.replies()
    assert second.text == "📝 口味小问卷（2/2）\n多久来一次？"
    stage.taps("小明", _buttons(second)[0], private=private)
    _, thanks = stage.replies()
    assert thanks.text == "🙏 谢谢 小明，「口味小问卷」收到了\n" + DONE.format("说说看", 6)
    assert thanks.buttons == ()
    assert stage.balance("小明") == 11


def test_an_answer_is_given_once(stage: Stage) -> None:
    stage.says("小明", "签到")
    first = _asked(stage, "小明")
    stage.taps("小明", first[0])
    stage.taps("小明", first[1])  # changed his mind: the first one stands
    assert "（2/2）" in stage.heard()
    assert _results(stage).splitlines()[1:4] == [
        "1. 甜的还是咸的？（1 人）",
        "▓▓▓▓▓ 甜的 · 1 (100%)",
        "░░░░░ 咸的 · 0 (0%)",
    ]


def _results(stage: Stage) -> str:
    stage.heard()
    return _says(stage, stage.person("老板", role="owner"), "/quests results")


@pytest.mark.parametrize(
    ("who", "command", "more"),
    [
        ("小红", "{}", {}),  # somebody else's
        ("小明", "{}", {"genuine": False}),
        ("小明", "quests answer taste 0 9 {id}", {}),
        ("小明", "quests answer taste 9 0 {id}", {}),
        ("小明", "quests answer other 0 0 {id}", {}),
        ("小明", "quests answer taste -1 0 {id}", {}),
        ("小明", "quests answer taste 0 0 1", {}),
        ("小明", "quests answer", {}),
        ("小明", "quests ask taste 1", {}),
        ("小明", "quests ask 😀 {id}", {}),
        ("小明", "quests answer taste 0 0 " + "9" * 30, {}),
    ],
)
def test_a_forged_button_answers_nothing(stage: Stage, who: str, command: str, more: dict) -> None:
    for each in ("小明", "小红"):
        stage.says(each, "签到")
    first = _asked(stage, "小明")
    own = first[0].split()[-1]
    stage.taps(who, command.format(first[0], id=own), **more)
    assert "问卷" in stage.heard()
    assert "（0 人）" in _results(stage)


def test_what_is_typed_answers_nothing(stage: Stage) -> None:
    stage.says("小明", "签到")
    first = _asked(stage, "小明")
    assert "不收了" in _says(stage, "小明", f"/{first[0]}")
    assert "（0 人）" in _results(stage)


def test_after_the_end_nothing_is_taken(stage: Stage) -> None:
    stage.says("小明", "签到")
    first = _asked(stage, "小明")
    stage.advance(days=3)
    stage.taps("小明", first[0])
    assert stage.heard() == "小明，这份问卷现在不收了，发「任务」看看别的吧 🌱"
    assert "（0 人）" in _results(stage)


def test_when_it_is_done_its_old_buttons_say_so(stage: Stage) -> None:
    stage.says("小明", "签到")
    first = _asked(stage, "小明")
    stage.taps("小明", first[0])
    stage.replies()
    stage.taps("小明", first[0].replace(" 0 0 ", " 1 0 "))
    assert stage.balance("小明") == 11
    stage.heard()
    stage.taps("小明", first[0])
    assert "不收了" in stage.heard()
    assert stage.balance("小明") == 11


def test_results_are_for_owners(stage: Stage) -> None:
    assert _says(stage, "小明", "任务结果") == "问卷结果只给负责人看。"
    assert _results(stage).startswith("📊 口味小问卷")


def test_without_a_survey_and_with_several(engine: Engine) -> None:
    stage = _stage(engine, WEEK)
    assert _results(stage) == "规则里还没有问卷。"
    second = SURVEY.replace("taste", "often").replace("口味小问卷", "第二份")
    _publish(stage, WEEK + SURVEY + second)
    assert _results(stage).splitlines()[1:] == ["· taste 口味小问卷", "· often 第二份"]
    owner = stage.person("老板", role="owner")
    assert _says(stage, owner, "/quests results often").startswith("📊 第二份")


def test_answers_are_offered_in_the_groups_language(engine: Engine) -> None:
    stage = _stage(engine, QUEST + SURVEY, locale="en")
    stage.says("Ann", "quests")
    (reply,) = stage.replies()
    stage.taps("Ann", _buttons(reply)[0])
    assert _labels(stage.replies()[1]) == ["Sweet", "Salty"]
