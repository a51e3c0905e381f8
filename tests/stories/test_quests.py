"""Members set out to do things together and alone, and hear when something is done."""

import pytest

from content.rulebook import shipped_document
from storage.talk import Talk
from tests.stage import Stage
from tests.stories.test_makeup import _buttons, _labels, _publish

ICE = """
[[quest]]
id = "icebreak"
name = "3日破冰"
names = { en = "Break the ice" }
within_days = 3
steps = ["introduce", "checkin", "first_interaction"]
points = 100
"""
HELLO = "大家好，我是小明，住在杭州，喜欢露营"


@pytest.fixture
def camp(room: Stage) -> Stage:
    return _with(room, ICE)


def _with(stage: Stage, quests: str) -> Stage:
    return Stage(stage.engine, document=f"version = 1\n{quests}", talk=Talk())


def test_x(room) -> None:
    stage = Stage(room.engine)
    print(stage)
