"""The database is locked, full, gone or read-only: nothing lost, nothing twice, all answered."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.engine import make_url

from bot.app import _database_up
from bot.dispatcher import Dispatcher
from bot.web.app import Parts, build_web
from tests.faults import house

Open = Callable[[str], Engine]

LOCKER = """
import sqlite3, sys, time
held = sqlite3.connect(sys.argv[1], isolation_level=None)
held.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
time.sleep(float(sys.argv[2]))
held.execute("ROLLBACK")
"""
BALLAST = 4096


@contextmanager
def locked(engine: Engine, seconds: float) -> Iterator[subprocess.Popen[str]]:
    """Another process holds the database for that long."""
    command = [sys.executable, "-c", LOCKER, str(engine.url.database), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        try:
            yield process
        finally:
            process.kill()


@asynccontextmanager
async def asking(dispatcher: Dispatcher, engine: Engine):
    """Ask the web application for its readiness."""
    parts = Parts(dispatcher=dispatcher, database_up=lambda: _database_up(engine))
    transport = httpx.ASGITransport(build_web(parts))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:

        async def ready(timeout_s: float = 30) -> int:
            return (await asyncio.wait_for(client.get("/readyz"), timeout_s)).status_code

        yield ready


def test_a_database_locked_for_eight_seconds_only_delays(store: Open, sqlite_url: str) -> None:
    engine = store(sqlite_url)
    house.open_groups(engine)

    async def play() -> None:
        async with house.dispatching(engine) as dispatcher, asking(dispatcher, engine) as ready:
            said: list[house.Outgoing] = []
            dispatcher.say = said.extend
            assert await ready() == 200
            with locked(engine, 8):
                began = time.monotonic()
                events = [dispatcher.submit(house.checkin(number)) for number in range(30)]
                await house.until(lambda: not dispatcher.store_up)
                assert await ready() == 503
                assert time.monotonic() - began < 7
                assert not any(done.done() for done in events)
                outcomes = await asyncio.wait_for(asyncio.gather(*events), 20)
                assert time.monotonic() - began > 7
            assert {outcome.state for outcome in outcomes} == {"done"}
            assert await ready() == 200
            assert len(said) == 30

    asyncio.run(play())
    assert house.paid(engine) == {f"{number}": 5 for number in range(30)}
    assert house.answered(engine) == {f"{number}": 1 for number in range(30)}
    assert house.faults(engine) == []


def test_asking_for_readiness_takes_no_lock_from_the_writer(store: Open, sqlite_url: str) -> None:
    """SQLite has one writer: a probe that waits for the write lock is a second one."""
    engine = store(sqlite_url)
    house.open_groups(engine)
    with engine.connect() as writer, writer.begin():
        began = time.monotonic()
        assert _database_up(engine)
        assert time.monotonic() - began < 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of two megabytes, or a skip where none can be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file:
        for size in (65536, 4096, 512, 1):
            while True:
                try:
                    if not file.write(b"x" * size):
                        break
                except OSError:
                    break


def test_a_full_disk_stops_everything_and_room_on_it_starts_it_again(
    store: Open, small_disk: Path, sqlite_template: Path
) -> None:
    path = small_disk / "qunying.db"
    path.write_bytes(sqlite_template.read_bytes())
    engine = store(f"sqlite:///{path}")
    house.open_groups(engine)

    async def play() -> None:
        async with house.dispatching(engine) as dispatcher, asking(dispatcher, engine) as ready:
            assert (await dispatcher.submit(house.checkin("before"))).state == "done"
            fill(small_disk / "ballast")
            events = [dispatcher.submit(house.checkin(number)) for number in range(40)]
            await house.until(lambda: not dispatcher.store_up)
            await asyncio.sleep(1)
            assert not any(done.done() for done in events[1:]), "no event is given up"
            assert await ready() == 503
            (small_disk / "ballast").unlink()
            outcomes = await asyncio.wait_for(asyncio.gather(*events), 20)
            assert {outcome.state for outcome in outcomes} == {"done"}
            assert await ready() == 200

    asyncio.run(play())
    expected = [f"{number}" for number in range(40)] + ["before"]
    assert house.paid(engine) == dict.fromkeys(expected, 5)
    assert house.answered(engine) == dict.fromkeys(expected, 1)
    assert house.faults(engine) == []


def test_a_file_that_may_not_grow_stops_everything_and_starts_again(
    store: Open, sqlite_url: str
) -> None:
    """The same by a limit of the process (EFBIG, so IOERR), which needs no root."""
    command = [sys.executable, "-m", "tests.faults.small_file", sqlite_url]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    engine = store(sqlite_url)
    assert house.paid(engine) == {f"{number}": 5 for number in range(40)}
    assert house.answered(engine) == {f"{number}": 1 for number in range(40)}
    assert house.faults(engine) == []


@pytest.mark.parametrize("batch", [1, 40])
def test_a_database_full_in_the_middle_of_a_batch_keeps_no_half_of_it(
    store: Open, sqlite_url: str, batch: int
) -> None:
    """SQLite then rolls back the whole transaction by itself, so the savepoint is gone as well."""
    engine = store(sqlite_url)
    house.open_groups(engine)
    pages = [0]

    @event.listens_for(engine, "connect")
    def limit(connection, _record) -> None:
        connection.execute(f"PRAGMA max_page_count={pages[0] or 1_000_000}")

    engine.dispose()

    async def play() -> None:
        async with house.dispatching(engine) as dispatcher:
            number = 0
            events = []
            for size in (1_000, batch):
                for _ in range(size):
                    person = f"{number:04}"
                    events.append(dispatcher.submit(house.checkin(person, key=person * 40)))
                    number += 1
                if not pages[0]:
                    await asyncio.gather(*events)
                    with engine.connect() as connection:
                        used = connection.execute(text("PRAGMA page_count")).scalar_one()
                    pages[0] = used
                    engine.dispose()
            await asyncio.sleep(1.5)
            early = [done.result().state for done in events if done.done()]
            pages[0] = 0
            engine.dispose()
            outcomes = await asyncio.wait_for(asyncio.gather(*events), 15)
            states = {outcome.state for outcome in outcomes}
            assert states <= {"done", "duplicate"}, (states, len(early))

    asyncio.run(play())
    expected = [f"{number:04}" for number in range(1_000 + batch)]
    assert house.faults(engine) == []
    assert house.paid(engine) == dict.fromkeys(expected, 5)
    assert house.answered(engine) == dict.fromkeys(expected, 1)


@pytest.fixture
def line(postgres_url: str) -> Iterator[house.Wire]:
    with house.wire(postgres_url) as wire:
        yield wire


@pytest.mark.postgres
def test_postgres_gone_for_ten_seconds_under_load(
    store: Open, line: house.Wire, postgres_url: str
) -> None:
    engine, direct = store(line.url), store(postgres_url)
    chats = [f"-{number}" for number in range(4)]
    house.open_groups(direct, *chats)
    people = 600

    async def play() -> None:
        async with (
            house.dispatching(engine, workers=4) as dispatcher,
            asking(dispatcher, engine) as ready,
        ):
            said: list[house.Outgoing] = []
            dispatcher.say = said.extend
            reloads: list[int] = []
            dispatcher.recovered = lambda: reloads.append(1)
            events = []
            for number in range(people):
                chat = chats[number % len(chats)]
                events.append(dispatcher.submit(house.checkin(number, chat=chat)))
                if number == people // 3:
                    line.cut()
                    gone = time.monotonic()
                    await house.until(lambda: not dispatcher.store_up)
                    assert await ready() == 503
                if number % 10 == 0:
                    await asyncio.sleep(0.005)
            await asyncio.sleep(max(0.0, 10 - (time.monotonic() - gone)))
            assert not all(done.done() for done in events)
            line.mend()
            outcomes = await asyncio.wait_for(asyncio.gather(*events), 30)
            assert {outcome.state for outcome in outcomes} <= {"done", "duplicate"}
            assert reloads, "the sender is told to look for answers of commits that nobody heard of"
            assert await ready() == 200

    asyncio.run(play())
    assert house.paid(direct) == {f"{number}": 5 for number in range(people)}
    assert house.answered(direct) == {f"{number}": 1 for number in range(people)}
    assert house.faults(direct) == []


@pytest.mark.postgres
@pytest.mark.parametrize("batch", [1, 20])
def test_a_commit_nobody_heard_of_is_paid_once_and_its_answers_are_said(
    store: Open, line: house.Wire, postgres_url: str, batch: int
) -> None:
    """The line breaks after COMMIT has reached the server, before its answer is back."""
    engine, direct = store(line.url), store(postgres_url)
    house.open_groups(direct)

    async def play() -> None:
        async with house.dispatching(engine) as dispatcher:
            said: list[house.Outgoing] = []
            tasks: list[asyncio.Task[None]] = []

            async def reload() -> None:
                said.extend(await dispatcher.run(house.outbox.waiting))

            dispatcher.say = said.extend
            dispatcher.recovered = lambda: tasks.append(asyncio.create_task(reload()))
            hold = asyncio.ensure_future(dispatcher.run(lambda _tx: time.sleep(0.3)))
            await asyncio.sleep(0.1)
            events = [dispatcher.submit(house.checkin(number)) for number in range(batch)]
            await hold
            line.cut_commits = 1
            outcomes = await asyncio.wait_for(asyncio.gather(*events), 20)
            assert line.commits_cut == 1
            assert {outcome.state for outcome in outcomes} <= {"done", "duplicate"}
            await dispatcher.run(lambda _tx: None)
            await asyncio.sleep(0.2)
            people = {row.person for row in said}
            assert people == {f"{number}" for number in range(batch)}, "every answer is said"
            await asyncio.gather(*tasks)

    asyncio.run(play())
    assert house.paid(direct) == {f"{number}": 5 for number in range(batch)}
    assert house.answered(direct) == {f"{number}": 1 for number in range(batch)}
    assert house.faults(direct) == []


@pytest.mark.postgres
def test_readiness_answers_though_postgres_is_silent(
    store: Open, line: house.Wire, postgres_url: str
) -> None:
    """A server that vanished without a word: whoever asks must not wait for it as long."""
    engine = store(line.url)
    house.open_groups(store(postgres_url))

    async def play() -> None:
        async with house.dispatching(engine) as dispatcher, asking(dispatcher, engine) as ready:
            assert await asyncio.gather(*(ready() for _ in range(4))) == [200] * 4
            line.flowing.clear()
            try:
                event = dispatcher.submit(house.checkin(1))
                assert await ready(8) == 503
            finally:
                line.flowing.set()
            assert (await asyncio.wait_for(event, 10)).state == "done"

    asyncio.run(play())


@pytest.mark.postgres
def test_lines_that_break_all_the_time_lose_and_double_nothing(
    store: Open, line: house.Wire, postgres_url: str
) -> None:
    engine, direct = store(line.url), store(postgres_url)
    chats = [f"-{number}" for number in range(4)]
    house.open_groups(direct, *chats)

    async def play() -> None:
        async with house.dispatching(engine, workers=4) as dispatcher:
            events = []
            for number in range(300):
                chat = chats[number % len(chats)]
                events.append(dispatcher.submit(house.checkin(number, chat=chat)))
                if number % 30 == 10:
                    line.drop()
                if number % 30 == 20:
                    line.cut_commits += 1
                await asyncio.sleep(0.002)
            outcomes = await asyncio.wait_for(asyncio.gather(*events), 30)
            assert {outcome.state for outcome in outcomes} <= {"done", "duplicate"}
            assert line.commits_cut > 3

    asyncio.run(play())
    assert house.paid(direct) == {f"{number}": 5 for number in range(300)}
    assert house.answered(direct) == {f"{number}": 1 for number in range(300)}
    assert house.faults(direct) == []


@pytest.mark.postgres
@pytest.mark.parametrize("sqlstate", ["53100", "25006"])
def test_postgres_that_takes_no_writes_makes_events_wait(
    store: Open, postgres_url: str, sqlstate: str
) -> None:
    """A full disk (53100), or the old primary after a fail-over, now read-only (25006)."""
    engine = store(postgres_url)
    house.open_groups(engine)
    body = f"BEGIN RAISE EXCEPTION 'not now' USING ERRCODE = '{sqlstate}'; END"
    refuse = (
        f"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$",
        "CREATE TRIGGER full_disk BEFORE INSERT ON posting EXECUTE FUNCTION refuse()",
    )

    async def play() -> None:
        async with house.dispatching(engine) as dispatcher:
            await dispatcher.submit(house.checkin("before"))
            with engine.begin() as connection:
                for statement in refuse:
                    connection.execute(text(statement))
            events = [dispatcher.submit(house.checkin(number)) for number in range(5)]
            await asyncio.sleep(1)
            early = [done.result().state for done in events if done.done()]
            with engine.begin() as connection:
                connection.execute(text("DROP TRIGGER full_disk ON posting"))
            await asyncio.wait_for(asyncio.gather(*events), 10)
            assert early == [], "events are kept until they can be paid"

    asyncio.run(play())
    assert house.paid(engine) == dict.fromkeys(["before", *map(str, range(5))], 5)


@pytest.mark.postgres
def test_a_job_is_done_once_though_another_of_its_batch_meets_trouble(
    store: Open, postgres_url: str
) -> None:
    """Receipts make running an event again harmless; a job has none."""
    engine = store(postgres_url)
    house.open_groups(engine)
    killer = create_engine(make_url(postgres_url), isolation_level="AUTOCOMMIT")
    tries: list[str] = []

    def unlucky(tx: house.Tx) -> None:
        tries.append("unlucky")
        if len(tries) == 1:
            tx.run(house.Sql("SELECT nothing FROM nowhere"))
        if tries.count("unlucky") == 2:
            pid = tx.one(house.Sql("SELECT pg_backend_pid()"))[0]
            with killer.connect() as connection:
                connection.execute(text(f"SELECT pg_terminate_backend({pid})"))

    def count(tx: house.Tx) -> None:
        tx.run(house.Sql("UPDATE programme SET name = name || '+' WHERE id = 1"))

    async def play() -> None:
        async with house.dispatching(engine) as dispatcher:
            hold = asyncio.ensure_future(dispatcher.run(lambda _tx: time.sleep(0.2)))
            await asyncio.sleep(0.05)
            await asyncio.gather(hold, dispatcher.run(unlucky), dispatcher.run(count))

    asyncio.run(play())
    with house.reading(engine) as tx:
        assert tx.one(house.Sql("SELECT name FROM programme WHERE id = 1"))[0] == "营+"
    for each in (engine, killer):
        each.dispose()
