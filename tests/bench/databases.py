"""Databases of a bench's own: templates, and a fresh copy of one for each measured run."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from storage import audit
from storage.db import open_engine, reading
from storage.schema import migrate
from tests import services
from tests.bench.community import Community, copy_sqlite, fill


def settle() -> None:
    """Let the disk write what setting up has left to it, or the measured commits wait for that."""
    os.sync()


def balanced(url: str) -> None:
    """The books balance, or the figure is worth nothing."""
    engine = open_engine(url)
    with reading(engine) as tx:
        found = audit.faults(tx)
    engine.dispose()
    assert found == [], found[:3]


class Sqlite:
    """Fresh copies of a filled database file."""

    name = "SQLite"

    def __init__(self, folder: Path, who: Community, days: list[date], *, absent: int = 1) -> None:
        self._template = folder / f"template-{uuid.uuid4().hex[:6]}.db"
        self._folder = folder
        url = f"sqlite:///{self._template}"
        engine = open_engine(url)
        migrate(engine)
        engine.dispose()
        fill(url, who, days, absent=absent)
        balanced(url)

    @contextmanager
    def fresh(self) -> Iterator[str]:
        path = self._folder / f"{uuid.uuid4().hex[:12]}.db"
        url = copy_sqlite(self._template, path)
        settle()
        yield url
        for tail in ("", "-wal", "-shm", ".lock"):
            Path(f"{path}{tail}").unlink(missing_ok=True)


class Postgres:
    """Fresh copies of a filled database on the tests' server."""

    name = "PostgreSQL"

    def __init__(self, who: Community, days: list[date]) -> None:
        server = services.postgres_url()
        assert server is not None, f"PostgreSQL was not found: {services.HOW}"
        self._server = make_url(server)
        self._admin = create_engine(server, isolation_level="AUTOCOMMIT")
        self._template = f"qunying_bench_{uuid.uuid4().hex[:12]}"
        self._run(f"CREATE DATABASE {self._template}")
        try:
            url = self._url(self._template)
            engine = open_engine(url)
            migrate(engine)
            engine.dispose()
            fill(url, who, days)
            balanced(url)
        except BaseException:
            self.close()
            raise

    def _run(self, statement: str) -> None:
        with self._admin.connect() as connection:
            connection.execute(text(statement))

    def _url(self, name: str) -> str:
        return self._server.set(database=name).render_as_string(hide_password=False)

    @contextmanager
    def fresh(self) -> Iterator[str]:
        name = f"qunying_bench_{uuid.uuid4().hex[:12]}"
        self._run(f"CREATE DATABASE {name} TEMPLATE {self._template}")
        try:
            self._run("CHECKPOINT")
            settle()
            yield self._url(name)
        finally:
            self._run(f"DROP DATABASE {name} WITH (FORCE)")

    def close(self) -> None:
        self._run(f"DROP DATABASE IF EXISTS {self._template} WITH (FORCE)")
        self._admin.dispose()


@contextmanager
def postgres(who: Community, days: list[date]) -> Iterator[Postgres]:
    store = Postgres(who, days)
    try:
        yield store
    finally:
        store.close()
