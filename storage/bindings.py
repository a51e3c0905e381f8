"""Who has been bound to whom, and how both stood before, so that it can be undone."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Literal, NamedTuple

import msgspec

from storage import account as accounts
from storage.account import Account, Lots
from storage.books import RaceError
from storage.db import Sql, Tx, from_ms, to_ms

VERSION: Literal[1] = 1
_GIVEN_BACK = "parted"

_COLUMNS = "id, survivor_id, bound_id, made_ms, undone_ms"
_ADD = Sql(
    "INSERT INTO binding (programme_id, id, survivor_id, bound_id, made_ms, snapshot, moved)"
    " VALUES (:programme, :id, :survivor, :bound, :at, :snapshot, :moved)"
)
_UNDO = Sql(
    "UPDATE binding SET undone_id = :undone, undone_ms = :at, moved_back = :moved"
    " WHERE programme_id = :programme AND id = :id AND undone_ms IS NULL RETURNING id"
)
_LAST = Sql(
    f"SELECT {_COLUMNS} FROM binding WHERE programme_id = :programme AND survivor_id = :member"
    " AND undone_ms IS NULL ORDER BY id DESC LIMIT 1"
)
_OF = (
    " FROM binding WHERE programme_id = :programme"
    " AND (survivor_id = :member OR bound_id = :member)"
)
_IDS_OF = Sql(f"SELECT id{_OF}")
_COUNT = Sql(f"SELECT COUNT(*){_OF} AND made_ms > :since")
_PARTED = Sql(
    "SELECT MAX(undone_ms) FROM binding WHERE programme_id = :programme AND undone_ms IS NOT NULL"
    " AND ((survivor_id = :one AND bound_id = :other)"
    " OR (survivor_id = :other AND bound_id = :one))"
)
_SNAPSHOT = Sql("SELECT snapshot FROM binding WHERE programme_id = :programme AND id = :id")
_MOVES = Sql(
    "SELECT id, moved FROM binding WHERE programme_id = :programme UNION ALL"
    " SELECT undone_id, moved_back FROM binding WHERE programme_id = :programme"
    " AND undone_id IS NOT NULL ORDER BY 1"
)


class Binding(NamedTuple):
    """One member bound to another, the survivor; `undone_ms` where they have been parted again."""

    id: int
    survivor_id: int
    bound_id: int
    made_ms: int
    undone_ms: int | None

    @property
    def made(self) -> datetime:
        """When it was done (aware, UTC)."""
        return from_ms(self.made_ms)


class Snapshot(msgspec.Struct, frozen=True):
    """How both stood just before anything moved, and what was moved, by the rows' own numbers.

    `accounts` are those of both, wallet by wallet; `earned` is what the bound one had earned
    (wallet, day, kind, points); `days` are his check-ins that the survivor had not; `doubles` are
    postings that both had been paid for the same and were taken back, `unwaited` such reviews.
    `joined` are groups that the survivor came to, with his state there before, `left` those of the
    bound one.
    """

    accounts: tuple[Account, ...]
    lots: tuple[Lots, ...]
    """Of what each of the accounts had available."""
    earned: tuple[tuple[str, date, str, int], ...]
    days: tuple[date, ...]
    doubles: tuple[tuple[int, int], ...]
    """Posting, and how much of it was taken back."""
    unwaited: tuple[int, ...]
    holds: tuple[int, ...]
    maturing: tuple[int, ...]
    reviews: tuple[int, ...]
    given: tuple[int, ...]
    received: tuple[int, ...]
    spent: tuple[tuple[date, int, date], ...]
    """Month, fen, and the month in which the survivor's count has them."""
    once: tuple[tuple[str, str], ...]
    identities: tuple[tuple[str, str], ...]
    joined: tuple[tuple[int, str | None], ...]
    left: tuple[int, ...]
    followers: tuple[int, ...]
    """Those who had been bound to the bound one."""
    named_by: str
    version: Literal[1] = VERSION


class Move(NamedTuple):
    """What of gifts went along, or back, at a point among the postings: owner, wallet, by how much
    `gifted` and `gifted_spent` changed.
    """  # noqa: D205 - one thought

    id: int
    gifts: tuple[tuple[int, str, int, int], ...]


_encode = msgspec.json.Encoder().encode
_snapshot = msgspec.json.Decoder(Snapshot).decode
_gifts = msgspec.json.Decoder(tuple[tuple[int, str, int, int], ...]).decode


def add(tx: Tx, programme_id: int, made: Binding, snapshot: Snapshot, move: Move) -> None:
    """Keep a binding."""
    tx.run(
        _ADD,
        programme=programme_id,
        id=made.id,
        survivor=made.survivor_id,
        bound=made.bound_id,
        at=made.made_ms,
        snapshot=_encode(snapshot).decode(),
        moved=_encode(move.gifts).decode(),
    )


def undo(tx: Tx, programme_id: int, binding: Binding, move: Move, at: datetime) -> None:
    """Note that a binding has been undone. Its accounts are locked, so nobody else undoes it."""
    tx.run(
        _UNDO,
        programme=programme_id,
        id=binding.id,
        undone=move.id,
        at=to_ms(at),
        moved=_encode(move.gifts).decode(),
    )


def last(tx: Tx, programme_id: int, member_id: int) -> Binding | None:
    """Return the last binding of others to a member that stands; None for none."""
    row = tx.one(_LAST, programme=programme_id, member=member_id)
    return Binding._make(row) if row else None


def check_last(tx: Tx, programme_id: int, binding: Binding) -> None:
    """Look again, with the accounts locked. Errors: RaceError when it is not the last any more."""
    now = last(tx, programme_id, binding.survivor_id)
    if now is None or now.id != binding.id:
        raise RaceError(f"binding {binding.id} has been undone, or another has come since")


def count(tx: Tx, programme_id: int, member_id: int, since: datetime) -> int:
    """Return how many bindings a member has been part of since a moment, undone ones too."""
    row = tx.one(_COUNT, programme=programme_id, member=member_id, since=to_ms(since))
    return int(row[0])


def parted(tx: Tx, programme_id: int, one: int, other: int) -> datetime | None:
    """Return when two members were last parted; None for never."""
    (at,) = tx.one(_PARTED, programme=programme_id, one=one, other=other)
    return from_ms(at) if at is not None else None


def snapshot(tx: Tx, programme_id: int, binding: Binding) -> Snapshot:
    """Return how both stood before."""
    (kept,) = tx.one(_SNAPSHOT, programme=programme_id, id=binding.id)
    return _snapshot(kept)


def all_moves(tx: Tx, programme_id: int) -> list[Move]:
    """Return what of gifts went along with bindings, and back, in the order of the postings."""
    return [Move(id_, _gifts(moved)) for id_, moved in tx.all(_MOVES, programme=programme_id)]


def given_back(day: date, binding_id: int, posting_id: int) -> str:
    """Return the key of what gives back, at the undoing, what had been paid to both."""
    return f"{day}/{_GIVEN_BACK}/{binding_id}/{posting_id}"


def all_of(tx: Tx, programme_id: int, member_id: int) -> list[int]:
    """Return the numbers of all bindings that a member has ever been part of."""
    return [id_ for (id_,) in tx.all(_IDS_OF, programme=programme_id, member=member_id)]


def refold(account: Account, earned: Sequence[tuple[date, str, int]], last_day: date) -> None:
    """Count anew all that was earned (day, kind, points); `last_day` is the newest day of it."""
    blank = Account(*account.key)
    for name in _SUMS:
        setattr(account, name, getattr(blank, name))
    for day, _, points in sorted(earned):
        if points:
            accounts.earn(account, points, day)
    if last_day > date.min:
        accounts.earn(account, 0, last_day)


_SUMS = (
    "earned_day",
    "day_earned",
    "week_earned",
    "month_earned",
    "total_earned",
    "qualifying",
    "earned_week",
    "earned_month",
)
