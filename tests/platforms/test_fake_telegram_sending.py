"""The fake Telegram: what may be sent, how much of it, and how it is refused."""

import pytest

from tests.platforms.fake_telegram import FakeTelegram
from tests.platforms.telegram_calls import calling

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
