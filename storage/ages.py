"""How old members say they are: a band and when it was said, never a birthday."""

from datetime import datetime
from typing import NamedTuple

from content.privacy import BANDS, Band
from storage.db import Sql, Tx, from_ms, to_ms
from storage.ids import new_id

_ADD = Sql(
    "INSERT INTO age (programme_id, member_id, id, band, at_ms, identity)"
    " VALUES (:programme, :member, :id, :band, :at, :identity)"
)
_LAST = Sql(
    "SELECT band, at_ms FROM age WHERE programme_id = :programme AND member_id = :member"
    " ORDER BY id DESC LIMIT 1"
)
_FORGET = Sql("DELETE FROM age WHERE programme_id = :programme AND member_id = :member")


class Declared(NamedTuple):
    """What somebody has said of his age last, and when (aware, UTC)."""

    band: Band
    at: datetime


def declared(tx: Tx, programme_id: int, member_id: int) -> Declared | None:
    """Return what a member has said of his age last; None for nothing."""
    row = tx.one(_LAST, programme=programme_id, member=member_id)
    if row is None:
        return None
    return next(Declared(band, from_ms(row[1])) for band in BANDS if band == row[0])


def band(tx: Tx, programme_id: int, member_id: int) -> Band | None:
    """Return how old a member says he is; None for one who has said nothing."""
    found = declared(tx, programme_id, member_id)
    return found.band if found else None


def declare(
    tx: Tx, programme_id: int, member_id: int, band: Band, *, identity: str, now: datetime
) -> None:
    """Note how old a member says he is. Whether he may say so now, the caller has asked."""
    tx.run(
        _ADD,
        programme=programme_id,
        member=member_id,
        id=new_id(),
        band=band,
        at=to_ms(now),
        identity=identity[:100],
    )


def forget(tx: Tx, programme_id: int, member_id: int) -> None:
    """Forget how old a member said he was."""
    tx.run(_FORGET, programme=programme_id, member=member_id)
