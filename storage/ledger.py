"""The points ledger: the only module that changes a balance.

Every movement is a posting from one bucket to another, in whole points, written once. A bucket of
a member never goes below zero: a conditional UPDATE decides, nothing is read and then written. A
programme's own buckets are summed per batch (`Tx.total`), so that they are no hot row.
"""

from datetime import date, datetime
from typing import NamedTuple

from content import windows
from storage.db import Sql, Tx, from_ms, to_day, to_ms
from storage.ids import new_id
from storage.tables import MEMBER_BUCKETS, PROGRAMME_BUCKETS

PROGRAMME = 0
"""The owner number of the programme's own account."""

POINTS = "points"
AMOUNT_MAX = 10**12
KEY_MAX = 200


class Side(NamedTuple):
    """One end of a posting: a bucket of an owner's account."""

    owner_id: int
    bucket: str


ISSUED = Side(PROGRAMME, "issued")


class Posting(NamedTuple):
    """A movement to be made.

    `key` says what happened, to whom and when, and pays once; it starts with the day, so that
    new keys lie together in the index. `day` is the programme's day that boards count it on.
    """

    programme_id: int
    key: str
    source: Side
    target: Side
    amount: int
    reason: str
    rule: str
    rule_version: int
    actor: str
    at: datetime
    day: date
    wallet: str = POINTS
    reverses: int | None = None


class Posted(NamedTuple):
    """What became of it. `balance` is the target bucket's (the source's when it pays out)."""

    id: int
    balance: int
    replayed: bool


class LedgerError(ValueError):
    """A posting that makes no sense: a bug of the caller, or hostile input that came this far."""


class KeyConflictError(LedgerError):
    """The key has been used for something else."""


class InsufficientError(LedgerError):
    """The bucket holds less than is to be taken."""


_KNOWN = Sql(
    "SELECT id, wallet, from_owner, from_bucket, to_owner, to_bucket, amount, reason, from_after,"
    " to_after FROM posting WHERE programme_id = :programme AND key = :key"
)
_INSERT = Sql(
    "INSERT INTO posting (programme_id, id, key, at_ms, day, wallet, from_owner, from_bucket,"
    " to_owner, to_bucket, amount, reason, rule, rule_version, actor, reverses, from_prev, to_prev,"
    " from_after, to_after) VALUES (:programme, :id, :key, :at, :day, :wallet, :from_owner,"
    " :from_bucket, :to_owner, :to_bucket, :amount, :reason, :rule, :rule_version, :actor,"
    " :reverses, :from_prev, :to_prev, :from_after, :to_after)"
)
_LINK = "prev_posting = last_posting, last_posting = :id"
_WHERE = "WHERE programme_id = :programme AND owner_id = :owner AND wallet = :wallet"
_ROOM = {bucket: f"{bucket} >= :amount" for bucket in MEMBER_BUCKETS} | {"debt": "1 = 1"}
"""What a bucket must hold to be taken from. A debt is negative: taking from it deepens it."""
_TAKE = {
    bucket: Sql(
        f"UPDATE account SET {bucket} = {bucket} - :amount, {_LINK} {_WHERE}"
        f" AND {_ROOM[bucket]} RETURNING {bucket}, prev_posting"
    )
    for bucket in MEMBER_BUCKETS
}
_OWED = dict.fromkeys(MEMBER_BUCKETS, "1 = 1") | {"debt": "debt + :amount <= 0"}
_GIVE = {
    bucket: Sql(
        f"UPDATE account SET {bucket} = {bucket} + :amount, {_LINK} {_WHERE}"
        f" AND {_OWED[bucket]} RETURNING {bucket}, prev_posting"
    )
    for bucket in MEMBER_BUCKETS
}


def _window(column: str, first: str, after: str) -> str:
    return (
        f"{column} = CASE WHEN earned_day < {first} THEN :amount"
        f" WHEN earned_day < {after} THEN {column} + :amount ELSE {column} END"
    )


_EARN = Sql(
    f"UPDATE account SET available = available + :amount, {_LINK},"
    f" {_window('day_earned', ':day', ':day_end')},"
    f" {_window('week_earned', ':week', ':week_end')},"
    f" {_window('month_earned', ':month', ':month_end')},"
    " total_earned = total_earned + :amount,"
    " earned_day = CASE WHEN earned_day < :day THEN :day ELSE earned_day END"
    f" {_WHERE} RETURNING available, prev_posting"
)
_TOTAL = {
    bucket: Sql(
        f"INSERT INTO account (programme_id, owner_id, wallet, {bucket})"
        " VALUES (:programme, 0, :wallet, :amount) ON CONFLICT (programme_id, owner_id, wallet)"
        f" DO UPDATE SET {bucket} = account.{bucket} + excluded.{bucket}"
    )
    for bucket in PROGRAMME_BUCKETS
}
_STEP = Sql(
    "SELECT id, at_ms, day, from_owner, from_bucket, to_owner, to_bucket, amount, reason,"
    " from_prev, to_prev, from_after, to_after FROM posting"
    " WHERE programme_id = :programme AND id = :id"
)
_LAST = Sql("SELECT last_posting FROM account " + _WHERE)


def post(tx: Tx, posting: Posting) -> Posted:
    """Make one movement.

    The same key again with the same content changes nothing and returns the first result.
    Errors: KeyConflictError (same key, other content), InsufficientError (nothing is changed),
    LedgerError (an amount that is not 1 to 10^12 whole points, an unknown bucket, a missing
    account).
    """
    _check(posting)
    known = tx.one(_KNOWN, programme=posting.programme_id, key=posting.key)
    if known is not None:
        return _replay(posting, known)
    if PROGRAMME in {posting.source.owner_id, posting.target.owner_id}:
        return _move(tx, posting, to_ms(posting.at))
    with tx.savepoint():  # either side may refuse when the other has moved
        return _move(tx, posting, to_ms(posting.at))


def _move(tx: Tx, posting: Posting, at_ms: int) -> Posted:
    id_ = new_id()
    if posting.source.owner_id == PROGRAMME:  # the member's side first: it alone can refuse
        to_after, to_prev = _give(tx, posting, id_)
        from_after, from_prev = _take(tx, posting, id_)
    else:
        from_after, from_prev = _take(tx, posting, id_)
        to_after, to_prev = _give(tx, posting, id_)
    tx.run(
        _INSERT,
        programme=posting.programme_id,
        id=id_,
        key=posting.key,
        at=at_ms,
        day=posting.day,
        wallet=posting.wallet,
        from_owner=posting.source.owner_id,
        from_bucket=posting.source.bucket,
        to_owner=posting.target.owner_id,
        to_bucket=posting.target.bucket,
        amount=posting.amount,
        reason=posting.reason,
        rule=posting.rule,
        rule_version=posting.rule_version,
        actor=posting.actor,
        reverses=posting.reverses,
        from_prev=from_prev,
        to_prev=to_prev,
        from_after=from_after,
        to_after=to_after,
    )
    return Posted(id_, _balance(posting, from_after, to_after), replayed=False)


def _check(posting: Posting) -> None:
    amount = posting.amount
    if type(amount) is not int or not 0 < amount <= AMOUNT_MAX:
        raise LedgerError(f"amount {amount!r}: whole points from 1 to {AMOUNT_MAX} are posted")
    if not 0 < len(posting.key) <= KEY_MAX:
        raise LedgerError(f"a key has 1 to {KEY_MAX} characters, not {len(posting.key)}")
    for owner_id, bucket in (posting.source, posting.target):
        if bucket not in (PROGRAMME_BUCKETS if owner_id == PROGRAMME else MEMBER_BUCKETS):
            raise LedgerError(f"there is no bucket {bucket!r} for owner {owner_id}")
    if posting.source == posting.target:
        raise LedgerError("a posting moves between two buckets")


def _balance(posting: Posting, from_after: int, to_after: int) -> int:
    return from_after if posting.target.owner_id == PROGRAMME else to_after


def _replay(posting: Posting, known: tuple[int, ...]) -> Posted:
    id_, *content, from_after, to_after = known
    asked = [posting.wallet, *posting.source, *posting.target, posting.amount, posting.reason]
    if content != asked:
        raise KeyConflictError(f"key {posting.key} has been used for another posting")
    return Posted(id_, _balance(posting, from_after, to_after), replayed=True)


def _take(tx: Tx, posting: Posting, id_: int) -> tuple[int, int]:
    owner_id, bucket = posting.source
    if owner_id == PROGRAMME:
        tx.total(posting.programme_id, posting.wallet, bucket, -posting.amount)
        return 0, 0
    row = tx.one(
        _TAKE[bucket],
        programme=posting.programme_id,
        owner=owner_id,
        wallet=posting.wallet,
        amount=posting.amount,
        id=id_,
    )
    if row is None:
        raise InsufficientError(f"less than {posting.amount} in {bucket}")
    return row[0], row[1]


def _give(tx: Tx, posting: Posting, id_: int) -> tuple[int, int]:
    owner_id, bucket = posting.target
    if owner_id == PROGRAMME:
        tx.total(posting.programme_id, posting.wallet, bucket, posting.amount)
        return 0, 0
    values = {
        "programme": posting.programme_id,
        "owner": owner_id,
        "wallet": posting.wallet,
        "amount": posting.amount,
        "id": id_,
    }
    if posting.source == ISSUED and bucket == "available":
        day = posting.day
        row = tx.one(
            _EARN,
            **values,
            day=day,
            day_end=windows.end("day", day),
            week=windows.start("week", day),
            week_end=windows.end("week", day),
            month=windows.start("month", day),
            month_end=windows.end("month", day),
        )
    else:
        row = tx.one(_GIVE[bucket], **values)
    if row is None:
        what = "owes less, or has" if bucket == "debt" else "has"
        raise LedgerError(f"owner {owner_id} {what} no {posting.wallet} account")
    return row[0], row[1]


def write_totals(tx: Tx) -> None:
    """Write the programmes' own buckets for everything posted in this transaction."""
    for (programme_id, wallet, bucket), amount in tx.take_totals().items():
        tx.run(_TOTAL[bucket], programme=programme_id, wallet=wallet, amount=amount)


class Movement(NamedTuple):
    """A line of a member's statement: `amount` is signed, `after` the bucket's value then."""

    id: int
    at: datetime
    day: date
    amount: int
    bucket: str
    reason: str
    after: int


def statement(
    tx: Tx, programme_id: int, owner_id: int, *, count: int, wallet: str = POINTS
) -> list[Movement]:
    """Return an account's last movements, newest first, by following its chain of postings."""
    last = tx.one(_LAST, programme=programme_id, owner=owner_id, wallet=wallet)
    lines: list[Movement] = []
    next_id = last[0] if last else 0
    while next_id and len(lines) < count:
        row = tx.one(_STEP, programme=programme_id, id=next_id)
        id_, at_ms, day, from_owner, from_bucket, to_owner, to_bucket, amount, reason = row[:9]
        from_prev, to_prev, from_after, to_after = row[9:]
        incoming = to_owner == owner_id
        outgoing = from_owner == owner_id
        lines.append(
            Movement(
                id_,
                from_ms(at_ms),
                to_day(day) or date.min,
                amount if incoming else -amount,
                to_bucket if incoming else from_bucket,
                reason,
                to_after if incoming else from_after,
            )
        )
        # between two buckets of one account the source was touched first: its link is the old one
        next_id = from_prev if outgoing else to_prev
    return lines
