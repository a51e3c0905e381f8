"""Levels as the store keeps them: raised at once, looked at once a day."""

from datetime import date, timedelta

from content import levels
from content.levels import Standing
from content.rulebook import LevelRule, Rulebook
from storage import chores
from storage.account import NEVER, Account
from storage.books import POINTS
from storage.chores import Chore
from storage.db import Sql, Tx, to_day
from storage.ledger import account
from storage.programmes import Programme

_CHORE, _CHORE_ALL = "levels", "levels.all"
_DONE = -1
_LEAVING_DAY = Sql(
    "SELECT MIN(day) FROM earning WHERE programme_id = :programme AND wallet = 'points'"
    " AND day > :since AND day <= :start"
)
_ON_DAY = Sql(
    "SELECT DISTINCT owner_id FROM earning WHERE programme_id = :programme AND wallet = 'points'"
    " AND day = :day AND owner_id > :cursor ORDER BY owner_id LIMIT :most"
)
_EARNED_ON = Sql(
    "SELECT owner_id, CAST(SUM(points) AS BIGINT) FROM earning WHERE programme_id = :programme"
    " AND wallet = 'points' AND day = :day AND owner_id >= :first AND owner_id <= :last"
    " GROUP BY owner_id"
)
_BELOW = Sql(
    "SELECT owner_id FROM account WHERE programme_id = :programme AND wallet = 'points'"
    " AND below_since < '9999-12-31' AND below_since <= :since ORDER BY owner_id LIMIT :most"
)
_EVERYBODY = Sql(
    "SELECT owner_id FROM account WHERE programme_id = :programme AND wallet = 'points'"
    " AND shown >= 0 AND owner_id > :cursor ORDER BY owner_id LIMIT :most"
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
    ids = [level.id for level in rules.level]
    before = ids.index(has.level) if has.level in ids else 0
    if (has.level, has.below_since) != (now.level, below):
        mine = tx.books.own(has.key)
        mine.level, mine.below_since = now.level, below
    after = ids.index(now.level)
    return rules.level[after] if after > before else None


def fall(tx: Tx, rules: Rulebook, has: Account, before: int) -> None:
    """Take a level at once that points have given which are taken back; `before` qualified then.

    Time to catch up is for points that have aged, not for those of an order that was returned.
    """
    level = next((level for level in rules.level if level.id == has.level), None)
    reached = levels.level_of(rules, has.qualifying)
    if level and reached and has.qualifying < level.min <= before:
        mine = tx.books.own(has.key)
        mine.level, mine.below_since = reached.id, NEVER


def review_due(tx: Tx, here: Programme, today: date, *, most: int = 500) -> int:
    """Let days leave the window, and take levels whose grace is over; return of how many.

    Done once for each day and for each version of the rules, a page at a time, until it returns 0.
    """
    if not here.rules.level:
        return 0
    tx.books.write(tx)
    start = today - timedelta(days=here.rules.levels.window_days)
    chore = chores.get(tx, here.id, _CHORE)
    if chore.day < today or chore.since < start:
        owners = _let_leave(tx, here, chore, today, start, most)
        _look(tx, here, owners, today)
        return max(len(owners), 1)  # what comes next may have something to do
    everybody = chores.get(tx, here.id, _CHORE_ALL)
    if everybody.version != here.rules_version:
        everybody = Chore(today, start, here.rules_version, 0)
    if everybody.cursor != _DONE:
        owners = _look_afresh(tx, here, everybody, chore, most)
        _look(tx, here, owners, today)
        return max(len(owners), 1)
    since = today - timedelta(days=here.rules.levels.grace_days)
    rows = tx.all(_BELOW, programme=here.id, since=since, most=most)
    return _look(tx, here, [owner for (owner,) in rows], today)


def _let_leave(  # noqa: PLR0917 - one page of review_due
    tx: Tx, here: Programme, chore: Chore, today: date, start: date, most: int
) -> list[int]:
    """Take what was earned on the earliest day that leaves from a page of members.

    `since` is the last day that has left; while a day leaves, `version` is its number. It goes on
    with that day after a stop, however many days later that is.
    """
    (raw,) = tx.one(_LEAVING_DAY, programme=here.id, since=chore.since, start=start)
    day = to_day(raw)
    if day is None:
        since = max(chore.since, start)
        chores.put(tx, here.id, _CHORE, Chore(today, since, 0, 0))
        return []
    cursor = chore.cursor if chore.version == day.toordinal() else 0
    rows = tx.all(_ON_DAY, programme=here.id, day=day, cursor=cursor, most=most)
    owners = [owner for (owner,) in rows]
    if owners:
        tx.books.load(tx, here.id, POINTS, owners)  # locked: now nobody changes what they earned
        ends = {"first": owners[0], "last": owners[-1]}
        for owner, points in tx.all(_EARNED_ON, programme=here.id, day=day, **ends):
            has = account(tx, here.id, owner)
            if has.qualifying_after < day:
                mine = tx.books.own(has.key)
                mine.qualifying, mine.qualifying_after = has.qualifying - points, day
    if len(owners) == most:
        done = chore._replace(version=day.toordinal(), cursor=owners[-1])
    else:
        done = chore._replace(since=day, version=0, cursor=0)
    chores.put(tx, here.id, _CHORE, done)
    return owners


def _look_afresh(tx: Tx, here: Programme, everybody: Chore, chore: Chore, most: int) -> list[int]:
    """Return a page of all members; a longer window than before brings back what had left."""
    rows = tx.all(_EVERYBODY, programme=here.id, cursor=everybody.cursor, most=most)
    owners = [owner for (owner,) in rows]
    longer = everybody.since < chore.since
    if owners and longer:
        tx.books.load(tx, here.id, POINTS, owners)  # locked in their order
        some = str(owners) if tx.is_sqlite else owners
        tx.run(_AFRESH, programme=here.id, start=everybody.since, owners=some)
        tx.books.forget(here.id, POINTS, owners)
    last = len(owners) < most
    if last and longer:
        chores.put(tx, here.id, _CHORE, chore._replace(since=everybody.since))
    cursor = _DONE if last else owners[-1]
    chores.put(tx, here.id, _CHORE_ALL, everybody._replace(cursor=cursor))
    return owners


def _look(tx: Tx, here: Programme, owners: list[int], today: date) -> int:
    tx.books.load(tx, here.id, POINTS, owners)
    for owner in owners:
        keep(tx, here.rules, account(tx, here.id, owner), today)
    return len(owners)
