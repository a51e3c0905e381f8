"""The points ledger: the only module that changes a balance.

Every movement is a posting from one bucket to another, in whole points, written once. It is
decided over accounts that the transaction has locked (`storage.books`), and written when the batch
ends. A bucket of a member never goes below zero, except `debt`, which never goes above.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from content.caps import Cap
from storage import account as accounts
from storage.account import NEVER, Account, AccountKey, Lots, allowed, lots_text, read_lots
from storage.books import POINTS
from storage.db import Sql, Tx, to_day, to_ms
from storage.ids import new_id
from storage.pages import Row
from storage.tables import MEMBER_BUCKETS, PROGRAMME_BUCKETS

PROGRAMME = 0
"""The owner number of the programme's own account."""

PAID_DEBT = "/debt"
"""Ends the key of a movement's second posting, the part that paid a debt."""

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


ROW = ", ".join(Row._fields)
_KNOWN = Sql(f"SELECT {ROW} FROM posting WHERE programme_id = :programme AND key = :key")
_KNOWN_MANY = Sql(
    f"SELECT {ROW} FROM posting WHERE programme_id = :programme"
    " AND key IN (SELECT value FROM json_each(:keys))",
    postgres=f"SELECT {ROW} FROM posting WHERE programme_id = :programme AND key = ANY(:keys)",
)
_MATURE_LATER = Sql(
    "INSERT INTO maturing (programme_id, id, owner_id, wallet, remaining, due_day, expires_day,"
    " kind) VALUES (:programme, :id, :owner, :wallet, :amount, :due, :expires, :kind)"
)


# -- one movement ----------------------------------------------------------------------------


def post(tx: Tx, posting: Posting, *, fresh: bool = False) -> Posted:
    """Make one movement.

    The same key again with the same content changes nothing and returns the first result. With
    `fresh` the caller has just written a row of its own that makes the key new (a check-in's), and
    no time is spent on looking.
    Errors: KeyConflictError (same key, other content), InsufficientError, CappedError (nothing is
    changed), BudgetError (only the member's caps are counted), LedgerError (an amount that is not
    1 to 10^12 whole points, an unknown bucket, a missing account).
    """
    check(posting)
    return once(tx, posting, _terms(posting), fresh=fresh)


def once(tx: Tx, posting: Posting, terms: Terms, *, fresh: bool = False) -> Posted:
    """Move points unless the key says that it has been done: then return the first result."""
    owners = {posting.source.owner_id, posting.target.owner_id} - {PROGRAMME}
    tx.books.load(tx, posting.programme_id, posting.wallet, owners)  # both at once: in one order
    known = known_row(tx, posting.programme_id, posting.key, fresh=fresh)
    if known is not None:
        return _replay(tx, posting, known)
    return move(tx, posting, terms)


def post_many(tx: Tx, postings: Sequence[Posting]) -> list[Posted | LedgerError]:
    """Make many movements in order; each stands or falls alone, and none disturbs the others.

    Accounts and known keys are read at once, so that a thousand cost little more than one.
    """
    results: list[Posted | LedgerError] = []
    errors = [_error(posting) for posting in postings]
    sound = [posting for posting, error in zip(postings, errors, strict=True) if error is None]
    wanted: dict[tuple[int, str], set[int]] = {}
    keys: dict[int, list[str]] = {}
    for posting in sound:
        keys.setdefault(posting.programme_id, []).append(posting.key)
        owners = wanted.setdefault((posting.programme_id, posting.wallet), set())
        owners.update((posting.source.owner_id, posting.target.owner_id))
    for (programme_id, wallet), owners in sorted(wanted.items()):
        tx.books.load(tx, programme_id, wallet, owners - {PROGRAMME})
    known: dict[tuple[int, str], Row] = {}
    for programme_id, some in keys.items():
        rows = tx.all(
            _KNOWN_MANY,
            programme=programme_id,
            keys=json.dumps(some) if tx.is_sqlite else some,
        )
        known |= {(programme_id, row[2]): as_row(tx, row) for row in rows}
    for posting, wrong in zip(postings, errors, strict=True):
        if wrong is not None:
            results.append(LedgerError(wrong))
            continue
        name = (posting.programme_id, posting.key)
        before = known.get(name) or tx.books.made.get(name)
        try:
            if before is not None:
                results.append(_replay(tx, posting, before))
            else:
                results.append(move(tx, posting, _terms(posting)))
        except LedgerError as error:
            results.append(error)
    return results


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
    error = _error(posting)
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


def _error(posting: Posting) -> str | None:
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


def known_row(tx: Tx, programme_id: int, key: str, *, fresh: bool = False) -> Row | None:
    """Return the posting that has a key, this transaction's own included."""
    made: Row | None = tx.books.made.get((programme_id, key))
    if made is not None or (fresh and not tx.careful):
        return made
    row = tx.one(_KNOWN, programme=programme_id, key=key)
    return as_row(tx, row) if row is not None else None


def as_row(tx: Tx, raw: Sequence[object]) -> Row:
    """Return a posting as it was read."""
    row = Row._make(raw)
    if not tx.is_sqlite:
        return row
    return row._replace(day=to_day(row.day) or date.min, expires_day=to_day(row.expires_day))


def _replay(tx: Tx, posting: Posting, first: Row) -> Posted:
    """Return the first result again."""
    goal = posting.target
    if goal.bucket == "available" and first.to_bucket == "debt":
        goal = Side(goal.owner_id, "debt")  # all of it paid a debt
    terms = (posting.amount, posting.reason, posting.expires)
    sides = (first.from_owner, first.from_bucket, first.to_owner, first.to_bucket)
    content = (first.wallet, *sides, first.asked, first.reason, first.expires_day)
    if content != (posting.wallet, *posting.source, *goal, *terms):
        raise KeyConflictError(f"key {posting.key} has been used for another posting")
    amount = first.amount
    if amount != first.asked:  # a part of it may have paid a debt
        second = known_row(tx, posting.programme_id, first.key + PAID_DEBT)
        amount += second.amount if second else 0
    return Posted(first.id, balance(first), amount, replayed=True)


# -- deciding ------------------------------------------------------------------------------------


def _terms(posting: Posting) -> Terms:
    if posting.source.bucket == "issued" and posting.target.bucket == "available":
        return _earned_on(posting.day)
    return _PLAIN


@lru_cache(maxsize=64)
def _earned_on(day: date) -> Terms:
    return Terms(earned=day)


def move(tx: Tx, posting: Posting, terms: Terms) -> Posted:
    """Move points between accounts that are loaded: checked whole first, then done.

    What reaches a member who owes pays his debt first: who owes has nothing available.
    Errors: InsufficientError, CappedError, LedgerError (a missing account, more than is owed).
    """
    target = posting.target
    payer, earner = _member(tx, posting, posting.source), _member(tx, posting, target)
    amount = posting.amount
    if payer is not None:
        _check_funds(tx, posting, payer)
    if earner is not None and target.bucket == "debt" and earner.debt + amount > 0:
        raise LedgerError(f"owner {target.owner_id} owes less than {amount}")
    if earner is not None and posting.caps:
        amount = _cut(tx, posting, earner.key)
    if posting.budget:
        chain = (posting.programme_id, posting.wallet)
        if not tx.books.issue(tx, chain, posting.budget, amount, posting.day):
            raise BudgetError(amount)
    who = earner or payer
    if who is not None and terms.earned is not None:
        tx.books.earn(who.key, terms.sign * amount, terms.earned, posting.kind)
    if earner is None or target.bucket != "available" or not earner.debt:
        return _posted(_leg(tx, posting, target, amount, terms), amount)
    # The lots that expire first pay the debt; the posting of the rest, if any, has the key.
    to_debt = min(amount, -earner.debt)
    owed = Side(target.owner_id, "debt")
    if to_debt == amount:
        return _posted(_leg(tx, posting, owed, amount, terms), amount)
    second = posting._replace(key=posting.key + PAID_DEBT)
    paid = _leg(tx, second, owed, to_debt, terms, asked=0)
    lots = accounts.take(terms.lots, to_debt)[0] if terms.lots is not None else None
    prefer = accounts.less_lots(terms.prefer, accounts.whole(read_lots(paid.lots), to_debt))
    rest = replace(terms, lots=lots, prefer=prefer)
    return _posted(_leg(tx, posting, target, amount - to_debt, rest), amount)


def _posted(row: Row, amount: int) -> Posted:
    return Posted(row.id, balance(row), amount, replayed=False)


def balance(row: Row) -> int:
    """Return what the bucket of the member held after a posting: the target's, if both are his."""
    return row.from_after if row.to_owner == PROGRAMME else row.to_after


def _check_funds(tx: Tx, posting: Posting, payer: Account) -> None:
    bucket = posting.source.bucket
    if bucket in {"available", "debt"} and payer.next_expiry < posting.day:
        payer = expire(tx, payer, posting.day, posting.at)
    if bucket == "debt":
        if payer.available:
            raise LedgerError("who has points available makes no debt: take those first")
    elif getattr(payer, bucket) < posting.amount:
        raise InsufficientError(f"less than {posting.amount} in {bucket}")


def _cut(tx: Tx, posting: Posting, key: AccountKey) -> int:
    """Return what the caps leave of an award, and count it."""
    counts = tx.books.accounts[key].counts
    left, counts = allowed(counts, posting.caps, posting.amount, posting.day)
    if left == 0:
        raise CappedError(f"the caps of owner {key[1]} leave nothing")
    tx.books.own(key).counts = counts
    return left


def _member(tx: Tx, posting: Posting, side: Side) -> Account | None:
    """Return a side's account, None for the programme's own."""
    if side.owner_id == PROGRAMME:
        return None
    found = tx.books.account(tx, posting.programme_id, side.owner_id, posting.wallet)
    if found is None:
        found = tx.books.open(tx, posting.programme_id, side.owner_id, posting.wallet)
    if found is None:
        raise LedgerError(f"owner {side.owner_id} has no {posting.wallet} account")
    return found


def _leg(
    tx: Tx, posting: Posting, target: Side, amount: int, terms: Terms, *, asked: int | None = None
) -> Row:
    """Do one movement over the books and note its row. Everything has been checked."""
    books, chain = tx.books, (posting.programme_id, posting.wallet)
    source, id_ = posting.source, new_id()
    taken: Lots = ()
    from_after = from_prev = to_after = to_prev = 0
    if source.owner_id == PROGRAMME:
        books.total(chain, source.bucket, -amount)
    else:
        from_after, from_prev, taken = _debit(tx, posting, amount, id_, terms.prefer)
    given: Lots = ()
    if target.bucket == "available":
        given = ((posting.expires, amount),) if posting.expires else taken
        given = given if terms.lots is None else terms.lots
    if target.owner_id == PROGRAMME:
        books.total(chain, target.bucket, amount)
    else:
        to_after, to_prev = _credit(tx, posting, target, amount, id_, given)
    if source.bucket == "available":
        gift = target.bucket == "available"
        lots = accounts.gift_text(taken, given) if gift else lots_text(taken)
    else:
        lots = lots_text(given or terms.lots or ())
    values = (
        posting.programme_id,
        id_,
        posting.key,
        to_ms(posting.at),
        posting.day,
        posting.wallet,
        *source,
        *target,
        amount,
        posting.amount if asked is None else asked,
        posting.reason,
        posting.rule,
        posting.rule_version,
        posting.kind,
        posting.actor,
        terms.reverses,
        posting.expires,
        lots,
        from_prev,
        to_prev,
        from_after,
        to_after,
        books.seal,
    )
    row = Row._make(values)  # by place, for one who makes thousands
    books.rows.append(row)
    books.made[posting.programme_id, posting.key] = row
    if posting.matures is not None:
        tx.run(
            _MATURE_LATER,
            programme=posting.programme_id,
            id=id_,
            owner=target.owner_id,
            wallet=posting.wallet,
            amount=amount,
            due=posting.matures,
            expires=posting.expires,
            kind=posting.kind,
        )
    return row


def _debit(tx: Tx, posting: Posting, amount: int, id_: int, prefer: Lots) -> tuple[int, int, Lots]:
    """Take from the member's bucket; return what is left there, the posting before, its lots."""
    owner_id, bucket = posting.source
    account = tx.books.own((posting.programme_id, owner_id, posting.wallet))
    taken: Lots = ()
    if bucket == "available" and account.next_expiry != NEVER:
        lots = accounts.whole(tx.books.lots[account.key], account.available)
        left, taken = accounts.take(lots, amount, prefer=prefer)
        tx.books.put_lots(account.key, accounts.put((), left))
    if bucket == "debt":  # a debt is as old as its newest part: an old one shelters no new one
        newest = account.owed_since if account.debt else posting.day
        account.owed_since = max(newest, posting.day)
    after = getattr(account, bucket) - amount
    setattr(account, bucket, after)
    before, account.last_posting = account.last_posting, id_
    return after, before, taken


def _credit(  # noqa: PLR0917 - the other half of _debit
    tx: Tx, posting: Posting, target: Side, amount: int, id_: int, given: Lots
) -> tuple[int, int]:
    owner_id, bucket = target
    account = tx.books.own((posting.programme_id, owner_id, posting.wallet))
    if given and given[0][0] != NEVER:
        tomorrow = posting.day + timedelta(days=1)  # an end that has passed meanwhile
        kept = tuple((day if day >= posting.day else tomorrow, n) for day, n in given)
        lots = accounts.put(tx.books.lots.get(account.key, ()), kept)
        tx.books.put_lots(account.key, lots)
    after = getattr(account, bucket) + amount
    setattr(account, bucket, after)
    if bucket == "debt" and not after:
        account.owed_since = NEVER
    before, account.last_posting = account.last_posting, id_
    return after, before


def expire(tx: Tx, account: Account, today: date, at: datetime) -> Account:
    """Take away an account's points whose last day has passed; return what it is then."""
    for day, left in tx.books.lots.get(account.key, ()):
        if day >= today:
            break
        gone = Posting(
            programme_id=account.programme_id,
            # the same day's points can lapse again, when late ones have been given meanwhile
            key=f"{today}/expire/{account.wallet}/{day}/{account.owner_id}/{new_id()}",
            source=Side(account.owner_id, "available"),
            target=Side(PROGRAMME, "expired"),
            amount=left,
            reason="expiry",
            rule="expiry",
            rule_version=0,
            actor="clock",
            at=at,
            day=day,  # so that it does not look for expired points itself
            wallet=account.wallet,
        )
        move(tx, gone, Terms(prefer=((day, left),)))
    return tx.books.accounts[account.key]


def account(tx: Tx, programme_id: int, owner_id: int, wallet: str = POINTS) -> Account:
    """Return an account as it stands now, this transaction's own postings included.

    A second wallet that has never been used is empty. Errors: LedgerError for no member.
    """
    found = tx.books.account(tx, programme_id, owner_id, wallet)
    if found is None and tx.books.account(tx, programme_id, owner_id, POINTS) is not None:
        return Account(programme_id, owner_id, wallet)
    if found is None:
        raise LedgerError(f"owner {owner_id} has no {wallet} account")
    return found
