"""A member gives points to another, who accepts, declines, or is too late."""

from datetime import timedelta
from typing import Any

import pytest

from content.message import Reply
from handlers.event import Chat, Mention, Sender
from storage import clockwork, programmes
from storage.db import Tx
from storage.programmes import MAIN
from tests.stage import Stage
from tests.stories.test_makeup import _buttons, _labels, _moves, _publish

OFFER = """\
🎁 小明 想送给 小红 20 积分
小红，点「收下」就到账；24 小时内没收，就原样退回
💬 谢谢"""


def _known(stage: Stage, *names: str, days: int = 20) -> None:
    """Let people check in day by day, so that they have five points for each."""
    for _ in range(days):
        for name in names:
            stage.says(name, "签到")
        stage.advance(days=1)
    stage.replies()


@pytest.fixture
def camp(stage: Stage) -> Stage:
    _known(stage, "小明", "小红")
    return stage


@pytest.fixture
def yard(room: Stage) -> Stage:
    """The same on one database."""
    _known(room, "小明", "小红")
    return room


def _offered(stage: Stage, who: str = "小明", words: str = "赠送 小红 20 谢谢") -> list[str]:
    """Offer something; return the commands of the buttons: yes, no, back."""
    stage.says(who, words)
    (reply,) = stage.replies()
    commands = _buttons(reply)
    assert len(commands) == 3, reply.text
    return commands


def _held(stage: Stage, who: str) -> int:
    """Return what somebody has set aside, by what the store has written."""
    held: list[int] = []

    def look(tx: Tx) -> None:
        row = tx.core.exec_driver_sql(
            "SELECT a.held FROM account a JOIN identity i ON i.member_id = a.owner_id"
            f" WHERE i.user_id = '{stage.person(who).id}' AND a.programme_id = {MAIN}"
        ).one()
        held.append(row[0])

    stage.worker.run([look])
    return held[0]


def _due(stage: Stage) -> None:
    def due(tx: Tx) -> None:
        while any(
            clockwork.run_points(tx, each, stage.now)
            for each in clockwork.with_work(tx, now=stage.now)
        ):
            pass  # fmt: skip

    (outcome,) = stage.worker.run([due])
    assert outcome.error is None


def test_a_gift_is_offered_and_accepted(camp: Stage) -> None:
    stage = camp
    had = stage.balance("小明"), stage.balance("小红")
    stage.says("小明", "赠送 小红 20 谢谢")
    (reply,) = stage.replies()
    assert reply.text == OFFER
    assert not reply.private
    assert _labels(reply) == ["🎁 收下", "谢绝", "收回"]
    assert (stage.balance("小明"), _held(stage, "小明")) == (had[0] - 20, 20)
    (outcome,) = stage.taps("小红", _buttons(reply)[0])
    assert [row.kind for row in outcome.say] == ["tap", "edit"]
    toast, edit = stage.replies()
    assert toast.text == ""
    assert edit.text.splitlines() == [
        "🎉 小红 收下了 小明 送的 20 积分",
        "💬 谢谢",
        "🏅 小明 得到徽章 🎁 有心人 第一份心意，送到了",
    ]
    assert edit.buttons == ()
    assert (stage.balance("小明"), stage.balance("小红")) == (had[0] - 20, had[1] + 20)


@pytest.mark.parametrize(
    ("press", "who", "told"),
    [
        (1, "小红", "🍃 小红 心领了 小明 的 20 积分，已经原样退回"),
        (2, "小明", "↩️ 小明 收回了送给 小红 的 20 积分"),
    ],
)
def test_a_gift_goes_back(camp: Stage, press: int, who: str, told: str) -> None:
    stage = camp
    had = stage.balance("小明")
    commands = _offered(stage)
    stage.taps(who, commands[press])
    assert told in stage.heard()
    assert (stage.balance("小明"), _held(stage, "小明")) == (had, 0)
    for command, other in zip(commands, ("小红", "小红", "小明"), strict=True):
        stage.taps(other, command)
        assert told in stage.heard()  # what has become of it, again
    assert (stage.balance("小明"), stage.balance("小红")) == (had, had)


def test_only_the_two_whom_it_concerns_can_press(yard: Stage) -> None:
    stage = yard
    yes, no, back = _offered(stage)
    for who, command, told in (
        ("小明", yes, "小明，这份是给 小红 的，由 TA 来决定"),
        ("小明", no, "这份是给 小红 的"),
        ("小红", back, "小红，只有 小明 能收回"),
        ("路人", yes, "这份是给 小红 的"),
        ("路人", back, "只有 小明 能收回"),
    ):
        (outcome,) = stage.taps(who, command)
        assert outcome.state == "refused"
        assert [row.kind for row in outcome.say] == ["tap"]  # nobody else sees it
        assert told in stage.heard()
    assert _held(stage, "小明") == 20


@pytest.mark.parametrize(
    "command",
    ["gift", "gift yes", "gift yes 4711", "gift yes 9999999999999999999", "gift yes -1",
     "gift all 7", "gift 小红 20", "gift yes 99999999999999999999"],
)  # fmt: skip
def test_a_made_up_button_moves_nothing(yard: Stage, command: str) -> None:
    had = yard.balance("小明")
    (outcome,) = yard.taps("小明", command)
    assert outcome.state == "refused"
    assert "这份赠送已经不在了" in yard.heard()
    assert yard.balance("小明") == had


def test_a_button_that_no_message_has_moves_nothing(yard: Stage) -> None:
    yes, *_ = _offered(yard)
    yard.taps("小红", yes, genuine=False)
    assert "这份赠送已经不在了" in yard.heard()
    assert _held(yard, "小明") == 20


def test_a_press_after_its_time_gives_back(yard: Stage) -> None:
    stage = yard
    had = stage.balance("小明")
    yes, *_ = _offered(stage)
    stage.advance(hours=24)
    stage.taps("小红", yes)
    assert "过了时间，已经原样退回" in stage.heard()
    assert (stage.balance("小明"), stage.balance("小红"), _held(stage, "小明")) == (had, had, 0)


def test_the_clock_gives_back_quietly_and_once(camp: Stage) -> None:
    stage = camp
    had = stage.balance("小明")
    yes, *_ = _offered(stage)
    stage.advance(hours=23)
    _due(stage)
    assert _held(stage, "小明") == 20
    stage.advance(hours=1)
    _due(stage)
    _due(stage)
    assert stage.replies() == []
    assert (stage.balance("小明"), _held(stage, "小明")) == (had, 0)
    stage.taps("小红", yes)
    assert "过了时间" in stage.heard()
    assert stage.balance("小红") == had


def test_both_read_of_it_in_their_statements(camp: Stage) -> None:
    stage = camp
    yes, *_ = _offered(stage, words="赠送 小红 20")
    stage.says("小明", "明细 1")
    assert "-20  送给 小红" in stage.heard()
    stage.taps("小红", yes)
    for press, who in ((1, "小红"), (2, "小明")):
        stage.replies()
        stage.taps(who, _offered(stage, words=f"赠送 小红 {press}")[press])
    stage.replies()
    stage.says("小明", "明细 5")
    assert [line.partition("  ")[2] for line in stage.heard().splitlines()[1:]] == [
        "+2  收回送给 小红 的",
        "-2  送给 小红",
        "+1  小红 没有收，退回",
        "-1  送给 小红",
        "-20  送给 小红",
    ]
    stage.says("小红", "明细 1")
    assert "+20  小明 送的" in stage.heard()
    _offered(stage, words="赠送 小红 3")
    stage.advance(hours=25)
    _due(stage)
    stage.says("小明", "明细 1")
    assert "+3  小红 没来得及收，退回" in stage.heard()


def test_boards_are_not_moved(yard: Stage) -> None:
    yes, *_ = _offered(yard)
    yard.taps("小红", yes)
    yard.replies()
    yard.says("小红", "排行 总")
    board = yard.heard()
    assert board.count("· 102") == 2  # both still stand with what they have earned


# -- who is meant --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    ["赠送 小红 20 谢谢", "赠送小红20 谢谢", "赠送@小红20 谢谢", "赠送 @小红 20 谢谢",
     "赠送 给小红 20 谢谢", "赠送 小红，20，谢谢", "赠送　小红　２０　谢谢", "/gift 小红 20 谢谢",
     "/gift@qunying_bot 小红 20 谢谢", "赠送 小红 20积分 谢谢", "赠送 小红 +20 谢谢"],
)  # fmt: skip
def test_one_is_meant_by_his_name(yard: Stage, words: str) -> None:
    yard.says("小明", words)
    assert yard.heard() == OFFER


@pytest.mark.parametrize(
    "words", ["赠送 20 谢谢", "赠送20 谢谢", "/gift 20 谢谢", "赠送 你 20 谢谢"]
)
def test_one_is_meant_by_a_reply(yard: Stage, words: str) -> None:
    yard.says("小明", words, answers=yard.person("小红"))
    assert yard.heard() == OFFER


def test_one_is_meant_by_a_mention(yard: Stage) -> None:
    hong = yard.person("小红")
    for words in ("赠送 那位 红同学 20 谢谢", "赠送 20 给那位 红同学 谢谢"):
        called = (Mention("那位 红同学", hong),)
        yard.says("小明", words, mentions=called)
        assert "想送给 小红 20 积分" in yard.heard()
    yard.says(
        "小明", "赠送 @那位 3", mentions=(Mention("@那位", hong),), answers=yard.person("小刚")
    )
    assert "想送给 小红 3 积分" in yard.heard()


def test_a_name_with_digits_is_a_name(yard: Stage) -> None:
    yard.says("小红2", "签到")
    yard.advance(days=20)
    yard.replies()
    yard.says("小明", "赠送 小红2 5 谢谢")
    assert "想送给 小红2 5 积分" in yard.heard()
    yard.says("小明", "赠送 小红 5")
    assert "想送给 小红 5 积分" in yard.heard()


def _as(kind: Any) -> Sender:
    return Sender("99", "谁", kind)


@pytest.mark.parametrize(
    ("words", "more", "told"),
    [
        ("赠送", {}, "这样送：赠送 小明 20 谢谢"),
        ("赠送 小红", {}, "这样送"),
        ("赠送 20", {}, "这样送"),
        ("赠送 小红 -20", {}, "这样送"),
        ("赠送 小红 2️⃣0️⃣", {}, "这样送"),
        ("赠送 小红 20.5", {}, "这样送"),
        ("赠送 小红 二十", {}, "这样送"),
        ("赠送 小红 0", {}, "至少送 1 积分"),
        ("赠送 小红 " + "9" * 60, {}, "每天最多送 200 积分，今天还能送 200"),
        ("赠送 小红 103", {}, "你现在有 102 积分，不够"),
        ("赠送 小明 20", {}, "送给自己就不用啦"),
        ("赠送 20", {"answers": Sender("7000", "小明")}, "送给自己就不用啦"),
        ("赠送 大红 20", {}, "没找到「大红」：请回复 TA 的一条消息发「赠送 20」"),
        ("赠送 @hong 20", {"mentions": (Mention("@hong"),)}, "我认不出 ＠hong 是谁"),
        ("赠送 20", {"answers": _as("bot")}, "机器人不攒积分"),
        ("赠送 20", {"answers": _as("anonymous_admin")}, "没有积分账户"),
        ("赠送 20", {"answers": _as("channel")}, "没有积分账户"),
        ("赠送 20", {"answers": Sender("4711", "新人")}, "我还不认识 新人"),
        ("赠送 大红 20", {"answers": Sender("7001", "小红")}, "没找到「大红」"),
        ("赠送 大红 @小红 20", {"mentions": (Mention("@小红", Sender("7001", "")),)}, "这样送"),
        ("赠送 小红 20", {"private": True}, "请到群里来"),
        ("赠送", {"private": True}, "请到群里来"),
    ],
)
def test_what_makes_no_gift_is_answered(
    yard: Stage, words: str, more: dict[str, Any], told: str
) -> None:
    (outcome,) = yard.says("小明", words, **more)
    assert outcome.state == "refused"
    assert told in yard.heard()
    assert _held(yard, "小明") == 0


def test_forwarded_and_edited_words_give_nothing(yard: Stage) -> None:
    yard.says("小明", "赠送 小红 20", secondhand=True)
    yard.says("小明", "赠送 小红 20", edited=True)
    assert yard.replies() == []
    assert _held(yard, "小明") == 0


@pytest.mark.parametrize(
    "words", ["赠送的礼物收到了", "赠送活动截止到5月1日", "赠送满100减20", "赠送：满三免一"]
)
def test_talk_about_giving_is_talk(yard: Stage, words: str) -> None:
    yard.says("小明", words)
    assert yard.replies() == []


def test_two_of_one_name_are_told_apart_otherwise(yard: Stage) -> None:
    yard.says(Sender("555", "小红"), "签到")
    yard.advance(days=20)
    yard.replies()
    yard.says("小明", "赠送 小红 5")
    assert "叫 小红 的不止一位" in yard.heard()
    yard.says("小明", "赠送 5", answers=Sender("555", "小红"))
    assert "想送给 小红 5 积分" in yard.heard()


def test_who_has_left_gets_nothing_and_can_accept_nothing(yard: Stage) -> None:
    stage = yard
    yes, *_ = _offered(stage)
    stage.play(stage.event("小红", kind="left"))
    stage.taps("小红", yes)
    assert "我现在没在群里看到你" in stage.heard()
    stage.says("小明", "赠送 小红 5")
    assert "没找到「小红」" in stage.heard()
    stage.says("小明", "赠送 5", answers=stage.person("小红"))
    assert "小红 已经不在这个群里了" in stage.heard()
    assert _held(stage, "小明") == 20


def test_members_of_another_programme_are_strangers(yard: Stage) -> None:
    stage = yard
    other = Chat("-2002", "group", "别人的群")
    stage.says("小刚", "签到", chat=other)
    stage.replies()
    stage.says("小明", "赠送 小刚 5")
    assert "没找到「小刚」" in stage.heard()
    stage.says("小明", "赠送 5", answers=stage.person("小刚"))
    assert "我还不认识 小刚" in stage.heard()
    stage.says("小刚", "赠送 小红 5", chat=other)
    assert "没找到「小红」" in stage.heard()


# -- what the rules say --------------------------------------------------------------------------


def test_newcomers_neither_give_nor_get(room: Stage) -> None:
    stage = room
    _known(stage, "小明", days=13)
    stage.says("小红", "签到")
    stage.replies()
    stage.says("小明", "赠送 小红 5")
    assert "满 14 天就能送了（还差 1 天）" in stage.heard()
    stage.advance(days=1)
    stage.says("小明", "赠送 小红 5")
    assert "小红 来的时间还短" in stage.heard()
    stage.advance(days=13)
    stage.says("小明", "赠送 小红 5")
    assert "想送给 小红 5 积分" in stage.heard()


def test_a_day_has_three_gifts_of_those_not_given_back(yard: Stage) -> None:
    stage = yard
    _known(stage, "小刚", "小李", "小王", days=15)
    first = _offered(stage, words="赠送 小红 5")
    _offered(stage, words="赠送 小刚 5")
    _offered(stage, words="赠送 小李 5")
    stage.says("小明", "赠送 小王 5")
    assert "今天的 3 份已经送完了" in stage.heard()
    stage.taps("小红", first[1])
    stage.replies()
    _offered(stage, words="赠送 小王 5")
    stage.says("小明", "赠送 小红 5")
    assert "今天的 3 份已经送完了" in stage.heard()
    stage.advance(days=1)
    _offered(stage, words="赠送 小红 5")


def test_a_day_has_so_many_points(yard: Stage) -> None:
    _publish(yard, "[redeem.gift]\nper_day_points = 30\nexpires_h = 2")
    _offered(yard, words="赠送 小红 20")
    yard.says("小明", "赠送 小红 11")
    assert "每天最多送 30 积分，今天还能送 10" in yard.heard()
    yes, *_ = _offered(yard, words="赠送 小红 10")
    yard.advance(hours=2)
    yard.taps("小红", yes)
    assert "过了时间" in yard.heard()


@pytest.mark.parametrize("rule", ["per_day_n = 0", "per_day_points = 0"])
def test_gifts_can_be_turned_off(yard: Stage, rule: str) -> None:
    yes, *_ = _offered(yard)
    _publish(yard, f"[redeem.gift]\n{rule}")
    yard.says("小明", "赠送 小红 5")
    assert "现在不能互相赠送" in yard.heard()
    yard.says("小明", "规则")
    assert "赠送" not in yard.heard()
    yard.taps("小红", yes)  # what was offered before stands
    assert "收下了" in yard.heard()


def test_nobody_gives_back_within_a_day(yard: Stage) -> None:
    stage = yard
    yes, *_ = _offered(stage)
    stage.says("小红", "赠送 小明 5")
    assert "小明 在 24 小时内刚送过你" in stage.heard()
    stage.taps("小红", yes)
    stage.replies()
    stage.advance(hours=23)
    stage.says("小红", "赠送 小明 5")
    assert "小明 在 24 小时内刚送过你" in stage.heard()
    stage.advance(hours=2)
    _offered(stage, "小红", "赠送 小明 5")


def test_points_from_others_are_not_given_on(yard: Stage) -> None:
    stage = yard
    _known(stage, "小刚", days=15)
    yes, *_ = _offered(stage, words="赠送 小红 50")
    stage.taps("小红", yes)
    stage.replies()
    stage.says("小红", "赠送 小刚 103")
    assert "别人送的积分留给自己用，不能再送出去；你自己攒的还能送 102" in stage.heard()
    _moves(stage, "小红", 50, "available", "redeemed")
    _offered(stage, "小红", "赠送 小刚 102")


def test_who_owes_neither_gives_nor_accepts(yard: Stage) -> None:
    stage = yard
    yes, *_ = _offered(stage)
    _moves(stage, "小红", stage.balance("小红"), "available", "redeemed")
    _moves(stage, "小红", 7, "debt", "clawed_back")
    (outcome,) = stage.taps("小红", yes)
    assert [row.kind for row in outcome.say] == ["tap"]  # a debt is nobody else's affair
    assert "你还欠 7 积分，还清了才能收赠送" in stage.heard()
    stage.says("小红", "赠送 小明 1")
    assert "你还欠 7 积分" in stage.heard()
    assert _held(stage, "小明") == 20


def test_a_group_that_went_elsewhere_leaves_the_offer_behind(yard: Stage) -> None:
    stage = yard
    yes, *_ = _offered(stage)

    def part(tx: Tx) -> None:
        here = programmes.group(tx, stage.platform, stage.group.id)
        assert here is not None
        programmes.part(tx, here, stage.defaults, stage.now)

    stage.worker.run([part])
    stage.says("小红", "签到")
    stage.replies()
    stage.taps("小红", yes)
    assert "这份赠送已经不在了" in stage.heard()
    stage.advance(hours=25)
    _due(stage)
    assert _held(stage, "小明") == 0


def test_what_is_said_with_a_gift_calls_nobody(yard: Stage) -> None:
    yard.says("小明", "赠送 小红 5 快看 https://xy.cc/a @all \u202e" + "长" * 100)
    (reply,) = yard.replies()
    assert "💬 快看 https:／／xy．cc／a ＠all 长" in reply.text
    assert len(reply.text.splitlines()[-1]) == 42


def test_the_same_words_delivered_twice_give_once(camp: Stage) -> None:
    said = camp.event("小明", "赠送 小红 20", key="tg1:same")
    camp.play(said)
    camp.play(said)
    assert _held(camp, "小明") == 20


def test_names_that_run_the_other_way_stay_where_they_are(yard: Stage) -> None:
    yard.says("مريم", "签到")
    yard.advance(days=timedelta(days=20).days)
    yard.replies()
    yard.says("小明", "赠送 5", answers=yard.person("مريم"))
    (reply,) = yard.replies()
    assert isinstance(reply, Reply)
    assert "\u2068مريم\u2069 5 积分" in reply.text


def test_gifts_speak_english(sqlite_url: str) -> None:
    from storage.db import open_engine  # noqa: PLC0415 - beside its only use

    engine = open_engine(sqlite_url)
    stage = Stage(engine, locale="en")
    for _ in range(15):
        for name in ("Ann", "Bob"):
            stage.says(name, "check in")
        stage.advance(days=1)
    stage.replies()
    stage.says("Ann", "/gift bob 20 thank you")
    (reply,) = stage.replies()
    assert reply.text.splitlines()[0] == "🎁 Ann would like to give Bob 20 points"
    assert _labels(reply) == ["🎁 Accept", "No, thanks", "Take back"]
    stage.taps("Bob", _buttons(reply)[0])
    assert "Bob has accepted 20 points from Ann" in stage.heard()
    stage.says("Bob", "/ledger 1")
    assert "+20  From Ann" in stage.heard()
    stage.says("Bob", "/gift")
    assert "try: /gift Ann 20" in stage.heard()
    engine.dispose()
