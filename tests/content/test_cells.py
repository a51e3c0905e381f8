"""Cells as people fill them in: what they mean, and what is refused rather than guessed."""

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from content import cells
from content.message import Refusal

ZONE = ZoneInfo("Asia/Shanghai")


def _refused(read: Any, *given: Any, **more: Any) -> str:
    with pytest.raises(Refusal) as caught:
        read(*given, **more)
    return caught.value.key


@pytest.mark.parametrize(
    ("given", "fen"),
    [
        ("199", 19_900),
        ("199.9", 19_990),
        ("199.90", 19_990),
        ("199.9000", 19_990),
        ("0.01", 1),
        ("0", 0),
        ("１９９．９", 19_990),
        ("￥199.90", 19_990),
        ("¥ 1,234,567.80", 123_456_780),
        ("199.90元", 19_990),
        ("RMB 199", 19_900),
        ("+5", 500),
        ("\u200b19\ufeff9 ", 19_900),
        (199, 19_900),
        (199.9, 19_990),
        (0.1 + 0.2, 30),
        (1e9, 10**11),
        ("", None),
        ("--", None),
        (None, None),
    ],
)
def test_an_amount_in_yuan_is_read_to_the_fen(given: Any, fen: int | None) -> None:
    assert cells.amount(given, "金额") == fen


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("-5", "negative"),
        ("－5", "negative"),
        ("−5", "negative"),
        ("(5.00)", "negative"),
        (-0.5, "negative"),
        ("1.005", "cents"),
        (199.999, "cents"),
        ("199,90", "number"),
        ("1,23", "number"),
        ("12 34", "number"),
        ("1e5", "number"),
        ("0x10", "number"),
        ("五百", "number"),
        ("=1+1", "number"),
        ("NaN", "number"),
        (float("nan"), "number"),
        (float("inf"), "number"),
        (True, "number"),
        (date(2026, 3, 4), "number"),
        ("#N/A", "number"),
        ("9" * 20, "number"),
        ("9" * 3_000, "long"),
    ],
)
def test_what_is_no_amount_is_refused(given: Any, why: str) -> None:
    assert _refused(cells.amount, given, "金额") == f"import.cell_{why}"


def test_points_are_whole() -> None:
    assert [cells.amount(given, "积分", unit=1) for given in ("100", 100.0, "1,000.00")] == [
        100,
        100,
        1_000,
    ]
    assert _refused(cells.amount, "12.5", "积分", unit=1) == "import.cell_whole"


@pytest.mark.parametrize(
    ("given", "number"),
    [
        (' ="0012345678901234567" ', "0012345678901234567"),
        ("'0012", "0012"),
        ("`4200001234202603041234567890", "4200001234202603041234567890"),
        ("2026030400017\t", "2026030400017"),
        ("Ａ－１２", "A-12"),
        ("\ufeffA\u200b1", "A1"),
        (20260304, "20260304"),
        (123.0, "123"),
        (12345678901234567, "12345678901234567"),
        ("", None),
    ],
)
def test_a_number_is_text(given: Any, number: str | None) -> None:
    assert cells.number(given, "订单号") == number


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("2.02603E+16", "shortened"),
        ("2E16", "shortened"),
        (2.0260304001712301e16, "shortened"),
        (1.5, "shortened"),
        ("=A1+1", "formula"),
        ('=HYPERLINK("http://x")', "formula"),
    ],
)
def test_a_number_that_a_spreadsheet_has_spoilt_is_refused(given: Any, why: str) -> None:
    assert _refused(cells.number, given, "订单号") == f"import.cell_{why}"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("2026-03-04 12:00", "2026-03-04T12:00:00+08:00"),
        ("2026-03-04T12:00:00", "2026-03-04T12:00:00+08:00"),
        ("2026-03-04T04:00:00Z", "2026-03-04T12:00:00+08:00"),
        ("2026-03-04 05:00:00+01:00", "2026-03-04T12:00:00+08:00"),
        ("2026/3/4 9:05", "2026-03-04T09:05:00+08:00"),
        ("2026.3.4", "2026-03-04T00:00:00+08:00"),
        ("2026年3月4日", "2026-03-04T00:00:00+08:00"),
        ("2026年3月4日12时30分", "2026-03-04T12:30:00+08:00"),
        ("2026年3月4日 12:30:15", "2026-03-04T12:30:15+08:00"),
        ("2026/3/4 下午 1:05:00", "2026-03-04T13:05:00+08:00"),
        ("2026/3/4 上午12:05", "2026-03-04T00:05:00+08:00"),
        ("2026-03-04 01:05 PM", "2026-03-04T13:05:00+08:00"),
        ("２０２６－０３－０４ １２：００", "2026-03-04T12:00:00+08:00"),
        ("20260304", "2026-03-04T00:00:00+08:00"),
        ("20260304123015", "2026-03-04T12:30:15+08:00"),
        (20260304, "2026-03-04T00:00:00+08:00"),
        (20260304.0, "2026-03-04T00:00:00+08:00"),
        ("2026-03-04 12:00:00.250", "2026-03-04T12:00:00.250000+08:00"),
        (datetime(2026, 3, 4, 12), "2026-03-04T12:00:00+08:00"),
        (date(2026, 3, 4), "2026-03-04T00:00:00+08:00"),
        (datetime(2026, 3, 4, 4, tzinfo=UTC), "2026-03-04T12:00:00+08:00"),
    ],
)
def test_a_time_is_the_programmes_unless_it_says_otherwise(given: Any, told: str) -> None:
    found = cells.moment(given, "时间", ZONE)
    assert found is not None
    assert found == datetime.fromisoformat(told)


@pytest.mark.parametrize(
    "given",
    [
        "3/4/2026",
        "04.03.2026",
        "26-03-04",
        "2026-13-01",
        "2026-02-30",
        "2026-03/04",
        "2026-03-04 25:00",
        "2026/3/4 下午 13:05",
        "2026-03-04T12:00:00+99:00",
        "20261301",
        "1772596800",
        "1772596800000",
        46085.5,
        46085,
        "yesterday",
        "=TODAY()",
    ],
)
def test_a_time_that_can_be_read_two_ways_or_none_is_refused(given: Any) -> None:
    assert _refused(cells.moment, given, "时间", ZONE) == "import.cell_time"


def test_a_day_is_the_programmes() -> None:
    assert cells.day("2026-03-04T23:30:00Z", "加入", ZONE) == date(2026, 3, 5)
    assert cells.day(None, "加入", ZONE) is None


def test_what_is_shown_is_short_and_on_one_line() -> None:
    assert cells.shown("一\n二\u202e" * 100) == ("一 二" * 14)[:39] + "…"
    assert cells.shown(None) == ""
