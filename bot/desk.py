"""The store for commands that work on it, beside a bot that may be running."""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from random import SystemRandom
from typing import Any, TypeVar, cast

from sqlalchemy import Engine

from bot.clock import utc_now
from bot.config import Settings
from bot.secret import installation_secret
from bot.worker import StoreDownError, Worker
from storage import members, programmes
from storage.db import Tx, missing_file, open_engine, reading
from storage.programmes import MAIN, Defaults, Programme
from storage.schema import HEAD, current

TRIES_MAX = 30
STRANGERS_MAX = 10
"""How many of those who are no members are named."""
_NUMBER = re.compile("[0-9]{1,19}")
_ID_MAX = 2**63 - 1
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

    def ask(self, job: Callable[[Tx], T], *refusals: type[Exception]) -> T:
        """Do a unit of work that may be refused: then it is undone whole, and raised here.

        Errors: StoreDownError, the refusals, the job's.
        """

        def asked(tx: Tx) -> tuple[T | None, Exception | None]:
            try:
                with tx.savepoint():
                    return job(tx), None
            except refusals as error:
                return None, error

        value, refusal = self.run(asked)
        if refusal is not None:
            raise refusal
        return cast("T", value)

    def trial(self, job: Callable[[Tx], T]) -> T:
        """Do a unit of work and undo it. Errors: the job's, the database's."""
        with self.engine.connect() as connection:
            trial = connection.begin()
            try:
                tx = Tx(connection)
                result = job(tx)
                tx.flush()
                return result
            finally:
                trial.rollback()

    def people(self, programme_id: int, given: Sequence[str]) -> list[int]:
        """Return the numbers of members, given as numbers or as `telegram:123`.

        Who has been bound to another is that one.
        Errors: DeskError naming those who are no members.
        """
        words = [word.strip() for word in given]
        pairs = {word: tuple(word.split(":", 1)) for word in words if ":" in word}
        numbers = {word: int(word) for word in words if _NUMBER.fullmatch(word)}
        some = [number for number in numbers.values() if number <= _ID_MAX]
        with reading(self.engine) as tx:
            ours = members.known(tx, programme_id, some)
            found = members.by_identity(tx, programme_id, [(a, b) for a, b in pairs.values()])
            others = {word: programmes.elsewhere(tx, *pair) for word, pair in pairs.items()}
        known = {word: ours[number] for word, number in numbers.items() if number in ours}
        known |= {word: found[a, b] for word, (a, b) in pairs.items() if (a, b) in found}
        strangers = list(dict.fromkeys(word for word in words if word not in known))
        if strangers:
            shown = ", ".join(_told(word, others) for word in strangers[:STRANGERS_MAX])
            raise DeskError(f"not among the members of programme {programme_id}: {shown}")
        return [known[word] for word in words]

    def programme(self, number: int) -> Programme:
        """Return a programme. Errors: DeskError."""
        with reading(self.engine) as tx:
            try:
                return programmes.programme(tx, number, utc_now())
            except LookupError as error:
                raise DeskError(f"{error}; the bot makes its own (1) when it first runs") from None


def need_database(settings: Settings) -> None:
    """Say that there is no database yet, instead of making an empty one. Errors: DeskError."""
    missing = missing_file(settings.database_url)
    if missing is not None:
        makes = "`migrate` makes it, and so does the first `run` on a platform"
        raise DeskError(f"there is no database {missing} yet: {makes}")


@contextmanager
def open_desk(settings: Settings) -> Iterator[Desk]:
    """Open the store. Errors: DeskError for none or another version's, and the database's."""
    need_database(settings)
    engine = open_engine(settings.database_url, secret=installation_secret(settings))
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


def _told(word: str, others: dict[str, list[int]]) -> str:
    """Return a word with the programmes in which it is somebody."""
    known = ", ".join(f"--programme {number}" for number in others.get(word, []))
    return f"{word} (but of: {known})" if known else word
