"""The queue: order, batches, bounds, jobs, and batches that break."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import Engine

from bot.dispatcher import BATCH_MAX, BusyError, ClosedError, Dispatcher
from bot.worker import Asked, Worker
from content.message import Refusal, Reply
from handlers.context import Context
from handlers.router import Router, discover
from storage import programmes
from storage.db import DATABASE_ERRORS, Sql, Tx
from storage.programmes import MAIN
from storage.sql import Insert
from tests.faults import house

Open = Callable[[str], Engine]

RENAME = Sql("UPDATE programme SET name = :name WHERE id = :id")
NAME = Sql("SELECT name FROM programme WHERE id = :id")


def name(engine: Engine) -> str:
    with house.reading(engine) as tx:
        return str(tx.one(NAME, id=MAIN)[0])


def rename(to: str):
    return lambda tx: tx.run(RENAME, name=to, id=MAIN)


def talkative() -> Router:
    """The real commands, and some that go wrong."""
    router = discover()

    @router.command("bug", "出错")
    def bug(ctx: Context) -> Reply:
        """Break after writing."""
        rename("half")(ctx.tx)
        raise RuntimeError("a bug")

    @router.command("broken", "坏句")
    def broken(ctx: Context) -> Reply:
        """Run a statement that the database refuses."""
        rename("half")(ctx.tx)
        ctx.tx.run(Sql("SELECT nothing FROM nowhere"))
        raise AssertionError

    @router.command("mute", "没话")
    def mute(ctx: Context) -> Reply:
        """Refuse with words that nobody has written."""
        rename("half")(ctx.tx)
        raise Refusal("no.such.words")

    return router


def test_what_one_person_says_is_dealt_with_in_order(engine: Engine) -> None:
    """Whatever chats it is said in: it is his rows that it concerns."""
    chats = [f"-{number}" for number in range(3)]
    house.open_groups(engine, *chats)
    people = [f"{number:03}" for number in range(8)]

    async def play() -> None:
        seen: list[tuple[str, str]] = []

        def hear(rows: list[house.Outgoing]) -> None:
            seen.extend((row.person, row.payload) for row in rows)

        async with house.dispatching(engine, workers=4) as dispatcher:
            dispatcher.say = hear
            await asyncio.gather(
                *(
                    dispatcher.submit(
                        house.checkin(who, chat=chats[turn % 3], text=f"明细 {turn + 31}")
                    )
                    for turn in range(12)
                    for who in people
                )
            )
        for who in people:
            said = [payload for person, payload in seen if person == who]
            assert [f"「{turn + 31}」" in text for turn, text in enumerate(said)] == [True] * 12

    asyncio.run(play())


def test_what_waits_is_committed_together(store: Open, sqlite_url: str) -> None:
    engine = store(sqlite_url)
    house.open_groups(engine)
    commits = []
    real = Worker.run

    def counted(self: Worker, units):
        commits.append(len(units))
        return real(self, units)

    class Counting(Worker):
        run = counted

    async def play() -> None:
        counting = Counting(
            engine,
            clock=house.now,
            rng=house.Random(1),
            limiter=None,
            defaults=house.DEFAULTS,
        )
        dispatcher = Dispatcher([counting], house.ROUTER)
        await dispatcher.submit(house.checkin("alone"))
        assert commits == [1]
        go = threading.Event()
        held = asyncio.ensure_future(dispatcher.run(lambda _tx: go.wait(10)))
        await asyncio.sleep(0.1)
        load = [dispatcher.submit(house.checkin(number)) for number in range(BATCH_MAX + 50)]
        go.set()
        outcomes = await asyncio.gather(*load)
        await held
        assert {outcome.state for outcome in outcomes} == {"done"}
        assert commits == [1, 1, BATCH_MAX, 50]
        assert await dispatcher.close(5)

    asyncio.run(play())
    assert house.faults(engine) == []


def test_a_full_queue_refuses_at_once_and_is_counted(engine: Engine) -> None:
    house.open_groups(engine)

    def busy() -> float:
        return REGISTRY.get_sample_value("qunying_busy_total") or 0.0

    async def play() -> None:
        async with house.dispatching(engine, queue_max=3) as dispatcher:
            go = threading.Event()
            held = asyncio.ensure_future(dispatcher.run(lambda _tx: go.wait(10)))
            await asyncio.sleep(0)
            taken = [dispatcher.submit(house.checkin(number)) for number in range(2)]
            assert dispatcher.waiting == 3
            before, began = busy(), time.monotonic()
            with pytest.raises(BusyError) as refused:
                dispatcher.submit(house.checkin("late"))
            assert time.monotonic() - began < 0.1
            assert refused.value.retry_after_s > 0
            assert not isinstance(refused.value, ClosedError)
            assert busy() == before + 1
            mark = asyncio.ensure_future(dispatcher.run(lambda _tx: "a mark passes"))
            go.set()
            assert await mark == "a mark passes"
            await asyncio.gather(held, *taken)
            assert dispatcher.waiting == 0
            await dispatcher.submit(house.checkin("late"))
        assert sorted(house.paid(engine)) == ["0", "1", "late"]

    asyncio.run(play())


def test_who_comes_while_the_bot_stops_is_refused_and_what_waits_is_finished(
    engine: Engine,
) -> None:
    house.open_groups(engine)

    async def play() -> None:
        async with house.dispatching(engine) as dispatcher:
            go = threading.Event()
            held = asyncio.ensure_future(dispatcher.run(lambda _tx: go.wait(10)))
            await asyncio.sleep(0)
            taken = dispatcher.submit(house.checkin("early"))
            dispatcher.refuse_more()
            with pytest.raises(ClosedError):
                dispatcher.submit(house.checkin("late"))
            mark = asyncio.ensure_future(dispatcher.run(lambda _tx: 7))
            closing = asyncio.ensure_future(dispatcher.close(10))
            await asyncio.sleep(0.05)
            go.set()
            assert await closing
            assert (await taken).state == "done"
            assert await mark == 7
            await held
        assert house.paid(engine) == {"early": 5}

    asyncio.run(play())


def test_a_job_returns_what_it_returns_and_is_kept(engine: Engine) -> None:
    house.open_groups(engine)

    async def play() -> None:
        async with house.dispatching(engine) as dispatcher:
            assert await dispatcher.run(lambda tx: rename("新")(tx).rowcount) == 1

    asyncio.run(play())
    assert name(engine) == "新"


def test_a_job_that_raises_leaves_nothing_and_its_neighbours_stand(engine: Engine) -> None:
    house.open_groups(engine)

    def bad(tx: Tx) -> None:
        rename("half")(tx)
        raise LookupError("not found")

    def refused(tx: Tx) -> None:
        rename("half")(tx)
        tx.run(Sql("SELECT nothing FROM nowhere"))

    tried: list[str] = []

    def untellable(tx: Tx) -> None:
        tried.append("once")
        tx.one(NAME, id="\ud800")

    async def play() -> None:
        async with house.dispatching(engine) as dispatcher:
            go = threading.Event()
            held = asyncio.ensure_future(dispatcher.run(lambda _tx: go.wait(10)))
            await asyncio.sleep(0.05)
            first = dispatcher.submit(house.checkin(1))
            jobs = [
                asyncio.ensure_future(dispatcher.run(job)) for job in (untellable, bad, refused)
            ]
            await asyncio.sleep(0)
            last = dispatcher.submit(house.checkin(2))
            go.set()
            with pytest.raises(UnicodeEncodeError):
                await jobs[0]
            with pytest.raises(LookupError, match="not found"):
                await jobs[1]
            with pytest.raises(DATABASE_ERRORS):
                await jobs[2]
            assert [(await done).state for done in (first, last)] == ["done", "done"]
            await held

    asyncio.run(play())
    assert tried == ["once"]  # another try would be of no use
    assert name(engine) == "营"
    assert house.paid(engine) == {"1": 5, "2": 5}


def test_a_bug_is_apologised_for_and_leaves_nothing(engine: Engine) -> None:
    house.open_groups(engine)

    async def play() -> None:
        async with house.dispatching(engine, router=talkative()) as dispatcher:
            for words in ("出错", "坏句"):
                outcome = await dispatcher.submit(house.checkin(1, text=words))
                assert outcome.state == "failed"
                (apology,) = house.words(outcome.say)
                assert "抱歉" in apology
                again = await dispatcher.submit(house.checkin(1, text=words))
                assert (again.state, again.say) == ("duplicate", [])

    asyncio.run(play())
    assert name(engine) == "营"
    assert house.answered(engine) == {"1": 2}


def test_a_broken_batch_runs_one_by_one_and_only_the_bad_one_fails(engine: Engine) -> None:
    """The bad one's row is refused when the batch ends, so it takes the whole batch with it."""
    house.open_groups(engine)
    router = discover()

    @router.command("poison", "毒")
    def poison(ctx: Context) -> Reply:
        """Say what no outbox can hold."""
        ctx.tx.later(Insert("nowhere", ("id",)), (1,))
        return Reply("never said")

    events = [house.checkin(number) for number in range(9)]
    events.insert(4, house.checkin("bad", text="毒"))
    asked = [Asked(event, match) for event in events if (match := router.match(event))]
    outcomes = house.worker(engine).run(asked)
    assert [outcome.state for outcome in outcomes] == ["done"] * 4 + ["failed"] + ["done"] * 5
    (sorry,) = house.words(outcomes[4].say)
    assert "抱歉" in sorry
    paid = {person: points for person, points in house.paid(engine).items() if points}
    assert paid == {f"{number}": 5 for number in range(9)}
    assert house.answered(engine) == {f"{number}": 1 for number in range(9)} | {"bad": 1}


def test_words_that_are_missing_cost_one_event_not_the_bot(engine: Engine) -> None:
    """A refusal whose words do not exist is a bug like another."""
    house.open_groups(engine)

    async def play() -> None:
        async with house.dispatching(engine, router=talkative(), close_s=0.5) as dispatcher:
            bad = dispatcher.submit(house.checkin(1, text="没话"))
            good = dispatcher.submit(house.checkin(2))
            assert (await asyncio.wait_for(good, 2)).state == "done"
            assert (await asyncio.wait_for(bad, 2)).state == "failed"
        assert name(engine) == "营"

    asyncio.run(play())


def test_a_job_may_refuse_politely(engine: Engine) -> None:
    """A console's write calls the same functions as chat, and those refuse."""
    house.open_groups(engine)

    def refuse(tx: Tx) -> None:
        rename("half")(tx)
        raise Refusal("checkin.already")

    async def play() -> None:
        async with house.dispatching(engine, close_s=0.5) as dispatcher:
            job = asyncio.ensure_future(dispatcher.run(refuse))
            with pytest.raises(Refusal):
                await asyncio.wait_for(job, 2)
            assert (await asyncio.wait_for(dispatcher.submit(house.checkin(2)), 2)).state == "done"
        assert name(engine) == "营"

    asyncio.run(play())


def test_rules_that_cannot_be_read_cost_their_own_programme_only(engine: Engine) -> None:
    """A rule document broken by hand in the database must not stop the other groups."""
    house.open_groups(engine)
    stranger = house.checkin("1", chat="-2002")

    def spoil(tx: Tx) -> None:
        group = programmes.open_group(
            tx,
            "telegram",
            "-2002",
            "别家",
            by_owner=False,
            defaults=house.DEFAULTS,
            now=house.now(),
        )
        tx.run(
            Sql(
                "INSERT INTO rulebook (programme_id, version, document, author, note, created_ms,"
                " effective_ms) VALUES (:id, 2, 'nonsense', 'me', '', 0, 0)"
            ),
            id=group.programme_id,
        )

    async def play() -> None:
        async with house.dispatching(engine, close_s=0.5) as dispatcher:
            await dispatcher.run(spoil)
            bad = dispatcher.submit(stranger)
            good = dispatcher.submit(house.checkin(2))
            assert (await asyncio.wait_for(good, 2)).state == "done"
            assert (await asyncio.wait_for(bad, 2)).state == "failed"

    asyncio.run(play())


@pytest.mark.postgres
def test_a_deadlock_between_two_batches_heals(store: Open, postgres_url: str) -> None:
    engine = store(postgres_url)
    house.open_groups(engine)
    meet = threading.Barrier(2)
    tries: list[str] = []

    def cross(first: str, second: str, chat: str):
        def job(tx: Tx) -> str:
            tries.append(chat)
            tx.run(Sql("UPDATE programme SET name = name WHERE name = :name"), name=first)
            if tries.count(chat) == 1:
                meet.wait(10)
            tx.run(Sql("UPDATE programme SET name = name WHERE name = :name"), name=second)
            return chat

        return job

    def two(tx: Tx) -> None:
        programmes.create(tx, 7, "甲", house.DEFAULTS, house.now())
        programmes.create(tx, 8, "乙", house.DEFAULTS, house.now())

    house.worker(engine).run([two])
    one, other = house.worker(engine), house.worker(engine)
    people = [house.checkin("a"), house.checkin("b")]
    with ThreadPoolExecutor(2) as threads:
        runs = [
            threads.submit(one.run, [asked(people[0]), cross("甲", "乙", "one")]),
            threads.submit(other.run, [cross("乙", "甲", "other"), asked(people[1])]),
        ]
        outcomes = [outcome for run in runs for outcome in run.result(30)]
    assert [outcome.state for outcome in outcomes] == ["done"] * 4
    assert len(tries) == 3, "one of the two was the victim, and ran again"
    assert house.paid(engine) == {"a": 5, "b": 5}
    assert house.faults(engine) == []


def asked(event: house.Event) -> Asked:
    match = house.ROUTER.match(event)
    assert match is not None
    return Asked(event, match)


@pytest.mark.postgres
def test_four_workers_in_one_programme_lose_nothing(store: Open, postgres_url: str) -> None:
    """Everybody's first words in many groups of one programme at once: keys meet, batches break."""
    engine = store(postgres_url)
    chats = [f"-{number}" for number in range(16)]
    house.open_groups(engine, *chats)

    async def play() -> None:
        async with house.dispatching(engine, workers=4) as dispatcher:
            outcomes = await asyncio.gather(
                *(
                    dispatcher.submit(house.checkin(number, chat=chat))
                    for number in range(60)
                    for chat in chats
                )
            )
        states = [outcome.state for outcome in outcomes]
        assert states.count("done") == 60
        assert states.count("refused") == 60 * 15

    asyncio.run(play())
    assert house.paid(engine) == {f"{number}": 5 for number in range(60)}
    assert house.answered(engine) == {f"{number}": 16 for number in range(60)}
    assert house.faults(engine) == []
