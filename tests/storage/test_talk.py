"""The memory of talk: bounded, quick to say no, and unmoved by floods."""

import asyncio
import sys
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from sqlalchemy import Engine

from bot.dispatcher import Dispatcher
from content.rulebook import ActivityRules
from storage import talk as module
from storage.db import open_engine
from storage.talk import KEPT, LOOK_AGAIN_S, SHIPPED, Said, Talk
from tests.faults import house

AT = datetime(2026, 3, 4, 4, 0, tzinfo=UTC)
CHAT = ("telegram", "-1")
MING, HONG = ("telegram", "7"), ("telegram", "8")
TALK = "今天的鱼很新鲜，晚上一起吃吧"
OTHER = "明天早上八点开团，记得来"


def _later(seconds: float) -> datetime:
    return AT + timedelta(seconds=seconds)


def test_what_is_let_through_brings_what_was_said_before() -> None:
    talk = Talk()
    assert talk.heard(MING, CHAT, TALK, AT) == Said((), None)
    assert talk.heard(MING, CHAT, "好", _later(5)) is None
    assert talk.heard(MING, CHAT, OTHER, _later(60)) == Said(("好", TALK), 60.0)
    assert talk.heard(HONG, CHAT, TALK, _later(60)) == Said((), None)


def test_only_five_are_remembered_and_no_more_of_each_than_is_looked_at() -> None:
    talk = Talk()
    for number in range(8):
        assert talk.heard(MING, CHAT, f"{number}" * 4_096, _later(number * 60)) is not None
    last = talk.heard(MING, CHAT, TALK, _later(600))
    assert last is not None
    assert last.previous == tuple(f"{number}" * KEPT for number in (7, 6, 5, 4, 3))


def test_a_message_that_comes_before_the_last_one_earns_nothing() -> None:
    talk = Talk()
    assert talk.heard(MING, CHAT, TALK, _later(100)) is not None
    assert talk.heard(MING, CHAT, OTHER, AT) is None


def test_a_chat_is_judged_by_what_is_known_of_it() -> None:
    talk = Talk()
    strict = ActivityRules(min_length=30)
    talk.learn(CHAT, 1, strict)
    assert talk.heard(MING, CHAT, TALK, AT) is None
    talk.learn(CHAT, 1, SHIPPED)
    assert talk.heard(MING, CHAT, OTHER, _later(2)) is not None
    talk.learn(CHAT, 1, ActivityRules(points=0))
    assert talk.heard(MING, CHAT, TALK, _later(900)) is None


def test_a_command_is_heard_only_where_commands_count() -> None:
    talk = Talk()
    assert talk.heard(MING, CHAT, "我的积分", AT, command=True) is None
    talk.learn(CHAT, 1, ActivityRules(commands_count=True))
    assert talk.heard(MING, CHAT, "我的积分", AT, command=True) == Said((), None)


def test_what_was_said_before_the_programme_was_known_is_not_forgotten() -> None:
    talk = Talk()
    assert talk.heard(MING, CHAT, TALK, AT) is not None
    talk.learn(CHAT, 1, SHIPPED)
    assert talk.heard(MING, CHAT, OTHER, _later(1)) is None


def test_one_who_has_had_all_rests_until_the_day_is_over() -> None:
    talk = Talk()
    talk.learn(CHAT, 1, SHIPPED)
    talk.rest(MING, 1, _later(3_600))
    assert talk.heard(MING, CHAT, TALK, _later(3_599)) is None
    assert talk.heard(HONG, CHAT, TALK, _later(3_599)) is not None
    assert talk.heard(MING, CHAT, OTHER, _later(3_600)) is not None


def test_people_are_forgotten_who_have_been_silent_longest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "PEOPLE_MAX", 3)
    talk = Talk()
    for number in range(3):
        assert talk.heard(("telegram", f"{number}"), CHAT, TALK, AT) is not None
    assert talk.heard(("telegram", "0"), CHAT, "我在", _later(1)) is None
    assert talk.heard(("telegram", "3"), CHAT, TALK, _later(1)) is not None  # 1 is forgotten
    assert talk.heard(("telegram", "0"), CHAT, OTHER, _later(2)) is None
    assert talk.heard(("telegram", "1"), CHAT, OTHER, _later(2)) is not None


def test_memory_stays_small_whoever_talks() -> None:
    talk = Talk()
    for person in range(3_000):
        for number in range(6):
            talk.heard(
                ("telegram", f"{person}"), CHAT, chr(0x4E00 + person) * 4_096, _later(number)
            )
    kept = [words for memory in talk._people.values() for words in memory.last]
    assert sum(map(len, kept)) == talk._characters <= module.CHARACTERS_MAX
    assert sum(map(sys.getsizeof, kept)) < 8_000_000
    for chat in range(module.CHATS_MAX + 10):
        talk.learn(("telegram", f"{chat}"), 1, SHIPPED)
    assert len(talk._chats) == module.CHATS_MAX


def test_comparing_is_done_once_a_second_whatever_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages that are alike, but not the same, cost the most to look at."""
    looked = []
    judge = module.worth

    def worth(rules: ActivityRules, text: str, previous: tuple[str, ...], **more: object) -> int:
        if previous:
            looked.append(text)
        return judge(rules, text, previous, **more)

    monkeypatch.setattr(module, "worth", worth)
    talk = Talk()
    talk.heard(MING, CHAT, "ab" * 50, AT)
    for number in range(1_000):
        talk.heard(MING, CHAT, "ba" * 50 + "c" * (number % 9), _later(120 + number / 500))
    assert len(looked) == 2 / LOOK_AGAIN_S


@pytest.mark.parametrize("cooldown_s", [60, 0])
def test_a_flood_of_one_member_costs_the_store_next_to_nothing(
    sqlite_url: str, cooldown_s: int
) -> None:
    """A thousand messages within a second, all different."""
    engine: Engine = open_engine(sqlite_url)
    house.open_groups(engine)
    talk = Talk()
    talk.learn((house.PLATFORM, house.GROUP), 1, ActivityRules(cooldown_s=cooldown_s))

    async def play() -> list[str]:
        dispatcher = Dispatcher([house.worker(engine)], house.ROUTER, talk=talk)
        began = house.now()
        events = [
            msgspec.structs.replace(
                house.checkin("7", text=f"{number} 号的帐篷 {number * 7919}", key=f"tg1:{number}"),
                at=began + timedelta(microseconds=number * 900),
            )
            for number in range(1_000)
        ]
        states = [(await dispatcher.submit(event)).state for event in events]
        assert await dispatcher.close(10)
        return states

    states = asyncio.run(play())
    assert states.count("done") == 1
    assert states.count("ignored") == 999
    assert house.receipts(engine) == 1
    assert house.paid(engine) == {"7": 1}
    assert house.faults(engine) == []
    engine.dispose()


def test_talk_gives_way_when_the_queue_is_half_full(sqlite_url: str) -> None:
    engine: Engine = open_engine(sqlite_url)
    house.open_groups(engine)

    async def play() -> None:
        dispatcher = Dispatcher([house.worker(engine)], house.ROUTER, talk=Talk(), queue_max=2)
        waiting = dispatcher.submit(house.checkin("1"))
        over = await dispatcher.submit(house.checkin("2", text=TALK))
        assert over.state == "ignored"
        assert (await waiting).state == "done"
        assert (await dispatcher.submit(house.checkin("2", text=TALK))).state == "done"
        assert await dispatcher.close(10)

    asyncio.run(play())
    assert house.paid(engine) == {"1": 5, "2": 1}
    engine.dispose()
