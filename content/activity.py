"""Which messages are worth points: not too soon, not too short, not the same again."""

import unicodedata
from collections.abc import Iterable
from difflib import SequenceMatcher
from itertools import islice

from content.names import BLANK_LETTERS, plain_words
from content.rulebook import ActivityRules

COMPARED = 5
"""How many of a member's last messages a new one is compared with."""
COMPARED_CHARACTERS = 100
"""How much of a message is compared: the time grows with the square, and anybody may write."""


def worth(
    rules: ActivityRules,
    text: str,
    previous: Iterable[str],
    *,
    since_s: float | None,
    command: bool = False,
) -> int:
    """Return the points of a message, 0 when it is worth none.

    `previous` are the member's messages, the last one first. `since_s` is the time since his last
    paid message (None: there is none), `command` whether the bot takes the text for a command.
    """
    if (command or text.lstrip().startswith("/")) and not rules.commands_count:
        return 0
    if since_s is not None and since_s < rules.cooldown_s:
        return 0
    if visible(text) < rules.min_length:
        return 0
    if any(similar(text, other, rules.similarity_max) for other in islice(previous, COMPARED)):
        return 0
    return rules.points


def visible(text: str) -> int:
    """Return how many characters of a text can be seen: no white space, no marks on letters."""
    return sum(
        not character.isspace()
        and character not in BLANK_LETTERS
        and unicodedata.category(character)[0] != "M"
        for character in plain_words(text)
    )


def similar(text: str, other: str, most: float) -> bool:
    """Whether two texts are equal, or more alike than `most` (0 to 1), in how they begin."""
    one, two = _compared(text), _compared(other)
    if one == two:
        return True
    matcher = SequenceMatcher(None, one, two, autojunk=False)
    # the quick ones are upper bounds
    return (
        matcher.real_quick_ratio() > most
        and matcher.quick_ratio() > most
        and matcher.ratio() > most
    )


def _compared(text: str) -> str:
    words = plain_words(text[: COMPARED_CHARACTERS * 20]).casefold()
    seen = (c for c in words if not c.isspace() and c not in BLANK_LETTERS)
    return "".join(c for c in seen if unicodedata.category(c)[0] != "M")[:COMPARED_CHARACTERS]
