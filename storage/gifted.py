"""Which of a member's points came as gifts from others: counted with every movement, no database.

`gifted` of what is available was given by other members; `gifted_spent` is what of it has been
spent, and may come back. Points of one account are alike, so it is a matter of order:

- A gift to another takes points that were earned, and nothing else.
- Everything else that is spent, set aside, taken or lost takes gifts first, so that using a gift
  leaves what was earned.
- What comes back (a payment reversed, a hold released) is gifts first, as many as have been spent:
  points do not become earned ones by a purchase that is undone.
- An award that is taken back was earned, so it takes what was earned, as far as there is any.

- What goes along when a member is bound to another (or parted again) is no spending and no gift:
  `storage.bindings` says what of both numbers goes along, and a binding keeps it.

So nobody gives more to others than he has earned, however points are passed around. All of it
follows from the postings in their order: `storage.rebuilding` counts them anew and compares.
"""

from storage.account import Account
from storage.movement import BIND, GIFT, PROGRAMME, InsufficientError
from storage.pages import Row


def leave(account: Account, row: Row) -> None:
    """Count what has left `available` by a posting; the account is as it is afterwards."""
    if row.rule == BIND or (row.rule == GIFT and row.reverses is None):
        return
    of_programme = row.reverses is not None and row.to_owner == PROGRAMME
    if of_programme:
        out = max(0, account.gifted - account.available)
    else:
        out = min(account.gifted, row.amount)
    account.gifted -= out
    if of_programme or row.reverses is None:  # a gift that is taken back does not come back
        account.gifted_spent += out


def arrive(account: Account, row: Row) -> None:
    """Count what has come to `available` by a posting."""
    if row.rule == BIND:
        return
    if row.reverses is None and row.from_owner not in {PROGRAMME, row.to_owner}:
        account.gifted += row.amount
    elif (row.reverses is not None or row.from_bucket == "held") and row.rule != GIFT:
        back = min(row.amount, account.gifted_spent)
        account.gifted += back
        account.gifted_spent -= back


def check(account: Account, amount: int) -> None:
    """Refuse a gift of more than was earned. Errors: InsufficientError."""
    if account.available - account.gifted < amount:
        raise InsufficientError(f"less than {amount} of it was earned")
