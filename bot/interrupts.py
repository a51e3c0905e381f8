"""Ctrl+C in the midst of long work on the store: it stops between two batches."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event


@contextmanager
def interrupts() -> Iterator[Event]:
    """Let Ctrl+C wait for the batch that is being written; the second one does not wait.

    In the midst of a transaction it could be lost: the driver cancels the statement on the server,
    and what is cancelled by that may be the rollback.
    """
    stopped = Event()

    def stop(_number: int, _frame: object) -> None:
        stopped.set()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGINT, before)
