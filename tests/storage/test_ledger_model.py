"""The ledger against a model of a few lines: many steps, every result and bucket compared."""

from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Engine

from storage import audit, ledger
from storage.db import Tx, open_engine
from storage.ledger import (
    PROGRAMME,
    InsufficientError,
    KeyConflictError,
    LedgerError,
    Posting,
    Side,
)
from tests.storage.books import DAY, buckets, member, posting, programme

PEOPLE = 3
PEOPLE_BUCKETS = ("available", "pending", "held")
HOUSE_BUCKETS = ("issued", "redeemed", "expired", "clawed_back", "compensation")
PERSON = st.integers(1, PEOPLE)
THEIRS = st.tuples(PERSON, st.sampled_from(PEOPLE_BUCKETS))
OURS = st.tuples(st.just(PROGRAMME), st.sampled_from(HOUSE_BUCKETS))
AMOUNTS = st.integers(1, 30) | st.sampled_from([0, -3, 10**12, 10**12 + 1])
KEYS = st.sampled_from(["a", "b", "c"]) | st.none()


class Model:
    """What the ledger promises, over two dictionaries."""

    def __init__(self) -> None:
        self.held: dict[Side, int] = {}
        self.known: dict[str, tuple[Posting, int]] = {}
        self.lines: dict[int, list[tuple[int, str, int]]] = {}

    def post(self, asked: Posting) -> tuple[int, bool] | type[LedgerError]:
        if not 1 <= asked.amount <= 10**12 or asked.source == asked.target:
            return LedgerError
        if asked.key in self.known:
            first, balance = self.known[asked.key]
            return (balance, True) if first[2:6] == asked[2:6] else KeyConflictError
        have = self.held.get(asked.source, 0)
        if asked.source.owner_id != PROGRAMME and have < asked.amount:
            return InsufficientError
        self.held[asked.source] = have - asked.amount
        self.held[asked.target] = self.held.get(asked.target, 0) + asked.amount
        self._note(asked)
        theirs = [side for side in (asked.target, asked.source) if side.owner_id != PROGRAMME]
        balance = self.held[theirs[0]] if theirs else 0
        self.known[asked.key] = (asked, balance)
        return balance, False

    def _note(self, asked: Posting) -> None:
        if asked.source.owner_id not in {PROGRAMME, asked.target.owner_id}:
            self._line(asked.source, -asked.amount)
        if asked.target.owner_id != PROGRAMME:
            self._line(asked.target, asked.amount)

    def _line(self, side: Side, amount: int) -> None:
        line = (amount, side.bucket, self.held[side])
        self.lines.setdefault(side.owner_id, []).insert(0, line)

    def copy(self) -> "Model":
        other = Model()
        other.held, other.known = dict(self.held), dict(self.known)
        other.lines = {owner: list(lines) for owner, lines in self.lines.items()}
        return other


class Books(RuleBasedStateMachine):
    """One programme of its own on a store that other runs have used before."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.model = Model()
        self.connection = engine.connect()
        self._begin()
        self.camp = programme(self.tx)
        self.ids = [PROGRAMME] + [member(self.tx, self.camp) for _ in range(PEOPLE)]
        self.steps = 0

    def _begin(self) -> None:
        self.open = self.connection.begin()
        self.tx = Tx(self.connection)

    def _make(self, source: Any, target: Any, amount: int, key: str | None, late: int) -> Posting:
        self.steps += 1
        return posting(
            self.camp,
            Side(self.ids[target[0]], target[1]),
            amount,
            source=Side(self.ids[source[0]], source[1]),
            key=f"{self.camp}/{key or self.steps}",
            day=DAY - timedelta(days=late),
        )

    def _post(self, asked: Posting) -> None:
        expected = self.model.post(asked)
        if isinstance(expected, tuple):
            done = ledger.post(self.tx, asked)
            assert (done.balance, done.replayed) == expected
            return
        with pytest.raises(expected) as refused:
            ledger.post(self.tx, asked)
        assert type(refused.value) is expected

    @rule(goal=PERSON, amount=AMOUNTS, key=KEYS, late=st.integers(0, 40))
    def award(self, goal: int, amount: int, key: str | None, late: int) -> None:
        self._post(self._make((0, "issued"), (goal, "available"), amount, key, late))

    @rule(source=THEIRS, goal=THEIRS, amount=AMOUNTS, key=KEYS)
    def move(self, source: Any, goal: Any, amount: int, key: str | None) -> None:
        self._post(self._make(source, goal, amount, key, 0))

    @rule(source=THEIRS, goal=OURS, amount=AMOUNTS, key=KEYS)
    def pay(self, source: Any, goal: Any, amount: int, key: str | None) -> None:
        self._post(self._make(source, goal, amount, key, 0))

    @rule(source=OURS, goal=THEIRS | OURS, amount=AMOUNTS, key=KEYS)
    def book(self, source: Any, goal: Any, amount: int, key: str | None) -> None:
        self._post(self._make(source, goal, amount, key, 0))

    @rule(source=THEIRS, goal=THEIRS, amounts=st.lists(st.integers(1, 30), max_size=3))
    def change_ones_mind(self, source: Any, goal: Any, amounts: list[int]) -> None:
        kept, self.model = self.model, self.model.copy()
        with suppress(ZeroDivisionError), self.tx.savepoint():
            for amount in amounts:
                self._post(self._make((0, "issued"), goal, amount, None, 0))
                self._post(self._make(source, goal, amount, None, 0))
            raise ZeroDivisionError
        self.model = kept

    @precondition(lambda self: self.steps)
    @rule()
    def end_the_batch(self) -> None:
        ledger.write_totals(self.tx)
        self.open.commit()
        self._begin()
        house = {
            side.bucket: amount
            for side, amount in self.model.held.items()
            if side.owner_id == PROGRAMME and amount
        }
        assert buckets(self.tx, self.camp) == house

    @rule(person=PERSON, lines=st.integers(0, 6))
    def read_a_statement(self, person: int, lines: int) -> None:
        owner = self.ids[person]
        said = ledger.statement(self.tx, self.camp, owner, count=lines)
        assert [(m.amount, m.bucket, m.after) for m in said] == self.model.lines.get(owner, [])[
            :lines
        ]

    @invariant()
    def every_bucket_is_as_in_the_model(self) -> None:
        for owner in self.ids[1:]:
            held = {
                side.bucket: amount
                for side, amount in self.model.held.items()
                if side.owner_id == owner and amount
            }
            assert buckets(self.tx, self.camp, owner) == held

    @invariant()
    def nothing_is_made_or_lost(self) -> None:
        assert sum(self.model.held.values()) == 0

    def teardown(self) -> None:
        ledger.write_totals(self.tx)
        for owner in self.ids[1:]:
            said = ledger.statement(self.tx, self.camp, owner, count=10_000)
            expected = self.model.lines.get(owner, [])
            assert [(m.amount, m.bucket, m.after) for m in said] == expected
        assert audit.faults(self.tx) == []
        self.open.rollback()
        self.connection.close()


def test_the_ledger_does_what_the_model_does_on_sqlite(sqlite_url: str) -> None:
    engine = open_engine(sqlite_url)
    run_state_machine_as_test(
        lambda: Books(engine),
        settings=settings(max_examples=40, stateful_step_count=40, deadline=None),
    )
    engine.dispose()


@pytest.mark.postgres
def test_the_ledger_does_what_the_model_does_on_postgres(postgres_url: str) -> None:
    engine = open_engine(postgres_url)
    run_state_machine_as_test(
        lambda: Books(engine),
        settings=settings(max_examples=8, stateful_step_count=30, deadline=None),
    )
    engine.dispose()
