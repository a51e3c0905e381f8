"""The clock: read in the doors, passed on below as a value."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the wall clock, aware, in UTC."""
    return datetime.now(UTC)


SHIFT_MAX = timedelta(days=366)


class MovableClock:
    """A wall clock that can be moved on: the demo's tomorrow."""

    def __init__(self) -> None:
        """Start at the present."""
        self.shift = timedelta()

    def __call__(self) -> datetime:
        """Return the moved present, aware, in UTC."""
        return utc_now() + self.shift

    def forward(self, by: timedelta) -> datetime:
        """Move on and return the new present. Errors: ValueError: a step back, or too far."""
        if by < timedelta() or self.shift + by > SHIFT_MAX:
            raise ValueError("the clock moves forward, and no more than a year")
        self.shift += by
        return self()
