"""Boards as members meet them: who stands there, who does not want to, and who has gone."""

import re
from datetime import UTC, date, datetime, time, timedelta
from functools import partial

import pytest
from sqlalchemy import Engine

from content.intake import Newcomer
from content.notice import Notice
from handlers.deeds import Receipt, take
from handlers.event import Sender
from handlers.intake import take_members
from storage.db import Tx, to_ms
from storage.programmes import MAIN
from storage.rulebooks import parsed
from storage.talk import Talk
from tests.stage import Stage


def _board(stage: Stage, who: str | Sender, words: str = "周榜") -> str:
    stage.heard()
    stage.says(who, words)
    return stage.heard()


def _everybody_checks_in(stage: Stage) -> None:
    for name in ("小明", "小红", "小刚"):
        stage.says(name, "签到")
    stage.advance(days=1)
    stage.says("小明", "签到")


def test_who_hides_is_on_no_board_and_still_sees_his_points(room: Stage) -> None:
    _everybody_checks_in(room)
    room.says("小明", "隐身")
    (reply,) = room.replies()[-1:]
    assert "榜单上不再有你" in reply.text
    assert reply.private
    assert [button.command for button in reply.buttons[0]] == ["show", "points"]
    for words in ("日榜", "周榜", "月榜", "总榜"):
        seen = _board(room, "小红", words)
        assert "小明" not in seen
    assert "👉 小红：第 1 名（共 2 人），5 积分" in _board(room, "小红")
    assert "👉 小明：10 积分；你不在榜上，发「现身」就上榜" in _board(room, "小明")
    room.says("小明", "积分")
    assert "🏅 本周已得 10 积分；你不在榜上，发「现身」就上榜" in room.heard()


def test_who_shows_himself_again_is_back_with_his_points(room: Stage) -> None:
    _everybody_checks_in(room)
    for words in ("/hide", "/show"):
        room.says("小明", words)
    assert "榜单上又有你了" in room.heard()
    assert "🥇 小明 · 10" in _board(room, "小红")
    assert "👉 小明：第 1 名（共 3 人），10 积分" in _board(room, "小明")


def test_a_tap_hides_the_one_who_presses(room: Stage) -> None:
    _everybody_checks_in(room)
    room.taps("小明", "hide")
    assert "小明" not in _board(room, "小红")
    room.taps("小明", "show")
    assert "🥇 小明" in _board(room, "小红")


def test_who_is_nobody_here_can_neither_hide_nor_show(room: Stage) -> None:
    for words in ("隐身", "现身"):
        room.says(room.person("频道", "channel"), words)
        assert "频道身份不能计分" in room.heard()
        room.says("路人", words, private=True)
        assert "先加入一个有我的群" in room.heard()


def test_who_leaves_is_on_no_board_and_comes_back_with_his_points(stage: Stage) -> None:
    _everybody_checks_in(stage)
    stage.play(stage.event("小明", kind="left"))
    seen = _board(stage, "小红")
    assert "小明" not in seen
    assert "第 1 名（共 2 人）" in seen
    stage.play(stage.event("小明", kind="joined"))
    assert "🥇 小明 · 10" in _board(stage, "小红")


@pytest.mark.parametrize("hides", [True, False])
def test_a_programme_may_show_only_those_who_want_it(stage: Stage, hides: bool) -> None:
    _everybody_checks_in(stage)
    _opt_in(stage)
    assert "还没有人上榜" in _board(stage, "小红")
    assert "👉 小明：10 积分；你不在榜上，发「现身」就上榜" in _board(stage, "小明")
    stage.says("小明", "现身")
    assert "🥇 小明 · 10" in _board(stage, "小红")
    stage.says("小红", "隐身" if hides else "现身")
    assert ("🥈 小红 · 5" in _board(stage, "小明")) is not hides


def _opt_in(stage: Stage) -> None:
    document = 'version = 1\n[privacy]\nboards = "opt_in"'
    assert parsed(document).privacy.boards == "opt_in"
    with stage.engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO rulebook (programme_id, version, document, author, note, created_ms,"
            f" effective_ms) VALUES (1, 2, '{document}', 'me', '', 0, {to_ms(stage.now)})"
        )


def test_a_forged_tap_makes_no_board_of_another_message(room: Stage) -> None:
    """Whatever a client sends as the data of a button: only a board gives way to a board."""
    room.says("小明", "签到")
    (forged,) = room.taps("小明", "top week here", genuine=False)
    assert [(row.kind, row.target) for row in forged.say[1:]] == [("say", None)]
    event = room.event("小明", "top week here", kind="tap")
    (pressed,) = room.play(event)
    assert [(row.kind, row.target) for row in pressed.say[1:]] == [("edit", event.message_id)]


@pytest.mark.parametrize(
    ("words", "title"),
    [
        ("排行 上周", "🏆 上周积分榜"),
        ("上周榜", "🏆 上周积分榜"),
        ("/top lastweek", "🏆 上周积分榜"),
        ("排行上月", "🏆 上月积分榜"),
        ("上月榜", "🏆 上月积分榜"),
        ("排行 日常", "🏆 本周积分榜 · 日常"),
        ("排行 签到", "🏆 本周积分榜 · 日常"),  # by the category that a check-in pays
        ("排行日常", "🏆 本周积分榜 · 日常"),
        ("排行 日 日常", "🏆 今日积分榜 · 日常"),
        ("排行 上周 消费", "🛍 上周消费榜"),
        ("排行上周消费", "🛍 上周消费榜"),
        ("消费榜", "🛍 本周消费榜"),
        ("消费榜 上月", "🛍 上月消费榜"),
        ("/top consume", "🛍 本周消费榜"),
        ("/top spend all", "🛍 消费总榜"),
        ("热聊榜", "💬 本周热聊榜"),
        ("热聊榜 日", "💬 今日热聊榜"),
        ("排行 上月 热聊", "💬 上月热聊榜"),
        ("排行热聊", "💬 本周热聊榜"),
        ("/top month talk", "💬 本月热聊榜"),
        ("邀请榜", "🎪 本周邀请榜"),
        ("排行 邀请 上月", "🎪 上月邀请榜"),
        ("互动榜", "🏆 本周积分榜 · 互动"),
        ("/top all social", "🏆 积分总榜 · 互动"),
        ("/top Shopping MONTH", "🛍 本月消费榜"),
        ("总榜 behaviour", "🏆 积分总榜 · 日常"),
    ],
)
def test_a_board_is_named_by_its_days_and_its_kind(room: Stage, words: str, title: str) -> None:
    assert _board(room, "小明", words).splitlines()[0] == title


@pytest.mark.parametrize(
    ("words", "helps"),
    [
        ("排行", ["checkin", "top week talk here", "top week invite here"]),
        ("排行 日常", ["checkin"]),
        ("排行 消费", ["top week here"]),
        ("排行 月 互动", ["top month here"]),
        ("排行 上周 消费", ["top lastweek here"]),
        ("上周榜", ["top lastweek talk here", "top lastweek invite here"]),
        ("上月榜 日常", []),
        ("热聊榜 月", ["top month here"]),
    ],
)
def test_under_a_board_stands_what_helps_there(room: Stage, words: str, helps: list[str]) -> None:
    room.says("小明", words)
    (reply,) = room.replies()
    assert [button.command for row in reply.buttons[1:] for button in row] == helps
    if helps and helps[-1].startswith("top"):
        room.taps("小明", helps[-1])
        title = room.heard().splitlines()[0]
        assert ("邀请" if "invite" in helps[-1] else "积分") in title


@pytest.mark.parametrize(
    "words", ["签到签到", "周 周", "消费 互动", "weekly", "周 消费 日", "热聊 消费", "消费 热聊"]
)
def test_a_board_that_there_is_not_is_answered_with_those_that_there_are(
    room: Stage, words: str
) -> None:
    heard = _board(room, "小明", f"/top {words}")
    assert "没有「" in heard
    assert "（消费 · 互动 · 日常）" in heard


def test_last_week_stands_when_a_new_one_has_begun(stage: Stage) -> None:
    _everybody_checks_in(stage)  # a Wednesday and a Thursday
    stage.advance(days=7)
    stage.says("小红", "签到")
    seen = _board(stage, "小红", "上周榜")
    assert "🥇 小明 · 10" in seen
    assert "👉 小红：第 2 名（共 3 人），5 积分" in seen
    assert "👉 路过：不在这张榜上" in _board(stage, "路过", "上周榜")
    assert "🥇 小红 · 5" in _board(stage, "小红")
    stage.says("小明", "隐身")
    assert "小明" not in _board(stage, "小红", "上周榜")
    assert "👉 小明：10 积分；你不在榜上" in _board(stage, "小明", "上周榜")


def test_a_kind_is_the_rules_category(stage: Stage) -> None:
    _everybody_checks_in(stage)
    assert "🥇 小明 · 10" in _board(stage, "小红", "排行 日常")
    assert "还没有人上榜" in _board(stage, "小红", "排行 互动")
    stage.taps("小红", "top all behaviour here")
    assert "🏆 积分总榜 · 日常" in stage.heard()


def test_the_tabs_of_a_kind_stay_with_it(room: Stage) -> None:
    room.says("小明", "消费榜")
    (board,) = room.replies()
    assert [button.command for button in board.buttons[0]] == [
        "top day spend here",
        "top lastweek spend here",
        "top month spend here",
        "top all spend here",
    ]


def test_who_asked_before_midnight_sees_the_day_that_he_asked_for(room: Stage) -> None:
    room.says("小明", "签到")
    asked = room.now
    room.advance(days=1)
    room.says("小明", "签到")
    room.heard()
    room.says("小明", "日榜", at=asked)  # it arrives when he has earned again
    assert "👉 小明：第 1 名（共 1 人），5 积分" in room.heard()


@pytest.mark.parametrize("day", [date(2026, 3, 4), date(2026, 6, 1), date(2026, 3, 1)])
def test_what_members_bring_in_a_file_leads_no_board_of_days(engine: Engine, day: date) -> None:
    """It was earned elsewhere: last month's and last week's boards are those who were here."""
    noon = datetime.combine(day, time(4), UTC)
    last_month = noon - timedelta(days=day.day)  # its last day
    last_sunday = noon - timedelta(days=day.weekday() + 1)
    stage = Stage(engine, now=noon - timedelta(days=40))
    for stage.now, name in sorted([(last_month, "小明"), (last_sunday, "小红")]):
        stage.says(name, "签到")
    stage.now = noon
    rich = Newcomer("telegram", "8000", "阿富", date(2024, 5, 1), 5_000, None)
    taking = partial(take_members, programme_id=MAIN, people=[rich], actor="import:t", now=noon)
    (outcome,) = stage.worker.run([taking])
    assert outcome.value[0].points == 5_000
    stage.heard()
    for words in ("上月榜", "上周榜", "日榜", "周榜", "月榜"):
        board = _board(stage, "小明", words)
        assert "阿富" not in board
        assert "5000" not in board
    assert "🥇 小明 · 5" in _board(stage, "小明", "上月榜")
    assert "🥇 小红 · 5" in _board(stage, "小明", "上周榜")
    assert "🥇 阿富 · 5000" in _board(stage, "小明", "总榜")
    stage.now = datetime.combine(day + timedelta(days=31), time(4), UTC)
    assert "阿富" not in _board(stage, "小明", "上月榜")


def test_the_board_of_talk_counts_messages_that_count(engine: Engine) -> None:
    stage = Stage(engine, talk=Talk())
    stage.says("小红", "签到")
    for line in ("今天的鱼很新鲜，晚上一起吃吧", "明天早上八点开团，记得来"):
        for _ in range(3):  # the same again, and too soon
            stage.says("小明", line)
        stage.advance(seconds=61)
    assert "🥇 小明 · 2 条" in _board(stage, "小明", "热聊榜")
    assert "👉 小明：第 1 名（共 1 人），2 条" in _board(stage, "小明", "热聊榜 月")
    assert "👉 小红：不在这张榜上" in _board(stage, "小红", "热聊榜 日")
    stage.says("小明", "隐身")
    assert "小明 ·" not in _board(stage, "小红", "热聊榜")
    assert "👉 小明：2 条；你不在榜上，发「现身」就上榜" in _board(stage, "小明", "热聊榜")
    stage.advance(days=7)
    assert "还没有人上榜" in _board(stage, "小红", "热聊榜")
    stage.says("小明", "现身")
    assert "🥇 小明 · 2 条" in _board(stage, "小红", "热聊榜 上周")
    assert "🥇 小明 · 2 条" in _board(stage, "小红", "热聊榜 总")


def _buys(stage: Stage, who: str, yuan: int) -> None:
    def take_order(tx: Tx) -> None:
        (told,) = take(
            tx,
            MAIN,
            [
                Notice(
                    key=f"k{yuan}", event="order.completed", at=stage.now, order=f"{yuan}",
                    platform="telegram", user_id=stage.person(who).id, amount_fen=yuan * 100,
                )
            ],
            actor="api:test",
            now=stage.now,
        )  # fmt: skip
        assert isinstance(told, Receipt)

    (outcome,) = stage.worker.run([take_order])
    assert outcome.error is None


def test_the_board_of_purchases_shows_those_who_ask_for_it_and_no_amount(stage: Stage) -> None:
    _everybody_checks_in(stage)
    for who, yuan in (("小明", 731), ("小红", 412), ("小刚", 97)):
        _buys(stage, who, yuan)
    stage.advance(days=7)  # until nothing can be returned any more
    stage.due()
    absent = "你不在消费榜上"
    assert absent in _board(stage, "小明", "消费榜 月")
    assert "还没有人上榜" in _board(stage, "小明", "消费榜 月")
    stage.says("小明", "现身")  # on the other boards: not on this one
    assert absent in _board(stage, "小明", "消费榜 月")
    for who in ("小明", "小红"):
        stage.says(who, "现身 消费榜")
        assert "消费榜上有你了" in stage.heard()
    seen = _board(stage, "小红", "消费榜 月")
    assert seen.splitlines()[2:4] == ["🥇 小明 · 💎 前排 · 🌟 积分之星", "🥈 小红 · 🌱 在榜"]
    assert "👉 小红：第 2 名（共 2 人），🌱 在榜" in seen
    assert not {"731", "412", "97"} & set(re.findall(r"[0-9]+", seen))
    assert absent in _board(stage, "小刚", "/top consume month")
    stage.says("小明", "隐身 消费榜")
    assert "小明" not in _board(stage, "小红", "消费榜 月")
    assert "🥇 小明" in _board(stage, "小红", "月榜")
    stage.says("小红", "/hide")
    assert absent in _board(stage, "小红", "消费榜 月")
    stage.says("小红", "/show")
    assert absent in _board(stage, "小红", "消费榜 月")  # asked for anew, each time
    stage.says("小红", "/hide")
    stage.says("小红", "/show spend")
    assert "👉 小红：第 1 名（共 1 人），💎 前排" in _board(stage, "小红", "消费榜 月")


@pytest.mark.parametrize("words", ["/show me", "/hide 消费 全部", "/show \u200b!"])
def test_a_place_on_another_board_is_not_understood(room: Stage, words: str) -> None:
    room.says("小明", words)
    assert "是哪张榜？" in room.heard()


@pytest.mark.parametrize("words", ["隐身 衣好看吗", "现身 吧小红", "隐身术"])
def test_talk_that_begins_with_the_word_is_talk(room: Stage, words: str) -> None:
    room.says("小明", words)
    assert room.heard() == ""


def test_who_runs_the_place_stands_on_no_board(stage: Stage) -> None:
    boss = stage.person("店长", role="owner")
    stage.says(boss, "签到")
    _everybody_checks_in(stage)
    seen = _board(stage, "小红")
    assert "店长" not in seen
    assert "共 3 人" in seen
    assert "负责人不上榜" in _board(stage, boss)
    for words in ("现身", "/show spend", "隐身"):
        stage.says(boss, words)
        assert "负责人不上榜" in stage.heard()
    former = stage.person("店长")  # he has handed it over
    stage.says(former, "现身")
    assert "店长" in _board(stage, "小红")
