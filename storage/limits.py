"""Rate limits: how often a member and a group are answered. Points are never decided here."""

import logging
import threading
import time
from enum import Enum
from typing import Any

from limits import RateLimitItemPerMinute, storage, strategies

from content.rulebook import LimitRules

_log = logging.getLogger(__name__)


PAUSE_S = 1.0
"""How long a Redis that failed is not asked: a batch must not wait for it once for each event."""


class Verdict(Enum):
    """What a limit says: go on, say once that it is too fast, or keep silent."""

    OPEN = "open"
    WARN = "warn"
    SILENT = "silent"


class _Counts(storage.Storage):
    """Counts in this process. The library's own starts a thread for every clean-up, which costs
    more than the rest of a check-in; here the old windows go when a new minute begins.
    """  # noqa: D205 - one thought

    STORAGE_SCHEME = ["counts"]  # noqa: RUF012 - as the library declares it

    def __init__(self) -> None:
        super().__init__()
        self._counts: dict[str, tuple[int, float]] = {}
        self._clean_at = 0.0
        self._lock = threading.Lock()

    @property
    def base_exceptions(self) -> type[Exception]:
        return LookupError

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        now = time.monotonic()
        with self._lock:
            if now >= self._clean_at:
                self._counts = {k: v for k, v in self._counts.items() if v[1] > now}
                self._clean_at = now + expiry
            count, ends = self._counts.get(key, (0, now + expiry))
            if ends <= now:
                count, ends = 0, now + expiry
            self._counts[key] = (count + amount, ends)
            return count + amount

    def get(self, key: str) -> int:
        count, ends = self._counts.get(key, (0, 0.0))
        return count if ends > time.monotonic() else 0

    def get_expiry(self, key: str) -> float:
        return time.time() + max(0.0, self._counts.get(key, (0, 0.0))[1] - time.monotonic())

    def check(self) -> bool:
        return True

    def reset(self) -> int | None:
        count = len(self._counts)
        self._counts.clear()
        return count

    def clear(self, key: str) -> None:
        self._counts.pop(key, None)


class Limiter:
    """Counts in this process, or in Redis for several; open, with a warning, when Redis is away."""

    def __init__(self, redis_url: str | None = None) -> None:
        """Use Redis when a URL is given."""
        self._away: tuple[type[Exception], ...] = ()
        if redis_url:
            from redis.exceptions import RedisError  # noqa: PLC0415 - 0.1 s of a start without it

            self._away = (RedisError,)
        self.failures = 0
        self._ask_again_at = 0.0
        self._store: Any = (
            storage.RedisStorage(redis_url, socket_timeout=0.2, socket_connect_timeout=0.2)
            if redis_url
            else _Counts()
        )
        self._window = strategies.FixedWindowRateLimiter(self._store)

    def ask(self, rules: LimitRules, *, group: str, member: str, command: str = "") -> Verdict:
        """Count one command and return whether it is to be answered."""
        if time.monotonic() < self._ask_again_at:
            self.failures += 1
            return Verdict.OPEN
        try:
            return self._ask(rules, group, member, command)
        except self._away as error:
            self.failures += 1
            self._ask_again_at = time.monotonic() + PAUSE_S
            _log.warning("rate limits are open: Redis is away (%s)", type(error).__name__)
            return Verdict.OPEN

    def _ask(self, rules: LimitRules, group: str, member: str, command: str) -> Verdict:
        if not self._own(rules, member, command):
            told = self._window.hit(RateLimitItemPerMinute(1), "told", member)
            return Verdict.WARN if told else Verdict.SILENT
        whole = RateLimitItemPerMinute(rules.group_per_minute)
        if not self._window.hit(whole, "group", group):
            return Verdict.SILENT
        everything = RateLimitItemPerMinute(rules.overall_per_minute)
        return Verdict.OPEN if self._window.hit(everything, "overall") else Verdict.SILENT

    def _own(self, rules: LimitRules, member: str, command: str) -> bool:
        """Count against a member's limits: for everything, and for this command if it has one."""
        own = RateLimitItemPerMinute(rules.member_per_minute)
        most = rules.command_per_minute.get(command)
        return self._window.hit(own, "member", member) and (
            most is None
            or self._window.hit(RateLimitItemPerMinute(most), "command", command, member)
        )

    def reachable(self) -> bool:
        """Whether the counts are where they should be."""
        try:
            return bool(self._store.check())
        except self._away:
            return False
