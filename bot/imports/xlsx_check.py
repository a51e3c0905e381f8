"""A look through a workbook before it is unpacked into memory, where a small file can be huge."""

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from content.message import Refusal

UNPACKED_MAX = 1 << 30
PART_MAX = 8 << 20
"""Bytes of a part that is read whole: styles, the list of sheets."""
PARTS_MAX = 8_192
STRINGS_MAX = 96 << 20
STRINGS_COUNT_MAX = 3_000_000
ROWS_MAX = 1_048_576
"""What a sheet can hold."""
ROW_MAX = 1 << 20
EDGE_MAX = 8 << 20
"""Bytes of a row, and of what stands before, between and after them."""
BLOCK = 1 << 20
_APART = ("xl/worksheets/", "xl/media/", "xl/drawings/", "xl/pivotCache/", "xl/embeddings/")
"""Parts that are not read whole, most of them never."""
_TAG = re.compile(rb"<(/?)(?:\w+:)?row(?=[\s/>])([^<>]*)>")
_ANY_ROW = re.compile(rb"</?(?:\w+:)?row(?=[\s/>])")
_NUMBER = re.compile(rb"""\sr\s*=\s*["'](\d{1,18})["']""")
_FORMULA = re.compile(rb"<(?:\w+:)?f[\s/>]")
_STRING = re.compile(rb"<(?:\w+:)?si[\s/>]")
_UTF_8 = re.compile(rb"""encoding=["']utf-8["']""", re.IGNORECASE)


def check_book(path: Path) -> None:
    """Refuse what would not fit into memory. A part never unpacks to more than it says.

    Errors: Refusal, and zipfile's for what is damaged.
    """
    with zipfile.ZipFile(path) as parts:
        infos = parts.infolist()
        if sum(info.file_size for info in infos) > UNPACKED_MAX or len(infos) > PARTS_MAX:
            raise Refusal("import.file_unpacked", most=UNPACKED_MAX >> 20)
        for info in infos:
            strings = info.filename.endswith("haredStrings.xml")
            most = STRINGS_MAX if strings else PART_MAX
            if info.file_size > most and not info.filename.startswith(_APART):
                raise Refusal("import.file_unpacked", most=most >> 20)
            if strings and _strings(parts, info) > STRINGS_COUNT_MAX:
                raise Refusal("import.file_unpacked", most=most >> 20)


def check_sheet(path: Path, name: str) -> bool:
    """Return whether a sheet has formulas.

    Refused is what no spreadsheet writes, and what a reader would take into memory whole: a row
    without an end, rows within rows or out of order, and comments or encodings to hide them in.
    Errors: Refusal, and zipfile's for what is damaged.
    """
    sheet = _Sheet()
    with zipfile.ZipFile(path) as parts:
        for text in _texts(parts, name.removeprefix("/")):
            sheet.look(text)
    return sheet.formulas


def _texts(parts: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    """Yield a part in pieces, each of which begins with a tag and ends before one."""
    tail = b""
    with parts.open(name) as part:
        while block := part.read(BLOCK):
            text = tail + block
            cut = text.rfind(b"<")
            if cut < 0 or len(text) - cut > ROW_MAX:
                raise Refusal("import.file_broken")
            yield text[:cut]
            tail = text[cut:]
    yield tail


def _strings(parts: zipfile.ZipFile, info: zipfile.ZipInfo) -> int:
    return sum(len(_STRING.findall(text)) for text in _texts(parts, info.filename))


@dataclass(slots=True)
class _Sheet:
    """What has been seen of a sheet."""

    formulas: bool = False
    last: int = 0
    """The number of the last row."""
    inside: bool = False
    gap: int = 0
    """Bytes since the last tag of a row."""
    begun: bool = False

    def look(self, text: bytes) -> None:
        """Look at the next piece. Errors: Refusal."""
        if not self.begun:
            self.begun = True
            if b"encoding=" in text[:200] and not _UTF_8.search(text[:200]):
                raise Refusal("import.file_broken")
        tags = [*_TAG.finditer(text)]
        if b"\0" in text or b"<!" in text or len(_ANY_ROW.findall(text)) != len(tags):
            raise Refusal("import.file_broken")
        self.formulas = self.formulas or _FORMULA.search(text) is not None
        seen = 0
        for tag in tags:
            self._pass(tag.start() - seen)
            self._tag(tag)
            seen = tag.end()
        self._pass(len(text) - seen)

    def _pass(self, count: int) -> None:
        self.gap += count
        if self.gap > (ROW_MAX if self.inside else EDGE_MAX):
            raise Refusal("import.file_unpacked", most=ROW_MAX >> 20)

    def _tag(self, tag: re.Match[bytes]) -> None:
        self.gap = 0
        if tag[1]:
            self.inside = False
            return
        told = _NUMBER.search(tag[2])
        number = int(told[1]) if told else self.last + 1
        if number <= self.last or number > ROWS_MAX or self.inside:
            raise Refusal("import.sheet_rows", row=number, most=ROWS_MAX)
        self.last = number
        self.inside = not tag[2].endswith(b"/")
