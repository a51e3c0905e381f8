"""The windows of a board: a day, an ISO week (from Monday), a month, and for all time."""

from datetime import date, timedelta
from typing import Literal, get_args

Window = Literal["day", "week", "month", "all"]
WINDOWS: tuple[Window, ...] = get_args(Window)


def start(window: Window, today: date) -> date:
    """Return the first day of the window that holds today."""
    if window == "day":
        return today
    if window == "week":
        return today - timedelta(days=today.weekday())
    return today.replace(day=1) if window == "month" else date.min


def end(window: Window, today: date) -> date:
    """Return the first day after the window that holds today."""
    if window == "day":
        return today + timedelta(days=1)
    if window == "week":
        return start("week", today) + timedelta(days=7)
    if window == "all":
        return date.max
    return (today.replace(day=1) + timedelta(days=32)).replace(day=1)
