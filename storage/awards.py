"""What members earn: caps, the programme's budget, their level and credit come together here."""

from datetime import date, datetime
from typing import Literal, NamedTuple

from content import credit
from content.caps import Cap
from content.rulebook import LevelRule, Rulebook
from storage import ledger, levels, reviews
from storage.books import BUDGET, POINTS
from storage.db import Tx
from storage.ledger import account
from storage.movement import BudgetError, CappedError, Posting

Withheld = Literal["", "once", "cap", "review", "budget", "credit", "watched"]
"""Why less than everything was paid: it is paid once, a cap cut it, the budget lets it wait, the
budget leaves nothing of it, the member's credit does not, or he is being looked at: it waits."""
_NOTHING = (Cap(BUDGET, "day", "points", 0),)
"""The budget of one who is being looked at: caps are counted, and all of it waits."""


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
    anybody's look) it is not paid. The member's credit weighs it; while a finding about him is
    open it waits whole, whatever it is. Errors: LedgerError.
    """
    owner = account(tx, posting.programme_id, posting.target.owner_id)
    counts = account(tx, posting.programme_id, posting.target.owner_id, posting.wallet).counts
    if owner.watched:
        return _wait(tx, posting, owner.watched, today, now)
    amount = credit.weighted(rules.credit, owner.credit_lost, posting.amount)
    if not amount:
        return Award(0, withheld="credit")
    posting = posting._replace(amount=amount)
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


def _wait(tx: Tx, posting: Posting, finding: int, today: date, now: datetime) -> Award:
    """Let an award wait until a finding about its member is decided."""
    try:
        late = posting._replace(budget=_NOTHING, booked=max(today, posting.day))
        ledger.post(tx, late, fresh=True)
    except CappedError:
        return Award(0, withheld="cap")
    except BudgetError as over:
        late = posting._replace(amount=over.amount)
        return Award(0, withheld="watched", review=reviews.queue(tx, late, now, finding=finding))
    raise AssertionError


def budget(rules: Rulebook) -> tuple[Cap, ...]:
    """Return what the programme issues at most, to all members together."""
    most = rules.programme.budget
    return (
        Cap(BUDGET, "day", "points", most.issue_per_day),
        Cap(BUDGET, "month", "points", most.issue_per_month),
    )
