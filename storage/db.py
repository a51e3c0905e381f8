"""The database: engines for SQLite and PostgreSQL, and `Tx`, one open transaction."""

import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DisconnectionError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from storage.books import Books
from storage.journeys import Journeys, Sent, order
from storage.sql import Insert
from storage.sql import Sql as Sql  # noqa: PLC0414 - for everything that takes a Tx
from storage.wire import Wire

DATABASE_ERRORS = (SQLAlchemyError, sqlite3.Error, psycopg.Error)
SQLITE_VERSION_MIN = (3, 35, 0)  # RETURNING
BUSY_TIMEOUT_MS = 1_000
FEW_ROWS = 8
"""Up to so many new rows are written one by one: a COPY is two messages and their answers more."""
WIRE = "qunying_wire"
"""Where a connection of the pool keeps its way to the server."""
SECRET = "qunying_secret"  # noqa: S105 - a name
"""Where an engine keeps the installation's secret, out of reach of who reads the database."""
FRESH_S = 5.0
"""A connection used so lately is not asked whether it still lives: that is a whole round trip."""
SQLITE_PRAGMAS = (
    f"busy_timeout={BUSY_TIMEOUT_MS}",
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "recursive_triggers=ON",  # INSERT OR REPLACE counts as the DELETE that it is
    "cache_size=-65536",
    "temp_store=MEMORY",
    # 40 MB of log before it is copied back: pages that change often are copied once, not each time
    "wal_autocheckpoint=10000",
)
POSTGRES_CONNECT = {
    "prepare_threshold": None,  # else the driver, after a DROP, has ours deallocated as well
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,  # ms; a server that vanished without a word is noticed
}

sqlite3.register_adapter(date, date.isoformat)


class Tx:
    """One open transaction. Storage functions take it and never commit.

    Rows handed to `later` are written in one statement when the batch ends: for inserts that
    nobody reads before that. What is handed to `send` is in the database for every later
    statement, but travels with the next one that is waited for: a message to PostgreSQL and back
    takes as long as several statements.
    """

    def __init__(
        self, connection: Connection, *, careful: bool = False, writes: bool = True
    ) -> None:
        """Wrap a connection whose transaction is open; `careful` takes nothing for new unasked."""
        self._core = connection
        self.careful = careful
        self.writes = writes
        self.books = Books()
        self.is_sqlite = connection.dialect.name == "sqlite"
        driver: Any = connection.connection.driver_connection
        self._driver = driver
        self._cursor: Any = driver.cursor()
        self._journeys: Journeys | None = None
        """To PostgreSQL; SQLite is no way off."""
        if not self.is_sqlite:
            wire = connection.info.get(WIRE) or Wire(driver)
            connection.info[WIRE] = wire
            self._journeys = Journeys(wire, writes=writes)
        self._depth = 0
        self._left: dict[int, str] = {}
        """The savepoint that was left last, and is not closed yet, by its depth."""
        self._later: dict[Insert, list[Sequence[Any]]] = {}
        self.told: list[Any] = []
        """What this unit has put into the outbox: it is handed to the sender after the commit."""
        self.seen: dict[Any, Any] = {}
        """What was read of slow-changing rows (groups, programmes) in this transaction."""

    @property
    def secret(self) -> bytes:
        """What signs and marks for this installation, and stands in no table; empty for none."""
        found: bytes = self._core.get_execution_options().get(SECRET, b"")
        return found

    @property
    def alive(self) -> bool:
        """Whether the transaction still stands: some errors undo all of it, not one statement."""
        if self._journeys is not None:
            return self._journeys.alive
        return bool(self._driver.in_transaction)

    @property
    def core(self) -> Connection:
        """The SQLAlchemy connection of the same transaction."""
        if self._journeys is not None:
            with self._under_way():
                self._journeys.begin()
        return self._core

    def run(self, sql: Sql, **values: Any) -> Any:
        """Execute a statement; return its cursor, on SQLite good until the next statement."""
        if self._journeys is None:
            return self._cursor.execute(sql.sqlite, values)
        with self._under_way():
            return self._journeys.run(sql, [values[name] for name in sql.names])

    def send(self, sql: Sql, **values: Any) -> Sent:
        """Execute a statement whose result is not needed at once: it goes before the next one.

        What goes wrong with it is raised by a later statement, at the latest when its savepoint
        or the transaction ends.
        """
        if self._journeys is None:
            return self._at_once(sql, values)
        return self._journeys.send(sql, [values[name] for name in sql.names])

    def follow(self, sql: Sql, **values: Any) -> Sent:
        """Execute a statement right after the next one, so that it sees what that one waits for."""
        if self._journeys is None:
            return self._at_once(sql, values)
        return self._journeys.follow(sql, [values[name] for name in sql.names])

    def _at_once(self, sql: Sql, values: dict[str, Any]) -> Sent:
        sent = Sent(self.flush)
        cursor = self._driver.execute(sql.sqlite, values)
        rows = cursor.fetchall()
        sent.arrived(cursor.rowcount, rows)
        return sent

    def flush(self) -> None:
        """Let what has been sent arrive."""
        if self._journeys is not None:
            with self._under_way():
                self._journeys.flush()

    @contextmanager
    def _under_way(self) -> Iterator[None]:
        """Tell the pool of a connection that did not survive a journey, whatever ended it."""
        try:
            yield
        except BaseException:
            if self._driver.closed:
                self._core.invalidate()
            raise

    def one(self, sql: Sql, **values: Any) -> Any:
        """Return the first row as a tuple, or None."""
        return self.run(sql, **values).fetchone()

    def all(self, sql: Sql, **values: Any) -> Sequence[Any]:
        """Return all rows as tuples."""
        rows: Sequence[Any] = self.run(sql, **values).fetchall()
        return rows

    def later(self, into: Insert, row: Sequence[Any]) -> None:
        """Write the row when the batch ends, together with its like."""
        self._later.setdefault(into, []).append(row)

    def close(self, *, commit: bool = False) -> None:
        """Write what the batch has collected; PostgreSQL may commit it in the same journey."""
        for into, rows in self._later.items():
            self.insert(into, rows)
        self._later.clear()
        self.books.close(self)  # last: what it locks, every other batch waits for
        if commit and self._journeys is not None:
            with self._under_way():
                self._journeys.commit()
        else:
            self.flush()

    def each(self, sql: Sql, rows: Sequence[Sequence[Any]]) -> None:
        """Execute a statement with `?` for each row, given as tuples in its order."""
        self.flush()
        self._cursor.executemany(sql.sqlite if self.is_sqlite else sql.postgres, rows)

    def insert(self, into: Insert, rows: Sequence[Sequence[Any]]) -> None:
        """Write new rows; PostgreSQL gets many by COPY, and few like anything that is sent."""
        if self._journeys is None:
            self._cursor.executemany(into.sqlite, rows)
        elif len(rows) <= FEW_ROWS:
            for row in rows:
                self._journeys.send(into, row)
        else:
            self.flush()
            columns = ", ".join(into.columns)
            with self._cursor.copy(f"COPY {into.table} ({columns}) FROM STDIN") as target:
                for row in rows:
                    target.write_row(row)

    def many(self, sql: Sql, rows: Iterable[dict[str, Any]]) -> None:
        """Execute a statement for each row."""
        self.flush()
        self._cursor.executemany(sql.sqlite if self.is_sqlite else sql.postgres, list(rows))

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Run one unit of work: kept whole, or undone whole when it raises.

        On PostgreSQL it is opened by the unit's first journey, and closed by the next unit's.
        """
        if self._journeys is not None and self._journeys.pending:
            self.flush()  # it belongs to the work around this unit
        marks = {into: len(rows) for into, rows in self._later.items()}
        told = len(self.told)
        books, left = self.books.copy(), self._left.copy()
        mark = self._journeys.mark() if self._journeys is not None else None
        self._depth += 1
        name = self._open_savepoint()
        try:
            yield
            self._end_unit()
        except BaseException:
            for into, rows in self._later.items():
                del rows[marks.get(into, 0) :]
            del self.told[told:]
            self.books = books
            self.seen.clear()
            if mark is not None and self._journeys is not None and self._journeys.take_back(mark):
                self._left = left
            else:
                self._undo(order(f"ROLLBACK TO SAVEPOINT {name}"))
            raise
        finally:
            self._depth -= 1

    def _open_savepoint(self) -> str:
        """Open a savepoint and return its name; first close the one before it, if any.

        Two names take turns: if the new one never comes to be, going back to it fails, instead of
        undoing the unit before. Savepoints that pile up would cost PostgreSQL memory and speed; a
        commit closes the last.
        """
        before = self._left.pop(self._depth, "")
        turn = "a" if before.endswith("b") else "b"
        name = self._left[self._depth] = f"unit{self._depth}{turn}"
        self._left = {depth: each for depth, each in self._left.items() if depth <= self._depth}
        orders = [f"RELEASE SAVEPOINT {before}"] if before else []
        for text in (*orders, f"SAVEPOINT {name}"):
            if self._journeys is None:
                self._cursor.execute(text)
            else:
                self._journeys.order(order(text))
        return name

    def _end_unit(self) -> None:
        """Hear what became of all that the unit has sent. Errors: its own."""
        if self._journeys is None:
            return
        if self._journeys.pending:
            self.flush()
        if not self._journeys.alive:  # somebody has kept an error to himself
            raise psycopg.errors.InFailedSqlTransaction("the unit broke its transaction")

    def _undo(self, back: Sql) -> None:
        if self._journeys is None:
            if self.alive:  # SQLite may have undone everything by itself
                self._cursor.execute(back.sqlite)
        elif not self._driver.closed:
            with self._under_way():
                self._journeys.run(back)


def open_engine(url: str, *, workers: int = 4, secret: bytes = b"") -> Engine:
    """Return the engine that writes. Errors: ValueError for a database that is not supported.

    `secret` is the installation's own (`Tx.secret`).
    """
    backend = make_url(url).get_backend_name()
    if backend == "sqlite":
        engine = _open_sqlite(url)
    elif backend == "postgresql":
        engine = _open_postgres(url, workers)
    else:
        raise ValueError(f"{backend} is not supported: use sqlite:///… or postgresql+psycopg://…")
    engine.update_execution_options(**{SECRET: secret})
    return engine


def missing_file(url: str) -> Path | None:
    """Return the file of a SQLite database that is not there; None when there is one, or a server.

    SQLite makes an empty file of whatever it opens: who only wants to read looks here first.
    """
    parts = make_url(url)
    if parts.get_backend_name() != "sqlite" or "uri" in parts.query:
        return None
    path = Path(str(parts.database))
    return None if path.exists() else path


def _open_postgres(url: str, workers: int) -> Engine:
    engine = create_engine(
        url, pool_size=workers + 2, max_overflow=4, connect_args=POSTGRES_CONNECT
    )

    @event.listens_for(engine, "checkin")
    def used(_connection: Any, record: Any) -> None:
        record.info["used"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def alive(connection: Any, record: Any, _proxy: Any) -> None:
        """Let the pool replace a connection that died while nobody used it."""
        if time.monotonic() - record.info.get("used", time.monotonic()) < FRESH_S:
            return
        try:
            connection.execute("SELECT 1")
            connection.rollback()
        except psycopg.Error as error:
            raise DisconnectionError from error

    return engine


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
        for pragma in SQLITE_PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        reading = connection.get_execution_options().get("qunying_reads", False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


@contextmanager
def reading(engine: Engine) -> Iterator[Tx]:
    """Open a transaction for reading alone: it sees one moment and waits for nobody."""
    with (
        engine.connect().execution_options(qunying_reads=True) as connection,
        connection.begin(),
    ):
        yield Tx(connection, writes=False)


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


_SQLITE_DOWN = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
}
_POSTGRES_DOWN_CLASSES = ("08", "53", "57", "58")
"""SQLSTATE classes: connection, resources (disk full), intervention (shutdown), system error."""
_POSTGRES_READ_ONLY = "25006"  # connected to a standby


def is_down(error: BaseException) -> bool:
    """Whether the database itself is in trouble (away, locked, full), not the statement."""
    original = getattr(error, "orig", None) or error
    if isinstance(original, sqlite3.Error):
        return getattr(original, "sqlite_errorcode", 0) & 0xFF in _SQLITE_DOWN
    if isinstance(original, psycopg.Error):
        if original.sqlstate is None:  # the client's own: no connection
            return isinstance(original, psycopg.OperationalError | psycopg.InterfaceError)
        state = original.sqlstate
        return state == _POSTGRES_READ_ONLY or state.startswith(_POSTGRES_DOWN_CLASSES)
    return isinstance(original, PoolTimeout)
