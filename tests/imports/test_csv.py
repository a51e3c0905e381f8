"""CSV as it really comes: encodings, separators, quotes, lines without an end."""

import codecs
import resource
from pathlib import Path

import pytest

from bot.imports.csv_file import LINE_MAX, open_csv
from bot.imports.lines import Line
from bot.imports.table import Asked, open_table
from content.columns import Columns
from content.message import Refusal

HEAD = "订单号,会员号,金额,时间"
ROW = "A1,7,199.00,2026-03-04"
TEXT = f"{HEAD}\n{ROW}\n"


def _file(folder: Path, content: str | bytes) -> Path:
    path = folder / "orders.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def _read(path: Path, kind: str = "orders") -> tuple[str, Columns, list[Line]]:
    with open_table(Asked(path, kind, {}, "", None)) as table:
        return table.source.form, table.columns, [*table.lines]


def _refused(path: Path) -> Refusal:
    with pytest.raises(Refusal) as caught:
        _read(path)
    return caught.value


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (TEXT.encode(), "UTF-8"),
        (codecs.BOM_UTF8 + TEXT.encode(), "UTF-8"),
        (TEXT.encode("gb18030"), "GB18030"),
        (TEXT.encode("utf-16"), "UTF-16"),
        (codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), "UTF-16"),
        (TEXT.encode("utf-32"), "UTF-32"),
    ],
)
def test_an_encoding_is_found(tmp_path: Path, content: bytes, encoding: str) -> None:
    form, found, lines = _read(_file(tmp_path, content))
    assert form == f"CSV, {encoding}, ,"
    assert found.headings == ("订单号", "会员号", "金额", "时间")
    assert lines == [Line(2, ROW.split(","))]


def test_a_name_in_the_last_line_decides_the_encoding(tmp_path: Path) -> None:
    plain = "order,member,amount,at,note\n" + "A1,7,199.00,2026-03-04,x\n" * 60_000
    path = _file(tmp_path, plain.encode() + "A2,7,1,2026-03-04,张三\n".encode("gb18030"))
    form, _, lines = _read(path)
    assert "GB18030" in form
    assert lines[-1].cells[-1] == "张三"


def test_what_is_in_no_encoding_is_refused_with_its_line(tmp_path: Path) -> None:
    refusal = _refused(_file(tmp_path, f"{TEXT}".encode() + b"A2,\xff\xff,1,2026-03-04\n"))
    assert (refusal.key, refusal.values) == ("import.file_encoding", {"line": 3})


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", "，"])
def test_a_separator_is_found(tmp_path: Path, separator: str) -> None:
    _, found, lines = _read(_file(tmp_path, TEXT.replace(",", separator)))
    assert found.places == {"order": 0, "member_id": 1, "amount": 2, "at": 3}
    assert lines[0].cells == ROW.split(",")


def test_commas_in_quotes_do_not_hide_another_separator(tmp_path: Path) -> None:
    text = '订单号;金额;时间\nA1;"1,199.00";2026-03-04\nA2;"1,299.00";"a ""b""\nc"\n'
    _, _, lines = _read(_file(tmp_path, text))
    assert [line.cells for line in lines] == [
        ["A1", "1,199.00", "2026-03-04"],
        ["A2", "1,299.00", 'a "b"\nc'],
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_of_every_system(tmp_path: Path, end: str) -> None:
    _, _, lines = _read(_file(tmp_path, TEXT.replace("\n", end)))
    assert lines == [Line(2, ROW.split(","))]


def test_lines_keep_their_numbers_in_the_file(tmp_path: Path) -> None:
    text = f'exported on 2026-03-05\n\n{HEAD},备注\n\n{ROW},"two\nlines"\n,,,\n{ROW},\n'
    _, _, lines = _read(_file(tmp_path, text))
    assert [line.number for line in lines] == [5, 8]


def test_no_row_is_lost_behind_the_heading(tmp_path: Path) -> None:
    rows = "".join(f"A{number},7,1,2026-03-04\n" for number in range(100))
    _, _, lines = _read(_file(tmp_path, f"{HEAD}\n{rows}"))
    assert [line.cells[0] for line in lines] == [f"A{number}" for number in range(100)]


@pytest.mark.parametrize("content", [b"", b"\n\n\n", codecs.BOM_UTF8, b" , ,\n"])
def test_an_empty_file_is_said_to_be_empty(tmp_path: Path, content: bytes) -> None:
    assert _refused(_file(tmp_path, content)).key == "import.file_empty"


def test_a_heading_alone_is_a_table_without_rows(tmp_path: Path) -> None:
    assert _read(_file(tmp_path, HEAD))[2] == []


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"GIF89a\0\0\0", "file_no_text"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "file_old"),
        (b"PK\x03\x04 and no more", "file_broken"),
        (b"%PDF-1.7\n1 0 obj", "column_missing"),
    ],
)
def test_other_files_are_refused_in_words(tmp_path: Path, content: bytes, why: str) -> None:
    assert _refused(_file(tmp_path, content)).key == f"import.{why}"


def test_a_quote_that_is_not_closed_costs_its_rows_alone(tmp_path: Path) -> None:
    text = f'{HEAD}\n{ROW}\n"A2"x,7,1,2026-03-04\n{ROW}\n"A3,7,1,2026-03-04\n'
    _, _, lines = _read(_file(tmp_path, text))
    faults = [line.fault.key if line.fault else "" for line in lines]
    assert faults == ["", "import.row_quotes", "", "import.row_quotes"]


def test_a_line_without_end_is_refused_and_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    with path.open("w", encoding="utf-8") as file:
        file.write(f"{HEAD}\n")
        for _ in range(60):
            file.write("x" * 1_000_000)
        file.write(f"\n{ROW}\n")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    _, _, lines = _read(path)
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert [line.fault.key if line.fault else "" for line in lines] == ["import.row_long", ""]
    assert lines[-1].number == 3
    assert grown_kb < 30_000


def test_a_line_just_short_enough_is_read(tmp_path: Path) -> None:
    note = "x" * (LINE_MAX - len(ROW) - 2)
    with open_csv(_file(tmp_path, f"{HEAD},备注\n{ROW},{note}\n"), "orders") as source:
        assert [line.fault for line in source.lines] == [None, None]
