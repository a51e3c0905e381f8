"""A picture's value in, PNG out: pure but for the fonts, and the same bytes each time.

For one thread at a time: the fonts' library is not made for several.
"""

from bot.pictures.calendar import draw_calendar
from bot.pictures.card import draw_card
from bot.pictures.qr import draw_qr
from content.picture import Calendar, Card, Picture


def draw(picture: Picture) -> bytes:
    """Return a picture as PNG. Errors: NoFontError; ValueError for what has no picture."""
    if isinstance(picture, Calendar):
        return draw_calendar(picture).png()
    if isinstance(picture, Card):
        return draw_card(picture).png()
    return draw_qr(picture).png()
