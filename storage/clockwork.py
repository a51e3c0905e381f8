"""What time does: points arrive and expire, levels are looked at, rebates paid, debts given up."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from content.rulebook import POINTS, Rulebook
from storage import chores, debts, gifts, holds, levels, programmes, rebates, tallies
from storage.chores import Chore
from storage.db import Sql, Tx, to_day, to_ms
from storage.ledger import account, expire, move
from storage.movement import Posting, Side, Terms
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

_ZONES = Sql("SELECT DISTINCT zone FROM programme")
_WITH_WORK = Sql(
    "SELECT p.id FROM programme p LEFT JOIN chore c ON c.programme_id = p.id AND c.name = :name"
    " WHERE p.zone = :zone AND (c.day IS NULL OR c.day < :today"
    " OR c.version <> COALESCE((SELECT MAX(r.version) FROM rulebook r"
    " WHERE r.programme_id = p.id AND r.effective_ms <= :now), 1)"
    " OR EXISTS (SELECT 1 FROM maturing m WHERE m.programme_id = p.id AND m.remaining > 0"
    " AND m.due_day <= :today)"
    " OR EXISTS (SELECT 1 FROM lot l WHERE l.programme_id = p.id AND l.remaining > 0"
    " AND l.expires_day < :today)"
    " OR EXISTS (SELECT 1 FROM hold h WHERE h.programme_id = p.id AND h.state = 'open'"
    " AND h.due_ms <= :now)) ORDER BY p.id"
)
_DAY_DONE = "day"


def mature_due(
    tx: Tx,
    programme_id: int,
    today: date,
    at: datetime,
    *,
    rules: Rulebook | None = None,
    most: int = 500,
) -> int:
    """Make pending points available whose day has come; return of how many postings.

    They count as earned on that day, for the levels of `rules`, too; they pay a debt first. Running
    it twice does no harm.
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
        if rules is not None and wallet == POINTS:
            levels.keep(tx, rules, account(tx, programme_id, owner_id), today)
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


def with_work(tx: Tx, *, now: datetime) -> list[int]:
    """Return the programmes in which something is due, each by its own day."""
    tx.books.write(tx)
    found: list[int] = []
    for (zone,) in tx.all(_ZONES):
        today = now.astimezone(ZoneInfo(zone)).date()
        rows = tx.all(_WITH_WORK, name=_DAY_DONE, zone=zone, today=today, now=to_ms(now))
        found += [id_ for (id_,) in rows]
    return found


def run_programme(tx: Tx, programme_id: int, *, now: datetime) -> int:
    """Do a part of what is due in a programme; return how much, 0 when all is done."""
    return run_points(tx, programme_id, now) + run_day(tx, programme_id, now)


def run_points(tx: Tx, programme_id: int, now: datetime) -> int:
    """Release, mature and expire what is due; return of how many."""
    here = programmes.programme(tx, programme_id, now)
    today = now.astimezone(here.zone).date()
    over = Undo(f"{today}/hold-over", "hold_over", "clock", now, today)
    return (
        gifts.expire_due(tx, programme_id, today, now)
        + holds.release_due(tx, programme_id, over)
        + mature_due(tx, programme_id, today, now, rules=here.rules)
        + expire_due(tx, programme_id, today, now)
    )


def run_day(tx: Tx, programme_id: int, now: datetime) -> int:
    """Do what a new day, or new rules, ask for; return how much was done, 0 when it is all done."""
    here = programmes.programme(tx, programme_id, now)
    today = now.astimezone(here.zone).date()
    chore = chores.get(tx, here.id, _DAY_DONE)
    if chore.day >= today and chore.version == here.rules_version:
        return 0
    done = (
        levels.review_due(tx, here, today)
        or rebates.pay_due(tx, here, today, now)
        or debts.write_off_due(tx, here, today, now)
    )
    if not done:
        tallies.sweep(tx, here.id)
        chores.put(tx, here.id, _DAY_DONE, Chore(today, today, here.rules_version, 0))
    return done
