"""The demo's others go on with their lives when its clock is moved."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from sqlalchemy import text

from bot.app import build_app
from bot.config import Settings
from bot.demo import community, visits
from bot.running import App
from storage.db import open_engine

ZONE = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 3, 4, 2, 0, tzinfo=UTC)  # 10:00 in Shanghai


@asynccontextmanager
async def _demo(url: str, **settings: Any) -> AsyncIterator[tuple[App, httpx.AsyncClient]]:
    engine = open_engine(url)
    app = build_app(Settings(database_url=url, web_port=0, **settings), engine, demo=True)
    try:
        await app.start()
        host, port = app.web.address
        headers = {"X-Room": "1"}
        base = f"http://{host}:{port}/room"
        async with httpx.AsyncClient(base_url=base, headers=headers, trust_env=False) as page:
            yield app, page
    finally:
        await app.stop()
        engine.dispose()


def _days_of(app: App) -> dict[str, int]:
    with app.engine.connect() as connection:
        rows = connection.execute(
            text("SELECT day, COUNT(*) FROM checkin GROUP BY day ORDER BY day DESC")
        )
        return {f"{day}": count for day, count in rows}


@pytest.mark.parametrize("locale", ["zh", "en"])
def test_a_believable_part_checks_in_each_day(locale: str) -> None:
    who = community(locale)
    comes = visits(who, ZONE, NOW)
    days = [NOW + timedelta(days=number) for number in range(60)]
    counts = [len(comes(day, day + timedelta(days=1))) for day in days]
    assert 4 <= min(counts) < max(counts) <= len(who.people)
    assert comes(NOW, days[7]) == comes(NOW, days[7])
    in_hours = [NOW + timedelta(hours=number) for number in range(24 * 7)]
    by_hour = [v for at in in_hours for v in comes(at, at + timedelta(hours=1))]
    assert by_hour == comes(NOW, days[7])
    assert who.newcomer not in {person for _, person in by_hour}
    assert {at.astimezone(ZONE).hour for at, _ in by_hour} <= set(range(7, 22))


def test_tomorrow_the_others_have_checked_in_and_two_lines_tell_of_it(sqlite_url: str) -> None:
    async def play() -> None:
        async with _demo(sqlite_url) as (app, page):
            before, said = _days_of(app), (await page.get("/state")).json()["messages"]
            assert (await page.post("/clock", json={"hours": 24})).status_code == 200
            assert (await page.post("/clock", json={"hours": 24})).status_code == 200
            after = _days_of(app)
            assert sum(after.values()) - sum(before.values()) > 10
            assert len(after) > len(before)
            state = (await page.get("/state")).json()
            news = state["messages"][len(said) :] if len(said) < 100 else state["messages"][-4:]
            assert [each["from"]["kind"] for each in news] == ["notice"] * 4
            assert "来签到了" in news[-1]["text"]

    asyncio.run(play())


def test_a_month_at_once_is_lived_day_by_day(sqlite_url: str) -> None:
    async def play() -> None:
        async with _demo(sqlite_url, locale="en") as (app, page):
            before = _days_of(app)
            assert (await page.post("/clock", json={"hours": 24 * 31})).status_code == 200
            after = _days_of(app)
            assert len(after) >= len(before) + 30
            whole = [after[day] for day in list(after)[1:31]]
            assert min(whole) >= 4
            far = await page.post("/clock", json={"hours": 24 * 31})
            while far.status_code == 200:
                far = await page.post("/clock", json={"hours": 24 * 31})
            assert far.status_code == 422

    asyncio.run(play())


def test_whoever_is_played_checks_in_himself(sqlite_url: str) -> None:
    async def play() -> None:
        async with _demo(sqlite_url) as (app, page):
            assert app.local is not None
            with app.local.listen("p4", "group"):  # who comes nearly every day
                for _ in range(5):
                    await page.post("/clock", json={"hours": 24})
            with app.engine.connect() as connection:
                rows = connection.execute(
                    text(
                        "SELECT i.user_id, MAX(c.day) FROM checkin c JOIN identity i"
                        " ON i.member_id = c.member_id GROUP BY i.user_id"
                    )
                )
                last = {user: f"{day}" for user, day in rows}
            today = f"{datetime.now(ZONE).date()}"
            assert [last[played] > today for played in ("p1", "p4")] == [False, False]
            assert sum(day > today for day in last.values()) > 10

    asyncio.run(play())
