"""How a gift is asked for, and what the rules say to it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from content.gifting import Case, Reading, forbids, readings
from content.names import clean_name, plain_words
from content.rulebook import GiftRules

FINE = Case(
    amount=20,
    available=100,
    earned=80,
    debt=0,
    giver_days=14,
    receiver_days=14,
    given_times=0,
    given_points=0,
    back=False,
)


@pytest.mark.parametrize(
    ("words", "read"),
    [
        ("小明 20 谢谢", ("小明", 20, "谢谢")),
        ("小明20", ("小明", 20, "")),
        ("小明20分", ("小明", 20, "")),
        ("小明 20 积分，辛苦了", ("小明", 20, "辛苦了")),
        ("小明，20，谢谢", ("小明", 20, "谢谢")),
        ("20", ("", 20, "")),
        ("20谢谢", ("", 20, "谢谢")),
        ("20 谢谢", ("", 20, "谢谢")),
        ("＠小明　２０　谢谢", ("@小明", 20, "谢谢")),
        ("Ann 20 points thank you", ("Ann", 20, "thank you")),
        ("Ann +20", ("Ann", 20, "")),
        ("小明 0", ("小明", 0, "")),
        ("小明 007", ("小明", 7, "")),
        ("小明 " + "9" * 150, ("小明", int("9" * 150), "")),
    ],
)
def test_what_is_asked_for(words: str, read: tuple[str, int, str]) -> None:
    assert readings(plain_words(words)) == (Reading(*read),)


@pytest.mark.parametrize(
    "words",
    ["", "小明", "小明 -20", "小明 −20", "小明 20.5", "小明 1,000", "小明 20%", "小明 2️⃣0️⃣",
     "小明 🔟", "小明 二十", "小明 ٢٠", "小明 20e5", "小明 0x20", "小明 .5", "谢谢"],
)  # fmt: skip
def test_what_is_no_amount(words: str) -> None:
    assert readings(plain_words(words)) == ()


def test_the_longest_name_comes_first() -> None:
    names = [each.name for each in readings("小明20 5 谢谢 3 次")]
    assert names == ["小明20 5 谢谢", "小明20", "小明"]
    assert len(readings("1 2 3 4 5 6 7 8 9")) == 4


@given(st.text(max_size=200))
def test_any_words_are_read_or_not(words: str) -> None:
    for reading in readings(plain_words(words)):
        assert reading.amount >= 0


@pytest.mark.parametrize(
    ("change", "rules", "why"),
    [
        ({}, {}, None),
        ({}, {"per_day_n": 0}, "gift.off"),
        ({}, {"per_day_points": 0}, "gift.off"),
        ({"amount": 0}, {}, "gift.amount"),
        ({"debt": 1, "available": 0, "earned": 0}, {}, "gift.debt"),
        ({"giver_days": 13}, {}, "gift.new"),
        ({"giver_days": 0}, {"account_days_min": 0}, None),
        ({"receiver_days": 13}, {}, "gift.new_there"),
        ({"given_times": 2}, {}, None),
        ({"given_times": 3}, {}, "gift.times"),
        ({"given_points": 180}, {}, None),
        ({"given_points": 181}, {}, "gift.much"),
        ({"amount": 80}, {}, None),
        ({"amount": 81}, {}, "gift.unearned"),
        ({"amount": 101}, {}, "gift.short"),
        ({"amount": 10**40}, {}, "gift.much"),
        ({"back": True}, {}, "gift.back"),
    ],
)
def test_what_forbids_a_gift(
    change: dict[str, int], rules: dict[str, int], why: str | None
) -> None:
    assert forbids(GiftRules(**rules), FINE._replace(**change)) == why


def test_a_note_is_longer_than_a_name_and_calls_nobody() -> None:
    note = clean_name("谢谢 @all https://xy.cc/z \u202e" + "长" * 90, fallback="", most=40)
    assert note.startswith("谢谢 ＠all https:／／xy．cc／z 长")
    assert len(note) == 40
