"""The store for commands that work on it, beside a bot that may be running."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import SystemRandom
from typing import Any, TypeVar

from sqlalchemy import Engine

from bot.clock import utc_now
from bot.config import Settings
from bot.worker import StoreDownError, Worker
from storage import programmes
from storage.db import Tx, open_engine, reading
from storage.programmes import MAIN, Defaults, Programme
from storage.schema import HEAD, current

TRIES_MAX = 30
T = TypeVar("T")


class DeskError(Exception):
    """What was asked for cannot be done; the message says why."""


class Desk:
    """Runs units of work against the store, one commit each."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        """Take an open store."""
        defaults = Defaults(settings.timezone, settings.locale)
        self.engine = engine
        self.locale = settings.locale
        self._worker = Worker(
            engine, clock=utc_now, rng=SystemRandom(), limiter=None, defaults=defaults
        )

    def run(self, job: Callable[[Tx], T]) -> T:
        """Do a unit of work; wait while the store is busy. Errors: StoreDownError, the job's."""
        for number in range(TRIES_MAX):
            try:
                (outcome,) = self._worker.run([job])
            except StoreDownError:
                if number == TRIES_MAX - 1:
                    raise
                time.sleep(0.5)
                continue
            if outcome.error is not None:
                raise outcome.error
            value: T = outcome.value
            return value
        raise AssertionError

    def trial(self, job: Callable[[Tx], T]) -> T:
        """Do a unit of work and undo it. Errors: the job's, the database's."""
        with self.engine.connect() as connection:
            trial = connection.begin()
            try:
                return job(Tx(connection))
            finally:
                trial.rollback()

    def programme(self, number: int) -> Programme:
        """Return a programme. Errors: DeskError."""
        with reading(self.engine) as tx:
            try:
                return programmes.programme(tx, number, utc_now())
            except LookupError as error:
                raise DeskError(f"{error}; the bot makes its own (1) when it first runs") from None


@contextmanager
def open_desk(settings: Settings) -> Iterator[Desk]:
    """Open the store. Errors: DeskError for another version's, and what the database raises."""
    engine = open_engine(settings.database_url)
    try:
        with engine.connect() as connection:
            found = current(connection)
        if found != HEAD:
            raise DeskError(f"the database has schema {found or 'none'}, not {HEAD}: run `migrate`")
        desk = Desk(engine, settings)
        defaults: Any = Defaults(settings.timezone, settings.locale)
        desk.run(lambda tx: programmes.create(tx, MAIN, "Qunying", defaults, utc_now()))
        yield desk
    finally:
        engine.dispose()
