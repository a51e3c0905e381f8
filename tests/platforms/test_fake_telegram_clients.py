"""The fake Telegram before independent judges: the schema and two client libraries."""

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

import aiogram
import httpx
import pytest
import telegram
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import TelegramRetryAfter
from aiogram.types import Update as AiogramUpdate

from tests.platforms.fake_telegram import FakeBroken, FakeTelegram, Schema
from tests.platforms.telegram_calls import calling, png, require_schema

KEYBOARD = {"inline_keyboard": [[{"text": "签到", "callback_data": "checkin"}]]}


@pytest.fixture
def ask():
    yield from calling(FakeTelegram(privacy=False))


@pytest.fixture
def tg(ask):
    return ask.fake


def everything(ask):
    """Let one of each thing happen that the fake can make happen."""
    tg = ask.fake
    tg.limits.enabled = False
    kinds = ["chat_member", "message_reaction", "message_reaction_count", "chosen_inline_result"]
    rest = ["message", "edited_message", "channel_post", "callback_query", "inline_query"]
    ask.updates(allowed_updates=[*kinds, *rest, "my_chat_member", "chat_join_request"])
    ming, hong = tg.user("小明", username="xiaoming", language_code="zh-hans"), tg.user("小红")
    forum = tg.group("论坛", forum=True, added_by=ming)
    tg.set_bot_status(forum, "administrator", by=ming)
    thread = tg.topic(forum, "写作")
    said = tg.say(forum, ming, "/top @xiaoming", thread=thread)
    tg.say(forum, hong, "答", reply_to=said)
    tg.edit_message(said, "改")
    sent = ask.ok(
        "sendMessage",
        chat_id=forum["id"],
        message_thread_id=thread,
        text='<b>榜</b> <a href="https://example.org/">链</a>',
        parse_mode="HTML",
        reply_markup=KEYBOARD,
    )
    tg.tap(sent, ming, "checkin")
    ask.ok("deleteMessage", chat_id=forum["id"], message_id=sent["message_id"])
    tg.tap(sent, ming, "checkin")
    channel = tg.channel("频道", bot="administrator")
    tg.post(channel, "新文")
    tg.auto_forward(forum, "新文", channel)
    tg.say_as_channel(forum, "我", channel)
    tg.say_anonymous(forum, "公告", signature="站长")
    link = ask.ok("createChatInviteLink", chat_id=forum["id"], name="小明", member_limit=9)
    tg.join(forum, hong_two := tg.user("小红二"), invite_link=link)
    tg.set_status(forum, hong_two, "administrator")
    tg.set_status(forum, hong_two, "restricted", until_date=int(tg.clock.now()) + 600)
    tg.leave(forum, hong_two, by=ming)
    tg.request_join(forum, newcomer := tg.user("新人"), bio="你好")
    ask.ok("approveChatJoinRequest", chat_id=forum["id"], user_id=newcomer["id"])
    tg.react(said, hong, ["👍"])
    tg.react(said, None, ["👍"])
    tg.reaction_count(said, {"👍": 2})
    query = tg.inline_query(ming, "榜", chat_type="sender")
    article = {
        "type": "article",
        "id": "1",
        "title": "榜",
        "input_message_content": {"message_text": "榜"},
        "reply_markup": KEYBOARD,
    }
    ask.ok("answerInlineQuery", inline_query_id=query["inline_query"]["id"], results=[article])
    chosen = tg.choose(ming, query, "1")
    tg.tap(chosen["chosen_inline_result"]["inline_message_id"], ming, "checkin")
    tg.migrate(tg.group("小群", supergroup=False))
    tg.say(tg.private(ming), ming, "/start ref_1")
    tg.block(ming)
    return ask.updates()


def as_of_bot_api_10_3(thing):
    """Add what aiogram, which knows Bot API 10.3, requires beyond the schema's 10.1."""
    if isinstance(thing, list):
        return [as_of_bot_api_10_3(item) for item in thing]
    if not isinstance(thing, dict):
        return thing
    newer = {"can_send_welcome_messages": False} if "can_manage_chat" in thing else {}
    return {key: as_of_bot_api_10_3(value) for key, value in thing.items()} | newer


def test_both_libraries_decode_every_update(ask):
    updates = everything(ask)
    kinds = {key for update in updates for key in update if key != "update_id"}
    assert len(updates) >= 30
    assert len(kinds) == 11
    for update in updates:
        kind = next(key for key in update if key != "update_id")
        decoded = telegram.Update.de_json(update, None)
        assert not decoded.api_kwargs, update
        assert getattr(decoded, kind) is not None
        if kind in {"message", "edited_message", "channel_post"}:
            back = getattr(decoded, kind)
            assert not back.api_kwargs
            assert back.text == update[kind].get("text")
        model = AiogramUpdate.model_validate(as_of_bot_api_10_3(update))
        assert model.event_type == kind
        extra = getattr(model, kind).model_extra
        assert not extra, f"aiogram does not know {extra}"


def test_everything_the_fake_says_keeps_to_the_schema(ask, tg):
    require_schema()
    for update in everything(ask):
        assert tg.schema.check("Update", update, "Update") == []
    assert tg.broken == []


def test_the_fake_refuses_to_say_what_the_schema_does_not_allow(tg):
    require_schema()
    with pytest.raises(FakeBroken, match="first_name"):
        tg.user(None)
    with pytest.raises(FakeBroken, match="no field 'mood'"):
        tg.say(tg.group("群"), tg.user("小明"), "x", mood="好")
    assert len(tg.broken) == 2
    with pytest.raises(AssertionError, match="broke the schema"):
        tg.check()
    tg.broken.clear()


@pytest.mark.parametrize(
    ("method", "params", "violation", "code"),
    [
        ("getMe", {"x": 1}, "getMe: unknown parameter 'x'", 200),
        ("sendMessage", {"text": "x"}, "required parameter 'chat_id' is missing", 400),
        ("sendMessage", {"chat_id": 1, "text": 5}, "sendMessage.text: 5 is no String", 400),
        ("getUpdates", {"limit": "many"}, "getUpdates.limit: 'many' is no Integer", 400),
        ("setMyCommands", {"commands": [{"command": "a"}]}, "lacks 'description'", 400),
        (
            "sendMessage",
            {"chat_id": 1, "text": "x", "reply_markup": {"inline_keyboard": [[{"txt": "a"}]]}},
            "InlineKeyboardButton has no field 'txt'",
            400,
        ),
    ],
)
def test_requests_are_held_to_the_schema(ask, method, params, violation, code):
    require_schema()
    tg = ask.fake
    answer = ask(method, **params)
    assert answer.get("error_code", 200) == code
    assert any(violation in text for text in tg.violations), tg.violations
    assert tg.calls[-1].status == code
    tg.violations.clear()


def test_the_schema_is_the_expected_version():
    require_schema()
    assert Schema.load().version == "Bot API 10.1"


def test_the_server_runs_without_the_schema():
    for ask in calling(FakeTelegram(schema=None)):
        group = ask.fake.group("群")
        sent = ask.raw(
            "sendMessage",
            data={"chat_id": group["id"], "text": "42", "reply_markup": json.dumps(KEYBOARD)},
        ).json()["result"]
        assert (sent["text"], sent["reply_markup"]) == ("42", KEYBOARD)
        assert ask.refused("sendDice", chat_id=group["id"])[0] == 404
        ask.fake.violations.clear()


def test_python_telegram_bot_makes_the_round_trip(tg, monkeypatch):
    monkeypatch.setenv("PTB_TIMEDELTA", "true")  # else reading a retry_after warns
    ming = tg.user("小明")
    group = tg.group("群", bot="administrator")

    async def talk():
        async with telegram.Bot(tg.token, base_url=f"{tg.url}/bot") as bot:
            tg.say(group, ming, "签到")
            (update,) = await bot.get_updates(timeout=5, allowed_updates=["message"])
            button = telegram.InlineKeyboardButton("好", callback_data="ok")
            answer = await update.message.reply_text(
                "<b>签到成功</b>",
                parse_mode="HTML",
                reply_markup=telegram.InlineKeyboardMarkup([[button]]),
                do_quote=True,
            )
            assert answer.reply_to_message.text == "签到"
            await answer.edit_text("改了")
            with pytest.raises(telegram.error.BadRequest, match="not modified"):
                await answer.edit_text("改了")
            photo = await bot.send_photo(group["id"], png(6, 4), caption="图")
            assert photo.caption == "图"
            await bot.set_my_commands([("top", "榜")], telegram.BotCommandScopeAllGroupChats())
            link = await bot.create_chat_invite_link(group["id"], name="x", member_limit=3)
            assert link.creator.id == bot.id
            assert (await bot.get_chat_member(group["id"], ming["id"])).status == "member"
            assert len(await bot.get_chat_administrators(group["id"])) == 2
            assert (await bot.get_chat(group["id"])).title == "群"
            old = tg.group("旧", supergroup=False)
            new = tg.migrate(old)
            with pytest.raises(telegram.error.ChatMigrated) as moved:
                await bot.send_message(old["id"], "x")
            assert moved.value.new_chat_id == new["id"]
            tg.limits.chat_burst = 1
            await bot.send_message(new["id"], "一")
            with pytest.raises(telegram.error.RetryAfter):
                await bot.send_message(new["id"], "二")
            await bot.set_webhook("https://example.org/hook", secret_token="s")
            with pytest.raises(telegram.error.Conflict):
                await bot.get_updates()
            await bot.delete_webhook()

    asyncio.run(talk())


def test_aiogram_makes_the_round_trip(tg):
    ming = tg.user("小明")
    group = tg.group("群", bot="administrator")

    async def talk():
        session = AiohttpSession(api=TelegramAPIServer.from_base(tg.url))
        async with aiogram.Bot(tg.token, session=session) as bot:
            assert (await bot.get_me()).username == "qunying_bot"
            said = tg.say(group, ming, "签到")["message"]
            (update,) = await bot.get_updates(timeout=5, allowed_updates=["message"])
            assert update.message.text == "签到"
            answer = await bot.send_message(
                group["id"],
                "成功",
                reply_parameters={"message_id": said["message_id"]},
                reply_markup=KEYBOARD,
            )
            assert answer.reply_to_message.text == "签到"
            tap = tg.tap(group, ming, "checkin")["callback_query"]
            assert await bot.answer_callback_query(tap["id"], text="好")
            await bot.edit_message_reply_markup(
                chat_id=group["id"], message_id=answer.message_id, reply_markup=None
            )
            await bot.send_photo(group["id"], aiogram.types.BufferedInputFile(png(6, 4), "a.png"))
            assert (await bot.get_chat(group["id"])).title == "群"
            assert (await bot.get_chat_member(group["id"], ming["id"])).status == "member"
            tg.limits.chat_burst = 1
            other = tg.group("二")
            await bot.send_message(other["id"], "一")
            with pytest.raises(TelegramRetryAfter) as wait:
                await bot.send_message(other["id"], "二")
            assert wait.value.retry_after == 1

    asyncio.run(talk())


@pytest.mark.parametrize(
    ("fault", "error", "after"),
    [
        ("drop", telegram.error.NetworkError, False),
        ("hang", telegram.error.TimedOut, True),
        ("garbage", telegram.error.NetworkError, True),
    ],
)
def test_a_client_meets_the_faults_as_its_own_errors(tg, fault, error, after):
    group = tg.group("群")

    async def talk():
        async with telegram.Bot(tg.token, base_url=f"{tg.url}/bot") as bot:
            tg.fail_next("sendMessage", fault, after_effect=after)
            with pytest.raises(error):
                await bot.send_message(group["id"], "一", read_timeout=0.3)
            await bot.send_message(group["id"], "二")

    asyncio.run(talk())
    assert [sent.text for sent in tg.sent] == (["一", "二"] if after else ["二"])
    assert [c.status for c in tg.calls if c.method == "sendMessage"] == [fault, 200]


def test_a_hanging_client_does_not_hold_the_server_back():
    fake = FakeTelegram()
    fake.start()
    fake.fail_next("getMe", "hang")
    with httpx.Client(trust_env=False) as client, pytest.raises(httpx.HTTPError):
        client.get(f"{fake.url}/bot{fake.token}/getMe", timeout=0.2)
    begin = time.monotonic()
    fake.close()
    assert time.monotonic() - begin < 1.5


def test_waiting_for_what_the_bot_says(ask, tg):
    group = tg.group("群")
    ask.ok("sendMessage", chat_id=group["id"], text="先")
    assert tg.wait_for(lambda sent: "先" in sent.text).chat_id == group["id"]
    with pytest.raises(AssertionError, match="did not send"):
        tg.wait_for(lambda sent: "后" in sent.text, timeout=0.1)


def test_it_runs_alone_and_is_driven_over_http():
    command = [sys.executable, "-m", "tests.platforms.fake_telegram", "--port", "0"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root, text=True) as process:
        try:
            api = process.stdout.readline().strip()
            control = api.partition("/bot")[0] + "/control/"
            with httpx.Client(trust_env=False, timeout=10) as client:
                user = client.post(control + "user", json={"name": "小明"}).json()
                group = client.post(control + "group", json={"title": "群"}).json()
                said = {"chat": group, "user": user, "text": "/top"}
                client.post(control + "say", json=said).raise_for_status()
                (update,) = client.get(api + "getUpdates").json()["result"]
                assert update["message"]["text"] == "/top"
                client.get(api + "sendMessage", params={"chat_id": group["id"], "text": "榜"})
                assert client.get(control + "sent").json()[0]["text"] == "榜"
        finally:
            process.terminate()
