"""Old receipts, failures, arrivals and questions are forgotten, a little at a time."""

from datetime import datetime, timedelta

from storage import arrivals, downloads, inbox, outbox, questions, tombstones
from storage.db import Tx, to_ms

KEEP_FAILED = timedelta(days=7)


def tidy(tx: Tx, now: datetime) -> int:
    """Forget what nobody can need any more; return how many rows went. Safe to run twice."""
    arrivals.forget_old(tx, now)
    questions.forget_old(tx, now)
    done = inbox.forget_old(tx, now) + outbox.forget_old(tx, to_ms(now - KEEP_FAILED))
    return done + downloads.forget_old(tx, now) + tombstones.forget_old(tx, now)
