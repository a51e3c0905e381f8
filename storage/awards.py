"""What members earn: caps, the programme's budget and their level come together here."""

from datetime import date, datetime
from typing import Literal, NamedTuple

from content.caps import Cap
from content.rulebook import LevelRule, Rulebook
from storage import ledger, levels, reviews
from storage.books import BUDGET, POINTS
from storage.db import Tx
from storage.ledger import account
from storage.movement import BudgetError, CappedError, Posting

Withheld = Literal["", "once", "cap", "review", "budget"]
"""Why less than everything was paid: it is paid once, a cap cut it, the budget lets it wait, or
the budget leaves nothing of it."""


class Award(NamedTuple):
    """What became of it: points paid (now, or pending), or waiting as a review.

    `level` is one that the member has risen to by it.
    """

    points: int
    posting: int = 0
    withheld: Withheld = ""
    review: int = 0
    level: LevelRule | None = None


def award(
    tx: Tx, rules: Rulebook, posting: Posting, *, today: date, now: datetime, waits: bool = True
) -> Award:
    """Pay what a member has earned; the caller knows that the key is new.

    What the budget does not leave waits for a review, whole; without `waits` (what is not worth
    anybody's look) it is not paid. Errors: LedgerError.
    """
    counts = account(tx, posting.programme_id, posting.target.owner_id, posting.wallet).counts
    if posting.wallet == POINTS:
        posting = posting._replace(budget=budget(rules), booked=max(today, posting.day))
    try:
        posted = ledger.post(tx, posting, fresh=True)
    except CappedError:
        return Award(0, withheld="cap")
    except BudgetError as over:
        if not waits:
            key = (posting.programme_id, posting.target.owner_id, posting.wallet)
            tx.books.own(key).counts = counts  # its caps have not been used
            return Award(0, withheld="budget")
        late = posting._replace(amount=over.amount)
        return Award(0, withheld="review", review=reviews.queue(tx, late, now))
    has = account(tx, posting.programme_id, posting.target.owner_id)
    level = levels.keep(tx, rules, has, today) if posting.wallet == POINTS else None
    cut: Withheld = "cap" if posted.amount < posting.amount else ""
    return Award(posted.amount, posted.id, cut, 0, level)


def budget(rules: Rulebook) -> tuple[Cap, ...]:
    """Return what the programme issues at most, to all members together."""
    most = rules.programme.budget
    return (
        Cap(BUDGET, "day", "points", most.issue_per_day),
        Cap(BUDGET, "month", "points", most.issue_per_month),
    )
