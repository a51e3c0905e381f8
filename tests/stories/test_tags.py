"""Tags beside members' names: set when a level or title changes, and quiet where it may not be."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine

from content.message import SetTag
from handlers.event import Sender
from handlers.tags import words_of
from storage.talk import Talk
from tests.stage import Stage
from tests.stories.test_makeup import _publish
from tests.stories.test_weekly import NINE, _lives

LEVELS = """
[[level]]
id = "low"
name = "普通"
min = 0
[[level]]
id = "high"
name = "白银🥈"
min = 10
[boards]
tags = "{}"
"""


def _tags(stage: Stage) -> list[tuple[str, str]]:
    """Return whose tags were set to what since the last look."""
    names = {stage.person(name).id: name for name in ("小明", "小红")}
    done = [action for action in stage.actions() if isinstance(action, SetTag)]
    stage.told.clear()
    return [(names[action.user_id], action.tag) for action in done]


@pytest.fixture
def camp(stage: Stage) -> Stage:
    _publish(stage, LEVELS.format("level"))
    return stage


def _rises(stage: Stage, who: str = "小明") -> None:
    for _ in range(2):
        stage.says(who, "签到")
        stage.advance(days=1)


def test_a_rise_is_shown_at_once_and_only_once(camp: Stage) -> None:
    camp.says("小明", "签到")
    camp.advance(days=1)
    assert _tags(camp) == []  # the lowest level is everybody's
    camp.says("小明", "签到")
    assert _tags(camp) == [("小明", "白银")]
    for _ in range(3):
        camp.advance(days=1)
        camp.says("小明", "签到")
        camp.due()
    assert _tags(camp) == []


def test_without_the_rule_nobody_wears_one(stage: Stage) -> None:
    _publish(stage, LEVELS.format("off"))
    _rises(stage)
    stage.due()
    assert _tags(stage) == []


def test_who_turns_it_on_and_off_again_sees_it_the_day_after(stage: Stage) -> None:
    _publish(stage, LEVELS.format("off"))
    _rises(stage)
    stage.says("小红", "签到")
    for of, seen in (("level", [("小明", "白银")]), ("off", [("小明", "")])):
        _publish(stage, LEVELS.format(of))
        stage.advance(days=1)
        stage.due()
        assert _tags(stage) == seen
        stage.due()
        assert _tags(stage) == []


def test_a_title_is_worn_for_its_week(engine: Engine) -> None:
    stage = Stage(engine, talk=Talk())
    _publish(stage, LEVELS.format("title"))
    _lives(stage)
    stage.now = NINE
    stage.due()
    assert sorted(_tags(stage)) == [("小明", "积分之星"), ("小红", "本周话题王")]
    stage.advance(days=7)
    stage.due()
    assert sorted(_tags(stage)) == [("小明", ""), ("小红", "")]


def _refuses(stage: Stage, why: str, at: datetime) -> None:
    (action,) = (each for each in stage.actions() if isinstance(each, SetTag))
    stage.told.clear()
    did = stage.event(Sender("", "", "bot"), kind="did", target=action.ref, refused=why, at=at)
    stage.play(did)


def test_where_the_right_is_missing_it_is_noted_once_and_tried_after_a_week(
    camp: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    _rises(camp)
    _refuses(camp, "Not enough rights to manage chat member tags", camp.now)
    assert caplog.text.count("the bot needs the right") == 1
    assert camp.heard().count("tag") == 0
    _rises(camp, "小红")
    camp.due()
    assert _tags(camp) == []
    camp.advance(days=8)
    camp.due()
    assert sorted(_tags(camp)) == [("小明", "白银"), ("小红", "白银")]


def test_an_administrator_without_a_tag_is_left_alone(
    camp: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    _rises(camp)
    _refuses(camp, "Tags can be set for regular members only", camp.now)
    for _ in range(10):
        camp.advance(days=1)
        camp.due()
    assert _tags(camp) == []
    assert "needs the right" not in caplog.text
    _rises(camp, "小红")
    assert _tags(camp) == [("小红", "白银")]


@pytest.mark.parametrize("ref", ["tag", "tag x y", "tag 1 2 3", "tag 99999999999999999999 1"])
def test_what_nobody_asked_for_changes_nothing(camp: Stage, ref: str) -> None:
    did = camp.event(Sender("", "", "bot"), kind="did", target=ref, refused="no rights")
    (outcome,) = camp.play(did)
    assert outcome.state == "done"


def test_who_has_left_wears_nothing_new(camp: Stage) -> None:
    camp.says("小明", "签到")
    camp.play(camp.event("小明", kind="left"))
    camp.advance(days=1)
    camp.says("小明", "签到", private=True)
    camp.due()
    assert _tags(camp) == []


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("白银", "白银"),
        ("👑 本周话题王", "本周话题王"),
        ("🏳️\u200d🌈 彩虹", "彩虹"),
        ("一二三四五六七八九十一二三四五六七八", "一二三四五六七八九十一二三四五六"),
        ("🥇", ""),
        ("Gold  \u200b level", "Gold level"),
    ],
)
def test_a_tag_has_no_emoji_and_at_most_sixteen_characters(name: str, tag: str) -> None:
    assert words_of(name) == tag


def test_a_tag_waits_a_day_at_most(camp: Stage) -> None:
    _rises(camp)
    (row,) = (row for row in camp.told if row.kind == "do")
    assert row.expires_ms - row.created_ms == timedelta(days=1).total_seconds() * 1000
