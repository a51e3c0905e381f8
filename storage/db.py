"""The database: engines for SQLite and PostgreSQL, and `Tx`, one open transaction."""

import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

DATABASE_ERRORS = (SQLAlchemyError, sqlite3.Error, psycopg.Error)
SQLITE_VERSION_MIN = (3, 35, 0)  # RETURNING
BUSY_TIMEOUT_MS = 1_000
POSTGRES_CONNECT = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,  # ms; a server that vanished without a word is noticed
}

sqlite3.register_adapter(date, date.isoformat)


class Sql:
    """A statement of the hot path, written once with `:name` placeholders for both databases.

    It goes to the driver as it stands: through SQLAlchemy Core the same statements take five to
    ten times as long (docs/decisions/0003). Everything else uses Core and the tables.
    """

    __slots__ = ("postgres", "sqlite")

    def __init__(self, text: str) -> None:
        """Take SQL that both databases understand."""
        self.sqlite = text
        self.postgres = re.sub(r"(?<!:):(\w+)", r"%(\1)s", text.replace("%", "%%"))


class Tx:
    """One open transaction. Storage functions take it and never commit.

    `core` is the SQLAlchemy connection of the same transaction. Rows handed to `later` are
    written in one statement when the batch ends: for inserts that nobody reads before that.
    """

    def __init__(self, connection: Connection) -> None:
        """Wrap a connection whose transaction is open."""
        self.core = connection
        self.is_sqlite = connection.dialect.name == "sqlite"
        self._cursor: Any = connection.connection.cursor()
        self._later: dict[Sql, list[dict[str, Any]]] = {}
        self._totals: list[tuple[int, str, str, int]] = []
        self.seen: dict[Any, Any] = {}
        """What was read of slow-changing rows (groups, programmes) in this transaction."""

    @property
    def alive(self) -> bool:
        """Whether the transaction still stands: some errors undo all of it, not one statement."""
        driver: Any = self.core.connection.driver_connection
        if self.is_sqlite:
            return bool(driver.in_transaction)
        return bool(driver.info.transaction_status == TransactionStatus.INTRANS)

    def run(self, sql: Sql, **values: Any) -> Any:
        """Execute a statement; return the driver's cursor, good until the next statement."""
        return self._cursor.execute(sql.sqlite if self.is_sqlite else sql.postgres, values)

    def one(self, sql: Sql, **values: Any) -> Any:
        """Return the first row as a tuple, or None."""
        return self.run(sql, **values).fetchone()

    def all(self, sql: Sql, **values: Any) -> Sequence[Any]:
        """Return all rows as tuples."""
        rows: Sequence[Any] = self.run(sql, **values).fetchall()
        return rows

    def later(self, sql: Sql, row: dict[str, Any]) -> None:
        """Write the row when the batch ends, together with its like."""
        self._later.setdefault(sql, []).append(row)

    def total(self, programme_id: int, wallet: str, bucket: str, amount: int) -> None:
        """Move a programme's own bucket when the batch ends, once for the whole batch."""
        self._totals.append((programme_id, wallet, bucket, amount))

    def take_totals(self) -> dict[tuple[int, str, str], int]:
        """Return the programmes' movements, summed, in one order for every process."""
        sums: dict[tuple[int, str, str], int] = {}
        for programme_id, wallet, bucket, amount in self._totals:
            key = (programme_id, wallet, bucket)
            sums[key] = sums.get(key, 0) + amount
        self._totals.clear()
        return dict(sorted(sums.items()))

    def write_later_rows(self) -> None:
        """Write what `later` collected."""
        for sql, rows in self._later.items():
            self.many(sql, rows)
        self._later.clear()

    def many(self, sql: Sql, rows: Iterable[dict[str, Any]]) -> None:
        """Execute a statement for each row."""
        self._cursor.executemany(sql.sqlite if self.is_sqlite else sql.postgres, list(rows))

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Run one unit of work: kept whole, or undone whole when it raises."""
        marks = {sql: len(rows) for sql, rows in self._later.items()}
        totals = len(self._totals)
        self._cursor.execute("SAVEPOINT unit")
        try:
            yield
        except BaseException:
            self._cursor.execute("ROLLBACK TO SAVEPOINT unit")
            self._cursor.execute("RELEASE SAVEPOINT unit")
            for sql, rows in self._later.items():
                del rows[marks.get(sql, 0) :]
            del self._totals[totals:]
            self.seen.clear()
            raise
        self._cursor.execute("RELEASE SAVEPOINT unit")


def open_engine(url: str, *, workers: int = 4) -> Engine:
    """Return the engine that writes. Errors: ValueError for a database that is not supported."""
    backend = make_url(url).get_backend_name()
    if backend == "sqlite":
        return _open_sqlite(url)
    if backend == "postgresql":
        return create_engine(
            url,
            pool_size=workers + 2,
            max_overflow=4,
            pool_pre_ping=True,
            connect_args=POSTGRES_CONNECT,
        )
    raise ValueError(f"{backend} is not supported: use sqlite:///… or postgresql+psycopg://…")


def _open_sqlite(url: str) -> Engine:
    if sqlite3.sqlite_version_info < SQLITE_VERSION_MIN:
        raise ValueError(f"SQLite {sqlite3.sqlite_version} is too old: 3.35 or newer is needed")
    path = make_url(url).database
    if path and path != ":memory:":
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"check_same_thread": False})

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        for pragma in (
            f"busy_timeout={BUSY_TIMEOUT_MS}",
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "recursive_triggers=ON",  # INSERT OR REPLACE counts as the DELETE that it is
            "cache_size=-65536",
            "temp_store=MEMORY",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        reading = connection.get_execution_options().get("qunying_reads", False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


@contextmanager
def reading(engine: Engine) -> Iterator[Tx]:
    """Open a transaction for reading alone: it sees one moment and waits for nobody."""
    options = {"qunying_reads": True, "postgresql_readonly": True}
    with engine.connect().execution_options(**options) as connection, connection.begin():
        yield Tx(connection)


def to_ms(moment: datetime) -> int:
    """Return an aware datetime as milliseconds since 1970 UTC, the store's form of an instant."""
    if moment.tzinfo is None:
        raise ValueError("a datetime without a zone is no instant")
    return int(moment.timestamp() * 1000)


def from_ms(ms: int) -> datetime:
    """Return the aware UTC datetime of a stored instant."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def to_day(value: Any) -> date | None:
    """Return a stored date: SQLite gives text, PostgreSQL a date, both may be NULL."""
    return date.fromisoformat(value) if isinstance(value, str) else value
