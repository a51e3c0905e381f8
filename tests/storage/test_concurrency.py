"""Many at once on a real PostgreSQL: several workers, several processes, exact results."""

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import ProgrammingError

from bot.worker import Asked, Outcome, Unit, Worker
from content.compensation import Offer
from handlers.event import Chat, Event, Sender
from handlers.router import discover
from storage import (
    audit,
    checkins,
    clockwork,
    compensating,
    compensation,
    history,
    holds,
    ledger,
    levels,
    members,
    programmes,
    undoing,
)
from storage.compensation import CompensationError
from storage.db import Sql, Tx, open_engine, reading
from storage.members import Who
from storage.movement import PROGRAMME, GoneError, InsufficientError, Posted, Side
from storage.programmes import MAIN
from storage.rebuilding import all_differences
from tests.storage.books import (
    DAY,
    DEFAULTS,
    NOW,
    buckets,
    chain,
    count,
    day,
    give,
    member,
    payment,
    posting,
    programme,
    transaction,
    undo,
)

pytestmark = pytest.mark.postgres
WORKERS = 8
ROOT = Path(__file__).parents[2]
ROUTER = discover()


@pytest.fixture
def pool(postgres_url: str) -> Iterator[Engine]:
    engine = open_engine(postgres_url, workers=WORKERS)
    with suppress(ProgrammingError), engine.begin() as connection:  # not every role may
        name = engine.url.database
        connection.execute(text(f"ALTER DATABASE {name} SET deadlock_timeout = '20ms'"))
    engine.dispose()  # connections of before the change
    yield engine
    with reading(engine) as tx:
        faults = audit.faults(tx)
    engine.dispose()
    assert faults == []


def _worker(engine: Engine) -> Worker:
    return Worker(engine, clock=lambda: NOW, rng=Random(1), limiter=None, defaults=DEFAULTS)


def _at_once(engine: Engine, shares: Sequence[Sequence[Unit]]) -> list[list[Outcome]]:
    """Run each share on a worker thread of its own, all starting at the same moment."""
    gate = threading.Barrier(len(shares))

    def run(share: Sequence[Unit]) -> list[Outcome]:
        worker = _worker(engine)
        gate.wait()
        return worker.run(share)

    with ThreadPoolExecutor(len(shares)) as threads:
        return list(threads.map(run, shares))


def _spread(units: Sequence[Unit], workers: int = WORKERS) -> list[Sequence[Unit]]:
    return [units[number::workers] for number in range(workers)]


def _main(engine: Engine, *chats: str) -> None:
    with transaction(engine) as tx:
        programme(tx, MAIN)
        for chat in chats:
            programmes.open_group(
                tx, "telegram", chat, "群", by_owner=True, defaults=DEFAULTS, now=NOW
            )


def _asked(chat: str, user: str, key: str, platform: str = "telegram") -> Asked:
    event = Event(
        key=key,
        platform=platform,
        kind="message",
        chat=Chat(chat, "group"),
        sender=Sender(user, f"人{user}"),
        at=NOW,
        text="签到",
        message_id="1",
    )
    match = ROUTER.match(event)
    assert match is not None
    return Asked(event, match)


def _states(outcomes: list[list[Outcome]]) -> Counter[str]:
    return Counter(outcome.state for share in outcomes for outcome in share)


def _award(camp: int, owner: int, amount: int) -> Callable[[Tx], int]:
    return lambda tx: give(tx, camp, owner, amount).balance


@pytest.mark.parametrize("batch", [1, 13], ids=["one by one", "in batches"])
def test_a_hundred_awards_of_ten_make_a_thousand(pool: Engine, batch: int) -> None:
    with transaction(pool) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
    units = [_award(camp, ming, 10) for _ in range(100)]
    if batch == 1:
        with ThreadPoolExecutor(WORKERS) as threads:
            outcomes = list(threads.map(lambda unit: _worker(pool).run([unit]), units))
    else:
        outcomes = _at_once(pool, _spread(units))
    balances = sorted(outcome.value for share in outcomes for outcome in share)
    assert balances == list(range(10, 1_001, 10))  # each saw the one before it
    with reading(pool) as tx:
        assert buckets(tx, camp, ming) == {"available": 1_000}
        assert buckets(tx, camp) == {"issued": -1_000}
        lines = history.statement(tx, camp, ming, count=200)
        assert [line.after for line in lines] == list(range(1_000, 0, -10))


def test_of_fifty_who_take_a_hundred_from_a_thousand_ten_succeed(pool: Engine) -> None:
    with transaction(pool) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        give(tx, camp, ming, 1_000)

    def pay(tx: Tx) -> None:
        asked = posting(camp, Side(PROGRAMME, "redeemed"), 100, source=Side(ming, "available"))
        ledger.post(tx, asked)

    outcomes = _at_once(pool, _spread([pay] * 50))
    assert _states(outcomes) == {"done": 10, "failed": 40}
    errors = {type(o.error) for share in outcomes for o in share if o.state == "failed"}
    assert errors == {InsufficientError}
    with reading(pool) as tx:
        assert buckets(tx, camp, ming) == {}
        assert buckets(tx, camp) == {"issued": -1_000, "redeemed": 1_000}


def test_members_who_pay_each_other_crosswise_lose_nothing(pool: Engine) -> None:
    with transaction(pool) as tx:
        camp = programme(tx)
        people = [member(tx, camp) for _ in range(4)]
        for person in people:
            give(tx, camp, person, 100)
    rng = Random(3)

    def gift() -> Callable[[Tx], object]:
        giver, taker = rng.sample(people, 2)
        asked = posting(camp, Side(taker, "available"), 7, source=Side(giver, "available"))
        return lambda tx: ledger.post(tx, asked)

    outcomes = _at_once(pool, _spread([gift() for _ in range(24)], 4))
    assert _states(outcomes) == {"done": 24}  # a deadlock is run again, not lost
    with reading(pool) as tx:
        assert sum(buckets(tx, camp, person)["available"] for person in people) == 400


def _overtaken(
    pool: Engine, first: Callable[[Tx], object], second: Callable[[Tx], object]
) -> object:
    """Do the second while the first is done but not kept; return what it came to."""

    def do() -> object:
        with transaction(pool) as tx:
            return second(tx)

    with ThreadPoolExecutor(1) as threads:
        with transaction(pool) as tx, pool.connect() as watch:
            first(tx)
            tx.close()
            behind = threads.submit(do)
            while not behind.done() and not _waiting(watch):
                watch.rollback()  # a new look at the world
        return behind.result(timeout=30)


def _waiting(watch: Connection) -> bool:
    waits = text(
        "SELECT COUNT(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    return bool(watch.execute(waits).scalar_one())


@pytest.mark.parametrize("part", [None, 60], ids=["whole", "a part"])
def test_two_reversals_at_once_never_take_more_than_was_given(
    pool: Engine, part: int | None
) -> None:
    with transaction(pool) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        first = give(tx, camp, ming, 100)
        give(tx, camp, ming, 100)

    def back(key: str) -> Callable[[Tx], object]:
        return lambda tx: undoing.reverse(tx, camp, first.id, undo(key), amount=part)

    with pytest.raises(GoneError):
        _overtaken(pool, back("one"), back("two"))
    with reading(pool) as tx:
        assert buckets(tx, camp, ming) == {"available": 200 - (part or 100)}


def test_two_refunds_at_once_never_give_more_than_was_paid(pool: Engine) -> None:
    with transaction(pool) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        give(tx, camp, ming, 100)
        paid = ledger.post(tx, payment(camp, ming, 100))

    def back(key: str) -> Callable[[Tx], object]:
        return lambda tx: undoing.reverse(tx, camp, paid.id, undo(key))

    with pytest.raises(GoneError):
        _overtaken(pool, back("one"), back("two"))
    with reading(pool) as tx:
        assert buckets(tx, camp, ming) == {"available": 100}


def test_a_reversal_that_meets_the_maturing_takes_what_became_available(pool: Engine) -> None:
    with transaction(pool) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        first = ledger.post(tx, posting(camp, Side(ming, "pending"), 10)._replace(matures=DAY))
    _overtaken(
        pool,
        lambda tx: clockwork.mature_due(tx, camp, DAY, NOW),
        lambda tx: undoing.reverse(tx, camp, first.id, undo("back")),
    )
    with reading(pool) as tx:
        assert buckets(tx, camp, ming) == {}


def test_clocks_of_two_processes_do_each_thing_once_and_none_fails(pool: Engine) -> None:
    with transaction(pool) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        give(tx, camp, ming, 10)
        holds.hold(tx, payment(camp, ming, 4), due=NOW)
        ledger.post(tx, posting(camp, Side(ming, "pending"), 5)._replace(matures=DAY))
        lapses = posting(camp, Side(ming, "available"), 7)._replace(expires=DAY)
        ledger.post(tx, lapses)
    jobs: list[Callable[[Tx], int]] = [
        lambda tx: clockwork.mature_due(tx, camp, DAY, NOW),
        lambda tx: clockwork.expire_due(tx, camp, day(1), NOW),
        lambda tx: holds.release_due(tx, camp, undo("timeout")),
    ]
    for job in jobs:
        _overtaken(pool, job, job)
    with reading(pool) as tx:
        assert buckets(tx, camp, ming) == {"available": 15}
        assert buckets(tx, camp)["expired"] == 7


@pytest.mark.parametrize("stopped", [False, True], ids=["whole", "a page"])
def test_points_that_leave_the_window_are_taken_once_by_two_processes(
    pool: Engine, stopped: bool
) -> None:
    """The sum of a day is read beside the account: it must not be taken from it twice."""
    last = day(365)  # what was earned on the first day leaves
    with transaction(pool) as tx:
        camp = programme(tx)
        people = [member(tx, camp) for _ in range(3)]
        for ming in people:
            give(tx, camp, ming, 3_000)
            give(tx, camp, ming, 10, day=day(40))
        _review_all(tx, camp, day(40))
        most = 2 if stopped else 500
        assert [ledger.account(tx, camp, ming).qualifying for ming in people] == [3_010] * 3

    def night(tx: Tx) -> int:
        return levels.review_due(tx, programmes.programme(tx, camp, NOW), last, most=most)

    _overtaken(pool, night, night)
    with transaction(pool) as tx:
        _review_all(tx, camp, last)
    with reading(pool) as tx:
        assert [ledger.account(tx, camp, ming).qualifying for ming in people] == [10] * 3
        assert all_differences(tx) == []


def _review_all(tx: Tx, camp: int, today: date) -> None:
    here = programmes.programme(tx, camp, NOW)
    while levels.review_due(tx, here, today):
        pass


def test_an_award_that_meets_the_night_stays_in_the_window(pool: Engine) -> None:
    with transaction(pool) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        give(tx, camp, ming, 3_000)
        _review_all(tx, camp, DAY)

    def night(tx: Tx) -> int:
        return levels.review_due(tx, programmes.programme(tx, camp, NOW), day(365))

    for first, second in ((_gives(camp, ming), night), (night, _gives(camp, ming))):
        _overtaken(pool, first, second)
    with transaction(pool) as tx:
        _review_all(tx, camp, day(365))
    with reading(pool) as tx:
        assert ledger.account(tx, camp, ming).qualifying == 14
        assert all_differences(tx) == []


def _gives(camp: int, ming: int) -> Callable[[Tx], object]:
    return lambda tx: give(tx, camp, ming, 7, day=day(365))


def test_one_hold_captured_and_released_at_once_ends_once(pool: Engine) -> None:
    with transaction(pool) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        give(tx, camp, ming, 10)
        aside = holds.hold(tx, payment(camp, ming, 10), due=NOW)
    with pytest.raises(GoneError, match="captured"):
        _overtaken(
            pool,
            lambda tx: holds.capture(tx, camp, aside.id, undo("one")),
            lambda tx: holds.release(tx, camp, aside.id, undo("two")),
        )
    with reading(pool) as tx:
        assert buckets(tx, camp, ming) == {}


def test_a_hold_ended_twice_at_once_by_one_key_tells_both_the_same(pool: Engine) -> None:
    with transaction(pool) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        give(tx, camp, ming, 10)
        aside = holds.hold(tx, payment(camp, ming, 10), due=NOW)
    made: list[object] = []
    second = _overtaken(
        pool,
        lambda tx: made.append(holds.release(tx, camp, aside.id, undo("one"))),
        lambda tx: holds.release(tx, camp, aside.id, undo("one")),
    )
    assert isinstance(second, Posted)
    assert second.replayed
    assert made == [second._replace(replayed=False)]
    with reading(pool) as tx:
        assert buckets(tx, camp, ming) == {"available": 10}


def test_two_sessions_that_write_one_programme_keep_one_chain(pool: Engine) -> None:
    with transaction(pool) as tx:
        camp = programme(tx)
        people = [member(tx, camp) for _ in range(WORKERS)]
        for person in people:
            give(tx, camp, person, 1)
    _overtaken(
        pool,
        lambda tx: give(tx, camp, people[0], 10),
        lambda tx: give(tx, camp, people[1], 20),
    )
    assert chain(pool, camp) == [WORKERS, 1, 1]
    _at_once(pool, [[_award(camp, person, 5)] * 5 for person in people])
    covered = chain(pool, camp)
    assert sum(covered) == WORKERS + 2 + 5 * WORKERS


def test_the_same_key_at_once_pays_once(pool: Engine) -> None:
    with transaction(pool) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
    outcomes = _at_once(
        pool, [[lambda tx: give(tx, camp, ming, 10, key="once")] for _ in range(WORKERS)]
    )
    results = [share[0].value for share in outcomes]
    assert sorted(result.replayed for result in results) == [False] + [True] * (WORKERS - 1)
    assert len({(result.id, result.balance) for result in results}) == 1
    with reading(pool) as tx:
        assert buckets(tx, camp, ming) == {"available": 10}


def _linked(pool: Engine) -> None:
    """One member, known on two platforms, with a group of the main programme on each."""
    _main(pool, "-1")
    with transaction(pool) as tx:
        programmes.open_group(tx, "wecom", "-2", "群", by_owner=True, defaults=DEFAULTS, now=NOW)
        ming = members.enrol(tx, MAIN, Who("telegram", "7", "人7"), NOW)
        members.link(tx, MAIN, ming.id, Who("wecom", "7", "人7"))


def test_ten_checkins_of_one_member_on_two_platforms_pay_once(pool: Engine) -> None:
    _linked(pool)
    units = [
        _asked("-1", "7", f"t{n}") if n % 2 else _asked("-2", "7", f"w{n}", platform="wecom")
        for n in range(10)
    ]
    outcomes = _at_once(pool, [[unit] for unit in units])
    assert _states(outcomes) == {"done": 1, "refused": 9}
    with reading(pool) as tx:
        assert count(tx, "member") == 1
        assert count(tx, "posting") == 1
        found = members.find(tx, MAIN, Who("wecom", "7", ""), None)
    assert found is not None
    assert (found.available, found.streak, found.checkin_day) == (5, 1, DAY)


def test_one_who_has_checked_in_elsewhere_is_told_what_he_has(pool: Engine) -> None:
    _linked(pool)

    def wait_for_the_other(tx: Tx) -> None:
        waits = Sql(
            "SELECT 1 FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        for _ in range(200):
            if tx.one(waits):
                return
            time.sleep(0.01)

    units = [_asked("-1", "7", "t1"), _asked("-2", "7", "w1", platform="wecom")]
    outcomes = _at_once(pool, [[unit, wait_for_the_other] for unit in units])
    said = [row.payload for share in outcomes for outcome in share for row in outcome.say]
    assert ["现有 5 积分" in payload for payload in said] == [True, True]


def test_two_days_that_arrive_at_once_make_a_streak_of_two(pool: Engine) -> None:
    """Yesterday's message, late on one platform, meets today's on another."""
    with transaction(pool) as tx:
        camp = programme(tx)
        who = Who("telegram", "7", "小明")
        members.enrol(tx, camp, who, NOW)
    with pool.connect() as first, pool.connect() as second, first.begin(), second.begin():
        one, two = Tx(first), Tx(second)
        found_one = members.find(one, camp, who, None)
        found_two = members.find(two, camp, who, None)
        assert found_one is not None
        assert found_two is not None
        checkins.add(one, camp, found_one.id, DAY, NOW)
        give(one, camp, found_one.id, 5, day=DAY, reason="checkin")
        one.close()
        first.commit()
        yesterday = DAY - timedelta(days=1)
        checkins.add(two, camp, found_two.id, yesterday, NOW)
        give(two, camp, found_two.id, 5, day=yesterday, reason="checkin")
        two.close()
        second.commit()
    with reading(pool) as tx:
        found = members.find(tx, camp, who, None)
    assert found is not None
    assert (found.checkin_day, found.streak) == (DAY, 2)


def test_the_same_event_at_four_workers_is_paid_and_answered_once(pool: Engine) -> None:
    _main(pool, "-1")
    outcomes = _at_once(pool, [[_asked("-1", "7", "tg1:same")] for _ in range(4)])
    assert _states(outcomes) == {"done": 1, "duplicate": 3}
    assert sum(len(outcome.say) for share in outcomes for outcome in share) == 1
    with reading(pool) as tx:
        assert [count(tx, t) for t in ("posting", "inbox", "outbox", "member")] == [1, 1, 1, 1]


def test_the_same_batch_at_four_workers_is_paid_and_answered_once(pool: Engine) -> None:
    _main(pool, "-1")
    batch = [_asked("-1", str(user), f"tg1:{user}") for user in range(12)]
    rng = Random(5)
    shares = [rng.sample(batch, len(batch)) for _ in range(4)]  # each in another order
    outcomes = _at_once(pool, shares)
    assert _states(outcomes) == {"done": 12, "duplicate": 36}
    with reading(pool) as tx:
        assert [count(tx, t) for t in ("posting", "outbox", "member")] == [12, 12, 12]


def test_two_first_events_of_somebody_new_make_one_member(pool: Engine) -> None:
    chats = [f"-{number}" for number in range(1, WORKERS + 1)]
    _main(pool, *chats)
    outcomes = _at_once(pool, [[_asked(chat, "7", f"k{chat}")] for chat in chats])
    assert _states(outcomes) == {"done": 1, "refused": WORKERS - 1}
    with reading(pool) as tx:
        assert [count(tx, t) for t in ("member", "identity", "posting")] == [1, 1, 1]
        assert count(tx, "membership") == WORKERS
        assert count(tx, "account") == 2


def test_a_group_that_nobody_knows_is_opened_once(pool: Engine) -> None:
    _main(pool)
    outcomes = _at_once(pool, [[_asked("-9", str(user), f"k{user}")] for user in range(WORKERS)])
    assert _states(outcomes) == {"done": WORKERS}
    with reading(pool) as tx:
        assert [count(tx, t) for t in ("chat_group", "member")] == [1, WORKERS]
        assert count(tx, "programme") == 2  # the main one, and the stranger's


def test_a_compensation_that_two_carry_out_at_once_is_paid_once(pool: Engine) -> None:
    with transaction(pool) as tx:
        camp = programme(tx)
        people = [member(tx, camp) for _ in range(5)]
        here = programmes.programme(tx, camp, NOW)
        five = Offer("fixed", points=5)
        compensation.propose(tx, here, five, None, author="Ann", note="x", now=NOW)
    with pytest.raises(CompensationError, match="has approved run 1 before"):
        _overtaken(
            pool,
            lambda tx: compensating.approve(tx, camp, 1, by="Ann", now=NOW),
            lambda tx: compensating.approve(tx, camp, 1, by="ann", now=NOW),
        )
    with transaction(pool) as tx:
        compensating.approve(tx, camp, 1, by="Bob", now=NOW)
        compensating.begin(tx, camp, 1, by="Bob", now=NOW)
    some, rest = (
        lambda tx, most=most: compensating.pay(tx, here, 1, now=NOW, most=most) for most in (3, 5)
    )
    behind = _overtaken(pool, some, rest)
    assert behind == compensating.Batch(2, 10, (), None, "done")
    with reading(pool) as tx:
        assert [buckets(tx, camp, person) for person in people] == [{"available": 5}] * 5


PROCESS = """
import json, sys
from tests.storage.test_concurrency import _asked, _worker
from storage.db import open_engine
worker = _worker(open_engine(sys.argv[1]))
units = [_asked("-1", str(n % 10), f"tg1:{n}") for n in range(40)]
print("ready", flush=True)
sys.stdin.readline()
states = [o.state for start in range(0, 40, 8) for o in worker.run(units[start:start + 8])]
print(json.dumps(states), flush=True)
"""


def test_two_processes_with_the_same_events_pay_each_once(pool: Engine, postgres_url: str) -> None:
    _main(pool, "-1")
    command = [sys.executable, "-c", PROCESS, postgres_url]
    processes = [
        subprocess.Popen(
            command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for _ in range(2)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        states: Counter[str] = Counter()
        for process in processes:
            out, _ = process.communicate(timeout=30)
            states.update(json.loads(out))
            assert process.returncode == 0
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert states == {"done": 10, "refused": 30, "duplicate": 40}
    with reading(pool) as tx:
        assert [count(tx, t) for t in ("posting", "outbox", "inbox", "member")] == [10, 40, 40, 10]
