"""Monday morning: the week's boards are told once, and who led them holds a title."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from content.message import unpack
from handlers.event import Chat
from storage import programmes
from storage.db import Tx
from storage.talk import Talk
from tests.stage import Stage
from tests.stories.test_makeup import _publish

NINE = datetime(2026, 3, 9, 1, 0, tzinfo=UTC)  # Monday, 9:00 in Shanghai
LINES = ("今天的鱼很新鲜，晚上一起吃吧", "明天早上八点开团，记得来", "帐篷要带几根地钉？上次不够")
TOLD = """\
📣 上周榜单（03-02 – 03-08）

💬 热聊榜
🥇 小红 · 3 条
🥈 小明 · 1 条
小红 当选👑 本周话题王

🏆 积分榜
🥇 小明 · 11
🥈 小红 · 8
小明 当选🌟 积分之星

新的一周，接着来 🌱 发「排行」看全榜"""


@pytest.fixture
def camp(engine: Engine) -> Stage:
    """A week in which somebody talks and somebody checks in."""
    stage = Stage(engine, talk=Talk())
    _lives(stage)
    return stage


def _lives(stage: Stage) -> None:
    for who in ("小明", "小红"):
        stage.says(who, "签到")
    stage.advance(days=1)
    stage.says("小明", "签到")
    stage.says("小明", LINES[0])
    for line in LINES:
        stage.says("小红", line)
        stage.advance(seconds=61)
    stage.replies()


def test_it_is_told_once_at_nine_and_not_before(camp: Stage) -> None:
    for minutes in (-600, -1):
        camp.now = NINE + timedelta(minutes=minutes)
        camp.due()
        assert camp.heard() == ""
    camp.now = NINE
    camp.due()
    (reply,) = camp.replies()
    assert reply.text == TOLD
    assert reply.once
    assert reply.life_s == 3 * 3600
    for _ in range(2):
        camp.advance(minutes=1)
        camp.due()
    camp.now = NINE + timedelta(days=3)
    camp.due()
    assert camp.heard() == ""


def test_who_was_down_until_noon_keeps_still_but_the_titles_stand(
    camp: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    camp.now = NINE + timedelta(hours=3)
    camp.due()
    assert camp.heard() == ""
    assert "too late to tell the boards" in caplog.text
    camp.says("小红", "热聊榜 上周")
    assert "🥇 小红 · 3 条 · 👑 本周话题王" in camp.heard()


def test_who_was_down_at_nine_tells_it_until_noon(camp: Stage) -> None:
    camp.now = NINE + timedelta(hours=2, minutes=59)
    camp.due()
    (reply,) = camp.replies()
    assert (reply.text, reply.life_s) == (TOLD, 60)


def test_a_title_is_held_for_the_week_that_follows(camp: Stage) -> None:
    camp.now = NINE
    camp.due()
    camp.heard()
    camp.says("小明", "签到")
    camp.says("小明", "排行")
    assert "🥇 小明 · 5 · 🌟 积分之星" in camp.heard()
    camp.says("小明", "名片")
    (card,) = camp.replies()
    assert (card.picture.title, card.picture.badges) == ("🌟 积分之星", "👑")
    assert "🌟 积分之星" in card.text
    camp.now = NINE + timedelta(days=7)
    camp.says("小明", "签到")
    camp.heard()
    camp.says("小明", "排行")
    assert "积分之星" not in camp.heard()
    camp.due()  # nobody but he did something: he leads once more
    camp.heard()
    camp.says("小明", "徽章")
    assert "👑 上榜之星 · 2026-03-09" in camp.heard()


def test_a_quiet_week_and_a_quiet_group_hear_nothing(camp: Stage) -> None:
    other = Chat("-1002", "group", "新群")

    def opened(tx: Tx) -> None:
        programmes.open_group(
            tx, camp.platform, other.id, other.title,
            by_owner=True, defaults=camp.defaults, now=camp.now,
        )  # fmt: skip

    camp.worker.run([opened])
    camp.says("小刚", "帮助", chat=other)  # he is there, and has earned nothing
    camp.told.clear()
    camp.now = NINE
    camp.due()
    assert [row.chat_id for row in camp.told] == [camp.group.id]
    camp.now = NINE + timedelta(days=7)
    camp.told.clear()
    camp.due()
    assert camp.told == []


def test_both_groups_of_a_programme_hear_it_once_each(camp: Stage) -> None:
    other = Chat("-1002", "group", "二群")

    def opened(tx: Tx) -> None:
        programmes.open_group(
            tx, camp.platform, other.id, other.title,
            by_owner=True, defaults=camp.defaults, now=camp.now,
        )  # fmt: skip

    camp.worker.run([opened])
    camp.says("小明", "积分", chat=other)
    camp.told.clear()
    camp.now = NINE
    camp.due()
    assert sorted(row.chat_id for row in camp.told) == ["-1001", "-1002"]
    assert {unpack(row.payload).text for row in camp.told} == {TOLD}


def test_who_hides_is_not_named(camp: Stage) -> None:
    camp.says("小明", "隐身")
    camp.heard()
    camp.now = NINE
    camp.due()
    told = camp.heard()
    assert "小明" not in told
    assert "小红 当选🌟 积分之星" in told


def test_it_can_be_off_and_have_another_hour(camp: Stage) -> None:
    _publish(camp, '[boards]\nannounce = "off"')
    camp.now = NINE
    camp.due()
    assert camp.heard() == ""
    _publish(camp, "[boards]\nannounce_hour = 7")
    camp.says("小明", "签到")
    camp.heard()
    camp.now = NINE + timedelta(days=7, hours=-2)
    camp.due()
    assert "📣 上周榜单（03-09 – 03-15）" in camp.heard()


def test_leaders_get_points_where_the_rules_say_so(camp: Stage) -> None:
    _publish(camp, "[boards]\nwinner_points = 20")
    had = camp.balance("小明"), camp.balance("小红")
    camp.now = NINE
    for _ in range(2):
        camp.due()
    assert camp.heard().count("🎉 头名各得 20 积分") == 1
    assert (camp.balance("小明"), camp.balance("小红")) == (had[0] + 20, had[1] + 20)
    camp.says("小明", "明细")
    assert "+20  周榜头名" in camp.heard()


def test_a_place_that_everybody_shares_is_no_title(engine: Engine) -> None:
    stage = Stage(engine)
    for name in ("小明", "小红", "小刚", "小丽"):
        stage.says(name, "签到")
    stage.heard()
    stage.now = NINE
    stage.due()
    told = stage.heard()
    assert told.count("🥇") == 3
    assert "当选" not in told


def test_another_zone_has_another_monday(engine: Engine) -> None:
    stage = Stage(engine, zone="America/New_York", talk=Talk())
    _lives(stage)
    stage.now = NINE
    stage.due()
    assert stage.heard() == ""
    stage.now = datetime(2026, 3, 9, 13, 0, tzinfo=UTC)  # 9:00 there, the day after clocks changed
    stage.due()
    assert "📣" in stage.heard()
