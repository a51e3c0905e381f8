"""A group waters its tree: what all do counts together, and each stage is told and paid once."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine

from handlers import questclock
from handlers.event import Chat
from storage import quests
from storage.programmes import MAIN
from tests.stage import Stage
from tests.stories.test_makeup import _publish
from tests.stories.test_quests import _says, _stage

TREE = """
[[quest]]
id = "tree"
name = "大家的树"
names = { en = "Our tree" }
period = "month"
group = true
steps = ["checkin", "introduce"]
stages = [3, 8]
helps_min = 2
points = 10
"""
GROWN = "🌳 「大家的树」长到第 {}/2 阶段了！每位出过 2 次力的群友都有 10 积分，谢谢大家 💚"
PEOPLE = ("小明", "小红", "阿强")


def _grow(stage: Stage, days: int, people: tuple[str, ...] = PEOPLE) -> None:
    for _ in range(days):
        for who in people:
            stage.says(who, "签到")
        stage.advance(days=1)
    stage.heard()


def _clock(stage: Stage) -> str:
    stage.due()
    return stage.heard()


def test_a_tree_grows_by_what_all_do(engine: Engine) -> None:
    stage = _stage(engine, TREE)
    _grow(stage, 1)
    assert _clock(stage) == GROWN.format(1)
    assert _clock(stage) == ""
    assert [stage.balance(who) for who in PEOPLE] == [5, 5, 5]  # nobody has helped twice
    assert _says(stage, "小明", "任务").splitlines()[1:] == [
        "🌳 大家的树 ▓░░░░ 3/8 · 第 1/2 阶段 · 你出力 1 次（满 2 次，每阶段 10 积分）",
        "　👉 一起出力：签到 · 自我介绍",
    ]
    _grow(stage, 2, ("小明", "小红"))
    assert _clock(stage) == ""
    _says(stage, "阿强", "签到")
    assert _clock(stage) == GROWN.format(2)
    assert [stage.balance(who) for who in PEOPLE] == [25, 25, 20]
    assert "+10  任务" in _says(stage, "小明", "明细")
    assert "▓▓▓▓▓ 8 · 2 个阶段全部达成 🎉 · 你出力 3 次" in _says(stage, "小明", "任务")
    _grow(stage, 1)
    assert _clock(stage) == ""


def test_each_way_to_help_counts_once_a_day(engine: Engine) -> None:
    stage = _stage(engine, TREE)
    stage.says("小明", "签到")
    stage.says("小明", "签到")
    for _ in range(3):
        stage.says("小明", "大家好，我是小明，住在杭州喜欢露营")
    stage.heard()
    assert "2/3 · 第 0/2 阶段 · 你出力 2 次" in _says(stage, "小明", "任务")
    assert _clock(stage) == ""


def test_all_groups_hear_of_a_stage_and_a_new_month_begins_anew(engine: Engine) -> None:
    stage = _stage(engine, TREE)
    second = Chat("-1002", "group", "二群")
    stage.play(stage.event(stage.person("老板", role="owner"), kind="bot_added", chat=second))
    _grow(stage, 1)
    stage.due()
    assert sorted(row.chat_id for row in stage.told if "大家的树" in row.payload) == [
        "-1001",
        "-1002",
    ]
    stage.heard()
    stage.advance(days=28)  # the 1st of April is over the next day
    assert _clock(stage) == ""
    assert "0/3 · 第 0/2" in _says(stage, "小明", "任务")
    assert _goals(stage) == []  # the old one is over


def _goals(stage: Stage) -> list[int]:
    (outcome,) = stage.worker.run([quests.with_goals])
    return outcome.value


def test_a_stage_that_was_interrupted_is_paid_once(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questclock, "PAID_MAX", 2)
    stage = _stage(engine, TREE.replace("helps_min = 2", "helps_min = 1"))
    _grow(stage, 1)

    def part(tx: object) -> int:
        return questclock.run(tx, MAIN, stage.now)

    def broken(tx: object) -> None:
        questclock.run(tx, MAIN, stage.now)
        raise ValueError("the power fails")

    stage.worker.run([part])  # it is told
    (outcome,) = stage.worker.run([broken])
    assert outcome.error is not None
    assert [stage.balance(who) for who in PEOPLE] == [5, 5, 5]
    stage.worker.run([part])
    assert sorted(stage.balance(who) for who in PEOPLE) == [5, 15, 15]
    _clock(stage)
    _clock(stage)
    assert [stage.balance(who) for who in PEOPLE] == [15, 15, 15]


def test_a_tree_keeps_the_rules_with_which_it_began(engine: Engine) -> None:
    stage = _stage(engine, TREE)
    _grow(stage, 1)
    _publish(stage, TREE.replace("[3, 8]", "[5, 50]").replace("points = 10", "points = 1"))
    assert _clock(stage) == GROWN.format(1)
    _grow(stage, 2)
    assert _clock(stage) == GROWN.format(2)
    assert stage.balance("小明") == 3 * 5 + 10


def test_what_is_done_after_the_end_helps_nobody(engine: Engine) -> None:
    stage = _stage(engine, TREE.replace('"month"', '"day"'))
    _grow(stage, 1, ("小明", "小红"))
    late = stage.event("阿强", "签到", at=stage.now - timedelta(days=1))
    stage.advance(days=1)
    stage.play(late)
    assert _clock(stage) == "" or "阶段" not in stage.heard()
    stage.advance(days=1)
    _clock(stage)
    assert _goals(stage) == []
