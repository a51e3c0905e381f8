"""The fake's own clock, and the send budget that Telegram never documents exactly."""

import math
import time
from collections import defaultdict, deque
from dataclasses import dataclass


class Clock:
    """Real time plus what the test has skipped."""

    def __init__(self) -> None:
        self.skipped = 0.0

    def now(self) -> float:
        """Seconds since 1970 in the fake's world."""
        return time.time() + self.skipped


@dataclass
class Limits:
    """How much a bot may send; every figure may be changed while the server runs."""

    enabled: bool = True
    chat_per_second: float = 1.0
    chat_burst: int = 5
    group_per_minute: int = 20
    overall_per_second: int = 30
    #: The same offset polled again at once is slowed down (3 s), or cut to one update (0.5 s).
    poll_guard: bool = True
    webhook_sets_per_second: int = 1


class Budget:
    """Counts what was sent and says how long to wait; sends and edits draw from it alike."""

    def __init__(self, limits: Limits, clock: Clock) -> None:
        self.limits = limits
        self.clock = clock
        self._all: deque[float] = deque()
        self._group: dict[int, deque[float]] = defaultdict(deque)
        self._tokens: dict[int, tuple[float, float]] = {}

    def spend(self, chat_id: int, *, group: bool) -> int:
        """Take one from the budget: 0 when there was one, else whole seconds to wait."""
        limits = self.limits
        if not limits.enabled:
            return 0
        now = self.clock.now()
        waits = [_wait(self._all, 1.0, limits.overall_per_second, now)]
        if group:
            waits.append(_wait(self._group[chat_id], 60.0, limits.group_per_minute, now))
        tokens, since = self._tokens.get(chat_id, (float(limits.chat_burst), now))
        tokens = min(limits.chat_burst, tokens + (now - since) * limits.chat_per_second)
        if tokens < 1:
            waits.append((1 - tokens) / limits.chat_per_second)
        if wait := max(waits):
            return max(1, math.ceil(wait))
        self._tokens[chat_id] = (tokens - 1, now)
        self._all.append(now)
        if group:
            self._group[chat_id].append(now)
        return 0


def _wait(times: deque[float], window: float, most: int, now: float) -> float:
    while times and times[0] <= now - window:
        times.popleft()
    return 0.0 if len(times) < most else times[len(times) - most] + window - now
