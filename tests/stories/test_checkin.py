"""A member checks in: once a day, more for days in a row, in the zone where people live."""

from datetime import UTC, datetime

from tests.stage import Stage


def test_a_checkin_pays_and_says_so(stage: Stage) -> None:
    stage.says("小明", "签到")
    heard = stage.heard()
    assert "小明 签到成功，+5 积分" in heard
    assert "连续 1 天，再签 6 天加奖 20%" in heard
    assert "现有 5 积分" in heard


def test_the_second_checkin_of_a_day_is_refused_kindly(stage: Stage) -> None:
    stage.says("小明", "签到")
    stage.heard()
    stage.says("小明", "/checkin")
    assert "今天已经签过啦" in stage.heard()
    assert stage.balance("小明") == 5


def test_every_seventh_day_in_a_row_pays_a_fifth_more(stage: Stage) -> None:
    heard = []
    for _ in range(14):
        stage.says("小明", "打卡")
        heard.append(stage.heard())
        stage.advance(days=1)
    assert "明天签到加奖 20%" in heard[5]
    assert "连续签到 7 天，+6 积分" in heard[6]
    assert "连续签到 14 天，+6 积分" in heard[13]
    assert stage.balance("小明") == 12 * 5 + 2 * 6


def test_a_missed_day_starts_the_streak_anew(stage: Stage) -> None:
    stage.says("小明", "签到")
    stage.advance(days=2)
    stage.heard()
    stage.says("小明", "签到")
    assert "连续 1 天" in stage.heard()


def test_the_same_update_three_times_pays_once_and_answers_once(stage: Stage) -> None:
    event = stage.event("小明", "签到", key="tg1:same")
    states = [outcome.state for _ in range(3) for outcome in stage.play(event)]
    assert states == ["done", "duplicate", "duplicate"]
    assert stage.balance("小明") == 5
    assert stage.heard().count("签到成功") == 1


def test_a_message_of_before_midnight_counts_for_its_own_day(stage: Stage) -> None:
    late = datetime(2026, 3, 4, 15, 59, 30, tzinfo=UTC)  # 23:59:30 in Shanghai
    stage.now = datetime(2026, 3, 4, 16, 3, tzinfo=UTC)  # 00:03 of the next day
    stage.says("小明", "签到", at=late)
    stage.says("小明", "签到")
    assert "连续 2 天" in stage.heard()
    assert stage.balance("小明") == 10


def test_yesterdays_message_arriving_after_todays_fills_the_gap(stage: Stage) -> None:
    yesterday = stage.now
    stage.advance(days=1)
    stage.says("小明", "签到")
    stage.says("小明", "签到", at=yesterday)
    stage.heard()
    stage.says("小明", "积分")
    assert "连续签到 2 天" in stage.heard()
    assert stage.balance("小明") == 10


def test_an_update_a_week_old_is_not_acted_on(stage: Stage) -> None:
    week_old = stage.now
    stage.advance(days=7)
    (outcome,) = stage.says("小明", "签到", at=week_old)
    assert outcome.state == "stale"
    assert stage.heard() == ""


def test_days_follow_a_zone_with_daylight_saving(engine: object) -> None:
    stage = Stage(engine, zone="America/New_York", locale="en")
    for moment in (
        datetime(2026, 3, 8, 4, 30, tzinfo=UTC),  # 23:30 on the 7th, winter time
        datetime(2026, 3, 9, 3, 30, tzinfo=UTC),  # 23:30 on the 8th, summer time since 2:00
        datetime(2026, 3, 9, 4, 30, tzinfo=UTC),  # 00:30 on the 9th
    ):
        stage.now = moment
        stage.says("Ann", "/checkin")
    heard = stage.heard()
    assert [f"{n} in a row" in heard for n in (1, 2, 3)] == [True, True, True]


def test_an_edited_message_never_pays(stage: Stage) -> None:
    assert stage.says("小明", "签到", edited=True) == []
    assert stage.heard() == ""


def test_nobody_without_a_face_earns(stage: Stage) -> None:
    stage.says(stage.person("管理", "anonymous_admin"), "签到")
    assert "匿名管理员" in stage.heard()
    stage.says(stage.person("频道", "channel"), "签到")
    assert "频道身份" in stage.heard()
    assert stage.says(stage.person("某机器人", "bot"), "签到") == []
    assert stage.says(stage.person("系统", "service"), "签到") == []


def test_a_tap_is_answered_to_its_presser_alone(stage: Stage) -> None:
    (outcome,) = stage.taps("小明", "checkin")
    assert [row.kind for row in outcome.say] == ["tap"]
    (reply,) = stage.replies()
    assert reply.private
    assert "+5 积分" in reply.text
