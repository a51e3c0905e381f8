"""Workbooks: what spreadsheets write, and what nobody does but to do harm."""

import resource
import zipfile
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from bot.imports import xlsx_check
from bot.imports.lines import Line
from bot.imports.table import Asked, open_table
from content.message import Refusal

HEAD = ["订单号", "会员号", "金额", "时间"]
SHEET = "xl/worksheets/sheet1.xml"


def _book(folder: Path, *rows: list[Any]) -> Path:
    book = Workbook()
    for row in (HEAD, *rows):
        book.active.append(row)
    path = folder / "orders.xlsx"
    book.save(path)
    return path


def _read(path: Path, sheet: str | None = None) -> tuple[str, list[Line]]:
    with open_table(Asked(path, "orders", {}, "", sheet)) as table:
        return table.source.form, [*table.lines]


def _refused(path: Path, sheet: str | None = None) -> Refusal:
    with pytest.raises(Refusal) as caught:
        _read(path, sheet)
    return caught.value


def _changed(path: Path, part: str, change: Callable[[bytes], bytes]) -> Path:
    """Write a workbook anew with one part changed."""
    other = path.with_name("changed.xlsx")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(other, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, change(content) if name == part else content)
    return other


def test_cells_come_as_what_they_are(tmp_path: Path) -> None:
    path = _book(
        tmp_path,
        ["A1", 7, 199.9, datetime(2026, 3, 4, 12)],
        [20260304, 7, 5, date(2026, 3, 4)],
        [None, None, None, None],
        ["A3", "7", "5", "2026-03-04"],
    )
    form, lines = _read(path)
    assert form == "XLSX, Sheet"
    assert lines == [
        Line(2, ["A1", 7, 199.9, datetime(2026, 3, 4, 12)]),
        Line(3, [20260304, 7, 5, datetime(2026, 3, 4)]),
        Line(5, ["A3", "7", "5", "2026-03-04"]),
    ]


def test_another_sheet_is_read_when_it_is_named(tmp_path: Path) -> None:
    book = Workbook()
    book.active.title = "说明"
    book.create_sheet("订单").append(HEAD)
    book["订单"].append(["A1", 7, 5, "2026-03-04"])
    path = tmp_path / "two.xlsx"
    book.save(path)
    assert _refused(path).key == "import.file_empty"
    form, lines = _read(path, "订单")
    assert (form, len(lines)) == ("XLSX, 订单 (+1)", 1)
    refusal = _refused(path, "none")
    assert (refusal.key, refusal.values["names"]) == ("import.sheet_unknown", "说明、订单")


def test_a_formula_counts_as_what_was_saved_with_it(tmp_path: Path) -> None:
    path = _book(tmp_path, ["A1", 7, "=1+1", "2026-03-04"], ["A2", 7, 3, "2026-03-04"])
    _, lines = _read(path)
    assert [line.fault.values["cell"] if line.fault else "" for line in lines] == ["C2", ""]
    saved = _changed(
        path, SHEET, lambda xml: xml.replace(b"<f>1+1</f><v />", b"<f>1+1</f><v>2</v>")
    )
    _, lines = _read(saved)
    assert [line.fault for line in lines] == [None, None]
    assert lines[0].cells[2] == 2


def test_a_sheet_that_claims_to_be_small_is_read_whole(tmp_path: Path) -> None:
    path = _book(tmp_path, *(["A1", 7, 5, "2026-03-04"] for _ in range(30)))
    small = _changed(path, SHEET, lambda xml: xml.replace(b'ref="A1:D31"', b'ref="A1:D2"'))
    with zipfile.ZipFile(small) as parts:
        assert b'ref="A1:D2"' in parts.read(SHEET)
    assert len(_read(small)[1]) == 30


def test_a_sheet_that_claims_to_be_huge_is_no_larger(tmp_path: Path) -> None:
    path = _book(tmp_path, ["A1", 7, 5, "2026-03-04"])
    huge = _changed(path, SHEET, lambda xml: xml.replace(b'ref="A1:D2"', b'ref="A1:XFD1048576"'))
    assert len(_read(huge)[1]) == 1


def _row(number: int) -> Callable[[bytes], bytes]:
    return lambda xml: xml.replace(b'<row r="2"', b'<row r="%d"' % number).replace(
        b'2"', b'%d"' % number
    )


def test_a_billion_rows_are_refused_at_once(tmp_path: Path) -> None:
    path = _book(tmp_path, ["A1", 7, 5, "2026-03-04"])
    for number in (1_000_000_000, 1_048_577, 1):
        refusal = _refused(_changed(path, SHEET, _row(number)))
        assert (refusal.key, refusal.values["row"]) == ("import.sheet_rows", number)
    assert [line.number for line in _read(_changed(path, SHEET, _row(900_000)))[1]] == [900_000]


def test_columns_far_out_are_not_looked_for(tmp_path: Path) -> None:
    path = _book(tmp_path, ["A1", 7, 5, "2026-03-04"])
    far = _changed(path, SHEET, lambda xml: xml.replace(b'r="D1"', b'r="XFD1"'))
    assert _refused(far).key == "import.column_missing"
    near = _changed(path, SHEET, lambda xml: xml.replace(b'r="D1"', b'r="GS1"'))
    assert _refused(near).key == "import.columns_many"


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _book(tmp_path, ["A1", 7, 5, "2026-03-04"])
    monkeypatch.setattr(xlsx_check, "UNPACKED_MAX", 3 << 20)
    bomb = _changed(path, SHEET, lambda xml: xml + b" " * (4 << 20))
    assert bomb.stat().st_size < 20_000
    assert _refused(bomb).key == "import.file_unpacked"
    styles = _changed(path, "xl/styles.xml", lambda xml: xml + b" " * (9 << 20))
    assert _refused(styles).key == "import.file_unpacked"


CELLS = b"<c/>" * 1_000_000


@pytest.mark.parametrize(
    "rows",
    [
        b'<row r="3">' + CELLS + b"</row>",
        b'<row r="3">' + (b'<row r="4"/>' + CELLS[: 4 * 200_000]) * 10 + b"</row>",
        b'<row r="3">' + (CELLS[: 4 * 200_000] + b"<!--<row>-->") * 10 + b"</row>",
        b'<row r="3" x=">">' + CELLS + b"</row>",
        b"x" * 9_000_000,
        b'<x:row xmlns:x="u" r="3">' + CELLS + b"</x:row>",
    ],
)
def test_a_row_without_end_is_refused_before_it_is_in_memory(tmp_path: Path, rows: bytes) -> None:
    path = _book(tmp_path, ["A1", 7, 5, "2026-03-04"])
    bomb = _changed(path, SHEET, lambda xml: xml.replace(b"</sheetData>", rows + b"</sheetData>"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert _refused(bomb).key in {
        "import.file_unpacked",
        "import.file_broken",
        "import.sheet_rows",
    }
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000


@pytest.mark.parametrize(
    "change",
    [
        lambda xml: xml[: len(xml) // 2],
        lambda _xml: b"",
        lambda xml: b'<?xml version="1.0" encoding="utf-7"?>' + xml,
        lambda xml: xml.decode().encode("utf-16"),
        lambda xml: b'<!DOCTYPE x [<!ENTITY a "b">]>' + xml,
    ],
)
def test_a_damaged_sheet_is_refused_in_words(
    tmp_path: Path, change: Callable[[bytes], bytes]
) -> None:
    path = _changed(_book(tmp_path, ["A1", 7, 5, "2026-03-04"]), SHEET, change)
    assert _refused(path).key in {"import.file_broken", "import.file_empty"}


@pytest.mark.parametrize("part", ["xl/workbook.xml", "[Content_Types].xml", "xl/styles.xml"])
def test_a_damaged_workbook_is_refused_in_words(tmp_path: Path, part: str) -> None:
    path = _book(tmp_path, ["A1", 7, 5, "2026-03-04"])
    assert _refused(_changed(path, part, lambda xml: xml[:50])).key == "import.file_broken"


def _shared(path: Path, strings: bytes) -> Path:
    """Write a workbook anew whose first order's number is the first of shared strings."""
    kind = b"application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    told = b'<Override PartName="/xl/sharedStrings.xml" ContentType="' + kind + b'"/></Types>'
    other = path.with_name("shared.xlsx")
    inline = b't="inlineStr"><is><t>A1</t></is>'
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(other, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            xml = old.read(name).replace(inline, b't="s"><v>0</v>').replace(b"</Types>", told)
            new.writestr(name, xml)
        space = b'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
        new.writestr("xl/sharedStrings.xml", b"<sst " + space + b">" + strings + b"</sst>")
    return other


def test_shared_strings_are_read_and_too_many_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xlsx_check, "STRINGS_COUNT_MAX", 1_000)
    path = _book(tmp_path, ["A1", 7, 5, "2026-03-04"])
    string = b"<si><t>B7</t></si>"
    assert _read(_shared(path, string))[1][0].cells[0] == "B7"
    assert _refused(_shared(path, string * 1_001)).key == "import.file_unpacked"
