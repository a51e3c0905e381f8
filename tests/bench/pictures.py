"""How long pictures take to draw: the first of a process with its fonts, and each after it."""

import gc
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date

from bot.pictures.drawing import draw
from content.picture import Calendar, Card, Picture, QrCode
from tests.bench.figures import Plan, Result, one

MONTH, TODAY = date(2026, 11, 1), date(2026, 11, 28)
_FIRST = """
import time
begun = time.perf_counter()
from datetime import date
from bot.pictures.drawing import draw
from content.picture import Card
draw(Card("zh", "小明🌱", date(2026, 3, 4), 1, 5))
print(time.perf_counter() - begun)
"""


def run(plan: Plan, result: Result) -> None:
    """Measure every kind, each picture another: nothing is found in a cache of pictures."""
    count = plan.size(60, 3)
    firsts = [_first() for _ in range(plan.rounds)]
    result.figures.append(one("the first, libraries and fonts included", "ms", firsts))
    kinds: tuple[tuple[str, Callable[[int], Picture]], ...] = (
        ("calendar", _calendar),
        ("card", _card),
        ("QR code", _qr),
    )
    for name, make in kinds:
        draw(make(0))
        values = [_each(make, count) for _ in range(plan.rounds)]
        result.figures.append(one(f"each {name}", "ms", values))
        sizes = [len(draw(make(number))) / 1000 for number in range(3)]
        result.figures.append(one(f"size of a {name}", "kB", sizes))


def _calendar(number: int) -> Calendar:
    days = tuple(day for day in range(1, 29) if (number + day) % 5)
    return Calendar("zh", f"小明{number}🌱", MONTH, TODAY, days, days[3:5], 3, 12)


def _card(number: int) -> Card:
    name = f"小明{number}🌱"
    return Card("zh", name, date(2026, 3, 4), 270, number, 5, 3, "白银", "黄金", 320, number % 100)


def _qr(number: int) -> QrCode:
    return QrCode(f"https://example.org/join?start=ref_{number}", "扫一扫，加入露营群 🏕")


def _each(make: Callable[[int], Picture], count: int) -> float:
    gc.collect()
    began = time.perf_counter()
    for number in range(count):
        draw(make(number))
    return (time.perf_counter() - began) / count * 1000


def _first() -> float:
    command = [sys.executable, "-c", _FIRST]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return float(said) * 1000
