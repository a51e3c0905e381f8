"""Rate limits: how often a member and a group are answered. Points are never decided here."""

import logging
from enum import Enum
from typing import Any

from limits import RateLimitItemPerMinute, storage, strategies
from redis.exceptions import RedisError

from content.rulebook import LimitRules

_log = logging.getLogger(__name__)


class Verdict(Enum):
    """What a limit says: go on, say once that it is too fast, or keep silent."""

    OPEN = "open"
    WARN = "warn"
    SILENT = "silent"


class Limiter:
    """Counts in this process, or in Redis for several; open, with a warning, when Redis is away."""

    def __init__(self, redis_url: str | None = None) -> None:
        """Use Redis when a URL is given."""
        self.failures = 0
        self._store: Any = (
            storage.RedisStorage(redis_url, socket_timeout=0.2, socket_connect_timeout=0.2)
            if redis_url
            else storage.MemoryStorage()
        )
        self._window = strategies.FixedWindowRateLimiter(self._store)

    def ask(self, rules: LimitRules, *, group: str, member: str) -> Verdict:
        """Count one command and return whether it is to be answered."""
        try:
            return self._ask(rules, group, member)
        except RedisError as error:
            self.failures += 1
            _log.warning("rate limits are open: Redis is away (%s)", type(error).__name__)
            return Verdict.OPEN

    def _ask(self, rules: LimitRules, group: str, member: str) -> Verdict:
        own = RateLimitItemPerMinute(rules.member_per_minute)
        if not self._window.hit(own, "member", member):
            told = self._window.hit(RateLimitItemPerMinute(1), "told", member)
            return Verdict.WARN if told else Verdict.SILENT
        whole = RateLimitItemPerMinute(rules.group_per_minute)
        return Verdict.OPEN if self._window.hit(whole, "group", group) else Verdict.SILENT

    def reachable(self) -> bool:
        """Whether the counts are where they should be."""
        try:
            return bool(self._store.check())
        except RedisError:
            return False
