"""Pictures that Telegram has already: sent again by their number there, without an upload."""

import logging
from collections import OrderedDict
from typing import Any

from bot.adapters.base import InsteadError, SendError, words_alone
from bot.adapters.telegram.errors import is_about_the_message
from content.message import Reply
from content.picture import Picture
from storage.outbox import Outgoing

_log = logging.getLogger(__name__)

FILE_NAME = "drawn.png"
KNOWN_MAX = 1000


class Photos:
    """The numbers (`file_id`) of the latest pictures, good for one bot; gone with the process."""

    def __init__(self) -> None:
        """Nothing has been sent yet."""
        self._known: OrderedDict[Picture, str] = OrderedDict()
        self._told: set[str] = set()

    def get(self, picture: Picture) -> str | None:
        """Return a picture's number, if it has been sent lately."""
        known = self._known.get(picture)
        if known is not None:
            self._known.move_to_end(picture)
        return known

    def keep(self, picture: Picture, message: Any) -> None:
        """Remember a picture by the message that shows it, if there is one."""
        photo = getattr(message, "photo", None)
        if photo:
            self._known[picture] = photo[-1].file_id  # the last one is the largest
            self._known.move_to_end(picture)
        while len(self._known) > KNOWN_MAX:
            self._known.popitem(last=False)

    def judge(
        self, error: SendError, out: Outgoing, reply: Reply, *, known: str | None
    ) -> SendError:
        """Return what to make of an error: a refused number is forgotten, a refused picture left.

        A refusal may mean the picture or the place: the words alone will show. What else went
        wrong is as with any message.
        """
        assert reply.picture is not None
        if not is_about_the_message(error):
            return error
        if known is not None:
            self._known.pop(reply.picture, None)
            return InsteadError(f"uploaded anew: {error}", [out])
        if str(error) not in self._told:
            self._told.add(str(error))
            _log.warning("Telegram takes no picture, the words are said alone: %s", error)
        return InsteadError(f"without its picture: {error}", words_alone(out, reply))
