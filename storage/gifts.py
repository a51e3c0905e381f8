"""Gifts of points between members: offered, then accepted, declined, taken back or expired, once.

While a gift is offered its points are set aside by a hold, whose number is the gift's own.
"""

from datetime import date, datetime, timedelta
from typing import Literal, NamedTuple

from storage import holds
from storage.books import POINTS
from storage.db import Sql, Tx, from_ms, to_ms
from storage.movement import GIFT, Posting, Side
from storage.undoing import Undo

End = Literal["accepted", "declined", "taken_back", "expired"]
OFFERED: Literal["offered"] = "offered"
ACCEPTED: Literal["accepted"] = "accepted"
EXPIRED: Literal["expired"] = "expired"
DUE_WITHIN = timedelta(days=7)
"""Nothing is offered for longer."""
_ENDED = "gift-ended"

_COLUMNS = "id, giver_id, receiver_id, amount, note, state, due_ms"
_MAKE = Sql(
    "INSERT INTO gift (programme_id, id, giver_id, receiver_id, amount, note, day, made_ms, due_ms)"
    " VALUES (:programme, :id, :giver, :receiver, :amount, :note, :day, :made, :due)"
    " ON CONFLICT DO NOTHING"
)
_GET = Sql(f"SELECT {_COLUMNS} FROM gift WHERE programme_id = :programme AND id = :id")
_END = Sql(
    "UPDATE gift SET state = :state, ended_ms = :at WHERE programme_id = :programme AND id = :id"
    " AND state = 'offered' RETURNING id"
)
_ONE_AND_BOUND = (
    "(SELECT CAST({who} AS BIGINT) UNION ALL SELECT id FROM member"
    " WHERE programme_id = :programme AND merged_into = {who})"
)
"""A member, and those bound to him: what they have given stays theirs in the books."""
_GIVEN = Sql(
    "SELECT COUNT(*), CAST(COALESCE(SUM(amount), 0) AS BIGINT) FROM gift"
    f" WHERE programme_id = :programme AND giver_id IN {_ONE_AND_BOUND.format(who=':giver')}"
    " AND day = :day AND state IN ('offered', 'accepted')"
)
_LATELY = Sql(
    "SELECT 1 FROM gift WHERE programme_id = :programme AND day >= :first"
    f" AND giver_id IN {_ONE_AND_BOUND.format(who=':giver')}"
    f" AND receiver_id IN {_ONE_AND_BOUND.format(who=':receiver')}"
    " AND (state = :open OR (state = 'accepted' AND ended_ms > :since))"
    " LIMIT 1"
)
_DUE = Sql(
    f"SELECT {_COLUMNS} FROM gift WHERE programme_id = :programme AND state = 'offered'"
    " AND due_ms <= :now ORDER BY due_ms LIMIT :most"
)


class Gift(NamedTuple):
    """Points that a member offers to another until `due_ms`, with a few words."""

    id: int
    giver_id: int
    receiver_id: int
    amount: int
    note: str
    state: str
    due_ms: int

    @property
    def due(self) -> datetime:
        """From when on nobody can accept it (aware, UTC)."""
        return from_ms(self.due_ms)


class Given(NamedTuple):
    """What a member has given on a day, and not got back: how many times, and points."""

    times: int
    points: int


def offer(tx: Tx, payment: Posting, note: str, *, due: datetime) -> Gift:
    """Set points aside for another member. `payment` is what accepting will do.

    The same key again returns the first gift, whatever has become of it.
    Errors: InsufficientError (less than that was earned; who owes has nothing), KeyConflictError,
    LedgerError.
    """
    giver, receiver = payment.source.owner_id, payment.target.owner_id
    aside = holds.hold(tx, payment._replace(rule=GIFT, reason="gift"), due=due)
    tx.run(
        _MAKE,
        programme=payment.programme_id,
        id=aside.id,
        giver=giver,
        receiver=receiver,
        amount=payment.amount,
        note=note,
        day=payment.day,
        made=to_ms(payment.at),
        due=to_ms(due),
    )
    made = get(tx, payment.programme_id, aside.id)
    assert made is not None
    return made


def from_to(giver_id: int, receiver_id: int) -> tuple[Side, Side]:
    """Return the sides of a gift: whence its points come, and whither they go."""
    return Side(giver_id, "available"), Side(receiver_id, "available")


def get(tx: Tx, programme_id: int, gift_id: int) -> Gift | None:
    """Return a gift, None when there is none."""
    row = tx.one(_GET, programme=programme_id, id=gift_id)
    return Gift._make(row) if row else None


def lock(tx: Tx, programme_id: int, gift: Gift) -> None:
    """Lock the accounts of both, in the order of all: what is looked at now stays so."""
    tx.books.load(tx, programme_id, POINTS, {gift.giver_id, gift.receiver_id})


def end(
    tx: Tx, programme_id: int, gift: Gift, state: End, *, actor: str, at: datetime, today: date
) -> bool:
    """End a gift: its points go to the receiver, or back to the giver and their lots.

    A receiver who owes pays that first. False when it had ended before: then nothing is changed.
    """
    lock(tx, programme_id, gift)
    if tx.one(_END, programme=programme_id, id=gift.id, state=state, at=to_ms(at)) is None:
        return False
    reason = "gift" if state == ACCEPTED else f"gift_{state}"
    undo = Undo(f"{today}/{_ENDED}/{gift.id}", reason, actor, at, today)
    if state == ACCEPTED:
        holds.capture(tx, programme_id, gift.id, undo, to=gift.receiver_id, rule=GIFT)
    else:
        holds.release(tx, programme_id, gift.id, undo, rule=GIFT)
    return True


def expire_due(tx: Tx, programme_id: int, today: date, at: datetime, *, most: int = 500) -> int:
    """Give back what nobody has accepted in time; return how many gifts. Safe to run twice."""
    due = tx.all(_DUE, programme=programme_id, now=to_ms(at), most=most)
    for row in due:
        end(tx, programme_id, Gift._make(row), EXPIRED, actor="clock", at=at, today=today)
    return len(due)


def given(tx: Tx, programme_id: int, giver_id: int, day: date) -> Given:
    """Return what a member has given on a day. Exact under the lock of his account."""
    return Given._make(tx.one(_GIVEN, programme=programme_id, giver=giver_id, day=day))


def has_given(
    tx: Tx, programme_id: int, giver_id: int, receiver_id: int, since: datetime, *, offers: bool
) -> bool:
    """Whether one has given to another after a moment; with `offers` what is open counts, too."""
    row = tx.one(
        _LATELY,
        programme=programme_id,
        giver=giver_id,
        receiver=receiver_id,
        # accepted since then it was offered at most so long before; a day more for any zone
        first=(since - DUE_WITHIN - timedelta(days=1)).date(),
        since=to_ms(since),
        open=OFFERED if offers else "",
    )
    return row is not None


def of_movement(tx: Tx, programme_id: int, posting_id: int, key: str) -> Gift | None:
    """Return the gift that a posting offered, or ended; None for anything else."""
    parts = key.split("/")
    ended = parts[1:2] == [_ENDED]
    return get(tx, programme_id, int(parts[2]) if ended else posting_id)
