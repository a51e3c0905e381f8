"""One process serves a database: the second is told so, and a dead one's lock is free."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine, event

from storage.db import DATABASE_ERRORS, open_engine
from storage.lock import LockedError, only_process

ROOT = Path(__file__).parents[2]
HOLDER = """
import sys
from storage.db import open_engine
from storage.lock import LockedError, only_process
try:
    with only_process(open_engine(sys.argv[1])):
        print("held", flush=True)
        sys.stdin.read()
except LockedError as error:
    print(f"locked: {error}", flush=True)
"""


@contextmanager
def _process(url: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, url],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def _said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _free_within(engine: Engine, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            with only_process(engine):
                return True
        except LockedError:
            time.sleep(0.02)
    return False


def test_a_second_process_is_refused_until_the_first_is_killed(
    engine: Engine, store_url: str
) -> None:
    with _process(store_url) as holder:
        assert _said(holder) == "held"
        with pytest.raises(LockedError, match="in use by another process"), only_process(engine):
            pass
        holder.kill()  # kill -9: nothing is tidied up
        holder.wait()
        assert _free_within(engine, 3)


def test_a_process_is_refused_while_we_hold_the_lock(engine: Engine, store_url: str) -> None:
    with only_process(engine), _process(store_url) as second:
        assert _said(second).startswith("locked: ")


def test_the_lock_is_free_again_after_its_block(engine: Engine, store_url: str) -> None:
    with only_process(engine):
        pass
    with pytest.raises(ZeroDivisionError), only_process(engine):
        _ = 1 / 0
    other = open_engine(store_url)
    try:
        assert _free_within(other, 0.3)
    finally:
        other.dispose()


def test_other_databases_are_not_locked(engine: Engine, tmp_path: Path) -> None:
    other = open_engine(f"sqlite:///{tmp_path}/other.db")
    with only_process(engine), only_process(other):
        pass
    other.dispose()


@pytest.mark.postgres
def test_a_lock_that_could_not_be_looked_at_twice_is_taken_again(postgres_url: str) -> None:
    """An outage longer than one look must not leave the database without its lock."""
    engine = open_engine(postgres_url)
    other = open_engine(postgres_url)
    away = False

    @event.listens_for(engine, "do_connect")
    def refuse(*_args: object) -> None:
        if away:
            raise psycopg.OperationalError("nobody is there")

    with only_process(engine) as lock:
        assert lock.held()
        away = True
        with other.connect().execution_options(isolation_level="AUTOCOMMIT") as admin:
            admin.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
        for _ in range(2):
            with pytest.raises(DATABASE_ERRORS):
                lock.held()
        away = False
        assert lock.held()
        with pytest.raises(LockedError), only_process(other):
            pass
    with only_process(other):
        pass
    engine.dispose()
    other.dispose()
