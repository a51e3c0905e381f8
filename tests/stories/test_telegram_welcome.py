"""Newcomers in Telegram with the real process: greeted, quiet, asked, let in; a raid; no rights."""

import time
from datetime import UTC, datetime

import pytest

from storage import rulebooks
from storage.db import Tx, open_engine
from storage.programmes import MAIN
from tests.platforms.fake_telegram import FakeTelegram
from tests.stories.process import running
from tests.stories.test_telegram_story import all_done, heard, said_in, toast

SUM = 'version = 1\n[welcome]\nverify = "sum"\nquiet = true\nrequests = "ask"\nbundle_s = 10\n'
with_bot = pytest.mark.usefixtures("bot")
RAID = "version = 1\n[welcome]\nbundle_s = 10\n"


@pytest.fixture(scope="module")
def tg():
    with FakeTelegram() as fake:
        yield fake
        assert fake.violations == []


@pytest.fixture(scope="module")
def owner(tg):
    return tg.user("老板", language_code="zh-hans")


@pytest.fixture(scope="module")
def bot(tg, owner, sqlite_template, tmp_path_factory):
    owners = {"QUNYING_OWNERS": f"telegram:{owner['id']}"}
    folder = tmp_path_factory.mktemp("welcome")
    with running(tg, folder, sqlite_template, always=owners) as process:
        tg.say(tg.private(owner), owner, "/start")
        heard(tg, tg.private(owner), "先加入")
        publish(process, SUM)
        yield process


def publish(bot, document):
    engine = open_engine(bot.database_url)
    now = datetime.now(UTC)
    with engine.connect() as connection, connection.begin():
        tx = Tx(connection)
        rulebooks.publish(
            tx, MAIN, document, author="老板", note="试", effective=now, now=now, force="测试"
        )
        tx.close()
    engine.dispose()


@pytest.fixture
def group(tg, owner):
    """A group of the owner's, where the bot may let people in and restrict them."""
    made = tg.group("露营群", bot="administrator", owner=owner, added_by=owner)
    heard(tg, made, "大家好，我是群营")
    return made


def _buttons(sent):
    return [button for row in sent.markup["inline_keyboard"] for button in row]


def _right(sent):
    """Return what the right button holds, as a person finds it."""
    line = next(line for line in sent.text.splitlines() if "= ?" in line)
    one, two = line.split("：")[-1].removesuffix(" = ?").split(" + ")
    wanted = str(int(one) + int(two))
    return next(b["callback_data"] for b in _buttons(sent) if b["text"] == wanted)


def _may_speak(tg, group, who):
    return tg.member(tg.chat(group), who["id"]).get("can_send_messages", True)


def test_a_newcomer_is_greeted_once_is_quiet_and_asked_and_a_restart_changes_nothing(
    tg, bot, group
):
    ming, hong = tg.user("小明"), tg.user("小红")
    tg.join(group, ming)  # two updates
    hello = heard(tg, group, "欢迎 小明 来到露营群")
    tg.wait_until(lambda: not _may_speak(tg, group, ming))
    assert "点一下「验证」" in hello.text
    assert "每天签到得 5 积分" in toast(tg, tg.tap(hello, ming, "rules mine"))["text"]
    toast(tg, tg.tap(hello, ming, "verify"))
    asked = heard(tg, group, "小明：")
    tg.join(group, hong)
    all_done(tg)
    assert bot.terminate() == 0
    right = _right(asked)
    bot.start().is_ready()
    assert "不是给你的" in toast(tg, tg.tap(asked, hong, right))["text"]
    forged = "verify 0 " + right.split()[-1]
    assert "已经过去了" in toast(tg, tg.tap(asked, ming, forged))["text"]
    toast(tg, tg.tap(asked, ming, right))
    done = heard(tg, group, "小明 验证好了", edit=True)
    assert done.message_id == asked.message_id
    tg.wait_until(lambda: _may_speak(tg, group, ming))
    assert not _may_speak(tg, group, hong)
    toast(tg, tg.tap(done, ming, "checkin"))
    assert "先验证一下" in toast(tg, tg.tap(hello, hong, "checkin"))["text"]
    tg.wait_for(lambda s: s.chat_id == group["id"] and "欢迎 小红 来到" in s.text, 30)
    assert sum("欢迎 小明" in sent.text for sent in said_in(tg, group)) == 1
    assert bot.balances()[str(ming["id"])] == 5
    assert bot.balances()[str(hong["id"])] == 0


@with_bot
def test_who_asks_to_join_answers_in_private_and_is_let_in(tg, group):
    ming = tg.user("小明", language_code="zh-hans")
    tg.request_join(group, ming)
    asked = heard(tg, tg.private(ming), "你想加入露营群，先答一道题")
    wrong = next(b["callback_data"] for b in _buttons(asked) if b["callback_data"] != _right(asked))
    toast(tg, tg.tap(asked, ming, wrong))
    again = heard(tg, tg.private(ming), "不对哦，还有 2 次", edit=True)
    assert tg.member(tg.chat(group), ming["id"])["status"] == "left"
    toast(tg, tg.tap(again, ming, _right(again)))
    heard(tg, tg.private(ming), "这就请你进露营群", edit=True)
    tg.wait_until(lambda: tg.member(tg.chat(group), ming["id"])["status"] == "member")
    assert "验证" not in heard(tg, group, "欢迎 小明 来到").text
    tg.say(group, ming, "签到")
    heard(tg, group, "小明 签到成功")


@with_bot
def test_without_the_right_the_owner_is_told_once(tg, owner):
    group = tg.group("无权群", bot="member", owner=owner, added_by=owner)
    heard(tg, group, "大家好，我是群营")
    for name in ("小明", "小红"):
        tg.join(group, tg.user(name))
    heard(tg, tg.private(owner), "⚠️ 无权群：有件事平台不让我做")
    all_done(tg)
    time.sleep(1)
    told = [sent for sent in said_in(tg, tg.private(owner)) if "无权群" in sent.text]
    assert len(told) == 1


def test_a_raid_of_a_thousand_costs_one_message_and_the_bot_still_answers(tg, bot, owner, group):
    publish(bot, RAID)
    before = len(said_in(tg, group))
    for number in range(1_000):
        tg.join(group, tg.user(f"客{number}"))
    tg.wait_until(lambda: not tg.queue.entries, 60)
    heard(tg, tg.private(owner), "露营群：60 秒里来了不止 10 位")
    time.sleep(16)  # the clock has come round
    assert len(said_in(tg, group)) - before == 1
    tg.say(group, owner, "签到")
    heard(tg, group, "老板 签到成功")
