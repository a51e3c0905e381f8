"""Once a day, when it is over: look at what members did on it, a page at a time, and give back."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta

from content import suspicion
from content.suspicion import Evidence
from storage import chores, credit, findings, habits, members, traces
from storage.books import POINTS
from storage.chores import Chore
from storage.db import Tx
from storage.programmes import Programme

_CHORE = "risk"
_EACH_DONE = -1
"""Everybody has been looked at by himself; what they do with each other is next."""
Seen = list[tuple[int, Evidence]]


def look_due(tx: Tx, here: Programme, today: date, now: datetime, *, most: int = 500) -> int:
    """Look at the day that is over; return how much was done, 0 when it is all done.

    It goes on after a stop where it stood; what was found before is not found twice.
    """
    chore = chores.get(tx, here.id, _CHORE)
    if chore.day >= today:
        return 0
    tx.books.write(tx)
    day = today - timedelta(days=1)
    if here.rules.credit.watch and chore.cursor != _EACH_DONE:
        some = traces.active(tx, here.id, day, chore.cursor, most)
        _note(tx, here, _each(tx, here, some, day), now)
        cursor = some[-1] if len(some) == most else _EACH_DONE
        chores.put(tx, here.id, _CHORE, chore._replace(cursor=cursor))
        return max(len(some), 1)
    done = findings.forget_due(tx, here, now) or credit.forget_due(tx, here, now)
    done = done or credit.recover_due(tx, here, now)
    if done:
        return done
    if here.rules.credit.watch:
        seen = (*_together(tx, here, day), *_gifts(tx, here, day), *_habits(tx, here, day))
        _note(tx, here, seen, now)
    habits.forget(tx, here.id, today)
    chores.put(tx, here.id, _CHORE, Chore(today, today, here.rules_version, 0))
    return 1


def _note(tx: Tx, here: Programme, seen: Iterable[tuple[int, Evidence]], now: datetime) -> None:
    some = [*seen]
    whose = members.known(tx, here.id, {member for member, _ in some})  # he may be another by now
    tx.books.load(tx, here.id, POINTS, whose.values())
    for member, evidence in some:
        if member in whose:
            findings.add(tx, here, whose[member], evidence, now)


def _each(tx: Tx, here: Programme, some: list[int], day: date) -> Seen:
    """Look at members one by one: the times of their check-ins and messages, and what they said."""
    first = day - timedelta(days=suspicion.DAYS - 1)
    for_talk = suspicion.BEAT_GAPS * here.rules.activity.points
    came = traces.checkins(tx, here, some, first, day)
    said = traces.messages(tx, here, some, day, for_talk) if for_talk else {}
    found = [(member, suspicion.regular(times)) for member, times in came.items()]
    found += [(member, suspicion.beating(day, instants)) for member, instants in said.items()]
    return _only(found)


def _only(some: Iterable[tuple[int, Evidence | None]]) -> Seen:
    return [(member, seen) for member, seen in some if seen is not None]


def _together(tx: Tx, here: Programme, day: date) -> Seen:
    """Look for accounts that check in within seconds of each other, day after day."""
    pairs = suspicion.near(traces.of_day(tx, here.id, day), suspicion.TOGETHER_S)
    first = day - timedelta(days=suspicion.DAYS - 1)
    people = {member for pair in pairs for member in pair}
    found = suspicion.together(pairs, traces.checkins(tx, here, people, first, day))
    return [*found.items()]


def _gifts(tx: Tx, here: Programme, day: date) -> Seen:
    """Look at where gifts go."""
    some = traces.gifts(tx, here.id, day - timedelta(days=suspicion.GIFT_DAYS - 1))
    earned = traces.earned(tx, here.id, {gift.giver for gift in some})
    total = {member: points for member, (points, _) in earned.items()}
    joined = {member: since.timestamp() for member, (_, since) in earned.items()}
    rings, stars = suspicion.rings(some), suspicion.stars(some, total, joined)
    return [*rings.items(), *stars.items()]


def _habits(tx: Tx, here: Programme, day: date) -> Seen:
    """Look at who says the same again and again, or leaves again and again."""
    week = day - timedelta(days=suspicion.ALIKE_WITHIN - 1)
    month = day - timedelta(days=suspicion.GIFT_DAYS - 1)
    left = habits.since(tx, here.id, "left", month, day)
    alike = habits.since(tx, here.id, "alike", week, day)
    found = [(member, suspicion.rejoining(times)) for member, times in left.items()]
    return _only([*found, *((one, suspicion.farming(times)) for one, times in alike.items())])
