"""The knock: APScheduler calls at its times, the store decides what there is to do."""

from collections.abc import Awaitable, Callable
from datetime import datetime, time
from typing import Any

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

TIDY_EVERY_MIN = 10


class Heartbeat:
    """Runs regular work on the event loop, one at a time, never piled up."""

    def __init__(self) -> None:
        """Make a scheduler that counts in UTC; programmes keep their own zones."""
        self._scheduler = AsyncIOScheduler(
            timezone="UTC",
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )

    def every(self, seconds: float, work: Callable[[], Awaitable[Any]], name: str) -> None:
        """Call `work` at that interval."""
        self._scheduler.add_job(work, IntervalTrigger(seconds=seconds), id=name, name=name)

    def daily(self, at: time, zone: str, work: Callable[[], Awaitable[Any]], name: str) -> None:
        """Call `work` each day at a time of a zone (IANA name)."""
        trigger = CronTrigger(hour=at.hour, minute=at.minute, timezone=zone)
        self._scheduler.add_job(work, trigger, id=name, name=name)

    def next_time(self, name: str) -> datetime | None:
        """Return when some work is called next; None for what is unknown."""
        job = self._scheduler.get_job(name)
        found: datetime | None = job.next_run_time if job is not None else None
        return found

    def start(self) -> None:
        """Begin, on the running event loop."""
        self._scheduler.start()

    @property
    def running(self) -> bool:
        """Whether it has been started."""
        return bool(self._scheduler.running)

    def stop(self) -> None:
        """End; what is running is left to finish."""
        self._scheduler.shutdown(wait=False)
