"""A file as a table: opened by what is in it, its heading found, its rows read one by one."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

from bot.imports.csv_file import HEAD_LINES, open_csv
from bot.imports.lines import Line, Source
from bot.imports.xlsx_file import open_xlsx
from content import columns
from content.cells import Cell
from content.columns import Columns
from content.intake import Newcomer, Reader
from content.message import Refusal
from content.notice import Notice

ZIP, OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
Told = Notice | Newcomer
"""What a row tells."""


class Asked(NamedTuple):
    """Which file is asked for, and what its heading does not say by itself."""

    path: Path
    kind: str
    told: Mapping[str, str]
    """Headings by what they mean."""
    platform: str
    sheet: str | None


class Table(NamedTuple):
    """An open table, its heading understood."""

    source: Source
    columns: Columns
    lines: Iterator[Line]
    """The rows below the heading that hold anything."""


class Read(NamedTuple):
    """A row, and what it tells or why it is refused."""

    line: Line
    told: Told | Refusal


@contextmanager
def open_table(asked: Asked) -> Iterator[Table]:
    """Open a file and find its heading. Errors: Refusal for what cannot be used; OSError."""
    with asked.path.open("rb") as file:
        start = file.read(len(ZIP))
    if start == OLE:
        raise Refusal("import.file_old")
    if start == ZIP:
        opened = open_xlsx(asked.path, asked.sheet)
    else:
        opened = open_csv(asked.path, asked.kind, asked.told.values())
    with opened as source:
        lines = (line for line in source.lines if not line.empty)
        head = [*islice(lines, HEAD_LINES)]
        place = _heading(asked, head)
        names = ["" if cell is None else f"{cell}" for cell in head[place].cells]
        found = columns.recognise(asked.kind, names, asked.told, asked.platform)
        yield Table(source, found, chain(head[place + 1 :], lines))


def _heading(asked: Asked, head: list[Line]) -> int:
    """Return which line is the heading: that with the most names that are known."""
    if not head:
        raise Refusal("import.file_empty")
    told = asked.told.values()
    counts = [columns.known(asked.kind, [f"{c}" for c in line.cells], told) for line in head]
    fault = next((line.fault for line in head if line.fault is not None), None)
    if not max(counts) and fault is not None:
        raise fault
    return counts.index(max(counts))


def rows(table: Table, kind: str, read: Reader) -> Iterator[Read]:
    """Yield each row with what it tells."""
    ways: dict[str, Callable[[Sequence[Cell]], Told]]
    ways = {"orders": read.order, "members": read.member}
    width = len(table.columns.headings)
    for line in table.lines:
        yield Read(line, _told(line, width, ways[kind]))


def _told(line: Line, width: int, read: Callable[[Sequence[Cell]], Told]) -> Told | Refusal:
    if line.fault is not None:
        return line.fault
    if any(cell is not None and cell != "" for cell in line.cells[width:]):
        return Refusal("import.row_wide", count=len(line.cells), most=width)
    try:
        return read(line.cells)
    except Refusal as refusal:
        return refusal
