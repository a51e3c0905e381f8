"""The room's adapter: once however often asked, to whom it concerns, never behind a slow page."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest

from bot.adapters.local import LocalAdapter, Person
from bot.adapters.local.adapter import FEED_MAX, GROUP, Feed, MarkUsedError
from bot.dispatcher import Dispatcher
from bot.sender import Sender
from bot.web.room import _events
from content.message import Button, Reply, pack, unpack
from handlers.event import Kind, Mention
from handlers.event import Sender as Speaker
from storage import outbox, programmes, room
from storage.db import open_engine, reading, to_ms
from storage.outbox import Outgoing
from storage.programmes import MAIN
from storage.room import Line
from tests.faults import house

ANN, BOB = Person("p1", "小安"), Person("p2", "小波")


@dataclass(slots=True)
class Room:
    adapter: LocalAdapter
    dispatcher: Dispatcher
    sender: Sender
    url: str

    def lines(self, chat: str = GROUP) -> list[Line]:
        engine = open_engine(self.url)
        with reading(engine) as tx:
            lines = room.last(tx, MAIN, chat)
        engine.dispose()
        return lines

    async def quiet(self) -> None:
        await house.until(lambda: not self.sender.waiting and not self.dispatcher.waiting)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Room]:
    engine = open_engine(url)
    house.open_groups(engine)
    async with house.dispatching(engine) as dispatcher:
        adapter = LocalAdapter(
            [ANN, BOB], title="露营群", dispatcher=dispatcher, clock=house.now, bot_name="营长"
        )
        sender = Sender([adapter], run=dispatcher.run, hear=dispatcher.submit, clock=house.now)
        dispatcher.say = sender.put
        await dispatcher.run(
            lambda tx: programmes.open_group(
                tx,
                "local",
                GROUP,
                "露营群",
                by_owner=True,
                defaults=house.DEFAULTS,
                now=house.now(),
            )
        )
        yield Room(adapter, dispatcher, sender, url)
        await sender.stop(1)
    engine.dispose()


def row(text: str, *, kind: str = "say", target: str | None = None, person: str = "") -> Outgoing:
    return Outgoing(
        MAIN,
        outbox.new_id(),
        "local",
        GROUP,
        None,
        kind,
        target,
        person,
        pack(Reply(text, ((Button("积分", "points"),),))),
        to_ms(house.now()),
        to_ms(house.now() + timedelta(minutes=15)),
    )


def heard(feed: Feed) -> list[tuple[str, str]]:
    said = []
    while not feed.events.empty():
        event, data = feed.events.get_nowait()
        said.append((event, data.text if isinstance(data, Line) else data.get("text", "")))
    return said


def test_the_same_words_twice_are_said_and_paid_once(sqlite_url: str) -> None:
    async def play() -> None:
        async with opened(sqlite_url) as here:
            with here.adapter.listen("p2", "group") as feed:
                for _ in range(3):
                    await here.adapter.speak(ANN, "group", "签到", client="c1", lang="")
                await asyncio.gather(
                    *(
                        here.adapter.speak(ANN, "group", "签到", client="c1", lang="")
                        for _ in range(4)
                    )
                )
                await here.quiet()
                said = heard(feed)
            assert [text for _, text in said if text == "签到"] == ["签到"]
            assert len(said) == 2, said
            assert [line.kind for line in here.lines()] == ["person", "bot"]

    asyncio.run(play())


def test_other_words_by_a_mark_of_yesterday_are_refused(sqlite_url: str) -> None:
    async def play() -> None:
        async with opened(sqlite_url) as here:
            await here.adapter.speak(ANN, "group", "嗯", client="c1", lang="")
            for chat, words in (("group", "签到"), ("private", "嗯")):
                with pytest.raises(MarkUsedError):
                    await here.adapter.speak(ANN, chat, words, client="c1", lang="")
            await here.quiet()
            assert [line.text for line in here.lines()] == ["嗯"]

    asyncio.run(play())


def test_the_same_client_of_another_person_is_another_message(sqlite_url: str) -> None:
    async def play() -> None:
        async with opened(sqlite_url) as here:
            for person in (ANN, BOB):
                await here.adapter.speak(person, "group", "早", client="c1", lang="")
            assert [line.name for line in here.lines()] == ["小安", "小波"]

    asyncio.run(play())


def test_a_toast_is_shown_to_its_presser_alone(sqlite_url: str) -> None:
    async def play() -> None:
        async with opened(sqlite_url) as here:
            with (
                here.adapter.listen("p1", "group") as ann,
                here.adapter.listen("p2", "group") as bob,
            ):
                for _ in range(2):
                    await here.adapter.press(
                        ANN, "group", "1", "points", client="t1", lang="", genuine=True
                    )
                await here.quiet()
                assert [event for event, _ in heard(ann)] == ["toast"]
                assert heard(bob) == []
            assert here.lines() == []

    asyncio.run(play())


def test_private_words_are_heard_on_that_persons_pages_alone(sqlite_url: str) -> None:
    async def play() -> None:
        async with opened(sqlite_url) as here:
            with (
                here.adapter.listen("p1", "private") as ann,
                here.adapter.listen("p2", "private") as bob,
                here.adapter.listen("p1", "group") as group,
            ):
                await here.adapter.speak(ANN, "private", "积分", client="c1", lang="")
                await here.quiet()
                assert len(heard(ann)) == 2
                assert heard(bob) == []
                assert heard(group) == []

    asyncio.run(play())


def test_a_row_delivered_twice_appears_once(sqlite_url: str) -> None:
    async def play() -> None:
        async with opened(sqlite_url) as here:
            out = row("你好")
            with here.adapter.listen("p1", "group") as feed:
                for _ in range(2):
                    await here.adapter.deliver(out)
                assert heard(feed) == [("message", "你好")]
            (line,) = here.lines()
            assert json.loads(line.buttons) == [[{"label": "积分", "data": "points"}]]

    asyncio.run(play())


def test_a_text_longer_than_a_message_appears_whole(sqlite_url: str) -> None:
    async def play() -> None:
        async with opened(sqlite_url) as here:
            text = "长" * 4096 + "尾" * 500
            out = row(text)
            for _ in range(2):
                await here.adapter.deliver(out)
            lines = here.lines()
            assert "".join(line.text for line in lines) == text
            assert [line for line in lines if json.loads(line.buttons) != []] == lines[-1:]

    asyncio.run(play())


def test_an_edit_replaces_the_bots_words_and_nobody_elses(sqlite_url: str) -> None:
    async def play() -> None:
        async with opened(sqlite_url) as here:
            await here.adapter.speak(ANN, "group", "早", client="c1", lang="")
            await here.adapter.deliver(row("还有 3 件"))
            persons, bots = here.lines()
            with here.adapter.listen("p1", "group") as feed:
                await here.adapter.deliver(row("还有 2 件", kind="edit", target=str(bots.id)))
                assert heard(feed) == [("message", "还有 2 件")]
            await here.adapter.deliver(row("篡改", kind="edit", target=str(persons.id)))
            await here.adapter.deliver(row("没有", kind="edit", target="1"))
            lines = here.lines()
            assert [line.text for line in lines] == ["早", "还有 2 件"]
            assert [line.edited for line in lines] == [0, 1]

    asyncio.run(play())


def test_a_page_that_does_not_read_is_dropped_and_the_others_hear_on(sqlite_url: str) -> None:
    async def play() -> None:
        async with opened(sqlite_url) as here:
            with (
                here.adapter.listen("p1", "group") as slow,
                here.adapter.listen("p2", "group") as quick,
            ):
                for _ in range(FEED_MAX + 5):
                    here.adapter.refresh()
                    quick.events.get_nowait()
                assert slow not in here.adapter._feeds
                assert slow.events.qsize() <= FEED_MAX
                await here.adapter.note("公告", "n1")
                assert heard(quick) == [("message", "公告")]

    asyncio.run(play())


def test_the_stream_of_a_dropped_page_ends_so_that_it_starts_anew(sqlite_url: str) -> None:
    """Left open it would look alive and stay silent for ever."""

    async def play() -> None:
        async with opened(sqlite_url) as here:
            engine = open_engine(sqlite_url)
            with reading(engine) as tx:
                programme = programmes.programme(tx, MAIN, house.now())
            engine.dispose()
            stream = _events(here.adapter, "p1", "group", programme)
            await anext(stream)
            for _ in range(FEED_MAX + 5):
                here.adapter.refresh()

            async def rest() -> None:
                async for _ in stream:
                    pass

            try:
                await asyncio.wait_for(rest(), 2)
            finally:
                await stream.aclose()

    asyncio.run(play())


def test_hanging_up_ends_every_stream(sqlite_url: str) -> None:
    async def play() -> None:
        async with opened(sqlite_url) as here:
            engine = open_engine(sqlite_url)
            with reading(engine) as tx:
                programme = programmes.programme(tx, MAIN, house.now())
            engine.dispose()
            stream = _events(here.adapter, "p1", "group", programme)
            assert (await anext(stream)).startswith(":")
            waiting = asyncio.ensure_future(anext(stream, "the end"))
            await asyncio.sleep(0.05)
            here.adapter.hang_up()
            assert await asyncio.wait_for(waiting, 2) == "the end"

    asyncio.run(play())


def test_somebody_who_joins_is_in_the_group_and_the_pages_look_again(sqlite_url: str) -> None:
    async def play() -> None:
        async with opened(sqlite_url) as here:
            with here.adapter.listen("p2", "group") as feed:
                await here.adapter.join(ANN, "小安 来了")
                await here.quiet()
                said = heard(feed)
            assert ("message", "小安 来了") in said
            assert "state" in [event for event, _ in said]

    asyncio.run(play())


def test_the_bots_answer_names_the_message_it_answers(sqlite_url: str) -> None:
    async def play() -> None:
        async with opened(sqlite_url) as here:
            await here.adapter.speak(ANN, "group", "签到", client="c1", lang="")
            await here.quiet()
            asked, answer = here.lines()
            assert answer.reply_to == str(asked.id)
            assert unpack(pack(Reply(answer.text))).text == answer.text

    asyncio.run(play())


def test_people_are_called_by_their_whole_name(sqlite_url: str) -> None:
    async def play() -> None:
        async with opened(sqlite_url) as here:
            here.adapter.people["p3"] = Person("p3", "小安 二")

            def called(text: str, kind: Kind = "message") -> tuple[Mention, ...]:
                event = here.adapter._event(
                    BOB, "group", kind, client="c", at=house.now(), lang="", text=text
                )
                return event.mentions

            ann, second = Speaker("p1", "小安"), Speaker("p3", "小安 二")
            assert called("赠送 @小安 20") == (Mention("@小安", ann),)
            assert called("赠送@小安 二 20") == (Mention("@小安 二", second),)
            assert {m.who for m in called("@小安 @小安 二")} == {ann, second}
            for words in ("赠送 小安 20", "@小", "@ 小安", ""):
                assert called(words) == ()
            assert called("@小安", kind="tap") == ()

    asyncio.run(play())
