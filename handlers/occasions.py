"""Where features hear of each other: a member has done something, and each says its line to it."""

from collections import deque
from datetime import datetime

from content.occasion import Line as Line  # noqa: PLC0414 - for all who tell and hear
from content.occasion import Occasion as Occasion  # noqa: PLC0414
from handlers import inviting, questing
from storage.db import Tx
from storage.journeys import Sent
from storage.programmes import Programme

SUBSCRIBERS = (questing.hear, inviting.hear)
"""Each is told of everything, looks in memory first whether it concerns it at all, and returns its
lines and what happened in turn: `questing.hear` tells of `quest.…` that is done, which may prove
somebody who was invited."""


def ask(tx: Tx, here: Programme, member_id: int, *what: str) -> Sent | None:
    """Ask along with the next statement for what will be needed if this is told.

    That one is to lock the member's account. None where nobody listens to any of it.
    """
    return questing.ask(tx, here, member_id) if here.listens.intersection(what) else None


def tell(
    tx: Tx,
    here: Programme,
    occasion: Occasion,
    now: datetime,
    *,
    asked: Sent | None = None,
    aloud: bool = True,
) -> list[Line]:
    """Tell all features of something that a member has done; return what they say to him.

    The caller has just written what makes it new: a check-in's row, the event's receipt. `asked` is
    `ask`'s. Without `aloud` there is no answer to add lines to: what he should hear waits for one.
    Errors: LookupError for a stranger, LedgerError.
    """
    lines: list[Line] = []
    told = deque([occasion])
    while told:
        each = told.popleft()
        for hear in SUBSCRIBERS:
            heard = hear(tx, here, each, now, asked=asked, aloud=aloud)
            asked = None  # it has been used: what was read has changed
            lines += heard.lines
            told += heard.occasions
    return lines
