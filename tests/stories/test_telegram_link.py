"""A member of a Telegram group and of the room becomes one person, with the real process."""

import pytest
from sqlalchemy import text

from bot.clock import utc_now
from storage.db import open_engine
from tests.platforms.fake_telegram import FakeTelegram
from tests.stage import Stage
from tests.stories.process import running
from tests.stories.test_makeup import _buttons
from tests.stories.test_telegram_gifts import _button
from tests.stories.test_telegram_story import all_done, heard, toast


@pytest.fixture(scope="module")
def tg():
    with FakeTelegram() as fake:
        yield fake
        assert fake.violations == []


@pytest.fixture(scope="module")
def bot(tg, sqlite_template, tmp_path_factory):
    with running(tg, tmp_path_factory.mktemp("link"), sqlite_template) as process:
        yield process


@pytest.fixture(scope="module")
def room(tg, bot):
    """The room beside the running bot, on its database, with the points of the Telegram group."""
    group, ming = tg.group("露营群", bot="administrator"), tg.user("小明")
    tg.say(group, ming, "签到")
    heard(tg, group, "小明 签到成功")
    all_done(tg)
    engine = open_engine(bot.database_url)
    stage = Stage(engine, platform="local", now=utc_now())
    with engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE chat_group SET programme_id = (SELECT programme_id FROM chat_group"
                " WHERE platform = 'telegram') WHERE platform = 'local'"
            )
        )
    yield stage, group, ming
    engine.dispose()


def test_two_platforms_one_person(tg, room):
    stage, group, ming = room
    stage.says("小明的号", "签到")
    assert "现有 5 积分" in stage.heard()
    private = tg.private(ming)
    tg.say(private, ming, "绑定")
    code = heard(tg, private, "你的绑定码").text.partition("绑定码：")[2][:8]
    stage.says("小明的号", f"绑定 {code}", private=True)
    (asked,) = stage.replies()
    assert "· 小明：5 积分，连签 1 天\n· 小明的号：5 积分，连签 1 天" in asked.text
    stage.taps("小明的号", _buttons(asked)[0], private=True)
    assert "🎉 绑好了！现在两边都是 小明\n· 小明：5 积分，连签 1 天" in stage.heard()
    tg.say(group, ming, "签到")
    heard(tg, group, "今天已经签过啦")
    stage.says("小明的号", "积分")
    assert "小明，你有 5 积分" in stage.heard()
    tg.say(private, ming, "/link undo")
    heard(tg, private, "拆开了，各归各的：\n· 小明：5 积分，连签 1 天\n· 小明的号：5 积分")
    stage.says("小明的号", "积分")
    assert "小明的号，你有 5 积分" in stage.heard()


def test_the_room_has_the_code_and_telegram_the_button(tg, room):
    stage, group, ming = room
    stage.says("阿强", "签到")
    stage.heard()
    stage.says("阿强", "绑定", private=True)
    code = stage.heard().partition("绑定码：")[2][:8]
    tg.say(group, ming, f"绑定 {code}")
    heard(tg, group, "我已经让它作废")
    stage.says("阿强", "绑定", private=True)
    code = stage.heard().partition("绑定码：")[2][:8]
    private = tg.private(ming)
    tg.say(private, ming, f"绑定 {code}")
    asked = heard(tg, private, "并入 阿强 吗")
    forged = toast(tg, tg.tap(asked, ming, "link yes AAAAAAAA"))
    assert "按钮已经没用了" in forged["text"]
    toast(tg, tg.tap(asked, ming, _button(asked, "是我")))
    done = heard(tg, private, "🎉 绑好了！现在两边都是 阿强", edit=True)
    assert (done.message_id, done.markup) == (asked.message_id, None)
