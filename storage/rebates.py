"""The rebate on what was spent in a month: paid once the refund window has closed."""

from contextlib import suppress
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from content.earning import rebate
from content.rulebook import Rulebook
from storage import ledger, rulebooks, undoing
from storage.books import POINTS
from storage.db import Sql, Tx, to_day
from storage.movement import ISSUED, GoneError, Posting, Side
from storage.programmes import Programme
from storage.undoing import Undo

NOTHING = -1
"""Stands for the posting where a month has come to no coin."""
_SPEND = Sql(
    "INSERT INTO spent (programme_id, month, owner_id, fen) VALUES (:programme, :month, :owner,"
    " :fen) ON CONFLICT (programme_id, month, owner_id) DO UPDATE SET fen = spent.fen + :fen"
    " RETURNING fen, coins, posting, rule_version"
)
_KNOWN = Sql(
    "SELECT 1 FROM spent WHERE programme_id = :programme AND month = :month AND owner_id = :owner"
)
_UNDECIDED = Sql(
    "SELECT month FROM spent WHERE programme_id = :programme AND month < :before AND posting = 0"
    " ORDER BY month LIMIT 1"
)
_OPEN = Sql(
    "SELECT owner_id, fen FROM spent WHERE programme_id = :programme AND month = :month"
    " AND posting = 0 ORDER BY owner_id LIMIT :most"
)
_DECIDE = Sql(
    "UPDATE spent SET coins = :coins, posting = :posting, rule_version = :version"
    " WHERE programme_id = :programme AND month = :month AND owner_id = :owner"
)
_LESS = Sql(
    "UPDATE spent SET coins = :coins WHERE programme_id = :programme AND month = :month"
    " AND owner_id = :owner"
)


class _Spent(NamedTuple):
    fen: int
    coins: int
    posting: int
    rule_version: int


def due_on(rules: Rulebook, month: date) -> date:
    """Return the day on which a month's rebate is paid: when its orders cannot be refunded."""
    return _after(month) + timedelta(days=rules.programme.pending_days)


def _after(month: date) -> date:
    return (month.replace(day=28) + timedelta(days=4)).replace(day=1)


def spend(  # noqa: PLR0917 - whose, of which day, told today, how much
    tx: Tx, here: Programme, owner_id: int, day: date, today: date, fen: int
) -> date:
    """Count what a member paid for goods; return the month that it counts in (its first day).

    What is told when its month's rebate is due already counts in the month of today.
    """
    month, now = day.replace(day=1), today.replace(day=1)
    if today >= due_on(here.rules, month):
        month = now
    values = {"programme": here.id, "owner": owner_id}
    spent = _Spent._make(tx.one(_SPEND, **values, month=month, fen=fen))
    if spent.posting and month != now:  # decided under rules that had it earlier
        tx.one(_SPEND, **values, month=month, fen=-fen)
        month = now
        tx.one(_SPEND, **values, month=month, fen=fen)
    return month


def unspend(  # noqa: PLR0917 - whose, of which month, how much
    tx: Tx, programme_id: int, owner_id: int, month: date, fen: int, undo: Undo, *, heir: int
) -> None:
    """Count a refund in the month of its order; what has been rebated too much is taken back.

    Where a member has been bound to another, his open months are that one's, the `heir`'s.
    """
    if heir != owner_id and tx.one(_KNOWN, programme=programme_id, month=month, owner=owner_id):
        heir = owner_id
    owner_id = heir
    values = {"programme": programme_id, "month": month, "owner": owner_id}
    spent = _Spent._make(tx.one(_SPEND, **values, fen=-fen))
    if spent.posting in {0, NOTHING}:
        return
    rules = rulebooks.version(tx, programme_id, spent.rule_version).rules
    coins = min(spent.coins, rebate(rules, spent.fen))
    if coins < spent.coins:
        _take_back(tx, programme_id, spent.posting, spent.coins - coins, undo)
        tx.run(_LESS, **values, coins=coins)


def _take_back(tx: Tx, programme_id: int, posting: int, coins: int, undo: Undo) -> None:
    try:
        undoing.reverse(tx, programme_id, posting, undo, amount=coins)
    except GoneError:  # a part has been taken back by hand: no more than the rest is left
        with suppress(GoneError):
            undoing.reverse(tx, programme_id, posting, undo)


def pay_due(tx: Tx, here: Programme, today: date, now: datetime, *, most: int = 500) -> int:
    """Pay the rebate of the earliest month that is due; return to how many members it is decided.

    Each month is paid by the rules in force at its end.
    """
    row = tx.one(_UNDECIDED, programme=here.id, before=today.replace(day=1))
    month = to_day(row[0]) if row else None
    if month is None or today < due_on(here.rules, month):
        return 0
    ended = datetime.combine(_after(month), time(), here.zone)
    version = rulebooks.in_force(tx, here.id, ended)
    page = {"programme": here.id, "month": month, "most": most}
    owners = [owner for owner, _ in tx.all(_OPEN, **page)]
    # Whoever tells of an order locks its member's points first: now no order of theirs moves.
    tx.books.load(tx, here.id, POINTS, owners)
    locked = {*owners}
    rows = [row for row in tx.all(_OPEN, **page) if row[0] in locked]
    tx.books.load(tx, here.id, version.rules.rebate.wallet, [owner for owner, _ in rows])
    for owner, fen in rows:
        coins = rebate(version.rules, fen)
        posting = NOTHING
        if coins > 0:
            paid = _rebate(here, version.rules, owner, coins, month, today, now)
            posting = ledger.post(tx, paid._replace(rule_version=version.version)).id
        tx.run(
            _DECIDE,
            programme=here.id,
            month=month,
            owner=owner,
            coins=coins,
            posting=posting,
            version=version.version,
        )
    return len(owners)


def _rebate(  # noqa: PLR0917 - to whom, how much, for which month, on which day
    here: Programme,
    rules: Rulebook,
    owner: int,
    coins: int,
    month: date,
    today: date,
    now: datetime,
) -> Posting:
    expiry = rules.programme.expiry
    ends = today + timedelta(days=expiry.base_days) if expiry.base == "rolling" else None
    return Posting(
        programme_id=here.id,
        key=f"{_after(month)}/rebate/{month:%Y-%m}/{owner}",
        source=ISSUED,
        target=Side(owner, "available"),
        amount=coins,
        reason="rebate",
        rule="rebate",
        rule_version=0,
        actor="clock",
        at=now,
        day=today,
        wallet=rules.rebate.wallet,
        kind="rebate",
        expires=ends,
    )
