"""How large each kind of picture is, in pixels: a page keeps its place before it is there."""

from content.picture import Calendar, Card, Picture, QrCode

SIZES: dict[type[Picture], tuple[int, int]] = {
    Calendar: (1080, 1180),
    Card: (1080, 720),
    QrCode: (840, 980),
}


def size_of(picture: Picture) -> tuple[int, int]:
    """Return width and height."""
    return SIZES[type(picture)]
