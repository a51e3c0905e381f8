"""The fake Telegram: photos, their documented limits, and messages whose photo is changed."""

import json

import pytest

from tests.platforms.fake_telegram import FakeTelegram
from tests.platforms.telegram_calls import calling, png


@pytest.fixture
def ask():
    yield from calling(FakeTelegram(privacy=False))


@pytest.fixture
def group(ask):
    return ask.fake.group("写作群")


def upload(ask, group, content, **more):
    data = {"chat_id": str(group["id"]), **more}
    return ask.raw("sendPhoto", data=data, files={"photo": ("a.png", content)}).json()


def change(ask, sent, media, **files):
    return ask.raw(
        "editMessageMedia",
        data={
            "chat_id": str(sent["chat"]["id"]),
            "message_id": str(sent["message_id"]),
            "media": json.dumps({"type": "photo", **media}),
        },
        files={name: ("a.png", content) for name, content in files.items()},
    ).json()


@pytest.mark.parametrize(
    ("content", "refusal"),
    [
        (png(5000, 5000), None),
        (png(5001, 5000), "Bad Request: PHOTO_INVALID_DIMENSIONS"),
        (png(200, 10), None),
        (png(201, 10), "Bad Request: PHOTO_INVALID_DIMENSIONS"),
        (b"", "Bad Request: file must be non-empty"),
        (b"GIF89a", "Bad Request: IMAGE_PROCESS_FAILED"),
        (png(9, 9, filling=bytes(10 * 1024 * 1024)), "Request Entity Too Large"),
    ],
)
def test_what_may_be_uploaded(ask, group, content, refusal):
    answer = upload(ask, group, content)
    assert answer.get("description") == refusal
    assert answer["ok"] is (refusal is None)


@pytest.mark.parametrize(
    ("caption", "taken"), [("字" * 1024, True), ("字" * 1025, False), ("😀" * 513, False)]
)
def test_captions_have_at_most_1024_units(ask, group, caption, taken):
    answer = upload(ask, group, png(6, 4), caption=caption)
    assert answer["ok"] is taken
    if not taken:
        assert answer["description"] == "Bad Request: message caption is too long"


def test_a_photo_is_sent_again_by_any_of_its_numbers_and_no_other(ask, group):
    sizes = upload(ask, group, png(640, 480))["result"]["photo"]
    for size in sizes:
        again = ask.ok("sendPhoto", chat_id=group["id"], photo=size["file_id"])
        assert again["photo"] == sizes
    code, words = ask.refused("sendPhoto", chat_id=group["id"], photo="AgAC")
    assert (code, "wrong remote file identifier" in words) == (400, True)
    assert len(ask.fake.uploads) == 1


def test_photos_spend_the_same_budget_and_need_their_own_right(ask, group):
    ask.fake.limits.chat_burst = 1
    assert upload(ask, group, png(6, 4))["ok"]
    assert upload(ask, group, png(6, 4))["parameters"] == {"retry_after": 1}
    ask.fake.set_bot_status(group, "restricted", can_send_messages=True, can_send_photos=False)
    assert upload(ask, group, png(6, 4))["description"] == (
        "Bad Request: not enough rights to send photos to the chat"
    )


def test_a_photo_is_changed_with_what_is_under_it(ask, group):
    sent = upload(ask, group, png(6, 4), caption="一")["result"]
    changed = change(ask, sent, {"media": "attach://f1", "caption": "二"}, f1=png(8, 4))["result"]
    assert (changed["photo"][-1]["width"], changed["caption"]) == (8, "二")
    same = {"media": changed["photo"][-1]["file_id"], "caption": "二"}
    assert "message is not modified" in change(ask, sent, same)["description"]
    assert change(ask, sent, {**same, "caption": "字" * 1025})["description"] == (
        "Bad Request: message caption is too long"
    )
    where = {"chat_id": group["id"], "message_id": sent["message_id"]}
    assert ask.refused("editMessageText", text="x", **where)[1] == (
        "Bad Request: there is no text in the message to edit"
    )
    assert ask.ok("editMessageCaption", caption="三", **where)["caption"] == "三"


def test_a_text_becomes_a_photo_but_has_no_caption(ask, group):
    sent = ask.ok("sendMessage", chat_id=group["id"], text="字")
    where = {"chat_id": group["id"], "message_id": sent["message_id"]}
    assert ask.refused("editMessageCaption", caption="x", **where)[1] == (
        "Bad Request: there is no caption in the message to edit"
    )
    changed = change(ask, sent, {"media": "attach://f1", "caption": "图"}, f1=png(8, 4))["result"]
    assert "text" not in changed
    assert changed["caption"] == "图"
