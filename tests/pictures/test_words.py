"""Text in pictures: no boxes, emoji whole, every name survived, nothing wider than it may be."""

import pytest
from PIL import Image, ImageDraw

from bot.pictures import fonts, words
from bot.pictures.canvas import Canvas
from bot.pictures.words import Run, Style, pieces, runs, width
from content.texts import LOCALES, texts

STYLE = Style(40)
FAMILY, FLAG, THUMB, KEYCAP, HEART = "👨‍👩‍👧", "🇨🇳", "👍🏽", "1️⃣", "❤️"
WALES = "🏴󠁧󠁢󠁷󠁬󠁳󠁿"
HOSTILE = [
    "",
    " ",
    "😀" * 500,
    FAMILY * 300,
    "محمد علي",
    "שלום 小明 123",
    "\u200b\u200d\ufeff\u2060",
    "a\u202egpj.exe",
    "Z\u0351\u036b\u0343" * 200,
    "\x00\x07\n\t",
    "\U0010fffd\ue000\ud800",
    "ก็ हिन्दी ქართული",
    "𓀀𒀀",
    "\u200d😀\u200d",
    "🏽🇨",
    "x" * 5000,
]


def test_emoji_of_several_parts_are_one_piece() -> None:
    whole = [FAMILY, FLAG, THUMB, KEYCAP, HEART, WALES, "😀"]
    assert pieces("".join(whole)) == whole
    assert pieces(f"小{FAMILY}明1#") == ["小", FAMILY, "明", "1", "#"]


@pytest.mark.parametrize("emoji", [FAMILY, FLAG, THUMB, KEYCAP, HEART, WALES, "🌱", "🫥", "🪪"])
def test_an_emoji_is_one_picture_in_colour(emoji: str) -> None:
    (run,) = runs(emoji)
    assert run == Run("emoji", emoji)
    shown = words.emoji_at(emoji, 40)
    assert shown.width < 60
    colours = {pixel[:3] for _, pixel in shown.getcolors(1 << 16) or [] if pixel[3] > 200}
    assert len(colours) > 3


def test_parts_that_the_font_does_not_know_together_are_shown_by_the_first() -> None:
    (run,) = runs("🌱\u200d🔥")
    assert words.emoji_at(run.text, 40).tobytes() == words.emoji_at("🌱", 40).tobytes()


@pytest.mark.parametrize("weight", ["regular", "bold"])
@pytest.mark.parametrize("character", [*"签到补龘髒の한A0·—%", *"шжλ", *"عש"])
def test_glyphs_are_not_those_of_a_missing_one(character: str, weight: str) -> None:
    (run,) = runs(character, weight)
    face = words.face_of(run, Style(32, bold=weight == "bold"))
    missing = face.getmask("\U0010fffe")
    shown = face.getmask(character)
    assert (shown.size, bytes(shown)) != (missing.size, bytes(missing))
    assert any(bytes(shown))


def test_every_word_of_ours_can_be_drawn() -> None:
    """All of `picture.…`, in both languages: nothing is left out of what is drawn."""
    for locale in LOCALES:
        table = texts(locale)._table
        for key, text in table.items():
            if key.startswith("picture."):
                assert "".join(run.text for run in runs(text)) == " ".join(text.split(" ")), key


def test_what_no_font_has_is_left_out_rather_than_boxed() -> None:
    assert runs("\ue000\U0010fffd") == []
    assert runs("𓀀小") == [Run("text", "小")]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("most", [0, 5, 300])
def test_whatever_is_written_is_no_wider_than_it_may_be(text: str, most: int) -> None:
    fitted = words.fit(text, STYLE, most)
    assert width(fitted, STYLE) <= max(most, width("…", STYLE))
    canvas = Canvas(400, 80)
    assert canvas.text(20, 40, text, STYLE, most=most) <= max(most, width("…", STYLE))
    shown = canvas.image.crop((20 + max(most, 60) + 30, 0, 400, 80))
    assert len(shown.getcolors() or []) == 1, "something is drawn beyond its place"


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_lines_break_and_are_as_few_as_they_may_be(text: str) -> None:
    found = words.lines(text, STYLE, 300, 2)
    assert len(found) <= 2
    assert all(width(line, STYLE) <= 300 for line in found)


def test_lines_break_between_words() -> None:
    text = "Scan this to join the campers"
    found = words.lines(text, STYLE, 400, 3)
    assert " ".join(found) == text
    assert len(found) == 2


def test_a_right_to_left_name_begins_at_the_right() -> None:
    assert [run.text.strip() for run in runs("محمد小")] == ["小", "محمد"]
    assert [run.text.strip() for run in runs("小محمد")] == ["小", "محمد"]


def test_arabic_letters_are_joined() -> None:
    (run,) = runs("محمد")
    face = words.face_of(run, STYLE)
    apart = sum(face.getlength(letter) for letter in "محمد")
    assert face.getlength("محمد") < apart


def test_without_an_emoji_font_letters_stay_and_nothing_is_boxed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_emoji = drawn("小🌱1️⃣明")
    monkeypatch.setattr(fonts, "EMOJI", "NoSuchFont.ttf")
    _forget()
    try:
        assert runs("小🌱明") == [Run("text", "小明")]
        assert drawn("小🌱1️⃣明") == drawn("小1明")
        assert any("without emoji" in problem for problem in fonts.problems())
    finally:
        monkeypatch.undo()
        _forget()
    assert drawn("小🌱1️⃣明") == with_emoji


def test_without_a_chinese_font_nothing_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "CHINESE", {"regular": ("No.ttf",), "bold": ("No.ttf",)})
    _forget()
    try:
        with pytest.raises(fonts.NoFontError, match="fonts-noto-cjk"):
            drawn("小")
    finally:
        monkeypatch.undo()
        _forget()


def test_without_a_bold_font_the_regular_one_is_thickened(monkeypatch: pytest.MonkeyPatch) -> None:
    regular = fonts.CHINESE["regular"]
    monkeypatch.setattr(fonts, "CHINESE", {"regular": regular, "bold": ("No.ttf",)})
    _forget()
    try:
        assert ink("签", bold=True) > ink("签", bold=False) * 1.05
    finally:
        monkeypatch.undo()
        _forget()


def test_the_unknown_glyph_would_be_seen() -> None:
    """The proof that boxes are what we look for: the font's own picture of a missing glyph."""
    face = words.face_of(Run("text", "小"), STYLE)
    image = Image.new("L", (80, 80))
    ImageDraw.Draw(image).text((10, 10), "\U0010fffe", 255, face)
    assert image.getbbox() is not None


def drawn(text: str) -> bytes:
    canvas = Canvas(400, 80)
    canvas.text(20, 40, text, STYLE)
    return canvas.png()


def ink(text: str, *, bold: bool) -> int:
    canvas = Canvas(120, 120, "#ffffff")
    canvas.text(20, 60, text, Style(64, bold=bold), "#000000")
    return sum((255 - value) * n for n, value in canvas.image.convert("L").getcolors() or [])


def _forget() -> None:
    for cached in (
        words._font_of,
        words._nothing,
        words._face,
        words._emoji_face,
        words._emoji_picture,
        words.emoji_at,
    ):
        cached.cache_clear()
