"""Gifts in Telegram with the real process: by reply and by mention, pressed, forged, too late."""

import pytest
from sqlalchemy import text

from storage.db import open_engine
from tests.platforms.fake_telegram import FakeTelegram
from tests.stories.process import running
from tests.stories.test_telegram_story import all_done, heard, said_in, toast

with_bot = pytest.mark.usefixtures("bot")


@pytest.fixture(scope="module")
def tg():
    with FakeTelegram() as fake:
        yield fake
        assert fake.violations == []


@pytest.fixture(scope="module")
def bot(tg, sqlite_template, tmp_path_factory):
    with running(tg, tmp_path_factory.mktemp("gifts"), sqlite_template) as process:
        yield process


def _change(bot, statement):
    """Let time have passed."""
    engine = open_engine(bot.database_url)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


@pytest.fixture
def people(tg, bot):
    """A group with two members of a month, who have five points each."""
    group = tg.group("露营群", bot="administrator")
    ming, hong = tg.user("小明"), tg.user("小红")
    for who in (ming, hong):
        tg.say(group, who, "签到")
        heard(tg, group, f"{who['first_name']} 签到成功")
    all_done(tg)
    _change(bot, "UPDATE member SET created_ms = created_ms - 2592000000")
    return group, ming, hong


def _button(sent, label):
    rows = sent.markup["inline_keyboard"]
    return next(b["callback_data"] for row in rows for b in row if label in b["text"])


@with_bot
def test_a_gift_by_reply_is_accepted_by_its_receiver_alone(tg, people):
    group, ming, hong = people
    said = tg.say(group, hong, "今天的鱼很新鲜")
    asked = tg.say(group, ming, "赠送 3 谢谢", reply_to=said)
    offer = heard(tg, group, "小明 想送给 小红 3 积分")
    assert offer.reply_to == asked["message"]["message_id"]
    yes, back = _button(offer, "收下"), _button(offer, "收回")
    before = len(said_in(tg, group))
    for who, data, told in (
        (ming, yes, "这份是给 小红 的"),
        (tg.user("路人"), yes, "这份是给 小红 的"),
        (hong, back, "只有 小明 能收回"),
        (hong, "gift yes 1", "已经不在了"),
    ):
        assert told in toast(tg, tg.tap(offer, who, data))["text"]
    assert len(said_in(tg, group)) == before
    assert "text" not in toast(tg, tg.tap(offer, hong, yes))
    done = heard(tg, group, "小红 收下了 小明 送的 3 积分", edit=True)
    assert (done.message_id, done.markup) == (offer.message_id, None)
    tg.say(group, hong, "明细 1")
    assert "+3  小明 送的" in heard(tg, group, "明细").text


@with_bot
def test_a_mention_says_who_is_meant_and_a_username_does_not(tg, people):
    group, ming, hong = people
    entity = {"type": "text_mention", "offset": 3, "length": 2, "user": hong}
    tg.say(group, ming, "赠送 红红 2", entities=[entity])
    heard(tg, group, "小明 想送给 小红 2 积分")
    tg.say(group, ming, "赠送 @xiaohong 2")
    heard(tg, group, "我认不出 ＠xiaohong 是谁：请回复")
    tg.say(group, ming, "赠送 小红 2")
    heard(tg, group, "小明 想送给 小红 2 积分")


def test_what_is_too_late_goes_back(tg, bot, people):
    group, ming, hong = people
    tg.say(group, ming, "赠送 小红 3")
    offer = heard(tg, group, "小明 想送给 小红 3 积分")
    for table in ("gift", "hold"):
        _change(bot, f"UPDATE {table} SET due_ms = due_ms - 86400000")
    toast(tg, tg.tap(offer, hong, _button(offer, "收下")))
    late = heard(tg, group, "过了时间，已经原样退回", edit=True)
    assert late.message_id == offer.message_id
    tg.say(group, ming, "积分")
    heard(tg, group, "小明，你有 5 积分")


@with_bot
def test_a_reply_to_the_bot_gives_it_nothing(tg, people):
    group, ming, _ = people
    ours = heard(tg, group, "小明 签到成功")
    tg.say(group, ming, "赠送 3", reply_to=ours.message_id)
    heard(tg, group, "机器人不攒积分")
