"""What a bench hands back: figures of several rounds, their medians, and an honest surrounding."""

import json
import os
import platform
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from math import ceil
from pathlib import Path
from statistics import median
from typing import Any

PACKAGES = ("sqlalchemy", "psycopg", "msgspec", "limits", "python-telegram-bot")


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure should reach: the medians of measures by name, and of the ratio."""

    least: dict[str, float] = field(default_factory=dict)
    most: dict[str, float] = field(default_factory=dict)
    ratio: float | None = None
    ratio_most: float | None = None

    def said(self) -> str:
        parts = [f"{name} ≥ {_short(value)}".strip() for name, value in self.least.items()]
        parts += [f"{name} ≤ {_short(value)}".strip() for name, value in self.most.items()]
        parts += [f"ratio ≥ {self.ratio:.2f}"] if self.ratio is not None else []
        parts += [f"ratio ≤ {self.ratio_most:.2f}"] if self.ratio_most is not None else []
        return ", ".join(parts)

    def met(self, figure: "Figure") -> bool:
        found = {name: median(values) for name, values in figure.values.items()}
        ratio = median(figure.ratios) if figure.ratios else None
        return all(
            (
                *(found[name] >= value for name, value in self.least.items()),
                *(found[name] <= value for name, value in self.most.items()),
                self.ratio is None or (ratio is not None and ratio >= self.ratio),
                self.ratio_most is None or (ratio is not None and ratio <= self.ratio_most),
            )
        )


@dataclass(slots=True)
class Figure:
    """One row: several measures, each with a value per round; `base` is what it is compared to.

    The ratio is taken round by round (both ran within the same seconds), then its median.
    """

    name: str
    unit: str
    values: dict[str, list[float]]
    base: list[float] | None = None
    note: str = ""
    goal: Goal | None = None

    @property
    def ratios(self) -> list[float]:
        first = next(iter(self.values.values()))
        pairs = zip(first, self.base or [], strict=False)
        return [value / base for value, base in pairs if base]

    def as_json(self) -> dict[str, Any]:
        measures = {
            what: {"median": median(v), "min": min(v), "max": max(v), "rounds": v}
            for what, v in self.values.items()
        }
        row: dict[str, Any] = {"name": self.name, "unit": self.unit, "measures": measures}
        if self.ratios:
            row["ratio"] = {
                "median": median(self.ratios),
                "min": min(self.ratios),
                "max": max(self.ratios),
            }
        if self.goal is not None:
            row["goal"] = {"said": self.goal.said(), "met": self.goal.met(self)}
        return row | ({"note": self.note} if self.note else {})

    def line(self) -> str:
        parts = []
        for what, values in self.values.items():
            spread = f"[{_short(min(values))}–{_short(max(values))}]" if len(values) > 1 else ""
            parts.append(f"{what} {_short(median(values))} {spread}".strip())
        ratio = ""
        if self.ratios:
            low, high = min(self.ratios), max(self.ratios)
            ratio = f"  ratio {median(self.ratios):.2f} [{low:.2f}–{high:.2f}]"
        note = f"  ({self.note})" if self.note else ""
        goal = ""
        if self.goal is not None:
            goal = f"  {'✓' if self.goal.met(self) else '✗'} goal {self.goal.said()}"
        return f"  {self.name:<46} {self.unit:<5} {' · '.join(parts)}{ratio}{goal}{note}"


def one(name: str, unit: str, values: list[float], **more: Any) -> Figure:
    """A figure with a single measure."""
    return Figure(name, unit, {"": values}, **more)


@dataclass(slots=True)
class Result:
    """What one bench found, and what else the machine was doing meanwhile."""

    name: str
    figures: list[Figure] = field(default_factory=list)
    seconds: float = 0.0
    others: float = 0.0

    def show(self) -> None:
        print(
            f"\n{self.name}  ({self.seconds:.0f} s; others used {self.others:.2f} of"
            f" {os.cpu_count()} cores, database server included)"
        )
        for figure in self.figures:
            print(figure.line())

    def as_json(self) -> dict[str, Any]:
        return {
            "seconds": round(self.seconds, 1),
            "cores_used_by_others": round(self.others, 2),
            "figures": [figure.as_json() for figure in self.figures],
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to do."""

    rounds: int
    quick: bool
    folder: Path
    postings: int = 1_000_000
    """How large the largest store of `store` grows."""

    def size(self, full: int, quick: int) -> int:
        return quick if self.quick else full


@contextmanager
def watched(result: Result) -> Iterator[None]:
    """Note how long it took and how many cores other processes used in that time."""
    started, busy, own = time.monotonic(), _busy_s(), _own_s()
    yield
    result.seconds = time.monotonic() - started
    result.others = max(0.0, (_busy_s() - busy - (_own_s() - own)) / result.seconds)


def _busy_s() -> float:
    fields = [int(word) for word in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    idle = fields[3] + fields[4]
    return (sum(fields) - idle) / os.sysconf("SC_CLK_TCK")


def _own_s() -> float:
    return sum(os.times()[:4])


def percentile(values: list[float], part: float) -> float:
    """The smallest value that at least that part of all values does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, ceil(len(ordered) * part) - 1)]


def surroundings() -> dict[str, Any]:
    """Versions, machine, commit."""
    return {
        "at": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        "commit": _git("rev-parse", "--short", "HEAD") or os.environ.get("BENCH_COMMIT", "?"),
        "changed": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        **{name: version(name) for name in PACKAGES},
    }


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _short(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def write_json(path: Path, results: list[Result]) -> None:
    whole = {"surroundings": surroundings()} | {r.name: r.as_json() for r in results}
    path.write_text(json.dumps(whole, ensure_ascii=False, indent=1) + "\n", "utf-8")
