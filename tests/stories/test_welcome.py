"""Newcomers are greeted once, several together; old members shorter; a raid makes the bot quiet."""

from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from content.message import LetIn, Quiet
from handlers.event import Chat, Event
from storage import arrivals, direct, members, rulebooks
from storage.db import Tx, reading
from storage.members import Who
from storage.programmes import MAIN
from tests.stage import Stage
from tests.storage.books import count

OTHER = Chat("-2002", "group", "别的群")
VERIFY = '[welcome]\nverify = "sum"\n'


def publish(stage: Stage, document: str) -> None:
    """Put other rules into force."""

    def work(tx: Tx) -> int:
        return rulebooks.publish(
            tx, MAIN, f"version = 1\n{document}", author="老板", note="试",
            effective=stage.now, now=stage.now, force="测试",
        )  # fmt: skip

    (outcome,) = stage.worker.run([work])
    assert outcome.error is None, outcome.error


def come(stage: Stage, *names: str, chat: Chat | None = None) -> None:
    """Let people come into the group, one after the other, at the same moment."""
    stage.play(*(stage.event(name, kind="joined", chat=chat) for name in names))


def said_in_group(stage: Stage) -> int:
    return sum(row.kind == "say" and row.chat_id == stage.group.id for row in stage.told)


@pytest.fixture
def owned(engine: Engine) -> Stage:
    """A group whose owner can be written to in private."""
    stage = Stage(engine, owners=frozenset({"telegram:7000", "local:x", "telegram:1"}))
    owner = stage.person("群主", role="owner")
    assert owner.id == "7000"
    stage.says(owner, "帮助", private=True)
    stage.heard()
    return stage


def test_who_comes_alone_is_greeted_at_once(stage: Stage) -> None:
    come(stage, "小明")
    (reply,) = stage.replies()
    assert reply.text.startswith("👋 欢迎 小明 来到露营群！")
    assert [[b.command for b in row] for row in reply.buttons] == [["rules mine", "checkin"]]
    assert reply.once
    stage.due()
    assert stage.heard() == ""


def test_who_comes_soon_after_is_greeted_with_the_others(stage: Stage) -> None:
    come(stage, "小明", "小红", "老王")
    assert "欢迎 小明 来到" in stage.heard()
    stage.due()
    assert stage.heard() == ""
    stage.advance(seconds=20)
    stage.due()
    assert "欢迎 小红、老王 来到露营群" in stage.heard()
    stage.due()
    come(stage, "阿强")
    stage.advance(seconds=10)
    come(stage, "阿珍")
    assert stage.heard() == ""
    stage.advance(seconds=10)
    stage.due()  # with the first of them come all
    assert "欢迎 阿强、阿珍 来到" in stage.heard()


def test_the_next_one_who_comes_brings_the_greeting_of_those_who_wait(stage: Stage) -> None:
    come(stage, "小明", "小红")
    stage.heard()
    stage.advance(seconds=21)
    come(stage, "老王")
    assert "欢迎 小红、老王 来到" in stage.heard()
    stage.advance(minutes=1)
    stage.due()
    assert stage.heard() == ""


def test_more_than_ten_are_counted(stage: Stage) -> None:
    publish(stage, "[welcome]\nraid_joins = 100\n")
    come(stage, "小明", *(f"客{n}" for n in range(12)))
    stage.heard()
    stage.advance(seconds=20)
    stage.due()
    assert "欢迎 客0、客1、客2、客3、客4、客5、客6、客7、客8、客9 等 12 位 来到" in stage.heard()


def test_who_comes_back_is_greeted_shortly_and_once_a_day(stage: Stage) -> None:
    come(stage, "小明")
    for _ in range(3):
        stage.advance(minutes=5)
        stage.play(stage.event("小明", kind="left"))
        come(stage, "小明")
        stage.due()
    assert stage.heard().count("小明") == 1
    stage.play(stage.event("小明", kind="left"))
    stage.advance(days=1)
    come(stage, "小明")
    assert stage.heard() == "👋 小明，欢迎回来！积分都还在"


def test_who_has_gone_before_he_was_greeted_is_not(stage: Stage) -> None:
    come(stage, "小明", "小红")
    stage.heard()
    stage.play(stage.event("小红", kind="left"))
    stage.advance(seconds=30)
    stage.due()
    assert stage.heard() == ""


def test_what_is_told_twice_or_late_or_of_nobody_is_not_greeted(stage: Stage) -> None:
    event = stage.event("小明", kind="joined")
    again = stage.event("小明", kind="joined")  # the service message beside it, under another key
    stage.play(event, event, again)
    assert stage.heard().count("欢迎") == 1
    stage.advance(minutes=5)
    stage.play(stage.event(stage.person("某机器人", "bot"), kind="joined"))
    stage.play(stage.event(stage.person("露营群", "anonymous_admin"), kind="joined"))
    stage.play(stage.event("小红", kind="joined", at=stage.now - timedelta(minutes=16)))
    stage.advance(minutes=5)
    stage.due()
    assert stage.heard() == ""
    with reading(stage.engine) as tx:
        assert count(tx, "member") == 2


def test_a_bot_that_was_away_greets_nobody_of_long_ago(stage: Stage) -> None:
    come(stage, "小明", "小红")
    stage.heard()
    stage.advance(hours=2)  # it stopped before the others were greeted
    stage.due()
    assert stage.heard() == ""
    stage.advance(seconds=20)
    come(stage, "老王")
    assert "欢迎 老王 来到" in stage.heard()


def test_a_group_that_the_bot_has_left_hears_nothing(stage: Stage) -> None:
    come(stage, "小明", "小红")
    stage.play(stage.event("管理", kind="bot_removed"))
    stage.heard()
    stage.advance(seconds=30)
    stage.due()
    assert stage.heard() == ""
    with reading(stage.engine) as tx:
        assert arrivals.due(tx, stage.now) == []


def test_the_operators_own_words_hold_no_names_that_bite(stage: Stage) -> None:
    publish(stage, '[welcome]\ntext = "{name} 到{group}啦 {{不填}}"\n')
    come(stage, "{group}%s{0}")
    assert stage.heard() == "{group}%s{0} 到露营群啦 {不填}"


def test_an_entrance_has_its_own_words(stage: Stage) -> None:
    publish(stage, '[welcome]\ntext = "{name} 好"\nsources = { src_shop = "{name} 从门店来" }\n')
    come(stage, "小明", "小红", "老王")
    assert stage.heard() == "小明 好"

    def tell(tx: Tx) -> None:
        hong = members.find(tx, MAIN, Who("telegram", stage.person("小红").id, ""), None)
        group = tx.core.exec_driver_sql("SELECT id FROM chat_group").scalar_one()
        arrivals.came_by(tx, MAIN, group, hong.id, "src_shop")

    (outcome,) = stage.worker.run([tell])
    assert outcome.error is None
    stage.advance(seconds=20)
    stage.due()
    assert stage.heard() == "小红 从门店来\n老王 好"


def test_greetings_can_be_turned_off(stage: Stage) -> None:
    publish(stage, "[welcome]\non = false\n")
    come(stage, "小明", "小红")
    stage.advance(seconds=30)
    stage.due()
    assert stage.heard() == ""


def test_the_rules_are_shown_to_the_presser_alone(stage: Stage) -> None:
    come(stage, "小明")
    stage.heard()
    stage.taps("小明", "rules mine")
    (toast,) = stage.replies()
    assert toast.private
    assert "每天签到得 5 积分" in toast.text
    assert len(toast.text.encode("utf-16-le")) // 2 <= 200
    stage.says("小明", "帮助", private=True)
    stage.heard()
    stage.taps("小明", "rules mine")
    assert "规则私聊发给你了" in stage.heard()
    assert "积分规则（第 1 版" in stage.whispers("小明")[-1]


# -- raids ---------------------------------------------------------------------------------------


def test_a_raid_of_a_thousand_costs_two_messages_in_the_group(owned: Stage) -> None:
    for second in range(50):
        come(owned, *(f"客{second}-{n}" for n in range(20)))
        owned.advance(seconds=1)
        if second % 5 == 0:
            owned.due()
    assert said_in_group(owned) == 1  # the first one's greeting
    (warning,) = [text for text in owned.whispers("群主") if "安静 10 分钟" in text]
    assert "露营群：60 秒里来了不止 10 位" in warning
    for _ in range(3):
        owned.advance(minutes=5)
        owned.due()
    assert said_in_group(owned) == 2
    assert "刚才一下子来了 1000 位新朋友" in owned.heard()
    owned.advance(minutes=5)
    owned.due()
    assert owned.heard() == ""
    come(owned, "小明")
    assert "欢迎 小明 来到" in owned.heard()
    with reading(owned.engine) as tx:
        assert count(tx, "member") == 1001


def test_a_raid_goes_on_as_long_as_they_come(owned: Stage) -> None:
    for minute in range(25):
        come(owned, *(f"客{minute}-{n}" for n in range(11)))
        owned.advance(seconds=30)
        owned.due()
        owned.advance(seconds=29)
    assert said_in_group(owned) == 1
    owned.advance(minutes=15)
    owned.due()
    assert "刚才一下子来了 275 位" in owned.heard()
    assert len([text for text in owned.whispers("群主") if "安静" in text]) == 1


def test_a_restart_in_a_raid_changes_nothing(owned: Stage) -> None:
    come(owned, *(f"客{n}" for n in range(30)))
    owned.heard()
    again = Stage.__new__(Stage)
    again.__dict__.update(owned.__dict__)
    again.worker = type(owned.worker)(
        owned.engine,
        clock=lambda: owned.now,
        rng=owned.worker._rng,
        limiter=None,
        defaults=owned.defaults,
        owners=frozenset({"telegram:7000"}),
    )
    come(again, "小明")
    again.due()
    assert again.heard() == ""


def test_ten_in_a_minute_are_no_raid(stage: Stage) -> None:
    come(stage, *(f"客{n}" for n in range(10)))
    stage.advance(seconds=61)
    stage.due()
    come(stage, *(f"友{n}" for n in range(10)))
    stage.advance(seconds=30)
    stage.due()
    heard = stage.heard()
    assert heard.count("👋 欢迎") == 3
    assert "一下子" not in heard


def test_owners_hear_nothing_of_a_strangers_group(owned: Stage) -> None:
    owned.play(owned.event("路人", kind="bot_added", chat=OTHER))
    come(owned, *(f"客{n}" for n in range(30)), chat=OTHER)
    assert [text for text in owned.whispers("群主") if "安静" in text] == []


# -- requests to join ----------------------------------------------------------------------------


def ask_to_join(stage: Stage, *names: str) -> None:
    stage.play(
        *(stage.event(name, kind="join_request", target=stage.person(name).id) for name in names)
    )


def test_requests_are_the_owners_unless_the_rules_say_otherwise(stage: Stage) -> None:
    ask_to_join(stage, "小明")
    assert (stage.actions(), stage.heard()) == ([], "")
    publish(stage, '[welcome]\nrequests = "let_in"\n')
    ask_to_join(stage, "小红")
    assert stage.actions() == [LetIn("welcome", stage.person("小红").id)]
    assert stage.heard() == ""


def test_in_a_raid_requests_are_held(stage: Stage) -> None:
    publish(stage, '[welcome]\nrequests = "let_in"\n')
    come(stage, *(f"客{n}" for n in range(11)))
    ask_to_join(stage, "小红")
    assert stage.actions() == []


def test_requests_alone_are_a_raid_as_well(owned: Stage) -> None:
    publish(owned, VERIFY + 'requests = "ask"\n')
    ask_to_join(owned, *(f"客{n}" for n in range(1000)))
    asked = Counter(row.chat_id for row in owned.told if row.kind == "say")
    assert len(asked) == 12  # eleven of them, and the owner
    assert len([text for text in owned.whispers("群主") if "安静" in text]) == 1
    owned.advance(minutes=11)
    owned.due()
    assert said_in_group(owned) == 0  # nobody has come


def test_what_the_platform_refuses_is_told_to_the_owner_once_a_day(owned: Stage) -> None:
    def refused(why: str = "not enough rights") -> None:
        bot = owned.person("", "bot")
        owned.play(owned.event(bot, kind="did", target="welcome", refused=why))

    refused()
    refused()
    told = [text for text in owned.whispers("群主") if "not enough rights" in text]
    assert len(told) == 1
    assert told[0].startswith("⚠️ 露营群：有件事平台不让我做")
    refused("")
    owned.advance(days=1, minutes=1)
    refused()
    assert len([text for text in owned.whispers("群主") if "not enough" in text]) == 2
    assert said_in_group(owned) == 0


def test_newcomers_are_quiet_even_in_a_raid(stage: Stage) -> None:
    publish(stage, VERIFY + "quiet = true\n")
    come(stage, *(f"客{n}" for n in range(40)))
    quiet = [action for action in stage.actions() if isinstance(action, Quiet)]
    assert len(quiet) == 40
    assert {action.until for action in quiet} == {stage.now + timedelta(minutes=10)}
    rows = [row for row in stage.told if row.kind == "do"]
    # carried out later than this, the platform would take it for ever
    assert {row.expires_ms - row.created_ms for row in rows} == {570_000}


def test_who_came_some_time_ago_is_not_made_quiet_for_ever(stage: Stage) -> None:
    publish(stage, VERIFY + "quiet = true\n")
    late: list[Event] = [
        stage.event(f"客{n}", kind="joined", at=stage.now - timedelta(minutes=n))
        for n in (8, 9.5, 30)
    ]
    stage.play(*late)
    assert [a.until for a in stage.actions()] == [stage.now + timedelta(minutes=2)]


def test_nobody_is_written_to_who_has_no_chat_with_the_bot(engine: Engine) -> None:
    stage = Stage(engine, owners=frozenset({"telegram:7000"}))
    come(stage, *(f"客{n}" for n in range(30)))
    assert {row.chat_id for row in stage.told} == {stage.group.id}
    with reading(engine) as tx:
        assert direct.of(tx, "telegram", "7000") is None
