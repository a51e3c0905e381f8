"""What platform adapters have in common: limits, errors, and how text is made to fit."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from bot.pictures import PictureError, Pictures
from content.message import Doing, Reply, pack, unpack
from content.picture import Picture
from content.startlink import complete
from storage.outbox import Outgoing


class SendError(Exception):
    """A message could not be delivered."""


class RetryAfterError(SendError):
    """The platform asks to leave this chat alone for a while."""

    def __init__(self, seconds: float) -> None:
        """Say for how long."""
        super().__init__(f"told to wait {seconds:.0f} s")
        self.seconds = seconds


class NotSentError(SendError):
    """It has certainly not been sent (no connection): try again later."""


class MaybeSentError(SendError):
    """Nobody knows whether it has been sent: a timeout, a server error, nonsense for an answer."""


class RefusedError(SendError):
    """The platform will never take it: removed from the chat, malformed, gone."""


class ShutOutError(RefusedError):
    """Nothing can be said in that chat any more: removed from it, or blocked by the person."""


class MovedError(SendError):
    """The chat has another id now."""

    def __init__(self, chat_id: str) -> None:
        """Say which."""
        super().__init__("the chat has moved")
        self.chat_id = chat_id


class InsteadError(SendError):
    """It has not been sent, and something else is to be: a picture's words, an edit's text anew."""

    def __init__(self, why: str, rows: Sequence[Outgoing]) -> None:
        """Say what is to be sent in its place; nothing, where other parts say it all."""
        super().__init__(why)
        self.rows = rows


@dataclass(frozen=True, slots=True)
class Limits:
    """What a platform allows. Text in UTF-16 units; None for a rate means unlimited."""

    text_max: int
    toast_max: int
    """Longest answer to a tap that is shown to its presser alone; 0: there is no such thing."""
    buttons: bool
    edits: bool
    chat_burst: int
    chat_per_minute: float | None
    overall_per_second: float | None
    caption_max: int = 0
    """Longest text below a picture; 0: pictures cannot be shown, their text is said."""


class Adapter(ABC):
    """A platform. The sender calls `fit` and `deliver`; the rest is each platform's own."""

    name: str
    limits: Limits
    pictures: Pictures

    def per_minute(self, chat_id: str) -> float | None:  # noqa: ARG002 - for platforms that differ
        """Return how many messages a minute a chat may get, after its first burst."""
        return self.limits.chat_per_minute

    def start_address(self, payload: str) -> str:  # noqa: ARG002 - where there is such a thing
        """Return the address that starts a private chat with the bot and hands it `payload`."""
        return ""

    def fit(self, out: Outgoing) -> list[Outgoing]:
        """Return the row as the rows that this platform takes it in, one call each."""
        if out.kind == "do":
            return [out]
        reply = complete(unpack(out.payload), self.start_address)
        if not self.limits.buttons:
            reply = _buttons_as_text(reply)
        if out.kind == "tap":  # for its presser's eyes: cut rather than said to everybody
            return [_part(out, reply, shorten(reply.text, self.limits.toast_max), buttons=False)]
        if out.kind == "edit" and not self.limits.edits:
            out = out._replace(kind="say", target=None)
        picture = reply.picture if self.limits.caption_max else None
        if out.kind == "edit":
            most = self.limits.caption_max if picture else self.limits.text_max
            text = shorten(reply.text, most) if picture else split(reply.text, most)[0]
            return [_part(out, reply, text, buttons=True, picture=picture)]
        if picture and units(reply.text) <= self.limits.caption_max:
            return [_part(out, reply, reply.text, buttons=True, picture=picture)]
        parts = split(reply.text, self.limits.text_max)
        rows = [_part(out, reply, part, buttons=part is parts[-1]) for part in parts]
        if picture:  # the picture first, by itself
            rows.insert(0, _part(out, reply, "", buttons=False, picture=picture))
        return [rows[0], *[row._replace(target=None) for row in rows[1:]]]

    async def draw(self, out: Outgoing, reply: Reply) -> bytes:
        """Return a reply's picture as PNG. Errors: InsteadError, with the words alone."""
        assert reply.picture is not None
        try:
            return await self.pictures.png(reply.picture)
        except PictureError as error:
            raise InsteadError(f"no picture: {error}", words_alone(out, reply)) from error

    async def deliver(self, out: Outgoing) -> str:
        """Hand one row that fits to the platform; return what an action has made, else nothing.

        Errors: SendError, each kind its own.
        """
        reply = unpack(out.payload)
        if out.kind == "do":
            assert reply.action is not None
            return await self.do(out, reply.action)
        if out.kind == "tap":
            await self.toast(out, reply.text)
        elif out.kind == "edit":
            await self.edit(out, reply)
        else:
            await self.say(out, reply)
        return ""

    async def do(self, out: Outgoing, action: Doing) -> str:  # noqa: ARG002 - where it can be done
        """Do something in `out.chat_id`; return what it has made (a link), else nothing.

        Errors: SendError; RefusedError where the platform, or this adapter, cannot do such things.
        """
        raise RefusedError(f"{self.name} cannot do {type(action).__name__}")

    @abstractmethod
    async def say(self, out: Outgoing, reply: Reply) -> None:
        """Send a message to `out.chat_id`, in answer to `out.target` if that is given."""

    @abstractmethod
    async def toast(self, out: Outgoing, text: str) -> None:
        """Answer the tap `out.target`, showing its presser a text (none if empty)."""

    @abstractmethod
    async def edit(self, out: Outgoing, reply: Reply) -> None:
        """Replace the message `out.target`."""


def units(text: str) -> int:
    """Return a text's length in UTF-16 units, as Telegram counts."""
    return len(text.encode("utf-16-le")) // 2


def split(text: str, most: int) -> list[str]:
    """Cut a text into parts of 1 to that many UTF-16 units, at line ends where possible.

    What would be a part of white space alone goes: platforms refuse empty messages.
    """
    parts: list[str] = []
    while units(text) > most:
        head = text[:most]
        while units(head) > most:
            head = head[:-1]
        line_end = head.rfind("\n")
        cut = line_end if line_end > most // 2 else len(head)
        parts.append(text[:cut])
        text = text[cut:].removeprefix("\n")
    return [part for part in (*parts, text) if part.strip()] or [text]


def shorten(text: str, most: int) -> str:
    """Return a text of at most that many UTF-16 units, cut at a line end and marked as cut."""
    return text if units(text) <= most else split(text, most - 1)[0].rstrip() + "…"


def words_alone(out: Outgoing, reply: Reply) -> list[Outgoing]:
    """Return the rows that say a reply without its picture: none, when that was all of it."""
    return [_part(out, reply, reply.text, buttons=True)] if reply.text else []


def _part(
    out: Outgoing, reply: Reply, text: str, *, buttons: bool, picture: Picture | None = None
) -> Outgoing:
    shown = reply.buttons if buttons else ()
    part = msgspec.structs.replace(reply, text=text, buttons=shown, picture=picture)
    return out._replace(payload=pack(part))


def _buttons_as_text(reply: Reply) -> Reply:
    if not reply.buttons:
        return reply
    labels = " · ".join(
        f"{button.label} {button.url}".rstrip() for row in reply.buttons for button in row
    )
    return msgspec.structs.replace(reply, text=f"{reply.text}\n[{labels}]", buttons=())
