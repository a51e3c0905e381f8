"""Row numbers that grow with time, made here so that a batch needs no round trip for them."""

import itertools
import secrets
import threading
import time
from datetime import datetime

_TAG_BITS = 8
_COUNTER_BITS = 12
_lock = threading.Lock()
_tag = secrets.randbelow(1 << _TAG_BITS)
_ticks = itertools.count()
_last_ms = 0


def new_id() -> int:
    """Return a positive 63-bit integer, larger than every one returned before in this process.

    Milliseconds since 1970, then a tag of the process, then a counter. Ids of different
    processes may in theory meet; the primary key then refuses the second, and the dispatcher
    runs that event again with a fresh id.
    """
    global _last_ms, _ticks  # one sequence per process is the point
    with _lock:
        now_ms = time.time_ns() // 1_000_000
        if now_ms > _last_ms:
            _last_ms, _ticks = now_ms, itertools.count()
        tick = next(_ticks)
        if tick >= 1 << _COUNTER_BITS:  # more than 4,096 in a millisecond, or the clock went back
            _last_ms, _ticks = _last_ms + 1, itertools.count(1)
            tick = 0
        return (_last_ms << (_TAG_BITS + _COUNTER_BITS)) | (_tag << _COUNTER_BITS) | tick


def first_id_after(moment: datetime) -> int:
    """Return the bound below which all ids lie that were made up to a moment, its millisecond."""
    return (int(moment.timestamp() * 1000) + 1) << (_TAG_BITS + _COUNTER_BITS)
