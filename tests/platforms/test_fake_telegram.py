"""The fake Telegram: how it is called, polled, and made to fail."""

import threading
import time

import pytest

from tests.platforms.fake_telegram import FakeTelegram
from tests.platforms.telegram_calls import calling, png

CONFLICT = (
    "Conflict: terminated by other getUpdates request; "
    "make sure that only one bot instance is running"
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
    small, wide = png(6, 4), png(640, 64, filling=b"x" * 100)
    direct = ask.raw("sendPhoto", data=data, files={"photo": ("a.png", small)}).json()
    sizes = direct["result"]["photo"]
    assert [(size["width"], size["height"]) for size in sizes] == [(6, 4), (6, 4)]
    assert sizes[-1]["file_size"] == len(small)
    data["photo"] = "attach://f1"
    attached = ask.raw("sendPhoto", data=data, files={"f1": ("a.png", wide)}).json()
    sizes = attached["result"]["photo"]
    assert [(size["width"], size["height"]) for size in sizes] == [(320, 32), (640, 64)]
    assert sizes[-1]["file_size"] == len(wide)
    assert [upload.content for upload in ask.fake.uploads] == [small, wide]


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
