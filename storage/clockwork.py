"""What time does: points arrive and expire, levels are looked at, rebates paid, debts given up."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from content.rulebook import POINTS, Rulebook
from storage import chores, debts, holds, levels, programmes, rebates
from storage.chores import Chore
from storage.db import Sql, Tx, to_day, to_ms
from storage.ledger import Posting, Side, Terms, account, expire, move
from storage.programmes import Programme
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
_DAILY = Sql(
    "SELECT p.id FROM programme p LEFT JOIN chore c ON c.programme_id = p.id"
    " AND c.name = :name WHERE c.day IS NULL OR c.day < :latest OR c.version <> COALESCE((SELECT"
    " MAX(r.version) FROM rulebook r WHERE r.programme_id = p.id AND r.effective_ms <= :now), 1)"
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


def run_due(tx: Tx, *, now: datetime) -> int:
    """Do what is due in every programme, each by its own day; return how much was done."""
    tx.books.write(tx)
    latest = (now + timedelta(days=1)).date()  # no zone is further ahead
    done = 0
    for programme_id, zone in tx.all(_WITH_WORK, latest=latest, now=to_ms(now)):
        today = now.astimezone(ZoneInfo(zone)).date()
        over = Undo(f"{today}/hold-over", "hold_over", "clock", now, today)
        done += holds.release_due(tx, programme_id, over)
        rules = programmes.programme(tx, programme_id, now).rules
        done += mature_due(tx, programme_id, today, now, rules=rules)
        done += expire_due(tx, programme_id, today, now)
    return done


def run_daily(tx: Tx, *, now: datetime) -> int:
    """Do a part of what a new day, or new rules, ask for in every programme; 0 when all is done."""
    latest = (now + timedelta(days=1)).date()
    todo = tx.all(_DAILY, name=_DAY_DONE, latest=latest, now=to_ms(now))
    return sum(_of_the_day(tx, programmes.programme(tx, id_, now), now) for (id_,) in todo)


def _of_the_day(tx: Tx, here: Programme, now: datetime) -> int:
    today = now.astimezone(here.zone).date()
    chore = chores.get(tx, here.id, _DAY_DONE)
    if chore.day >= today and chore.version == here.rules_version:
        return 0
    done = (
        levels.review_due(tx, here, today)
        + rebates.pay_due(tx, here, today, now)
        + debts.write_off_due(tx, here, today, now)
    )
    if not done:
        chores.put(tx, here.id, _DAY_DONE, Chore(today, today, here.rules_version, 0))
    return done
