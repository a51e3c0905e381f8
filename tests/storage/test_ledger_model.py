"""The ledger against a model: every operation in any order, each result and bucket compared.

The model is plain Python over dictionaries, written from what the ledger and the design say of
themselves. `QUNYING_TEST_STEPS=50` runs all of it fifty times, for one long run (not under CI,
where Hypothesis takes the same examples each time).
"""

import hashlib
import json
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from msgspec.structs import asdict
from sqlalchemy import Engine, select

from content.caps import Cap
from storage import audit, clockwork, history, holds, ledger, rebuilding, undoing
from storage.account import NEVER
from storage.db import Tx, open_engine
from storage.movement import (
    AMOUNT_MAX,
    PROGRAMME,
    CappedError,
    GoneError,
    InsufficientError,
    KeyConflictError,
    LedgerError,
    Posted,
    Posting,
    Side,
)
from storage.tables import account as table_account
from storage.tables import lot as table_lot
from storage.tables import posting as table_posting
from storage.tables import seal as table_seal
from storage.undoing import Undo
from tests.storage.books import DAY, NOW, member, posting, programme

LONGER = int(os.environ.get("QUNYING_TEST_STEPS", "1"))
LIMIT_S = 400 * LONGER
"""Seconds: a run takes some ten, but what fails is made smaller for up to five minutes."""
PEOPLE = 3
NOBODY = 4711
WALLETS = ("points", "xp")
HOUSE = ("issued", "redeemed", "expired", "clawed_back", "compensation")
Lots = list[tuple[date, int]]
Refused = type[LedgerError]


# -- the model -------------------------------------------------------------------------------------


class Result(NamedTuple):
    """What an operation should return."""

    balance: int
    amount: int
    replayed: bool = False


@dataclass
class Purse:
    """One wallet of one member; a debt is what is owed, above zero."""

    lots: Lots = field(default_factory=list)
    pending: int = 0
    held: int = 0
    debt: int = 0
    earned: Lots = field(default_factory=list)
    counted: list[tuple[date, Cap, int]] = field(default_factory=list)
    lines: list[tuple[int, str, str, int]] = field(default_factory=list)

    def value(self, bucket: str) -> int:
        if bucket == "available":
            return sum(points for _, points in self.lots)
        return -self.debt if bucket == "debt" else int(getattr(self, bucket))

    def change(self, bucket: str, amount: int) -> None:
        if bucket == "debt":
            self.debt -= amount
        else:
            setattr(self, bucket, getattr(self, bucket) + amount)

    def line(self, amount: int, bucket: str, reason: str, still: int = 0) -> None:
        """Note a line of the statement; `still` is what the same movement takes afterwards."""
        self.lines.insert(0, (amount, bucket, reason, self.value(bucket) + still))

    def room(self, cap: Cap, day: date) -> int:
        had = 0
        for when, other, points in self.counted:
            month = when.timetuple()[:2] == day.timetuple()[:2]
            same = when == day if cap.period == "day" else month
            if same and (other.name, other.period) == (cap.name, cap.period):
                had += points if cap.unit == "points" else 1
        return max(0, cap.most - had)

    def cut(self, caps: Sequence[Cap], amount: int, day: date) -> int:
        """Late events are counted in the newest day that was counted."""
        day = max([day, *(when for when, _, _ in self.counted)])
        for cap in caps:
            room = self.room(cap, day)
            amount = min(amount, room) if cap.unit == "points" or not room else amount
        if amount:
            self.counted += [(day, cap, amount) for cap in caps]
        return amount

    def windows(self) -> tuple[int, int, int, int]:
        """What was earned in the day, week and month of the newest earning, and in all."""
        last = max((day for day, _ in self.earned), default=date.min)
        in_day = sum(n for day, n in self.earned if day == last)
        in_week = sum(
            n for day, n in self.earned if day.isocalendar()[:2] == last.isocalendar()[:2]
        )
        in_month = sum(n for day, n in self.earned if day.timetuple()[:2] == last.timetuple()[:2])
        return in_day, in_week, in_month, sum(n for _, n in self.earned)


@dataclass
class Move:
    """A movement that can be reversed; `own` are its lots without those that paid a debt."""

    wallet: str
    source: Side
    target: Side
    amount: int
    lots: Lots
    day: date
    expires: date | None = None
    matures: date | None = None
    done: int = 0
    pends: int = 0
    own: Lots = field(default_factory=list)


@dataclass
class Held:
    """Points that were set aside."""

    owner: int
    wallet: str
    amount: int
    lots: Lots
    due: datetime
    state: str = "open"


def summed(lots: Iterable[tuple[date, int]]) -> Lots:
    sums: Counter[date] = Counter()
    for day, points in lots:
        sums[day] += points
    return sorted((day, points) for day, points in sums.items() if points)


def take(lots: Lots, amount: int, first: Lots = (), *, latest: bool = False) -> tuple[Lots, Lots]:
    """Return what a debit takes, and what it leaves: some first, then the earliest expiry."""
    has, taken = Counter(dict(summed(lots))), Counter[date]()
    rest = [(day, amount) for day, _ in sorted(has.items(), reverse=latest)]
    for day, most in [*first, *rest]:
        part = min(has[day], most, amount - taken.total())
        has[day] -= part
        taken[day] += part
    return summed(taken.items()), summed(has.items())


def piece(lots: Lots, start: int, amount: int) -> Lots:
    """Return a part of a refund: what lives longest comes back first."""
    return take(take(lots, start, latest=True)[1], amount, latest=True)[0]


class Model:
    """What the ledger promises. `known` says what a key was used for, and the first result."""

    def __init__(self, people: Sequence[int]) -> None:
        self.people = people
        self.purses: defaultdict[tuple[int, str], Purse] = defaultdict(Purse)
        self.house: Counter[tuple[str, str]] = Counter()
        self.known: dict[str, tuple[tuple[Any, ...], Result]] = {}
        self.moves: dict[str, Move] = {}
        self.holds: dict[str, Held] = {}
        self.ids: dict[str, int] = {}

    def sum(self, wallet: str) -> int:
        theirs = (purse for (_, w), purse in self.purses.items() if w == wallet)
        buckets = ("available", "pending", "held", "debt")
        ours = sum(self.house[wallet, bucket] for bucket in HOUSE)
        return ours + sum(purse.value(bucket) for purse in theirs for bucket in buckets)

    def flow(
        self,
        wallet: str,
        sides: tuple[Side, Side],
        amount: int,
        day: date,
        reason: str,
        *,
        lots: Lots | None = None,
        first: Lots = (),
    ) -> tuple[int, Lots]:
        """Move points; return the balance that is told, and the lots that moved.

        `lots` are those that arrive, where they are not those that were taken. What reaches a
        member who owes pays his debt first, with what expires first.
        """
        source, target = sides
        payer = self.purses[source.owner_id, wallet] if source.owner_id else None
        earner = self.purses[target.owner_id, wallet] if target.owner_id else None
        moved = [(NEVER, amount)]
        if payer is None:
            self.house[wallet, source.bucket] -= amount
        elif source.bucket == "available":
            moved, payer.lots = take(payer.lots, amount, first)
        else:
            payer.change(source.bucket, -amount)
        moved = moved if lots is None else lots
        paid = min(amount, earner.debt) if earner and target.bucket == "available" else 0
        coming, left = moved, amount
        for bucket, part in (("debt", paid), (target.bucket, amount - paid)):
            if not part:
                continue
            now, coming = take(coming, part)
            left -= part
            if payer and payer is not earner:
                payer.line(-part, source.bucket, reason, left)
            if earner is None:
                self.house[wallet, bucket] += part
            else:
                if bucket == "available":  # an end that has passed meanwhile: one day more
                    earner.lots += [
                        (last if last >= day else day + timedelta(1), n) for last, n in now
                    ]
                else:
                    earner.change(bucket, part)
                earner.line(part, bucket, reason)
            told = earner.value(bucket) if earner else payer.value(source.bucket) if payer else 0
        return told, moved

    def lapse(self, owner: int, wallet: str, today: date) -> None:
        """Take away what has passed its last day."""
        purse = self.purses[owner, wallet]
        for day, points in summed(purse.lots):
            if day < today:
                sides = Side(owner, "available"), Side(PROGRAMME, "expired")
                self.flow(wallet, sides, points, day, "expiry", first=[(day, points)])

    def again(self, key: str, content: tuple[Any, ...]) -> Result | Refused:
        first, result = self.known[key]
        return result._replace(replayed=True) if first == content else KeyConflictError

    # -- each returns what the ledger should: a result, or how it refuses

    def post(self, asked: Posting, *, sound: bool = True, due: datetime = NOW) -> Result | Refused:
        if not sound:
            return LedgerError
        source, target, wallet = asked.source, asked.target, asked.wallet
        content = ("post", wallet, source, target, asked.amount, asked.expires)
        if asked.key in self.known:
            return self.again(asked.key, content)
        refused = self._refusal(asked)
        if refused:
            return refused
        amount, lots = asked.amount, None
        if asked.caps:
            amount = self.purses[target.owner_id, wallet].cut(asked.caps, amount, asked.day)
            if not amount:
                return CappedError
        if not source.owner_id:
            lots = [(asked.expires or NEVER, amount)]
        if (source.bucket, target.bucket) == ("issued", "available"):
            self.purses[target.owner_id, wallet].earned.append((asked.day, amount))
        sides = source, target
        owed = self.purses[target.owner_id, wallet].debt if target.bucket == "available" else 0
        told, moved = self.flow(wallet, sides, amount, asked.day, asked.reason, lots=lots)
        if target.bucket == "held":
            self.holds[asked.key] = Held(source.owner_id, wallet, amount, moved, due)
        else:
            moved = [] if target.bucket == "debt" else moved  # that was never in a lot
            self.moves[asked.key] = Move(
                wallet, source, target, amount, moved, asked.day, asked.expires, asked.matures
            )
            self.moves[asked.key].pends = amount if target.bucket == "pending" else 0
            self.moves[asked.key].own = take(moved, min(owed, amount))[1]
        self.known[asked.key] = content, Result(told, amount)
        return Result(told, amount)

    def _refusal(self, asked: Posting) -> Refused | None:
        source, target = asked.source, asked.target
        if not {source.owner_id, target.owner_id} <= {PROGRAMME, *self.people}:
            return LedgerError
        if source.owner_id:
            payer = self.purses[source.owner_id, asked.wallet]
            self.lapse(source.owner_id, asked.wallet, asked.day)
            if source.bucket == "available" and payer.value("available") < asked.amount:
                return InsufficientError
            if source.bucket == "debt" and payer.value("available"):
                return LedgerError
        owed = self.purses[target.owner_id, asked.wallet].debt
        return LedgerError if target.bucket == "debt" and owed < asked.amount else None

    def end(self, name: str, state: str, undo: Undo) -> Result | Refused:
        content = ("end", name, state)
        if undo.key in self.known:
            return self.again(undo.key, content)
        held = self.holds.get(name)
        if held is None or held.state != "open":
            return GoneError
        held.state = state
        captured = state == "captured"
        target = Side(PROGRAMME, "redeemed") if captured else Side(held.owner, "available")
        sides = Side(held.owner, "held"), target
        told, _ = self.flow(held.wallet, sides, held.amount, undo.day, undo.reason, lots=held.lots)
        if captured:
            self.moves[undo.key] = Move(held.wallet, *sides, held.amount, held.lots, undo.day)
        self.known[undo.key] = content, Result(told, held.amount)
        return Result(told, held.amount)

    def release_due(self, undo: Undo, most: int) -> int:
        """The hold's number ends each key."""
        due = [n for n, held in self.holds.items() if held.state == "open" and held.due <= undo.at]
        due = sorted(due, key=lambda name: self.holds[name].due)[:most]
        for name in due:
            self.end(name, "released", undo._replace(key=f"{undo.key}/{self.ids[name]}"))
        return len(due)

    def reverse(self, name: str, undo: Undo, amount: int | None) -> Result | Refused:
        move = self.moves.get(name)
        if move is None or (amount is not None and amount < 1):
            return LedgerError
        content = ("reverse", name)
        if undo.key in self.known:
            result = self.again(undo.key, content)
            same = isinstance(result, Result) and amount in {None, result.amount}
            return result if same else KeyConflictError
        left = move.amount - move.done
        amount = left if amount is None else amount
        if not 0 < amount <= left:
            return GoneError
        result = Result(self._reverse(move, undo, amount), amount)
        move.done += amount
        self.known[undo.key] = content, result
        return result

    def _reverse(self, move: Move, undo: Undo, amount: int) -> int:
        giver, taker, wallet = move.source, move.target, move.wallet
        say = undo.day, undo.reason
        goal = Side(PROGRAMME, "clawed_back" if giver.bucket == "issued" else giver.bucket)
        if move.pends:
            move.pends -= amount
            return self.flow(wallet, (taker, goal), amount, *say)[0]
        if giver.owner_id and not taker.owner_id:
            back = piece(move.lots, move.done, amount)
            home = Side(giver.owner_id, "available")
            return self.flow(wallet, (taker, home), amount, *say, lots=back)[0]
        self.lapse(taker.owner_id, wallet, undo.day)
        there = min(amount, self.purses[taker.owner_id, wallet].value("available"))
        goal = Side(giver.owner_id, "available") if giver.owner_id else goal
        told = []
        for bucket, part, start in (("available", there, 0), ("debt", amount - there, there)):
            if part:
                own = piece(move.own, move.done + start, part)
                sides = Side(taker.owner_id, bucket), goal
                lots = piece(move.lots, move.done + start, part) if giver.owner_id else None
                told.append(self.flow(wallet, sides, part, *say, lots=lots, first=own)[0])
        if giver.bucket == "issued":
            self.purses[taker.owner_id, wallet].earned.append((move.day, -amount))
        return told[0]

    def mature_due(self, today: date, most: int) -> int:
        due = [m for m in self.moves.values() if m.pends and m.matures and m.matures <= today]
        due = sorted(due, key=lambda move: move.matures or NEVER)[:most]
        for move in due:
            owner, amount = move.target.owner_id, move.pends
            last = move.expires or NEVER
            move.pends, move.day = 0, today
            move.lots = [(last if last >= today else today + timedelta(days=1), move.amount)]
            move.own = move.lots
            self.purses[owner, move.wallet].earned.append((today, amount))
            sides = Side(owner, "pending"), Side(owner, "available")
            self.flow(move.wallet, sides, amount, today, "mature", lots=[(last, amount)])
        return len(due)

    def expire_due(self, today: date, most: int) -> int:
        over = [
            name
            for name, purse in sorted(self.purses.items())
            if any(day < today for day, _ in purse.lots)
        ][:most]
        for owner, wallet in over:
            self.lapse(owner, wallet, today)
        return len(over)


# -- the machine -----------------------------------------------------------------------------------

EARN = {
    "award": ("issued", "available"),
    "award that matures": ("issued", "pending"),
    "compensation": ("compensation", "available"),
}
SPEND = {
    "payment": ("available", "redeemed"),
    "deduction": ("available", "clawed_back"),
    "deduction from nothing": ("debt", "clawed_back"),
    "gift": ("available", "available"),
}
WRITE_OFF = {"write-off": ("clawed_back", "debt")}
CAPS = (
    (),
    (Cap("chat", "day", "points", 25),),
    (Cap("chat", "day", "points", 25), Cap("chat", "month", "points", 60)),
    (Cap("share", "day", "times", 2),),
)
SPOILED: list[dict[str, Any]] = [
    {"amount": 0},
    {"amount": -3},
    {"amount": 10**12 + 1},
    {"amount": True},
    {"amount": 2.0},
    {"key": ""},
    {"key": "x/debt"},
    {"key": "x/owed"},
    {"key": "k" * 191},
    {"source": Side(PROGRAMME, "redeemed")},
    {"source": Side(PROGRAMME, "available")},
    {"target": Side(PROGRAMME, "issued")},
    {"target": Side(PROGRAMME, "held")},
    {"expires": DAY - timedelta(days=400)},
    {"at": NOW.replace(tzinfo=None)},
]


class Order(NamedTuple):
    """A posting to be made, in numbers small enough to be shrunk."""

    kind: str
    person: int
    other: int
    amount: int
    wallet: str
    late: int
    lasts: int | None
    waits: int
    caps: tuple[Cap, ...]
    old_key: int | None
    spoiled: dict[str, Any] | None


def orders(kinds: Iterable[str]) -> st.SearchStrategy[Order]:
    return st.builds(
        Order,
        st.sampled_from(list(kinds)),
        st.sampled_from([*range(PEOPLE)] * 12 + [NOBODY]),
        st.integers(1, PEOPLE - 1),
        st.sampled_from([*range(31), 0, 0, 0, 5, 5, 5, 10**12]),
        st.sampled_from(["points"] * 4 + ["xp"]),
        st.sampled_from([0, 0, 0, 0, 1, 3, 40]),
        st.none() | st.integers(0, 8),
        st.integers(0, 6),
        st.sampled_from([(), *CAPS]),
        OLD_KEY,
        st.sampled_from([None] * 80 + SPOILED),
    )


OLD_KEY = st.sampled_from([None] * 9 + [0, 1, 5])
"""Which of the keys that have been used is used again: counted back from the newest."""
NTH = st.integers(0, 12)
"""Which of the things of a kind: counted back from the newest."""
PART = st.none() | st.integers(1, 12)
MOST = st.sampled_from([500, 500, 1])
KINDS = EARN | SPEND | WRITE_OFF


class Books(RuleBasedStateMachine):
    """One programme of its own on a store that other runs have used before."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.connection = engine.connect()
        self._begin()
        self.camp = programme(self.tx)
        self.people = [member(self.tx, self.camp) for _ in range(PEOPLE)]
        self.model = Model(self.people)
        self.today = DAY
        self.names: list[str] = []
        self.done: list[Callable[[], None]] = []
        self.savepoints: list[tuple[AbstractContextManager[None], Model]] = []

    def _begin(self) -> None:
        self.open = self.connection.begin()
        self.tx = Tx(self.connection)

    # -- what is asked of both --------------------------------------------------------------------

    @property
    def now(self) -> datetime:
        return NOW + (self.today - DAY)

    def _key(self, old: int | None = None) -> str:
        if old is not None and self.names:
            return self.names[-1 - old % len(self.names)]
        self.names.append(f"{self.camp}/{len(self.names)}")
        return self.names[-1]

    def _undo(self, old_key: int | None = None, late: int = 0) -> Undo:
        day = self.today - timedelta(days=late)
        return Undo(self._key(old_key), "undo", "test:1", self.now, day)

    def _posting(self, order: Order, *, target: Side | None = None) -> Posting:
        source, goal = KINDS[order.kind]
        ours = order.person == NOBODY
        owner = NOBODY if ours else self.people[order.person]
        other = self.people[(0 if ours else order.person + order.other) % PEOPLE]
        giver = PROGRAMME if source in HOUSE else owner
        taker = PROGRAMME if goal in HOUSE else other if giver else owner
        day = self.today - timedelta(days=order.late)
        earns, amount = order.kind in EARN, order.amount
        if not amount and not earns:  # all that there is
            bucket = goal if order.kind == "write-off" else source
            amount = min(AMOUNT_MAX, abs(self.model.purses[owner, order.wallet].value(bucket)))
        asked = posting(
            self.camp,
            target or Side(taker, goal),
            amount or 1,
            source=Side(giver, source),
            key=self._key(order.old_key),
            at=self.now,
            day=day,
            wallet=order.wallet,
        )
        asked = asked._replace(
            expires=None if order.lasts is None or not earns else day + timedelta(order.lasts),
            matures=day + timedelta(order.waits) if goal == "pending" else None,
            caps=order.caps if earns else (),
        )
        return asked._replace(**(order.spoiled or {}))

    def _same(self, key: str, expected: Result | Refused, ask: Callable[[], Any]) -> None:
        """Ask the ledger and compare."""
        if isinstance(expected, Result):
            self._is(key, expected, ask())
            return
        with pytest.raises(LedgerError) as refused:
            ask()
        assert type(refused.value) is expected

    def _is(self, key: str, expected: Result, done: Posted) -> None:
        assert (done.balance, done.amount, done.replayed) == expected
        assert self.model.ids.setdefault(key, done.id) == done.id

    def _post(self, asked: Posting, *, sound: bool) -> None:
        self._same(
            asked.key, self.model.post(asked, sound=sound), lambda: ledger.post(self.tx, asked)
        )

    def _hold(self, asked: Posting, due: datetime, *, sound: bool) -> None:
        aside = asked._replace(target=Side(asked.source.owner_id, "held"))
        expected = self.model.post(aside, sound=sound, due=due)
        if not isinstance(expected, Result):
            self._same(asked.key, expected, lambda: holds.hold(self.tx, asked, due=due))
            return
        done, held = holds.hold(self.tx, asked, due=due), self.model.holds[asked.key]
        assert done[1:5] == (held.owner, held.wallet, held.amount, held.state)
        assert self.model.ids.setdefault(asked.key, done.id) == done.id

    def _end(self, name: str, state: str, undo: Undo) -> None:
        expected, id_ = self.model.end(name, state, undo), self.model.ids.get(name, NOBODY)
        how = holds.capture if state == "captured" else holds.release
        self._same(undo.key, expected, lambda: how(self.tx, self.camp, id_, undo))

    def _reverse(self, name: str, undo: Undo, amount: int | None) -> None:
        expected = self.model.reverse(name, undo, amount)
        id_ = self.model.ids.get(name, NOBODY)
        self._same(
            undo.key,
            expected,
            lambda: undoing.reverse(self.tx, self.camp, id_, undo, amount=amount),
        )

    def _do(self, what: Callable[[], None]) -> None:
        self.done.append(what)
        what()

    @initialize()
    def most_have_something(self) -> None:
        """Else most of what is tried finds nothing to spend."""
        for owner in self.people[:-1]:
            for amount, lasts in ((20, None), (8, 2), (8, 9)):
                goal = Side(owner, "available")
                asked = posting(self.camp, goal, amount, key=self._key())
                last = DAY + timedelta(lasts) if lasts else None
                self._post(asked._replace(expires=last), sound=True)

    # -- the rules --------------------------------------------------------------------------------

    @rule(order=orders(EARN))
    def earn(self, order: Order) -> None:
        asked = self._posting(order)
        self._do(lambda: self._post(asked, sound=order.spoiled is None))

    @rule(order=orders(SPEND))
    def spend(self, order: Order) -> None:
        asked = self._posting(order)
        self._do(lambda: self._post(asked, sound=order.spoiled is None))

    @rule(order=orders(["deduction from nothing", "write-off"]))
    def owe_or_write_off(self, order: Order) -> None:
        asked = self._posting(order)
        self._do(lambda: self._post(asked, sound=order.spoiled is None))

    @rule(
        many=st.lists(orders(EARN) | orders(KINDS), max_size=5),
        again=st.lists(st.integers(0, 9), max_size=2),
    )
    def post_many(self, many: list[Order], again: list[int]) -> None:
        asked = [(self._posting(order), order.spoiled is None) for order in many]
        asked += [asked[n % len(asked)] for n in again if asked]
        expected = [self.model.post(each, sound=sound) for each, sound in asked]
        self.done += [partial(self._post, each, sound=sound) for each, sound in asked]
        results = ledger.post_many(self.tx, [each for each, _ in asked])
        for (each, _), due, done in zip(asked, expected, results, strict=True):
            if isinstance(due, Result):
                assert isinstance(done, Posted)
                self._is(each.key, due, done)
            else:
                assert type(done) is due

    @rule(order=orders(["payment"]), minutes=st.sampled_from([-1, 60, 3000]))
    def hold(self, order: Order, minutes: int) -> None:
        asked = self._posting(order)
        due = self.now + timedelta(minutes=minutes, milliseconds=len(self.names))
        self._do(lambda: self._hold(asked, due, sound=order.spoiled is None))

    @precondition(lambda self: self.model.holds)
    @rule(
        nth=NTH,
        state=st.sampled_from(["captured", "released"]),
        old_key=OLD_KEY,
        late=st.sampled_from([0, 0, 2]),
    )
    def end_a_hold(self, nth: int, state: str, old_key: int | None, late: int) -> None:
        name = list(self.model.holds)[-1 - nth % len(self.model.holds)]
        undo = self._undo(old_key, late)
        self._do(lambda: self._end(name, state, undo))

    @precondition(lambda self: self.model.moves)
    @rule(nth=NTH, amount=PART, old_key=OLD_KEY, late=st.sampled_from([0, 0, 2]))
    def reverse(self, nth: int, amount: int | None, old_key: int | None, late: int) -> None:
        name = list(self.model.moves)[-1 - nth % len(self.model.moves)]
        undo = self._undo(old_key, late)
        self._do(lambda: self._reverse(name, undo, amount))

    @precondition(lambda self: any(move.done for move in self.model.moves.values()))
    @rule(nth=NTH, amount=PART)
    def reverse_more_of_it(self, nth: int, amount: int | None) -> None:
        begun = [name for name, move in self.model.moves.items() if move.done]
        name, undo = begun[-1 - nth % len(begun)], self._undo()
        self._do(lambda: self._reverse(name, undo, amount))

    @precondition(lambda self: self.model.ids)
    @rule(nth=NTH, amount=st.sampled_from([None, None, 0, -1]))
    def reverse_whatever_it_is(self, nth: int, amount: int | None) -> None:
        name = list(self.model.ids)[-1 - nth % len(self.model.ids)]
        undo = self._undo()
        self._do(lambda: self._reverse(name, undo, amount))

    @precondition(lambda self: self.done)
    @rule(nth=NTH)
    def repeat(self, nth: int) -> None:
        """Deliver what has been done once more: kept, refused or undone."""
        self.done[-1 - nth % len(self.done)]()

    @rule(most=MOST)
    def release_due(self, most: int) -> None:
        undo = self._undo()
        expected = self.model.release_due(undo, most)
        assert holds.release_due(self.tx, self.camp, undo, most=most) == expected

    @rule(most=MOST)
    def mature_due(self, most: int) -> None:
        expected = self.model.mature_due(self.today, most)
        assert clockwork.mature_due(self.tx, self.camp, self.today, self.now, most=most) == expected

    @rule(most=MOST)
    def expire_due(self, most: int) -> None:
        expected = self.model.expire_due(self.today, most)
        assert clockwork.expire_due(self.tx, self.camp, self.today, self.now, most=most) == expected

    @rule(days=st.sampled_from([1, 1, 2, 3, 30]))
    def days_pass(self, days: int) -> None:
        self.today += timedelta(days=days)

    @precondition(lambda self: len(self.savepoints) < 2)
    @rule()
    def open_a_savepoint(self) -> None:
        savepoint = self.tx.savepoint()
        savepoint.__enter__()
        self.savepoints.append((savepoint, deepcopy(self.model)))

    @precondition(lambda self: self.savepoints)
    @rule()
    def undo_the_savepoint(self) -> None:
        savepoint, self.model = self.savepoints.pop()
        assert not savepoint.__exit__(ZeroDivisionError, ZeroDivisionError(), None)

    @precondition(lambda self: self.savepoints)
    @rule()
    def keep_the_savepoint(self) -> None:
        self.savepoints.pop()[0].__exit__(None, None, None)

    @rule()
    def write(self) -> None:
        """Somebody reads in SQL before the batch ends."""
        self.tx.books.write(self.tx)

    @precondition(lambda self: not self.savepoints)
    @rule()
    def end_the_batch(self) -> None:
        self.tx.close()
        self.open.commit()
        self._begin()

    @rule(
        person=st.integers(0, PEOPLE - 1), wallet=st.sampled_from(WALLETS), count=st.integers(0, 6)
    )
    def read_a_statement(self, person: int, wallet: str, count: int) -> None:
        self._statement_is_as_in_the_model(self.people[person], wallet, count)

    def _statement_is_as_in_the_model(self, owner: int, wallet: str, count: int) -> None:
        said = history.statement(self.tx, self.camp, owner, count=count, wallet=wallet)
        lines = [(m.amount, m.bucket, m.reason, m.after) for m in said]
        assert lines == self.model.purses[owner, wallet].lines[:count]

    # -- what holds after each of them ------------------------------------------------------------

    @invariant()
    def everything_is_as_in_the_model(self) -> None:
        """As it stands: what the transaction has loaded, and the tables for all else."""
        books, ours = self.tx.books, {"programme_id": self.camp}
        rows = self.tx.core.execute(select(table_account).filter_by(**ours)).mappings()
        stored = {(row["owner_id"], row["wallet"]): dict(row) for row in rows}
        lots: defaultdict[tuple[int, str], Lots] = defaultdict(list)
        for row in self.tx.core.execute(select(table_lot).filter_by(**ours)):
            lots[row.owner_id, row.wallet].append((row.expires_day, row.remaining))
        for (_, owner, wallet), open_account in books.accounts.items():
            stored[owner, wallet] = asdict(open_account)
            lots[owner, wallet] = list(books.lots.get((self.camp, owner, wallet), ()))
        for wallet in WALLETS:
            house = stored.get((PROGRAMME, wallet), {})
            for bucket in HOUSE:
                moved = books.totals.get((self.camp, wallet), {}).get(bucket, 0)
                assert house.get(bucket, 0) + moved == self.model.house[wallet, bucket], bucket
            for owner in self.people:
                row = stored.get((owner, wallet))
                self._purse_is_as_in_the_model(owner, wallet, row, summed(lots[owner, wallet]))
            assert self.model.sum(wallet) == 0

    def _purse_is_as_in_the_model(
        self, owner: int, wallet: str, row: dict[str, Any] | None, lots: Lots
    ) -> None:
        purse = self.model.purses[owner, wallet]
        if row is None:
            assert purse == Purse()
            return
        buckets = {bucket: row[bucket] for bucket in audit.MEMBER_BUCKETS}
        assert buckets == {bucket: purse.value(bucket) for bucket in buckets}
        assert not (buckets["debt"] and buckets["available"])
        expected = [lot for lot in summed(purse.lots) if lot[0] != NEVER]
        assert lots == expected
        assert row["next_expiry"] == (expected[0][0] if expected else NEVER)
        windows = ("day_earned", "week_earned", "month_earned", "total_earned")
        assert tuple(row[window] for window in windows) == purse.windows()

    def _chain_is_whole(self, wallet: str) -> None:
        """Recompute the seals of a wallet from the tables alone."""
        ours = {"programme_id": self.camp, "wallet": wallet}
        rows = select(table_posting).filter_by(**ours).order_by(table_posting.c.id)
        batches: defaultdict[int, list[list[Any]]] = defaultdict(list)
        for row in self.tx.core.execute(rows):
            values = [v.isoformat() if isinstance(v, date) else v for v in row]
            batches[row.seal].append(values)
        seals = select(table_seal).filter_by(**ours).order_by(table_seal.c.number)
        before = ""
        for number, one in enumerate(self.tx.core.execute(seals), start=1):
            batch = batches.pop(one.id)
            told = json.dumps(batch, separators=(",", ":"), ensure_ascii=False)
            before = hashlib.sha256((before + told).encode()).hexdigest()
            assert (one.number, one.postings, one.hash) == (number, len(batch), before)
        assert not batches  # nothing unsealed
        ends = self.tx.core.execute(select(table_account).filter_by(**ours, owner_id=PROGRAMME))
        assert [row.chain for row in ends] == ([before] if before else [])

    def _is_proved(self) -> None:
        while self.savepoints:
            self.keep_the_savepoint()
        self.end_the_batch()
        self.everything_is_as_in_the_model()
        for wallet in WALLETS:
            self._chain_is_whole(wallet)
            for owner in self.people:
                self._statement_is_as_in_the_model(owner, wallet, 10_000)
        mine = f": ({self.camp}, "
        assert [fault for fault in audit.faults(self.tx) if mine in fault] == []
        assert rebuilding.compare(self.tx, self.camp)[1] == []

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None:  # no step failed
                self._is_proved()
        finally:
            while self.savepoints:
                self.undo_the_savepoint()
            self.connection.rollback()
            self.connection.close()


def _run(url: str, *, examples: int, steps: int) -> None:
    engine = open_engine(url)
    try:
        for _ in range(LONGER):
            run_state_machine_as_test(
                lambda: Books(engine),
                settings=settings(
                    max_examples=examples,
                    stateful_step_count=steps,
                    deadline=None,
                    report_multiple_bugs=False,
                    suppress_health_check=[HealthCheck.too_slow],
                ),
            )
    finally:
        engine.dispose()


@pytest.mark.timeout(LIMIT_S)
def test_the_ledger_does_what_the_model_does_on_sqlite(sqlite_url: str) -> None:
    _run(sqlite_url, examples=400, steps=50)


@pytest.mark.postgres
@pytest.mark.timeout(LIMIT_S)
def test_the_ledger_does_what_the_model_does_on_postgres(postgres_url: str) -> None:
    _run(postgres_url, examples=60, steps=50)
