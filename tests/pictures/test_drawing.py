"""Whole pictures: their sizes, the same bytes each time, what is marked, codes that are read."""

import struct
from datetime import date, timedelta
from io import BytesIO

import pytest
import segno
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bot.pictures.canvas import AMBER_SOFT, GREEN, GREEN_DEEP
from bot.pictures.drawing import draw
from bot.pictures.qr import TEXT_BYTES_MAX, TooLongError
from bot.pictures.sizes import size_of
from content.picture import Calendar, Card, Picture, QrCode, pack_picture, unpack_picture
from tests.pictures.test_words import HOSTILE

MONTH, TODAY = date(2026, 3, 1), date(2026, 3, 20)
CALENDAR = Calendar("zh", "小明🌱", MONTH, TODAY, (1, 2, 3, 19, 20), (3,), 2, 3)
CARD = Card("zh", "小明🌱", date(2026, 1, 2), 78, 1234, 5, 3, "白银", "黄金", 320, 68)
QR = QrCode("https://example.org/join?start=ref_小明", "扫一扫加入露营群 🏕")
ALL: list[Picture] = [CALENDAR, CARD, QR]


def opened(picture: Picture) -> Image.Image:
    return Image.open(BytesIO(draw(picture))).convert("RGB")


def count(image: Image.Image, colour: str) -> int:
    wanted = tuple(bytes.fromhex(colour[1:]))
    found: list[tuple[int, tuple[int, ...]]] = image.getcolors(1 << 24)
    return sum(number for number, pixel in found if pixel == wanted)


@pytest.mark.parametrize("picture", ALL, ids=lambda each: type(each).__name__)
def test_a_picture_is_a_png_of_its_size_and_the_same_each_time(picture: Picture) -> None:
    png = draw(picture)
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", png[16:24]) == size_of(picture)
    assert len(png) < 200_000
    assert draw(unpack_picture(pack_picture(picture))) == png
    assert len(pack_picture(picture)) < 300  # what stands in the outbox


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_no_name_breaks_a_picture(name: str) -> None:
    for locale in ("zh", "en"):
        draw(Calendar(locale, name, MONTH, TODAY, (1,)))
        draw(Card(locale, name, MONTH, 1, 0, level=name, next=name, missing=1))
        draw(Card(locale, name, MONTH, 1, 0, title=name, badges=name))
    draw(QrCode("x", name))


@settings(max_examples=25, deadline=None)
@given(st.text(max_size=60))
def test_no_text_breaks_a_card(name: str) -> None:
    draw(Card("zh", name, MONTH, 1, 0))


def test_honours_are_seen_on_a_card() -> None:
    plain, level = Card("zh", "小明", MONTH, 1, 0), "白银"
    titled = Card("zh", "小明", MONTH, 1, 0, level=level, title="👑 本周话题王", badges="🔥🌕💯")
    badged = Card("zh", "小明", MONTH, 1, 0, level=level, badges="🔥" * 8)
    drawn = [draw(each) for each in (plain, titled, badged)]
    assert len({*drawn}) == 3
    assert all(len(png) < 200_000 for png in drawn)


@pytest.mark.parametrize("month", [date(2026, number, 1) for number in range(1, 13)])
def test_every_month_is_drawn(month: date) -> None:
    """Four to six weeks, among them those that end on the last column."""
    following = (month + timedelta(days=31)).replace(day=1)
    last = (following - timedelta(days=1)).day
    full = Calendar("zh", "小明", month, date(2027, 1, 1), tuple(range(1, last + 1)))
    empty = Calendar("zh", "小明", month, date(2027, 1, 1))
    assert count(opened(full), GREEN) > count(opened(empty), GREEN) + last * 2000


def test_the_first_and_last_months_of_all_time_are_drawn() -> None:
    draw(Calendar("zh", "小明", date.min, date.min))
    draw(Calendar("zh", "小明", date(9999, 12, 1), date.max))


def test_days_made_up_are_marked_apart_and_today_is_ringed() -> None:
    plain = Calendar("zh", "小明", MONTH, date(2026, 4, 1), (1, 2, 3))
    made_up = Calendar("zh", "小明", MONTH, date(2026, 4, 1), (1, 2, 3), (3,))
    today = Calendar("zh", "小明", MONTH, TODAY, (1, 2, 3))
    assert count(opened(made_up), GREEN) < count(opened(plain), GREEN) - 2000
    assert count(opened(made_up), AMBER_SOFT) > count(opened(plain), AMBER_SOFT) + 2000
    assert count(opened(today), GREEN_DEEP) > count(opened(plain), GREEN_DEEP) + 500


def test_a_card_shows_how_far_the_next_level_is() -> None:
    def bar(percent: int) -> int:
        return count(opened(Card("zh", "小明", MONTH, 1, 0, 0, 0, "一", "二", 9, percent)), GREEN)

    assert bar(0) < bar(10) < bar(60) < bar(100)


def test_at_the_top_and_without_levels_a_card_is_whole() -> None:
    top = opened(Card("zh", "小明", MONTH, 1, 0, level="钻石"))
    none = opened(Card("zh", "小明", MONTH, 1, 0))
    assert top.size == none.size
    assert top.tobytes() != none.tobytes()


@pytest.mark.parametrize(
    "text",
    ["https://example.org/j/abc", "小明的群 🏕", "x" * TEXT_BYTES_MAX, "7" * 60],
    ids=["link", "words", "longest", "digits"],
)
def test_a_code_is_read_again(text: str) -> None:
    image = opened(QrCode(text, "扫一扫"))
    (read,) = zxingcpp.read_barcodes(image)
    assert read.text == text
    (small,) = zxingcpp.read_barcodes(image.resize((420, 490)))  # on a screen beside another
    assert small.text == text


def test_a_code_has_every_module_and_its_quiet_zone() -> None:
    image = opened(QR).convert("L")
    rows = [list(row) for row in segno.make(QR.text, error="m", micro=False).matrix]
    step = 720 // (len(rows) + 8)
    start = 60 + (720 - step * len(rows)) // 2
    for y, row in enumerate(rows):
        for x, dark in enumerate(row):
            at = (start + x * step + step // 2, start + y * step + step // 2)
            assert (image.getpixel(at) == 0) is bool(dark), (x, y)
    quiet = image.crop((start - 4 * step, start - 4 * step, start + step * len(rows), start))
    assert quiet.getcolors() == [(quiet.width * quiet.height, 255)]


@pytest.mark.parametrize(
    ("text", "error"), [("x" * (TEXT_BYTES_MAX + 1), TooLongError), ("", ValueError)]
)
def test_what_no_phone_could_read_is_refused(text: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        draw(QrCode(text))
