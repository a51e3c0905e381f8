"""What the bot does in a Telegram group besides speaking, and how it hears what came of it."""

import asyncio
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from content.message import (
    Button,
    DeleteMessage,
    Doing,
    LetIn,
    Loud,
    MakeLink,
    Quiet,
    Reply,
    SetTag,
    TurnAway,
)
from handlers.event import Event
from handlers.router import Router
from storage import direct, outbox, programmes
from storage.db import reading
from storage.members import Who
from tests.adapters.test_telegram_pictures import Play, Post, posting
from tests.faults import house
from tests.platforms.fake_telegram import FakeTelegram


@pytest.fixture
def tg() -> Iterator[FakeTelegram]:
    with FakeTelegram(privacy=False) as fake:
        yield fake
        assert fake.violations == []


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """What a feature of the test's own hears of its actions."""
    events: list[Event] = []
    router = Router()
    router.did("test")(lambda ctx: events.append(ctx.event))
    monkeypatch.setattr(house.ROUTER, "deeds", {**house.ROUTER.deeds, **router.deeds})
    return events


def play(url: str, tg: FakeTelegram, what: Play, **group: Any) -> dict[str, Any]:
    place = tg.group("群", **group)

    async def whole() -> None:
        async with posting(url, tg, place) as post:
            await what(post)

    asyncio.run(whole())
    return place


async def do(post: Post, action: Doing, **more: Any) -> None:
    def put(tx: house.Tx) -> Any:
        return outbox.do(
            tx,
            programme_id=programmes.MAIN,
            platform="telegram",
            chat_id=str(post.group["id"]),
            action=action,
            now=house.now(),
            **more,
        )

    post.sender.put([await post.run(put)])
    await post.quiet()


def test_a_link_is_made_and_its_address_comes_back(
    sqlite_url: str, tg: FakeTelegram, told: list[Event]
) -> None:
    name = "小" * 40

    async def what(post: Post) -> None:
        await do(post, MakeLink("test 7", name, asks=True))
        (event,) = told
        (made,) = [call for call in tg.calls if call.method == "createChatInviteLink"]
        assert event.text == made.answer["result"]["invite_link"]
        assert (event.target, event.refused) == ("test 7", "")
        assert event.chat.id == str(post.group["id"])
        assert made.answer["result"]["creates_join_request"]
        assert made.answer["result"]["name"] == name[:32]
        assert post.states() == []

    play(sqlite_url, tg, what, bot="administrator")


def test_what_is_refused_comes_back_with_the_reason(
    sqlite_url: str, tg: FakeTelegram, told: list[Event]
) -> None:
    async def what(post: Post) -> None:
        await do(post, MakeLink("test", "小明"))
        (event,) = told
        assert event.refused == "Not enough rights to manage chat invite link"
        assert event.text == ""
        assert post.states() == ["failed"]

    play(sqlite_url, tg, what, bot="member")


def test_who_asks_is_let_in_once_or_turned_away(
    sqlite_url: str, tg: FakeTelegram, told: list[Event]
) -> None:
    async def what(post: Post) -> None:
        for name, action in (("小明", LetIn), ("小红", TurnAway)):
            who = tg.user(name)
            tg.request_join(post.group, who)
            for _ in range(2):  # nothing is left to do the second time: that is no failure
                await do(post, action("test", str(who["id"])))
            inside = tg.member(tg.chat(post.group), who["id"])["status"]
            assert inside == ("member" if action is LetIn else "left")
        assert [event.refused for event in told] == [""] * 4
        assert post.states() == []

    play(sqlite_url, tg, what, bot="administrator")


def test_somebody_is_made_quiet_and_loud_again(sqlite_url: str, tg: FakeTelegram) -> None:
    async def what(post: Post) -> None:
        who = tg.user("小明")
        tg.join(post.group, who)
        user = str(who["id"])
        until = house.now() + timedelta(hours=1)
        await do(post, Quiet(user_id=user, until=until))
        member = tg.member(tg.chat(post.group), who["id"])
        assert (member["status"], member["can_send_messages"]) == ("restricted", False)
        assert member["until_date"] == int(until.timestamp())
        await do(post, Loud(user_id=user))
        assert tg.member(tg.chat(post.group), who["id"]).get("can_send_messages", True)
        assert post.states() == []

    play(sqlite_url, tg, what, bot="administrator")


def test_a_message_is_taken_away_once(sqlite_url: str, tg: FakeTelegram) -> None:
    async def what(post: Post) -> None:
        said = tg.say(post.group, tg.user("小明"), "买粉加我")
        number = said["message"]["message_id"]
        for _ in range(2):
            await do(post, DeleteMessage(message_id=str(number)))
        assert number not in tg.chat(post.group).messages
        assert post.states() == []

    play(sqlite_url, tg, what, bot="administrator")


def test_a_tag_is_set_and_taken_away(sqlite_url: str, tg: FakeTelegram, told: list[Event]) -> None:
    async def what(post: Post) -> None:
        who = tg.user("小明")
        tg.join(post.group, who)
        user = str(who["id"])
        await do(post, SetTag("test", user, "白银"))
        assert tg.member(tg.chat(post.group), who["id"])["tag"] == "白银"
        await do(post, SetTag("test", user, ""))
        assert "tag" not in tg.member(tg.chat(post.group), who["id"])
        await do(post, SetTag("test", user, "👑"))
        assert [event.refused for event in told] == ["", "", "Tag_invalid"]

    play(sqlite_url, tg, what, bot="administrator")


def test_without_the_right_a_tag_is_refused(
    sqlite_url: str, tg: FakeTelegram, told: list[Event]
) -> None:
    async def what(post: Post) -> None:
        who = tg.user("小明")
        tg.join(post.group, who)
        await do(post, SetTag("test", str(who["id"]), "白银"))
        assert [event.refused for event in told] == ["Not enough rights to manage chat member tags"]

    play(sqlite_url, tg, what, bot="member")


@pytest.mark.parametrize("fault", [429, 500, "garbage", "drop"])
def test_what_did_not_get_through_is_done_again(
    sqlite_url: str, tg: FakeTelegram, told: list[Event], fault: int | str
) -> None:
    async def what(post: Post) -> None:
        tg.fail_next("createChatInviteLink", fault)
        await do(post, MakeLink("test"))
        assert [event.refused for event in told] == [""]

    play(sqlite_url, tg, what, bot="administrator")


def test_what_comes_too_late_is_not_done(
    sqlite_url: str, tg: FakeTelegram, told: list[Event]
) -> None:
    async def what(post: Post) -> None:
        await do(post, MakeLink("test"), life=timedelta(seconds=-1))
        assert told == []
        assert not [call for call in tg.calls if call.method == "createChatInviteLink"]

    play(sqlite_url, tg, what, bot="administrator")


def test_a_link_stands_on_a_button(sqlite_url: str, tg: FakeTelegram) -> None:
    async def what(post: Post) -> None:
        buttons = ((Button("去看看", url="https://example.org/a?b=1"), Button("签到", "checkin")),)
        post.sender.put([await post.write(Reply("来", buttons))])
        await post.quiet()
        (sent,) = tg.sent
        assert sent.buttons == [
            {"text": "去看看", "url": "https://example.org/a?b=1"},
            {"text": "签到", "callback_data": "checkin"},
        ]

    play(sqlite_url, tg, what)


def test_who_has_blocked_the_bot_is_not_written_to_any_more(
    sqlite_url: str, tg: FakeTelegram
) -> None:
    async def what(post: Post) -> None:
        who = tg.user("小明")
        chat = tg.private(who)
        known = Who("telegram", str(who["id"]), "小明")
        now: datetime = house.now()
        await post.run(lambda tx: direct.note(tx, known, str(chat["id"]), "zh", now))
        assert _directs(post) == [(str(chat["id"]),)]
        tg.block(who)
        post.sender.put([await post.write(Reply("早"), chat=chat["id"])])
        await post.quiet()
        assert post.states() == ["failed"]
        await house.until(lambda: _directs(post) == [], 5)

    play(sqlite_url, tg, what)


def _directs(post: Post) -> list[tuple[str]]:
    with reading(post.engine) as tx:
        rows = tx.core.exec_driver_sql("SELECT chat_id FROM direct").fetchall()
    return [tuple(row) for row in rows]
