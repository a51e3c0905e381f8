"""Pictures in Telegram with the real process: shown, turned, forbidden, and after a restart."""

import pytest

from tests.platforms.fake_telegram import FakeTelegram
from tests.stories.process import running

HEARD_S = 20.0


@pytest.fixture(scope="module")
def tg():
    with FakeTelegram(privacy=False) as fake:
        yield fake
        assert fake.violations == []


@pytest.fixture(scope="module")
def bot(tg, sqlite_template, tmp_path_factory):
    with running(tg, tmp_path_factory.mktemp("pictures"), sqlite_template) as process:
        yield process


def sent(tg, chat, method, words=""):
    return tg.wait_for(
        lambda each: each.chat_id == chat["id"] and each.method == method and words in each.text,
        HEARD_S,
    )


@pytest.mark.usefixtures("bot")
def test_a_card_and_a_calendar_are_photos_with_words_and_buttons(tg):
    group, ming = tg.group("群"), tg.user("小明🌱")
    tg.say(group, ming, "签到")
    said = tg.say(group, ming, "日历")
    calendar = sent(tg, group, "sendPhoto", "📅 小明🌱")
    assert calendar.reply_to == said["message"]["message_id"]
    assert [button["text"] for button in calendar.buttons] == ["补签", "名片"]
    tg.tap(calendar, ming, "me")
    card = sent(tg, group, "sendPhoto", "🪪 小明🌱")
    assert {size["width"] for size in card.message["photo"]} == {320, 1080}


@pytest.mark.usefixtures("bot")
def test_where_photos_are_forbidden_the_words_come(tg):
    group, ming = tg.group("群"), tg.user("小明")
    tg.set_bot_status(group, "restricted", can_send_messages=True, can_send_photos=False)
    tg.say(group, ming, "名片")
    assert sent(tg, group, "sendMessage", "🪪 小明").buttons


def test_after_a_restart_it_is_uploaded_again(tg, bot):
    group, hong = tg.group("群"), tg.user("小红")
    tg.say(group, hong, "名片")
    first = sent(tg, group, "sendPhoto", "🪪 小红")
    before = len(tg.uploads)
    bot.kill()
    tg.say(group, hong, "/me")
    bot.start().is_ready()
    tg.wait_until(lambda: len(tg.uploads) > before, HEARD_S)
    assert tg.uploads[-1].content == tg.uploads[before - 1].content
    assert first.message["photo"][-1]["width"] == 1080
