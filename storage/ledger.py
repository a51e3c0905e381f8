"""The points ledger: the only module that changes a balance.

Every movement is a posting from one bucket to another, in whole points, written once. It is
decided over accounts that the transaction has locked (`storage.books`), and written when the batch
ends. A bucket of a member never goes below zero, except `debt`, which never goes above.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from storage import account as accounts
from storage import gifted
from storage.account import NEVER, Account, AccountKey, Lots, allowed, lots_text, read_lots
from storage.books import POINTS
from storage.db import Sql, Tx, to_day, to_ms
from storage.ids import new_id
from storage.journeys import Sent
from storage.movement import (
    GIFT,
    PAID_DEBT,
    PROGRAMME,
    BudgetError,
    CappedError,
    InsufficientError,
    KeyConflictError,
    LedgerError,
    Posted,
    Posting,
    Side,
    Terms,
    check,
    error_of,
    terms_of,
)
from storage.pages import Row

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
    return once(tx, posting, terms_of(posting), fresh=fresh)


def once(tx: Tx, posting: Posting, terms: Terms, *, fresh: bool = False) -> Posted:
    """Move points unless the key says that it has been done: then return the first result."""
    owners = {posting.source.owner_id, posting.target.owner_id} - {PROGRAMME}
    looks = tx.careful or not fresh
    own = {"programme": posting.programme_id, "key": posting.key}
    found = tx.follow(_KNOWN, **own) if looks else None  # once the accounts are locked
    tx.books.load(tx, posting.programme_id, posting.wallet, owners)  # both at once: in one order
    known = tx.books.made.get((posting.programme_id, posting.key))
    if known is None and found is not None and found.rows:
        known = as_row(tx, found.rows[0])
    if known is not None:
        return _replay(tx, posting, known)
    return move(tx, posting, terms)


def post_many(tx: Tx, postings: Sequence[Posting]) -> list[Posted | LedgerError]:
    """Make many movements in order; each stands or falls alone, and none disturbs the others.

    Accounts and known keys are read at once, so that a thousand cost little more than one.
    """
    results: list[Posted | LedgerError] = []
    errors = [error_of(posting) for posting in postings]
    sound = [posting for posting, error in zip(postings, errors, strict=True) if error is None]
    wanted: dict[tuple[int, str], set[int]] = {}
    keys: dict[int, list[str]] = {}
    for posting in sound:
        keys.setdefault(posting.programme_id, []).append(posting.key)
        owners = wanted.setdefault((posting.programme_id, posting.wallet), set())
        owners.update((posting.source.owner_id, posting.target.owner_id))
    found: dict[int, Sent] = {}
    for number, ((programme_id, wallet), owners) in enumerate(sorted(wanted.items()), start=1):
        if number == len(wanted):  # once all accounts are locked
            for each, some in keys.items():
                listed = json.dumps(some) if tx.is_sqlite else some
                found[each] = tx.follow(_KNOWN_MANY, programme=each, keys=listed)
        tx.books.load(tx, programme_id, wallet, owners - {PROGRAMME})
    known = {
        (programme_id, row[2]): as_row(tx, row)
        for programme_id, sent in found.items()
        for row in sent.rows
    }
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
                results.append(move(tx, posting, terms_of(posting)))
        except LedgerError as error:
            results.append(error)
    return results


def known_row(tx: Tx, programme_id: int, key: str) -> Row | None:
    """Return the posting that has a key, this transaction's own included."""
    made: Row | None = tx.books.made.get((programme_id, key))
    if made is not None:
        return made
    row = tx.one(_KNOWN, programme=programme_id, key=key)
    return as_row(tx, row) if row is not None else None


def known_rows(tx: Tx, programme_id: int, keys: Sequence[str]) -> dict[str, Row]:
    """Return the written postings that have these keys."""
    some = json.dumps([*keys]) if tx.is_sqlite else [*keys]
    rows = tx.all(_KNOWN_MANY, programme=programme_id, keys=some) if keys else []
    return {row.key: row for row in (as_row(tx, raw) for raw in rows)}


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


def move(tx: Tx, posting: Posting, terms: Terms) -> Posted:
    """Move points between accounts that are loaded: checked whole first, then done.

    What reaches a member who owes pays his debt first: who owes has nothing available.
    Errors: InsufficientError, CappedError, LedgerError (a missing account, more than is owed).
    """
    target = posting.target
    payer, earner = _member(tx, posting, posting.source), _member(tx, posting, target)
    amount = posting.amount
    if payer is not None:
        _check_funds(tx, posting, terms, payer)
    if earner is not None and target.bucket == "debt" and earner.debt + amount > 0:
        raise LedgerError(f"owner {target.owner_id} owes less than {amount}")
    if earner is not None and posting.caps:
        amount = _cut(tx, posting, earner.key)
    if posting.budget:
        chain = (posting.programme_id, posting.wallet)
        today = posting.booked or posting.day
        if not tx.books.issue(tx, chain, posting.budget, amount, today):
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
    lots, owing = None, terms
    if terms.lots is not None:
        lots, part = accounts.take(terms.lots, to_debt)
        owing = replace(terms, lots=part)  # or an undoing would find more lots than points
    paid = _leg(tx, second, owed, to_debt, owing, asked=0)
    prefer = accounts.less_lots(terms.prefer, accounts.whole(read_lots(paid.lots), to_debt))
    rest = replace(terms, lots=lots, prefer=prefer)
    return _posted(_leg(tx, posting, target, amount - to_debt, rest), amount)


def _posted(row: Row, amount: int) -> Posted:
    return Posted(row.id, balance(row), amount, replayed=False)


def balance(row: Row) -> int:
    """Return what the bucket of the member held after a posting: the target's, if both are his."""
    return row.from_after if row.to_owner == PROGRAMME else row.to_after


def _check_funds(tx: Tx, posting: Posting, terms: Terms, payer: Account) -> None:
    bucket = posting.source.bucket
    if bucket in {"available", "debt"} and payer.next_expiry < posting.day:
        payer = expire(tx, payer, posting.day, posting.at)
    if bucket == "debt":
        if payer.available:
            raise LedgerError("who has points available makes no debt: take those first")
    elif getattr(payer, bucket) < posting.amount:
        raise InsufficientError(f"less than {posting.amount} in {bucket}")
    elif bucket == "available" and posting.rule == GIFT and terms.reverses is None:
        gifted.check(payer, posting.amount)


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
    if source.owner_id != PROGRAMME or terms.reverses is not None:  # no award: those have no gifts
        if source.bucket == "available":
            gifted.leave(books.own((posting.programme_id, source.owner_id, posting.wallet)), row)
        if target.bucket == "available":
            gifted.arrive(books.own((posting.programme_id, target.owner_id, posting.wallet)), row)
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
        today = posting.booked or posting.day
        account.owed_since = max(account.owed_since, today) if account.debt else today
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
