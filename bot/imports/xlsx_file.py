"""Workbooks (.xlsx), read row by row, and looked through before anything unpacks them whole."""

import re
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import repeat
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from bot.imports.lines import Line, Source
from content.cells import Cell
from content.columns import COLUMNS_MAX
from content.message import Refusal

UNPACKED_MAX = 1 << 30
PART_MAX = 8 << 20
"""Bytes of a part that is read whole: styles, the list of sheets."""
STRINGS_MAX = 96 << 20
STRINGS_COUNT_MAX = 3_000_000
ROWS_MAX = 1_048_576
"""What a sheet can hold."""
ROW_MAX = 1 << 20
EDGE_MAX = 8 << 20
"""Bytes of a row, and of what stands before the first and after the last."""
BLOCK = 1 << 20
_APART = ("xl/worksheets/", "xl/media/", "xl/drawings/", "xl/pivotCache/", "xl/embeddings/")
"""Parts that are not read whole, most of them never."""
_TAG = re.compile(rb"<(/?)(?:\w+:)?row\b([^<>]*)>")
_ANY_ROW = re.compile(rb"</?(?:\w+:)?row\b")
_NUMBER = re.compile(rb'\sr\s*=\s*["\'](\d{1,18})["\']')
_FORMULA = re.compile(rb"<(?:\w+:)?f[\s>/]")
_STRING = re.compile(rb"<(?:\w+:)?si[\s>/]")
_TAIL = 4_096
"""Bytes of a block that are looked at again with the next, so that no tag falls between."""
BROKEN = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    InvalidFileException,
    ParseError,
    AttributeError,
    EOFError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What comes of a workbook that is damaged, or made to do damage."""


@contextmanager
def open_xlsx(path: Path, sheet: str | None) -> Iterator[Source]:
    """Open a sheet of a workbook, the first unless told. Errors: Refusal; OSError."""
    with ExitStack() as open_files:
        try:
            _look_through(path)
            book, table, name = _open(open_files, path, sheet, values=True)
            formulas = _look_through_sheet(path, table)
            asked = _open(open_files, path, name, values=False)[0] if formulas else None
            others = len(book.worksheets) - 1
        except BROKEN:
            raise Refusal("import.file_broken") from None
        form = f"XLSX, {name}" + (f" (+{others})" if others else "")
        yield Source(form, _rows(book[name], asked[name] if asked else None), lambda: None)


def _open(
    open_files: ExitStack, path: Path, sheet: str | None, *, values: bool
) -> tuple[Any, str, str]:
    """Return the workbook, the part of the sheet that is asked for, and the sheet's name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about styles and pictures, which nobody asks for
        book = openpyxl.load_workbook(path, read_only=True, data_only=values, keep_links=False)
    open_files.callback(book.close)
    names = [each.title for each in book.worksheets]
    if not names:
        raise Refusal("import.file_broken")
    if sheet is not None and sheet not in names:
        raise Refusal("import.sheet_unknown", name=sheet, names="、".join(names[:20]))
    name = sheet or names[0]
    table: Any = book[name]
    table.reset_dimensions()  # what it claims of its size, nobody has to believe
    return book, str(table._worksheet_path), name  # noqa: SLF001 - which part it is, is said nowhere else


def _look_through(path: Path) -> None:
    """Refuse what would not fit into memory. A part never unpacks to more than it says."""
    with zipfile.ZipFile(path) as parts:
        infos = parts.infolist()
        if sum(info.file_size for info in infos) > UNPACKED_MAX or len(infos) > PART_MAX >> 10:
            raise Refusal("import.file_unpacked", most=UNPACKED_MAX >> 20)
        for info in infos:
            strings = info.filename.endswith("haredStrings.xml")
            most = STRINGS_MAX if strings else PART_MAX
            if info.file_size > most and not info.filename.startswith(_APART):
                raise Refusal("import.file_unpacked", most=most >> 20)
            if strings and _count_strings(parts, info) > STRINGS_COUNT_MAX:
                raise Refusal("import.file_unpacked", most=most >> 20)


def _count_strings(parts: zipfile.ZipFile, info: zipfile.ZipInfo) -> int:
    count, tail = 0, b""
    with parts.open(info) as part:
        while block := part.read(BLOCK):
            text = tail + block
            cut = text.rfind(b"<")
            text, tail = (text[:cut], text[cut:]) if cut > 0 else (text, b"")
            count += len(_STRING.findall(text))
    return count


def _look_through_sheet(path: Path, name: str) -> bool:
    """Return whether a sheet has formulas. Refused is what no spreadsheet writes: a row longer
    than memory, more rows than there are, rows within rows, comments to hide them in.
    """  # noqa: D205 - one thought
    formulas, rows, last, depth, gap = False, 0, 0, 0, 0
    with zipfile.ZipFile(path) as parts, parts.open(name.removeprefix("/")) as part:
        tail = b""
        start = part.read(256)
        if b"encoding=" in start and not re.search(
            rb"""encoding=["']utf-8["']""", start, re.IGNORECASE
        ):
            raise Refusal("import.file_broken")
        block = start
        while block:
            text = tail + block
            if b"\0" in text or b"<!" in text:
                raise Refusal("import.file_broken")
            cut = text.rfind(b"<")
            if cut < 0 or len(text) - cut > ROW_MAX:
                raise Refusal("import.file_broken")
            text, tail = text[:cut], text[cut:]
            formulas = formulas or _FORMULA.search(text) is not None
            if len(_ANY_ROW.findall(text)) != len(tags := [*_TAG.finditer(text)]):
                raise Refusal("import.file_broken")
            seen = 0
            for tag in tags:
                gap += tag.start() - seen
                if gap > (ROW_MAX if depth else EDGE_MAX):
                    raise Refusal("import.file_unpacked", most=ROW_MAX >> 20)
                seen, gap = tag.end(), 0
                if tag[1]:
                    depth -= 1
                    continue
                number = _NUMBER.search(tag[2])
                rows, found = rows + 1, int(number[1]) if number else last + 1
                if found <= last or found > ROWS_MAX or depth:
                    raise Refusal("import.sheet_rows", row=found, most=ROWS_MAX)
                last = found
                depth += 0 if tag[2].rstrip().endswith(b"/") else 1
            gap += len(text) - seen
            if gap > (ROW_MAX if depth else EDGE_MAX):
                raise Refusal("import.file_unpacked", most=ROW_MAX >> 20)
            block = part.read(BLOCK)
    return formulas


def _rows(table: Any, formulas: Any) -> Iterator[Line]:
    """Yield the rows that hold anything. A formula counts as what it last came to."""
    size = {"max_row": ROWS_MAX, "max_col": COLUMNS_MAX + 1}
    asked = formulas.iter_rows(**size) if formulas else repeat(())
    shown = table.iter_rows(**size, values_only=True)
    number = 0
    try:
        for number, (cells, whole) in enumerate(zip(shown, asked, strict=False), 1):
            line = Line(number, _trimmed(cells), _unsaved(cells, whole))
            if line.fault is not None or not line.empty:
                yield line
    except BROKEN:
        yield Line(number + 1, (), Refusal("import.file_broken"))


def _trimmed(cells: Sequence[Any]) -> list[Cell]:
    kept = [cell if isinstance(cell, Cell) else f"{cell}" for cell in cells]
    while kept and kept[-1] is None:
        kept.pop()
    return kept


def _unsaved(cells: Sequence[Any], whole: Sequence[Any]) -> Refusal | None:
    """Say which formula of a row has no value that was saved with it."""
    for value, cell in zip(cells, whole, strict=False):
        if value is None and cell.data_type == "f":
            return Refusal("import.cell_unsaved", cell=cell.coordinate)
    return None
