"""The token bucket: never more than burst and rate allow, the important first, nothing leaks."""

import asyncio
import time

import pytest

from bot.budget import Budget


async def take(budget: Budget, name: str, priority: int, order: list[str]) -> None:
    await budget.take(priority)
    order.append(name)


def test_a_burst_is_free_and_then_the_rate_holds() -> None:
    async def play() -> None:
        budget = Budget(20, 4)
        began = time.monotonic()
        for _ in range(4):
            await budget.take(1)
        assert time.monotonic() - began < 0.03
        assert budget.spent
        for _ in range(6):
            await budget.take(1)
        assert 0.28 <= time.monotonic() - began < 0.45

    asyncio.run(play())


def test_what_is_not_used_does_not_pile_up() -> None:
    async def play() -> None:
        budget = Budget(100, 2)
        await asyncio.sleep(0.2)
        began = time.monotonic()
        for _ in range(12):
            await budget.take(1)
        assert time.monotonic() - began >= 0.09

    asyncio.run(play())


def test_the_important_go_first_and_equals_in_order() -> None:
    async def play() -> None:
        budget = Budget(50, 1)
        await budget.take(0)
        order: list[str] = []
        names = [("edit", 3), ("post 1", 2), ("tap", 0), ("post 2", 2), ("reply", 1)]
        tasks = [asyncio.create_task(take(budget, name, level, order)) for name, level in names]
        await asyncio.gather(*tasks)
        assert order == ["tap", "reply", "post 1", "post 2", "edit"]

    asyncio.run(play())


def test_who_comes_late_does_not_pass_those_who_wait() -> None:
    async def play() -> None:
        budget = Budget(20, 1)
        await budget.take(0)
        order: list[str] = []
        first = asyncio.create_task(take(budget, "first", 1, order))
        await asyncio.sleep(0.04)
        second = asyncio.create_task(take(budget, "second", 1, order))
        await asyncio.gather(first, second)
        assert order == ["first", "second"]

    asyncio.run(play())


def test_who_gives_up_waiting_costs_nobody_a_turn() -> None:
    async def play() -> None:
        budget = Budget(10, 1)
        await budget.take(0)
        order: list[str] = []
        gone = [asyncio.create_task(take(budget, "gone", 0, order)) for _ in range(5)]
        stays = asyncio.create_task(take(budget, "stays", 1, order))
        await asyncio.sleep(0)
        for task in gone:
            task.cancel()
        began = time.monotonic()
        await stays
        assert time.monotonic() - began < 0.2
        assert order == ["stays"]
        await asyncio.gather(*gone, return_exceptions=True)

    asyncio.run(play())


@pytest.mark.parametrize("taken", [0, 5000])
def test_without_a_rate_there_is_no_limit(taken: int) -> None:
    async def play() -> None:
        budget = Budget(None, 0)
        began = time.monotonic()
        for _ in range(taken):
            await budget.take(3)
        assert not budget.spent
        assert budget.full
        assert time.monotonic() - began < 1

    asyncio.run(play())


def test_it_is_full_again_when_all_has_grown_back() -> None:
    async def play() -> None:
        budget = Budget(50, 2)
        assert budget.full
        await budget.take(1)
        assert not budget.full
        await asyncio.sleep(0.05)
        assert budget.full

    asyncio.run(play())
