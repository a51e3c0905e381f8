"""Letting a file in: batch by batch, each by itself, so that it can be stopped and run again."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import islice
from threading import Event
from typing import Any

from bot.clock import utc_now
from bot.desk import Desk
from bot.imports.table import Read, Told
from bot.imports.tally import Progress, Result, Tally, say
from bot.interrupts import interrupts
from content.message import Refusal
from handlers.intake import take_members, take_orders
from storage.db import Tx
from storage.lock import LockedError, only_process
from storage.programmes import Programme

BATCH = 500
"""Rows in one transaction."""
BATCH_BESIDE = 100
"""Rows in one transaction beside a bot: chat waits for no more than these."""
_TAKE: dict[str, Callable[..., list[Any]]] = {"orders": take_orders, "members": take_members}


class Way:
    """How rows are taken: into which programme, in whose name, so many at a time."""

    def __init__(self, desk: Desk, here: Programme, kind: str, actor: str) -> None:
        """Take the store, the programme, and what the file is about."""
        self._desk = desk
        self._take = _TAKE[kind]
        self._here = here
        self._actor = actor

    def take(self, told: Sequence[Told]) -> list[Result]:
        """Take rows in one transaction. Errors: StoreDownError, and the database's."""
        return self._desk.run(partial(self._work, told=told))

    def trial(self, told: Sequence[Told]) -> list[Result]:
        """Take rows and undo it. Errors: the database's."""
        return self._desk.trial(partial(self._work, told=told))

    def _work(self, tx: Tx, told: Sequence[Told]) -> list[Result]:
        return self._take(tx, self._here.id, told, actor=self._actor, now=utc_now())


def apply(
    desk: Desk, way: Way, tally: Tally, found: Iterator[Read], done: Callable[[], float | None]
) -> None:
    """Take all rows, and count them.

    Beside a bot on SQLite, where one process writes at a time, it rests between batches as long as
    each has taken. Where none is running it keeps one from starting until it is done.
    Errors: StoreDownError, the database's, KeyboardInterrupt; what was told as done stays done.
    """
    progress = Progress(tally.words)
    with interrupts() as stopped, ExitStack() as held:
        alone = desk.engine.dialect.name == "sqlite" and _hold(desk, held)
        rests = desk.engine.dialect.name == "sqlite" and not alone
        if rests:
            say(tally.words.say("import.beside"))
        try:
            while batch := list(islice(found, BATCH if alone else BATCH_BESIDE)):
                started = time.monotonic()
                _batch(way, tally, batch)
                progress.tell(tally, done())
                _go_on_unless(stopped)
                if rests:
                    time.sleep(time.monotonic() - started)
        except BaseException:
            progress.end()
            say(tally.words.say("import.stopped", rows=tally.rows))
            raise
    progress.end()
    say(
        tally.words.say(
            "import.done",
            rows=tally.rows,
            new=tally.new,
            known=tally.known,
            refused=tally.refused,
            points=tally.points,
        )
    )
    tally.show_waiting()
    tally.show_reasons()


def _go_on_unless(stopped: Event) -> None:
    if stopped.is_set():
        raise KeyboardInterrupt


def _hold(desk: Desk, held: ExitStack) -> bool:
    """Take the lock of the bot; False when a bot has it."""
    try:
        held.enter_context(only_process(desk.engine))
    except LockedError:
        return False
    return True


def _batch(way: Way, tally: Tally, batch: Sequence[Read]) -> None:
    told = [read.told for read in batch if not isinstance(read.told, Refusal)]
    results = iter(way.take(told) if told else ())
    for read in batch:
        tally.count(read.line, read.told if isinstance(read.told, Refusal) else next(results))
    tally.rows += len(batch)
