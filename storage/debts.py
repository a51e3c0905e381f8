"""Debts that are not worth keeping: small ones, and old ones, are written off."""

from datetime import date, datetime, timedelta

from storage import ledger
from storage.db import Sql, Tx
from storage.ledger import PROGRAMME, Posting, Side, account
from storage.programmes import Programme

_DUE = Sql(
    "SELECT owner_id, wallet FROM account WHERE programme_id = :programme AND debt < 0"
    " AND owed_since < :today AND (debt > :small OR owed_since <= :old)"
    " ORDER BY owner_id, wallet LIMIT :most"
)


def write_off_due(tx: Tx, here: Programme, today: date, now: datetime, *, most: int = 500) -> int:
    """Write off what the rules give up; return in how many accounts.

    A debt stands at least until its day is over, so that who owes can still see it.
    """
    rules = here.rules.programme.negative
    tx.books.write(tx)
    rows = tx.all(
        _DUE,
        programme=here.id,
        today=today,
        small=-rules.write_off_below,
        old=today - timedelta(days=rules.write_off_after_days),
        most=most,
    )
    for owner_id, wallet in rows:
        owed = account(tx, here.id, owner_id, wallet)
        if not owed.debt:  # paid since it was read
            continue
        gone = Posting(
            programme_id=here.id,
            key=f"{today}/write-off/{wallet}/{owner_id}",
            source=Side(PROGRAMME, "clawed_back"),
            target=Side(owner_id, "debt"),
            amount=-owed.debt,
            reason="write_off",
            rule="negative",
            rule_version=here.rules_version,
            actor="clock",
            at=now,
            day=today,
            wallet=wallet,
        )
        ledger.post(tx, gone)
    return len(rows)
