"""Pictures on their way: drawn once beside the loop, kept a while, cut to fit, or said in words."""

import asyncio
import logging
import threading
import time
from datetime import date

import pytest
from PIL import UnidentifiedImageError

from bot.adapters.base import Adapter, InsteadError, Limits, units
from bot.pictures import PictureError, Pictures, fonts, studio
from content.message import Button, Reply, pack, unpack
from content.picture import Calendar, Picture, QrCode
from storage.outbox import Outgoing

BUTTONS = ((Button("积分", "points"),),)
PICTURE = Calendar("zh", "小明", date(2026, 3, 1), date(2026, 3, 4), (1, 2))


class Wall(Adapter):
    """A platform of which only the fitting is asked."""

    name = "wall"

    def __init__(self, *, caption_max: int = 100, edits: bool = True) -> None:
        self.limits = Limits(300, 20, True, edits, 5, None, None, caption_max)
        self.pictures = Pictures()

    async def say(self, out: Outgoing, reply: Reply) -> None:
        await self.draw(out, reply)

    async def toast(self, out: Outgoing, text: str) -> None:
        raise AssertionError(out, text)

    async def edit(self, out: Outgoing, reply: Reply) -> None:
        await self.draw(out, reply)


def row(reply: Reply, kind: str = "say", target: str | None = "7") -> Outgoing:
    return Outgoing(1, 1, "wall", "c", None, kind, target, "p", pack(reply), 0, 0)


def fitted(text: str, kind: str = "say", **wall: object) -> list[tuple[Reply, Outgoing]]:
    out = row(Reply(text, BUTTONS, picture=PICTURE), kind)
    return [(unpack(part.payload), part) for part in Wall(**wall).fit(out)]


def test_a_short_text_is_the_caption() -> None:
    ((reply, part),) = fitted("字" * 100)
    assert (reply.picture, reply.text, reply.buttons) == (PICTURE, "字" * 100, BUTTONS)
    assert part.target == "7"


@pytest.mark.parametrize("text", ["字" * 101, "😀" * 51])
def test_a_long_text_follows_its_picture_with_the_buttons(text: str) -> None:
    (first, one), (second, two) = fitted(text)
    assert (first.picture, first.text, first.buttons) == (PICTURE, "", ())
    assert (second.picture, second.text, second.buttons) == (None, text, BUTTONS)
    assert (one.target, two.target) == ("7", None)


def test_a_very_long_text_is_split_as_ever_after_its_picture() -> None:
    parts = [reply for reply, _ in fitted("字" * 700)]
    assert [units(part.text) for part in parts] == [0, 300, 300, 100]
    assert [bool(part.picture) for part in parts] == [True, False, False, False]
    assert [bool(part.buttons) for part in parts] == [False, False, False, True]


def test_an_edit_is_one_message_its_caption_cut() -> None:
    ((reply, part),) = fitted("字" * 300, "edit")
    assert (reply.picture, units(reply.text), reply.text[-1]) == (PICTURE, 100, "…")
    assert (part.kind, reply.buttons) == ("edit", BUTTONS)


def test_what_is_for_the_presser_alone_has_no_picture() -> None:
    ((reply, _),) = fitted("字", "tap")
    assert (reply.picture, reply.text) == (None, "字")


@pytest.mark.parametrize("kind", ["say", "edit"])
def test_a_platform_without_pictures_says_the_words(kind: str) -> None:
    ((reply, _),) = fitted("字" * 200, kind, caption_max=0)
    assert (reply.picture, reply.text, reply.buttons) == (None, "字" * 200, BUTTONS)


def test_a_platform_without_edits_says_it_anew_with_its_picture() -> None:
    ((reply, part),) = fitted("字", "edit", edits=False)
    assert (part.kind, part.target, reply.picture) == ("say", None, PICTURE)


# -- the studio ----------------------


def test_the_same_picture_is_drawn_once_however_many_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Picture] = []
    threads: set[int] = set()

    def draw(picture: Picture) -> bytes:
        drawn.append(picture)
        threads.add(threading.get_ident())
        time.sleep(0.02)
        return b"png"

    monkeypatch.setattr(studio, "_draw_now", draw)

    async def ask() -> None:
        pictures = Pictures(kept_max=3)
        values = [QrCode(f"{number}") for number in range(3)]
        got = await asyncio.gather(*(pictures.png(value) for value in values * 20))
        assert got == [b"png"] * 60
        assert sorted(each.text for each in drawn) == ["0", "1", "2"]
        await pictures.png(values[0])  # looked at lately: it stays
        await pictures.png(QrCode("new"))
        await pictures.png(values[0])
        assert len(drawn) == 4
        await pictures.png(values[1])  # the one that was longest not asked for has gone
        assert len(drawn) == 5
        pictures.close()

    asyncio.run(ask())
    assert len(threads) == 1
    assert threads != {threading.get_ident()}


def test_what_is_kept_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(studio, "_draw_now", lambda _: bytes(400))

    async def ask() -> None:
        pictures = Pictures(kept_bytes_max=1000)
        for number in range(10):
            await pictures.png(QrCode(f"{number}"))
        assert len(pictures._kept) == 2
        pictures.close()

    asyncio.run(ask())


def test_drawing_does_not_hold_up_the_loop() -> None:
    async def ask() -> float:
        pictures = Pictures()
        await pictures.png(PICTURE)  # what is loaded once
        drawing = asyncio.gather(*(pictures.png(QrCode(f"{n}")) for n in range(20)))
        longest = 0.0
        while not drawing.done():
            before = time.monotonic()
            await asyncio.sleep(0.001)
            longest = max(longest, time.monotonic() - before)
        await drawing
        pictures.close()
        return longest

    assert asyncio.run(ask()) < 0.5


@pytest.mark.parametrize(
    "error", [OSError("broken font"), KeyError("bug"), UnidentifiedImageError("odd")]
)
def test_a_failed_drawing_is_told_once_and_leaves_the_words(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    def draw(_: Picture) -> bytes:
        raise error

    monkeypatch.setattr(studio, "_draw_now", draw)

    async def ask() -> None:
        wall = Wall()
        reply = Reply("字", BUTTONS, picture=PICTURE)
        for kind in ("say", "edit", "say"):
            out = row(reply, kind)
            with pytest.raises(InsteadError) as instead:
                await wall.deliver(out)
            (words,) = instead.value.rows
            assert unpack(words.payload) == Reply("字", BUTTONS)
            assert words.kind == kind
        with pytest.raises(InsteadError) as nothing:
            await wall.deliver(row(Reply("", picture=PICTURE)))
        assert nothing.value.rows == []
        wall.pictures.close()

    asyncio.run(ask())
    told = [record for record in caplog.records if "cannot be drawn" in record.message]
    assert [record.levelno for record in told] == [logging.ERROR]


def test_a_drawing_that_takes_too_long_leaves_the_words(monkeypatch: pytest.MonkeyPatch) -> None:
    free = threading.Event()

    def draw(_: Picture) -> bytes:
        free.wait(10)
        return b"late"

    monkeypatch.setattr(studio, "_draw_now", draw)
    monkeypatch.setattr(studio, "DRAW_WAIT_S", 0.05)

    async def ask() -> None:
        pictures = Pictures()
        with pytest.raises(PictureError, match="not drawn within"):
            await pictures.png(PICTURE)
        free.set()
        assert await pictures.png(PICTURE) == b"late"
        pictures.close()

    asyncio.run(ask())


def test_missing_fonts_are_told_at_the_start(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(fonts, "EMOJI", "No.ttf")

    async def look() -> None:
        pictures = Pictures()
        await pictures.look()
        pictures.close()

    asyncio.run(look())
    assert "apt-get install fonts-noto-color-emoji" in caplog.text
