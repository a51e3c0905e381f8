"""Invitations that several touch at the same moment: exactly one outcome, and no cap is passed."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Any

import pytest
from sqlalchemy import Engine, text

from bot.worker import Asked, Outcome, Worker
from handlers import inviteclock
from handlers.event import Chat, Event, Kind, Sender
from handlers.router import discover
from storage import invite_codes, members, programmes, referrals
from storage.db import Tx, reading
from storage.members import Who
from storage.programmes import MAIN
from tests.storage.books import DEFAULTS, NOW, buckets, programme, transaction

ROUTER = discover()
DAY = timedelta(days=1)


def _open(engine: Engine, *names: str) -> list[int]:
    with transaction(engine) as tx:
        programme(tx, MAIN)
        programmes.open_group(tx, "telegram", "-1", "群", by_owner=True, defaults=DEFAULTS, now=NOW)
        group = programmes.group(tx, "telegram", "-1")
        assert group is not None
        return [
            members.arrive(tx, MAIN, group.id, Who("telegram", name, name), NOW - 30 * DAY).id
            for name in names
        ]


def _code(engine: Engine, member: int) -> str:
    with transaction(engine) as tx:
        return invite_codes.issue(tx, MAIN, member, NOW).payload


def _event(
    name: str, number: object, *, kind: Kind = "message", words: str = "", private: bool = False,
    at: datetime = NOW,
) -> Asked:  # fmt: skip
    event = Event(
        key=f"tg1:{number}",
        platform="telegram",
        kind=kind,
        chat=Chat(name, "private") if private else Chat("-1", "group"),
        sender=Sender(name, name),
        at=at,
        text=words,
        message_id="9",
        addressed=private,
    )
    match = ROUTER.match(event)
    assert match is not None
    return Asked(event, match)


def _worker(engine: Engine, now: datetime) -> Worker:
    return Worker(engine, clock=lambda: now, rng=Random(1), limiter=None, defaults=DEFAULTS)


def _at_once(engine: Engine, units: list[Any], now: datetime = NOW) -> list[Outcome]:
    gate = threading.Barrier(len(units))

    def run(unit: Any) -> list[Outcome]:
        gate.wait()
        return _worker(engine, now).run([unit])

    with ThreadPoolExecutor(len(units)) as threads:
        found = [outcome for outcomes in threads.map(run, units) for outcome in outcomes]
    assert [each.error for each in found] == [None] * len(found)
    return found


def _due(now: datetime) -> Callable[[Tx], int]:
    return partial(inviteclock.run, programme_id=MAIN, now=now)


def _states(engine: Engine) -> Counter[str]:
    with reading(engine) as tx:
        return Counter(row[0] for row in tx.core.execute(text("SELECT state FROM referral")))


def _ready(engine: Engine, payload: str, *names: str) -> None:
    """Let people come by a link and prove themselves, each by himself in time."""
    worker = _worker(engine, NOW)
    units = []
    for name in names:
        units += [
            _event(name, f"{name}c", words=f"/start {payload}", private=True),
            _event(name, f"{name}j", kind="joined"),
            _event(name, f"{name}s", words="签到"),
        ]
    worker.run(units)

    def prove(tx: Tx) -> None:
        for name in names:
            found = referrals.of_identity(tx, MAIN, Who("telegram", name, name))
            assert found is not None
            assert referrals.activate(tx, MAIN, found.member_id, "quest.icebreak", NOW)

    (outcome,) = worker.run([prove])
    assert outcome.error is None


def test_two_clicks_at_once_bind_once(engine: Engine) -> None:
    ming, jie = _open(engine, "ming", "jie")
    for trial in range(4):
        name = f"hong{trial}"
        units = [
            _event(name, f"{trial}-{n}", words=f"/start {_code(engine, each)}", private=True)
            for n, each in enumerate((ming, jie))
        ]
        _at_once(engine, units)
    assert _states(engine) == {"clicked": 4}
    with reading(engine) as tx:
        clicks = tx.core.execute(text("SELECT SUM(clicks) FROM invite_code")).scalar_one()
    assert clicks == 4


def test_two_comings_at_once_are_one(engine: Engine) -> None:
    (ming,) = _open(engine, "ming")
    payload = _code(engine, ming)
    for trial in range(4):
        name = f"hong{trial}"
        _worker(engine, NOW).run(
            [_event(name, f"{trial}c", words=f"/start {payload}", private=True)]
        )
        _at_once(
            engine,
            [
                _event(name, f"{trial}a", kind="joined"),
                _event(name, f"{trial}b", kind="joined"),
                _event(name, f"{trial}s", words="签到"),
            ],
        )
    assert _states(engine) == {"pending": 4}


@pytest.mark.parametrize("trial", range(3))
def test_the_clock_and_a_leaving_at_once(engine: Engine, trial: int) -> None:
    """Paid and taken back, or never paid: nothing in between."""
    (ming,) = _open(engine, "ming")
    _ready(engine, _code(engine, ming), "hong")
    later = NOW + 7 * DAY
    leaves = _event("hong", "left", kind="left", at=later)
    units = [leaves, _due(later)] if trial % 2 else [_due(later), leaves]
    _at_once(engine, units, later)
    (state,) = _states(engine)
    assert state in {"left", "clawed_back"}
    with reading(engine) as tx:
        assert buckets(tx, MAIN, ming) == {}


def test_two_clocks_at_once_pay_once_and_pass_no_cap(engine: Engine) -> None:
    (ming,) = _open(engine, "ming")
    _ready(engine, _code(engine, ming), *(f"p{n}" for n in range(8)))
    later = NOW + 7 * DAY
    _at_once(engine, [_due(later)] * 3, later)
    assert _states(engine) == {"rewarded": 5, "pending_cap": 3}
    with reading(engine) as tx:
        paid = tx.core.execute(
            text("SELECT COUNT(*) FROM posting WHERE reason = 'invite'")
        ).scalar_one()
    assert paid == 5


def test_a_burst_of_a_thousand_in_a_minute_is_not_paid(engine: Engine) -> None:
    """All of one member's, through the worker: nobody earns by it."""
    (ming,) = _open(engine, "ming")
    payload = _code(engine, ming)
    worker = _worker(engine, NOW)
    many = 1_000 if engine.dialect.name == "sqlite" else 200  # there it is the rows that matter
    names = [f"p{n}" for n in range(many)]
    for at in range(0, many, 100):
        batch = names[at : at + 100]
        outcomes = worker.run(
            [_event(n, f"{n}c", words=f"/start {payload}", private=True) for n in batch]
            + [_event(n, f"{n}j", kind="joined") for n in batch]
        )
        assert {each.state for each in outcomes} == {"done"}
    assert _states(engine) == {"pending": many}
    told = 0
    for minute in range(10):
        now = NOW + timedelta(minutes=minute)
        while (outcome := _worker(engine, now).run([_due(now)])[0]).value:
            told += len(outcome.say)
    assert told <= 3  # what the inviter hears of it

    def prove(tx: Tx) -> None:
        tx.core.execute(
            text("UPDATE referral SET activated_ms = joined_ms, activation = 'x', due_ms = stay_ms")
        )

    worker.run([prove])
    later = NOW + 7 * DAY
    while _worker(engine, later).run([_due(later)])[0].value:
        pass
    assert _states(engine) == {"rejected": many}
    with reading(engine) as tx:
        assert buckets(tx, MAIN, ming) == {}


def test_the_invitations_of_twenty_members_keep_to_the_days_room(engine: Engine) -> None:
    """Nobody's are suspicious: each gets five a day, and the rest wait."""
    inviters = _open(engine, *(f"m{n}" for n in range(20)))
    for number, inviter in enumerate(inviters):
        _ready(engine, _code(engine, inviter), *(f"p{number}-{n}" for n in range(8)))
    later = NOW + 7 * DAY
    while _worker(engine, later).run([_due(later)])[0].value:
        pass
    assert _states(engine) == {"rewarded": 100, "pending_cap": 60}
    next_day = later + DAY
    while _worker(engine, next_day).run([_due(next_day)])[0].value:
        pass
    assert _states(engine) == {"rewarded": 160}
