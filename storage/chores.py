"""How far the work of a day has come, so that it goes on after a stop and is done once."""

from collections.abc import Callable
from datetime import date, datetime
from typing import NamedTuple

from storage import programmes
from storage.db import Sql, Tx, to_day


class Chore(NamedTuple):
    """Done for `day`; of the next one, members up to `cursor`. `since` is the chore's own."""

    day: date = date.min
    since: date = date.min
    version: int = 0
    cursor: int = 0


_GET = Sql(
    "SELECT day, since, version, cursor FROM chore WHERE programme_id = :programme AND name = :name"
)
_PUT = Sql(
    "INSERT INTO chore (programme_id, name, day, since, version, cursor)"
    " VALUES (:programme, :name, :day, :since, :version, :cursor)"
    " ON CONFLICT (programme_id, name) DO UPDATE SET day = excluded.day, since = excluded.since,"
    " version = excluded.version, cursor = excluded.cursor"
)


_CLAIM = Sql(
    f"{_PUT.sqlite} WHERE chore.day < excluded.day RETURNING day",
)
_BEHIND = Sql(
    "SELECT p.id FROM programme p LEFT JOIN chore c ON c.programme_id = p.id AND c.name = :name"
    " WHERE p.zone = :zone AND (c.day IS NULL OR c.day < :day) ORDER BY p.id"
)


def get(tx: Tx, programme_id: int, name: str) -> Chore:
    """Return how far a chore has come; at its beginning for one that has never run."""
    row = tx.one(_GET, programme=programme_id, name=name)
    if row is None:
        return Chore()
    day, since, version, cursor = row
    return Chore(to_day(day) or date.min, to_day(since) or date.min, version, cursor)


def put(tx: Tx, programme_id: int, name: str, chore: Chore) -> None:
    """Note how far a chore has come."""
    tx.run(_PUT, programme=programme_id, name=name, **chore._asdict())


def claim(tx: Tx, programme_id: int, name: str, chore: Chore) -> bool:
    """Take on a chore for a day; False when somebody has done so before."""
    return tx.one(_CLAIM, programme=programme_id, name=name, **chore._asdict()) is not None


def behind(tx: Tx, name: str, day: Callable[[date], date], now: datetime) -> list[int]:
    """Return the programmes that have not done a chore for `day` of their today."""
    found: list[int] = []
    for zone in programmes.zones(tx):
        wanted = day(now.astimezone(zone).date())
        found += [id_ for (id_,) in tx.all(_BEHIND, name=name, zone=zone.key, day=wanted)]
    return found
