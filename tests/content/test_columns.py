"""Headings: known in two languages, never taken twice, never guessed."""

import pytest

from content.columns import KINDS, Columns, known, recognise
from content.message import Refusal


def _orders(*headings: str, platform: str = "", **told: str) -> Columns:
    return recognise("orders", headings, told, platform)


def _refused(*headings: str, platform: str = "", **told: str) -> Refusal:
    with pytest.raises(Refusal) as caught:
        _orders(*headings, platform=platform, **told)
    return caught.value


def test_chinese_and_english_headings_mean_the_same() -> None:
    zh = _orders("订单号", "平台", "用户号", "实付金额（元）", "运费", "付款时间", "备注")
    en = _orders("Order No.", "PLATFORM", "user_id", "Amount-Yuan", "freight", " paid at ", "note")
    assert en.places == zh.places
    assert (zh.unused, en.unused) == (["备注"], ["note"])
    assert "amount_fen" in _orders("订单号", "时间", "金额（分）").places


def test_full_width_and_invisible_characters_do_not_hide_a_heading() -> None:
    found = _orders("\ufeff订单号", "Ｕｓｅｒ　ＩＤ", "平台\u200b", "时间 ")
    assert [*found.places] == ["order", "user_id", "platform", "at"]


def test_no_word_means_two_things() -> None:
    for kind, meanings in KINDS.items():
        words = [word for each in meanings.values() for word in each]
        assert len(words) == len({*words}), kind


def test_two_columns_of_one_meaning_are_refused_until_one_is_named() -> None:
    headings = ("订单号", "会员号", "付款时间", "完成时间")
    refusal = _refused(*headings)
    assert refusal.key == "import.column_twice"
    assert (refusal.values["first"], refusal.values["second"]) == ("付款时间", "完成时间")
    assert _orders(*headings, at="完成时间").places["at"] == 3


def test_a_heading_that_stands_twice_is_refused() -> None:
    assert _refused("订单号", "订单号", "时间").key == "import.column_twice"
    assert _refused("订单号", "x", "x", "时间", amount="x").key == "import.column_twice"


def test_yuan_and_fen_at_once_are_refused() -> None:
    assert _refused("order", "at", "amount", "amount_fen").key == "import.column_twice"


@pytest.mark.parametrize(
    ("headings", "missing"),
    [
        (("订单号", "会员号", "金额"), "at"),
        (("会员号", "时间"), "order"),
        (("订单号", "用户号", "时间"), "platform"),
        (("a", "b"), "order"),
    ],
)
def test_a_missing_column_is_named(headings: tuple[str, ...], missing: str) -> None:
    refusal = _refused(*headings)
    assert (refusal.key, refusal.values["meaning"]) == ("import.column_missing", missing)


def test_a_platform_may_be_told_beside_the_file() -> None:
    assert "platform" not in _orders("订单号", "用户号", "时间", platform="shop").places


def test_a_heading_that_is_told_must_be_there() -> None:
    assert _refused("订单号", "时间", amount="实收").key == "import.column_unknown"


def test_columns_have_an_end() -> None:
    assert _refused(*["x"] * 201).key == "import.columns_many"


def test_the_line_with_the_most_known_names_is_the_heading() -> None:
    assert known("orders", ["订单号", "时间", "nothing", ""]) == 2
    assert known("orders", ["实收"], ["实收"]) == 1
