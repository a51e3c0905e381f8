"""Points, movements, boards and rules, as members ask for them."""

import pytest
from sqlalchemy import text

from content.message import Reply
from storage.programmes import MAIN
from tests.stage import BOT_NAME, Stage


def _buttons(reply: Reply) -> list[str]:
    return [button.command for row in reply.buttons for button in row]


def _crowd(stage: Stage, size: int) -> None:
    """Let people check in on as many days as their number says: later ones have more."""
    for day in range(size):
        stage.play(*(stage.event(f"p{n:02}", "签到") for n in range(day, size)))
        stage.advance(days=1)
    stage.replies()


def test_points_say_balance_streak_and_rank(stage: Stage) -> None:
    for day in range(2):
        stage.says("小明", "签到")
        if day:
            stage.says("小红", "签到")
        stage.advance(days=1)
    stage.heard()
    stage.says("小红", "积分")
    (reply,) = stage.replies()
    assert reply.private
    assert "小红，你有 5 积分（累计获得 5）" in reply.text
    assert "连续签到 1 天" in reply.text
    assert "本周第 2 名，已得 5 积分" in reply.text


@pytest.mark.parametrize("words", ["积分", "我的积分", "/points", "积分？", f"@{BOT_NAME} 积分"])
def test_one_without_points_is_shown_the_way(room: Stage, words: str) -> None:
    room.says("小明", words)
    heard = room.heard()
    assert "小明，你有 0 积分（累计获得 0）" in heard
    assert "连续签到 0 天" in heard
    assert "签个到就上榜" in heard


def test_a_streak_that_was_broken_is_not_boasted_of(room: Stage) -> None:
    for _ in range(3):
        room.says("小明", "签到")
        room.advance(days=1)
    room.heard()
    room.says("小明", "积分")
    assert "连续签到 3 天" in room.heard()  # today is not over yet
    room.advance(days=1)
    room.says("小明", "积分")
    assert "连续签到 0 天" in room.heard()


def test_in_private_the_account_is_the_groups(stage: Stage) -> None:
    stage.says("小明", "签到")
    stage.heard()
    stage.says("小明", "积分", private=True)
    assert "你有 5 积分" in stage.heard()
    stage.says("小明", "签到", private=True)
    assert "今天已经签过啦" in stage.heard()
    stage.advance(days=1)
    stage.says("小明", "签到", private=True)
    assert "连续 2 天" in stage.heard()
    assert stage.balance("小明") == 10


def test_a_stranger_in_private_is_shown_the_way_in(stage: Stage) -> None:
    for words in ("签到", "积分", "明细", "/checkin"):
        stage.says("路人", words, private=True)
        assert "先加入一个有我的群" in stage.heard()


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        ("明细", 10),
        ("积分明细", 10),
        ("/ledger", 10),
        ("明细 3", 3),
        ("明细3", 3),
        ("明细\u3000３", 3),
        ("积分明细 1", 1),
        ("/ledger 12", 12),
        ("/ledger 012", 12),
        (f"/ledger@{BOT_NAME} 2", 2),
        ("明细 30", 12),
        ("明细！", 10),
    ],
)
def test_movements_are_listed_newest_first(room: Stage, words: str, lines: int) -> None:
    for _ in range(12):
        room.says("小明", "签到")
        room.advance(days=1)
    room.replies()
    room.says("小明", words)
    (reply,) = room.replies()
    head, *rows = reply.text.splitlines()
    assert head == "📒 小明 的积分明细 · 现有 61"
    assert len(rows) == lines
    assert rows[0] == "03-15  +5  签到"
    assert [row[:5] for row in rows] == sorted((row[:5] for row in rows), reverse=True)
    assert reply.private


@pytest.mark.parametrize(
    "given",
    ["0", "31", "-1", "1.5", "abc", "²³x", "1e3", "٣", "9" * 4_000, "x" * 4_000, "1 2"],
)
def test_a_number_of_lines_that_is_none_is_explained(room: Stage, given: str) -> None:
    room.says("小明", "签到")
    room.heard()
    for words in (f"/ledger {given}", f"明细 {given}"):
        room.says("小明", words[:4_096])
        heard = room.heard()
        assert "不是条数" in heard
        assert "明细 20（1 到 30 条）" in heard
        assert len(heard) < 100


def test_no_movements_yet_is_said_kindly(room: Stage) -> None:
    room.says("小明", "明细")
    assert "小明，你还没有积分记录" in room.heard()


@pytest.mark.parametrize(
    ("words", "title"),
    [
        ("排行", "本周积分榜"),
        ("排行榜", "本周积分榜"),
        ("/top", "本周积分榜"),
        ("排行 周", "本周积分榜"),
        ("排行周", "本周积分榜"),
        ("排行榜本周", "本周积分榜"),
        ("周榜", "本周积分榜"),
        ("周榜！", "本周积分榜"),
        ("排行 日", "今日积分榜"),
        ("排行 今天", "今日积分榜"),
        ("排行日", "今日积分榜"),
        ("日榜", "今日积分榜"),
        ("/top day", "今日积分榜"),
        ("/top DAY", "今日积分榜"),
        ("排行 month", "本月积分榜"),
        ("排行 月", "本月积分榜"),
        ("月榜", "本月积分榜"),
        ("/top month", "本月积分榜"),
        (f"/top@{BOT_NAME} month", "本月积分榜"),
        ("总榜", "积分总榜"),
        ("排行 总", "积分总榜"),
        ("排行 全部", "积分总榜"),
        ("/top all", "积分总榜"),
        ("/top 总", "积分总榜"),
    ],
)
def test_every_word_finds_its_board(room: Stage, words: str, title: str) -> None:
    room.says("小明", "签到")
    room.heard()
    room.says("小明", words)
    heard = room.heard()
    assert heard.startswith(f"🏆 {title}")
    assert "🥇 小明 · 5" in heard
    assert "👉 小明：第 1 名（共 1 人），5 积分" in heard


@pytest.mark.parametrize("given", ["年", "yesterday", "0", "{name}", "周周", "x" * 4_000])
def test_a_board_that_does_not_exist_is_explained(room: Stage, given: str) -> None:
    for words in (f"/top {given}", f"排行 {given}"):
        room.says("小明", words)
        heard = room.heard()
        assert f"没有「{given[:20]}」榜" in heard
        assert "排行 总" in heard
        assert len(heard) < 100


def test_ones_own_rank_is_always_shown(stage: Stage) -> None:
    _crowd(stage, 12)
    stage.says("p00", "总榜")
    rows = stage.heard().splitlines()
    assert rows[2] == "🥇 p11 · 61"
    assert rows[4:7] == ["🥉 p09 · 51", "4. p08 · 46", "5. p07 · 41"]
    assert rows[11] == "10. p02 · 15"
    assert rows[-1] == "👉 p00：第 12 名（共 12 人），5 积分"
    assert not any("p01" in row for row in rows)
    stage.says("新人", "总榜")
    assert "👉 新人：还没上榜" in stage.heard()


def test_boards_follow_the_day_the_week_and_the_month(stage: Stage) -> None:
    stage.says("小明", "签到")  # Wednesday the 4th
    stage.advance(days=1)
    for words, shown in (("日榜", False), ("周榜", True), ("月榜", True), ("总榜", True)):
        stage.heard()
        stage.says("小红", words)
        assert ("小明 · 5" in stage.heard()) is shown
    stage.advance(days=4)  # Monday the 9th
    for words, shown in (("日榜", False), ("周榜", False), ("月榜", True), ("总榜", True)):
        stage.heard()
        stage.says("小红", words)
        assert ("小明 · 5" in stage.heard()) is shown
    stage.advance(days=30)
    for words, shown in (("月榜", False), ("总榜", True)):
        stage.heard()
        stage.says("小红", words)
        assert ("小明 · 5" in stage.heard()) is shown


def test_an_empty_board_invites(room: Stage) -> None:
    room.says("小明", "排行")
    heard = room.heard()
    assert "还没有人上榜" in heard
    assert "👉 小明：还没上榜" in heard


def test_tabs_take_the_place_of_the_board(room: Stage) -> None:
    room.says("小明", "排行")
    (board,) = room.replies()
    assert not board.replaces
    assert _buttons(board) == ["top day here", "top month here", "top all here", "checkin"]
    event = room.event("小明", "top month here", kind="tap")
    (outcome,) = room.play(event)
    assert [(row.kind, row.target) for row in outcome.say] == [
        ("tap", event.tap_id),
        ("edit", event.message_id),
    ]
    (_, turned) = room.replies()
    assert turned.replaces
    assert turned.text.startswith("🏆 本月积分榜")
    assert _buttons(turned) == ["top day here", "top week here", "top all here", "checkin"]


def test_a_board_button_elsewhere_says_a_new_board(room: Stage) -> None:
    (outcome,) = room.taps("小明", "top week")
    assert [row.kind for row in outcome.say] == ["tap", "say"]


def test_rules_are_told_as_they_stand_in_the_document(stage: Stage) -> None:
    stage.says("小明", "规则")
    heard = stage.heard()
    for part in (
        "第 1 版",
        "每天签到一次，得 5 积分",
        "每连续签到 7 天，当天加奖 20%（共 6 积分）",
        "Asia/Shanghai",
    ):
        assert part in heard
    document = "version = 1\n[checkin]\npoints = 8\nstreak = { every = 3, bonus = 0.5 }"
    with stage.engine.begin() as connection:
        connection.execute(
            text(f"INSERT INTO rulebook VALUES ({MAIN}, 97, :d, 'me', '', 0, 0)"), {"d": document}
        )
        connection.execute(text(f"UPDATE programme SET rules_version = 97 WHERE id = {MAIN}"))
    stage.says("小明", "积分规则")
    heard = stage.heard()
    for part in ("第 97 版", "得 8 积分", "每连续签到 3 天，当天加奖 50%（共 12 积分）"):
        assert part in heard
    for _ in range(3):
        stage.says("小明", "签到")
        stage.advance(days=1)
    assert "连续签到 3 天，+12 积分（含 50% 奖励）" in stage.heard()
    assert stage.balance("小明") == 28
