"""What commands print: lines, tables that line up, complaints, progress."""

import sys
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import zip_longest

COLUMN_MAX = 40
"""Cells of a column: what is wider goes on in the next line."""
Row = tuple[str, ...]


def say(line: str) -> None:
    """Print a line of the answer."""
    print(line)  # noqa: T201 - the command's answer


def fail(message: str) -> int:
    """Say what went wrong and return the exit status for it."""
    print(message, file=sys.stderr)  # noqa: T201 - the same
    return 1


def progress(line: str) -> None:
    """Show how far long work has come, to whoever watches a terminal."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)  # noqa: T201 - long work


def table(head: Row, rows: Sequence[Row]) -> None:
    """Print columns that line up, Chinese characters two cells wide."""
    lines = [[_wrapped(cell) for cell in row] for row in (head, *rows)]
    widths = [
        max(_cells(part) for cell in column for part in cell) for column in zip(*lines, strict=True)
    ]
    for number, cells in enumerate(lines):
        for parts in zip_longest(*cells, fillvalue=""):
            in_line = (padded(part, width) for part, width in zip(parts, widths, strict=True))
            say(" │ ".join(in_line).rstrip())
        if number == 0:
            say("─┼─".join("─" * width for width in widths))


def padded(text: str, width: int) -> str:
    """Return a text with spaces behind it, as wide as that many cells where it is not wider."""
    return text + " " * (width - _cells(text))


def _wrapped(text: str) -> list[str]:
    return list(_pieces(text)) or [""]


def _pieces(text: str) -> Iterator[str]:
    piece = ""
    for character in text:
        if _cells(piece + character) > COLUMN_MAX:
            yield piece
            piece = ""
        piece += character
    if piece:
        yield piece


def _cells(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
