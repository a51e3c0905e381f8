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

    @property
    def full_in_s(self) -> float:
        """In how many seconds it will be full, if nobody takes anything."""
        if self._rate is None:
            return 0.0
        self._fill()
        return (self._burst - self._tokens) / self._rate

    async def take(self, priority: int) -> None:
        """Wait for a token; lower numbers go first."""
        await self.ask(priority)

    def ask(self, priority: int) -> asyncio.Future[None]:
        """Return a place in the queue for a token, done when it is one's turn."""
        turn = asyncio.get_running_loop().create_future()
        if self._rate is None:
            turn.set_result(None)
            return turn
        self._fill()
        if self._tokens >= 1 and not self._waiters:
            self._tokens -= 1
            turn.set_result(None)
        else:
            self.hurry(turn, priority)
            self._plan()
        return turn

    def hurry(self, turn: asyncio.Future[None], priority: int) -> None:
        """Move a place in the queue forward."""
        heapq.heappush(self._waiters, (priority, next(self._order), turn))

    def give_back(self) -> None:
        """Return a token that was not needed."""
        self._tokens = min(self._burst, self._tokens + 1)

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
            if not turn.done():  # it was hurried, or its waiter has gone
                self._tokens -= 1
                turn.set_result(None)
        self._plan()
