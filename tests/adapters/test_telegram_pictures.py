"""From the outbox to Telegram: pictures uploaded once, edited, refused, delayed, drawn again."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from io import BytesIO
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import Engine

from bot.adapters.telegram import TelegramAdapter, photos
from bot.pictures import studio
from bot.pictures.sizes import size_of
from bot.sender import Sender
from content.message import Button, Reply, pack
from content.picture import Calendar, Picture, QrCode
from storage import outbox, programmes
from storage.db import Sql, open_engine, reading, to_ms
from storage.outbox import Outgoing
from tests.faults import house
from tests.platforms.fake_telegram import TOKEN, FakeTelegram

BUTTONS = ((Button("◀", "calendar 2026-02 7"),),)
STATES = Sql("SELECT state FROM outbox ORDER BY id")
MARCH = Calendar("zh", "小明", date(2026, 3, 1), date(2026, 3, 4), (1, 2), (), 0, 2)
FEBRUARY = Calendar("zh", "小明", date(2026, 2, 1), date(2026, 3, 4), (27, 28), (), 0, 2)


@dataclass
class Post:
    """A sender with the real adapter, on a store of its own."""

    tg: FakeTelegram
    group: dict[str, Any]
    engine: Engine
    run: Callable[..., Any]
    sender: Sender
    adapter: TelegramAdapter

    async def write(
        self,
        reply: Reply,
        *,
        kind: str = "say",
        target: object = None,
        person: str = "7",
        chat: int | None = None,
    ) -> Outgoing:
        def put(tx: house.Tx) -> Outgoing:
            return outbox.put(
                tx,
                programme_id=programmes.MAIN,
                platform="telegram",
                chat_id=str(chat or self.group["id"]),
                thread=None,
                kind=kind,
                target=str(target) if target else None,
                person=person,
                payload=pack(reply),
                created_ms=to_ms(house.now()),
                expires_ms=to_ms(house.now() + timedelta(minutes=15)),
            )

        row: Outgoing = await self.run(put)
        return row

    async def send(self, picture: Picture | None, text: str = "字", **more: Any) -> None:
        row = await self.write(Reply(text, BUTTONS, picture=picture), **more)
        self.sender.put([row])
        await self.quiet()

    async def quiet(self) -> None:
        await house.until(lambda: not self.sender.waiting, 20)

    def calls(self) -> list[tuple[str, int | str]]:
        return [(call.method, call.status) for call in self.tg.calls if call.method != "getMe"]

    def states(self) -> list[str]:
        with reading(self.engine) as tx:
            return [row[0] for row in tx.all(STATES)]


@pytest.fixture
def tg() -> Iterator[FakeTelegram]:
    with FakeTelegram(privacy=False) as fake:
        yield fake
        assert fake.violations == []


@asynccontextmanager
async def posting(url: str, tg: FakeTelegram, group: dict[str, Any]) -> AsyncIterator[Post]:
    engine = open_engine(url)
    async with house.dispatching(engine) as dispatcher:
        await dispatcher.run(
            lambda tx: programmes.create(tx, programmes.MAIN, "营", house.DEFAULTS, house.now())
        )
        adapter = TelegramAdapter(
            TOKEN, api_url=tg.url, owners=frozenset(), dispatcher=dispatcher, clock=house.now
        )
        await adapter.connect()
        sender = Sender([adapter], run=dispatcher.run, hear=dispatcher.submit, clock=house.now)
        try:
            yield Post(tg, group, engine, dispatcher.run, sender, adapter)
        finally:
            await sender.stop(0)
            await adapter.close()
            adapter.pictures.close()
    engine.dispose()


Play = Callable[[Post], Coroutine[Any, Any, None]]


def play(url: str, tg: FakeTelegram, what: Play, group: dict[str, Any] | None = None) -> None:
    async def whole() -> None:
        async with posting(url, tg, group or tg.group("群")) as post:
            await what(post)

    asyncio.run(whole())


def test_a_picture_goes_out_with_its_words_and_buttons(sqlite_url: str, tg: FakeTelegram) -> None:
    async def what(post: Post) -> None:
        await post.send(MARCH, "📅 小明")
        (sent,) = tg.sent
        assert (sent.method, sent.text) == ("sendPhoto", "📅 小明")
        assert sent.buttons == [{"text": "◀", "callback_data": "calendar 2026-02 7"}]
        (upload,) = tg.uploads
        assert Image.open(BytesIO(upload.content)).size == size_of(MARCH)
        assert post.states() == []

    play(sqlite_url, tg, what)


def test_the_same_picture_is_uploaded_once(
    sqlite_url: str, tg: FakeTelegram, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photos, "KNOWN_MAX", 2)

    async def what(post: Post) -> None:
        for text in ("一", "二"):
            await post.send(MARCH, text)
        assert len(tg.uploads) == 1
        first, second = (sent.message["photo"] for sent in tg.sent)
        assert first == second
        for number in range(2):  # two others: the first one is forgotten
            await post.send(QrCode(f"{number}"))
        await post.send(MARCH, "三")
        assert len(tg.uploads) == 4

    play(sqlite_url, tg, what)


def test_a_number_that_telegram_does_not_know_any_more_is_uploaded_anew(
    sqlite_url: str, tg: FakeTelegram
) -> None:
    async def what(post: Post) -> None:
        await post.send(MARCH, "一")
        tg.photos.clear()
        await post.send(MARCH, "二")
        assert [sent.text for sent in tg.sent] == ["一", "二"]
        assert len(tg.uploads) == 2
        assert post.calls() == [("sendPhoto", 200), ("sendPhoto", 400), ("sendPhoto", 200)]

    play(sqlite_url, tg, what)


def test_a_long_text_follows_its_picture(sqlite_url: str, tg: FakeTelegram) -> None:
    async def what(post: Post) -> None:
        for text in ("字" * 1024, "字" * 1025):
            await post.send(MARCH, text)
        told = [(sent.method, len(sent.text), len(sent.buttons)) for sent in tg.sent]
        assert told == [("sendPhoto", 1024, 1), ("sendPhoto", 0, 0), ("sendMessage", 1025, 1)]

    play(sqlite_url, tg, what)


def test_a_picture_takes_the_place_of_another_and_of_a_text(
    sqlite_url: str, tg: FakeTelegram
) -> None:
    async def what(post: Post) -> None:
        await post.send(MARCH, "三月")
        await post.send(None, "字")
        picture, text = tg.sent
        await post.send(FEBRUARY, "二月", kind="edit", target=picture.message_id)
        await post.send(MARCH, "三月", kind="edit", target=picture.message_id)
        await post.send(MARCH, "三月", kind="edit", target=text.message_id)
        edits = [(sent.method, sent.message_id, sent.text) for sent in tg.sent[2:]]
        assert edits == [
            ("editMessageMedia", picture.message_id, "二月"),
            ("editMessageMedia", picture.message_id, "三月"),
            ("editMessageMedia", text.message_id, "三月"),
        ]
        assert len(tg.uploads) == 2  # turned back without an upload
        await post.send(MARCH, "三月", kind="edit", target=picture.message_id)
        assert post.calls()[-1] == ("editMessageMedia", 400)  # not modified: nothing to do
        assert post.states() == []

    play(sqlite_url, tg, what)


def test_words_are_not_put_under_another_words_picture(sqlite_url: str, tg: FakeTelegram) -> None:
    """A message that shows a picture cannot become a text: it is said anew."""

    async def what(post: Post) -> None:
        await post.send(MARCH, "三月")
        await post.send(None, "别的", kind="edit", target=tg.sent[0].message_id)
        assert [(sent.method, sent.text) for sent in tg.sent] == [
            ("sendPhoto", "三月"),
            ("sendMessage", "别的"),
        ]

    play(sqlite_url, tg, what)


def test_where_photos_are_forbidden_the_words_are_said(
    sqlite_url: str, tg: FakeTelegram, caplog: pytest.LogCaptureFixture
) -> None:
    async def what(post: Post) -> None:
        tg.set_bot_status(post.group, "restricted", can_send_messages=True, can_send_photos=False)
        for text in ("一", "二", "字" * 1025):
            await post.send(MARCH, text)
        assert [sent.method for sent in tg.sent] == ["sendMessage"] * 3
        assert [sent.text for sent in tg.sent] == ["一", "二", "字" * 1025]
        assert all(sent.buttons for sent in tg.sent)
        assert post.states() == []

    play(sqlite_url, tg, what)
    told = [r for r in caplog.records if "takes no picture" in r.message]
    assert len(told) == 1, "told once"


def test_what_cannot_be_drawn_is_said_in_words(
    sqlite_url: str, tg: FakeTelegram, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def what(post: Post) -> None:
        await post.send(MARCH, "三月")

        def draw(_: Picture) -> bytes:
            raise OSError("no such font")

        monkeypatch.setattr(studio, "_draw_now", draw)
        await post.send(FEBRUARY, "二月")
        await post.send(FEBRUARY, "还是二月", kind="edit", target=tg.sent[0].message_id)
        await post.send(FEBRUARY, "改", kind="edit", target=tg.sent[1].message_id)
        assert [(sent.method, sent.text) for sent in tg.sent[1:]] == [
            ("sendMessage", "二月"),
            ("sendMessage", "还是二月"),
            ("editMessageText", "改"),
        ]

    play(sqlite_url, tg, what)


@pytest.mark.parametrize("fault", [429, 500, "drop", "garbage"])
def test_trouble_on_the_way_is_as_with_any_message(
    sqlite_url: str, tg: FakeTelegram, fault: int | str
) -> None:
    async def what(post: Post) -> None:
        more = {"retry_after": 1} if fault == 429 else {}
        tg.fail_next("sendPhoto", fault, **more)
        await post.send(MARCH, "三月")
        assert [sent.method for sent in tg.sent] == ["sendPhoto"]
        assert len(post.calls()) == 2
        assert post.states() == []

    play(sqlite_url, tg, what)


def test_a_picture_too_large_for_telegram_is_said_in_words(
    sqlite_url: str, tg: FakeTelegram, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(studio, "_draw_now", lambda _: bytes(10 * 1024 * 1024 + 1))

    async def what(post: Post) -> None:
        await post.send(MARCH, "三月")
        assert post.calls() == [("sendPhoto", 413), ("sendMessage", 200)]

    play(sqlite_url, tg, what)


def test_who_has_thrown_us_out_gets_no_words_either(sqlite_url: str, tg: FakeTelegram) -> None:
    async def what(post: Post) -> None:
        tg.set_bot_status(post.group, "kicked")
        await post.send(MARCH, "三月")
        assert post.calls() == [("sendPhoto", 403)]
        assert post.states() == ["failed"]

    play(sqlite_url, tg, what)


def test_pictures_draw_on_the_chats_budget(sqlite_url: str, tg: FakeTelegram) -> None:
    """The fake refuses what is over Telegram's; a refusal would be seen among the calls."""

    async def what(post: Post) -> None:
        rows = [
            await post.write(Reply(f"{n}", picture=QrCode(f"{n}")), person=f"{n}") for n in range(7)
        ]
        post.sender.put(rows)
        await post.quiet()
        assert [sent.text for sent in tg.sent] == [f"{n}" for n in range(7)]
        assert {status for _, status in post.calls()} == {200}
        assert tg.sent[-1].time - tg.sent[0].time > 5  # after the burst four seconds each

    play(sqlite_url, tg, what)


def test_after_a_restart_it_is_drawn_again(sqlite_url: str, tg: FakeTelegram) -> None:
    group = tg.group("群")

    async def before(post: Post) -> None:
        await post.send(MARCH, "三月")
        await post.write(Reply("三月", BUTTONS, picture=MARCH))  # durable, and not sent

    async def after(post: Post) -> None:
        await post.sender.start()
        await post.quiet()
        assert post.states() == []

    play(sqlite_url, tg, before, group)
    play(sqlite_url, tg, after, group)
    assert [(sent.method, sent.text) for sent in tg.sent] == [("sendPhoto", "三月")] * 2
    one, two = tg.uploads
    assert one.content == two.content
