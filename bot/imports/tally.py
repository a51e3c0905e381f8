"""What has become of the rows of a file so far, and how it is told."""

import sys
import time
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from bot.imports.lines import Line
from bot.imports.report import Report
from content.intake import Newcomer
from content.message import Refusal
from content.notice import COMPLETED, Notice
from content.texts import Texts
from handlers.deeds import Receipt
from handlers.intake import Welcome
from storage.books import POINTS

Result = Receipt | Welcome | Refusal
"""What becomes of a row."""
REASONS_MAX = 200
"""Kinds of refusals that are told apart: they are few, but columns have any name."""
EVERY_S, EVERY_TERMINAL_S = 10.0, 0.5
FEN = 100


@dataclass(slots=True)
class Reason:
    """A kind of refusal: how often, and the first one."""

    count: int
    line: int
    words: str


@dataclass(slots=True)
class Tally:
    """Counts rows, and writes the refused ones into the report."""

    words: Texts
    zone: ZoneInfo
    report: Report
    rows: int = 0
    new: int = 0
    known: int = 0
    points: int = 0
    waiting: int = 0
    """Rows of which something is over the budget, and waits for a review."""
    refused: int = 0
    reasons: dict[str, Reason] = field(default_factory=dict)

    def count(self, line: Line, result: Result) -> None:
        """Count what became of a row."""
        if isinstance(result, Refusal):
            self.refuse(line, result)
            return
        if isinstance(result, Welcome):
            self.points += result.points
        elif not result.replayed:
            self.points += sum(p.points for p in result.deed.parts if p.wallet == POINTS)
            self.waiting += any(part.review for part in result.deed.parts)
        fresh = result.new if isinstance(result, Welcome) else not result.replayed
        self.new += fresh
        self.known += not fresh

    def refuse(self, line: Line, refusal: Refusal) -> None:
        """Count a refused row."""
        said = self.words.say(refusal.key, **refusal.values)
        self.refused += 1
        self.report.add(line.number, said, line.cells)
        kind = f"{refusal.key} {refusal.values.get('column', '')}"
        if kind in self.reasons:
            self.reasons[kind].count += 1
        elif len(self.reasons) < REASONS_MAX:
            self.reasons[kind] = Reason(1, line.number, said)

    def show_waiting(self) -> None:
        """Say that awards wait, if some do."""
        if self.waiting:
            say(self.words.say("import.waiting", rows=self.waiting))

    def show_reasons(self) -> None:
        """Say why rows were refused, the most frequent reason first."""
        for reason in sorted(self.reasons.values(), key=lambda each: -each.count):
            say(
                self.words.say(
                    "import.because", count=reason.count, line=reason.line, why=reason.words
                )
            )

    def row(self, line: Line, told: Notice | Newcomer) -> str:
        """Return a row as it was understood."""
        parts = self._order(told) if isinstance(told, Notice) else self._member(told)
        return f"  {line.number:>7}  " + " · ".join(part for part in parts if part)

    def _order(self, told: Notice) -> list[str]:
        at = f"{told.at.astimezone(self.zone):%Y-%m-%d %H:%M:%S}"
        paid = f"¥{told.amount_fen / FEN:,.2f}" if told.amount_fen else ""
        freight = f"{told.freight_fen / FEN:,.2f}"
        if told.freight_fen:
            paid += self.words.say("import.freight", yuan=freight)
        event = "" if told.event == COMPLETED else told.event
        who = told.who if told.member_id or told.user_id else ""
        return [told.order or "", event, who, paid, at]

    def _member(self, told: Newcomer) -> list[str]:
        joined = f"{told.joined}" if told.joined else ""
        brings = self.words.say("import.brings", points=told.balance) if told.balance else ""
        expires = self.words.say("import.expires", day=told.expires) if told.expires else ""
        return [f"{told.platform}:{told.user_id}", told.name, joined, brings + expires]


class Progress:
    """Says on standard error how far it is: often to a person, now and then to a log."""

    def __init__(self, words: Texts) -> None:
        """Start the clock."""
        self._words = words
        self._live = sys.stderr.isatty()
        self._start = self._last = time.monotonic()

    def tell(self, tally: Tally, part: float | None) -> None:
        """Say it, if it is time to."""
        now = time.monotonic()
        if now - self._last < (EVERY_TERMINAL_S if self._live else EVERY_S):
            return
        self._last = now
        said = self._words.say(
            "import.progress",
            rows=tally.rows,
            refused=tally.refused,
            speed=int(tally.rows / max(now - self._start, 0.001)),
            part=f" · {part:.0%}" if part is not None else "",
        )
        line = f"\r{said}\033[K" if self._live else f"{said}\n"
        print(line, end="", file=sys.stderr, flush=True)  # noqa: T201 - long work

    def end(self) -> None:
        """Leave the line."""
        if self._live:
            print("\r\033[K", end="", file=sys.stderr, flush=True)  # noqa: T201 - the same


def say(line: str) -> None:
    """Print a line of the answer."""
    print(line)  # noqa: T201 - the command's answer
