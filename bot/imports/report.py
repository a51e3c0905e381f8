"""The report of refused rows: a CSV file that a spreadsheet opens, and runs nothing of."""

import csv
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from content.cells import CELL_MAX, Cell

_RUNS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a cell must not begin with, lest a spreadsheet takes it for a formula."""


class Report:
    """A file of refused rows: line, reason, and the cells as they were. Nothing without a path."""

    def __init__(self, path: Path | None, head: Sequence[str]) -> None:
        """Open the file, in place of what is there, and write its first line. Errors: OSError."""
        self.written = 0
        self._file = path.open("w", encoding="utf-8-sig", newline="") if path else None
        self._writer = csv.writer(self._file) if self._file else None
        self._row(head)

    def add(self, line: int, reason: str, cells: Sequence[Cell]) -> None:
        """Note a refused row."""
        self.written += 1
        self._row((line, reason, *cells))

    def _row(self, cells: Sequence[Cell]) -> None:
        if self._writer is not None:
            self._writer.writerow([harmless(cell) for cell in cells])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()


def harmless(cell: Cell) -> str:
    """Return a cell as text that no spreadsheet takes for a formula."""
    text = "" if cell is None else f"{cell}"[:CELL_MAX].replace("\0", "")
    return f"'{text}" if text.lstrip(" ").startswith(_RUNS) else text
