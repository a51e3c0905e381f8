"""The words' envelope: what handlers say, in a form that every platform can carry and store."""

from datetime import datetime
from typing import Any

import msgspec

from content.picture import Picture

BUTTON_BYTES_MAX = 64  # Telegram's callback_data limit, the tightest of the platforms


class Button(msgspec.Struct, frozen=True, omit_defaults=True):
    """A command to press instead of to type, or a link to follow.

    `command` is what a member would type after the slash (`top week`), at most 64 UTF-8 bytes.
    It is carried out for whoever presses it, so an old or forged button can do no more than
    its presser could do by typing. One with a `url` has no command: it opens the link.
    """

    label: str
    command: str = ""
    url: str = ""

    def __post_init__(self) -> None:
        """Errors: ValueError for a button that does nothing."""
        if not self.command and not self.url:
            raise ValueError("a button has a command or a url")


def alike(one: str, other: str) -> bool:
    """Whether two buttons belong to the same row: `top day here` and `top week here` do.

    Pressed twice, a tab is no longer there the second time, but its neighbours are.
    """
    words, others = one.split(), other.split()
    return words[:1] == others[:1] and words[-1:] == others[-1:]


Buttons = tuple[tuple[Button, ...], ...]


class Action(msgspec.Struct, frozen=True, omit_defaults=True, tag=True):
    """Something to be done in a chat, besides saying words.

    Where `ref` is given, what came of it is told as an event of kind `did`, whose `target` it is;
    its first word is the feature's that asked (`Router.did`).
    """

    ref: str = ""


class MakeLink(Action, frozen=True, omit_defaults=True):
    """Make an invite link of the chat's, by `name`; with `asks` who follows it has to be let in."""

    name: str = ""
    asks: bool = False


class LetIn(Action, frozen=True, omit_defaults=True):
    """Let somebody in who asks for it."""

    user_id: str = ""


class TurnAway(Action, frozen=True, omit_defaults=True):
    """Do not let somebody in who asks for it."""

    user_id: str = ""


class Quiet(Action, frozen=True, omit_defaults=True):
    """Let somebody read and not write, until a moment or for good."""

    user_id: str = ""
    until: datetime | None = None


class Loud(Action, frozen=True, omit_defaults=True):
    """Let somebody write again."""

    user_id: str = ""


class SetTag(Action, frozen=True, omit_defaults=True):
    """Show a tag beside somebody's name; an empty one takes it away."""

    user_id: str = ""
    tag: str = ""


class DeleteMessage(Action, frozen=True, omit_defaults=True):
    """Take a message away."""

    message_id: str = ""


Doing = MakeLink | LetIn | TurnAway | Quiet | Loud | SetTag | DeleteMessage


class Reply(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing to say, in plain text (no markup: a member's name can never break a message)."""

    text: str
    buttons: Buttons = ()
    private: bool = False
    """Meant for the asker alone: shown to him only where the platform can."""
    replaces: bool = False
    """The answer to a tap takes the place of the message whose button was pressed, if that
    message does have this button."""
    once: bool = False
    """Rather lost than said twice (posts). Answers are rather said twice than lost."""
    life_s: int = 900
    """Not sent any more when this many seconds have passed since the event."""
    alone: bool = False
    """Never merged with other answers into one message: its buttons change that message."""
    picture: Picture | None = None
    """To be shown with the text, which says the same in words: where pictures cannot be drawn or
    sent, and in an answer for the presser of a button alone, the text stands by itself."""
    action: Doing | None = None
    """For a row that does something, instead of words (`outbox.do`)."""


class Refusal(Exception):  # noqa: N818 - a polite no is an answer, not an error
    """A polite no: nothing is changed, and the text `key` is said with `values`."""

    def __init__(self, key: str, *, buttons: Buttons = (), **values: Any) -> None:
        """Refuse with the text `key`; `values` fill its placeholders."""
        super().__init__(key)
        self.key = key
        self.buttons = buttons
        self.values = values


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Reply)


def pack(reply: Reply) -> str:
    """Return the reply as JSON text for the outbox."""
    return _encoder.encode(reply).decode()


def unpack(payload: str | bytes) -> Reply:
    """Return the reply that `pack` stored."""
    return _decoder.decode(payload)
