"""The knock: what is done nightly comes at its time in the zone of the community."""

import asyncio
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from scheduler.heartbeat import Heartbeat


async def _nothing() -> None:
    """Do nothing."""


async def _next(zone: str) -> datetime | None:
    heartbeat = Heartbeat()
    heartbeat.daily(time(4, 17), zone, _nothing, "audit")
    heartbeat.start()
    try:
        assert heartbeat.next_time("something else") is None
        return heartbeat.next_time("audit")
    finally:
        heartbeat.stop()


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "Europe/Berlin", "America/St_Johns"])
def test_what_is_done_nightly_is_done_at_night_where_people_live(zone: str) -> None:
    found = asyncio.run(_next(zone))
    assert found is not None
    assert found.astimezone(ZoneInfo(zone)).time() == time(4, 17)
    assert timedelta() < found - datetime.now(UTC) <= timedelta(hours=25)
