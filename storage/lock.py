"""One process per database: a second one is told so instead of sending everything twice."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, text

_ADVISORY = 0x71756E79  # "quny"


class LockedError(RuntimeError):
    """Another process serves this database."""


@contextmanager
def only_process(engine: Engine) -> Iterator[None]:
    """Hold the database's lock; it goes with the process, however that ends.

    Errors: LockedError.
    """
    if engine.dialect.name == "sqlite":
        database = engine.url.database
        path = Path(f"{database}.lock")
        with path.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise LockedError(f"{database} is in use by another process") from error
            yield
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": _ADVISORY}):
            raise LockedError(f"{engine.url.database} is in use by another process")
        try:
            yield
        finally:
            connection.invalidate()  # the lock is the session's: end it, do not pool it
