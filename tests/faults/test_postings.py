"""Single movements through the queue: made together, each standing or falling alone."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine

from bot.dispatcher import Dispatcher
from storage.db import Tx
from storage.movement import (
    PROGRAMME,
    InsufficientError,
    KeyConflictError,
    LedgerError,
    Posted,
    Posting,
    Side,
)
from storage.tables import seal
from tests.faults import house
from tests.storage.books import buckets, member, posting, programme, transaction


@pytest.fixture
def engine(store_url: str, store: Callable[[str], Engine]) -> Engine:
    return store(store_url)


def people(engine: Engine, count: int) -> tuple[int, list[int]]:
    with transaction(engine) as tx:
        camp = programme(tx)
        return camp, [member(tx, camp) for _ in range(count)]


def has(engine: Engine, camp: int, member_id: int) -> int:
    with house.reading(engine) as tx:
        return buckets(tx, camp, member_id).get("available", 0)


def seals(engine: Engine) -> int:
    with house.reading(engine) as tx:
        return len(tx.core.execute(seal.select()).all())


async def post(dispatcher: Dispatcher, postings: list[Posting]) -> list[Any]:
    return await asyncio.gather(*map(dispatcher.post, postings), return_exceptions=True)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_thousand_awards_at_once_take_a_few_commits(engine: Engine, workers: int) -> None:
    camp, members = people(engine, 10)
    awards = [posting(camp, Side(members[n % 10], "available"), 1) for n in range(1_000)]

    async def play() -> list[Any]:
        async with house.dispatching(engine, workers=workers) as dispatcher:
            return await post(dispatcher, awards)

    assert {type(result) for result in asyncio.run(play())} == {Posted}
    assert [has(engine, camp, each) for each in members] == [100] * 10
    assert seals(engine) < 100
    assert house.faults(engine) == []


def test_each_caller_hears_of_his_own(engine: Engine) -> None:
    camp, (ming,) = people(engine, 1)
    mine = Side(ming, "available")
    good, twice = posting(camp, mine, 5), posting(camp, mine, 7)
    dear = posting(camp, Side(PROGRAMME, "redeemed"), 100, source=mine)
    postings = [good, twice, posting(camp, mine, 0), dear, twice, twice._replace(amount=8)]

    async def play() -> list[Any]:
        async with house.dispatching(engine) as dispatcher:
            return await post(dispatcher, postings)

    first, second, senseless, refused, again, other = asyncio.run(play())
    assert (first.balance, second.balance, second.replayed) == (5, 12, False)
    assert type(senseless) is LedgerError
    assert type(refused) is InsufficientError
    assert again == second._replace(replayed=True)
    assert type(other) is KeyConflictError
    assert has(engine, camp, ming) == 12
    assert house.faults(engine) == []


def test_between_other_work_they_keep_their_place(engine: Engine) -> None:
    camp, (ming,) = people(engine, 1)
    mine = Side(ming, "available")
    seen: list[int] = []

    def look(tx: Tx) -> None:
        seen.append(buckets(tx, camp, ming).get("available", 0))

    units = [look, posting(camp, mine, 5), posting(camp, mine, 6), look, posting(camp, mine, 1)]
    assert [each.state for each in house.worker(engine).run(units)] == ["done"] * 5
    assert seen == [0, 11]
    assert has(engine, camp, ming) == 12


def test_one_that_breaks_the_batch_costs_the_others_nothing(engine: Engine) -> None:
    """A bug in deciding: the batch is undone, and each movement is made alone."""
    camp, (ming,) = people(engine, 1)
    mine = Side(ming, "available")
    broken = posting(camp, mine, 5)._replace(caps=(None,))  # the bug
    units = [posting(camp, mine, 1), broken, posting(camp, mine, 2)]
    outcomes = house.worker(engine).run(units)
    assert [each.state for each in outcomes] == ["done", "failed", "done"]
    assert has(engine, camp, ming) == 3
    assert house.faults(engine) == []
