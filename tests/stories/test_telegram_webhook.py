"""Telegram posts its updates instead of being polled: the real process behind its webhook."""

import concurrent.futures
import contextlib
import http.client
import json
import time

import httpx
import pytest

from tests.platforms.fake_telegram import FakeTelegram
from tests.stories.process import START_S, BotProcess, forget_cut_requests, running

SECRET = "a-Secret_of-the_hook"
HEADER = "X-Telegram-Bot-Api-Secret-Token"
SECRETLY = {HEADER: SECRET}
WEBHOOK = {
    "QUNYING_TELEGRAM_MODE": "webhook",
    "QUNYING_PUBLIC_URL": "https://bot.example.com",
    "QUNYING_TELEGRAM_WEBHOOK_SECRET": SECRET,
}


class Poster:
    """Posts to the bot's port what the fake has queued, as Telegram would."""

    def __init__(self, bot):
        self.bot = bot
        apart = httpx.Limits(max_keepalive_connections=0)  # a refusal may cost the connection
        self.client = httpx.Client(base_url=bot.url, trust_env=False, timeout=15, limits=apart)

    def post(self, body, secret=SECRET, timeout_s=15):
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {HEADER: secret} if secret is not None else {}
        return self.client.post(
            "/telegram/webhook", content=content, headers=headers, timeout=timeout_s
        )


@pytest.fixture(scope="module")
def tg():
    with FakeTelegram(privacy=False) as fake:
        fake.queue.allowed = ["message"]
        yield fake
        forget_cut_requests(fake)
        assert fake.violations == []


@pytest.fixture(scope="module")
def bot(tg, sqlite_template, tmp_path_factory):
    folder = tmp_path_factory.mktemp("webhook")
    with running(tg, folder, sqlite_template, always=WEBHOOK, QUNYING_LOG_LEVEL="debug") as process:
        tg.wait_until(lambda: any(call.method == "setWebhook" for call in tg.calls), START_S)
        yield process


@pytest.fixture(scope="module")
def hook(bot):
    poster = Poster(bot)
    yield poster
    poster.client.close()


@pytest.fixture
def group(tg):
    return tg.group("露营群")


def checkin(tg, group, name="小明"):
    person = tg.user(name)
    return person, tg.say(group, person, "签到")


def test_telegram_is_told_where_with_the_secret_and_every_kind(tg, bot):
    (call,) = [call for call in tg.calls if call.method == "setWebhook"]
    assert call.status == 200
    assert call.params["url"] == "https://bot.example.com/telegram/webhook"
    assert call.params["secret_token"] == SECRET
    wanted = {"message", "callback_query", "chat_member", "my_chat_member", "message_reaction"}
    assert set(call.params["allowed_updates"]) >= wanted
    assert not any(call.method == "getUpdates" for call in tg.calls)
    assert bot.process.poll() is None


@pytest.mark.parametrize("secret", [None, "", "wrong", SECRET[:-1], SECRET + "x", SECRET.lower()])
def test_without_the_secret_nothing_is_taken(tg, bot, hook, group, secret):
    person, update = checkin(tg, group)
    assert hook.post(update, secret).status_code == 403
    assert str(person["id"]) not in bot.balances()


def test_a_secret_that_is_no_ascii_is_wrong_too(bot):
    connection = http.client.HTTPConnection("127.0.0.1", bot.port, timeout=5)
    odd = b"\xe7\xad\xbe".decode("latin1")
    connection.request("POST", "/telegram/webhook", b"{}", {HEADER: odd})
    with contextlib.closing(connection), connection.getresponse() as response:
        assert response.read()
        assert response.status == 403


def test_an_update_is_durable_when_it_is_answered_200(tg, bot, hook, group):
    person, update = checkin(tg, group)
    assert hook.post(update).status_code == 200
    assert bot.balances()[str(person["id"])] == 5
    tg.wait_for(lambda sent: sent.chat_id == group["id"] and "签到成功" in sent.text, 15)


def test_duplicates_are_answered_200_and_count_once(tg, bot, hook, group):
    person, update = checkin(tg, group)
    assert [hook.post(update).status_code for _ in range(3)] == [200] * 3
    assert bot.balances()[str(person["id"])] == 5
    tg.wait_for(lambda sent: sent.chat_id == group["id"], 15)
    _, update = checkin(tg, group, "小红")
    hook.post(update)
    tg.wait_for(lambda sent: sent.chat_id == group["id"] and "小红" in sent.text, 15)
    assert sum("小明" in sent.text for sent in tg.sent if sent.chat_id == group["id"]) == 1


@pytest.mark.parametrize(
    "update",
    [
        {"update_id": 5, "hologram": {}},
        {"update_id": 5},
        {"update_id": 5, "message": {"message_id": "x"}},
        {},
        [],
        None,
        "签到",
    ],
)
def test_what_means_nothing_is_taken_once_and_for_all(bot, hook, update):
    assert hook.post(update).status_code == 200
    assert bot.process.poll() is None


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", "签到".encode("gbk")])
def test_what_is_no_json_is_refused(hook, body):
    assert hook.post(body).status_code == 400


def test_a_body_that_is_too_large_is_refused(hook):
    assert hook.post(b'"' + b"x" * 1_100_000 + b'"').status_code == 413


def test_words_with_half_a_character_stop_nobody(tg, bot, hook, group):
    """Valid JSON can hold one half of a surrogate pair, which no database takes."""
    half = "\ud83d"
    who = {"id": 71, "is_bot": False, "first_name": f"半{half}"}
    for number, (title, text) in enumerate([("群", f"签到{half}"), (f"群{half}", "签到")]):
        chat = {"id": -100777 - number, "type": "supergroup", "title": title}
        body = {"message_id": 5, "date": int(time.time()), "chat": chat, "from": who, "text": text}
        with contextlib.suppress(httpx.TimeoutException):
            hook.post({"update_id": 600 + number, "message": body}, timeout_s=3)
    person, update = checkin(tg, group)
    assert hook.post(update, timeout_s=5).status_code == 200
    assert bot.balances()[str(person["id"])] == 5


def test_json_nested_deeper_than_anything_is_refused_and_no_crash(hook):
    assert hook.post(b"[" * 200_000).status_code == 400


def test_other_methods_are_not_allowed(hook):
    assert hook.client.get("/telegram/webhook").status_code == 405


def test_many_at_once_are_all_taken(tg, bot, hook):
    groups = [tg.group(f"群{n}") for n in range(10)]
    made = [checkin(tg, groups[n % 10], f"成员{n}") for n in range(80)]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(hook.post, [update for _, update in made]))
    assert {response.status_code for response in statuses} == {200}
    balances = bot.balances()
    assert {balances.get(str(person["id"])) for person, _ in made} == {5}


def test_points_are_there_after_kill_9_right_after_the_200(tg, bot, hook, group):
    for number in range(2):
        person, update = checkin(tg, group, f"急{number}")
        assert hook.post(update).status_code == 200
        bot.kill()
        assert bot.balances()[str(person["id"])] == 5
        bot.start(QUNYING_LOG_LEVEL="debug").is_ready()
        tg.wait_for(lambda sent, n=number: f"急{n} 签到成功" in sent.text, START_S)


def test_the_webhooks_bot_ends_cleanly_and_gave_no_secret_away(tg, bot):
    """Stands last: the bot of this file stops here."""
    assert bot.terminate() == 0
    assert bot.faults() == []
    assert SECRET not in bot.all_logs
    assert tg.token.partition(":")[2] not in bot.all_logs
    assert "Traceback" not in bot.log
    assert bot.errors() == []


def is_set(tg):
    return any(call.method == "setWebhook" and call.status == 200 for call in list(tg.calls))


def test_a_start_outlives_a_refused_webhook_and_updates_before_it_is_ready(tmp_path, sqlite_url):
    with FakeTelegram(privacy=False) as tg:
        bot = BotProcess(tg, tmp_path / "bot", sqlite_url)
        bot.settings |= WEBHOOK
        tg.fail_next("getMe", 502, n=2)
        tg.fail_next("setWebhook", 429, retry_after=1)
        try:
            bot.start().is_ready()
            with contextlib.closing(Poster(bot).client) as client:
                early = client.post("/telegram/webhook", json={"update_id": 5}, headers=SECRETLY)
                tg.wait_until(lambda: is_set(tg), 10)
                late = client.post("/telegram/webhook", json={"update_id": 5}, headers=SECRETLY)
            assert (early.status_code, late.status_code) == (503, 200)  # Telegram tries again
            assert bot.terminate() == 0
            assert "Traceback" not in bot.log
        finally:
            bot.kill()


def test_an_address_that_telegram_would_refuse_is_refused_at_once(tmp_path, sqlite_url):
    with FakeTelegram() as tg:
        bot = BotProcess(tg, tmp_path / "bot", sqlite_url)
        bot.settings |= WEBHOOK
        bot.start(QUNYING_PUBLIC_URL="http://bot.example.com")
        assert bot.ends(START_S) == 2
        assert "must begin with https://" in bot.log
        assert SECRET not in bot.log
        assert tg.calls == []
