"""Names and words as people type them: hostile ones, too."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from content.names import NAME_MAX, clean_name, isolate, mixed_scripts, plain_words

FAMILY = "👨‍👩‍👧‍👦"
FALLBACK = "#1234"


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("小明", "小明"),
        ("Ann Lee", "Ann Lee"),
        ("  Ann \t  Lee  ", "Ann Lee"),
        ("全角\u3000空格\u00a0名", "全角 空格 名"),
        ("José", "José"),
        ("Jose\u0301", "José"),  # composed
        ("नमस्ते", "नमस्ते"),
        ("Ёлка", "Ёлка"),
        (FAMILY, FAMILY),
        ("🏳️‍🌈", "🏳️‍🌈"),
        ("🇨🇳小红", "🇨🇳小红"),
        ("👍🏽", "👍🏽"),
        ("1️⃣", "1️⃣"),
        ("{points}%s$1<b>_*[x](y)", "{points}%s$1<b>_*[x](y)"),  # said as it stands
        ("!!!", "!!!"),
        ("a\u200bb\ufeffc", "abc"),  # zero width
        ("\u202eevil\u202c", "evil"),  # direction override
        ("\u2066a\u2069", "a"),
        ("مرحبا", "مرحبا"),
        ("a\u0301\u0301\u0301\u0301\u0301b", "á\u0301\u0301b"),  # two marks stay on a letter
        ("x\x00\x07\x1b[31my", "x[31my"),
        ("a\ud800b", "ab"),  # half a character
        ("a\u200db", "ab"),  # a joiner between letters
        ("\u200d👍\u200d", "👍"),
        ("👍\u200d\u200d\u200d👍", "👍\u200d👍"),
    ],
)
def test_a_name_is_shown_without_its_tricks(raw: str, shown: str) -> None:
    assert clean_name(raw, fallback=FALLBACK) == shown


@pytest.mark.parametrize(
    "raw",
    [
        "",
        " ",
        "\n\r\t",
        "\u3000\u00a0",
        "\x00",
        "\u200b\u200c\u200d\u2060\ufeff",
        "\u202e",
        "\u0301\u0301",  # marks with nothing under them
        "\ufe0f",
        "\ud800",
        "\ue000",  # private use
        "\u2028",
        "\U000e0041",
    ],
)
def test_a_name_of_nothing_is_the_fallback(raw: str) -> None:
    assert clean_name(raw, fallback=FALLBACK) == FALLBACK


@pytest.mark.parametrize(
    "raw",
    ["\u3164", "\u115f\u1160", "\uffa0", "\u2800\u2800", "\u3164 \u3164"],
    ids=["hangul filler", "jamo fillers", "half width filler", "braille blank", "fillers"],
)
def test_a_name_of_blank_letters_is_the_fallback(raw: str) -> None:
    assert clean_name(raw, fallback=FALLBACK) == FALLBACK


@pytest.mark.parametrize(
    "raw",
    [
        "a\nb",
        "a\r\nb",
        "a\u2028b",
        "a\u2029b",
        "a\x85b",
        "a\x0bb",
        "小明\n\n🏆 本周积分榜\n1. 小明 9999",
    ],
)
def test_a_name_stands_on_one_line(raw: str) -> None:
    assert len(clean_name(raw, fallback=FALLBACK).splitlines()) == 1


@pytest.mark.parametrize("length", [NAME_MAX - 1, NAME_MAX])
def test_a_name_that_fits_is_not_cut(length: int) -> None:
    assert clean_name("名" * length, fallback=FALLBACK) == "名" * length


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("名" * 25, "名" * 23 + "…"),
        ("😀" * 500, "😀" * 23 + "…"),
        ("名" * 22 + " " + "名" * 9, "名" * 22 + "…"),  # no space before the ellipsis
        ("名" * 22 + "👍\u200d👍", "名" * 22 + "👍…"),  # nor a joiner
        ("x" * 100_000, "x" * 23 + "…"),
    ],
    ids=["25", "500 emoji", "space at the cut", "joiner at the cut", "100,000"],
)
def test_a_long_name_is_cut_with_an_ellipsis(raw: str, shown: str) -> None:
    assert clean_name(raw, fallback=FALLBACK) == shown


def test_families_are_cut_without_a_joiner_left_over() -> None:
    shown = clean_name(FAMILY * 20, fallback=FALLBACK)
    assert len(shown) <= NAME_MAX
    assert shown[-2:-1] != "\u200d"
    assert shown.endswith("…")


def test_zalgo_shrinks_to_its_letters() -> None:
    zalgo = "".join(letter + "\u0336\u0489\u0350\u036f" * 20 for letter in "Zalgo")
    shown = clean_name(zalgo, fallback=FALLBACK)
    letters = [c for c in shown if c.isalpha()]
    assert "".join(letters) == "Zalgo"
    assert len(shown) <= 3 * len(letters)


@given(st.text(st.characters(), max_size=600))
def test_whatever_a_name_is_it_is_short_visible_and_on_one_line(raw: str) -> None:
    shown = clean_name(raw, fallback=FALLBACK)
    assert 1 <= len(shown) <= NAME_MAX
    assert len(shown.splitlines()) == 1
    assert shown == shown.strip()
    assert "  " not in shown
    for character in shown:
        assert character == "\u200d" or unicodedata.category(character) not in {
            "Cc",
            "Cf",
            "Cs",
            "Co",
            "Cn",
            "Zl",
            "Zp",
        }
    shown.encode()  # it can be stored and sent


@pytest.mark.parametrize("name", ["小明", "Ann", "😀", "", "Ёлка", "1234"])
def test_a_name_from_left_to_right_stays_as_it_is(name: str) -> None:
    assert isolate(name) == name


@pytest.mark.parametrize("name", ["مرحبا", "שלום", "Ann שלום", "١٢٣"])
def test_a_name_from_right_to_left_is_fenced_in(name: str) -> None:
    assert isolate(name) == f"\u2068{name}\u2069"


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("签到", "签到"),
        ("  签到\n", "签到"),
        ("签\u200b到\ufeff", "签到"),
        ("\u202e签到", "签到"),
        ("／ｃｈｅｃｋｉｎ", "/checkin"),
        ("明细\u3000２０", "明细 20"),
        ("签到\uff01", "签到!"),
        ("", ""),
        ("\u200b", ""),
        ("\x00签到\x07", "签到"),
        ("a\ud83db", "ab"),
        ("①", "1"),
    ],
)
def test_typed_words_lose_full_width_and_what_cannot_be_seen(typed: str, words: str) -> None:
    assert plain_words(typed) == words


@given(st.text(st.characters(), max_size=200))
def test_plain_words_can_always_be_stored(text: str) -> None:
    words = plain_words(text)
    assert words == words.strip()
    words.encode()


@pytest.mark.parametrize(
    "name",
    [
        "Ann",
        "José Łukasz",
        "小红",
        "王Ann",
        "老王2号",
        "小〇々",
        "阿may",
        "Ａｎｎ",
        "さくらサクラ桜ー Ann",
        "김민수 Kim 金",
        "ㄅㄆ王Lee",
        "Анна Ёлкина",
        "Γιώργος 2",
        "محمد ٧",
        "नमस्ते १",
        "Ann 👍🏽",
        "O'Hara-Smith, Jr.",
        "Ka\u02bbiulani",
        "Мар\u02bcяна",
        "李\u3021",
        "",
        "123",
    ],
)
def test_names_as_people_write_them_are_of_one_kind(name: str) -> None:
    assert mixed_scripts(name) == []


@pytest.mark.parametrize(
    ("name", "scripts"),
    [
        ("\u0410nn", ["CYRILLIC", "LATIN"]),  # A as in Анна
        ("B\u043eb", ["CYRILLIC", "LATIN"]),
        ("Αnn", ["GREEK", "LATIN"]),
        ("小\u0430", ["CYRILLIC", "HAN"]),
        ("An\u0578", ["ARMENIAN", "LATIN"]),
        ("Ann\u0966", ["DEVANAGARI", "LATIN"]),  # a digit nought
        ("カ\u1112", ["HANGUL", "KATAKANA"]),
        ("𝐀\u043d\u043d", ["CYRILLIC", "LATIN"]),
    ],
)
def test_a_letter_of_another_script_is_found(name: str, scripts: list[str]) -> None:
    assert mixed_scripts(name) == scripts
