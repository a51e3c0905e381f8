"""A table as its file has it: lines one by one, so that a long one takes no more memory."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from content.cells import Cell
from content.message import Refusal


class Line(NamedTuple):
    """A line of a table, by its number in the file (from 1); `fault` is why it cannot be read."""

    number: int
    cells: Sequence[Cell]
    fault: Refusal | None = None

    @property
    def empty(self) -> bool:
        """Whether nothing stands in it."""
        return self.fault is None and all(
            cell is None or (isinstance(cell, str) and not cell.strip()) for cell in self.cells
        )


class Source(NamedTuple):
    """An open table: what kind of file it is, its lines, and how much of it has been read."""

    form: str
    lines: Iterator[Line]
    done: Callable[[], float | None]
    """From 0 to 1, None where that is not known."""
