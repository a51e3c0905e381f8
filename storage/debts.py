"""Debts that are not worth keeping: small ones, and old ones, are written off."""

from datetime import date, datetime, timedelta

from storage import ledger
from storage.db import Sql, Tx
from storage.ledger import account
from storage.movement import PROGRAMME, Posting, Side
from storage.programmes import Programme

_RULE = "write_off"
DIGITS = 6
"""Of a day's number, in which days compare as text: until the year 2738."""
_DUE = Sql(
    "SELECT owner_id, wallet FROM account WHERE programme_id = :programme AND debt < 0"
    " AND owed_since < :today AND (owed_since <= :old OR (debt > :small"
    " AND (CAST(owner_id AS TEXT) || '/' || wallet) NOT IN"
    f" (SELECT substr(o.subject, {DIGITS + 2}) || '/' || o.wallet FROM paid_once o"
    f" WHERE o.programme_id = :programme AND o.rule = '{_RULE}'"
    f" AND substr(o.subject, 1, {DIGITS}) > :last)))"
    " ORDER BY owner_id, wallet LIMIT :most"
)
"""Who has been forgiven lately is read once, not for each who owes."""
_NOTE = Sql(
    "INSERT INTO paid_once (programme_id, rule, wallet, subject)"
    f" VALUES (:programme, '{_RULE}', :wallet, :subject) ON CONFLICT DO NOTHING"
)


def write_off_due(tx: Tx, here: Programme, today: date, now: datetime, *, most: int = 500) -> int:
    """Write off what the rules give up; return in how many accounts.

    A debt stands at least until its day is over, so that who owes can still see it. Small ones are
    given up once for each member and wallet in any `write_off_after_days`: else buying, spending
    and returning would make points out of nothing, every day.
    """
    rules = here.rules.programme.negative
    tx.books.write(tx)
    old = today - timedelta(days=rules.write_off_after_days)
    rows = tx.all(
        _DUE,
        programme=here.id,
        today=today,
        small=-rules.write_off_below,
        old=old,
        last=f"{old.toordinal()}",
        most=most,
    )
    for owner_id, wallet in rows:
        owed = account(tx, here.id, owner_id, wallet)
        small, aged = -owed.debt < rules.write_off_below, owed.owed_since <= old
        if not owed.debt or not (small or aged):  # it has changed since it was read
            continue
        tx.run(_NOTE, programme=here.id, wallet=wallet, subject=f"{today.toordinal()}/{owner_id}")
        gone = Posting(
            programme_id=here.id,
            key=f"{today}/write-off/{wallet}/{owner_id}",
            source=Side(PROGRAMME, "clawed_back"),
            target=Side(owner_id, "debt"),
            amount=-owed.debt,
            reason=_RULE,
            rule="negative",
            rule_version=here.rules_version,
            actor="clock",
            at=now,
            day=today,
            wallet=wallet,
        )
        ledger.post(tx, gone)
    return len(rows)
