"""The way out, to a platform of the test's own: budgets, order, troubles, merging, restarts."""

import asyncio
import gc
import itertools
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from sqlalchemy import Engine

from bot.adapters.base import (
    Adapter,
    Limits,
    MaybeSentError,
    MovedError,
    NotSentError,
    RefusedError,
    RetryAfterError,
    SendError,
    split,
    units,
)
from bot.adapters.telegram import TelegramAdapter
from bot.budget import Budget
from bot.dispatcher import Dispatcher
from bot.sender import IN_FLIGHT_S, Sender
from content.message import Button, Reply, pack
from storage import outbox, programmes
from storage.db import Sql, open_engine, reading, to_ms
from storage.outbox import Outgoing
from tests.faults import house

STATES = Sql("SELECT state FROM outbox ORDER BY id")
ROWS = Sql("SELECT chat_id FROM outbox ORDER BY id")
GROUP = "-1001"


@dataclass(slots=True)
class Sent:
    """A delivery that was tried."""

    at: float
    kind: str
    chat: str
    text: str
    target: str | None
    error: SendError | Exception | None


class Phone(Adapter):
    """A platform that writes down what it is handed, and makes trouble when told to."""

    name = "telegram"

    def __init__(
        self,
        *,
        text_max: int = 4096,
        burst: int = 1000,
        per_minute: float | None = None,
        per_second: float | None = None,
    ) -> None:
        self.limits = Limits(text_max, 200, True, True, burst, per_minute, per_second)
        self.tries: list[Sent] = []
        self.trouble: Callable[[Outgoing, str], Exception | None] = lambda _out, _text: None
        self.pause_s = 0.0

    async def say(self, out: Outgoing, reply: Reply) -> None:
        await self._take("say", out, reply.text)

    async def toast(self, out: Outgoing, text: str) -> None:
        await self._take("toast", out, text)

    async def edit(self, out: Outgoing, reply: Reply) -> None:
        await self._take("edit", out, reply.text)

    async def _take(self, kind: str, out: Outgoing, text: str) -> None:
        error = self.trouble(out, text)
        self.tries.append(Sent(time.monotonic(), kind, out.chat_id, text, out.target, error))
        if self.pause_s:
            await asyncio.sleep(self.pause_s)
        if error is not None:
            raise error

    @property
    def heard(self) -> list[str]:
        return [sent.text for sent in self.tries if sent.error is None]

    def times(self, text: str) -> list[float]:
        return [sent.at for sent in self.tries if text in sent.text]


@dataclass(slots=True)
class Office:
    engine: Engine
    dispatcher: Dispatcher
    sender: Sender
    phone: Phone
    clock: "Clock"
    rows: list[Outgoing] = field(default_factory=list)

    async def write(
        self,
        text: str,
        *,
        chat: str = GROUP,
        kind: str = "say",
        person: str = "",
        target: str | None = None,
        thread: str | None = None,
        once: bool = False,
        alone: bool = False,
        buttons: tuple[tuple[Button, ...], ...] = (),
        life_s: float = 900,
    ) -> Outgoing:
        """Put a row into the outbox, as a batch would; the sender has not heard of it yet."""

        def put(tx: house.Tx) -> Outgoing:
            return outbox.put(
                tx,
                programme_id=programmes.MAIN,
                platform="telegram",
                chat_id=chat,
                thread=thread,
                kind=kind,
                target=target,
                person=person,
                payload=pack(Reply(text, buttons, once=once, alone=alone)),
                created_ms=to_ms(self.clock()),
                expires_ms=to_ms(self.clock() + timedelta(seconds=life_s)),
            )

        return await self.dispatcher.run(put)

    async def send(self, *texts: str, **more: object) -> list[Outgoing]:
        rows = [await self.write(text, **more) for text in texts]
        self.sender.put(rows)
        return rows

    async def drained(self, timeout_s: float = 10) -> None:
        await house.until(lambda: not self.sender.waiting, timeout_s)

    def states(self) -> list[str]:
        with reading(self.engine) as tx:
            return [row[0] for row in tx.all(STATES)]


class Clock:
    def __init__(self) -> None:
        self.shift = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.shift


@asynccontextmanager
async def office(url: str, phone: Phone, *, grace_s: float = 0.0) -> AsyncIterator[Office]:
    engine = open_engine(url)
    house.open_groups(engine)
    clock = Clock()
    try:
        async with house.dispatching(engine) as dispatcher:
            sender = Sender([phone], run=dispatcher.run, hear=dispatcher.submit, clock=clock)
            try:
                yield Office(engine, dispatcher, sender, phone, clock)
            finally:
                await asyncio.wait_for(sender.stop(grace_s), 10)
    finally:
        engine.dispose()


def run(url: str, phone: Phone, play: Callable[[Office], object]) -> None:
    async def whole() -> None:
        async with office(url, phone) as desk:
            await play(desk)

    asyncio.run(whole())


@contextmanager
def locked(url: str) -> Iterator[None]:
    held = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    held.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        held.execute("ROLLBACK")
        held.close()


def most_within(times: Iterable[float], seconds: float) -> int:
    """Return the largest number of moments that any span of that length holds."""
    moments = sorted(times)
    return max(sum(1 for other in moments if 0 <= other - at < seconds) for at in moments)


def keeps_to(times: list[float], *, rate: float, burst: float) -> bool:
    """Whether no span of time holds more than the burst and what grew back in it."""
    return all(
        later - earlier + 1 <= burst + rate * (times[later] - times[earlier] + 0.005) + 1e-6
        for earlier in range(len(times))
        for later in range(earlier, len(times))
    )


def count(state: str) -> float:
    labels = {"platform": "telegram", "state": state}
    return REGISTRY.get_sample_value("qunying_sends_total", labels) or 0.0


# budgets


def test_a_chats_budget_holds_and_is_used(sqlite_url: str) -> None:
    phone = Phone(burst=3, per_minute=600)

    async def play(desk: Office) -> None:
        await asyncio.sleep(0.1)
        began = time.monotonic()
        await desk.send(*(f"{number}" for number in range(13)))
        await desk.drained()
        times = [sent.at for sent in phone.tries]
        assert keeps_to(times, rate=10, burst=3)
        assert 0.9 < times[-1] - began < 1.6, "no slower than allowed either"
        assert phone.heard == [f"{number}" for number in range(13)]

    run(sqlite_url, phone, play)


def test_the_budget_over_all_chats_holds_and_is_used(sqlite_url: str) -> None:
    phone = Phone(per_second=40)

    async def play(desk: Office) -> None:
        rows = [await desk.write("x", chat=f"-{number}") for number in range(120)]
        began = time.monotonic()
        desk.sender.put(rows)
        await desk.drained()
        times = [sent.at for sent in phone.tries]
        assert len(times) == 120
        assert keeps_to(times, rate=40, burst=40)
        assert 1.8 < times[-1] - began < 4.5, "most of what is allowed is used"

    run(sqlite_url, phone, play)


def test_no_second_carries_more_than_telegram_allows(sqlite_url: str) -> None:
    """Thirty in any second, not thirty on top of a full bucket."""
    phone = Phone(per_second=TelegramAdapter.limits.overall_per_second)

    async def play(desk: Office) -> None:
        desk.sender.put([await desk.write("x", chat=f"-{number}") for number in range(70)])
        await desk.drained()
        assert most_within([sent.at for sent in phone.tries], 1.0) <= 30

    run(sqlite_url, phone, play)


def test_taps_go_before_replies_before_posts_before_live_edits(sqlite_url: str) -> None:
    phone = Phone(per_second=40)

    async def play(desk: Office) -> None:
        rows = [
            await desk.write("edit", chat="-1", kind="edit", target="m1"),
            await desk.write("post", chat="-2"),
            await desk.write("reply", chat="-3", person="7", target="m7"),
            await desk.write("tap", chat="-4", kind="tap", person="7", target="t1"),
        ]
        others = [await desk.write("x", chat=f"-9{n}", person="8") for n in range(45)]
        desk.sender.put(others)  # the budget is spent, and more than that
        await asyncio.sleep(0)
        for row in rows:
            desk.sender.put([row])
            await asyncio.sleep(0)
        await desk.drained()
        places = [phone.heard.index(words) for words in ("tap", "reply", "post", "edit")]
        assert places == sorted(places)
        assert places[0] < 10, "a tap has a budget of its own"
        assert phone.heard[-3:] == ["reply", "post", "edit"]

    run(sqlite_url, phone, play)


def test_within_a_chat_a_reply_overtakes_posts_and_live_edits_only(sqlite_url: str) -> None:
    phone = Phone(burst=1, per_minute=600)

    async def play(desk: Office) -> None:
        await desk.send("first")
        await house.until(lambda: len(phone.tries) == 1)
        rows = [
            await desk.write("live", kind="edit", target="m1"),
            await desk.write("post 1"),
            await desk.write("post 2"),
            await desk.write("reply 1", person="1", once=True),
            await desk.write("reply 2", person="2", once=True),
        ]
        desk.sender.put(rows)
        await desk.drained()
        assert phone.heard[1:] == ["reply 1", "reply 2", "post 1", "post 2", "live"]

    run(sqlite_url, phone, play)


def test_a_reply_does_not_wait_in_the_place_of_a_post_before_it(sqlite_url: str) -> None:
    """A chat that waits with a post must move up when a reply comes in for it."""
    phone = Phone(per_second=10)

    async def play(desk: Office) -> None:
        await desk.send(*(f"{n}" for n in range(10)), chat="-9")
        await house.until(lambda: len(phone.tries) == 10)
        await desk.send("post", chat="-1")
        await asyncio.sleep(0)
        await desk.send("the reply", chat="-1", person="7")
        others = [await desk.write(f"o{n}", chat=f"-{100 + n}", person="8") for n in range(15)]
        desk.sender.put(others)
        await desk.drained()
        assert phone.heard[10:].index("the reply") == 0

    run(sqlite_url, phone, play)


def test_edits_of_a_message_that_wait_become_the_last_of_them(sqlite_url: str) -> None:
    phone = Phone(burst=1, per_minute=600)

    async def play(desk: Office) -> None:
        before = count("superseded")
        await desk.send("first")
        await house.until(lambda: len(phone.tries) == 1)
        rows = [await desk.write(f"{n}", kind="edit", target="m1") for n in range(5)]
        rows.append(await desk.write("other", kind="edit", target="m2"))
        rows.append(await desk.write("5", kind="edit", target="m1"))
        desk.sender.put(rows)
        await desk.drained()
        assert sorted(phone.heard[1:]) == ["5", "other"]
        assert count("superseded") == before + 5
        assert desk.states() == []

    run(sqlite_url, phone, play)


# troubles


def test_being_told_to_wait_delays_that_chat_alone(sqlite_url: str) -> None:
    phone = Phone()
    phone.trouble = lambda out, _text: (
        RetryAfterError(0.6) if out.chat_id == "-1" and len(phone.times("")) < 2 else None
    )

    async def play(desk: Office) -> None:
        await desk.send("a1", chat="-1")
        await house.until(lambda: len(phone.tries) == 1)
        await desk.send("a2", "a3", chat="-1")
        await desk.send("b1", "b2", chat="-2")
        await desk.drained()
        assert phone.heard == ["b1", "b2", "a1", "a2", "a3"]
        first, second = phone.times("a1")
        assert 0.55 < second - first < 0.9
        assert phone.times("b2")[0] - first < 0.3
        assert desk.states() == []

    run(sqlite_url, phone, play)


def test_what_has_outlived_its_use_is_dropped_and_counted(sqlite_url: str) -> None:
    phone = Phone()

    async def play(desk: Office) -> None:
        before = count("expired")
        rows = [
            await desk.write("late", life_s=-1),
            await desk.write("late tap", kind="tap", target="t1", person="7", life_s=-1),
            await desk.write("in time"),
        ]
        desk.sender.put(rows)
        await desk.drained()
        assert phone.heard == ["in time"]
        assert count("expired") == before + 2
        assert desk.states() == []

    run(sqlite_url, phone, play)


def test_what_is_dropped_costs_nothing_of_the_budget(sqlite_url: str) -> None:
    """After an hour without the platform the first fresh answer must not queue behind old ones."""
    phone = Phone(burst=1, per_minute=120)

    async def play(desk: Office) -> None:
        rows = [await desk.write(f"old {n}", life_s=-1, person=f"{n}") for n in range(20)]
        rows.append(await desk.write("fresh", person="7"))
        began = time.monotonic()
        desk.sender.put(rows)
        await house.until(lambda: bool(phone.times("fresh")), 15)
        assert time.monotonic() - began < 1

    run(sqlite_url, phone, play)


def test_what_was_not_sent_is_tried_again_at_growing_intervals(sqlite_url: str) -> None:
    phone = Phone()
    phone.trouble = lambda _out, _text: (
        NotSentError("no connection") if len(phone.tries) < 3 else None
    )

    async def play(desk: Office) -> None:
        await desk.send("hello", person="7")
        await desk.drained(15)
        times = phone.times("hello")
        gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
        assert len(gaps) == 3
        assert gaps[0] < gaps[1] < gaps[2]
        assert gaps[2] >= 1.8 * gaps[1]
        assert phone.heard == ["hello"]

    run(sqlite_url, phone, play)


def test_what_cannot_be_sent_is_given_up_when_it_expires_and_not_before(sqlite_url: str) -> None:
    phone = Phone()
    phone.trouble = lambda _out, _text: NotSentError("no connection")

    async def play(desk: Office) -> None:
        await desk.send("hello", person="7", life_s=2)
        await asyncio.sleep(1.5)
        assert desk.sender.waiting == 1
        assert desk.states() == ["waiting"]
        await desk.drained()
        assert desk.states() == []
        assert phone.heard == []

    run(sqlite_url, phone, play)


def test_an_answer_that_may_have_been_sent_is_sent_at_most_twice(sqlite_url: str) -> None:
    phone = Phone()
    phone.trouble = lambda _out, text: MaybeSentError("timeout") if text == "hm" else None

    async def play(desk: Office) -> None:
        await desk.send("hm", "next", person="7")
        await desk.drained()
        assert [sent.text for sent in phone.tries] == ["hm", "hm", "next"]
        assert desk.states() == ["unknown"]

    run(sqlite_url, phone, play)


def test_what_is_said_once_only_is_never_repeated(sqlite_url: str) -> None:
    phone = Phone()
    phone.trouble = lambda _out, text: MaybeSentError("timeout") if text == "hm" else None

    async def play(desk: Office) -> None:
        await desk.send("hm", "next", once=True)
        await desk.drained()
        assert [sent.text for sent in phone.tries] == ["hm", "next"]
        assert desk.states() == ["unknown"]

    run(sqlite_url, phone, play)


def test_each_of_merged_answers_is_sent_at_most_twice(sqlite_url: str) -> None:
    phone = Phone(burst=3, per_minute=240)
    phone.trouble = lambda _out, text: MaybeSentError("timeout") if "hm" in text else None

    async def play(desk: Office) -> None:
        await desk.send("a", "b", "c", person="1", once=True)
        await desk.send("hm1", "hm2", person="2")
        await desk.drained(20)
        for text in ("hm1", "hm2"):
            assert len(phone.times(text)) <= 2, [sent.text for sent in phone.tries]

    run(sqlite_url, phone, play)


def test_a_bug_while_a_message_is_made_fit_costs_that_message_alone(sqlite_url: str) -> None:
    phone = Phone()
    real = phone.fit

    def fit(out: Outgoing) -> list[Outgoing]:
        if "two" in out.payload:
            raise ZeroDivisionError
        return real(out)

    phone.fit = fit

    async def play(desk: Office) -> None:
        desk.sender.put([await desk.write(words, person="7") for words in ("one", "two", "three")])
        await desk.drained()
        assert phone.heard == ["one", "three"]
        assert desk.states() == ["failed"]

    run(sqlite_url, phone, play)


@pytest.mark.parametrize("error", [RefusedError("gone"), RuntimeError("a bug")])
def test_a_refused_message_is_kept_and_the_others_go_on(sqlite_url: str, error: Exception) -> None:
    phone = Phone()
    phone.trouble = lambda _out, text: error if text == "bad" else None

    async def play(desk: Office) -> None:
        await desk.send("one", "bad", "two")
        await desk.send("tap", kind="tap", target="t", person="7")
        await desk.drained()
        assert sorted(phone.heard) == ["one", "tap", "two"]
        assert len(phone.times("bad")) == 1
        assert desk.states() == ["failed"]

    run(sqlite_url, phone, play)


def test_a_chat_that_moved_is_followed_with_all_that_waits(sqlite_url: str) -> None:
    phone = Phone()
    phone.trouble = lambda out, _text: MovedError("-1009") if out.chat_id == GROUP else None

    async def play(desk: Office) -> None:
        rows = [await desk.write(text, person="7", once=True) for text in ("one", "two")]
        unheard = await desk.write("left over")
        desk.sender.put(rows)
        await desk.drained()
        assert phone.heard == ["one", "two"]
        assert {sent.chat for sent in phone.tries if sent.error is None} == {"-1009"}
        with reading(desk.engine) as tx:
            assert [row[0] for row in tx.all(ROWS)] == ["-1009"]
            old = programmes.group(tx, "telegram", GROUP)
            assert old is not None
            assert old.chat_id == "-1009"
            assert programmes.group(tx, "telegram", "-1009") is not None
        desk.sender.put([unheard._replace(chat_id="-1009")])
        await desk.drained()
        assert desk.states() == []

    run(sqlite_url, phone, play)


def test_a_long_post_whose_second_half_must_wait_says_its_first_half_once(sqlite_url: str) -> None:
    phone = Phone(text_max=10)
    phone.trouble = lambda _out, text: (
        RetryAfterError(0.1) if text == "b" * 10 and len(phone.times("b")) < 2 else None
    )

    async def play(desk: Office) -> None:
        await desk.send("a" * 10 + "b" * 10, once=True)
        await desk.drained()
        assert phone.heard == ["a" * 10, "b" * 10]

    run(sqlite_url, phone, play)


# merging


def test_under_pressure_answers_share_messages_and_stay_readable(sqlite_url: str) -> None:
    phone = Phone(text_max=60, burst=1, per_minute=300)

    async def play(desk: Office) -> None:
        await desk.send("first", person="0")
        await house.until(lambda: len(phone.tries) == 1)
        texts = [f"人{n} 签到成功，+5 积分" for n in range(10)]
        rows = [await desk.write(t, person=f"{n}", target=f"m{n}") for n, t in enumerate(texts)]
        desk.sender.put(rows)
        await desk.drained()
        said = phone.heard[1:]
        assert 2 <= len(said) < 10
        assert all(units(text) <= 60 for text in said)
        assert [part for text in said for part in text.split("\n\n")] == texts
        assert desk.states() == []

    run(sqlite_url, phone, play)


def test_what_must_stand_alone_is_not_merged(sqlite_url: str) -> None:
    phone = Phone(burst=1, per_minute=600)

    async def play(desk: Office) -> None:
        await desk.send("first", person="0")
        await house.until(lambda: len(phone.tries) == 1)
        rows = [
            await desk.write("a1", person="1", thread="7"),
            await desk.write("a2", person="2", thread="8"),
            await desk.write("a3", person="3", thread="8", once=True),
            await desk.write("a4", person="4", thread="8", kind="edit", target="m4"),
            await desk.write("offer", person="9", thread="8", alone=True),
            await desk.write("a5", person="5", thread="8"),
            await desk.write("a6", person="6", thread="8"),
            await desk.write("post"),
        ]
        desk.sender.put(rows)
        await desk.drained()
        assert phone.heard[1:] == ["a1", "a2", "a3", "a4", "offer", "a5\n\na6", "post"]

    run(sqlite_url, phone, play)


def test_a_merged_message_keeps_everybodys_buttons_or_none_is_lost(sqlite_url: str) -> None:
    """Two answers with different buttons cannot share a message without losing some."""
    phone = Phone(burst=1, per_minute=600)
    shown: list[tuple[str, list[str]]] = []
    real = Phone.say

    async def say(out: Outgoing, reply: Reply) -> None:
        labels = [button.label for row in reply.buttons for button in row]
        shown.append((reply.text, labels))
        await real(phone, out, reply)

    phone.say = say

    async def play(desk: Office) -> None:
        await desk.send("first", person="0")
        await house.until(lambda: len(phone.tries) == 1)
        one = await desk.write("a1", person="1", buttons=((Button("日榜", "top day"),),))
        two = await desk.write("a2", person="2", buttons=((Button("周榜", "top week"),),))
        desk.sender.put([one, two])
        await desk.drained()
        assert {label for _, labels in shown for label in labels} == {"日榜", "周榜"}

    run(sqlite_url, phone, play)


# starts and stops


def test_what_an_earlier_run_left_is_said_at_start(sqlite_url: str) -> None:
    phone = Phone()

    async def play(desk: Office) -> None:
        await desk.write("left 1")
        await desk.write("left 2", person="7")
        sending = await desk.write("half said", once=True)
        key = (sending.programme_id, sending.id)
        await desk.dispatcher.run(lambda tx: outbox.mark(tx, [key], "sending"))
        await desk.sender.start()
        await desk.drained()
        assert sorted(phone.heard) == ["left 1", "left 2"]
        assert desk.states() == ["unknown"]

    run(sqlite_url, phone, play)


def test_a_post_that_was_certainly_not_sent_is_said_after_a_restart(sqlite_url: str) -> None:
    """Told to wait, or without a connection: nobody has read it, so it is not `unknown`."""
    phone = Phone()
    phone.trouble = lambda _out, _text: NotSentError("no connection")

    async def play(desk: Office) -> None:
        await desk.send("good morning", once=True)
        await house.until(lambda: len(phone.tries) == 1)
        await asyncio.sleep(0.1)
        await desk.sender.stop(0)
        phone.trouble = lambda _out, _text: None
        later = Sender(
            [phone], run=desk.dispatcher.run, hear=desk.dispatcher.submit, clock=desk.clock
        )
        await later.start()
        await asyncio.sleep(0.3)
        await later.stop(1)
        assert phone.heard == ["good morning"]

    run(sqlite_url, phone, play)


def test_rows_added_twice_are_said_once(sqlite_url: str) -> None:
    phone = Phone()
    phone.pause_s = 0.02

    async def play(desk: Office) -> None:
        rows = [await desk.write(f"{n}", chat=f"-{n % 3}") for n in range(9)]
        desk.sender.put(rows)
        desk.sender.put(rows)
        await asyncio.sleep(0.03)
        desk.sender.put(rows[6:])
        await desk.sender.reload()
        await desk.drained()
        assert Counter(phone.heard) == Counter(f"{n}" for n in range(9))

    run(sqlite_url, phone, play)


def test_what_was_said_while_the_store_was_away_is_not_said_again(sqlite_url: str) -> None:
    """Its mark waits for the store; the look into the table at recovery must not overtake it."""
    phone = Phone()

    async def play(desk: Office) -> None:
        tasks: list[asyncio.Task[None]] = []
        desk.dispatcher.recovered = lambda: tasks.append(asyncio.create_task(desk.sender.reload()))
        rows = [await desk.write(f"{n}", chat=f"-{n}") for n in range(6)]
        with locked(sqlite_url):
            desk.sender.put(rows[:1])
            await house.until(lambda: len(phone.tries) == 1)
            await asyncio.sleep(0.05)
            desk.sender.put(rows[1:])
            await house.until(lambda: not desk.dispatcher.store_up)
        await house.until(lambda: desk.dispatcher.store_up)
        await desk.drained()
        await asyncio.gather(*tasks)
        await desk.drained()
        assert Counter(phone.heard) == Counter(f"{n}" for n in range(6))
        assert desk.states() == []

    run(sqlite_url, phone, play)


def test_stopping_takes_no_longer_than_its_grace(sqlite_url: str) -> None:
    phone = Phone()

    async def play(desk: Office) -> None:
        await desk.send("quick", chat="-2")
        await desk.drained()
        phone.pause_s = 60
        await desk.send("slow", "behind it", person="7")
        await house.until(lambda: len(phone.tries) == 2)
        began = time.monotonic()
        assert await desk.sender.stop(0.3) == 2
        assert 0.25 < time.monotonic() - began < 0.8 + IN_FLIGHT_S
        assert desk.states() == ["waiting", "waiting"]

    run(sqlite_url, phone, play)


def test_stopping_waits_for_what_can_be_said_in_time(sqlite_url: str) -> None:
    phone = Phone()
    phone.pause_s = 0.2

    async def play(desk: Office) -> None:
        await desk.send("one", "two")
        assert await desk.sender.stop(3) == 0
        assert phone.heard == ["one", "two"]
        assert desk.states() == []

    run(sqlite_url, phone, play)


def test_stopping_does_not_wait_for_a_store_that_is_away(sqlite_url: str) -> None:
    phone = Phone()

    async def whole() -> None:
        engine = open_engine(sqlite_url)
        house.open_groups(engine)
        async with house.dispatching(engine, close_s=1) as dispatcher:
            sender = Sender([phone], run=dispatcher.run, hear=dispatcher.submit, clock=Clock())
            desk = Office(engine, dispatcher, sender, phone, Clock())
            row = await desk.write("said, but not marked")
            with locked(sqlite_url):
                sender.put([row])
                await house.until(lambda: len(phone.tries) == 1)
                began = time.monotonic()
                stopping = asyncio.ensure_future(sender.stop(0.3))
                done, _ = await asyncio.wait([stopping], timeout=3)
                took = time.monotonic() - began
            await stopping
        engine.dispose()
        assert done, f"still stopping after {took:.1f} s"

    asyncio.run(whole())


def test_ten_thousand_chats_drain_quickly_and_leave_nothing_behind(sqlite_url: str) -> None:
    phone = Phone(burst=20, per_minute=60_000)
    chats = 10_000

    async def play(desk: Office) -> None:
        def put(tx: house.Tx) -> list[Outgoing]:
            return [
                outbox.put(
                    tx,
                    programme_id=programmes.MAIN,
                    platform="telegram",
                    chat_id=f"-{number}",
                    thread=None,
                    kind="say",
                    target=None,
                    person="7",
                    payload=pack(Reply("hello")),
                    created_ms=to_ms(desk.clock()),
                    expires_ms=to_ms(desk.clock() + timedelta(minutes=15)),
                )
                for number in range(chats)
            ]

        rows = await desk.dispatcher.run(put)
        began = time.monotonic()
        desk.sender.put(rows)
        await desk.drained(20)
        took = time.monotonic() - began
        phone.tries.clear()
        assert took < 10
        assert desk.states() == []

        def kept() -> int:
            return sum(1 for thing in gc.get_objects() if isinstance(thing, Budget))

        for number in range(2_000):
            desk.sender.put([await desk.write("one more", chat=f"-x{number % 50}")])
            if number % 100 == 0:
                await asyncio.sleep(0.05)
                gc.collect()
                if kept() < 3_000:
                    break
        await desk.drained()
        assert kept() < 3_000, f"{kept()} chats are kept"

    run(sqlite_url, phone, play)


# text


@given(st.text(max_size=400) | st.text("ab\n😀", max_size=400), st.integers(2, 50))
def test_a_text_is_cut_to_fit_and_nothing_is_lost(text: str, most: int) -> None:
    parts = split(text, most)
    assert all(units(part) <= most for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split()), "white space alone may go"
    for part in parts:
        part.encode("utf-16")  # a cut pair could not be encoded


@given(st.text("ab\n", min_size=1, max_size=60), st.integers(2, 20))
def test_no_part_is_empty_because_platforms_refuse_that(text: str, most: int) -> None:
    assert all(part.strip() for part in split(text, most)) or not text.strip()


@given(st.text(max_size=200))
def test_length_is_counted_as_telegram_counts(text: str) -> None:
    assert units(text) == sum(2 if ord(letter) > 0xFFFF else 1 for letter in text)
