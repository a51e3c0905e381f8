"""What time does, for points in the store, for quests and invitations here: one list of it."""

from datetime import datetime

from handlers import inviteclock, questclock
from storage import clockwork
from storage.db import Tx


def with_work(tx: Tx, *, now: datetime) -> list[int]:
    """Return the programmes in which something is due, each by its own day."""
    points, goals = clockwork.with_work(tx, now=now), questclock.with_work(tx, now)
    return sorted({*points, *goals, *inviteclock.with_work(tx, now)})


def run_programme(tx: Tx, programme_id: int, *, now: datetime) -> int:
    """Do a part of what is due in a programme; return how much, 0 when all is done."""
    done = clockwork.run_programme(tx, programme_id, now=now)
    done = done or questclock.run(tx, programme_id, now)
    return done or inviteclock.run(tx, programme_id, now)
