"""Two accounts of one person, bound and parted in the midst of anything: the books stay right."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from copy import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from content.rulebook import Rulebook
from storage import (
    audit,
    bindings,
    checkins,
    clockwork,
    gifts,
    holds,
    joining,
    ledger,
    members,
    pairs,
    parting,
    rebuilding,
    undoing,
)
from storage.account import NEVER, Account
from storage.bindings import Binding
from storage.db import Tx, open_engine
from storage.gifts import OFFERED, End, Gift
from storage.movement import GoneError, InsufficientError, Side
from storage.pairs import Act
from storage.programmes import programme as programme_of
from tests.storage.books import NOW, day, member, offer, payment, posting, programme, undo, undone

PEOPLE = 4
_STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["earn", "earn", "xp", "late", "later", "check in", "check in", "offer", "accept",
             "decline", "pay", "refund", "hold", "release", "claw", "claw", "days", "due", "owe",
             "bind", "bind", "part", "part", "there and back"]
        ),
        st.integers(0, PEOPLE - 1),
        st.integers(1, PEOPLE - 1),
        st.integers(1, 30),
    ),
    min_size=10,
    max_size=45,
)  # fmt: skip


class _Camp:
    """People who do anything, two of whom may be one, and what must hold."""

    def __init__(self, tx: Tx) -> None:
        self.tx = tx
        self.camp = programme(tx)
        self.people = [member(tx, self.camp, f"人{n}") for n in range(PEOPLE)]
        self.rules: Rulebook = programme_of(tx, self.camp, NOW).rules
        self.now = 0
        self.offered: list[Gift] = []
        self.paid: list[int] = []
        self.held: list[int] = []
        self.awards: list[int] = []
        self.earned = 0
        self.keys = 0

    def more(self) -> dict[str, Any]:
        self.keys += 1
        return {"day": day(self.now), "key": f"{day(self.now)}/k/{self.keys}"}

    def whose(self, who: int) -> int:
        """Return the member that somebody is now."""
        number = self.people[who % PEOPLE]
        return members.known(self.tx, self.camp, [number])[number]

    def act(self) -> Act:
        return Act(self.camp, self.rules, "test:1", NOW, day(self.now))

    def step(self, what: str, who: int, by: int, amount: int) -> None:
        one, other = self.whose(who), self.whose(who + by)
        acts: dict[str, Callable[[], object]] = {
            "check in": lambda: self.check_in(one, amount),
            "offer": lambda: self.offer(one, other, amount),
            "accept": lambda: self.end("accepted", amount),
            "decline": lambda: self.end("declined", amount),
            "pay": lambda: self.spend(what, one, amount),
            "hold": lambda: self.spend(what, one, amount),
            "refund": lambda: self.undo(what, amount),
            "claw": lambda: self.undo(what, amount),
            "release": lambda: self.undo(what, amount),
            "days": lambda: self.pass_days(amount),
            "due": self.due,
            "owe": lambda: self.owe(one, amount),
            "bind": lambda: self.bind(one, other),
            "part": lambda: self.part(one),
            "there and back": lambda: self.there_and_back(one, other),
        }
        if one != other or what not in {"offer", "bind", "there and back"}:
            acts.get(what, lambda: self.earn(what, one, amount))()

    def bind(self, one: int, other: int) -> Binding:
        return joining.bind(pairs.lock(self.tx, self.act(), one, other))

    def pass_days(self, number: int) -> None:
        self.now += number % 3

    def due(self) -> None:
        clockwork.mature_due(self.tx, self.camp, day(self.now), NOW, rules=self.rules)
        clockwork.expire_due(self.tx, self.camp, day(self.now), NOW)

    def earn(self, what: str, one: int, amount: int) -> None:
        award = posting(self.camp, Side(one, "available"), amount, **self.more())
        award = award._replace(kind=f"kind{amount % 3}", day=day(self.now - amount % 4 * 9))
        if what == "xp":
            award = award._replace(wallet="xp")
        if amount % 2:
            award = award._replace(expires=day(self.now + amount % 9))
        if what == "later":
            ripe = day(self.now + amount % 4 + 1)
            award = award._replace(target=Side(one, "pending"), matures=ripe, day=day(self.now))
        self.awards.append(ledger.post(self.tx, award).id)

    def check_in(self, one: int, amount: int) -> None:
        on = day(self.now - amount % 3)
        if checkins.add(self.tx, self.camp, one, on, NOW) is None:
            return
        award = posting(self.camp, Side(one, "available"), 5, key=f"{on}/checkin/{one}", day=on)
        award = award._replace(reason="checkin", kind="checkin")
        self.awards.append(ledger.post(self.tx, award).id)

    def offer(self, one: int, other: int, amount: int) -> None:
        with suppress(InsufficientError):
            self.offered.append(offer(self.tx, self.camp, one, other, amount, **self.more()))

    def end(self, state: End, nth: int) -> None:
        known = self.offered.pop(nth % len(self.offered)) if self.offered else None
        gift = gifts.get(self.tx, self.camp, known.id) if known else None
        if gift is None or gift.state != OFFERED:
            return  # a binding of the two has ended it
        assert gifts.end(self.tx, self.camp, gift, state, actor="t", at=NOW, today=day(self.now))

    def spend(self, what: str, one: int, amount: int) -> None:
        asked = payment(self.camp, one, amount, **self.more())
        with suppress(InsufficientError):
            if what == "pay":
                self.paid.append(ledger.post(self.tx, asked).id)
            else:
                self.held.append(holds.hold(self.tx, asked, due=NOW).id)

    def undo(self, what: str, nth: int) -> None:
        of = {"refund": self.paid, "claw": self.awards, "release": self.held}[what]
        if of:
            end = holds.release if what == "release" else undoing.reverse
            key = self.more()["key"]
            with suppress(GoneError):  # a double that a binding has taken back
                end(self.tx, self.camp, of.pop(nth % len(of)), undo(key, day(self.now)))

    def owe(self, one: int, amount: int) -> None:
        has = ledger.account(self.tx, self.camp, one)
        if not has.available and has.next_expiry >= day(self.now):
            source, target = Side(one, "debt"), Side(0, "clawed_back")
            ledger.post(self.tx, posting(self.camp, target, amount, source=source, **self.more()))

    def part(self, one: int) -> None:
        known = bindings.last(self.tx, self.camp, one)
        if known is not None:
            parting.part(self.tx, self.act(), known)

    def there_and_back(self, one: int, other: int) -> None:
        """Bind and part at once: each is what he was, but for what had to be settled before."""
        before = self.standing(one), self.standing(other)
        offers = [gifts.get(self.tx, self.camp, gift.id) for gift in self.offered]
        between = any(
            gift and gift.state == OFFERED and {gift.giver_id, gift.receiver_id} == {one, other}
            for gift in offers
        )
        binding = self.bind(one, other)
        kept = bindings.snapshot(self.tx, self.camp, binding)
        parting.part(self.tx, self.act(), binding)
        if not between and not kept.doubles:
            assert (self.standing(one), self.standing(other)) == before

    def standing(self, owner: int) -> list[Account]:
        """Return a member's wallets, but for where their chains of postings end."""
        clockwork.expire_due(self.tx, self.camp, day(self.now), NOW)
        wallets = ("points", "xp")
        found = [copy(ledger.account(self.tx, self.camp, owner, wallet)) for wallet in wallets]
        for has in found:
            has.last_posting, has.level, has.below_since, has.owed_since = 0, "", NEVER, NEVER
            has.qualifying, has.qualifying_after = 0, NEVER
        return found

    def check(self) -> None:
        self.tx.close()
        assert audit.faults(self.tx) == []
        assert rebuilding.compare(self.tx, self.camp)[1] == []
        given, earned, giveable = self.sums()
        assert giveable + given <= earned  # no gift has become something that was earned

    def sums(self) -> Iterator[int]:
        """How much all together have given, have earned, and could still give."""
        for sums in (
            "amount), 0) FROM gift WHERE state = 'accepted'",
            "amount), 0) FROM posting WHERE from_bucket = 'issued'",
            "available - gifted), 0) FROM account WHERE owner_id <> 0",
        ):
            sql = text(f"SELECT COALESCE(SUM({sums} AND programme_id = :camp")
            yield int(self.tx.core.execute(sql, {"camp": self.camp}).scalar_one())


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_whatever_happens_the_books_stay_right(request: pytest.FixtureRequest, kind: str) -> None:
    engine = open_engine(request.getfixturevalue(f"{kind}_url"))

    @settings(max_examples=200 if kind == "sqlite" else 20)
    @given(_STEPS)
    def live(steps: list[tuple[str, int, int, int]]) -> None:
        with undone(engine) as tx:
            camp = _Camp(tx)
            for step in steps:
                camp.step(*step)
                if step[0] in {"bind", "part", "there and back"}:
                    camp.check()
            camp.check()

    live()
    engine.dispose()
