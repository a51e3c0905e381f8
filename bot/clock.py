"""The clock: read in the doors, passed on below as a value."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the wall clock, aware, in UTC."""
    return datetime.now(UTC)


SHIFT_MAX = timedelta(days=366)
STEP = timedelta(days=1)


class MovableClock:
    """A wall clock that can be moved on: the demo's tomorrow."""

    def __init__(self) -> None:
        """Start at the present."""
        self.shift = timedelta()

    def __call__(self) -> datetime:
        """Return the moved present, aware, in UTC."""
        return utc_now() + self.shift

    def reaches(self, by: timedelta) -> bool:
        """Whether it may be moved so far: not back, and no more than a year in all."""
        return timedelta() <= by and self.shift + by <= SHIFT_MAX

    def steps(self, by: timedelta) -> Iterator[tuple[datetime, datetime]]:
        """Move on by a day at a time, so that what falls in between can happen on its day.

        Yields the present before each step and after it. Errors: ValueError, as `forward`.
        """
        while by > timedelta():
            step = min(by, STEP)
            before = self()
            yield before, self.forward(step)
            by -= step

    def forward(self, by: timedelta) -> datetime:
        """Move on and return the new present. Errors: ValueError: a step back, or too far."""
        if not self.reaches(by):
            raise ValueError("the clock moves forward, and no more than a year")
        self.shift += by
        return self()
