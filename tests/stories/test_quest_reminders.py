"""Reminders that do not nag: in private, once for each quest, one a day, to who has agreed."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from handlers import questreminders
from storage import consents, members, programmes
from storage.db import Tx
from storage.members import Who
from storage.programmes import MAIN
from tests.stage import Stage
from tests.stories.test_quests import ICE, WEEK, _says, _stage

TUESDAY = datetime(2026, 3, 3, 1, 0, tzinfo=UTC)  # 09:00 in Shanghai
WEEKLY = WEEK.replace("n = 2", "n = 4").replace("一周两签", "一周四签")
REMINDER = "⏳ 小明，任务「一周四签」▓▓░░░ 2/4，就差一点：说一句「签到」（还差 2 次） · 还有 {} 天"


def _agrees(stage: Stage, who: str, *, to: bool = True) -> None:
    def agree(tx: Tx) -> None:
        account = Who(stage.platform, stage.person(who).id, who)
        known = members.find(tx, MAIN, account, None)
        assert known is not None
        if to:
            consents.give(tx, MAIN, known.id, "contact", identity="x", now=stage.now)
        else:
            consents.withdraw(tx, MAIN, known.id, ["contact"], identity="x", now=stage.now)

    (outcome,) = stage.worker.run([agree])
    assert outcome.error is None


def _open(engine: Engine, rules: str = WEEKLY, **more: object) -> Stage:
    """小明 has checked in twice, has written in private, and agrees to be written to."""
    stage = _stage(engine, rules, now=TUESDAY, **more)
    for _ in range(2):
        stage.says("小明", "签到")
        stage.advance(days=1)
    _says(stage, "小明", "任务", private=True)
    _agrees(stage, "小明")
    stage.advance(hours=2)  # Thursday, 11:00
    return stage


def _clock(stage: Stage) -> str:
    stage.due()
    return stage.heard()


def test_a_reminder_comes_once_for_a_quest_that_is_half_done(engine: Engine) -> None:
    stage = _open(engine)
    assert _clock(stage) == REMINDER.format(4)
    assert stage.told[-1].chat_id == stage.person("小明").id
    for _ in range(4):
        assert _clock(stage) == ""
        stage.advance(days=1)


@pytest.mark.parametrize(
    ("hour", "comes"),
    [(0, False), (9, False), (10, True), (15, True), (19, True), (20, False), (23, False)],
)
def test_it_comes_at_a_decent_hour_of_the_programmes_zone(
    engine: Engine, hour: int, comes: bool
) -> None:
    stage = _open(engine)
    stage.now = TUESDAY + timedelta(days=2, hours=hour - 9)
    assert (_clock(stage) != "") == comes


def test_who_has_not_agreed_is_left_alone(engine: Engine) -> None:
    stage = _open(engine)
    _agrees(stage, "小明", to=False)
    assert _clock(stage) == ""


def test_who_has_never_written_in_private_is_left_alone(engine: Engine) -> None:
    stage = _stage(engine, WEEKLY, now=TUESDAY)
    for _ in range(2):
        stage.says("小明", "签到")
        stage.advance(days=1, hours=1)
    _agrees(stage, "小明")
    stage.heard()
    assert _clock(stage) == ""


def test_what_is_done_or_has_hardly_begun_is_not_reminded_of(engine: Engine) -> None:
    assert _clock(_open(engine, WEEK)) == ""


def test_what_has_hardly_begun_waits(engine: Engine) -> None:
    stage = _open(engine, WEEKLY.replace("n = 4", "n = 5"))
    assert _clock(stage) == ""
    stage.advance(days=2)  # Saturday: it ends tomorrow
    assert "2/5" in _clock(stage)
    stage.advance(days=2)  # Monday: there is the week's board, and no word of the quest
    assert "/5" not in _clock(stage)


def test_there_is_one_a_day_whatever_there_is_to_do(engine: Engine) -> None:
    month = WEEKLY.replace("weekly", "monthly").replace('"week"', '"month"').replace("4", "3")
    stage = _open(engine, ICE + WEEKLY + month)
    assert "2/3" in _clock(stage)  # the one that is nearest to its end
    assert _clock(stage) == ""
    stage.advance(days=1)
    assert "2/4" in _clock(stage)
    stage.advance(days=1)
    assert _clock(stage) == ""


def test_a_daily_quest_reminds_of_nothing(engine: Engine) -> None:
    daily = WEEKLY.replace('"week"', '"day"').replace('"checkin", n = 4', '"talk", n = 2')
    stage = _open(engine, daily)
    stage.says("小明", "今晚去河边露营吗")
    assert "1/2" in _says(stage, "小明", "任务")
    assert _clock(stage) == ""


def test_after_a_stop_it_goes_on_where_it_was(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questreminders, "PAGE", 1)
    stage = _stage(engine, WEEKLY, now=TUESDAY)
    people = ("小明", "小红", "阿强")
    for _ in range(2):
        for who in people:
            stage.says(who, "签到")
        stage.advance(days=1)
    for who in people:
        stage.says(who, "任务", private=True)
        _agrees(stage, who)
    stage.advance(hours=2)
    stage.heard()

    def part(tx: Tx) -> int:
        return questreminders.run(tx, _here(tx, stage), stage.now)

    def broken(tx: Tx) -> None:
        part(tx)
        raise ValueError("the power fails")

    heard = []
    for job in (part, broken, part, part, part, part):
        (outcome,) = stage.worker.run([job])
        heard += [row.chat_id for row in outcome.say]
    assert sorted(heard) == sorted(stage.person(who).id for who in people)


def _here(tx: Tx, stage: Stage) -> programmes.Programme:
    return programmes.programme(tx, MAIN, stage.now)
