"""A member's credit as the store keeps it: entries that are written once, their sum in his account.

The account is locked whenever an entry is written, before the findings are touched.
"""

from datetime import date, datetime, timedelta
from typing import NamedTuple

from content import credit
from content.credit import Standing
from content.rulebook import Rulebook
from storage.account import Account
from storage.books import POINTS
from storage.db import Sql, Tx, to_ms
from storage.ids import new_id
from storage.ledger import account
from storage.programmes import Programme

RECOVERED = "recovered"
_ADD = Sql(
    "INSERT INTO credit_entry (programme_id, id, member_id, finding_id, points, why, by, at_ms)"
    " VALUES (:programme, :id, :member, :finding, :points, :why, :by, :at)"
)
_POINTS = Sql(
    "SELECT points FROM credit_entry WHERE programme_id = :programme AND member_id = :member"
    " ORDER BY at_ms, id"
)
_OF_FINDING = Sql(
    "SELECT CAST(COALESCE(SUM(points), 0) AS BIGINT) FROM credit_entry"
    " WHERE programme_id = :programme AND member_id = :member AND finding_id = :finding"
)
_DROP = Sql(
    "DELETE FROM credit_entry WHERE programme_id = :programme AND member_id = :member"
    " AND finding_id = :finding"
)
_LACKING = Sql(
    "SELECT owner_id FROM account a WHERE a.programme_id = :programme AND a.wallet = 'points'"
    " AND a.credit_lost > 0 AND NOT EXISTS (SELECT 1 FROM credit_entry e"
    " WHERE e.programme_id = a.programme_id AND e.member_id = a.owner_id AND e.at_ms > :since)"
    " AND NOT EXISTS (SELECT 1 FROM finding f WHERE f.programme_id = a.programme_id"
    " AND f.member_id = a.owner_id AND f.state = 'open') ORDER BY owner_id LIMIT :most"
)
_OLD = Sql(
    "SELECT id, member_id FROM credit_entry WHERE programme_id = :programme AND finding_id = 0"
    " AND at_ms < :before ORDER BY id LIMIT :most"
)
_DROP_ONE = Sql("DELETE FROM credit_entry WHERE programme_id = :programme AND id = :id")


class Change(NamedTuple):
    """What takes credit (negative points) or gives it back: by which finding, why, by whom."""

    points: int
    why: str
    by: str
    at: datetime
    finding: int = 0


def standing(rules: Rulebook, has: Account) -> Standing:
    """Return where the owner of a points account stands."""
    return credit.standing(rules.credit, has.credit_lost)


def frozen(rules: Rulebook, has: Account, what: str) -> bool:
    """Whether somebody cannot do something now: `redeem`, `gift` or `referral`.

    While an owner has yet to look at something serious, points are not moved on, either.
    """
    return has.watched != 0 or what in standing(rules, has).freeze


def change(tx: Tx, rules: Rulebook, programme_id: int, member_id: int, change: Change) -> int:
    """Write an entry, and return the score that it leaves."""
    has = account(tx, programme_id, member_id)
    tx.run(
        _ADD,
        programme=programme_id,
        id=new_id(),
        member=member_id,
        finding=change.finding,
        points=change.points,
        why=change.why,
        by=change.by,
        at=to_ms(change.at),
    )
    recount(tx, rules, programme_id, member_id)
    return standing(rules, account(tx, programme_id, has.owner_id)).score


def recount(tx: Tx, rules: Rulebook, programme_id: int, member_id: int) -> None:
    """Let the account say what the entries sum up to."""
    has = account(tx, programme_id, member_id)
    rows = tx.all(_POINTS, programme=programme_id, member=member_id)
    lost = credit.total_lost((points for (points,) in rows), rules.credit.start)
    if lost != has.credit_lost:
        tx.books.own(has.key).credit_lost = lost


def taken_by(tx: Tx, programme_id: int, member_id: int, finding_id: int) -> int:
    """Return how much credit a finding has taken, and not given back."""
    row = tx.one(_OF_FINDING, programme=programme_id, member=member_id, finding=finding_id)
    return -int(row[0])


def drop(tx: Tx, rules: Rulebook, programme_id: int, member_id: int, finding_id: int) -> None:
    """Forget what a finding has taken; the score is counted anew."""
    account(tx, programme_id, member_id)
    tx.run(_DROP, programme=programme_id, member=member_id, finding=finding_id)
    recount(tx, rules, programme_id, member_id)


def recover_due(tx: Tx, here: Programme, now: datetime, *, most: int = 500) -> int:
    """Give something back to those about whom nothing was found for a time; return to how many."""
    rules = here.rules.credit
    tx.books.write(tx)
    since = to_ms(now - timedelta(days=rules.recover.clean_days))
    rows = tx.all(_LACKING, programme=here.id, since=since, most=most)
    tx.books.load(tx, here.id, POINTS, [owner for (owner,) in rows])
    for (owner,) in rows:
        points = credit.next_rise(rules, account(tx, here.id, owner).credit_lost)
        change(tx, here.rules, here.id, owner, Change(points, RECOVERED, "clock", now))
    return len(rows)


def forget_due(tx: Tx, here: Programme, now: datetime, *, most: int = 500) -> int:
    """Forget what time has given back so long ago that what took it is forgotten, too."""
    before = to_ms(now - timedelta(days=here.rules.credit.forget_days))
    rows = tx.all(_OLD, programme=here.id, before=before, most=most)
    tx.books.load(tx, here.id, POINTS, {member for _, member in rows})
    for id_, member in rows:
        tx.run(_DROP_ONE, programme=here.id, id=id_)
        recount(tx, here.rules, here.id, member)
    return len(rows)


def day_of(here: Programme, moment: datetime) -> date:
    """Return the programme's day of a moment."""
    return moment.astimezone(here.zone).date()
