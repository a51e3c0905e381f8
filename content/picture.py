"""What a picture shows: small values that can be stored, compared and drawn again at any time.

Names and captions in them are shown as they are: drawing takes any text. The words around them
come from the texts of `locale`.
"""

from datetime import date

import msgspec


class Calendar(msgspec.Struct, frozen=True, omit_defaults=True, tag="calendar"):
    """A month of a member's check-ins.

    `month` is its first day; `days` are the days of the month with a check-in, the made-up ones
    among them, and `made_up` those alone. `streak` and `best` are in days.
    """

    locale: str
    name: str
    month: date
    today: date
    days: tuple[int, ...] = ()
    made_up: tuple[int, ...] = ()
    streak: int = 0
    best: int = 0


class Card(msgspec.Struct, frozen=True, omit_defaults=True, tag="card"):
    """Who a member is: his level ('' where there are none) with the way to the next, and figures.

    `missing` points lead to the level `next` ('' at the top), of which `percent` of the way from
    this level's start is done. `rank` is 0 for one who stands on no board this month. `title` is
    that of the week, `badges` are emoji, the newest first.
    """

    locale: str
    name: str
    since: date
    days: int
    points: int
    streak: int = 0
    rank: int = 0
    level: str = ""
    next: str = ""
    missing: int = 0
    percent: int = 0
    title: str = ""
    badges: str = ""


class QrCode(msgspec.Struct, frozen=True, omit_defaults=True, tag="qr"):
    """A QR code of a text, usually a link, with a line below it."""

    text: str
    caption: str = ""


Picture = Calendar | Card | QrCode

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Picture] = msgspec.json.Decoder(Picture)


def pack_picture(picture: Picture) -> str:
    """Return a picture's value as JSON text."""
    return _encoder.encode(picture).decode()


def unpack_picture(text: str) -> Picture:
    """Return the value that `pack_picture` stored. Errors: msgspec.DecodeError for another text."""
    return _decoder.decode(text)
