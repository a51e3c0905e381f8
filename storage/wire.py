"""Statements to PostgreSQL through libpq itself: several in one journey, few instructions each.

A cursor of the driver takes a tenth of a millisecond of Python for a statement, its pipelines
more, and all threads share that time; a journey to the server and back takes two tenths whether
it carries one statement or eight (docs/decisions/0020). Whatever is not hot uses the cursors.
"""

import select
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from itertools import count
from typing import Any, NamedTuple

import psycopg
from psycopg import errors
from psycopg.abc import Transformer
from psycopg.adapt import PyFormat
from psycopg.adapt import Transformer as NewTransformer
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult

from storage.sql import Wired

PREPARE_AFTER = 3
"""A statement that a connection has executed so often is prepared."""
PREPARED_MAX = 400
PAGE = 1_000
"""So many rows are made at a time where they are gone through."""
_UNKNOWN, _BOOL, _INT8, _DATE = 0, 16, 20, 1082
"""Numbers of types. A text is sent as of unknown type, as the driver does: it fits any column."""
_GOOD = {ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK}
_FORGOTTEN = (errors.InvalidSqlStatementName, errors.FeatureNotSupported)
"""Somebody has deallocated what was prepared, or a table has other columns now."""

_Key = tuple[Wired, tuple[int, ...]]


class Call(NamedTuple):
    """A statement with its values, in the form in which libpq takes them."""

    sql: Wired
    types: tuple[int, ...]
    texts: list[bytes | None]


class Answer:
    """What a statement has brought: like a cursor, but of this statement alone."""

    __slots__ = ("_read", "_result", "_row")

    def __init__(self, result: PGresult, read: Transformer) -> None:
        """Take libpq's result, and what reads its values."""
        self._result, self._read, self._row = result, read, 0

    @property
    def tag(self) -> str:
        """The server's word for what it has done: `COMMIT`, `INSERT 0 1`."""
        return (self._result.command_status or b"").decode()

    @property
    def columns(self) -> int:
        """How many columns its rows have; 0 for a statement that brings none."""
        return self._result.nfields

    @property
    def rowcount(self) -> int:
        """How many rows were changed, or found."""
        return int(self._result.command_tuples or 0)

    def fetchone(self) -> Any:
        """Return the next row as a tuple, or None."""
        return next(iter(self._some(1)), None)

    def fetchall(self) -> Sequence[Any]:
        """Return all rows that are left, as tuples."""
        return self._some(self._result.ntuples)

    def __iter__(self) -> Iterator[Any]:
        """Yield the rows that are left."""
        while rows := self._some(PAGE):
            yield from rows

    def _some(self, most: int) -> Sequence[Any]:
        first, self._row = self._row, min(self._row + most, self._result.ntuples)
        self._read.set_pgresult(self._result)
        return self._read.load_rows(first, self._row, tuple)


class Wire:
    """A connection's way to the server, for one thread at a time. It outlives transactions."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        """Take an open connection of the driver."""
        self._driver = connection
        self._pq: PGconn = connection.pgconn
        self._read: Transformer = NewTransformer(connection)
        encoding = connection.info.encoding
        self._encoding = "utf-8" if encoding == "ascii" else encoding  # SQL_ASCII takes any bytes
        self._uses: dict[_Key, int] = {}
        self._names: dict[_Key, bytes] = {}
        self._number = count()
        self._in, self._out = select.poll(), select.poll()
        self._in.register(self._pq.socket, select.POLLIN)
        self._out.register(self._pq.socket, select.POLLIN | select.POLLOUT)

    @property
    def idle(self) -> bool:
        """Whether no transaction is open."""
        return self._pq.transaction_status == TransactionStatus.IDLE

    @property
    def sound(self) -> bool:
        """Whether a transaction is open that another statement may join."""
        return self._pq.transaction_status == TransactionStatus.INTRANS

    def call(self, sql: Wired, values: Iterable[Any] = ()) -> Call:
        """Return a statement with its values, in the order of their numbers.

        Errors: ValueError and others for what PostgreSQL cannot be told.
        """
        dumped = [self._dump(value) for value in values]
        return Call(sql, tuple(type_ for type_, _ in dumped), [text for _, text in dumped])

    def execute(self, calls: Sequence[Call]) -> list[Answer]:
        """Execute statements in order and return their answers.

        What follows one that fails is not executed. Errors: psycopg.Error.
        """
        sent: list[_Key | None] = []
        """For each answer that will come what it prepares, or None."""
        try:
            self._pq.enter_pipeline_mode()
            for call in calls:
                sent += self._send(call)
            self._pq.pipeline_sync()
            self._push()
            results = [self._result() for _ in sent]
            self._result()  # the sync's own
            self._pq.exit_pipeline_mode()
        except BaseException:
            self._driver.close()  # lost, or full of answers that nobody reads any more
            raise
        answers = []
        failed: PGresult | None = None
        for prepares, result in zip(sent, results, strict=True):
            if result.status not in _GOOD:
                failed = failed or result
                if prepares is not None:
                    del self._names[prepares]
            elif prepares is None:
                answers.append(Answer(result, self._read))
        if failed is not None:
            error = errors.error_from_result(failed, encoding=self._encoding)
            if isinstance(error, _FORGOTTEN):
                self._names.clear()
            raise error
        return answers

    def _send(self, call: Call) -> list[_Key | None]:
        sql, types, texts = call
        key = (sql, types)
        name = self._names.get(key)
        if name is not None:
            self._pq.send_query_prepared(name, texts)
            return [None]
        uses = self._uses[key] = self._uses.get(key, 0) + 1
        if uses <= PREPARE_AFTER or len(self._names) >= PREPARED_MAX:
            self._pq.send_query_params(sql.wired, texts, types)
            return [None]
        name = self._names[key] = b"qunying%d" % next(self._number)
        self._pq.send_prepare(name, sql.wired, types)
        self._pq.send_query_prepared(name, texts)
        return [key, None]

    def _push(self) -> None:
        """Give the network what is to be sent; reading meanwhile, or both sides could wait."""
        while self._pq.flush():
            for _, event in self._out.poll():
                if event != select.POLLOUT:
                    self._pq.consume_input()

    def _result(self) -> PGresult:
        """Wait for the next answer. libpq's own waiting would keep every other thread from work."""
        while True:
            while self._pq.is_busy():
                self._in.poll()
                self._pq.consume_input()
            result = self._pq.get_result()
            if result is not None:
                return result
            if self._pq.status != ConnStatus.OK:
                raise psycopg.OperationalError("the connection is lost")

    def _dump(self, value: Any) -> tuple[int, bytes | None]:
        """Return a value as PostgreSQL's text, and the number of its type."""
        kind = type(value)
        if kind is int:
            return _INT8, b"%d" % value
        if kind is str:
            text = value.encode(self._encoding)
            if b"\0" in text:
                raise ValueError("PostgreSQL text cannot contain NUL")  # trying again is of no use
            return _UNKNOWN, text
        if value is None:
            return _UNKNOWN, None
        if kind is date:
            return _DATE, value.isoformat().encode()
        if kind is bool:
            return _BOOL, b"t" if value else b"f"
        (other,) = self._read.dump_sequence([value], [PyFormat.TEXT])
        return (self._read.types or (_UNKNOWN,))[0], None if other is None else bytes(other)
