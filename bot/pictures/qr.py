"""A QR code with a line below it. Any camera reads it: black on white, with its quiet zone."""

import segno

from bot.pictures.canvas import INK, WHITE, Canvas
from bot.pictures.sizes import size_of
from bot.pictures.words import Style, lines
from content.picture import QrCode

_QUIET = 4
"""So many modules around the code stay empty, as the standard wants it."""
_SIDE, _EDGE = 720, 60


class TooLongError(ValueError):
    """The text does not fit into a QR code that a phone reads from another phone's screen."""


TEXT_BYTES_MAX = 800


def draw_qr(shown: QrCode) -> Canvas:
    """Draw a code. Errors: TooLongError; ValueError for an empty text."""
    if not shown.text:
        raise ValueError("a QR code of nothing")
    if len(shown.text.encode()) > TEXT_BYTES_MAX:
        raise TooLongError(f"a QR code takes at most {TEXT_BYTES_MAX} bytes")
    canvas = Canvas(*size_of(shown))
    code = segno.make(shown.text, error="m", micro=False)
    rows = [list(row) for row in code.matrix]
    modules = len(rows) + 2 * _QUIET
    step = _SIDE // modules  # whole pixels, so that edges are sharp
    canvas.panel((36, 36, canvas.image.width - 36, canvas.image.width - 36), 36, WHITE)
    start = _EDGE + (_SIDE - step * len(rows)) // 2
    for y, row in enumerate(rows):
        for x, dark in enumerate(row):
            if dark:
                left, top = start + x * step, start + y * step
                canvas.bar((left, top, left + step, top + step), "#000000")
    style = Style(40)
    found = lines(shown.caption, style, _SIDE, 2)
    for number, line in enumerate(found):
        middle = 876 + 52 * (number - (len(found) - 1) / 2)
        canvas.text(canvas.image.width / 2, middle, line, style, INK, "middle")
    return canvas
