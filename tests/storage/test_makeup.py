"""Repaired days in the store: counted once, paid once, whoever asks at the same moment."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from random import Random

import pytest
from sqlalchemy import Engine, text

from bot.worker import Asked, Outcome, Worker
from handlers.event import Chat, Event, Sender
from handlers.router import discover
from storage import audit, checkins, ledger, members, programmes
from storage.db import Tx, reading
from storage.members import Who
from storage.movement import ISSUED, Side
from storage.programmes import MAIN
from tests.storage.books import (
    DAY,
    DEFAULTS,
    NOW,
    buckets,
    count,
    give,
    member,
    payment,
    posting,
    programme,
    transaction,
)

ROUTER = discover()
DEVICES = 4


def _day(back: int) -> date:
    return DAY - timedelta(days=back)


def _checked_in(tx: Tx, camp: int, owner: int, *back: int) -> None:
    for number in sorted(back, reverse=True):
        assert checkins.add(tx, camp, owner, _day(number), NOW) is not None


def _streak(tx: Tx, camp: int, owner: int) -> tuple[date, int]:
    has = ledger.account(tx, camp, owner)
    return has.checkin_day, has.streak


def test_a_repaired_day_joins_what_lies_around_it(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        _checked_in(tx, camp, ming, 0, 1, 3, 4, 5)
        assert _streak(tx, camp, ming) == (DAY, 2)
        assert checkins.repair(tx, camp, ming, _day(2), DAY, NOW) == 6
        assert checkins.repair(tx, camp, ming, _day(2), DAY, NOW) is None
        assert checkins.repair(tx, camp, ming, _day(1), DAY, NOW) is None
        assert _streak(tx, camp, ming) == (DAY, 6)
    with reading(engine) as tx:
        assert _streak(tx, camp, ming) == (DAY, 6)
        assert checkins.days(tx, camp, ming) == {_day(back) for back in range(6)}


def test_a_repair_of_yesterday_lets_today_carry_on(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        _checked_in(tx, camp, ming, 2, 3)
        assert checkins.repair(tx, camp, ming, _day(1), DAY, NOW) == 3
        assert checkins.add(tx, camp, ming, DAY, NOW) == 4


def test_repairs_count_in_the_month_in_which_they_are_made(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming, hong = member(tx, camp), member(tx, camp, "小红")
        for day, today in (
            (date(2026, 2, 27), date(2026, 2, 28)),
            (date(2026, 2, 26), date(2026, 3, 1)),
            (date(2026, 3, 30), date(2026, 3, 31)),
            (date(2026, 3, 31), date(2026, 4, 1)),
        ):
            checkins.repair(tx, camp, ming, day, today, NOW)
        checkins.add(tx, camp, ming, date(2026, 3, 2), NOW)
        asked = [date(2026, 2, 1), date(2026, 3, 1), date(2026, 3, 31), date(2026, 4, 30)]
        assert [checkins.repairs(tx, camp, ming, today) for today in asked] == [1, 2, 2, 1]
        assert checkins.repairs(tx, camp, hong, DAY) == 0


def test_the_audit_finds_a_repaired_day_that_was_paid(engine: Engine) -> None:
    with engine.connect() as connection:
        trial = connection.begin()
        tx = Tx(connection)
        camp = programme(tx)
        ming = member(tx, camp)
        award = posting(camp, Side(ming, "available"), 5, reason="checkin", day=_day(1))
        assert award.source == ISSUED
        checkins.add(tx, camp, ming, _day(1), NOW)
        ledger.post(tx, award)
        tx.close()
        assert audit.faults(tx) == []
        connection.execute(text("UPDATE checkin SET made_up = day"))
        (fault,) = audit.faults(tx)
        assert "no repaired day" in fault
        trial.rollback()


def _tap(day: date, price: int, number: int) -> Asked:
    event = Event(
        key=f"tg1:{number}",
        platform="telegram",
        kind="tap",
        chat=Chat("-1", "group"),
        sender=Sender("7", "小明"),
        at=NOW,
        text=f"makeup {day:%m-%d} {price}",
        tap_id=f"{number}",
        addressed=True,
    )
    match = ROUTER.match(event)
    assert match is not None
    return Asked(event, match)


def _at_once(engine: Engine, units: list[Asked]) -> Counter[str]:
    """Run each on a thread of its own, as if each were on a device; return what became of them."""
    gate = threading.Barrier(len(units))

    def run(unit: Asked) -> list[Outcome]:
        worker = Worker(engine, clock=lambda: NOW, rng=Random(1), limiter=None, defaults=DEFAULTS)
        gate.wait()
        return worker.run([unit])

    with ThreadPoolExecutor(len(units)) as threads:
        return Counter(o.state for outcomes in threads.map(run, units) for o in outcomes)


@pytest.mark.parametrize("same", [True, False], ids=["the same day", "different days"])
def test_repairs_from_many_devices_at_once_keep_to_the_month(engine: Engine, same: bool) -> None:
    with transaction(engine) as tx:
        programme(tx, MAIN)
        programmes.open_group(tx, "telegram", "-1", "群", by_owner=True, defaults=DEFAULTS, now=NOW)
        ming = members.enrol(tx, MAIN, Who("telegram", "7", "小明"), NOW).id
        _checked_in(tx, MAIN, ming, 0, 2, 4, 6, 8)
        give(tx, MAIN, ming, 200)
    backs = [1] * DEVICES if same else [1, 3, 5, 7]
    states = _at_once(engine, [_tap(_day(b), 50, n) for n, b in enumerate(backs)])
    done = 1 if same else 2  # one is free, one costs 50, more there are not
    assert states == {"done": done, "refused": DEVICES - done}
    with reading(engine) as tx:
        assert checkins.repairs(tx, MAIN, ming, DAY) == done
        assert buckets(tx, MAIN, ming)["available"] == 200 - 50 * (done - 1)
        assert count(tx, "posting") == done  # the gift, and what was paid


def test_a_repair_and_a_purchase_at_once_never_spend_the_same_points(engine: Engine) -> None:
    with transaction(engine) as tx:
        programme(tx, MAIN)
        programmes.open_group(tx, "telegram", "-1", "群", by_owner=True, defaults=DEFAULTS, now=NOW)
        ming = members.enrol(tx, MAIN, Who("telegram", "7", "小明"), NOW).id
        _checked_in(tx, MAIN, ming, 0, 2, 4)
        checkins.repair(tx, MAIN, ming, _day(3), DAY, NOW)  # the free one
        give(tx, MAIN, ming, 60)
    gate = threading.Barrier(2)

    def buy(tx: Tx) -> int:
        return ledger.post(tx, payment(MAIN, ming, 40)).balance

    def run(unit: object) -> Outcome:
        worker = Worker(engine, clock=lambda: NOW, rng=Random(1), limiter=None, defaults=DEFAULTS)
        gate.wait()
        return worker.run([unit])[0]

    with ThreadPoolExecutor(2) as threads:
        repaired, bought = threads.map(run, [_tap(_day(1), 50, 1), buy])
    assert (repaired.state, bought.state) in {("done", "failed"), ("refused", "done")}
    with reading(engine) as tx:
        left = buckets(tx, MAIN, ming)["available"]
        assert left == (10 if repaired.state == "done" else 20)
        assert checkins.repairs(tx, MAIN, ming, DAY) == (2 if repaired.state == "done" else 1)
