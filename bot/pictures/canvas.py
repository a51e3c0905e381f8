"""What pictures are made of: smooth shapes, text with emoji, one set of colours; PNG at the end."""

from functools import lru_cache
from io import BytesIO
from typing import Literal

from PIL import Image, ImageDraw

from bot.pictures import words
from bot.pictures.words import Style

Anchor = Literal["left", "middle", "right"]
Box = tuple[float, float, float, float]

PAPER, PANEL, LINE = "#f6f1e7", "#fffdf9", "#ebe4d6"
INK, INK_SOFT, INK_FAINT = "#26332d", "#66736c", "#b9b6aa"
GREEN, GREEN_DEEP, GREEN_SOFT = "#1f8a66", "#14674d", "#dcefe4"
AMBER, AMBER_DEEP, AMBER_SOFT = "#e7a33e", "#8a5a00", "#fbeacb"
WHITE = "#ffffff"
SMOOTH = 4
"""Shapes are drawn so many times as large, and made smaller: their edges are smooth then."""


class Canvas:
    """A picture that is being drawn, in pixels from the upper left."""

    def __init__(self, width: int, height: int, colour: str = PAPER) -> None:
        """Begin with one colour."""
        self.image = Image.new("RGB", (width, height), colour)
        self._draw = ImageDraw.Draw(self.image)

    def panel(self, box: Box, radius: float, fill: str = PANEL) -> None:
        """Draw a rectangle with round corners."""
        left, top, right, bottom = (round(side) for side in box)
        mask = _rounded(right - left, bottom - top, round(radius))
        self.image.paste(fill, (left, top), mask)

    def disc(self, x: float, y: float, radius: float, fill: str) -> None:
        """Draw a circle around a point."""
        self.panel((x - radius, y - radius, x + radius, y + radius), radius, fill)

    def ring(self, x: float, y: float, radius: float, thick: float, fill: str) -> None:
        """Draw a ring around a point, `radius` to its outer edge."""
        size = round(2 * radius)
        mask = _ring(size, round(thick, 1))
        self.image.paste(fill, (round(x) - size // 2, round(y) - size // 2), mask)

    def bar(self, box: Box, fill: str) -> None:
        """Draw a rectangle."""
        left, top, right, bottom = (round(side) for side in box)
        if right > left:
            self._draw.rectangle((left, top, right - 1, bottom - 1), fill)

    def text(  # noqa: PLR0917 - where, what, how
        self,
        x: float,
        y: float,
        text: str,
        style: Style,
        fill: str = INK,
        anchor: Anchor = "left",
        most: float | None = None,
    ) -> float:
        """Write one line, its letters' middle at `y`, at most `most` wide; return its width."""
        shown = text if most is None else words.fit(text, style, most)
        runs = words.runs(shown, style.weight)
        widths = [words.width_of(run, style) for run in runs]
        whole = sum(widths)
        x -= {"left": 0.0, "middle": whole / 2, "right": whole}[anchor]
        baseline = y + style.size * 0.36  # half the height of capitals and digits
        for run, width in zip(runs, widths, strict=True):
            if run.font == "emoji":
                picture = words.emoji_at(run.text, style.size)
                self.image.paste(picture, (round(x), round(y - picture.height / 2)), picture)
            else:
                self._draw.text(
                    (x, baseline),
                    run.text,
                    fill,
                    words.face_of(run, style),
                    "ls",
                    stroke_width=style.stroke,
                )
            x += width
        return whole

    def png(self) -> bytes:
        """Return the picture as PNG: the same picture gives the same bytes."""
        target = BytesIO()
        self.image.save(target, "PNG", compress_level=6)
        return target.getvalue()


@lru_cache(maxsize=64)
def _rounded(width: int, height: int, radius: int) -> Image.Image:
    """Return the shape of a rectangle with round corners; only its corners are drawn large."""
    radius = min(radius, width // 2, height // 2)
    mask = Image.new("L", (width, height), 255)
    if not radius:
        return mask
    large = Image.new("L", (radius * 2 * SMOOTH,) * 2, 0)
    ImageDraw.Draw(large).ellipse((0, 0, large.width - 1, large.height - 1), fill=255)
    disc = large.resize((radius * 2,) * 2, Image.Resampling.BOX)
    for right in (False, True):
        for low in (False, True):
            corner = disc.crop(
                (right * radius, low * radius, right * radius + radius, low * radius + radius)
            )
            mask.paste(corner, ((width - radius) * right, (height - radius) * low))
    return mask


@lru_cache(maxsize=16)
def _ring(size: int, thick: float) -> Image.Image:
    large = Image.new("L", (size * SMOOTH,) * 2, 0)
    ImageDraw.Draw(large).ellipse(
        (0, 0, large.width - 1, large.height - 1), outline=255, width=round(thick * SMOOTH)
    )
    return large.resize((size, size), Image.Resampling.BOX)
