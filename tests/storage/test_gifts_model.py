"""Gifts, purchases and refunds in any order: sums hold, and nobody gives more than he earned."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from storage import audit, clockwork, gifts, holds, ledger, rebuilding, undoing
from storage.db import Tx, open_engine
from storage.gifts import End, Gift
from storage.movement import InsufficientError, Side
from tests.storage.books import (
    NOW,
    day,
    end_gift,
    member,
    offer,
    payment,
    posting,
    programme,
    undo,
    undone,
)

PEOPLE = 3
ENDS: dict[str, End] = {"accept": "accepted", "decline": "declined", "take back": "taken_back"}
_STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["earn", "offer", "offer", "accept", "accept", "decline", "take back", "days", "pay",
             "refund", "hold", "release", "claw", "late"]
        ),
        st.integers(0, PEOPLE - 1),
        st.integers(1, PEOPLE - 1),
        st.integers(1, 30),
    ),
    min_size=10,
    max_size=50,
)  # fmt: skip


class _Village:
    """People who earn, give, spend and are refunded in any order, and what must hold."""

    def __init__(self, tx: Tx) -> None:
        self.tx = tx
        self.camp = programme(tx)
        self.people = [member(tx, self.camp) for _ in range(PEOPLE)]
        self.now = 0
        self.offered: list[Gift] = []
        self.paid: list[int] = []
        self.held: list[int] = []
        self.awards: list[int] = []
        self.earned: Counter[int] = Counter()
        self.given: Counter[int] = Counter()
        self.gifted: Counter[int] = Counter()
        self.used: Counter[int] = Counter()
        self.clawed = False
        self.keys = 0
        for one in self.people:
            self.earn(one, 40)

    def key(self) -> str:
        self.keys += 1
        return f"{day(self.now)}/k/{self.keys}"

    def step(self, what: str, who: int, by: int, amount: int) -> None:
        one, other = self.people[who], self.people[(who + by) % PEOPLE]
        before = {each: self.available(each) for each in self.people}
        if what in ENDS:
            self.end(ENDS[what], amount)
        elif what == "offer":
            self.offer(one, other, amount)
        elif what in {"pay", "hold"}:
            self.spend(what, one, amount)
        elif what in {"refund", "claw", "release"}:
            self.undo(what)
        elif what == "earn":
            self.earn(one, amount)
        elif what == "days":
            self.pass_days(amount)
        else:
            self.be_late()
        for each in self.people:
            self.count(what, each, self.available(each) - before[each])

    def count(self, what: str, one: int, moved: int) -> None:
        """Count gifts as they are meant: by what has come or gone, and why."""
        if what in {"pay", "hold", "days"} and moved < 0:
            self.use(one, min(self.gifted[one], -moved))
        elif what == "claw":
            self.use(one, max(0, self.gifted[one] - self.available(one)))
        elif what in {"refund", "release"}:
            self.use(one, -min(self.used[one], moved))
        elif what == "accept" and moved:
            self.gifted[one] += moved

    def use(self, one: int, points: int) -> None:
        self.gifted[one] -= points
        self.used[one] += points

    def available(self, one: int) -> int:
        return ledger.account(self.tx, self.camp, one).available

    def more(self) -> dict[str, Any]:
        return {"day": day(self.now), "key": self.key()}

    def earn(self, one: int, amount: int) -> None:
        award = posting(self.camp, Side(one, "available"), amount, **self.more())
        last = day(self.now + amount % 9) if amount % 2 else None
        self.awards.append(ledger.post(self.tx, award._replace(expires=last)).id)
        self.earned[one] += amount

    def offer(self, one: int, other: int, amount: int) -> None:
        if amount > self.available(one) - self.gifted[one]:
            with pytest.raises(InsufficientError):
                offer(self.tx, self.camp, one, other, amount, **self.more())
        else:
            self.offered.append(offer(self.tx, self.camp, one, other, amount, **self.more()))
            self.given[one] += amount

    def end(self, state: End, nth: int) -> None:
        if not self.offered:
            return
        gift = self.offered.pop(nth % len(self.offered))
        assert end_gift(self.tx, self.camp, gift, state, on=day(self.now))
        assert not end_gift(self.tx, self.camp, gift, "accepted", on=day(self.now))
        if state != "accepted":
            self.given[gift.giver_id] -= gift.amount

    def spend(self, what: str, one: int, amount: int) -> None:
        if self.available(one) < amount:
            return
        asked = payment(self.camp, one, amount, **self.more())
        if what == "pay":
            self.paid.append(ledger.post(self.tx, asked).id)
        else:
            self.held.append(holds.hold(self.tx, asked, due=NOW).id)

    def undo(self, what: str) -> None:
        of = {"refund": self.paid, "claw": self.awards, "release": self.held}[what]
        if not of:
            return
        end = holds.release if what == "release" else undoing.reverse
        end(self.tx, self.camp, of.pop(), undo(self.key(), day(self.now)))
        self.clawed = self.clawed or what == "claw"

    def pass_days(self, number: int) -> None:
        self.now += number % 4
        clockwork.expire_due(self.tx, self.camp, day(self.now), NOW)

    def be_late(self) -> None:
        """Nobody accepts what is offered."""
        for gift in self.offered:
            self.given[gift.giver_id] -= gift.amount
        late, count = NOW + timedelta(days=99), len(self.offered)
        self.offered.clear()
        assert gifts.expire_due(self.tx, self.camp, day(self.now), late) == count
        assert gifts.expire_due(self.tx, self.camp, day(self.now), late) == 0

    def check(self) -> None:
        for one in self.people:
            has = ledger.account(self.tx, self.camp, one)
            assert (has.gifted, has.gifted_spent) == (self.gifted[one], self.used[one])
            assert has.gifted <= has.available
            if not self.clawed:  # what is taken back afterwards was given all the same
                assert self.given[one] <= self.earned[one]
        self.tx.close()
        sums = text(
            "SELECT SUM(available + pending + held + debt + issued + redeemed + expired"
            " + clawed_back + compensation) FROM account WHERE programme_id = :camp"
        )
        assert self.tx.core.execute(sums, {"camp": self.camp}).scalar_one() == 0


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_whatever_happens_nobody_gives_more_than_he_has_earned(
    request: pytest.FixtureRequest, kind: str
) -> None:
    engine = open_engine(request.getfixturevalue(f"{kind}_url"))

    @settings(max_examples=150 if kind == "sqlite" else 25)
    @given(_STEPS)
    def live(steps: list[tuple[str, int, int, int]]) -> None:
        with undone(engine) as tx:
            village = _Village(tx)
            for step in steps:
                village.step(*step)
                village.check()
            assert audit.faults(tx) == []
            assert rebuilding.compare(tx, village.camp)[1] == []

    live()
    engine.dispose()
