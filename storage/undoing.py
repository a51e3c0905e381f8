"""Undoing what has been posted: by the original's own numbers, and never by more than it moved."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple

from storage import account as accounts
from storage import members
from storage.account import NEVER, Lots, read_given, read_lots
from storage.db import Sql, Tx, to_day
from storage.ledger import ROW, account, as_row, balance, expire, known_row, move
from storage.movement import (
    BIND,
    OWED,
    PAID_DEBT,
    PROGRAMME,
    GoneError,
    KeyConflictError,
    LedgerError,
    Posted,
    Posting,
    Side,
    Terms,
    check_amount,
    check_key,
)
from storage.pages import Row

_BY_ID = Sql(f"SELECT {ROW} FROM posting WHERE programme_id = :programme AND id = :id")
_REVERSED = Sql(
    "SELECT CAST(COALESCE(SUM(asked), 0) AS BIGINT) FROM posting"
    " WHERE programme_id = :programme AND reverses = :id"
)
_PENDING = Sql(
    "SELECT remaining, due_day FROM maturing WHERE programme_id = :programme AND id = :id"
)
_RIPENED_FOR = Sql("SELECT owner_id FROM maturing WHERE programme_id = :programme AND id = :id")
_LESS_PENDING = Sql(
    "UPDATE maturing SET remaining = remaining - :amount WHERE programme_id = :programme"
    " AND id = :id AND remaining >= :amount"
)


class Undo(NamedTuple):
    """What an undoing says of itself; the rest it takes from what it undoes."""

    key: str
    reason: str
    actor: str
    at: datetime
    day: date
    booked: date | None = None
    """The day on which it is told of, where that is later."""


@dataclass(slots=True)
class _Case:
    """A movement that is being undone: its posting, from where on, and how much.

    `lots` are those that it took from the payer, `own` those in which it arrived.
    """

    row: Row
    lots: Lots
    own: Lots
    done: int
    amount: int
    undo: Undo

    def posting(self, source: Side, target: Side, amount: int) -> Posting:
        row, undo = self.row, self.undo
        return Posting(
            programme_id=row.programme_id,
            key=undo.key,
            source=source,
            target=target,
            amount=amount,
            reason=undo.reason,
            rule=row.rule,
            rule_version=row.rule_version,
            actor=undo.actor,
            at=undo.at,
            day=undo.day,
            wallet=row.wallet,
            kind=row.kind,
            booked=undo.booked,
        )


def reverse(
    tx: Tx,
    programme_id: int,
    posting_id: int,
    undo: Undo,
    *,
    amount: int | None = None,
    budgeted: bool = True,
) -> Posted:
    """Reverse a movement, or a part of it. `posting_id` is the one that `post` returned.

    What was given is taken back: from pending points if it still pends, then from available ones
    (its own lot first), and what is not there any more becomes debt. What was taken goes back to
    the lots that it came from. What was issued under the budget (`budgeted`) is given back to it.
    Who has been bound to another since is that one.
    Errors: LedgerError (no such posting, or one that is no award, payment or gift), GoneError
    (there is less left to reverse), KeyConflictError.
    """
    check_key(undo.key)
    if amount is not None:
        check_amount(amount)
    tx.books.write(tx)
    row = _reversible(tx, programme_id, posting_id)
    owners = {row.from_owner, row.to_owner} - {PROGRAMME}
    tx.books.load(tx, programme_id, row.wallet, owners)  # locked: now nobody else reverses it
    rows = [row]
    if row.amount != row.asked:
        second = known_row(tx, programme_id, row.key + PAID_DEBT)
        rows += [second] if second else []
    known = known_row(tx, programme_id, undo.key)
    if known is not None:
        return _again(tx, row, known, undo, amount)
    (done,) = tx.one(_REVERSED, programme=programme_id, id=row.id)
    left = sum(each.amount for each in rows) - done
    amount = left if amount is None else amount
    if not 0 < amount <= left:
        raise GoneError(f"{left} of posting {posting_id} can still be reversed")
    lots: Lots = ()
    for each in rows:
        lots = _add(lots, accounts.whole(read_lots(each.lots), each.amount))
    arrived = row.to_bucket == "available"
    own = accounts.whole(read_given(row.lots), row.amount) if arrived else ()
    case = _Case(row, lots, own, done, amount, undo)
    if row.from_owner == PROGRAMME:
        if budgeted and row.from_bucket == "issued":
            tx.books.unissue(tx, (row.programme_id, row.wallet), amount, row.day)
        return _take_back(tx, case)
    if row.to_owner == PROGRAMME:
        given = accounts.piece(lots, done, amount)
        source, target = Side(PROGRAMME, row.to_bucket), Side(row.from_owner, "available")
        terms = Terms(reverses=row.id, lots=given)
        return move(tx, case.posting(source, target, amount), terms)
    return _claw(tx, case, Side(row.from_owner, "available"), earned=None)


def _reversible(tx: Tx, programme_id: int, posting_id: int) -> Row:
    """Return a movement as that of the members whose it is now. Errors: LedgerError."""
    raw = tx.one(_BY_ID, programme=programme_id, id=posting_id)
    row = as_row(tx, raw) if raw is not None else None
    if row is None or row.rule == BIND or not row.asked or row.reverses is not None:
        raise LedgerError(f"posting {posting_id} is no movement that can be reversed")
    row = _as_owned(tx, row)
    if row.from_owner == row.to_owner:
        raise LedgerError(f"posting {posting_id} is no movement that can be reversed")
    return row


def _as_owned(tx: Tx, row: Row) -> Row:
    to_owner = row.to_owner
    if row.to_bucket == "pending":
        (to_owner,) = tx.one(_RIPENED_FOR, programme=row.programme_id, id=row.id)
    now = members.heirs(tx, row.programme_id, {row.from_owner, to_owner} - {PROGRAMME})
    return row._replace(
        from_owner=now.get(row.from_owner, row.from_owner), to_owner=now.get(to_owner, to_owner)
    )


def _add(lots: Lots, others: Lots) -> Lots:
    sums = dict(lots)
    for day, points in others:
        sums[day] = sums.get(day, 0) + points
    return tuple(sorted(sums.items()))


def _again(tx: Tx, row: Row, known: Row, undo: Undo, amount: int | None) -> Posted:
    rest = known_row(tx, row.programme_id, undo.key + OWED)
    before = known.asked + (rest.asked if rest else 0)
    if known.reverses != row.id or amount not in {None, before}:
        raise KeyConflictError(f"key {undo.key} has been used for another posting")
    return Posted(known.id, balance(known), before, replayed=True)


def _take_back(tx: Tx, case: _Case) -> Posted:
    """Take back what the programme gave."""
    row = case.row
    issued = row.from_bucket == "issued"
    goal = Side(PROGRAMME, "clawed_back" if issued else row.from_bucket)
    if row.to_bucket != "pending":
        return _claw(tx, case, goal, earned=row.day if issued else None)
    pends, due = tx.one(_PENDING, programme=row.programme_id, id=row.id)
    if pends < case.amount:  # it has ripened, and was counted as earned on that day
        ripe = to_day(due) or row.day
        end = row.expires_day or NEVER
        case.own = ((end if end >= ripe else ripe + timedelta(days=1), row.amount),)
        return _claw(tx, case, goal, earned=ripe)
    tx.run(_LESS_PENDING, programme=row.programme_id, id=row.id, amount=case.amount)
    back = case.posting(Side(row.to_owner, "pending"), goal, case.amount)
    return move(tx, back, Terms(reverses=row.id))


def _claw(tx: Tx, case: _Case, goal: Side, *, earned: date | None) -> Posted:
    """Take from what is available, from its own lots first, and make a debt of the rest."""
    row, undo = case.row, case.undo
    taker = account(tx, row.programme_id, row.to_owner, row.wallet)
    if taker.next_expiry < undo.day:
        taker = expire(tx, taker, undo.day, undo.at)
    there = min(case.amount, taker.available)
    posted: list[Posted] = []
    for bucket, part in (("available", there), ("debt", case.amount - there)):
        if not part:
            continue
        start = case.done + (there if posted else 0)
        terms = Terms(
            reverses=row.id,
            lots=accounts.piece(case.lots, start, part),
            prefer=accounts.piece(case.own, start, part),
            earned=earned,
            sign=-1,
        )
        posting = case.posting(Side(row.to_owner, bucket), goal, part)
        if posted:
            posting = posting._replace(key=undo.key + OWED)
        posted.append(move(tx, posting, terms))
    return Posted(posted[0].id, posted[0].balance, case.amount, replayed=False)
