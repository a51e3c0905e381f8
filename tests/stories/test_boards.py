"""Boards as members meet them: who stands there, who does not want to, and who has gone."""

import pytest

from storage.db import to_ms
from storage.rulebooks import parsed
from tests.stage import Stage


def _board(stage: Stage, who: str, words: str = "周榜") -> str:
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
