"""The fake Telegram: polling, sending and its limits, as documented."""

import threading
import time

import pytest

from tests.platforms.fake_telegram import FakeTelegram
from tests.platforms.telegram_calls import calling

CONFLICT = (
    "Conflict: terminated by other getUpdates request; "
    "make sure that only one bot instance is running"
)
TOO_OLD = (
    400,
    "Bad Request: query is too old and response timeout expired or query ID is invalid",
)


@pytest.fixture
def ask():
    yield from calling(FakeTelegram(privacy=False))


@pytest.fixture
def tg(ask):
    return ask.fake


@pytest.fixture
def ming(tg):
    return tg.user("小明", username="xiaoming")


@pytest.fixture
def group(tg):
    return tg.group("写作群")


def later(action, *args, **kwargs):
    thread = threading.Thread(target=action, args=args, kwargs=kwargs)
    thread.start()
    return thread


# -- who calls, and how ------------------------------------------------------------------------


def test_a_wrong_token_is_unauthorized_and_a_malformed_one_not_found(ask):
    assert ask.raw("getMe", token="1:wrong").json()["error_code"] == 401
    assert ask.raw("getMe", token="nonsense").json()["error_code"] == 404


def test_an_unknown_method_is_not_found_and_names_are_caseless(ask, tg):
    assert ask.refused("sendMesage") == (404, "Not Found: method not found")
    assert tg.violations == ["unknown method 'sendMesage'"]
    tg.violations.clear()
    assert ask.ok("GETME")["id"] == tg.me["id"]


@pytest.mark.parametrize("way", ["json", "form", "multipart", "query"])
def test_parameters_come_in_four_ways(ask, tg, group, way):
    keyboard = '{"inline_keyboard": [[{"text": "好", "callback_data": "ok"}]]}'
    plain = {"chat_id": str(group["id"]), "text": "123", "reply_markup": keyboard}
    options = {
        "json": {"json": {**plain, "chat_id": group["id"]}},
        "form": {"data": plain},
        "multipart": {"files": {name: (None, value) for name, value in plain.items()}},
        "query": {"params": plain},
    }
    answer = ask.raw("sendMessage", **options[way]).json()
    assert answer["result"]["text"] == "123"
    assert tg.sent[0].buttons == [{"text": "好", "callback_data": "ok"}]


def test_a_photo_is_uploaded_under_its_own_or_another_name(ask, group):
    data = {"chat_id": str(group["id"]), "caption": "图"}
    direct = ask.raw("sendPhoto", data=data, files={"photo": ("a.png", b"12345")}).json()
    assert direct["result"]["photo"][0]["file_size"] == 5
    data["photo"] = "attach://f1"
    attached = ask.raw("sendPhoto", data=data, files={"f1": ("a.png", b"1234567")}).json()
    assert attached["result"]["photo"][0]["file_size"] == 7
    assert ask.refused("sendPhoto", chat_id=group["id"], photo="x", caption="字" * 1025) == (
        400,
        "Bad Request: message caption is too long",
    )


# -- polling -----------------------------------------------------------------------------------


def test_updates_come_again_until_a_higher_offset_confirms_them(ask, tg, group, ming):
    first, second = tg.say(group, ming, "一"), tg.say(group, ming, "二")
    assert second["update_id"] == first["update_id"] + 1
    assert ask.updates() == ask.updates() == [first, second]
    assert ask.updates(offset=second["update_id"]) == [second]
    assert ask.updates() == [second]
    assert ask.updates(offset=second["update_id"] + 1) == []
    assert ask.updates() == []


def test_limit_and_negative_offset(ask, tg, group, ming):
    said = [tg.say(group, ming, str(i)) for i in range(4)]
    assert ask.updates(limit=2) == said[:2]
    assert ask.updates(offset=-1) == said[3:]
    assert ask.updates() == said[3:]


def test_an_offset_far_ahead_is_taken_for_a_mistake(ask, tg, group, ming):
    said = tg.say(group, ming, "一")
    assert ask.updates(offset=said["update_id"] + 1000) == [said]


def test_a_long_poll_ends_with_the_first_update_or_the_timeout(ask, tg, group, ming):
    begin = time.monotonic()
    assert ask.updates(timeout=1) == []
    assert time.monotonic() - begin >= 1
    talker = later(lambda: (time.sleep(0.2), tg.say(group, ming, "醒")))
    begin = time.monotonic()
    assert [u["message"]["text"] for u in ask.updates(timeout=20)] == ["醒"]
    assert 0.15 <= time.monotonic() - begin < 5
    talker.join()


def test_the_second_poller_throws_the_first_out(ask, tg):
    answers = []
    first = later(lambda: answers.append(ask("getUpdates", timeout=30)))
    tg.wait_until(lambda: tg.delivery.poll)
    assert ask.updates(offset=5) == []
    first.join(5)
    assert answers == [{"ok": False, "error_code": 409, "description": CONFLICT}]


def test_polling_the_same_offset_at_once_is_slowed_down(ask, tg, group, ming):
    tg.limits.poll_guard = True
    tg.say(group, ming, "一")
    tg.say(group, ming, "二")
    assert len(ask.updates()) == 2
    assert len(ask.updates()) == 1  # within half a second
    last = ask.updates(offset=-1)[0]["update_id"]
    assert ask.updates(offset=last + 1) == []
    talker = later(lambda: (time.sleep(0.3), tg.say(group, ming, "三")))
    assert [u["message"]["text"] for u in ask.updates(offset=last + 1)] == ["三"]
    talker.join()


def test_allowed_updates_default_keep_and_reset(ask, tg, ming):
    group = tg.group("群", bot="administrator")
    kinds = ["message", "chat_member"]
    assert "update_id" not in tg.set_status(group, ming, "member")
    ask.updates(allowed_updates=kinds)
    joined = tg.set_status(group, ming, "administrator")
    asked = tg.say(group, ming, "你好")
    unasked = tg.edit_message(asked, "你们好")
    assert "update_id" not in unasked
    ask.updates()  # an omitted list keeps the old one
    assert "update_id" in tg.set_status(group, ming, "member")
    ask.updates(allowed_updates=[])
    assert "update_id" not in tg.set_status(group, ming, "left")
    # What was queued before is not touched by a new list.
    assert [u["update_id"] for u in ask.updates()][:2] == [joined["update_id"], asked["update_id"]]


def test_updates_have_a_life_of_their_kind(ask, tg, group, ming):
    message = ask.ok(
        "sendMessage",
        chat_id=group["id"],
        text="按",
        reply_markup={"inline_keyboard": [[{"text": "a", "callback_data": "a"}]]},
    )
    said, _, _ = tg.say(group, ming, "一"), tg.tap(message, ming, "a"), tg.inline_query(ming, "榜")
    assert len(ask.updates()) == 3
    tg.fast_forward(31)
    assert [set(u) - {"update_id"} for u in ask.updates()] == [{"message"}, {"callback_query"}]
    tg.fast_forward(120)
    assert ask.updates() == [said]
    tg.fast_forward(86_400)
    assert ask.updates() == []


def test_after_a_week_of_silence_the_next_id_is_random(tg, group, ming):
    before = tg.say(group, ming, "一")["update_id"]
    tg.fast_forward(8 * 86_400)
    tg.queue.drop_expired()
    assert tg.say(group, ming, "二")["update_id"] != before + 1


def test_redelivery_comes_once_more_with_the_same_id(ask, tg, group, ming):
    said = tg.say(group, ming, "一")
    after = said["update_id"] + 1
    assert ask.updates(offset=after) == []
    tg.redeliver(said)
    assert ask.updates(offset=after) == [said]
    assert ask.updates(offset=after) == []


def test_garbage_is_pushed_as_it_is(ask, tg):
    pushed = tg.push({"message": {"date": "never"}})
    tg.push({"update_id": 7, "from_the_future": {"x": 1}})
    assert pushed in ask.updates()
    assert {"update_id": 7, "from_the_future": {"x": 1}} in ask.updates()


# -- sending -----------------------------------------------------------------------------------


def test_a_group_takes_twenty_a_minute_sends_and_edits_alike(ask, tg, group):
    tg.limits.chat_burst = 100
    sent = [ask.ok("sendMessage", chat_id=group["id"], text=str(i)) for i in range(19)]
    edit = {"chat_id": group["id"], "message_id": sent[0]["message_id"]}
    ask.ok("editMessageText", text="改", **edit)
    answer = ask("editMessageText", text="再改", **edit)
    wait = answer["parameters"]["retry_after"]
    assert answer["error_code"] == 429
    assert answer["description"] == f"Too Many Requests: retry after {wait}"
    assert 50 <= wait <= 60
    tg.fast_forward(wait)
    ask.ok("sendMessage", chat_id=group["id"], text="又来")


def test_a_chat_takes_a_burst_and_then_one_a_second(ask, tg, ming):
    tg.say(tg.private(ming), ming, "/start")
    for i in range(tg.limits.chat_burst):
        ask.ok("sendMessage", chat_id=ming["id"], text=str(i))
    assert ask("sendMessage", chat_id=ming["id"], text="多")["parameters"] == {"retry_after": 1}
    tg.fast_forward(1)
    ask.ok("sendMessage", chat_id=ming["id"], text="好")
    tg.limits.enabled = False
    for i in range(10):
        ask.ok("sendMessage", chat_id=ming["id"], text=f"off {i}")


def test_thirty_a_second_over_all_chats(ask, tg):
    tg.limits.overall_per_second = 10  # fewer, so that a slow machine cannot outlast the second
    groups = [tg.group(str(i)) for i in range(11)]
    codes = [ask("sendMessage", chat_id=g["id"], text="x").get("error_code") for g in groups]
    assert codes == [None] * 10 + [429]


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("字" * 4096, None),
        ("字" * 4097, "message is too long"),
        ("😀" * 2049, "message is too long"),
        ("<b>" + "字" * 4096 + "</b>", None),
        (" \n ", "message text is empty"),
        ("<b>开", "can't parse entities: Can't find end tag corresponding to start tag \"b\""),
        ("1 < 2", 'can\'t parse entities: Unsupported start tag "" at byte offset 2'),
        ("<h1>x</h1>", 'can\'t parse entities: Unsupported start tag "h1" at byte offset 0'),
    ],
)
def test_texts_are_measured_after_parsing(ask, group, text, refusal):
    params = {"chat_id": group["id"], "text": text, "parse_mode": "HTML"}
    if refusal is None:
        ask.ok("sendMessage", **params)
    else:
        assert ask.refused("sendMessage", **params) == (400, f"Bad Request: {refusal}")


def test_html_becomes_entities_in_utf16(ask, group, ming):
    text = f'😀<b>粗<i>斜</i></b> &lt;<a href="tg://user?id={ming["id"]}">明</a> <code>c</code>'
    message = ask.ok("sendMessage", chat_id=group["id"], text=text, parse_mode="HTML")
    assert message["text"] == "😀粗斜 <明 c"
    assert message["entities"] == [
        {"type": "bold", "offset": 2, "length": 2},
        {"type": "italic", "offset": 3, "length": 1},
        {"type": "text_mention", "offset": 6, "length": 1, "user": ming},
        {"type": "code", "offset": 8, "length": 1},
    ]


def test_at_most_a_hundred_entities_are_kept(ask, group):
    marks = [{"type": "bold", "offset": i, "length": 1} for i in range(120)]
    message = ask.ok("sendMessage", chat_id=group["id"], text="x" * 120, entities=marks)
    assert len(message["entities"]) == 100


@pytest.mark.parametrize(
    ("button", "refused"),
    [
        ({"callback_data": "x" * 64}, False),
        ({"callback_data": "字" * 22}, True),
        ({"callback_data": ""}, True),
        ({}, True),
        ({"copy_text": {"text": "x" * 257}}, True),
    ],
)
def test_buttons_carry_at_most_64_bytes(ask, group, button, refused):
    markup = {"inline_keyboard": [[{"text": "按", **button}]]}
    answer = ask("sendMessage", chat_id=group["id"], text="x", reply_markup=markup)
    assert answer["ok"] is not refused


def test_an_edit_must_change_something(ask, tg, group):
    markup = {"inline_keyboard": [[{"text": "按", "callback_data": "a"}]]}
    sent = ask.ok("sendMessage", chat_id=group["id"], text="一", reply_markup=markup)
    where = {"chat_id": group["id"], "message_id": sent["message_id"]}
    code, description = ask.refused("editMessageText", text="一", reply_markup=markup, **where)
    assert code == 400
    assert description.startswith("Bad Request: message is not modified")
    # An edit without a keyboard takes the keyboard away.
    assert "reply_markup" not in ask.ok("editMessageText", text="一", **where)
    ask.ok("editMessageReplyMarkup", reply_markup=markup, **where)
    assert [(s.method, s.is_edit) for s in tg.sent] == [
        ("sendMessage", False),
        ("editMessageText", True),
        ("editMessageReplyMarkup", True),
    ]
    assert tg.messages(group)[-1]["reply_markup"] == markup


def test_only_own_messages_that_exist_are_edited(ask, tg, group, ming):
    said = tg.say(group, ming, "我的")["message"]
    where = {"chat_id": group["id"], "text": "x"}
    assert ask.refused("editMessageText", message_id=said["message_id"], **where)[1] == (
        "Bad Request: message can't be edited"
    )
    assert ask.refused("editMessageText", message_id=999, **where)[1] == (
        "Bad Request: message to edit not found"
    )


def test_a_reply_needs_its_message(ask, tg, group, ming):
    said = tg.say(group, ming, "问")["message"]
    send = {"chat_id": group["id"], "text": "答"}
    reply = ask.ok("sendMessage", reply_parameters={"message_id": said["message_id"]}, **send)
    assert reply["reply_to_message"]["text"] == "问"
    assert tg.sent[-1].reply_to == said["message_id"]
    assert ask.refused("sendMessage", reply_parameters={"message_id": 99}, **send) == (
        400,
        "Bad Request: message to be replied not found",
    )
    lenient = {"message_id": 99, "allow_sending_without_reply": True}
    assert "reply_to_message" not in ask.ok("sendMessage", reply_parameters=lenient, **send)


def test_a_tap_is_answered_once_and_in_time(ask, tg, group, ming):
    markup = {"inline_keyboard": [[{"text": "按", "callback_data": "a"}]]}
    ask.ok("sendMessage", chat_id=group["id"], text="一", reply_markup=markup)
    tap, late = (tg.tap(group, ming, "a")["callback_query"] for _ in range(2))
    assert tap["message"]["text"] == "一"
    refusal = ask.refused("answerCallbackQuery", callback_query_id=tap["id"], text="字" * 201)
    assert refusal == (400, "Bad Request: MESSAGE_TOO_LONG")
    ask.ok("answerCallbackQuery", callback_query_id=tap["id"], text="字" * 200)
    assert tg.answers[tap["id"]]["text"] == "字" * 200
    assert ask.refused("answerCallbackQuery", callback_query_id=tap["id"]) == TOO_OLD
    tg.fast_forward(151)
    assert ask.refused("answerCallbackQuery", callback_query_id=late["id"]) == TOO_OLD


def test_a_tap_on_a_deleted_message_finds_it_inaccessible(ask, tg, group, ming):
    sent = ask.ok("sendMessage", chat_id=group["id"], text="一")
    ask.ok("deleteMessage", chat_id=group["id"], message_id=sent["message_id"])
    tap = tg.tap(sent, ming, "forged")["callback_query"]
    assert tap["message"]["date"] == 0
    with pytest.raises(ValueError, match="no button"):
        tg.tap(group, ming, "nowhere")


def test_messages_are_deleted_within_48_hours_and_with_the_right(ask, tg, group, ming):
    mine = ask.ok("sendMessage", chat_id=group["id"], text="一")["message_id"]
    old = ask.ok("sendMessage", chat_id=group["id"], text="二")["message_id"]
    his = tg.say(group, ming, "他的")["message"]["message_id"]
    no = (400, "Bad Request: message can't be deleted")
    assert ask.refused("deleteMessage", chat_id=group["id"], message_id=his) == no
    tg.set_bot_status(group, "administrator")
    ask.ok("deleteMessage", chat_id=group["id"], message_id=his)
    ask.ok("deleteMessages", chat_id=group["id"], message_ids=[mine, 12345])
    tg.fast_forward(48 * 3600)
    assert ask.refused("deleteMessage", chat_id=group["id"], message_id=old) == no
    assert ask.refused("deleteMessage", chat_id=group["id"], message_id=mine)[1] == (
        "Bad Request: message to delete not found"
    )
    assert [m["message_id"] for m in tg.messages(group)] == [old]


# -- faults ------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [False, True])
def test_a_fault_comes_before_or_after_the_effect(ask, tg, group, after):
    tg.fail_next("sendMessage", 500, n=2, after_effect=after)
    send = {"chat_id": group["id"], "text": "x"}
    assert ask.refused("sendMessage", **send) == (500, "Internal Server Error")
    assert ask.refused("sendMessage", **send)[0] == 500
    ask.ok("sendMessage", **send)
    assert len(tg.sent) == (3 if after else 1)
    assert [call.status for call in tg.calls] == [500, 500, 200]


def test_a_fault_may_be_a_flood_or_garbage(ask, tg):
    tg.fail_next("getMe", 429, retry_after=7)
    assert ask("getMe")["parameters"] == {"retry_after": 7}
    tg.fail_next("getMe", "garbage")
    assert ask.raw("getMe").text.startswith("<html>")
    assert ask.ok("getMe")["is_bot"]


@pytest.mark.parametrize("method", ["sendDice", "sendMessage"])
def test_what_the_fake_cannot_do_fails_the_test_loudly(method):
    fake = FakeTelegram()
    if fake.schema is None and method == "sendDice":
        pytest.skip("without the schema the method is simply unknown")
    params = {"chat_id": fake.group("群")["id"], "text": "*x*", "parse_mode": "MarkdownV2"}
    for ask in calling(fake):
        assert ask.refused(method, **params)[0] == 501
        fake.violations.clear()
        with pytest.raises(AssertionError, match="cannot do"):
            fake.check()
        fake.unsupported.clear()
