"""Awards over the budget, odd ones, or of one about whom something was found: they wait."""

from collections.abc import Collection
from datetime import date, datetime, timedelta
from typing import NamedTuple

import msgspec

from content.names import signature
from storage import ledger, levels, programmes
from storage.books import POINTS
from storage.db import Sql, Tx, to_ms
from storage.ids import new_id
from storage.ledger import account
from storage.movement import Posted, Posting, Side

WAITING, APPROVED, REFUSED, CANCELLED = "waiting", "approved", "refused", "cancelled"
BY_MAX, WHY_MAX = 200, 100


class Review(NamedTuple):
    """An award that waited, or waits. `posted` is the posting that an approval made, else 0."""

    id: int
    owner_id: int
    name: str
    wallet: str
    amount: int
    posting: Posting
    state: str
    made_ms: int
    decided_ms: int | None
    decided_by: str
    posted: int
    finding: int
    why: str
    """What is odd about it; nothing where it is the budget alone."""


class DecidedError(ValueError):
    """There is no such review, or somebody has decided it before."""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Posting).decode
_ADD = Sql(
    "INSERT INTO review (programme_id, id, owner_id, key, wallet, amount, posting, made_ms,"
    " finding, why) VALUES (:programme, :id, :owner, :key, :wallet, :amount, :posting, :at,"
    " :finding, :why)"
    " ON CONFLICT (programme_id, key) DO NOTHING"
)
_ID = Sql("SELECT id FROM review WHERE programme_id = :programme AND key = :key")
_SELECT = (
    "SELECT r.id, r.owner_id, m.name, r.wallet, r.amount, r.posting, r.state, r.made_ms,"
    " r.decided_ms, r.decided_by, r.posted, r.finding, r.why FROM review r JOIN member m"
    " ON m.programme_id = r.programme_id AND m.id = r.owner_id WHERE r.programme_id = :programme"
)
_GET = Sql(f"{_SELECT} AND r.id = :id")
_WAITING = Sql(f"{_SELECT} AND r.state = 'waiting' AND r.id > :after ORDER BY r.id LIMIT :most")
_COUNT = Sql(
    "SELECT COUNT(*), CAST(COALESCE(SUM(amount), 0) AS BIGINT) FROM review"
    " WHERE programme_id = :programme AND state = 'waiting'"
)
_COUNT_ALL = Sql("SELECT COUNT(*) FROM review WHERE state = 'waiting'")
_DECIDE = Sql(
    "UPDATE review SET state = :state, decided_ms = :at, decided_by = :by"
    " WHERE programme_id = :programme AND id = :id AND state = 'waiting'"
)
_POSTED = Sql("UPDATE review SET posted = :posted WHERE programme_id = :programme AND id = :id")
_LESS = Sql(
    "UPDATE review SET amount = amount - :less WHERE programme_id = :programme AND id = :id"
    " AND state = 'waiting' AND amount > :less"
)
_OF = Sql("SELECT id, posting FROM review WHERE programme_id = :programme AND owner_id = :owner")
_REWRITE = Sql("UPDATE review SET posting = :posting WHERE programme_id = :programme AND id = :id")
_OF_FINDING = Sql(
    "SELECT id FROM review WHERE programme_id = :programme AND finding = :finding AND finding > 0"
    " AND state = 'waiting' ORDER BY id"
)
_POINTS_OF = Sql(
    "SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) FROM review WHERE programme_id = :programme"
    " AND finding = :finding AND finding > 0 AND wallet = 'points' AND state = 'waiting'"
)
_REOPEN = Sql(
    "UPDATE review SET state = 'waiting', decided_ms = NULL, decided_by = ''"
    " WHERE programme_id = :programme AND finding = :finding AND finding > 0 AND state = 'refused'"
)
_HAND_ON = Sql(
    "UPDATE review SET finding = :other WHERE programme_id = :programme AND finding = :finding"
    " AND finding > 0 AND state = 'waiting'"
)


def queue(tx: Tx, posting: Posting, now: datetime, *, finding: int = 0, why: str = "") -> int:
    """Let an award wait for somebody to look; return its number. The same key waits once.

    With a `finding` about its owner it waits until that is decided.
    """
    tx.run(
        _ADD,
        programme=posting.programme_id,
        id=new_id(),
        owner=posting.target.owner_id,
        key=posting.key,
        wallet=posting.wallet,
        amount=posting.amount,
        posting=_encode(posting._replace(budget=(), caps=())).decode(),
        at=to_ms(now),
        finding=finding,
        why=why[:WHY_MAX],
    )
    (id_,) = tx.one(_ID, programme=posting.programme_id, key=posting.key)
    return int(id_)


def get(tx: Tx, programme_id: int, review_id: int) -> Review | None:
    """Return a review, None when there is none."""
    row = tx.one(_GET, programme=programme_id, id=review_id)
    return _review(row) if row is not None else None


def waiting(tx: Tx, programme_id: int, *, after: int = 0, most: int = 50) -> list[Review]:
    """Return a page of what waits, the oldest first."""
    return [
        _review(row) for row in tx.all(_WAITING, programme=programme_id, after=after, most=most)
    ]


def count(tx: Tx, programme_id: int) -> tuple[int, int]:
    """Return how many awards wait, and their points."""
    number, points = tx.one(_COUNT, programme=programme_id)
    return int(number), int(points)


def count_all(tx: Tx) -> int:
    """Return how many awards wait in all programmes."""
    (number,) = tx.one(_COUNT_ALL)
    return int(number)


def approve(
    tx: Tx, programme_id: int, review_id: int, *, by: str, now: datetime, today: date
) -> Posted:
    """Pay what has waited, as earned on its day, and valid for as long as it would have been.

    Errors: DecidedError.
    """
    found = get(tx, programme_id, review_id)
    if found is not None:  # its account first, as whoever undoes what it is for does
        account(tx, programme_id, found.owner_id)
    known = _decide(tx, programme_id, review_id, APPROVED, by, now)
    paid = known.posting._replace(amount=known.amount)
    if paid.expires is not None:
        paid = paid._replace(expires=paid.expires + max(today - paid.day, timedelta(0)))
    posted = ledger.post(tx, paid)
    tx.run(_POSTED, programme=programme_id, id=review_id, posted=posted.id)
    if known.wallet == POINTS:
        rules = programmes.programme(tx, programme_id, now).rules
        levels.keep(tx, rules, account(tx, programme_id, known.owner_id), today)
    return posted


def refuse(tx: Tx, programme_id: int, review_id: int, *, by: str, now: datetime) -> Review:
    """Pay nothing. Errors: DecidedError."""
    return _decide(tx, programme_id, review_id, REFUSED, by, now)


def shrink(tx: Tx, programme_id: int, review_id: int, less: int, *, now: datetime) -> bool:
    """Let less wait: a part of what it is for was undone. With nothing left it is cancelled.

    False when it does not wait any more.
    """
    own = {"programme": programme_id, "id": review_id}
    if tx.run(_LESS, **own, less=less).rowcount == 1:
        return True
    cancel = {"state": CANCELLED, "by": "refund", "at": to_ms(now)}
    return bool(tx.run(_DECIDE, **own, **cancel).rowcount == 1)


def of_finding(tx: Tx, programme_id: int, finding: int) -> list[int]:
    """Return the numbers of what waits for the sake of a finding."""
    return [id_ for (id_,) in tx.all(_OF_FINDING, programme=programme_id, finding=finding)]


def points_of_finding(tx: Tx, programme_id: int, finding: int) -> int:
    """Return how many points wait for the sake of a finding."""
    row = tx.one(_POINTS_OF, programme=programme_id, finding=finding)
    return int(row[0])


def reopen(tx: Tx, programme_id: int, finding: int) -> None:
    """Let wait again what was refused for the sake of a finding."""
    tx.run(_REOPEN, programme=programme_id, finding=finding)


def hand_on(tx: Tx, programme_id: int, finding: int, other: int) -> None:
    """Let what waits for the sake of a finding wait for that of another."""
    tx.run(_HAND_ON, programme=programme_id, finding=finding, other=other)


def forget_who(
    tx: Tx,
    programme_id: int,
    owner_id: int,
    accounts: Collection[tuple[str, str]],
    *,
    now: datetime,
) -> None:
    """Cancel what waits for a member who is being erased; what is decided names him no more.

    `accounts` are those on platforms by which he may stand there, as (platform, user id).
    """
    named = {f"{platform}:{user}" for platform, user in accounts}
    for id_, text in tx.all(_OF, programme=programme_id, owner=owner_id):
        cancel = {"state": CANCELLED, "by": "erased", "at": to_ms(now)}
        tx.run(_DECIDE, programme=programme_id, id=id_, **cancel)
        posting = _decode(text)
        if posting.actor in named:
            nameless = _encode(posting._replace(actor=f"member:{owner_id}")).decode()
            tx.run(_REWRITE, programme=programme_id, id=id_, posting=nameless)


def _decide(  # noqa: PLR0917 - what is decided, how, by whom, when
    tx: Tx, programme_id: int, review_id: int, state: str, by: str, now: datetime
) -> Review:
    try:
        by = signature(by, BY_MAX)
    except ValueError as error:
        raise DecidedError(str(error)) from error
    values = {"state": state, "by": by, "at": to_ms(now)}
    done = tx.run(_DECIDE, programme=programme_id, id=review_id, **values)
    known = get(tx, programme_id, review_id) if done.rowcount == 1 else None
    if known is None:
        found = get(tx, programme_id, review_id)
        what = f"has been {found.state} by {found.decided_by}" if found else "does not exist"
        raise DecidedError(f"review {review_id} {what}")
    return known


def _review(row: tuple[object, ...]) -> Review:
    values = list(row)
    posting = _decode(str(values[5]))
    owner = Side(int(str(values[1])), posting.target.bucket)  # he may have been bound since
    values[5] = posting._replace(target=owner)
    return Review._make(values)
