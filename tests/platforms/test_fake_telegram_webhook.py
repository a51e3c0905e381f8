"""The fake Telegram: posting updates to a webhook."""

import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.platforms.fake_telegram import FakeTelegram
from tests.platforms.telegram_calls import calling

WEBHOOK_ACTIVE = (
    "can't use getUpdates method while webhook is active; "
    "use deleteWebhook to delete the webhook first"
)


class Hook:
    """A web server of the bot: notes what is posted and answers as told."""

    def __init__(self):
        self.got = []
        self.secrets = []
        #: Answers in turn: a status, with headers and body if need be; then 200 for ever.
        self.answers = []
        self.gate = None
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                hook.got.append(body)
                hook.secrets.append(self.headers.get("X-Telegram-Bot-Api-Secret-Token"))
                if hook.gate and hook.gate(body):
                    hook.opened.wait(10)
                status, headers, content = hook.answers.pop(0) if hook.answers else (200, {}, b"")
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        self.opened = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    def texts(self):
        return [body["message"]["text"] for body in self.got]

    def close(self):
        self.opened.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def ask():
    yield from calling(FakeTelegram(privacy=False))


@pytest.fixture
def tg(ask):
    return ask.fake


@pytest.fixture
def hook():
    hook = Hook()
    yield hook
    hook.close()


@pytest.fixture
def ming(tg):
    return tg.user("小明")


def test_updates_are_posted_with_the_secret_and_polling_is_shut(ask, tg, hook, ming):
    group = tg.group("群")
    early = tg.say(group, ming, "早")
    ask.ok("setWebhook", url=hook.url, secret_token="geheim_1-X", max_connections=3)
    late = tg.say(group, ming, "晚")
    tg.wait_until(lambda: hook.got == [early, late])
    assert hook.secrets == ["geheim_1-X"] * 2
    assert ask.refused("getUpdates") == (
        409,
        f"Conflict: {WEBHOOK_ACTIVE}",
    )
    tg.wait_until(lambda: not ask.ok("getWebhookInfo")["pending_update_count"])
    info = ask.ok("getWebhookInfo")
    assert (info["url"], info["max_connections"]) == (hook.url, 3)
    ask.ok("deleteWebhook")
    assert ask.ok("getWebhookInfo")["url"] == ""
    assert ask.updates() == []


def test_setting_a_webhook_ends_the_waiting_poll(ask, tg, hook):
    answers = []
    poll = threading.Thread(target=lambda: answers.append(ask("getUpdates", timeout=20)))
    poll.start()
    tg.wait_until(lambda: tg.delivery.poll)
    ask.ok("setWebhook", url=hook.url)
    poll.join(5)
    assert answers[0]["description"] == "Conflict: terminated by setWebhook request"


def test_a_refused_post_is_repeated_with_growing_delay(ask, tg, hook, ming):
    tg.webhook_time_scale = 0.005
    hook.answers = [(500, {}, b"")] * 3 + [(503, {"Retry-After": "9"}, b""), (302, {}, b"")]
    ask.ok("setWebhook", url=hook.url)
    group = tg.group("群")
    tg.say(group, ming, "一")
    tg.say(group, ming, "二")
    tg.wait_until(lambda: len(tg.webhook_attempts) == 7)
    # The second message of the chat waits for the first.
    assert hook.texts() == ["一"] * 6 + ["二"]
    attempts = [(attempt.status, attempt.delay) for attempt in tg.webhook_attempts[:5]]
    assert attempts == [(500, 1), (500, 2), (500, 4), (503, 9), (302, 16)]
    assert "Wrong response from the webhook: 302" in ask.ok("getWebhookInfo")["last_error_message"]


def test_an_update_is_dropped_when_it_is_too_old(ask, tg, hook, ming):
    tg.webhook_time_scale = 1
    hook.answers = [(500, {}, b"")]
    ask.ok("setWebhook", url=hook.url)
    group = tg.group("群")
    tg.say(group, ming, "一")
    tg.wait_until(lambda: len(tg.webhook_attempts) == 1)
    tg.fast_forward(86_400)
    tg.say(group, ming, "二")
    tg.wait_until(lambda: hook.texts() == ["一", "二"])


def test_chats_do_not_wait_for_each_other_nor_taps_for_messages(ask, tg, hook, ming):
    slow, quick = tg.group("慢"), tg.group("快")
    markup = {"inline_keyboard": [[{"text": "按", "callback_data": "a"}]]}
    ask.ok("sendMessage", chat_id=slow["id"], text="按", reply_markup=markup)
    hook.gate = lambda body: body.get("message", {}).get("text") == "一"
    ask.ok("setWebhook", url=hook.url)
    first, second = tg.say(slow, ming, "一"), tg.say(slow, ming, "二")
    tap, other = tg.tap(slow, ming, "a"), tg.say(quick, ming, "三")
    tg.wait_until(lambda: len(hook.got) == 3)
    assert sorted(body["update_id"] for body in hook.got) == [
        first["update_id"],
        tap["update_id"],
        other["update_id"],
    ]
    hook.opened.set()
    tg.wait_until(lambda: hook.got[-1] == second)


def test_one_connection_means_one_post_at_a_time(ask, tg, hook, ming):
    hook.gate = lambda _: True
    ask.ok("setWebhook", url=hook.url, max_connections=1)
    for name in "甲乙":
        tg.say(tg.group(name), ming, name)
    tg.wait_until(lambda: hook.got)
    with pytest.raises(AssertionError):
        tg.wait_until(lambda: len(hook.got) > 1, timeout=0.3)
    hook.opened.set()
    tg.wait_until(lambda: hook.texts() == ["甲", "乙"])


def test_duplicates_come_on_demand(ask, tg, hook, ming):
    ask.ok("setWebhook", url=hook.url)
    group = tg.group("群")
    tg.webhook_duplicates = 1
    first = tg.say(group, ming, "一")
    tg.wait_until(lambda: hook.got == [first, first])
    tg.redeliver(first)
    second = tg.say(group, ming, "二")
    tg.wait_until(lambda: len(hook.got) == 4)
    counts = Counter(body["update_id"] for body in hook.got)
    assert counts == {first["update_id"]: 3, second["update_id"]: 1}


def test_a_method_may_ride_on_the_answer(ask, tg, hook, ming):
    group = tg.group("群")
    call = {"method": "sendMessage", "chat_id": group["id"], "text": "答"}
    hook.answers = [(200, {}, json.dumps(call).encode())]
    ask.ok("setWebhook", url=hook.url)
    tg.say(group, ming, "问")
    assert tg.wait_for(lambda sent: sent.text == "答").chat_id == group["id"]


def test_a_webhook_gone_for_23_hours_is_removed(ask, tg, hook, ming):
    tg.webhook_time_scale = 0.001
    hook.answers = [(410, {}, b"")] * 10_000
    ask.ok("setWebhook", url=hook.url)
    tg.say(tg.group("群"), ming, "一")
    tg.wait_until(lambda: tg.webhook_attempts)
    assert ask.ok("getWebhookInfo")["url"] == hook.url
    tg.fast_forward(23 * 3600)
    tg.wait_until(lambda: not ask.ok("getWebhookInfo")["url"])
    assert [u["message"]["text"] for u in ask.updates()] == ["一"]


@pytest.mark.parametrize(
    "wrong",
    [{"url": "nonsense"}, {"url": "https://x.org", "secret_token": "空"}],
)
def test_a_bad_webhook_is_refused(ask, wrong):
    assert ask.refused("setWebhook", **wrong)[0] == 400


def test_webhooks_are_set_once_a_second_and_pending_updates_dropped(ask, tg, hook, ming):
    tg.say(tg.group("群"), ming, "旧")
    ask.ok("setWebhook", url=hook.url, drop_pending_updates=True)
    assert ask.refused("setWebhook", url=hook.url)[0] == 429
    assert ask.ok("getWebhookInfo")["pending_update_count"] == 0
    assert hook.got == []
