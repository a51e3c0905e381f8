"""The demo's community: thirty days of history, made by the real path under a moved clock."""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import partial
from importlib import resources
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from bot.adapters.local import Person
from bot.adapters.local.adapter import BOT, GROUP, PLATFORM
from bot.worker import Asked, Worker
from content.message import unpack
from handlers.event import Chat, Event, Sender
from handlers.router import Router
from storage import outbox, programmes, room
from storage.db import Tx
from storage.programmes import MAIN, Defaults
from storage.room import Line

SEED = 20
DAYS = 30
TALKING_DAYS = 2
FIRST_HOUR, LAST_HOUR = 7, 22
Visits = Callable[[datetime, datetime], list[tuple[datetime, Person]]]
"""Who comes by to check in after one moment and until another, each with his own moment."""


@dataclass(frozen=True, slots=True)
class Community:
    """Who lives in the demo, and what was said there."""

    title: str
    bot_name: str
    checkin: str
    people: list[Person]
    stranger: Person
    zeal: dict[str, int]
    chatter: list[tuple[str, str]]

    @property
    def newcomer(self) -> Person:
        """Whom a visitor plays at first: he checks in himself."""
        return self.people[0]


def community(locale: str) -> Community:
    """Return the demo's people in a language."""
    raw = resources.files("content").joinpath("demo.toml").read_text("utf-8")
    data: dict[str, Any] = tomllib.loads(raw)[locale]
    return Community(
        title=data["title"],
        bot_name=data["bot"],
        checkin=data["checkin"],
        people=[Person(p["id"], p["name"], p.get("role", "member")) for p in data["people"]],
        stranger=Person(data["stranger"]["id"], data["stranger"]["name"]),
        zeal={p["id"]: p["zeal"] for p in data["people"]},
        chatter=[(who, words) for who, words in data["chatter"]],
    )


class _SetClock:
    """A clock that stands where history is being made."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


def make_history(
    engine: Engine, router: Router, who: Community, defaults: Defaults, now: datetime
) -> None:
    """Let the last thirty days happen: check-ins, and in the last two of them some talk."""
    rng = Random(SEED)  # noqa: S311 - believable, not secret
    clock = _SetClock(now)
    worker = Worker(engine, clock=clock, rng=rng, limiter=None, defaults=defaults)
    zone = defaults.zone_info
    today = now.astimezone(zone).date()
    begin = now - timedelta(days=DAYS)
    worker.run([partial(open_room, title=who.title, defaults=defaults, now=begin)])
    for back in range(DAYS, -1, -1):
        for at, person in _day(who, today, -back, zone):
            if at < now and not (back == 0 and person == who.newcomer):
                clock.now = at
                _check_in(worker, router, who, person, at, talking=back < TALKING_DAYS)
    _talk(worker, who, now)


def visits(who: Community, zone: ZoneInfo, now: datetime) -> Visits:
    """Return how the month goes on when the clock is moved: as it would have, hour by hour."""
    today = now.astimezone(zone).date()

    def between(since: datetime, until: datetime) -> list[tuple[datetime, Person]]:
        first, last = ((at.astimezone(zone).date() - today).days for at in (since, until))
        days = (_day(who, today, number, zone) for number in range(first, last + 1))
        return [
            (at, person)
            for day in days
            for at, person in day
            if since < at <= until and person != who.newcomer
        ]

    return between


def _day(who: Community, today: date, number: int, zone: ZoneInfo) -> list[tuple[datetime, Person]]:
    """Return who checks in on a day, and when; `number` counts from the demo's own day.

    Chance hangs on the number and the person alone: the same believable month every time.
    """
    midnight = datetime.combine(today + timedelta(days=number), time(), zone)
    found = []
    for person in who.people:
        rng = Random(f"{SEED}/{number}/{person.id}")  # noqa: S311 - believable, not secret
        at = midnight + timedelta(seconds=rng.randrange(FIRST_HOUR * 3600, LAST_HOUR * 3600))
        if rng.randrange(100) < who.zeal[person.id]:
            found.append((at, person))
    return sorted(found, key=lambda visit: visit[0])


def open_room(tx: Tx, *, title: str, defaults: Defaults, now: datetime) -> None:
    """Let the room's group be there, in the main programme."""
    programmes.create(tx, MAIN, title, defaults, now)
    if programmes.group(tx, PLATFORM, GROUP) is None:
        programmes.open_group(tx, PLATFORM, GROUP, title, by_owner=True, defaults=defaults, now=now)


def _check_in(
    worker: Worker, router: Router, who: Community, person: Person, at: datetime, *, talking: bool
) -> None:
    words = who.checkin
    client = f"history-{at.timestamp():.0f}"
    event = Event(
        key=f"local:{person.id}:{client}",
        platform=PLATFORM,
        kind="message",
        chat=Chat(GROUP, "group", who.title),
        sender=Sender(person.id, person.name, "person", person.role),
        at=at,
        text=words,
    )
    match = router.match(event)
    assert match is not None
    (outcome,) = worker.run([Asked(event, match)])

    def said(tx: Tx) -> None:
        outbox.said(tx, [(row.programme_id, row.id) for row in outcome.say])
        if talking:
            line = _line(tx, who, person.id, words, at=at, client=client)
            answer = unpack(outcome.say[0].payload).text
            out = f"out-{outcome.say[0].id}"
            _line(tx, who, BOT, answer, at=at, client=out, reply_to=str(line.id))

    worker.run([said])


def _line(
    tx: Tx,
    who: Community,
    person: str,
    words: str,
    *,
    at: datetime,
    client: str,
    reply_to: str | None = None,
) -> Line:
    names = {known.id: known.name for known in who.people} | {BOT: who.bot_name}
    line, _ = room.add(
        tx,
        MAIN,
        chat_id=GROUP,
        person=person,
        name=names[person],
        kind="bot" if person == BOT else "person",
        text=words,
        at=at,
        client=client,
        reply_to=reply_to,
    )
    return line


def _talk(worker: Worker, who: Community, now: datetime) -> None:
    def talk(tx: Tx) -> None:
        for number, (person, words) in enumerate(who.chatter):
            at = now - timedelta(minutes=7 * (len(who.chatter) - number))
            _line(tx, who, person, words, at=at, client=f"talk-{number}")

    worker.run([talk])
