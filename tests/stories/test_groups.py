"""Groups and who is in them: coming, going, the bot itself, chats that move, names that bite."""

from datetime import timedelta

import pytest

from handlers.event import Chat
from storage.db import reading
from storage.programmes import MAIN
from tests.stage import Stage

OTHER = Chat("-2002", "group", "别的群")
MOVED = "-1001777"


def _count(stage: Stage, what: str) -> int:
    with reading(stage.engine) as tx:
        return int(tx.core.exec_driver_sql(f"SELECT COUNT(*) FROM {what}").scalar_one())


def _state(stage: Stage, chat_id: str = "-1001") -> tuple[int, str, str]:
    with reading(stage.engine) as tx:
        row = tx.core.exec_driver_sql(
            f"SELECT programme_id, state, title FROM chat_group WHERE chat_id = '{chat_id}'"
        ).one()
    return (row[0], row[1], row[2])


def test_one_who_left_and_came_back_keeps_his_points(stage: Stage) -> None:
    stage.says("小明", "签到")
    stage.play(stage.event("小明", kind="left"))
    stage.advance(days=1)
    stage.play(stage.event("小明", kind="joined"))
    stage.heard()
    stage.says("小明", "积分")
    heard = stage.heard()
    assert "你有 5 积分" in heard
    assert "连续签到 1 天" in heard
    stage.says("小明", "签到")
    assert "连续 2 天" in stage.heard()
    assert _count(stage, "member") == 1


def test_one_who_left_earns_nothing_in_private_and_is_told_that_the_points_wait(
    stage: Stage,
) -> None:
    stage.says("小明", "签到")
    stage.play(stage.event("小明", kind="left"))
    stage.advance(days=1)
    stage.heard()
    stage.says("小明", "签到", private=True)
    assert "积分还在等你" in stage.heard()
    assert stage.balance("小明") == 5


def test_one_who_left_can_spend_and_earn_nothing_in_private(stage: Stage) -> None:
    stage.says("小明", "签到")
    stage.play(stage.event("小明", kind="left"))
    stage.advance(days=1)
    for words in ("签到", "积分", "明细"):
        (outcome,) = stage.says("小明", words, private=True)
        assert outcome.state == "refused"
    assert stage.balance("小明") == 5


def test_one_who_speaks_after_he_left_is_back(room: Stage) -> None:
    room.says("小明", "签到")
    room.play(room.event("小明", kind="left"))
    room.says("小明", "积分")
    room.heard()
    room.says("小明", "积分", private=True)
    assert "你有 5 积分" in room.heard()


def test_who_comes_and_goes_without_a_word_is_noted_and_paid_nothing(stage: Stage) -> None:
    event = stage.event("小明", kind="joined")
    assert [outcome.state for outcome in stage.play(event, event)] == ["done", "duplicate"]
    assert stage.heard().count("小明") == 1  # his greeting
    stage.play(stage.event("路人", kind="left"), stage.event("小明", kind="left"))
    stage.play(stage.event(stage.person("某机器人", "bot"), kind="joined"))
    assert stage.heard() == ""
    assert _count(stage, "member") == 1
    assert _count(stage, "membership WHERE state = 'left'") == 1
    assert _count(stage, "posting") == 0


def test_one_who_is_still_in_another_group_stays_at_home(room: Stage) -> None:
    owner = room.person("群主", role="owner")
    room.play(room.event(owner, kind="bot_added", chat=OTHER))
    room.says("小明", "签到")
    room.says("小明", "积分", chat=OTHER)
    room.play(room.event("小明", kind="left"))
    room.heard()
    room.says("小明", "积分", private=True)
    assert "你有 5 积分" in room.heard()


def test_a_new_group_is_greeted_and_told_what_is_missing(room: Stage) -> None:
    room.play(room.event("小红", kind="bot_added", chat=OTHER, lacks=("listen", "notice")))
    heard = room.heard()
    assert "我现在看不到大家说的「签到」" in heard
    assert "7 天" in heard
    assert "谁进群" in heard
    assert "设为管理员" in heard
    room.play(room.event("小红", kind="bot_rights", chat=OTHER))
    assert "权限齐了" in room.heard()
    room.play(room.event("小红", kind="bot_rights", chat=OTHER, lacks=("notice",)))
    heard = room.heard()
    assert "谁进群" in heard
    assert "「签到」" not in heard
    room.play(room.event("小红", kind="bot_rights", chat=OTHER, lacks=("speak", "notice")))
    assert room.heard() == ""
    room.play(room.event("小红", kind="bot_added", chat=OTHER, lacks=("speak",)))
    assert room.heard() == ""
    room.play(room.event("小红", kind="bot_added", chat=OTHER))
    heard = room.heard()
    assert "大家好，我是群营" in heard
    assert "⚠️" not in heard


def test_a_removed_bot_says_nothing_and_comes_back_to_the_same_points(stage: Stage) -> None:
    stage.says("小明", "签到")
    stage.heard()
    stage.play(stage.event("管理", kind="bot_removed"))
    assert stage.heard() == ""
    assert _state(stage) == (MAIN, "removed", "露营群")
    stage.play(stage.event("管理", kind="bot_added"))
    assert _state(stage) == (MAIN, "active", "露营群")
    stage.heard()
    stage.says("小明", "积分")
    assert "你有 5 积分" in stage.heard()


def test_a_group_that_an_owner_let_go_comes_back_with_an_owner_alone(room: Stage) -> None:
    owner = room.person("群主", role="owner")
    room.play(room.event(owner, kind="bot_added", chat=OTHER))
    room.says("小明", "签到", chat=OTHER)
    room.play(room.event(owner, kind="bot_removed", chat=OTHER))
    room.play(room.event("马甲", kind="bot_added", chat=OTHER))
    room.says("马甲", "签到", chat=OTHER)
    theirs = _state(room, OTHER.id)
    assert theirs[0] != MAIN
    assert room.balance("马甲") == 0
    assert room.balance("小明") == 5


def test_a_group_stays_an_owners_though_members_were_quicker_than_the_news(room: Stage) -> None:
    room.says("小明", "签到", chat=OTHER)
    room.play(room.event(room.person("群主", role="owner"), kind="bot_added", chat=OTHER))
    assert _state(room, OTHER.id)[0] == MAIN
    room.says("小明", "签到", chat=OTHER)
    assert room.balance("小明") == 5


def test_a_press_from_outside_a_public_group_makes_nobody_a_member(stage: Stage) -> None:
    stage.taps("外人", "checkin", from_outside=True)
    assert "先在群里说一句" in stage.heard()
    stage.taps("外人", "top week here", from_outside=True)
    assert "先在群里说一句" in stage.heard()  # and no board is turned over
    stage.says("外人", "签到", private=True)
    assert "先加入" in stage.heard()
    assert stage.balance("外人") == 0
    stage.says("外人", "大家好")
    stage.says("外人", "积分")
    stage.heard()
    stage.taps("外人", "checkin", from_outside=True)
    assert stage.balance("外人") == 5


def test_buttons_in_a_group_that_removed_the_bot_pay_nobody(stage: Stage) -> None:
    stage.says("小明", "积分")
    stage.play(stage.event("管理", kind="bot_removed"))
    stage.heard()
    stage.taps("小明", "checkin")
    stage.taps("小红", "checkin")
    assert stage.balance("小明") == stage.balance("小红") == 0
    assert "我现在没在群里看到你" in stage.heard()


def test_a_strangers_group_has_points_of_its_own(stage: Stage) -> None:
    stage.says("小明", "签到")
    stage.play(stage.event("小明", kind="bot_added", chat=OTHER))
    stage.says("小明", "签到", chat=OTHER)
    assert "现有 5 积分" in stage.heard()  # not 10: these are others
    theirs = _state(stage, OTHER.id)[0]
    assert theirs != MAIN
    assert stage.balance("小明") == 5
    assert stage.balance("小明", theirs) == 5
    stage.says("小明", "总榜")
    assert "（共 1 人），5 积分" in stage.heard()


def test_an_owners_groups_share_their_points(stage: Stage) -> None:
    stage.play(stage.event(stage.person("群主", role="owner"), kind="bot_added", chat=OTHER))
    stage.says("小明", "签到")
    stage.heard()
    stage.says("小明", "签到", chat=OTHER)
    assert "今天已经签过啦" in stage.heard()
    assert _state(stage, OTHER.id)[0] == MAIN


@pytest.mark.parametrize("checked_in", [False, True])
def test_an_owner_adopts_a_group_that_has_no_points_yet(stage: Stage, checked_in: bool) -> None:
    stage.says("小明", "签到" if checked_in else "帮助", chat=OTHER)
    stage.advance(minutes=5)
    stage.play(stage.event(stage.person("群主", role="owner"), kind="bot_added", chat=OTHER))
    stage.says("小明", "签到", chat=OTHER)
    assert (_state(stage, OTHER.id)[0] == MAIN) is not checked_in
    assert stage.balance("小明") == (0 if checked_in else 5)


def test_one_who_only_looked_before_the_adoption_is_not_paid_into_the_abandoned_programme(
    stage: Stage,
) -> None:
    stage.says("小明", "积分", chat=OTHER)
    stage.play(stage.event(stage.person("群主", role="owner"), kind="bot_added", chat=OTHER))
    stage.heard()
    stage.says("小明", "签到", private=True)
    assert "回到群里" in stage.heard()
    stage.says("小明", "签到", chat=OTHER)
    stage.says("小明", "积分", private=True)
    assert "你有 5 积分" in stage.heard()
    assert stage.balance("小明") == 5


@pytest.mark.parametrize("spoken", [False, True], ids=["in order", "spoken too early"])
def test_a_group_that_moves_keeps_its_points(stage: Stage, spoken: bool) -> None:
    stage.says("小明", "签到")
    stage.advance(days=1)
    new = Chat(MOVED, "group", "露营群")
    if spoken:  # somebody was quicker than the news
        stage.says("小红", "帮助", chat=new)
    for _ in range(2):  # told from the old chat and from the new
        stage.play(stage.event("系统", kind="migrated", target=MOVED))
    stage.heard()
    stage.says("小明", "签到", chat=new)
    heard = stage.heard()
    assert "连续 2 天" in heard
    assert "现有 10 积分" in heard
    assert _state(stage, MOVED) == (MAIN, "active", "露营群")


def test_what_waits_to_be_said_moves_along(stage: Stage) -> None:
    stage.says("小明", "签到")
    stage.play(stage.event("系统", kind="migrated", target=MOVED))
    assert _count(stage, f"outbox WHERE chat_id = '{MOVED}'") == 1
    assert _count(stage, "outbox WHERE chat_id = '-1001'") == 0


def test_a_word_from_the_old_chat_after_the_move_still_counts(stage: Stage) -> None:
    late = stage.event("小明", "签到")
    stage.play(stage.event("系统", kind="migrated", target=MOVED))
    stage.play(late)
    assert stage.balance("小明") == 5


def test_a_group_that_is_renamed_keeps_its_points(room: Stage) -> None:
    room.says("小明", "签到")
    room.says("小明", "积分", chat=Chat("-1001", "group", "新营地"))
    assert _state(room) == (MAIN, "active", "新营地")


def test_topics_of_a_group_are_one_group_and_answered_where_asked(room: Stage) -> None:
    topic = Chat("-1001", "group", "露营群", thread="42")
    (outcome,) = room.says("小明", "签到", chat=topic)
    assert [row.thread for row in outcome.say] == ["42"]
    assert room.balance("小明") == 5


HOSTILE = [
    "😀" * 500,
    "\u202eevil\u202c",
    "\u2067مرحبا",
    "Z\u0336\u0489a\u0350l\u036fg\u0336o" * 30,
    "小明\n🏆 本周积分榜\n🥇 小明 · 99999",
    "{points}{0}{balance.__class__}",
    "%s%(name)s",
    "<b>*_[x](tg://user?id=1)`",
    "'; DROP TABLE member; --",
    "\x00\x01\x1b[2J",
    "👨‍👩‍👧‍👦" * 40,
    "\ud83d",
]


def test_a_hostile_name_is_shown_safely(stage: Stage) -> None:
    for number, name in enumerate(HOSTILE):
        _shown_safely(stage, f"敌{number}", name, lines=number + 5)


def _shown_safely(stage: Stage, who: str, name: str, lines: int) -> None:
    sender = stage.person(who)
    hostile = type(sender)(sender.id, name)
    for words, expected in (
        ("签到", 3),
        ("积分", 4),
        ("明细", 2),
        ("总榜", min(lines, 14)),
        ("排行 x", 2),
    ):
        (outcome,) = stage.says(hostile, words)
        assert outcome.state in {"done", "refused"}
        heard = stage.heard()
        assert len(heard.splitlines()) == expected
        assert max(len(line) for line in heard.splitlines()) < 80
        assert "\u202e" not in heard
        assert heard.count("\u2067") == 0
        assert heard.count("\u2068") == heard.count("\u2069")
        assert "\x00" not in heard
    assert stage.balance(who) == 5


@pytest.mark.parametrize("name", ["", " ", "\u200b", "\n"])
def test_a_member_without_a_name_is_called_by_his_number(room: Stage, name: str) -> None:
    sender = room.person("无名")
    room.says(type(sender)(sender.id, name), "签到")
    assert f"#{sender.id} 签到成功" in room.heard()


@pytest.mark.parametrize("name", ["小明\n🥇 小明 · 99999", "\u202eevil", "😀" * 500, "", "\x00"])
def test_a_hostile_name_without_a_member_is_shown_safely(room: Stage, name: str) -> None:
    sender = room.person("敌")
    hostile = type(sender)(sender.id, name, "anonymous_admin")
    room.says(hostile, "总榜")
    *_, last = room.heard().splitlines()
    assert last.startswith("👉 ")
    assert len(last) < 60
    shown = last.removeprefix("👉 ").partition("：")[0]
    assert shown
    assert shown.isprintable()


@pytest.mark.parametrize("words", ["总榜", "/top all", "排行 周"])
def test_a_board_is_for_those_who_are_in_the_group(stage: Stage, words: str) -> None:
    stage.says("小明", "签到")
    stage.heard()
    stage.says("路人", words, private=True)
    assert "小明" not in stage.heard()


def test_an_owner_dragged_into_a_group_does_not_open_the_main_pool_there(stage: Stage) -> None:
    owner = stage.person("群主", role="owner")
    stage.play(stage.event(owner, kind="joined", chat=OTHER))
    stage.says(owner, "签到", chat=OTHER)
    stage.says("小号", "签到", chat=OTHER)
    assert stage.balance("小号") == 0


def test_a_channel_is_no_group(stage: Stage) -> None:
    channel = Chat("-100777", "channel", "频道")
    stage.play(stage.event(stage.person("群主", role="owner"), kind="joined", chat=channel))
    stage.play(stage.event("小号", kind="joined", chat=channel))
    stage.says("小号", "签到", private=True)
    assert "先加入" in stage.heard()


def test_a_pressed_button_brings_nobody_back_who_has_left(stage: Stage) -> None:
    stage.says("小明", "签到")
    stage.play(stage.event("小明", kind="left"))
    stage.advance(days=1)
    stage.heard()
    stage.taps("小明", "checkin")
    assert "积分还在等你" in stage.heard()
    stage.says("小明", "签到", private=True)
    assert stage.balance("小明") == 5


def test_a_group_that_removed_the_bot_pays_nobody_in_private(stage: Stage) -> None:
    stage.says("小明", "签到")
    stage.play(stage.event("群主", kind="bot_removed"))
    stage.advance(days=1)
    stage.says("小明", "签到", private=True)
    assert stage.balance("小明") == 5


def test_a_member_who_takes_another_name_is_called_by_it(room: Stage) -> None:
    sender = room.person("小明")
    room.says(sender, "签到")
    room.says(type(sender)(sender.id, "明哥"), "总榜")
    heard = room.heard()
    assert "🥇 明哥 · 5" in heard


@pytest.mark.parametrize("late", [False, True], ids=["again", "too late"])
def test_a_message_that_changes_nothing_brings_nobody_back(stage: Stage, late: bool) -> None:
    stage.says("小明", "签到", key="tg1:100")
    stage.play(stage.event("小明", kind="left"))
    stage.heard()
    if late:
        (outcome,) = stage.says("小明", "签到", at=stage.now - timedelta(days=2, hours=1))
        assert outcome.state == "stale"
    else:
        (outcome,) = stage.says("小明", "签到", key="tg1:100")
        assert outcome.state == "duplicate"
    (outcome,) = stage.says("小明", "积分", private=True)
    assert outcome.state == "refused"
    assert "积分还在等你" in stage.heard()


def test_old_news_of_the_bot_moves_no_group_and_no_title(room: Stage) -> None:
    owner = room.person("群主", role="owner")
    room.play(room.event(owner, kind="bot_added", chat=OTHER))
    room.play(room.event("马甲", kind="bot_added", chat=OTHER, key="tg1:7"))
    room.play(room.event(owner, kind="bot_removed", chat=OTHER))
    before = _state(room, OTHER.id)
    (outcome,) = room.play(room.event("马甲", kind="bot_added", chat=OTHER, key="tg1:7"))
    assert outcome.state == "duplicate"
    assert _state(room, OTHER.id) == before
    old, new = Chat("-1001", "group", "旧名"), Chat("-1001", "group", "新名")
    room.says("小明", "签到", chat=old, key="tg1:8")
    room.says("小明", "积分", chat=new)
    room.says("小明", "签到", chat=old, key="tg1:8")
    assert _state(room)[2] == "新名"


def test_one_message_is_paid_once_though_its_group_moves_to_the_shared_pool(room: Stage) -> None:
    room.says("小明", "签到", chat=OTHER, key="tg1:50")
    room.play(room.event(room.person("群主", role="owner"), kind="bot_added", chat=OTHER))
    assert _state(room, OTHER.id)[0] == MAIN
    (outcome,) = room.says("小明", "签到", chat=OTHER, key="tg1:50")
    assert outcome.state == "duplicate"
    assert _count(room, "posting") == 1
