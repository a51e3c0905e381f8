"""Text for pictures: cut into runs by font, measured, made to fit; emoji whole and in colour.

Whatever cannot be shown (control characters, letters that no font has) is left out: no boxes.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont, features

from bot.pictures import fonts

EMOJI_SIZE = 109
"""The one size that the font's pictures have, in pixels."""
EMOJI_SCALE = 1.16
"""How large an emoji stands beside letters of a size."""
TEXT_MAX = 600
"""So many characters of a text are looked at, whatever is handed in."""
_NOT_A_CHARACTER = "\U0010fffe"
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_BLANK = "\u115f\u1160\u2800\u3164\uffa0"
_SYMBOLS = (
    "\u231a\u231b\u23e9-\u23ec\u23f0\u23f3\u25fd\u25fe\u2614\u2615\u2648-\u2653\u267f\u2693\u26a1"
    "\u26aa\u26ab\u26bd\u26be\u26c4\u26c5\u26ce\u26d4\u26ea\u26f2\u26f3\u26f5\u26fa\u26fd\u2705"
    "\u270a\u270b\u2728\u274c\u274e\u2753-\u2755\u2757\u2795-\u2797\u27b0\u27bf\u2b1b\u2b1c\u2b50"
    "\u2b55\U0001f004\U0001f0cf\U0001f18e\U0001f191-\U0001f19a\U0001f201\U0001f21a\U0001f22f"
    "\U0001f232-\U0001f236\U0001f238-\U0001f23a\U0001f250\U0001f251\U0001f300-\U0001f64f"
    "\U0001f680-\U0001f6ff\U0001f7e0-\U0001f7eb\U0001f7f0\U0001f90c-\U0001f9ff\U0001fa70-\U0001faff"
)
_MAYBE = (
    "\u00a9\u00ae\u203c\u2049\u2122\u2139\u2194-\u21aa\u2328\u23cf-\u23fa\u24c2\u25aa-\u25fe"
    "\u2600-\u27bf\u2934\u2935\u2b05-\u2b07\u3030\u303d\u3297\u3299\U0001f170-\U0001f23b"
)
"""Characters that are emoji only when a variation selector says so."""
_ONE = (
    rf"(?:[{_SYMBOLS}]\ufe0f?|[{_MAYBE}]\ufe0f)[\U0001f3fb-\U0001f3ff]?"
    r"(?:[\U000e0020-\U000e007e]+\U000e007f)?"
)
_EMOJI = re.compile(
    rf"[\U0001f1e6-\U0001f1ff]{{2}}|[0-9#*]\ufe0f?\u20e3|{_ONE}(?:\u200d{_ONE})*"
    rf"|[{_SYMBOLS}\U0001f1e6-\U0001f1ff]"
)


class Run(NamedTuple):
    """A piece of text in one font: `text`, `other` or `emoji` (then it is one emoji)."""

    font: str
    text: str


class Style(NamedTuple):
    """Letters of a size in pixels."""

    size: int
    bold: bool = False

    @property
    def weight(self) -> str:
        """The weight's name."""
        return "bold" if self.bold else "regular"

    @property
    def stroke(self) -> float:
        """By how much letters are drawn thicker, where there is no bold font."""
        return self.size / 40 if self.bold and fonts.chinese("bold")[2] else 0.0


def pieces(text: str) -> list[str]:
    """Return the emoji and the other characters of a text, each with its combining marks.

    Every one of them can be seen, or is a space; runs of spaces are one.
    """
    found: list[str] = []
    at = 0
    text = unicodedata.normalize("NFC", text)[:TEXT_MAX]
    while at < len(text):
        match = _EMOJI.match(text, at)
        if match:
            found.append(match[0])
            at = match.end()
            continue
        character = text[at]
        at += 1
        category = unicodedata.category(character)
        if character.isspace() or character in _BLANK:
            if found and found[-1] != " ":
                found.append(" ")
        elif category in _INVISIBLE or "\ufe00" <= character <= "\ufe0f":
            continue
        elif category[0] == "M":
            if found and found[-1] != " " and len(found[-1]) <= 2:  # noqa: PLR2004 - marks stacked
                found[-1] += character
        else:
            found.append(character)
    return found


def runs(text: str, weight: str = "regular") -> list[Run]:
    """Return a text as runs in the order in which they stand from left to right."""
    joined: list[Run] = []
    for piece in pieces(text):
        font = _font_of(piece, weight)
        if font != "emoji" and _EMOJI.fullmatch(piece):  # a key without its picture: its digit
            piece = piece[0]  # noqa: PLW2901 - what is shown of it
        if font and font != "emoji" and joined and joined[-1].font == font:
            joined[-1] = Run(font, joined[-1].text + piece)
        elif font:
            joined.append(Run(font, piece))
    return joined[::-1] if _is_right_to_left(text) else joined


def _is_right_to_left(text: str) -> bool:
    strong = (unicodedata.bidirectional(character) for character in text[:TEXT_MAX])
    return next((kind for kind in strong if kind in {"L", "R", "AL"}), "L") != "L"


@lru_cache(maxsize=4096)
def _font_of(piece: str, weight: str) -> str:
    """Return which font has a piece; '' where none has."""
    if _EMOJI.fullmatch(piece):
        if fonts.emoji() is not None and _emoji_picture(piece) is not None:
            return "emoji"
        if piece[0] in "0123456789#*":
            return "text"
        return ""
    if _has("text", weight, piece[0]):
        return "text"
    return "other" if _has("other", weight, piece[0]) else ""


def _has(font: str, weight: str, character: str) -> bool:
    face = _face(font, weight, 32)
    if face is None:
        return False
    mask = face.getmask(character, mode="L")
    return character == " " or (mask.size, bytes(mask)) != _nothing(font, weight)


@lru_cache(maxsize=8)
def _nothing(font: str, weight: str) -> tuple[tuple[int, int], bytes]:
    """Return what a font draws for a character that it does not have."""
    face = _face(font, weight, 32)
    assert face is not None
    mask = face.getmask(_NOT_A_CHARACTER, mode="L")
    return mask.size, bytes(mask)


@lru_cache(maxsize=64)
def _face(font: str, weight: str, size: int) -> ImageFont.FreeTypeFont | None:
    if font == "text":
        file, index, _ = fonts.chinese(weight)
        return ImageFont.truetype(file, size, index=index)
    found = fonts.other_scripts(weight)
    return ImageFont.truetype(found, size) if found else None


@lru_cache(maxsize=1)
def _emoji_face() -> ImageFont.FreeTypeFont | None:
    found = fonts.emoji()
    return ImageFont.truetype(found, EMOJI_SIZE) if found else None


@lru_cache(maxsize=512)
def _emoji_picture(emoji: str) -> Image.Image | None:
    """Return an emoji as the font has it; None where it has it not.

    An emoji of several parts that the font does not know together is shown by its first part.
    """
    face = _emoji_face()
    if face is None:
        return None
    if not features.check("raqm"):
        emoji = emoji[0]
    for shown in (emoji, emoji.split("\u200d")[0], emoji[0]):
        left, top, right, bottom = face.getbbox(shown)
        if 0 < right - left <= EMOJI_SIZE * 1.5:  # wider: its parts stand beside each other
            sketch = Image.new("RGBA", (int(right), int(bottom)), (0, 0, 0, 0))
            ImageDraw.Draw(sketch).text((0, 0), shown, font=face, embedded_color=True)
            box = sketch.getbbox()
            if box is not None and box[1] >= top:
                return sketch
    return None


@lru_cache(maxsize=512)
def emoji_at(emoji: str, size: int) -> Image.Image:
    """Return an emoji scaled to stand beside letters of a size in pixels."""
    picture = _emoji_picture(emoji)
    assert picture is not None
    height = max(1, round(size * EMOJI_SCALE))
    width = max(1, round(picture.width * height / picture.height))
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def face_of(run: Run, style: Style) -> ImageFont.FreeTypeFont:
    """Return the font of a run of letters."""
    face = _face(run.font, style.weight, style.size)
    assert face is not None
    return face


def width_of(run: Run, style: Style) -> float:
    """Return how far a run reaches, in pixels."""
    if run.font == "emoji":
        return float(emoji_at(run.text, style.size).width)
    return face_of(run, style).getlength(run.text)


def width(text: str, style: Style) -> float:
    """Return a text's width in pixels."""
    return sum(width_of(run, style) for run in runs(text, style.weight))


def fit(text: str, style: Style, most: float) -> str:
    """Return a text that is at most so wide, its end cut off and marked where it must be."""
    if width(text, style) <= most:
        return text
    parts = pieces(text)
    fewest, enough = 0, len(parts)
    while fewest < enough:  # the most pieces that fit with the ellipsis
        middle = (fewest + enough + 1) // 2
        if width("".join(parts[:middle]).rstrip() + "…", style) <= most:
            fewest = middle
        else:
            enough = middle - 1
    return "".join(parts[:fewest]).rstrip() + "…"


def lines(text: str, style: Style, most: float, count: int) -> list[str]:
    """Break a text into at most so many lines of at most that width; the last one may be cut."""
    found: list[str] = []
    rest = pieces(text)
    while rest and len(found) < count - 1:
        taken = _line(rest, style, most)
        found.append("".join(rest[:taken]).strip())
        rest = rest[taken:]
    if rest:
        found.append(fit("".join(rest).strip(), style, most))
    return [line for line in found if line]


def _line(parts: list[str], style: Style, most: float) -> int:
    """Return how many pieces make the first line: up to a space if there is one, at least one."""
    taken = 1
    while taken < len(parts) and width("".join(parts[: taken + 1]), style) <= most:
        taken += 1
    if taken == len(parts):
        return taken
    spaces: Iterator[int] = (n for n in range(taken, taken // 2, -1) if parts[n] == " ")
    return next(spaces, taken)
