"""Old receipts and old failures are forgotten, a little at a time."""

import logging
from datetime import datetime, timedelta

from storage import inbox, outbox
from storage.db import Tx, to_ms

_log = logging.getLogger(__name__)

KEEP_FAILED = timedelta(days=7)


def tidy(tx: Tx, now: datetime) -> int:
    """Forget what nobody can need any more; return how many rows went. Safe to run twice."""
    gone = inbox.forget_old(tx, now) + outbox.forget_old(tx, to_ms(now - KEEP_FAILED))
    if gone:
        _log.info("forgot %d old receipts and failures", gone)
    return gone
