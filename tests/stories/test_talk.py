"""Members talk: a point for a message now and then, silently, and nothing for farmers."""

import msgspec
import pytest
from sqlalchemy import Engine

from handlers.event import Chat
from storage import rulebooks
from storage.db import Tx, reading
from storage.limits import Limiter
from storage.programmes import MAIN
from storage.talk import Talk
from tests.stage import BOT_NAME, Stage
from tests.storage.books import count

LINES = (
    "今天的鱼很新鲜，晚上一起吃吧",
    "明天早上八点开团，记得来",
    "帐篷要带几根地钉？上次不够",
    "我家狗也想去，可以吗",
    "天气预报说周末有雨啊",
    "谁有多余的防潮垫借我用用",
    "上周拍的照片我晚点发群里",
)


@pytest.fixture
def camp(engine: Engine) -> Stage:
    """A stage that listens to talk."""
    return Stage(engine, talk=Talk())


def _publish(stage: Stage, document: str) -> None:
    def publish(tx: Tx) -> int:
        return rulebooks.publish(
            tx, MAIN, f"version = 1\n{document}", author="老板", note="试",
            effective=stage.now, now=stage.now, force="测试",
        )  # fmt: skip

    (outcome,) = stage.worker.run([publish])
    assert outcome.error is None


def _count(stage: Stage, table: str) -> int:
    with reading(stage.engine) as tx:
        return count(tx, table)


def _lines(stage: Stage, who: str, number: int, *, first: int = 0) -> None:
    """Say so many different things, far enough apart."""
    for n in range(first, first + number):
        stage.says(who, LINES[n % len(LINES)])
        stage.advance(seconds=61)


def test_talk_earns_a_point_and_nobody_hears_of_it(camp: Stage) -> None:
    (outcome,) = camp.says("小明", LINES[0])
    assert (outcome.state, outcome.say) == ("done", [])
    assert camp.balance("小明") == 1
    camp.says("小明", "明细")
    assert "03-04  +1  聊天" in camp.heard()
    camp.says("小明", "总榜")
    assert "小明 · 1" in camp.heard()


def test_a_days_talk_is_one_line_of_the_statement(camp: Stage) -> None:
    _lines(camp, "小明", 3)
    camp.says("小明", "签到")
    _lines(camp, "小明", 4, first=3)
    camp.advance(days=1)
    _lines(camp, "小明", 2)
    camp.heard()
    camp.says("小明", "明细 3")
    assert camp.heard().splitlines()[1:] == [
        "03-05  +2  聊天 ×2",
        "03-04  +4  聊天 ×4",
        "03-04  +5  签到",
    ]
    camp.says("小明", "明细")
    assert camp.heard().splitlines()[-1] == "03-04  +3  聊天 ×3"


def test_a_minute_lies_between_two_points(camp: Stage) -> None:
    camp.says("小明", LINES[0])
    camp.advance(seconds=59)
    assert camp.says("小明", LINES[1]) == []
    camp.advance(seconds=1)
    assert len(camp.says("小明", LINES[2])) == 1
    assert camp.balance("小明") == 2


def test_the_same_again_earns_nothing_until_five_others_were_said(camp: Stage) -> None:
    camp.says("小明", LINES[0])
    for words in (LINES[0], f"{LINES[0]}！", f" {LINES[0]} 😀"):
        camp.advance(seconds=61)
        assert camp.says("小明", words) == []
    assert camp.balance("小明") == 1
    _lines(camp, "小明", 7)  # the first is still among his last five
    assert camp.balance("小明") == 7


def test_the_days_ceiling_is_kept_and_asks_the_store_no_more(camp: Stage) -> None:
    _lines(camp, "小明", 30)
    assert camp.balance("小明") == 30
    (over,) = camp.says("小明", LINES[2])
    assert over.state == "done"
    assert camp.balance("小明") == 30
    for words in LINES[3:]:
        camp.advance(seconds=61)
        assert camp.says("小明", words) == []
    camp.advance(days=1)
    camp.says("小明", LINES[0])
    assert camp.balance("小明") == 31


def test_the_same_update_three_times_pays_once(camp: Stage) -> None:
    event = camp.event("小明", LINES[0], key="tg1:same")
    assert [len(camp.play(event)) for _ in range(3)] == [1, 0, 0]
    assert camp.balance("小明") == 1


def test_an_update_delivered_again_after_a_restart_pays_once(camp: Stage) -> None:
    """The memory is gone then; the receipt is not."""
    event = camp.event("小明", LINES[0], key="tg1:same")
    camp.play(event)
    restarted = Stage(camp.engine, talk=Talk())
    assert [outcome.state for outcome in restarted.play(event)] == ["duplicate"]
    assert camp.balance("小明") == 1


@pytest.mark.parametrize(
    "make",
    [
        lambda s: s.event("小明", LINES[0], edited=True),
        lambda s: s.event("小明", LINES[0], secondhand=True),
        lambda s: s.event("小明", ""),
        lambda s: s.event("小明", "好"),
        lambda s: s.event("小明", "/nothing at all"),
        lambda s: s.event(s.person("管理", "anonymous_admin"), LINES[0]),
        lambda s: s.event(s.person("频道", "channel"), LINES[0]),
        lambda s: s.event(s.person("某机器人", "bot"), LINES[0]),
        lambda s: s.event(s.person("系统", "service"), LINES[0]),
        lambda s: s.event("频道", LINES[0], chat=Chat("-1009", "channel", "频道")),
    ],
    ids=[
        "edited", "forwarded", "empty", "short", "command", "anonymous", "channel", "bot",
        "service", "in a channel",
    ],
)  # fmt: skip
def test_what_is_no_talk_of_a_members_own_earns_nothing(room: Stage, make: object) -> None:
    stage = Stage(room.engine, talk=Talk())
    stage.play(make(stage))
    assert stage.heard() == ""
    assert _count(stage, "posting") == 0


def test_talk_with_the_bot_earns_nothing(camp: Stage) -> None:
    camp.says("小明", f"@{BOT_NAME} {LINES[0]}")
    camp.says("小明", LINES[1], private=True)
    assert camp.heard().count("没听懂") == 2
    camp.says("小明", "我的积分")
    assert "你有 0 积分" in camp.heard()
    assert _count(camp, "posting") == 0


def test_a_command_is_no_talk_unless_the_rules_say_so(camp: Stage) -> None:
    camp.says("小明", "我的积分")
    assert _count(camp, "posting") == 0
    _publish(camp, "[activity]\ncommands_count = true")
    camp.says("小明", "帮助")  # what the rules are now is seen
    camp.says("小明", "我的积分")
    assert "你有 0 积分" in camp.heard()  # as it was when he asked
    assert camp.balance("小明") == 1


def test_no_points_no_talk(camp: Stage) -> None:
    _publish(camp, "[activity]\npoints = 0")
    (first,) = camp.says("小明", LINES[0])  # nobody knows yet
    assert first.state == "ignored"
    for who, words in (("小明", LINES[1]), ("小红", LINES[2])):
        camp.advance(seconds=61)
        assert camp.says(who, words) == []
    assert [_count(camp, table) for table in ("posting", "member", "inbox")] == [0, 0, 0]
    _publish(camp, "[activity]\npoints = 3\nmin_length = 2")
    camp.says("小红", "签到")
    camp.advance(seconds=61)
    camp.says("小红", "早啊")
    assert camp.balance("小红") == 5 + 3


def test_each_programme_has_rules_and_a_memory_of_its_own(camp: Stage) -> None:
    other = Chat("-1002", "group", "别人的群")
    sits = camp.event(camp.person("路人"), kind="bot_added", chat=other)
    camp.play(sits)
    camp.says("小明", "帮助")
    camp.says("小明", LINES[0])
    camp.says("小明", LINES[0], chat=other)
    assert camp.balance("小明") == 1
    assert _count(camp, "posting") == 2  # a point in each
    camp.says("小明", LINES[1])
    camp.says("小明", LINES[1], chat=other)
    assert _count(camp, "posting") == 2


def test_groups_of_one_programme_share_the_minute(camp: Stage) -> None:
    camp.says("小明", "帮助")
    owner = camp.person("群主", role="owner")
    second = Chat("-1002", "group", "二群")
    camp.play(camp.event(owner, kind="bot_added", chat=second))
    camp.says("小明", LINES[0])
    assert camp.says("小明", LINES[1], chat=second) == []
    assert camp.balance("小明") == 1


def test_a_comment_from_outside_a_public_group_makes_nobody_a_member(camp: Stage) -> None:
    (outcome,) = camp.says("路人", LINES[0], from_outside=True)
    assert outcome.state == "ignored"
    assert [_count(camp, table) for table in ("member", "inbox", "posting")] == [0, 0, 0]
    camp.says("小明", "签到", from_outside=True)  # who asks, takes part
    camp.advance(seconds=61)
    camp.says("小明", LINES[0], from_outside=True)
    assert camp.balance("小明") == 6
    camp.play(camp.event("小明", kind="left"))
    camp.advance(seconds=61)
    camp.says("小明", LINES[1], from_outside=True)
    assert camp.balance("小明") == 6


def test_talk_in_a_group_that_nobody_knows_opens_none(camp: Stage) -> None:
    (outcome,) = camp.says("小明", LINES[0], chat=Chat("-77", "group", "?"))
    assert outcome.state == "ignored"
    assert [_count(camp, table) for table in ("chat_group", "member", "inbox")] == [1, 0, 0]


def test_talk_does_not_count_against_the_rate_limit(engine: Engine) -> None:
    stage = Stage(engine, talk=Talk(), limiter=Limiter())
    _publish(stage, "[activity]\ncooldown_s = 0\n[limits]\nmember_per_minute = 1")
    stage.says("小明", "帮助")
    stage.heard()
    for number in range(5):
        stage.advance(seconds=1)
        stage.says("小明", LINES[number])
    assert stage.heard() == ""
    assert stage.balance("小明") == 5


def test_a_late_message_is_paid_by_its_own_time(camp: Stage) -> None:
    """After an hour of silence an hour's talk arrives at once."""
    began = camp.now
    camp.advance(hours=1)
    events = []
    for number, words in enumerate(LINES):
        event = camp.event("小明", words)
        at = began.replace(minute=number * 2)
        events.append(msgspec.structs.replace(event, at=at))
    camp.play(*events)
    assert camp.balance("小明") == len(LINES)


def test_who_owes_pays_his_debt_by_talking(camp: Stage) -> None:
    from tests.stories.test_makeup import _moves  # noqa: PLC0415 - beside its only use

    camp.says("小明", "签到")
    _moves(camp, "小明", 5, "available", "clawed_back")
    _moves(camp, "小明", 2, "debt", "clawed_back")
    for _ in range(3):
        camp.advance(seconds=61)
        camp.says("小明", LINES[camp.now.minute % len(LINES)])
    assert camp.balance("小明") == 1


def test_a_bug_in_listening_is_no_reason_to_speak(engine: Engine) -> None:
    from handlers.router import discover  # noqa: PLC0415 - beside its only use

    router = discover()

    @router.listen
    def broken(_ctx: object) -> None:
        raise RuntimeError("a bug")

    stage = Stage(engine, talk=Talk(), router=router)
    (outcome,) = stage.says("小明", LINES[0])
    assert (outcome.state, outcome.say) == ("failed", [])


def test_what_was_said_stands_nowhere_in_the_store(camp: Stage) -> None:
    _lines(camp, "小明", 3)
    with reading(camp.engine) as tx:
        from storage.tables import metadata  # noqa: PLC0415 - beside its only use

        for table in metadata.tables.values():
            for row in tx.core.execute(table.select()):
                assert not any(line in str(value) for value in row for line in LINES)
