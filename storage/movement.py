"""Movements of points to be made: their shape, what may be moved whither, and how it is refused."""

from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import NamedTuple

from content.caps import Cap
from storage.account import Lots
from storage.books import POINTS
from storage.tables import MEMBER_BUCKETS, PROGRAMME_BUCKETS

PROGRAMME = 0
"""The owner number of the programme's own account."""

PAID_DEBT = "/debt"
"""Ends the key of a movement's second posting, the part that paid a debt."""

GIFT = "gift"
"""The rule of gifts between members (`storage.gifts`): they take points that were earned alone."""

BIND = "bind"
"""The rule of what moves when one member is bound to another, or parted (`storage.bindings`)."""

OWED = "/owed"
"""Ends the key of an undoing's second posting, the part that became a debt."""

AMOUNT_MAX = 10**12
KEY_MAX = 190
REASON_MAX, RULE_MAX, ACTOR_MAX, WALLET_MAX, KIND_MAX = 64, 64, 100, 32, 24
"""Characters of a posting's texts, as wide as their columns."""


class Side(NamedTuple):
    """One end of a posting: a bucket of an owner's account."""

    owner_id: int
    bucket: str


ISSUED = Side(PROGRAMME, "issued")


class Posting(NamedTuple):
    """A movement to be made.

    `key` says what happened, to whom and when, and pays once; it starts with the day, so that
    new keys lie together in the index. `day` is the programme's day that boards count it on.
    """

    programme_id: int
    key: str
    source: Side
    target: Side
    amount: int
    reason: str
    rule: str
    rule_version: int
    actor: str
    at: datetime
    day: date
    wallet: str = POINTS
    kind: str = ""
    """What was done to earn it (a category of the rules): boards and reports may ask."""
    expires: date | None = None
    """For a credit: the last day on which it can be spent."""
    matures: date | None = None
    """For a credit to `pending`: the day on which it becomes available."""
    caps: tuple[Cap, ...] = ()
    """Ceilings of the member that the amount is cut to."""
    budget: tuple[Cap, ...] = ()
    """Ceilings of the programme, for all members together: more than they leave is refused."""
    booked: date | None = None
    """The day on which it is told of, where that is later than `day`: a budget and the age of a
    debt go by it, so that what is told late is neither under old budgets nor an old debt."""


class Posted(NamedTuple):
    """What became of it. `balance` is the target bucket's (the source's when it pays out).

    `amount` is less than was asked where a cap cut it. A movement may need more than one posting
    (a part pays a debt): `id` is the first one's.
    """

    id: int
    balance: int
    amount: int
    replayed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a movement says beside its posting, for the parts of the store that know more.

    `lots` are the whole lots in which points arrive, where they are not those that were taken;
    `prefer` are the lots that a debit takes before others; `earned` is the day whose windows count
    the amount, or with a `sign` of -1 no longer count it.
    """

    reverses: int | None = None
    lots: Lots | None = None
    prefer: Lots = ()
    earned: date | None = None
    sign: int = 1


_PLAIN = Terms()


class LedgerError(ValueError):
    """A posting that makes no sense: a bug of the caller, or hostile input that came this far."""


class KeyConflictError(LedgerError):
    """The key has been used for something else."""


class InsufficientError(LedgerError):
    """The bucket holds less than is to be taken."""


class CappedError(LedgerError):
    """The member's caps leave nothing of it."""


class BudgetError(LedgerError):
    """The programme's budget leaves less than `amount`; the member's caps are counted with it."""

    def __init__(self, amount: int) -> None:
        """Take the amount that the member's caps have left."""
        super().__init__(f"the budget leaves less than {amount}")
        self.amount = amount


class GoneError(LedgerError):
    """The hold is no longer open, or the posting has been reversed in full."""


_MOVES = {
    ("issued", "available"): "an award",
    ("issued", "pending"): "an award that matures",
    ("compensation", "available"): "a compensation",
    ("available", "redeemed"): "a payment",
    ("available", "clawed_back"): "a deduction",
    ("debt", "clawed_back"): "a deduction from somebody who has nothing",
    ("clawed_back", "debt"): "a debt that is written off",
    ("available", "available"): "a gift",
}
"""What may be posted. Everything else goes through storage.holds, .clockwork and .undoing."""


def check(posting: Posting) -> None:
    """Refuse what makes no sense in itself. Errors: LedgerError."""
    error = error_of(posting)
    if error is not None:
        raise LedgerError(error)


def check_amount(amount: int) -> None:
    """Refuse what is no amount of points. Errors: LedgerError."""
    if type(amount) is not int or not 0 < amount <= AMOUNT_MAX:
        raise LedgerError(f"amount {amount!r}: whole points from 1 to {AMOUNT_MAX} are posted")


def check_key(key: str) -> None:
    """Refuse what is no key of a movement. Errors: LedgerError."""
    if not 0 < len(key) <= KEY_MAX:
        raise LedgerError(f"a key has 1 to {KEY_MAX} characters, not {len(key)}")
    if key.endswith((PAID_DEBT, OWED)):
        raise LedgerError(
            f"a key does not end in {PAID_DEBT} or {OWED}: those are the ledger's own"
        )


def error_of(posting: Posting) -> str | None:
    """Return what makes no sense in a posting by itself; None for nothing."""
    source, target = posting.source, posting.target
    try:
        check_amount(posting.amount)
        check_key(posting.key)
    except LedgerError as error:
        return str(error)
    for side in (source, target):
        if _no_bucket(side):
            return f"there is no bucket {side.bucket!r} for owner {side.owner_id}"
    if (source.bucket, target.bucket) not in _MOVES:
        return f"points are not posted from {source.bucket} to {target.bucket}"
    if _unstorable(posting):
        return "a text is longer than its column, or is none that a database can hold"
    return _odd(posting)


def _unstorable(posting: Posting) -> bool:
    """Whether a text would make the database refuse the row, and with it the whole batch."""
    reason, rule, actor, wallet = posting.reason, posting.rule, posting.actor, posting.wallet
    if (
        len(reason) > REASON_MAX
        or len(rule) > RULE_MAX
        or len(actor) > ACTOR_MAX
        or len(wallet) > WALLET_MAX
        or len(posting.kind) > KIND_MAX
    ):
        return True
    text = f"{posting.key}{reason}{rule}{actor}{wallet}{posting.kind}"
    if "\0" in text:
        return True
    return not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text)


def _odd(posting: Posting) -> str | None:
    """Say what of a posting's parts do not fit each other."""
    if posting.source.owner_id == posting.target.owner_id:
        return "a gift is for somebody else"
    if posting.expires is not None and posting.expires < posting.day:
        return "points cannot be given on a day after their last one"
    if (posting.matures is not None) != (posting.target.bucket == "pending"):
        return "what goes to pending, and nothing else, matures"
    if (posting.caps or posting.budget) and posting.source.owner_id != PROGRAMME:
        return "caps and budgets are for what the programme gives"
    return "an instant without a zone is no instant" if posting.at.tzinfo is None else None


def _no_bucket(side: Side) -> bool:
    known = PROGRAMME_BUCKETS if side.owner_id == PROGRAMME else MEMBER_BUCKETS
    return side.bucket not in known


def terms_of(posting: Posting) -> Terms:
    """Return what an ordinary posting says besides: what is issued to be spent counts as earned."""
    if posting.source.bucket == "issued" and posting.target.bucket == "available":
        return _earned_on(posting.day)
    return _PLAIN


@lru_cache(maxsize=64)
def _earned_on(day: date) -> Terms:
    return Terms(earned=day)
