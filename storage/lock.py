"""One process per database: a second one is told so instead of sending everything twice."""

import fcntl
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from zlib import crc32

from sqlalchemy import Connection, Engine, text

from storage.db import DATABASE_ERRORS

_ADVISORY = 0x71756E79  # "quny"


class LockedError(RuntimeError):
    """Another process serves this database."""


class Lock(ABC):
    """The lock of a database, held by this process."""

    @abstractmethod
    def held(self) -> bool:
        """Whether it is still ours; taken again if it was merely lost with its connection."""

    @abstractmethod
    def free(self) -> None:
        """Give it back."""


class FileLock(Lock):
    """A lock on a file beside a SQLite database."""

    def __init__(self, database: str, work: str = "") -> None:
        """Take the lock. Errors: LockedError."""
        file = os.path.realpath(database)  # one file, whatever links lead to it
        name = f"{file}.{work}.lock" if work else f"{file}.lock"
        self._file = os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._file)
            raise LockedError(f"{database} is in use by another process") from error

    def held(self) -> bool:
        """Say yes: the system keeps it as long as the process lives."""
        return True

    def free(self) -> None:
        """Give it back."""
        os.close(self._file)


class SessionLock(Lock):
    """An advisory lock of a PostgreSQL session: gone when the session is."""

    def __init__(self, engine: Engine, work: str = "") -> None:
        """Take the lock. Errors: LockedError, and the database's."""
        self._engine = engine
        self._key = _ADVISORY | (crc32(work.encode()) >> 1) << 32
        self._session: Connection | None = None
        self._take()

    def _take(self) -> None:
        session = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        if not session.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": self._key}):
            session.close()
            raise LockedError(f"{self._engine.url.database} is in use by another process")
        self._session = session

    def held(self) -> bool:
        """Look; after a restart of the database take it again. Errors: the database's."""
        if self._session is not None:
            try:
                self._session.execute(text("SELECT 1"))
            except DATABASE_ERRORS:
                self.free()
        if self._session is None:
            try:
                self._take()
            except LockedError:
                return False
        return True

    def free(self) -> None:
        """Unlock, and end the session, so that the pool does not keep it.

        The end of a session alone is not enough: the server notices it a moment later, and whoever
        starts in between would be told that the database is in use.
        """
        session, self._session = self._session, None
        if session is not None:
            with suppress(*DATABASE_ERRORS):  # a lost session has lost its lock as well
                session.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": self._key})
            session.invalidate()
            session.close()


@contextmanager
def only_process(engine: Engine, work: str = "") -> Iterator[Lock]:
    """Hold the database's lock; it goes with the process, however that ends.

    `work` names a lock of its own, for what one process does at a time beside a running bot.

    Errors: LockedError.
    """
    sqlite = engine.dialect.name == "sqlite"
    lock = FileLock(str(engine.url.database), work) if sqlite else SessionLock(engine, work)
    try:
        yield lock
    finally:
        lock.free()
