"""Levels as the store keeps them: raised at once, looked at once a day."""

from datetime import date, timedelta

from content import levels
from content.levels import Standing
from content.rulebook import LevelRule, Rulebook
from storage import chores
from storage.account import NEVER, Account
from storage.books import POINTS
from storage.chores import Chore
from storage.db import Sql, Tx
from storage.ledger import account
from storage.programmes import Programme

_CHORE = "levels"
_LEAVING = Sql(
    "SELECT e.owner_id, SUM(e.points) FROM earning e JOIN account a"
    " ON a.programme_id = e.programme_id AND a.owner_id = e.owner_id AND a.wallet = e.wallet"
    " WHERE e.programme_id = :programme AND e.wallet = 'points' AND e.day > :since"
    " AND e.day <= :start AND e.owner_id > :cursor AND e.day > a.qualifying_after"
    " GROUP BY e.owner_id ORDER BY e.owner_id LIMIT :most"
)
_BELOW = Sql(
    "SELECT owner_id FROM account WHERE programme_id = :programme AND wallet = 'points'"
    " AND below_since < '9999-12-31' AND below_since <= :since ORDER BY owner_id LIMIT :most"
)
_EVERYBODY = Sql(
    "SELECT owner_id FROM account WHERE programme_id = :programme AND wallet = 'points'"
    " AND owner_id > :cursor ORDER BY owner_id LIMIT :most"
)
_COUNT_AFRESH = (
    "UPDATE account SET qualifying_after = :start, qualifying = COALESCE(s.points, 0)"
    " FROM {owners} AS o(id) LEFT JOIN (SELECT owner_id, CAST(SUM(points) AS BIGINT) AS points"
    " FROM earning WHERE programme_id = :programme AND wallet = 'points' AND day > :start"
    " AND owner_id IN (SELECT id FROM {owners} AS p(id)) GROUP BY owner_id) s ON s.owner_id = o.id"
    " WHERE account.programme_id = :programme AND account.wallet = 'points'"
    " AND account.owner_id = o.id"
)
_AFRESH = Sql(
    _COUNT_AFRESH.replace(
        "{owners} AS o(id)", "(SELECT value AS id FROM json_each(:owners)) AS o"
    ).replace("SELECT id FROM {owners} AS p(id)", "SELECT value FROM json_each(:owners)"),
    postgres=_COUNT_AFRESH.format(owners="unnest(:owners::bigint[])"),
)


def standing(has: Account) -> Standing | None:
    """Return what level an account holds; None for one that has never been looked at."""
    if not has.level:
        return None
    return Standing(has.level, None if has.below_since == NEVER else has.below_since)


def held(rules: Rulebook, has: Account) -> LevelRule | None:
    """Return the level that a member is paid by; None where there are no levels."""
    known = next((level for level in rules.level if level.id == has.level), None)
    return known or levels.level_of(rules, has.qualifying)


def keep(tx: Tx, rules: Rulebook, has: Account, today: date) -> LevelRule | None:
    """Look at a member's level after his points have changed; return the one that he rises to.

    The first look at an account is no rise, unless it finds more than the lowest level.
    """
    now = levels.review(rules, standing(has), has.qualifying, today)
    if now is None:
        return None
    below = now.below_since or NEVER
    if (has.level, has.below_since) != (now.level, below):
        tx.books.put(has._replace(level=now.level, below_since=below))
    ids = [level.id for level in rules.level]
    before = ids.index(has.level) if has.level in ids else 0
    after = ids.index(now.level)
    return rules.level[after] if after > before else None


def review_due(tx: Tx, here: Programme, today: date, *, most: int = 500) -> int:
    """Let a day's points leave the window, and take levels whose grace is over; return of how many.

    Done once for each day and for each version of the rules, a page at a time, until it returns 0.
    """
    if not here.rules.level:
        return 0
    tx.books.write(tx)
    chore = chores.get(tx, here.id, _CHORE)
    start = today - timedelta(days=here.rules.levels.window_days)
    if chore.day < today:
        owners = _let_leave(tx, here, chore, start, most)
        done = chore._replace(day=today, since=max(chore.since, start), cursor=0)
    elif chore.version != here.rules_version:
        owners = _look_afresh(tx, here, chore, start, most)
        done = chore._replace(version=here.rules_version, since=start, cursor=0)
    else:
        since = today - timedelta(days=here.rules.levels.grace_days)
        rows = tx.all(_BELOW, programme=here.id, since=since, most=most)
        return _look(tx, here, [owner for (owner,) in rows], today)
    _look(tx, here, owners, today)
    if len(owners) == most:
        done = chore._replace(cursor=owners[-1])
    chores.put(tx, here.id, _CHORE, done)
    return max(len(owners), 1)  # what comes next may have something to do


def _let_leave(tx: Tx, here: Programme, chore: Chore, start: date, most: int) -> list[int]:
    """Take what was earned up to `start` from a page of members; return who they are."""
    rows = tx.all(
        _LEAVING,
        programme=here.id,
        since=chore.since,
        start=start,
        cursor=chore.cursor,
        most=most,
    )
    tx.books.load(tx, here.id, POINTS, [owner for owner, _ in rows])
    for owner, points in rows:
        has = account(tx, here.id, owner)
        if has.qualifying_after < start:
            left = has.qualifying - int(points)
            tx.books.put(has._replace(qualifying=left, qualifying_after=start))
    return [owner for owner, _ in rows]


def _look_afresh(tx: Tx, here: Programme, chore: Chore, start: date, most: int) -> list[int]:
    """Return a page of all members; a longer window than before brings back what had left."""
    rows = tx.all(_EVERYBODY, programme=here.id, cursor=chore.cursor, most=most)
    owners = [owner for (owner,) in rows]
    if owners and start < chore.since:
        tx.books.load(tx, here.id, POINTS, owners)  # locked in their order
        some = str(owners) if tx.is_sqlite else owners
        tx.run(_AFRESH, programme=here.id, start=start, owners=some)
        tx.books.forget(here.id, POINTS, owners)
    return owners


def _look(tx: Tx, here: Programme, owners: list[int], today: date) -> int:
    tx.books.load(tx, here.id, POINTS, owners)
    for owner in owners:
        keep(tx, here.rules, account(tx, here.id, owner), today)
    return len(owners)
