"""Workbooks (.xlsx), read row by row."""

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
from openpyxl.cell.read_only import EMPTY_CELL
from openpyxl.utils.exceptions import InvalidFileException

from bot.imports.lines import Line, Source
from bot.imports.xlsx_check import ROWS_MAX, check_book, check_sheet
from content.cells import Cell
from content.columns import COLUMNS_MAX
from content.message import Refusal

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
            check_book(path)
            book, table, name = _open(open_files, path, sheet, values=True)
            formulas = check_sheet(path, table)
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
    file = open_files.enter_context(path.open("rb"))  # ours to close, also when it is damaged
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about styles and pictures, which nobody asks for
        book = openpyxl.load_workbook(file, read_only=True, data_only=values, keep_links=False)
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


def _rows(table: Any, formulas: Any) -> Iterator[Line]:
    """Yield the rows that hold anything. A formula counts as what it last came to."""
    size = {"max_row": ROWS_MAX, "max_col": COLUMNS_MAX + 1}
    asked = formulas.iter_rows(**size) if formulas else repeat(())
    shown = table.iter_rows(**size, values_only=True)
    number = 0
    try:
        for number, (cells, whole) in enumerate(zip(shown, asked, strict=False), 1):
            if cells.count(None) == len(cells) and whole.count(EMPTY_CELL) == len(whole):
                continue  # a hundred thousand such rows may lie between two
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
