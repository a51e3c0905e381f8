"""What time does to points: pending ones become available, and those with an end expire."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from storage import holds
from storage.db import Sql, Tx, to_day, to_ms
from storage.ledger import Posting, Side, Terms, account, expire, move
from storage.undoing import Undo

_MATURE = Sql(
    "SELECT id, owner_id, wallet, expires_day, kind FROM maturing WHERE programme_id = :programme"
    " AND due_day <= :today AND remaining > 0 ORDER BY due_day, id LIMIT :most"
)
_EXPIRED = Sql(
    "SELECT DISTINCT owner_id, wallet FROM lot WHERE programme_id = :programme"
    " AND expires_day < :today AND remaining > 0 ORDER BY owner_id, wallet LIMIT :most"
)
_LEFT = Sql("SELECT remaining FROM maturing WHERE programme_id = :programme AND id = :id")
_EMPTY = Sql(
    "UPDATE maturing SET remaining = 0, due_day = :today"
    " WHERE programme_id = :programme AND id = :id"
)

_WITH_WORK = Sql(
    "SELECT id, zone FROM programme p WHERE"
    " EXISTS (SELECT 1 FROM maturing m WHERE m.programme_id = p.id AND m.remaining > 0"
    " AND m.due_day <= :latest)"
    " OR EXISTS (SELECT 1 FROM lot l WHERE l.programme_id = p.id AND l.remaining > 0"
    " AND l.expires_day < :latest)"
    " OR EXISTS (SELECT 1 FROM hold h WHERE h.programme_id = p.id AND h.state = 'open'"
    " AND h.due_ms <= :now)"
)


def mature_due(tx: Tx, programme_id: int, today: date, at: datetime, *, most: int = 500) -> int:
    """Make pending points available whose day has come; return of how many postings.

    They count as earned on that day, pay a debt first, and are run twice without harm.
    """
    rows = tx.all(_MATURE, programme=programme_id, today=today, most=most)
    for id_, owner_id, wallet, expires, kind in rows:
        account(tx, programme_id, owner_id, wallet)  # locked before the row is read again
        (left,) = tx.one(_LEFT, programme=programme_id, id=id_)
        if not left:
            continue
        ripe = Posting(
            programme_id=programme_id,
            key=f"{today}/mature/{id_}",
            source=Side(owner_id, "pending"),
            target=Side(owner_id, "available"),
            amount=left,
            reason="mature",
            rule="mature",
            rule_version=0,
            actor="clock",
            at=at,
            day=today,
            wallet=wallet,
            kind=kind,
            expires=to_day(expires),
        )
        move(tx, ripe, Terms(earned=today))
        tx.run(_EMPTY, programme=programme_id, id=id_, today=today)
    return len(rows)


def expire_due(tx: Tx, programme_id: int, today: date, at: datetime, *, most: int = 500) -> int:
    """Take away points whose last day has passed; return from how many accounts.

    Who spends in the meantime cannot spend them either: the ledger looks before each debit.
    """
    tx.books.write(tx)
    rows = tx.all(_EXPIRED, programme=programme_id, today=today, most=most)
    for owner_id, wallet in rows:
        expire(tx, account(tx, programme_id, owner_id, wallet), today, at)
    return len(rows)


def run_due(tx: Tx, *, now: datetime) -> int:
    """Do what is due in every programme, each by its own day; return how much was done."""
    tx.books.write(tx)
    latest = (now + timedelta(days=1)).date()  # no zone is further ahead
    done = 0
    for programme_id, zone in tx.all(_WITH_WORK, latest=latest, now=to_ms(now)):
        today = now.astimezone(ZoneInfo(zone)).date()
        over = Undo(f"{today}/hold-over", "hold_over", "clock", now, today)
        done += holds.release_due(tx, programme_id, over)
        done += mature_due(tx, programme_id, today, now)
        done += expire_due(tx, programme_id, today, now)
    return done
