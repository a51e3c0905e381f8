"""Privacy in Telegram with the real process: choices, a download by a link, leaving for good."""

import io
import json
from zipfile import ZipFile

import httpx
import pytest
from sqlalchemy import text

from storage import clockwork
from storage.db import open_engine
from tests.faults import house
from tests.platforms.fake_telegram import FakeTelegram
from tests.stories.process import running
from tests.stories.test_telegram_gifts import _button
from tests.stories.test_telegram_story import all_done, heard, said_in, toast

WEEK_MS = 7 * 86_400_000


@pytest.fixture(scope="module")
def tg():
    with FakeTelegram() as fake:
        yield fake
        assert fake.violations == []


@pytest.fixture(scope="module")
def bot(tg, sqlite_template, tmp_path_factory):
    folder = tmp_path_factory.mktemp("privacy")
    url = {"QUNYING_PUBLIC_URL": "https://bot.example.com/camp"}
    with running(tg, folder, sqlite_template, always=url) as process:
        yield process
        assert (folder / "secret.key").exists()
        assert (folder / "secret.key").read_text().strip() not in process.log


@pytest.fixture
def group(tg):
    return tg.group("露营群", bot="administrator")


def _rows(bot, statement):
    engine = open_engine(bot.database_url)
    with engine.begin() as connection:
        done = connection.execute(text(statement))
        rows = [tuple(row) for row in done] if done.returns_rows else []
    engine.dispose()
    return rows


def _what_is_due(bot):
    """Do at once what the bot's own clock does within a minute."""
    secret = (bot.folder / "secret.key").read_bytes().strip()
    engine = open_engine(bot.database_url, secret=secret)

    def due(tx):
        for programme in clockwork.with_work(tx, now=house.now()):
            while clockwork.run_programme(tx, programme, now=house.now()):
                pass

    (outcome,) = house.worker(engine).run([due])
    engine.dispose()
    assert outcome.error is None


@pytest.mark.usefixtures("bot")
def test_choices_are_made_in_private_and_seen_in_the_group(tg, group):
    ming, hong = tg.user("小明"), tg.user("小红")
    for who in (ming, hong):
        tg.say(group, who, "签到")
        heard(tg, group, f"{who['first_name']} 签到成功")
    tg.say(group, ming, "隐私")
    assert "小明" not in heard(tg, group, "请私聊我发「隐私」").text
    private = tg.private(ming)
    tg.say(private, ming, "隐私")
    page = heard(tg, private, "你的资料你做主")
    toast(tg, tg.tap(page, ming, _button(page, "私密")))
    changed = heard(tg, private, "不上任何榜", edit=True)
    assert changed.message_id == page.message_id
    tg.say(group, hong, "排行")
    board = heard(tg, group, "本周积分榜").text
    assert "小红" in board
    assert "小明" not in board
    toast(tg, tg.tap(changed, ming, _button(changed, "私信")))
    heard(tg, private, "✅ 私信", edit=True)


def test_a_link_brings_all_that_is_known(tg, bot, group):
    ming = tg.user("小明")
    tg.say(group, ming, "签到")
    heard(tg, group, "签到成功")
    private = tg.private(ming)
    tg.say(private, ming, "隐私 导出")
    told = heard(tg, private, "24 小时内可以下载 3 次").text
    (link,) = [line for line in told.splitlines() if line.startswith("https://")]
    path = link.removeprefix("https://bot.example.com/camp")
    assert httpx.get(bot.url + path).status_code == 200
    assert httpx.get(bot.url + path[:-1] + "x").status_code == 404
    answers = [httpx.post(bot.url + path, timeout=30) for _ in range(4)]
    assert [each.status_code for each in answers] == [200, 200, 200, 410]
    with ZipFile(io.BytesIO(answers[0].content)) as archive:
        (row,) = json.loads(archive.read("identity.json"))
        assert row["user_id"] == f"{ming['id']}"
        assert json.loads(archive.read("checkin.json"))


def test_who_wants_to_go_is_asked_twice_and_gone_after_a_week(tg, bot, group):
    ming = tg.user("小明")
    tg.say(group, ming, "签到")
    heard(tg, group, "签到成功")
    private = tg.private(ming)
    tg.say(private, ming, "隐私 删除")
    first = heard(tg, private, "会消失")
    forged = _button(first, "继续").replace("sure ", "") + " yes"  # the second question's
    toast(tg, tg.tap(first, ming, forged))
    all_done(tg)
    assert _rows(bot, "SELECT 1 FROM member WHERE erase_ms IS NOT NULL") == []
    toast(tg, tg.tap(first, ming, _button(first, "继续")))
    second = heard(tg, private, "最后确认", edit=True)
    toast(tg, tg.tap(second, ming, _button(second, "确定")))
    heard(tg, private, "记下了", edit=True)
    tg.say(group, ming, "签到")
    heard(tg, group, "想留下就发「隐私 取消删除」")
    all_done(tg)
    _rows(bot, f"UPDATE member SET erase_ms = erase_ms - {WEEK_MS} WHERE erase_ms IS NOT NULL")
    _what_is_due(bot)
    tg.say(private, ming, "隐私")
    heard(tg, private, "我这里没有你的资料")
    tg.say(group, ming, "签到")

    def first_days():
        return [sent for sent in said_in(tg, group) if "连续 1 天" in sent.text]

    tg.wait_until(lambda: len(first_days()) == 2, 15)  # as a new member
    all_done(tg)
    assert bot.faults() == []
