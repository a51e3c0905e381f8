"""Invitations in Telegram with the real process: deep links, own links, what is not told."""

import re

import pytest
from sqlalchemy import text

from storage.db import open_engine
from tests.platforms.fake_telegram import FakeTelegram
from tests.stories.process import running
from tests.stories.test_telegram_story import all_done, heard

LINK = re.compile(r"https://t\.me/(\w+)\?start=(ref_[a-z0-9]{10})")


@pytest.fixture(scope="module")
def tg():
    with FakeTelegram() as fake:
        yield fake
        assert fake.violations == []


@pytest.fixture(scope="module")
def bot(tg, sqlite_template, tmp_path_factory):
    with running(tg, tmp_path_factory.mktemp("invites"), sqlite_template) as process:
        yield process


@pytest.fixture
def group(tg, bot):  # noqa: ARG001 - it runs
    """A group in which the bot may make links; its points are its own."""
    return tg.group("露营群", bot="administrator")


def member(tg, place, name):
    who = tg.user(name)
    tg.say(place, who, "签到")
    heard(tg, place, f"{name} 签到成功")
    return who


def link_of(tg, who):
    """Let somebody ask for his link; return the payload of his deep link."""
    chat = tg.private(who)
    tg.say(chat, who, "邀请")
    page = heard(tg, chat, "的邀请")
    found = LINK.search(page.text)
    assert found, page.text
    assert found[1] == tg.me["username"]
    (button,) = page.buttons
    assert button["url"] == found[0]
    return found[2]


def states(bot, who):
    return [
        row for (row,) in bot._read(f"SELECT state FROM referral WHERE user_id = '{who['id']}'")
    ]


def known(bot, url):
    return bot._read(f"SELECT 1 FROM invite_link WHERE url = '{url}'")


def own_link(tg, group):
    """Wait for the link that the bot has made into a group."""

    def made():
        calls = [call for call in tg.calls if call.method == "createChatInviteLink"]
        ours = [call for call in calls if call.params["chat_id"] == group["id"]]
        return [call.answer["result"]["invite_link"] for call in ours if call.answer]

    tg.wait_until(made, 10)
    all_done(tg)
    return made()[-1]


def test_a_friend_follows_the_deep_link_and_comes(tg, bot, group):
    ming, hong = member(tg, group, "小明"), tg.user("小红")
    payload = link_of(tg, ming)
    url = own_link(tg, group)
    tg.wait_until(lambda: known(bot, url), 10)
    chat = tg.private(hong)
    tg.say(chat, hong, f"/start {payload}")
    hello = heard(tg, chat, "小明 邀请你来")
    assert [(b["text"], b["url"]) for b in hello.buttons] == [("露营群", url)]
    assert states(bot, hong) == ["clicked"]
    bot.kill()  # between the click and the coming
    bot.start().is_ready()
    tg.join(group, hong)  # by a way of which Telegram says nothing
    all_done(tg)
    tg.wait_until(lambda: states(bot, hong) == ["pending"], 10)


def test_who_comes_by_a_members_own_link(tg, bot, group):
    ming, jie = member(tg, group, "小明二"), tg.user("阿杰")
    link_of(tg, ming)
    url = own_link(tg, group)
    tg.wait_until(lambda: known(bot, url), 10)
    tg.join(group, jie, invite_link=url)
    all_done(tg)
    tg.wait_until(lambda: states(bot, jie) == ["pending"], 10)
    (row,) = bot._read(f"SELECT way FROM referral WHERE user_id = '{jie['id']}'")
    assert row[0] == "link"


def test_the_link_of_another_administrator_is_nobodys(tg, bot, group):
    admin = member(tg, group, "小刚")
    tg.set_status(group, admin, "administrator", can_invite_users=True)
    who = tg.user("路人")
    tg.join(group, who, invite_link=tg.foreign_link(group, admin))
    all_done(tg)
    tg.say(group, who, "签到")
    heard(tg, group, "路人 签到成功")
    assert states(bot, who) == []


def test_who_is_put_in_by_a_member_is_noted_alone(tg, bot, group):
    ming, who = member(tg, group, "小明三"), tg.user("被拉的")
    tg.join(group, who, by=ming)
    all_done(tg)
    tg.wait_until(lambda: states(bot, who) == ["added"], 10)


def test_in_a_public_group_the_click_before_it_tells(tg, bot):
    place = tg.group("公开群", bot="administrator", username="gongkai")
    ming, who = member(tg, place, "小明四"), tg.user("小兰")
    payload, url = link_of(tg, ming), own_link(tg, place)
    tg.join(place, tg.user("不明"), invite_link=url)  # the server does not say by which link
    tg.say(tg.private(who), who, f"/start {payload}")
    heard(tg, tg.private(who), "小明四 邀请你来")
    tg.join(place, who, invite_link=url)
    all_done(tg)
    tg.wait_until(lambda: states(bot, who) == ["pending"], 10)
    assert len(bot._read("SELECT 1 FROM referral r WHERE r.user_id = '不明'")) == 0


def test_who_has_left_and_comes_by_the_link_again_is_no_new_friend(tg, bot, group):
    ming, who = member(tg, group, "小明五"), member(tg, group, "老友")
    link_of(tg, ming)
    url = own_link(tg, group)
    tg.wait_until(lambda: known(bot, url), 10)
    tg.leave(group, who)
    all_done(tg)
    engine_change(bot, "UPDATE member SET created_ms = created_ms - 86400000")
    tg.join(group, who, invite_link=url)
    all_done(tg)
    tg.wait_until(lambda: states(bot, who) == ["rejected"], 10)


def engine_change(bot, statement):
    engine = open_engine(bot.database_url)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def test_where_it_may_make_no_links_a_friend_is_told_whom_to_ask(tg, bot):
    place = tg.group("二群")
    ming, who = tg.user("小明六"), tg.user("小梅")
    tg.say(place, ming, "/checkin")
    heard(tg, place, "小明六 签到成功")
    payload = link_of(tg, ming)
    tg.say(tg.private(who), who, f"/start {payload}")
    hello = heard(tg, tg.private(who), "进群的链接请找 小明六 要")
    assert hello.buttons == []
    tg.say(place, who, "/checkin")  # privacy mode: nobody has told of his coming
    heard(tg, place, "小梅 签到成功")
    assert states(bot, who) == ["pending"]
