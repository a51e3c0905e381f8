"""Badges as members meet them: granted once, told at the deed, shown with what comes next."""

import pytest
from sqlalchemy import Engine

from content.rulebook import shipped_document
from storage.db import open_engine
from storage.talk import Talk
from tests.stage import Stage
from tests.stories.test_gifts import _known, _offered
from tests.stories.test_makeup import _buttons, _publish

BADGE = '[[badge]]\nid = "{0}"\nname = "{0}"\nemoji = "🌅"\nwhen = {{ what = "{1}", n = {2} }}\n'
LINES = ("今天的鱼很新鲜，晚上一起吃吧", "明天早上八点开团，记得来", "帐篷要带几根地钉？上次不够")


def _badges(stage: Stage, who: str) -> str:
    stage.heard()
    stage.says(who, "徽章")
    return stage.heard()


def test_the_seventh_day_in_a_row_brings_a_badge_once(stage: Stage) -> None:
    _known(stage, "小明", days=6)
    stage.says("小明", "签到")
    told = stage.heard().splitlines()
    assert told[-1] == "🏅 小明 得到徽章 🔥 七日之约 连着七天都来，约定守住了"
    stage.says("小明", "签到")
    assert "徽章" not in stage.heard()
    stage.advance(days=3)
    for _ in range(7):
        stage.says("小明", "签到")
        stage.advance(days=1)
    assert "七日之约" not in stage.heard()  # he has it


def test_badges_are_shown_with_their_day_and_what_comes_next(room: Stage) -> None:
    _known(room, "小明", days=8)
    room.says("小明", "徽章")
    (reply,) = room.replies()
    assert reply.text.splitlines() == [
        "🏅 小明 的徽章（1 枚）",
        "🔥 七日之约 · 2026-03-10",
        "👉 接下来：",
        "🌿 十次相见 — 签到满 10 天（8/10）",
        "🌕 月满一轮 — 连续签到 30 天（8/30）",
        "🎁 有心人 — 送出的心意被收下 1 份（0/1）",
    ]
    assert _buttons(reply) == ["checkin", "me", "top week"]


def test_a_broken_streak_begins_anew_and_takes_no_badge(room: Stage) -> None:
    _known(room, "小明", days=8)
    room.advance(days=5)
    shown = _badges(room, "小明")
    assert "🔥 七日之约 · 2026-03-10" in shown
    room.says("小明", "签到")
    shown = _badges(room, "小明")
    assert "（9/10）" in shown
    assert "🌕 月满一轮 — 连续签到 30 天（1/30）" in shown


def test_who_has_none_yet_is_shown_the_way(room: Stage) -> None:
    shown = _badges(room, "小红")
    assert shown.startswith("🏅 小红 还没有徽章")
    assert shown.count("（0/") == 3
    _publish(room, "")  # rules without badges
    assert _badges(room, "小红") == "🏅 小红 还没有徽章，第一枚不远了 🌱"


def test_a_stranger_has_no_badges(room: Stage) -> None:
    room.says("路人", "徽章", private=True)
    assert "先加入一个有我的群" in room.heard()
    room.says(room.person("频道", "channel"), "/badges")
    assert "频道身份" in room.heard()


def test_a_repaired_day_that_makes_it_seven_brings_the_badge(room: Stage) -> None:
    _known(room, "小明", days=4)
    room.advance(days=1)
    _known(room, "小明", days=2)
    room.says("小明", "补签 03-08")
    assert "七日之约" in room.heard()


def test_talk_that_counts_brings_a_badge_silently(engine: Engine) -> None:
    stage = Stage(engine, talk=Talk())
    _publish(stage, BADGE.format("话", "talk", 2).replace('id = "话"', 'id = "a"'))
    for line in LINES:
        stage.says("小明", line)
        stage.says("小明", line)  # too soon, and the same: counts no more than for points
        stage.advance(seconds=61)
    assert stage.heard() == ""
    assert _badges(stage, "小明").splitlines()[:2] == [
        "🏅 小明 的徽章（1 枚）",
        "🌅 话 · 2026-03-04",
    ]


def test_an_accepted_gift_brings_the_giver_a_badge_and_a_declined_one_none(stage: Stage) -> None:
    _known(stage, "小明", "小红")
    offered = _offered(stage)
    stage.taps("小红", offered[1])
    assert "有心人" not in stage.heard()
    offered = _offered(stage)
    stage.taps("小红", offered[0])
    assert "🏅 小明 得到徽章 🎁 有心人 第一份心意，送到了" in stage.heard()
    stage.taps("小红", offered[0])
    assert "有心人" not in stage.heard()
    assert "🎁 有心人 ·" in _badges(stage, "小明")
    assert "🎁 有心人 ·" not in _badges(stage, "小红")


def test_new_rules_reward_what_was_done_before(stage: Stage) -> None:
    _publish(stage, "")
    _known(stage, "小明", "小红", days=5)
    stage.says("小红", "签到")
    _publish(stage, BADGE.format("a", "checkin", 6) + BADGE.format("b", "streak", 5))
    stage.heard()
    stage.due()
    stage.due()
    assert stage.heard() == ""
    assert _badges(stage, "小明").splitlines()[0] == "🏅 小明 的徽章（1 枚）"
    assert _badges(stage, "小红").splitlines()[0] == "🏅 小红 的徽章（2 枚）"


def test_a_badge_that_the_rules_have_no_more_stays(room: Stage) -> None:
    _publish(room, BADGE.format("a", "checkin", 1))
    room.says("小明", "签到")
    _publish(room, "")
    assert "🌅 a · 2026-03-04" in _badges(room, "小明")


@pytest.mark.parametrize("words", ["/badges", "badges", "My Badges", "我的徽章", "徽章！"])
def test_badges_have_several_words(room: Stage, words: str) -> None:
    room.says("Ann", words)
    assert "还没有徽章" in room.heard()


def test_an_english_group_reads_english(sqlite_url: str) -> None:
    engine = open_engine(sqlite_url)
    stage = Stage(engine, locale="en")
    for _ in range(7):
        stage.says("Ann", "check in")
        stage.advance(days=1)
    told = "🏅 Ann gets the badge 🔥 Seven days. Seven days in a row: a promise kept"
    assert told in stage.heard()
    stage.says("Ann", "badges")
    assert "🔥 Seven days · 2026-03-10" in stage.heard()
    engine.dispose()


def test_the_card_shows_badges(room: Stage) -> None:
    _known(room, "小明", days=10)
    room.says("小明", "名片")
    (reply,) = room.replies()
    assert reply.picture.badges == "🌿🔥"
    assert "🏅 徽章：🌿🔥" in reply.text
    room.says("小红", "名片")
    (reply,) = room.replies()
    assert "徽章" not in reply.text


def test_a_levels_perk_doubles_what_may_be_given(stage: Stage) -> None:
    _known(stage, "小明", "小红")
    document = shipped_document().replace("min = 3000", "min = 90").replace("min = 500", "min = 80")
    small = document.replace("per_day_points = 200", "per_day_points = 20")
    _publish(stage, small.replace("version = 1\n", "", 1))
    stage.says("小明", "签到")
    stage.heard()
    stage.says("小明", "赠送 小红 41")
    assert "每天最多送 40 积分" in stage.heard()
    stage.says("小明", "赠送 小红 40")
    assert "想送给" in stage.heard()
    stage.says("新人", "规则")
    assert "· 黄金还可以：每天可送的积分和份数翻倍" in stage.heard()
    for number in range(14):
        stage.advance(days=1)
        stage.says("小红" if number else "新人", "签到")
    stage.heard()
    stage.says("新人", "赠送 小红 21")
    assert "每天最多送 20 积分" in stage.heard()


@pytest.mark.parametrize("words", ["徽章墙", "徽章 七日", "我要徽章"])
def test_talk_about_badges_is_talk(room: Stage, words: str) -> None:
    room.says("小明", words)
    assert room.heard() == ""
