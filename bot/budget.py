"""A budget of sends: a token bucket whose waiters are served by importance, then in order."""

import asyncio
import heapq
import itertools
import time


class Budget:
    """`rate` a second, `burst` at once; a rate of None is unlimited."""

    def __init__(self, rate: float | None, burst: float) -> None:
        """Start full."""
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._filled = time.monotonic()
        self._waiters: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def spent(self) -> bool:
        """Whether the next one has to wait."""
        if self._rate is None:
            return False
        self._fill()
        return self._tokens < 1 or bool(self._waiters)

    @property
    def full(self) -> bool:
        """Whether nothing has been taken that is not back again: a new budget would be the same."""
        if self._rate is None:
            return True
        self._fill()
        return self._tokens >= self._burst and not self._waiters

    async def take(self, priority: int) -> None:
        """Wait for a token; lower numbers go first."""
        if self._rate is None:
            return
        self._fill()
        if self._tokens >= 1 and not self._waiters:
            self._tokens -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiters, (priority, next(self._order), turn))
        self._plan()
        await turn

    def _fill(self) -> None:
        assert self._rate is not None
        now = time.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._filled) * self._rate)
        self._filled = now

    def _plan(self) -> None:
        if self._timer is None and self._waiters:
            assert self._rate is not None
            wait_s = max(0.0, (1 - self._tokens) / self._rate)
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._serve)

    def _serve(self) -> None:
        self._timer = None
        self._fill()
        while self._waiters and self._tokens >= 1:
            _, _, turn = heapq.heappop(self._waiters)
            if not turn.done():  # its waiter may have been cancelled
                self._tokens -= 1
                turn.set_result(None)
        self._plan()
