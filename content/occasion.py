"""What a member has done, as features hear of it, and what they say to it. Values only."""

from datetime import date, datetime
from typing import Any, NamedTuple

from content.texts import Texts


class Occasion(NamedTuple):
    """Something that a member has done, told once, in the transaction in which it happened.

    `what` is a deed's name (`content.questrules.DEEDS`, `custom.…`, `survey.…`, `quest.…`), `day`
    the programme's day that it counts for; `key` names it: for what may be told again (two people
    who talk to each other the whole day), the same key is the same thing.
    """

    what: str
    member_id: int
    at: datetime
    day: date
    key: str
    amount: int = 1


class Line(NamedTuple):
    """A line that is added to an answer: a text's key and its values.

    A value that has another name in each language (`called`) is named when it is said.
    """

    key: str
    values: dict[str, Any]

    def said(self, texts: Texts) -> str:
        """Return the line in a language."""
        values = {
            name: value.called(texts.locale) if hasattr(value, "called") else value
            for name, value in self.values.items()
        }
        return texts.say(self.key, **values)
