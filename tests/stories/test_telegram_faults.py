"""Telegram fails in every way it knows while the real process is at work."""

import re
import socket
import time
from itertools import groupby

import httpx
import pytest

from tests.platforms.fake_telegram import TOKEN, FakeTelegram
from tests.stories.process import START_S, BotProcess, eventually, free_port, running

HEARD_S = 20.0
with_bot = pytest.mark.usefixtures("bot")
FAULTS = [500, "garbage", "hang", "drop"]


@pytest.fixture(scope="module")
def tg():
    with FakeTelegram(privacy=False) as fake:
        yield fake
        assert fake.violations == []


@pytest.fixture(scope="module")
def bot(tg, sqlite_template, tmp_path_factory):
    """One bot for all faults, with little patience, so that a hang costs seconds."""
    folder = tmp_path_factory.mktemp("faults")
    with running(tg, folder, sqlite_template, impatient=True, QUNYING_LOG_LEVEL="debug") as process:
        yield process


@pytest.fixture(autouse=True)
def _healed(request):
    """Faults that a test did not use up must not spoil the next one."""
    yield
    if "tg" in request.fixturenames:
        request.getfixturevalue("tg")._faults.clear()


def said(tg, chat, words=""):
    return [
        sent
        for sent in list(tg.sent)
        if sent.chat_id == chat["id"] and words in sent.text and not sent.is_edit
    ]


def heard(tg, chat, words, timeout=HEARD_S):
    tg.wait_until(lambda: said(tg, chat, words), timeout)
    return said(tg, chat, words)[0]


def answered(tg, tap):
    number = tap["callback_query"]["id"]
    tg.wait_until(lambda: number in tg.answers, HEARD_S)
    return tg.answers[number].get("text", "")


def calls(tg, method, chat=None):
    return [
        call
        for call in list(tg.calls)
        if call.method == method
        and (not chat or str(call.params.get("chat_id")) == str(chat["id"]))
    ]


# -- one call fails ----------------------


@with_bot
@pytest.mark.parametrize("after_effect", [False, True])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_failing_send_pays_once_and_says_it_at_most_twice(tg, bot, fault, after_effect):
    group, ming = tg.group("群"), tg.user("小明")
    tg.fail_next("sendMessage", fault, after_effect=after_effect)
    tg.say(group, ming, "签到")
    tg.wait_until(lambda: len(calls(tg, "sendMessage", group)) >= 2, HEARD_S)
    heard(tg, group, "小明 签到成功")
    assert len(said(tg, group, "签到成功")) <= 2
    tg.say(group, ming, "积分")
    heard(tg, group, "你有 5 积分")
    assert bot.balances()[str(ming["id"])] == 5


@with_bot
@pytest.mark.parametrize("after_effect", [False, True])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_failing_answer_to_a_tap_pays_once_and_is_given(tg, bot, fault, after_effect):
    group, ming = tg.group("群"), tg.user("小明")
    tg.say(group, tg.user("小红"), "签到")
    sent = heard(tg, group, "签到成功")
    tg.fail_next("answerCallbackQuery", fault, after_effect=after_effect)
    tap = tg.tap(sent, ming, "checkin")
    assert "小明 签到成功" in answered(tg, tap)
    assert bot.balances()[str(ming["id"])] == 5


@with_bot
@pytest.mark.parametrize("after_effect", [False, True])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_failing_edit_is_made_good(tg, fault, after_effect):
    group, ming = tg.group("群"), tg.user("小明")
    tg.say(group, ming, "排行")
    board = heard(tg, group, "本周积分榜")
    tg.fail_next("editMessageText", fault, after_effect=after_effect)
    tg.tap(board, ming, "top day here")
    tg.wait_until(
        lambda: any(s.is_edit and s.chat_id == group["id"] for s in list(tg.sent)), HEARD_S
    )
    assert said(tg, group, "今日积分榜") == []


@with_bot
@pytest.mark.parametrize("fault", FAULTS)
def test_failing_polls_lose_and_double_nothing(tg, bot, fault):
    group, ming = tg.group("群"), tg.user("小明")
    tg.fail_next("getUpdates", fault, after_effect=True)  # the batch was on its way
    tg.say(group, ming, "签到")
    heard(tg, group, "小明 签到成功")
    tg.wait_until(lambda: not tg.queue.entries, HEARD_S)
    assert len(said(tg, group)) == 1
    assert bot.balances()[str(ming["id"])] == 5


@with_bot
def test_a_short_outage_of_telegrams_front_loses_no_answer(tg):
    group = tg.group("群")
    tg.fail_next("sendMessage", 502, n=3)
    tg.say(group, tg.user("小明"), "签到")
    heard(tg, group, "小明 签到成功")


# -- too much ----------------------


@with_bot
def test_429_for_one_chat_holds_up_no_other(tg):
    slow, quick = tg.group("慢群"), tg.group("快群")
    tg.fail_next("sendMessage", 429, retry_after=6)
    tg.say(slow, tg.user("小明"), "签到")
    tg.wait_until(lambda: calls(tg, "sendMessage", slow), HEARD_S)
    refused = calls(tg, "sendMessage", slow)[0]
    tg.say(quick, tg.user("小红"), "签到")
    other = heard(tg, quick, "签到成功")
    first = heard(tg, slow, "小明 签到成功")
    assert other.time < first.time
    assert first.time - refused.time >= 5.9


@with_bot
def test_429_for_a_poll_is_waited_out(tg):
    group = tg.group("群")
    tg.fail_next("getUpdates", 429, retry_after=1)
    tg.say(group, tg.user("小明"), "签到")
    heard(tg, group, "签到成功")


@with_bot
def test_a_burst_over_the_groups_budget_becomes_few_messages(tg, bot):
    group = tg.group("大群")
    people = [tg.user(f"成员{n:03}") for n in range(60)]
    for person in people:
        tg.say(group, person, "签到")
    tg.wait_until(lambda: sum(sent.text.count("签到成功") for sent in said(tg, group)) >= 60, 45)
    assert all(len([s for s in said(tg, group) if p["first_name"] in s.text]) == 1 for p in people)
    assert len(said(tg, group)) <= 9
    assert [call.status for call in calls(tg, "sendMessage", group) if call.status != 200] == []
    assert bot.faults() == []


# -- chats that are gone, moved, or not changed ----------------------


@with_bot
def test_a_group_that_threw_the_bot_out_stops_nobody(tg, bot):
    gone, here = tg.group("走群"), tg.group("在群")
    tg.fail_next("sendMessage", 429, retry_after=1)
    tg.say(gone, tg.user("小明"), "签到")
    tg.wait_until(lambda: calls(tg, "sendMessage", gone), HEARD_S)
    tg.set_bot_status(gone, "kicked")
    tg.say(here, tg.user("小红"), "签到")
    heard(tg, here, "签到成功")
    tg.wait_until(lambda: calls(tg, "sendMessage", gone)[-1].status == 403, HEARD_S)
    assert len(calls(tg, "sendMessage", gone)) == 2
    eventually(lambda: "kicked" in bot.log)


@with_bot
def test_who_blocked_the_bot_is_left_alone(tg):
    ming = tg.user("小明")
    private = tg.private(ming)
    tg.fail_next("sendMessage", 429, retry_after=1)
    tg.say(private, ming, "/start")
    tg.wait_until(lambda: calls(tg, "sendMessage", private), HEARD_S)
    tg.block(ming)
    tg.wait_until(lambda: calls(tg, "sendMessage", private)[-1].status == 403, HEARD_S)
    time.sleep(1.5)
    assert len(calls(tg, "sendMessage", private)) == 2


@with_bot
def test_what_waits_for_a_group_follows_it_into_the_supergroup(tg, bot):
    small = tg.group("小群", supergroup=False)
    people = [tg.user(f"成员{n}") for n in range(3)]
    tg.fail_next("sendMessage", 429, retry_after=6)
    for person in people:
        tg.say(small, person, "签到")
    tg.wait_until(lambda: not tg.queue.entries and calls(tg, "sendMessage", small), HEARD_S)
    large = tg.migrate(small)
    for person in people:
        heard(tg, large, f"{person['first_name']} 签到成功")
    tg.say(large, people[0], "积分")
    heard(tg, large, "你有 5 积分")
    assert bot.balances()[str(people[0]["id"])] == 5


@with_bot
def test_the_refusal_alone_tells_of_a_supergroup_too(tg):
    """Telegram's service messages may come late or never: here the bot does not see them."""
    small, ming = tg.group("小群", supergroup=False), tg.user("小明")
    tg.fail_next("sendMessage", 429, retry_after=2)
    tg.say(small, ming, "签到")
    tg.wait_until(lambda: not tg.queue.entries and calls(tg, "sendMessage", small), HEARD_S)
    with tg.lock:
        large = tg.migrate(small)
        tg.queue.entries.clear()
    heard(tg, large, "小明 签到成功")
    tg.say(large, ming, "积分")
    heard(tg, large, "你有 5 积分")


@with_bot
def test_a_tap_answered_after_150_seconds_troubles_nobody(tg, bot):
    group, ming = tg.group("群"), tg.user("小明")
    tg.say(group, ming, "签到")
    sent = heard(tg, group, "签到成功")
    tg.fail_next("answerCallbackQuery", 429, retry_after=1)
    before = len(calls(tg, "answerCallbackQuery"))
    tg.tap(sent, ming, "points")
    tg.wait_until(lambda: len(calls(tg, "answerCallbackQuery")) == before + 1, HEARD_S)
    tg.fast_forward(151)
    tg.wait_until(lambda: len(calls(tg, "answerCallbackQuery")) == before + 2, HEARD_S)
    assert "too old" in calls(tg, "answerCallbackQuery")[-1].answer["description"]
    assert "小明，你有" not in answered(tg, tg.tap(sent, tg.user("小红"), "points"))
    assert len(calls(tg, "answerCallbackQuery")) == before + 3
    assert "too old" not in bot.log


# -- two pollers, a webhook in the way ----------------------


@with_bot
def test_a_second_poller_is_named_and_outlived(tg, bot):
    group = tg.group("群")
    rival = httpx.Client(base_url=f"{tg.url}/bot{tg.token}", trust_env=False, timeout=10)
    with rival:
        eventually(
            lambda: (
                rival.get("/getUpdates", params={"timeout": 0})
                and "another process polls with this token" in bot.log
            ),
            HEARD_S,
        )
    tg.say(group, tg.user("小明"), "签到")
    heard(tg, group, "签到成功")


@with_bot
def test_a_webhook_that_somebody_set_is_named_as_what_it_is(tg, bot):
    group = tg.group("群")
    with httpx.Client(base_url=f"{tg.url}/bot{tg.token}", trust_env=False) as rival:
        rival.get("/setWebhook", params={"url": f"http://127.0.0.1:{free_port()}/"})
        try:
            eventually(lambda: "webhook" in bot.log.lower(), 4)
        finally:
            rival.get("/deleteWebhook")
    tg.say(group, tg.user("小明"), "签到")
    heard(tg, group, "签到成功")


@with_bot
def test_the_faults_gave_no_secret_away_and_ended_cleanly(tg, bot):
    """Stands last: the bot of this file stops here."""
    assert bot.terminate() == 0
    assert tg.token.partition(":")[2] not in bot.all_logs
    assert "Traceback" not in bot.all_logs
    assert [line for line in bot.errors() if "past the log" in line] == []
    assert bot.faults() == []
    assert tg.violations == []


# -- starts that go wrong ----------------------


@pytest.fixture
def install(tmp_path, sqlite_url):
    """Make installations whose processes end with the test."""
    made = []

    def make(tg, **options):
        made.append(BotProcess(tg, tmp_path / f"bot{len(made)}", sqlite_url, **options))
        return made[-1]

    yield make
    for process in made:
        process.kill()


def test_a_token_that_telegram_does_not_know_ends_it_with_a_clear_word(install):
    with FakeTelegram(privacy=False) as tg:
        bot = install(tg)
        group = tg.group("群")
        bot.start().is_ready()
        tg.fail_next("sendMessage", 429, retry_after=60)
        tg.say(group, tg.user("小明"), "签到")
        tg.wait_until(lambda: calls(tg, "sendMessage"), HEARD_S)
        assert bot.terminate() == 0
        assert said(tg, group) == []
        wrong = TOKEN[:-3] + "xyz"
        bot.start(QUNYING_TELEGRAM_TOKEN=wrong)
        assert bot.ends(START_S) == 1
        assert "QUNYING_TELEGRAM_TOKEN: Telegram does not know this token" in bot.log
        assert "Traceback" not in bot.log
        assert wrong not in bot.all_logs
        # A wrong setting must not cost an answer that waits.
        bot.start().is_ready()
        heard(tg, group, "小明 签到成功", 5)
        assert bot.terminate() == 0


@pytest.mark.parametrize("methods", ["getMe getUpdates", "deleteWebhook", "setMyCommands"])
def test_a_start_outlives_failures_of_its_first_calls(install, methods):
    with FakeTelegram(privacy=False) as tg:
        bot = install(tg)
        group = tg.group("群")
        for method in methods.split():
            tg.fail_next(method, 502)
        tg.say(group, tg.user("小明"), "签到")
        bot.start()
        tg.wait_until(lambda: said(tg, group) or bot.process.poll() is not None, START_S)
        assert bot.process.poll() is None, bot.log[-300:]
        assert "小明 签到成功" in said(tg, group)[0].text
        assert bot.terminate() == 0
        assert "Traceback" not in bot.log


def test_telegram_away_at_the_start_and_in_the_middle(install):
    port = free_port()
    absent = FakeTelegram(port=port, privacy=False)
    bot = install(absent)
    bot.start()
    bot.says("cannot be reached")
    with absent as tg:
        group = tg.group("群")
        tg.say(group, tg.user("小明"), "签到")
        heard(tg, group, "小明 签到成功", START_S)
        tg.close()
        with socket.socket() as nobody:  # the port stays ours, and nobody answers
            nobody.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            nobody.bind(("127.0.0.1", port))
            time.sleep(5)
        assert bot.process.poll() is None
        tg.start()
        tg.say(group, tg.user("小红"), "签到")
        heard(tg, group, "小红 签到成功", START_S)
    assert bot.terminate() == 0
    # Changes alone are told: trouble, an answer, trouble, an answer. (A call of a few may still
    # get through while the port closes, which is a change more.)
    told = re.findall(r"Telegram answers|Telegram: ", bot.log)
    changes = [word for word, _ in groupby(told)]
    assert changes[:4] == ["Telegram: ", "Telegram answers"] * 2
    assert told.count("Telegram answers") == changes.count("Telegram answers")
    assert absent.token.partition(":")[2] not in bot.all_logs
    assert bot.faults() == []
