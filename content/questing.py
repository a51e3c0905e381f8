"""How far a member is with a quest: which days it runs, what counts, what comes next. Values."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Literal, NamedTuple
from zlib import crc32

import msgspec

from content import windows
from content.questrules import QuestRule, StepRule

OPEN: Literal["open"] = "open"
DONE: Literal["done"] = "done"
PAID: Literal["paid"] = "paid"
FOR_EVER = date.max
KEYS_MAX = 32
AGAIN = ("first_interaction",)
"""What may be told again under the same key: such keys are remembered, and count once."""
BAR, FULL, EMPTY = 5, "▓", "░"
State = Literal["open", "done", "paid"]


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """A member's way through a quest, with the `version` of the rules with which it began.

    It runs from `first` to `last`; `counts` are the steps', `today` those of `day` alone. It is
    `done` when all steps are, and `paid` when its `points` have been booked: they may have to wait.
    `told` says whether he has heard that it is done, `reminded` whether he was reminded of it.
    """

    quest: str
    first: date
    last: date
    version: int
    counts: tuple[int, ...]
    state: State = OPEN
    points: int = 0
    told: bool = False
    reminded: bool = False
    day: date = date.min
    today: tuple[int, ...] = ()
    keys: tuple[int, ...] = ()


class Window(NamedTuple):
    """The first and the last day on which a quest counts."""

    first: date
    last: date


class Step(NamedTuple):
    """A step, and how often its deed has counted: at most `rule.n`, but for a group's."""

    rule: StepRule
    times: int

    @property
    def done(self) -> bool:
        """Whether nothing is left of it."""
        return self.times >= self.rule.n


_encoder, _decoder = msgspec.json.Encoder(), msgspec.json.Decoder(tuple[Entry, ...])


def pack(entries: Iterable[Entry]) -> str:
    """Return a member's quests as JSON text for the store."""
    return _encoder.encode(tuple(entries)).decode()


def unpack(text: str) -> tuple[Entry, ...]:
    """Return the quests that `pack` stored."""
    return _decoder.decode(text)


def listens(quests: Sequence[QuestRule]) -> frozenset[str]:
    """Return the names of all deeds that count for some quest."""
    return frozenset(step.what for quest in quests for step in quest.steps)


def asks(quest: QuestRule, what: str) -> bool:
    """Whether a deed counts for some step of a quest."""
    for step in quest.steps:  # noqa: SIM110 - it is asked with every deed, and this is the quickest
        if step.what == what:
            return True
    return False


def window(quest: QuestRule, day: date, began: date) -> Window | None:
    """Return the days of a quest that a day belongs to; None where it is over, or not yet begun.

    `began` is the day from which `within_days` count: of joining, or of being unlocked.
    """
    if quest.period is not None:
        if quest.period == "year":
            return Window(date(day.year, 1, 1), date(day.year, 12, 31))
        following = windows.end(quest.period, day)
        return Window(windows.start(quest.period, day), following - timedelta(days=1))
    if quest.within_days is None:
        return Window(day, FOR_EVER)
    last = began + timedelta(days=quest.within_days - 1)
    return Window(began, last) if began <= day <= last else None


def begin(quest: QuestRule, runs: Window, version: int) -> Entry:
    """Return a quest with nothing done."""
    return Entry(quest.id, runs.first, runs.last, version, (0,) * len(quest.steps))


def heard(  # noqa: PLR0917 - a quest, and what has been done when
    quest: QuestRule, entry: Entry, what: str, day: date, key: str, amount: int
) -> Entry | None:
    """Return the quest after a deed; None where the deed does not count for it."""
    if entry.state != OPEN or not entry.first <= day <= entry.last:
        return None
    number = _next(quest, entry, what)
    if number is None:
        return None
    step, mark = quest.steps[number], crc32(key.encode())
    if what in AGAIN and mark in entry.keys:
        return None
    # what comes late, over midnight, counts with the day that has begun
    today = entry.today if day <= entry.day else (0,) * len(entry.counts)
    most = quest.per_day(step)
    left = amount if most is None else min(amount, most - today[number])
    if not quest.group:
        left = min(left, step.n - entry.counts[number])
    if left <= 0:
        return None
    keys = (*entry.keys, mark)[-KEYS_MAX:] if what in AGAIN else entry.keys
    return msgspec.structs.replace(
        entry,
        counts=_plus(entry.counts, number, left),
        today=_plus(today, number, left),
        day=max(day, entry.day),
        keys=keys,
    )


def _next(quest: QuestRule, entry: Entry, what: str) -> int | None:
    """Return the number of the step that a deed counts for."""
    for number, step in enumerate(quest.steps):
        if step.what == what and (quest.group or entry.counts[number] < step.n):
            return number
        if quest.ordered and entry.counts[number] < step.n:
            return None
    return None


def _plus(counts: tuple[int, ...], number: int, more: int) -> tuple[int, ...]:
    return (*counts[:number], counts[number] + more, *counts[number + 1 :])


def steps(quest: QuestRule, entry: Entry | None) -> list[Step]:
    """Return the steps with their counts; without an entry nothing has been done."""
    counts = entry.counts if entry else (0,) * len(quest.steps)
    return [Step(rule, times) for rule, times in zip(quest.steps, counts, strict=True)]


def finished(quest: QuestRule, entry: Entry) -> bool:
    """Whether all steps are done. A group's quest is nobody's alone."""
    counted = zip(quest.steps, entry.counts, strict=True)
    return not quest.group and all(times >= step.n for step, times in counted)


def a_step_more(quest: QuestRule, before: Entry, after: Entry) -> bool:
    """Whether a deed has completed a step."""
    counted = zip(quest.steps, before.counts, after.counts, strict=True)
    return any(then < step.n <= now for step, then, now in counted)


def parts(quest: QuestRule, entry: Entry | None) -> tuple[int, int]:
    """Return how much is done, of how much: of the one step its times, else the steps."""
    ways = steps(quest, entry)
    if len(ways) == 1:
        return min(ways[0].times, ways[0].rule.n), ways[0].rule.n
    return sum(step.done for step in ways), len(ways)


def share(quest: QuestRule, entry: Entry | None) -> float:
    """Return how much of a quest is done, from 0 to 1: the mean of its steps."""
    ways = steps(quest, entry)
    return sum(min(1, step.times / step.rule.n) for step in ways) / len(ways)


def bar(have: int, need: int) -> str:
    """Return a bar of five parts; full only when nothing is left."""
    full = min(BAR, have * BAR // need) if need else BAR
    full = max(full, min(have, 1))
    return FULL * full + EMPTY * (BAR - full)


def stage_of(stages: Sequence[int], total: int) -> int:
    """Return how many of a group's stages a total has reached."""
    return sum(total >= need for need in stages)
