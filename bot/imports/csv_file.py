"""CSV as it really comes: UTF-8, UTF-16 or GB18030, separated by comma, semicolon or tab."""

import codecs
import csv
import io
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bot.imports.lines import Line, Source
from content import columns
from content.message import Refusal

LINE_MAX = 65_536
"""Characters of a line that are read into memory at once."""
HEAD_LINES = 20
BLOCK = 1 << 20
SEPARATORS = {",": ",", ";": ";", "\t": "Tab", "|": "|", "，": "，"}
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NAMES = {"utf-8-sig": "UTF-8", "utf-8": "UTF-8", "gb18030": "GB18030"}


@contextmanager
def open_csv(path: Path, kind: str, told: Collection[str] = ()) -> Iterator[Source]:
    """Open a CSV file; `told` are headings that the asker names.

    Errors: Refusal for what is no text; OSError.
    """
    encoding = _encoding(path)
    size = max(path.stat().st_size, 1)
    with path.open("rb") as raw:
        text = io.TextIOWrapper(raw, encoding, newline="")
        head = _Lines(text).some(HEAD_LINES)
        separator = _separator(kind, head, told)
    with path.open("rb") as raw:
        text = io.TextIOWrapper(raw, encoding, newline="")
        form = f"CSV, {_NAMES.get(encoding, encoding.upper())}, {SEPARATORS[separator]}"
        yield Source(form, _rows(text, separator), lambda: min(raw.tell() / size, 1.0))


def _encoding(path: Path) -> str:
    """Return in what a file is written: all of it is read, for a name may stand in the last line.

    Errors: Refusal for bytes that are neither UTF-8 nor GB18030.
    """
    with path.open("rb") as raw:
        start = raw.read(BLOCK)
    marked = next((name for mark, name in _BOMS if start.startswith(mark)), None)
    if marked is None and b"\0" in start:
        raise Refusal("import.file_no_text")
    wrong = 0
    for encoding in (marked,) if marked else ("utf-8", "gb18030"):
        broken = _first_broken(path, encoding)
        if not broken:
            return encoding
        wrong = max(wrong, broken)
    raise Refusal("import.file_encoding", line=wrong)


def _first_broken(path: Path, encoding: str) -> int:
    """Return the line at which the bytes make no sense, 0 when all of them do."""
    decoder = codecs.getincrementaldecoder(encoding)()
    line = 1
    with path.open("rb") as raw:
        while True:
            block = raw.read(BLOCK)
            try:
                text = decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                return line + block[: error.start].count(b"\n")
            if not block:
                return 0
            line += text.count("\n")


class _Lines(Iterator[str]):
    """The lines of a text, each cut to what is read at once."""

    def __init__(self, text: io.TextIOBase) -> None:
        self._text = text
        self.cut = False
        """Whether a line has been cut since this was last set."""

    def __next__(self) -> str:
        line = self._text.readline(LINE_MAX)
        if not line:
            raise StopIteration
        rest = line
        while len(rest) == LINE_MAX and not rest.endswith("\n"):
            rest = self._text.readline(LINE_MAX)
            self.cut = self.cut or bool(rest)
        return line

    def some(self, count: int) -> list[str]:
        """Return the first lines."""
        return [line for _, line in zip(range(count), self, strict=False)]


def _separator(kind: str, head: Sequence[str], told: Collection[str]) -> str:
    """Return by what cells are parted: that by which most headings are known."""

    def fits(separator: str) -> tuple[int, int]:
        best = max(
            (columns.known(kind, line.split(separator), told) for line in unquoted), default=0
        )
        return best, sum(line.count(separator) for line in head)

    unquoted = [line.replace('"', "").strip("\r\n") for line in head]
    return max(SEPARATORS, key=fits)


def _rows(text: io.TextIOBase, separator: str) -> Iterator[Line]:
    lines = _Lines(text)
    reader = csv.reader(lines, delimiter=separator, strict=True)
    while True:
        first, lines.cut = reader.line_num + 1, False
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:  # a cell of 131,072 characters, or a quote that is not closed
            yield Line(first, (), Refusal("import.row_quotes", last=reader.line_num))
            continue
        long = Refusal("import.row_long", most=LINE_MAX) if lines.cut else None
        yield Line(first, row, long)
