"""Points set aside for something: reserved, then captured or released, exactly once."""

from contextlib import suppress
from datetime import datetime
from typing import NamedTuple

from storage.account import read_lots, whole
from storage.db import Sql, Tx, to_ms
from storage.ledger import balance, known_row, move, once
from storage.movement import (
    PROGRAMME,
    GoneError,
    KeyConflictError,
    LedgerError,
    Posted,
    Posting,
    Side,
    Terms,
    check,
    check_key,
)
from storage.pages import Row
from storage.undoing import Undo

RULE = "hold"
_GOALS = ("redeemed", "available")

_MAKE = Sql(
    "INSERT INTO hold (programme_id, id, owner_id, wallet, key, amount, lots, made_ms, due_ms)"
    " VALUES (:programme, :id, :owner, :wallet, :key, :amount, :lots, :made, :due)"
)
_END = Sql(
    "UPDATE hold SET state = :state, ended_key = :key WHERE programme_id = :programme AND id = :id"
    " AND state = 'open' RETURNING owner_id, wallet, key, amount, lots"
)
_ENDED = Sql("SELECT state, ended_key FROM hold WHERE programme_id = :programme AND id = :id")
_GET = Sql(
    "SELECT id, owner_id, wallet, amount, state, due_ms FROM hold"
    " WHERE programme_id = :programme AND id = :id"
)
_DUE = Sql(
    "SELECT h.id FROM hold h WHERE h.programme_id = :programme AND h.state = 'open'"
    " AND h.due_ms <= :now AND NOT EXISTS (SELECT 1 FROM gift g"
    " WHERE g.programme_id = h.programme_id AND g.id = h.id) ORDER BY h.due_ms LIMIT :most"
)


class Hold(NamedTuple):
    """Points of an account that are set aside until `due_ms`."""

    id: int
    owner_id: int
    wallet: str
    amount: int
    state: str
    due_ms: int


def hold(tx: Tx, payment: Posting, *, due: datetime) -> Hold:
    """Set points aside. `payment` is what capturing will do: pay the programme, or give.

    The same key again returns the first hold, whatever has become of it.
    Errors: InsufficientError (who owes has nothing available), KeyConflictError, LedgerError.
    """
    check(payment)
    owner = payment.source.owner_id
    if payment.source.bucket != "available" or payment.target.bucket not in _GOALS:
        raise LedgerError("what is set aside is a payment or a gift")
    aside = payment._replace(target=Side(owner, "held"))
    posted = once(tx, aside, Terms())
    if posted.replayed:
        known = get(tx, payment.programme_id, posted.id)
        if known is None:
            raise KeyConflictError(f"key {payment.key} has been used for something else")
        return known
    row = tx.books.made[payment.programme_id, payment.key]
    tx.run(
        _MAKE,
        programme=payment.programme_id,
        id=posted.id,
        owner=owner,
        wallet=payment.wallet,
        key=payment.key,
        amount=payment.amount,
        lots=row.lots,
        made=to_ms(payment.at),
        due=to_ms(due),
    )
    return Hold(posted.id, owner, payment.wallet, payment.amount, "open", to_ms(due))


def get(tx: Tx, programme_id: int, hold_id: int) -> Hold | None:
    """Return a hold, None when there is none."""
    row = tx.one(_GET, programme=programme_id, id=hold_id)
    return Hold._make(row) if row else None


def capture(
    tx: Tx, programme_id: int, hold_id: int, undo: Undo, *, to: int = PROGRAMME, rule: str = RULE
) -> Posted:
    """Take what is set aside for good, or give it `to` a member, with the last days of its lots.

    Errors: GoneError when the hold is no longer open.
    """
    target = Side(PROGRAMME, "redeemed") if to == PROGRAMME else Side(to, "available")
    return _end(tx, programme_id, hold_id, undo, _Ending("captured", target, rule))


def release(tx: Tx, programme_id: int, hold_id: int, undo: Undo, *, rule: str = RULE) -> Posted:
    """Give back what is set aside, to the lots that it came from; a debt is paid first.

    A lot whose last day has passed meanwhile can be spent for one more day.
    Errors: GoneError when the hold is no longer open.
    """
    return _end(tx, programme_id, hold_id, undo, _Ending("released", None, rule))


def release_due(tx: Tx, programme_id: int, undo: Undo, *, most: int = 500) -> int:
    """Release holds whose time is over; return how many. The hold's number ends each key.

    Those of gifts are left to `storage.gifts`.
    """
    due = tx.all(_DUE, programme=programme_id, now=to_ms(undo.at), most=most)
    for (id_,) in due:
        with suppress(GoneError):  # another process was quicker, and nothing was done here
            release(tx, programme_id, id_, undo._replace(key=f"{undo.key}/{id_}"))
    return len(due)


class _Ending(NamedTuple):
    """What becomes of a hold: its state, whither its points go (None: back), by which rule."""

    state: str
    target: Side | None
    rule: str


def _end(tx: Tx, programme_id: int, hold_id: int, undo: Undo, ending: _Ending) -> Posted:
    state = ending.state
    check_key(undo.key)
    before = known_row(tx, programme_id, undo.key)
    if before is not None:
        return _again(tx, programme_id, hold_id, before, state)
    ended = tx.one(_END, programme=programme_id, id=hold_id, state=state, key=undo.key)
    if ended is None:
        before = known_row(tx, programme_id, undo.key)  # by somebody for whom we have just waited
        if before is not None:
            return _again(tx, programme_id, hold_id, before, state)
        known = get(tx, programme_id, hold_id)
        raise GoneError(f"hold {hold_id} is {known.state if known else 'unknown'}")
    owner, wallet, _, amount, lots = ended
    target = ending.target or Side(owner, "available")
    tx.books.load(tx, programme_id, wallet, {owner, target.owner_id} - {PROGRAMME})
    posting = Posting(
        programme_id=programme_id,
        key=undo.key,
        source=Side(owner, "held"),
        target=target,
        amount=amount,
        reason=undo.reason,
        rule=ending.rule,
        rule_version=0,
        actor=undo.actor,
        at=undo.at,
        day=undo.day,
        wallet=wallet,
    )
    return move(tx, posting, Terms(lots=whole(read_lots(lots), amount)))


def _again(tx: Tx, programme_id: int, hold_id: int, known: Row, state: str) -> Posted:
    """Return what ended the hold under the same key before."""
    ended = tx.one(_ENDED, programme=programme_id, id=hold_id)
    if ended is None or tuple(ended) != (state, known.key):
        raise KeyConflictError(f"key {known.key} has been used for something else")
    return Posted(known.id, balance(known), known.asked, replayed=True)
