"""Photos that members show: who approves of them, and what was decided. Photos are not kept."""

from datetime import date, datetime
from typing import Literal, NamedTuple

from storage.db import Sql, Tx, from_ms, to_ms
from storage.ids import new_id

End = Literal["approved", "refused"]
SHOWN: Literal["shown"] = "shown"
APPROVED: Literal["approved"] = "approved"
REFUSED: Literal["refused"] = "refused"

_COLUMNS = "id, member_id, day, state, made_ms"
_ADD = Sql(
    "INSERT INTO photo (programme_id, id, member_id, day, made_ms)"
    " VALUES (:programme, :id, :member, :day, :at) ON CONFLICT DO NOTHING"
)
_GET = Sql(
    f"SELECT {_COLUMNS} FROM photo WHERE programme_id = :programme AND id = :id",
    postgres=f"SELECT {_COLUMNS} FROM photo WHERE programme_id = :programme AND id = :id"
    " FOR UPDATE",
)
_LIKE = Sql(
    "INSERT INTO photo_like (programme_id, photo_id, member_id)"
    " VALUES (:programme, :photo, :member) ON CONFLICT DO NOTHING"
)
_LIKES = Sql(
    "SELECT COUNT(*) FROM photo_like WHERE programme_id = :programme AND photo_id = :photo"
)
_END = Sql(
    "UPDATE photo SET state = :state, ended_ms = :at, ended_by = :by"
    " WHERE programme_id = :programme AND id = :id AND state = 'shown'"
)


class Photo(NamedTuple):
    """A photo that a member has shown on a day."""

    id: int
    member_id: int
    day: date
    state: str
    made_ms: int

    @property
    def made(self) -> datetime:
        """When it was shown (aware, UTC)."""
        return from_ms(self.made_ms)


def show(tx: Tx, programme_id: int, member_id: int, day: date, now: datetime) -> int | None:
    """Note that a member shows a photo; return its number, None for a second one that day."""
    id_ = new_id()
    made = tx.run(_ADD, programme=programme_id, id=id_, member=member_id, day=day, at=to_ms(now))
    return id_ if made.rowcount == 1 else None


def lock(tx: Tx, programme_id: int, photo_id: int) -> Photo | None:
    """Return a photo that nobody else decides about meanwhile, None when there is none."""
    row = tx.one(_GET, programme=programme_id, id=photo_id)
    return Photo._make(row) if row else None


def like(tx: Tx, programme_id: int, photo_id: int, member_id: int) -> bool:
    """Note that a member approves of a photo; False when he has done so before."""
    liked = tx.run(_LIKE, programme=programme_id, photo=photo_id, member=member_id)
    return bool(liked.rowcount == 1)


def likes(tx: Tx, programme_id: int, photo_id: int) -> int:
    """Return how many approve of a photo."""
    (number,) = tx.one(_LIKES, programme=programme_id, photo=photo_id)
    return int(number)


def end(tx: Tx, programme_id: int, photo_id: int, state: End, *, by: str, at: datetime) -> None:
    """Decide about a photo that nobody has decided about."""
    tx.run(_END, programme=programme_id, id=photo_id, state=state, by=by[:100], at=to_ms(at))
