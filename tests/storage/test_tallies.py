"""The tally: ranks and totals against a plain sort of all accounts, whatever happens, in any order.

That the tally counts what the accounts say is proved after every test on an engine (`audit`).
"""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import islice
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, insert, text

from content import windows
from content.rungs import rung
from content.windows import WINDOWS, Window
from storage import audit, boards, clockwork, ledger, members, tallies, undoing
from storage.db import Sql, Tx, open_engine, reading
from storage.members import Who
from storage.movement import AMOUNT_MAX, Side
from storage.tables import chat_group
from tests.storage.books import (
    DAY,
    NOW,
    count,
    day,
    give,
    member,
    posting,
    programme,
    transaction,
    undo,
)

PEOPLE, GROUPS = 6, (901, 902)
OTHERS = ("back", "hide", "show", "leave", "come", "lose", "write", "close", "ask")
AMOUNTS = (1, 2, 5, 5, 64, 126, 127, 128, 129, 130, 1_000, 1_003, 10**6, AMOUNT_MAX)
DAYS = (0, 0, 0, 1, 3, 7, 30, -1, -2, -9)
"""How much later than the last one a day is; some come late."""
_ROWS = Sql(
    "SELECT owner_id, earned_day, day_earned, earned_week, week_earned, earned_month,"
    " month_earned, total_earned, shown FROM account WHERE programme_id = :programme"
    " AND wallet = 'points' AND owner_id <> 0"
)


class Step(NamedTuple):
    """Something that happens to a person; `number` is of what: points, days, a group."""

    what: str
    person: int
    number: int
    amount: int


STEPS = st.lists(
    st.builds(
        Step,
        what=st.sampled_from(("earn", "earn", "earn", *OTHERS)),
        person=st.integers(0, PEOPLE - 1),
        number=st.integers(0, 9),
        amount=st.sampled_from(AMOUNTS),
    ),
    min_size=1,
    max_size=30,
)


@dataclass
class Camp:
    """A programme with people in two groups, and who of them should be shown how."""

    tx: Tx
    id: int
    people: list[int]
    today: date = DAY
    made: dict[int, int] = field(default_factory=dict)
    """Postings, and how much of them is left to be taken back."""
    wishes: dict[int, int] = field(default_factory=dict)
    groups: dict[int, dict[int, bool]] = field(default_factory=dict)

    @classmethod
    def open(cls, tx: Tx) -> "Camp":
        camp = programme(tx)
        for number in GROUPS:
            group(tx, camp, number)
        return cls(tx, camp, [members.enrol(tx, camp, who(n), NOW).id for n in range(PEOPLE)])

    def do(self, step: Step) -> None:
        tx, person = self.tx, self.people[step.person]
        if step.what == "earn":
            days = DAYS[step.number]
            on = self.today + timedelta(days=days)
            self.today = max(self.today, on)
            self.made[give(tx, self.id, person, step.amount, day=on).id] = step.amount
        elif step.what == "back" and self.made:
            self._back([*self.made][step.number % len(self.made)], step.amount)
        elif step.what in {"hide", "show"}:
            self.wishes[person] = -1 if step.what == "hide" else 1
            members.wish(tx, self.id, person, -1 if step.what == "hide" else 1)
        elif step.what in {"come", "leave"}:
            self._move(step)
        elif step.what == "write":
            tx.books.write(tx)
        elif step.what == "close":
            tx.close()

    def _back(self, made: int, amount: int) -> None:
        left = self.made.pop(made)
        amount = min(amount, left)
        undone = undo(f"2026-03-04/back/{made}/{left}", self.today)
        undoing.reverse(self.tx, self.id, made, undone, amount=amount)
        if amount < left:
            self.made[made] = left - amount

    def _move(self, step: Step) -> None:
        number, person = GROUPS[step.number % 2], self.people[step.person]
        known = self.groups.setdefault(person, {})
        if step.what == "come":
            members.arrive(self.tx, self.id, number, who(step.person), NOW)
            known[number] = True
        elif known.get(number):
            members.leave(self.tx, self.id, number, person)
            known[number] = False

    def shown(self, person: int) -> int:
        in_groups = self.groups.get(person, {})
        if in_groups and not any(in_groups.values()):
            return 0
        return self.wishes.get(person, 0) + 1

    def check(self) -> None:
        """Compare everybody's rank, and every total, with a plain sort."""
        rows = standing(self.tx, self.id)
        shown = {person: self.shown(person) for person in self.people}
        assert {row[0]: row[2] for row in rows} == shown
        compare(self.tx, self.id, self.today, rows)


def who(number: int) -> Who:
    return Who("telegram", f"8{number}", f"p{number}")


def group(tx: Tx, camp: int, number: int) -> None:
    values = {"platform": "telegram", "chat_id": f"{camp}/{number}", "title": "", "created_ms": 0}
    tx.core.execute(insert(chat_group).values(programme_id=camp, id=number, **values))


Row = tuple[int, dict[tuple[Window, date], int], int]


def standing(tx: Tx, camp: int) -> list[Row]:
    """Return of everybody the points by window, and whether he is shown."""
    tx.books.write(tx)
    found: list[Row] = []
    for owner, *columns, total, shown in tx.all(_ROWS, programme=camp):
        first = [date.fromisoformat(d) if isinstance(d, str) else d for d in columns[::2]]
        pairs = [*zip(first, columns[1::2], strict=True), (date.min, total)]
        points = {(w, since): has for w, (since, has) in zip(WINDOWS, pairs, strict=True)}
        found.append((owner, points, shown))
    return found


def compare(tx: Tx, camp: int, today: date, rows: list[Row]) -> None:
    for window in WINDOWS:
        first = windows.start(window, today)
        has = {owner: points.get((window, first), 0) for owner, points, _ in rows}
        for opt_in, least in ((False, 1), (True, 2)):
            stand = [has[owner] for owner, _, shown in rows if shown >= least and has[owner] > 0]
            for owner, _, shown in rows:
                mine = has[owner]
                rank = 1 + sum(other > mine for other in stand) if shown >= least else 0
                own = boards.own_place(tx, camp, window, today, owner, opt_in=opt_in)
                assert (own and own[0::3]) == ((rank, mine) if mine > 0 else None)
            board = boards.board(tx, camp, window, today, places=3, member_id=owner, opt_in=opt_in)
            assert board.own == own
            assert board.total == len(stand)
            best = sorted(stand, reverse=True)[:3]
            assert [place.points for place in board.places] == best
            assert [place.rank for place in board.places] == [1 + best.index(p) for p in best]


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=STEPS)
def test_ranks_and_totals_are_exact_whatever_happens(engine: Engine, steps: list[Step]) -> None:
    with transaction(engine) as tx:
        camp = Camp.open(tx)
        todo = iter(steps)
        for step in todo:
            if step.what == "lose":
                _lose(camp, todo)
            elif step.what == "ask":
                camp.check()
            else:
                camp.do(step)
        camp.check()
        tx.close()
        camp.check()


def _lose(camp: Camp, steps: Iterator[Step]) -> None:
    """Do the next two things in a unit that fails."""
    before = (camp.today, {**camp.made}, {**camp.wishes})
    known = {person: {**groups} for person, groups in camp.groups.items()}
    with suppress(InterruptedError), camp.tx.savepoint():
        for step in islice(steps, 2):
            camp.do(step)
        raise InterruptedError
    camp.today, camp.made, camp.wishes = before
    camp.groups = known


def test_a_group_that_turns_at_once_is_counted_so(engine: Engine) -> None:
    """Some of its members are known to the transaction, with points that are not written yet."""
    with transaction(engine) as tx:
        camp = Camp.open(tx)
        for person in range(4):
            camp.do(Step("come", person, 0, 0))
            camp.do(Step("earn", person, 0, 10 * (person + 1)))
    with transaction(engine) as tx:
        camp.tx = tx
        camp.do(Step("earn", 0, 0, 500))
        for person in camp.people[:4]:
            tx.core.execute(
                text(f"UPDATE membership SET state = 'left' WHERE member_id = {person}")
            )
            camp.groups[person] = dict.fromkeys(GROUPS, False)
        members.show_group(tx, camp.id, GROUPS[0])
        camp.check()
        camp.do(Step("earn", 1, 0, 7))  # he earns where nobody sees him
        camp.do(Step("earn", 4, 0, 7))
        camp.check()


def test_sql_counts_by_the_same_rungs(engine: Engine) -> None:
    around = [(1 << bits) + more for bits in range(6, 62) for more in (-1, 0, 1)]
    some = Random(1)
    asked = [1, 5, *around, *(some.randrange(1, 1 << some.randrange(1, 62)) for _ in range(200))]
    values = ", ".join(f"({points})" for points in asked)
    with reading(engine) as tx:
        found = tx.all(
            Sql(
                "SELECT points, (shift << 6) + (points >> shift) FROM"
                f" (SELECT points, {tallies.shift('points')} AS shift FROM"
                f" (SELECT CAST(column1 AS BIGINT) AS points FROM (VALUES {values}) v) p) s"
            )
        )
    assert dict(found) == {n: rung(n) for n in asked}


def test_rungs_on_which_nobody_stands_go_with_the_day(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp, other = programme(tx), programme(tx)
        for id_ in (camp, other):
            ming = member(tx, id_)
            give(tx, id_, ming, 5)
            tx.close()
            give(tx, id_, ming, 5, day=day(40))
    with transaction(engine) as tx:
        assert count(tx, "tally WHERE members = 0") == 8
        with suppress(InterruptedError), tx.savepoint():
            tallies.sweep(tx, other)
            raise InterruptedError
        while clockwork.run_programme(tx, camp, now=NOW):
            pass
    with transaction(engine) as tx:
        assert count(tx, "tally WHERE members = 0") == 4
        assert count(tx, f"tally WHERE programme_id = {camp}") == 4


def test_a_day_without_anything_to_sweep_locks_nothing(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        tallies.sweep(tx, camp)
        assert tx.books.tally.programmes() == set()


def test_what_nobody_earned_with_counts_nowhere(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming, hong = member(tx, camp), member(tx, camp)
        give(tx, camp, ming, 9, wallet="coin")
        ledger.post(tx, posting(camp, Side(hong, "available"), 9, source=Side(0, "compensation")))
        members.wish(tx, camp, ming, -1)
        members.wish(tx, camp, hong, 1)
        tx.close()
        assert count(tx, "tally") == 0


THREADS, ROUNDS = 6, 40


@pytest.mark.postgres
def test_many_connections_at_once_stay_exact_and_never_meet_in_a_deadlock(
    postgres_url: str,
) -> None:
    engine = open_engine(postgres_url, workers=THREADS + 1)
    with transaction(engine) as tx:
        camps = [Camp.open(tx) for _ in range(2)]
    over = threading.Event()
    with ThreadPoolExecutor(THREADS + 1) as threads:
        reader = threads.submit(_look, engine, camps, over)
        jobs = [threads.submit(_work, engine, camps, Random(seed)) for seed in range(THREADS)]
        try:
            for job in jobs:
                job.result(60)
        finally:
            over.set()
        assert reader.result(60) > 0
    with transaction(engine) as tx:
        for camp in camps:
            compare(tx, camp.id, DAY, standing(tx, camp.id))
        assert count(tx, "tally") > 0
    with reading(engine) as tx:
        assert audit.faults(tx) == []
    engine.dispose()


@pytest.mark.postgres
def test_who_only_hides_waits_for_the_programme_before_he_writes_a_rung(postgres_url: str) -> None:
    engine = open_engine(postgres_url)
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        give(tx, camp, ming, 5)

    def hide() -> None:
        with transaction(engine) as tx:
            members.wish(tx, camp, ming, -1)

    with ThreadPoolExecutor(1) as threads:
        with transaction(engine) as tx:
            tx.core.execute(text("SELECT 1 FROM account WHERE owner_id = 0 FOR UPDATE"))
            hiding = threads.submit(hide)
            with pytest.raises(TimeoutError):
                hiding.result(0.5)
            rungs = tx.core.execute(text("SELECT members FROM tally FOR UPDATE NOWAIT"))
            assert [*rungs.scalars()] == [1, 1, 1, 1]
        hiding.result(10)
    with reading(engine) as tx:
        assert count(tx, "tally WHERE members <> 0") == 0
        assert audit.faults(tx) == []
    engine.dispose()


def _work(engine: Engine, camps: list[Camp], rng: Random) -> None:
    """Earn for several at once, in both programmes; hide, show, leave, come; sweep."""
    for _ in range(ROUNDS):
        camp = rng.choice(camps)
        number = rng.randrange(PEOPLE)
        with transaction(engine) as tx:
            what = rng.choice(["many", "many", "many", "wish", "come", "leave", "sweep"])
            if what == "many":
                some = [(c.id, p) for c in camps for p in c.people if rng.random() < 0.4]
                on = DAY - timedelta(days=rng.choice([0, 0, 1, 4]))
                amount = rng.choice(AMOUNTS)
                gifts = [posting(c, Side(p, "available"), amount, day=on) for c, p in some]
                ledger.post_many(tx, gifts)
            elif what == "wish":
                members.wish(tx, camp.id, camp.people[number], rng.choice([-1, 1]))
            elif what == "sweep":
                tallies.sweep(tx, camp.id)
            else:
                _walk(tx, camp, number, came=what == "come")


def _walk(tx: Tx, camp: Camp, number: int, *, came: bool) -> None:
    if came:
        members.arrive(tx, camp.id, GROUPS[0], who(number), NOW)
    else:
        members.leave(tx, camp.id, GROUPS[0], camp.people[number])


def _look(engine: Engine, camps: list[Camp], over: threading.Event) -> int:
    """Compare what a reader sees in one moment, until all is over."""
    looked = 0
    while not over.is_set() or not looked:
        for camp in camps:
            with reading(engine) as tx:
                compare(tx, camp.id, DAY, standing(tx, camp.id))
            looked += 1
    return looked
