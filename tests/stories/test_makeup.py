"""A member missed a day, and makes up for it: the streak goes on, nothing is paid."""

from datetime import timedelta

import pytest

from content.message import Reply
from storage import ledger, members, rulebooks
from storage.db import Tx
from storage.members import Who
from storage.movement import PROGRAMME, Posting, Side
from storage.programmes import MAIN
from tests.stage import Stage


def _checks_in(stage: Stage, who: str, days: int) -> None:
    """Check in on so many days in a row, today first; the clock then stands on the day after."""
    for _ in range(days):
        stage.says(who, "签到")
        stage.advance(days=1)
    stage.replies()


def _buttons(reply: Reply) -> list[str]:
    return [button.command for row in reply.buttons for button in row]


def _labels(reply: Reply) -> list[str]:
    return [button.label for row in reply.buttons for button in row]


def _publish(stage: Stage, document: str) -> None:
    def publish(tx: Tx) -> int:
        return rulebooks.publish(
            tx, MAIN, f"version = 1\n{document}", author="老板", note="试",
            effective=stage.now, now=stage.now, force="测试",
        )  # fmt: skip

    (outcome,) = stage.worker.run([publish])
    assert outcome.error is None


def _moves(stage: Stage, who: str, amount: int, source: str, target: str) -> None:
    """Take points from a member, or make him owe them."""

    def move(tx: Tx) -> None:
        me = members.find(tx, MAIN, Who(stage.platform, stage.person(who).id, who), None)
        assert me is not None
        ledger.post(tx, Posting(
            MAIN, f"{stage.now.date()}/test/{amount}", Side(me.id, source),
            Side(PROGRAMME, target), amount, "test", "test", 1, "test", stage.now,
            stage.now.date(),
        ))  # fmt: skip

    (outcome,) = stage.worker.run([move])
    assert outcome.error is None


def test_a_streak_of_seven_survives_a_missed_day(stage: Stage) -> None:
    _checks_in(stage, "小明", 7)  # the 4th to the 10th
    stage.advance(days=1)  # the 11th was missed
    stage.says("小明", "签到")
    (reply,) = stage.replies()
    assert "连续 1 天" in reply.text
    assert "补上 03-11（免费），就是连续 9 天" in reply.text
    assert _buttons(reply)[0] == "makeup 03-11 0"
    assert _labels(reply)[0] == "补 03-11（免费）"
    had = stage.balance("小明")
    stage.taps("小明", _buttons(reply)[0])
    assert "补上了 03-11，连续 9 天" in stage.heard()
    assert stage.balance("小明") == had
    stage.advance(days=1)
    stage.says("小明", "签到")
    assert "连续 10 天" in stage.heard()


def test_a_member_sees_what_he_can_repair_and_what_it_costs(stage: Stage) -> None:
    _checks_in(stage, "小明", 3)
    stage.advance(days=2)  # the 7th and the 8th were missed
    stage.says("小明", "补签")
    (reply,) = stage.replies()
    assert reply.text.splitlines() == [
        "🩹 小明，可以补签的日子：03-07 · 03-08",
        "下一次补签免费，本月还能补 2 次。补的天算连签，不发积分",
        "👉 补上 03-07 · 03-08（共 50 积分），就是连续 5 天",
    ]
    assert _buttons(reply) == ["makeup 03-07 0", "makeup 03-08 50"]


def test_yesterday_can_be_repaired_before_todays_checkin(stage: Stage) -> None:
    _checks_in(stage, "小明", 2)
    stage.advance(days=1)
    stage.says("小明", "补签 昨天")
    assert "补上了 03-06，连续 3 天" in stage.heard()
    stage.says("小明", "签到")
    assert "连续 4 天" in stage.heard()


def test_the_second_repair_is_paid_and_asked_about_first(stage: Stage) -> None:
    _checks_in(stage, "小明", 12)
    stage.advance(days=2)  # the 16th and 17th
    stage.says("小明", "补签 03-16")
    assert "连续 13 天" in stage.heard()
    had = stage.balance("小明")
    stage.says("小明", "补签 3-17")
    (reply,) = stage.replies()
    assert "补 03-17 要 50 积分" in reply.text
    assert _labels(reply) == ["补 03-17（50 积分）"]
    assert stage.balance("小明") == had
    stage.taps("小明", _buttons(reply)[0])
    heard = stage.heard()
    assert "补上了 03-17，连续 14 天" in heard
    assert f"用了 50 积分，现有 {had - 50} 积分" in heard
    stage.taps("小明", _buttons(reply)[0])
    assert "03-17 已经有了" in stage.heard()
    assert stage.balance("小明") == had - 50
    stage.says("小明", "明细 1")
    assert "-50  补签" in stage.heard()


def test_a_button_never_takes_more_than_it_showed(stage: Stage) -> None:
    """The free repair of the month went by another message's button meanwhile."""
    _checks_in(stage, "小明", 12)
    stage.advance(days=2)
    stage.says("小明", "补签")
    (choice,) = stage.replies()
    assert _buttons(choice) == ["makeup 03-16 0", "makeup 03-17 50"]
    had = stage.balance("小明")
    for command in ("makeup 03-16 0", "makeup 03-17 0"):
        stage.taps("小明", command)
    done, asked = stage.replies()[0:3:2]
    assert "补上了 03-16" in done.text
    assert "补 03-17 要 50 积分" in asked.text
    assert stage.balance("小明") == had


def test_a_month_has_two_repairs_and_the_next_month_new_ones(stage: Stage) -> None:
    _checks_in(stage, "小明", 14)  # to the 17th
    for day in ("03-18", "03-20"):
        stage.advance(days=1)
        stage.says("小明", "签到")
        stage.says("小明", f"补签 {day} 50")
        stage.advance(days=1)
    assert stage.heard().count("补上了") == 2
    stage.advance(days=1)
    stage.says("小明", "签到")  # the 23rd
    assert "补" not in stage.heard()  # nothing is offered that cannot be done
    for words in ("补签", "补签 03-22 50"):
        stage.says("小明", words)
        assert "本月的 2 次补签用完了" in stage.heard()
    stage.advance(days=7)  # the 30th; the 29th was missed
    stage.says("小明", "签到")
    stage.advance(days=2)
    stage.says("小明", "补签 03-31")
    assert "补上了 03-31" in stage.heard()


def test_who_has_too_little_or_owes_is_told_so_and_keeps_what_he_has(stage: Stage) -> None:
    _publish(stage, "[checkin.makeup]\nfree_per_month = 0")
    _checks_in(stage, "小明", 2)
    stage.advance(days=1)
    stage.says("小明", "补签 昨天 50")
    assert "补签要 50 积分，你现在有 10" in stage.heard()
    _moves(stage, "小明", 10, "available", "clawed_back")
    _moves(stage, "小明", 3, "debt", "clawed_back")
    stage.says("小明", "补签 昨天 50")
    assert "你还欠 3 积分" in stage.heard()
    stage.says("小明", "积分")
    assert "还没开始连签" in stage.heard()


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("补签 03-06", "03-06 已经有了"),
        ("补签 03-08", "03-08 没有漏"),  # today
        ("补签 03-09", "还没到呢"),  # last year's
        ("补签 2026-03-09", "还没到呢"),
        ("补签 03-03", "之前还没签过到"),  # before his first check-in
        ("补签 2025-03-07", "之前还没签过到"),
        ("补签 02-30", "这个日期我没看懂"),
        ("补签 13-01", "这个日期我没看懂"),
        ("补签 怎么弄", "比如这样发：补签 03-07"),
        ("/makeup 1e3", "这个日期我没看懂"),
        ("/makeup 03-07 -5", "这个日期我没看懂"),
        ("/makeup 0000-03-07", "这个日期我没看懂"),
        ("/makeup " + "9" * 4_000, "这个日期我没看懂"),
        ("补签 3月7日", "补上了 03-07，连续 4 天"),
        ("补签3/7", "补上了 03-07"),
        ("补签昨天", "补上了 03-07"),
        ("补签 2026-03-07", "补上了 03-07"),
        ("补签 ０３－０７", "补上了 03-07"),
        ("/makeup yesterday", "补上了 03-07"),
        ("补签！", "可以补签的日子：03-07"),
    ],
)
def test_words_for_a_day_are_understood_or_explained(room: Stage, words: str, answer: str) -> None:
    _checks_in(room, "小明", 3)
    room.advance(days=1)  # the 8th; the 7th was missed
    room.says("小明", words)
    heard = room.heard()
    assert answer in heard
    assert len(heard) < 150


def test_nobody_is_offered_what_would_not_help(stage: Stage) -> None:
    stage.says("小红", "签到")  # her first
    assert "补" not in stage.heard()
    stage.advance(days=2)
    stage.says("小红", "签到")  # a streak of one is none
    assert "补" not in stage.heard()
    _checks_in(stage, "小明", 4)
    stage.advance(days=4)  # too many in a row
    stage.says("小明", "签到")
    assert "补" not in stage.heard()
    stage.says("小明", "补签")
    assert "断了超过 3 天，这次补不上啦" in stage.heard()


def test_who_has_missed_nothing_is_told_so(stage: Stage) -> None:
    stage.says("小红", "补签")
    assert "没有要补的日子" in stage.heard()
    _checks_in(stage, "小明", 3)
    stage.says("小明", "补签")
    assert "没有要补的日子" in stage.heard()


def test_a_dear_repair_is_not_offered_to_the_poor(stage: Stage) -> None:
    _checks_in(stage, "小明", 3)
    stage.advance(days=2)  # two days: the second costs 50, he has 15
    stage.says("小明", "签到")
    assert "补" not in stage.heard()


def test_repairing_is_for_members(stage: Stage) -> None:
    stage.says("路人", "补签", private=True)
    assert "先加入一个有我的群" in stage.heard()
    stage.says(stage.person("管理", "anonymous_admin"), "补签")
    assert "匿名管理员" in stage.heard()
    stage.taps("路人", "makeup 03-03 0", from_outside=True)
    assert "我还不认识你" in stage.heard()


def test_repairing_works_in_private(stage: Stage) -> None:
    _checks_in(stage, "小明", 2)
    stage.advance(days=1)
    stage.says("小明", "补签 昨天", private=True)
    assert "补上了 03-06，连续 3 天" in stage.heard()


def test_a_repaired_day_is_not_paid_when_its_own_message_comes_late(stage: Stage) -> None:
    _checks_in(stage, "小明", 2)
    missed = stage.now
    stage.advance(days=1)
    stage.says("小明", "补签 昨天")
    stage.says("小明", "签到", at=missed)
    assert "已经签过啦" in stage.heard()
    assert stage.balance("小明") == 10


def test_the_same_update_three_times_repairs_once(stage: Stage) -> None:
    _publish(stage, "[checkin.makeup]\nfree_per_month = 0\nprice = 3")
    _checks_in(stage, "小明", 2)
    stage.advance(days=1)
    event = stage.event("小明", "makeup 03-06 3", kind="tap", key="tg1:same")
    states = [outcome.state for _ in range(3) for outcome in stage.play(event)]
    assert states == ["done", "duplicate", "duplicate"]
    assert stage.balance("小明") == 7


def test_many_taps_in_one_batch_pay_once(stage: Stage) -> None:
    _publish(stage, "[checkin.makeup]\nfree_per_month = 0\nprice = 3")
    _checks_in(stage, "小明", 2)
    stage.advance(days=1)
    stage.play(*(stage.event("小明", "makeup 03-06 3", kind="tap") for _ in range(5)))
    assert stage.balance("小明") == 7
    assert stage.heard().count("已经有了") == 4


def test_the_day_changes_at_the_programmes_midnight(stage: Stage) -> None:
    _checks_in(stage, "小明", 2)
    stage.now += timedelta(hours=11, minutes=30)  # 23:30 on the 6th in Shanghai
    stage.says("小明", "补签 03-06")
    assert "没有漏" in stage.heard()
    stage.now += timedelta(hours=1)
    stage.says("小明", "补签 03-06")
    assert "补上了 03-06" in stage.heard()
