"""Links that start a chat with the bot: what they carry is ours, their address each platform's own.

In a text such a link stands between two marks that no name and no typed word can hold.
"""

import re
from collections.abc import Callable

from msgspec import structs

from content.message import Button, Reply
from content.picture import QrCode

_OPEN, _END = "\ue000", "\ue001"
_LINK = re.compile(f"{_OPEN}([A-Za-z0-9_-]{{1,64}}){_END}")


def start_link(payload: str) -> str:
    """Return a link for a text, a button or a QR code; `payload` is 1 to 64 of A-Z a-z 0-9 _ -."""
    return f"{_OPEN}{payload}{_END}"


def has_links(reply: Reply) -> bool:
    """Whether any of them stands in a reply."""
    code = reply.picture.text if isinstance(reply.picture, QrCode) else ""
    urls = (button.url for row in reply.buttons for button in row)
    return any(_OPEN in each for each in (reply.text, code, *urls))


def complete(reply: Reply, address: Callable[[str], str]) -> Reply:
    """Return a reply with the addresses of its links, as `address` gives them for a payload.

    Where there is none (""), texts have the payload itself, and buttons and codes go.
    """
    if not has_links(reply):
        return reply
    text = _LINK.sub(lambda found: address(found[1]) or found[1], reply.text)
    rows = (tuple(_completed(row, address)) for row in reply.buttons)
    picture = reply.picture
    if isinstance(picture, QrCode):
        link = _address(picture.text, address)
        picture = structs.replace(picture, text=link) if link else None
    return structs.replace(
        reply, text=text, buttons=tuple(row for row in rows if row), picture=picture
    )


def _completed(row: tuple[Button, ...], address: Callable[[str], str]) -> list[Button]:
    known = [(each, _address(each.url, address)) for each in row]
    return [structs.replace(each, url=url) for each, url in known if url or each.command]


def _address(url: str, address: Callable[[str], str]) -> str:
    found = _LINK.fullmatch(url)
    return address(found[1]) if found else url
