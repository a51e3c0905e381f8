"""What goes to PostgreSQL in one transaction: collected, and delivered with what is waited for."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import psycopg

from storage.sql import Sql, Wired
from storage.wire import Answer, Call, Wire


class Sent:
    """A statement that nobody waits for yet: it reaches the server with another that is."""

    __slots__ = ("_count", "_flush", "_rows")

    def __init__(self, flush: Callable[[], None]) -> None:
        """Take what makes it arrive."""
        self._flush = flush
        self._count: int | None = None
        self._rows: Sequence[Any] = ()

    def arrived(self, count: int, rows: Sequence[Any]) -> None:
        """Note how many rows it has changed or found, and what it has found."""
        self._count, self._rows = count, rows

    @property
    def count(self) -> int:
        """How many rows it has changed. Errors: its own, if it has not been heard of before."""
        return self._wait()

    @property
    def rows(self) -> Sequence[Any]:
        """What it has found, as tuples. Errors: its own, if it has not been heard of before."""
        self._wait()
        return self._rows

    def _wait(self) -> int:
        if self._count is None:
            self._flush()
        if self._count is None:
            raise RuntimeError("the statement was undone before anybody heard of it")
        return self._count


@cache
def order(text: str) -> Sql:
    """Return a statement about the transaction itself."""
    return Sql(text)


BEGIN = order("BEGIN")
BEGIN_READING = order("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
COMMIT = order("COMMIT")
_Waiting = tuple[Call, Sent | None]
"""A statement, and who hears what became of it: nobody, of a savepoint."""
Mark = tuple[list[_Waiting], int]


class Journeys:
    """The journeys of one transaction, whose BEGIN goes with the first of them."""

    def __init__(self, wire: Wire, *, writes: bool) -> None:
        """Take the connection's way to the server."""
        self.wire = wire
        self._begin = BEGIN if writes else BEGIN_READING
        self._begun = False
        self._before: list[_Waiting] = []
        self._after: list[_Waiting] = []

    @property
    def alive(self) -> bool:
        """Whether the transaction still stands, or has not been begun."""
        return self.wire.sound or (self.wire.idle and not self._begun)

    @property
    def pending(self) -> bool:
        """Whether a statement waits whose failure somebody must hear of."""
        return bool(self._after) or any(sent is not None for _, sent in self._before)

    def send(self, sql: Wired, values: Sequence[Any]) -> Sent:
        """Execute a statement before the next one that is waited for."""
        return self._put(self._before, sql, values)

    def follow(self, sql: Wired, values: Sequence[Any]) -> Sent:
        """Execute a statement after the next one that is waited for."""
        return self._put(self._after, sql, values)

    def _put(self, line: list[_Waiting], sql: Wired, values: Sequence[Any]) -> Sent:
        sent = Sent(self.flush)
        line.append((self.wire.call(sql, values), sent))
        return sent

    def order(self, sql: Sql) -> None:
        """Send a statement about a savepoint."""
        self._before.append((self.wire.call(sql), None))

    def mark(self) -> Mark:
        """Return where the line stands, for `take_back`."""
        return self._before, len(self._before)

    def take_back(self, mark: Mark) -> bool:
        """Take back all that was sent since, if none of it has left; whether it was so."""
        line, length = mark
        if line is not self._before:
            self._before, self._after = [], []
            return False
        del line[length:]
        self._after.clear()
        return True

    def begin(self) -> None:
        """Let the transaction begin, and what was sent arrive."""
        if self._before or self._after or self.wire.idle:
            self._deliver([])

    def flush(self) -> None:
        """Let what was sent arrive."""
        if self._before or self._after:
            self._deliver([])

    def run(self, sql: Wired, values: Sequence[Any] = ()) -> Answer:
        """Execute a statement, and what waits, in one journey."""
        return self._deliver([self.wire.call(sql, values)])[0]

    def commit(self) -> None:
        """Commit, unless nothing has begun. Errors: psycopg's, when nothing was committed."""
        if self._after:
            self.flush()
        if self._before or not self.wire.idle:
            end = self.run(COMMIT)
            if end.tag != "COMMIT":  # what failed before has undone everything
                raise psycopg.errors.InFailedSqlTransaction("nothing was committed")

    def _deliver(self, these: list[Call]) -> list[Answer]:
        before, after = self._before, self._after
        self._before, self._after = [], []
        begin = [self.wire.call(self._begin)] if self.wire.idle else []
        first, last = [call for call, _ in before], [call for call, _ in after]
        self._begun = True
        answers = self.wire.execute([*begin, *first, *these, *last])[len(begin) :]
        mine = answers[len(before) : len(before) + len(these)]
        del answers[len(before) : len(before) + len(these)]
        for (_, sent), answer in zip([*before, *after], answers, strict=True):
            if sent is not None:
                sent.arrived(answer.rowcount, answer.fetchall() if answer.columns else ())
        return mine
