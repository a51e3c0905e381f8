"""What looks less like a person than like a program, or like one person with many faces.

Every detector is a pure function over numbers; it returns what it saw, so that people can judge.
Thresholds are those at which a simulated month of honest members stays untouched
(`tests/bench/fraud.py`, docs/decisions/0026).
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from content.creditrules import Kind

DAY_S = 86_400
DAYS = 14
"""How far back check-ins are looked at, the day that ended included."""
GIFT_DAYS = 30
"""How far back gifts, and leaving, are looked at."""
SCRIPT_DAYS, SCRIPT_S, SCRIPT_SHARE = 10, 1.0, 0.85
BEAT_GAPS, BEAT_S, BEAT_SHARE = 15, 1.5, 0.8
ALIKE_A_DAY, ALIKE_DAYS, ALIKE_WITHIN = 15, 2, 7
TOGETHER_S, TOGETHER_DAYS, TOGETHER_SHARE, NEIGHBOURS = 3.0, 10, 0.8, 20
PEOPLE = 3
"""Two who always act together may be a couple; three are accounts of one hand."""
FEEDERS, FEED_TIMES, FEED_SHARE = 3, 2, 0.6
FED_BACK = timedelta(days=60)
"""What feeders have given, they have earned before."""
RING_TIMES, RING_MAX = 3, 12
LEFT_TIMES = 3
BURST_S = 60.0


class Evidence(NamedTuple):
    """What was seen, of what kind, from which day on; `numbers` fill the text that tells it."""

    kind: Kind
    first: date
    numbers: Mapping[str, str | int]
    text: str
    """By which text it is told (`finding.…`)."""


class Gift(NamedTuple):
    """Points that were given, by whom to whom."""

    giver: int
    receiver: int
    amount: int
    day: date


def regular(times: Mapping[date, float]) -> Evidence | None:
    """Look at when somebody checked in: seconds since midnight, by day, of the last DAYS days."""
    if len(times) < SCRIPT_DAYS:
        return None
    near: list[date] = []
    for centre in times.values():
        found = [day for day, at in times.items() if _apart(at, centre) <= SCRIPT_S]
        near = max(near, found, key=len)
    if len(near) < max(SCRIPT_DAYS, SCRIPT_SHARE * len(times)):
        return None
    middle = times[sorted(near)[len(near) // 2]]
    spread = max(_apart(times[day], middle) for day in near)
    told: dict[str, str | int] = {"days": len(near), "time": clock(middle)}
    told["seconds"] = max(1, round(spread))
    return Evidence("script", min(near), told, "script")


def _apart(one: float, other: float) -> float:
    """Return how far two times of day lie apart, midnight being no border."""
    gap = abs(one - other) % DAY_S
    return min(gap, DAY_S - gap)


def clock(seconds: float) -> str:
    """Return a time of day as people read it."""
    whole = int(seconds) % DAY_S
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}"


def beating(day: date, instants: Sequence[float]) -> Evidence | None:
    """Look at when somebody's paid messages of a day came: seconds, in any order."""
    gaps = [after - before for before, after in pairwise(sorted(instants))]
    if len(gaps) < BEAT_GAPS:
        return None
    middle = median(gaps)
    even = sum(abs(gap - middle) <= BEAT_S for gap in gaps)
    if even < max(BEAT_GAPS, BEAT_SHARE * len(gaps)):
        return None
    told = {"times": even + 1, "seconds": round(middle)}
    return Evidence("metronome", day, told, "metronome")


def farming(alike: Mapping[date, int]) -> Evidence | None:
    """Look at how many messages of a day, of the last ALIKE_WITHIN, said what had been said."""
    many = sorted(day for day, count in alike.items() if count >= ALIKE_A_DAY)
    if len(many) < ALIKE_DAYS:
        return None
    told = {"days": len(many), "times": max(alike[day] for day in many)}
    return Evidence("farming", many[0], told, "farming")


def near(instants: Iterable[tuple[int, float]], within_s: float) -> set[tuple[int, int]]:
    """Return pairs of members (the smaller number first) who acted within so many seconds.

    Each is compared with the next NEIGHBOURS alone: where more act at once it proves nothing.
    """
    line = sorted((at, member) for member, at in instants)
    found = set()
    for index, (at, member) in enumerate(line):
        for later, other in line[index + 1 : index + 1 + NEIGHBOURS]:
            if later - at > within_s:
                break
            found.add((min(member, other), max(member, other)))
    return found


def together(
    pairs: Collection[tuple[int, int]], times: Mapping[int, Mapping[date, float]]
) -> dict[int, Evidence]:
    """Look at members who acted within seconds of each other on the last day, on days before.

    `times` are everybody's check-ins of DAYS days, as seconds that can be compared within a day.
    """
    links: dict[int, set[int]] = defaultdict(set)
    first: dict[int, date] = {}
    for one, other in pairs:
        both = times.get(one, {}).keys() & times.get(other, {}).keys()
        days = [day for day in both if _apart(times[one][day], times[other][day]) <= TOGETHER_S]
        if len(days) >= max(TOGETHER_DAYS, TOGETHER_SHARE * len(both)):
            for member, friend in ((one, other), (other, one)):
                links[member].add(friend)
                first[member] = min(first.get(member, days[0]), *days)
    found: dict[int, Evidence] = {}
    for people in _components(links):
        if len(people) >= PEOPLE:
            told = {"people": len(people), "days": TOGETHER_DAYS, "seconds": round(TOGETHER_S)}
            found |= {
                who: Evidence("multi_account", first[who], told, "together") for who in people
            }
    return found


def _components(links: Mapping[int, Collection[int]]) -> list[set[int]]:
    """Return who hangs together, directly or by others."""
    found, seen = [], set[int]()
    for start in links:
        people, line = set[int](), [start]
        while line:
            who = line.pop()
            if who not in seen:
                seen.add(who)
                people.add(who)
                line += links[who]
        if people:
            found.append(people)
    return found


def stars(
    gifts: Sequence[Gift], earned: Mapping[int, int], joined: Mapping[int, float]
) -> dict[int, Evidence]:
    """Look for one to whom several give again and again most of what they earn, and nobody else.

    `earned` is what a giver has earned in all; `joined` the moment he came, in seconds. Both the
    one and those who feed him are found.
    """
    given: dict[int, list[Gift]] = defaultdict(list)
    for gift in gifts:
        given[gift.giver].append(gift)
    feeders: dict[int, list[int]] = defaultdict(list)
    for giver, some in given.items():
        whole = sum(gift.amount for gift in some)
        alone = len({gift.receiver for gift in some}) == 1
        if alone and len(some) >= FEED_TIMES and whole >= FEED_SHARE * max(1, earned.get(giver, 0)):
            feeders[some[0].receiver].append(giver)
    found: dict[int, Evidence] = {}
    for receiver, people in feeders.items():
        if len(people) < FEEDERS:
            continue
        points = sum(gift.amount for who in people for gift in given[who])
        at_once = burst([joined[who] for who in people if who in joined], BURST_S)
        told = {"people": len(people), "points": points, "at_once": at_once}
        first = min(gift.day for who in people for gift in given[who])
        for who in people:
            mine = {**told, "gifts": len(given[who])}
            found[who] = Evidence("multi_account", first - FED_BACK, mine, "feeder")
        found[receiver] = Evidence("star", first, told, "star")
    return found


def rings(gifts: Sequence[Gift]) -> dict[int, Evidence]:
    """Look for points that go round: everybody gives on, again and again, and all get theirs back.

    A ring has three members or more; two who give each other are friends.
    """
    times: dict[tuple[int, int], list[Gift]] = defaultdict(list)
    for gift in gifts:
        times[gift.giver, gift.receiver].append(gift)
    often = {pair: some for pair, some in times.items() if len(some) >= RING_TIMES}
    onward: dict[int, set[int]] = defaultdict(set)
    for giver, receiver in often:
        onward[giver].add(receiver)
    found: dict[int, Evidence] = {}
    for start in sorted(onward):
        ring = _round(start, onward)
        if start in found or ring is None:
            continue
        turns = [often[pair] for pair in pairwise([*ring, start])]
        told = {"people": len(ring), "gifts": sum(len(some) for some in turns)}
        first = min(gift.day for some in turns for gift in some)
        found |= {who: Evidence("ring", first, told, "ring") for who in ring}
    return found


def _round(start: int, onward: Mapping[int, Collection[int]]) -> list[int] | None:
    """Return the shortest way that leads back to its start over three members or more."""
    ways = [[start]]
    seen = {start}
    while ways:
        following = []
        for way in ways:
            for who in sorted(onward.get(way[-1], ())):
                if who == start and len(way) >= PEOPLE:
                    return way
                if who not in seen and len(way) < RING_MAX:
                    seen.add(who)
                    following.append([*way, who])
        ways = following
    return None


def burst(instants: Iterable[float], within_s: float) -> int:
    """Return how many things at most happened within so many seconds."""
    line, most, start = sorted(instants), 0, 0
    for end, at in enumerate(line):
        while at - line[start] > within_s:
            start += 1
        most = max(most, end - start + 1)
    return most


def rejoining(left: Mapping[date, int]) -> Evidence | None:
    """Look at how many times somebody left a group on each of the last GIFT_DAYS days."""
    times = sum(left.values())
    if times < LEFT_TIMES:
        return None
    return Evidence("rejoin", min(left), {"times": times}, "rejoin")
