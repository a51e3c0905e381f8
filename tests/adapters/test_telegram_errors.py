"""Telegram's refusals and failures as our errors, provoked at a server and never constructed."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from telegram import Bot
from telegram.request import HTTPXRequest

from bot.adapters.base import (
    MaybeSentError,
    MovedError,
    NotSentError,
    RefusedError,
    RetryAfterError,
)
from bot.adapters.telegram import TelegramAdapter
from bot.adapters.telegram.contact import Contact
from bot.adapters.telegram.polling import Polling
from tests.platforms.fake_telegram import TOKEN, FakeTelegram


@pytest.fixture
def tg() -> Iterator[FakeTelegram]:
    with FakeTelegram() as fake:
        yield fake


def call(url, method, *, token=TOKEN, **params):
    """Call through the adapter's border; return our error, or None."""

    async def run():
        request = HTTPXRequest(connection_pool_size=4, read_timeout=0.4, connect_timeout=0.4)
        async with request:
            bot = Bot(token, base_url=f"{url}/bot", request=request)
            try:
                await TelegramAdapter._call(getattr(bot, method), **params)
            except Exception as error:  # noqa: BLE001 - the error is what is looked at
                return error
            return None

    return asyncio.run(run())


def send(tg, chat, text="签到成功", **params):
    return call(tg.url, "send_message", chat_id=chat["id"], text=text, **params)


def test_a_message_that_arrives_is_no_error(tg):
    assert send(tg, tg.group("群")) is None
    assert [sent.text for sent in tg.sent] == ["签到成功"]


def test_too_many_requests_says_how_long_to_wait(tg):
    tg.fail_next("sendMessage", 429, retry_after=17)
    error = send(tg, tg.group("群"))
    assert isinstance(error, RetryAfterError)
    assert error.seconds == 17


def test_the_fakes_own_flood_limit_is_a_wait_too(tg, monkeypatch):
    monkeypatch.setenv("PTB_TIMEDELTA", "true")
    group = tg.group("群")
    errors = [send(tg, group, f"{n}") for n in range(6)]
    assert errors[:5] == [None] * 5
    assert isinstance(errors[5], RetryAfterError)
    assert 0 < errors[5].seconds <= 60


@pytest.mark.parametrize("status", ["kicked", "left"])
def test_a_group_that_threw_the_bot_out_refuses_for_good(tg, status):
    error = send(tg, tg.group("群", bot=status))
    assert isinstance(error, RefusedError)
    assert "bot" in str(error)


def test_a_person_who_blocked_the_bot_refuses_for_good(tg):
    user = tg.user("小明")
    tg.say(tg.private(user), user, "/start")
    tg.block(user)
    assert isinstance(send(tg, user), RefusedError)


def test_a_person_who_never_wrote_refuses_for_good(tg):
    assert isinstance(send(tg, tg.user("小明")), RefusedError)


@pytest.mark.parametrize(
    ("text", "why"),
    [("", "empty"), ("  \n", "empty"), ("长" * 4097, "too long")],
)
def test_text_that_telegram_does_not_take_is_refused_for_good(tg, text, why):
    error = send(tg, tg.group("群"), text)
    assert isinstance(error, RefusedError)
    assert why in str(error)


def test_chats_threads_and_messages_that_are_gone_are_refused_for_good(tg):
    group = tg.group("群")
    gone = {
        "chat not found": send(tg, {"id": -100999}),
        "message thread not found": send(tg, group, message_thread_id=99),
        "message to edit not found": call(
            tg.url, "edit_message_text", chat_id=group["id"], message_id=99, text="x"
        ),
    }
    for words, error in gone.items():
        assert isinstance(error, RefusedError)
        assert words in str(error).lower()


def test_a_group_that_became_a_supergroup_names_its_new_number(tg):
    old = tg.group("小群", supergroup=False)
    new = tg.migrate(old)
    error = send(tg, old)
    assert isinstance(error, MovedError)
    assert error.chat_id == str(new["id"])


def test_an_edit_that_changes_nothing_is_done(tg):
    group = tg.group("群")
    send(tg, group, "榜")
    where = {"chat_id": group["id"], "message_id": tg.sent[0].message_id}
    assert call(tg.url, "edit_message_text", text="榜", **where) is None
    assert tg.calls[-1].status == 400


def test_an_answer_to_an_old_or_unknown_tap_is_done(tg):
    assert call(tg.url, "answer_callback_query", callback_query_id="99", text="x") is None
    assert tg.calls[-1].status == 400


def test_an_answer_to_a_tap_that_is_too_long_is_refused_for_good(tg):
    tap = tg.tap("inline", tg.user("小明"), "checkin")["callback_query"]["id"]
    error = call(tg.url, "answer_callback_query", callback_query_id=tap, text="长" * 201)
    assert isinstance(error, RefusedError)


@pytest.mark.parametrize("fault", [500, "garbage", "hang", "drop"])
@pytest.mark.parametrize("after_effect", [False, True])
def test_a_failure_on_the_way_leaves_it_open_whether_it_was_sent(tg, fault, after_effect):
    tg.fail_next("sendMessage", fault, after_effect=after_effect)
    assert isinstance(send(tg, tg.group("群")), MaybeSentError)
    assert len(tg.sent) == int(after_effect)


def test_a_front_that_did_not_reach_telegram_has_sent_nothing(tg):
    tg.fail_next("sendMessage", 502)
    assert isinstance(send(tg, tg.group("群")), NotSentError)


def test_a_server_that_is_not_there_got_nothing():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody answers there
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        error = call(url, "send_message", chat_id=1, text="x")
    assert isinstance(error, NotSentError)


def test_a_server_that_does_not_take_the_connection_got_nothing():
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        with socket.create_connection(address), socket.socket() as second:
            second.setblocking(False)
            second.connect_ex(address)
            error = call(f"http://127.0.0.1:{address[1]}", "send_message", chat_id=1, text="x")
    assert isinstance(error, NotSentError)


def test_a_token_that_is_not_known_costs_no_message_that_waits(tg):
    error = call(tg.url, "send_message", token=TOKEN + "x", chat_id=1, text="x")
    assert isinstance(error, NotSentError)
    assert TOKEN not in str(error)


@pytest.fixture
def odd_server() -> Iterator[tuple[str, list[bytes]]]:
    """Answers 200 with whatever the test puts into the list."""
    bodies: list[bytes] = []

    class Odd(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"] or 0))
            self.send_response(200)
            self.send_header("Content-Length", str(len(bodies[0])))
            self.end_headers()
            self.wfile.write(bodies[0])

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Odd) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", bodies
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"\xff\xfe",
        b"{}",
        b'{"ok": true}',
        b"[]",
        b"null",
        b'{"ok":true,"result":5}',
    ],
)
def test_nonsense_with_status_200_leaves_it_open_whether_it_was_sent(odd_server, body):
    url, bodies = odd_server
    bodies.append(body)
    assert isinstance(call(url, "send_message", chat_id=1, text="x"), MaybeSentError)


@pytest.mark.parametrize("body", [b"<html>", b"{}", b'{"ok": true}', b"[]", b"null", b"5"])
def test_nonsense_for_updates_is_a_platform_error_and_no_end_of_polling(odd_server, body):
    from telegram.error import TelegramError  # noqa: PLC0415 - for this one test

    url, bodies = odd_server
    bodies.append(body)

    async def fetch():
        polling = Polling(f"{url}/bot{TOKEN}", Contact(), receive=print, delete_webhook=print)
        try:
            return await polling.fetch(0)
        finally:
            await polling.close()

    with pytest.raises(TelegramError):
        asyncio.run(fetch())


def test_a_group_is_sent_at_most_twenty_messages_in_any_minute():
    limits = TelegramAdapter.limits
    assert limits.chat_per_minute is not None
    assert limits.chat_burst + limits.chat_per_minute <= 20
