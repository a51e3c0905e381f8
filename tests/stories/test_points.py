"""Points, movements, boards and rules, as members ask for them."""

from datetime import timedelta

import pytest

from content.earning import Deed, earned
from content.message import Reply
from content.rulebook import Rulebook
from storage import ledger, members, programmes, rulebooks
from storage.db import Tx, open_engine
from storage.members import Who
from storage.movement import ISSUED, Posting, Side
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
    assert "还没开始连签" in heard
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
    assert "还没开始连签" in room.heard()


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
        assert "条数请写" in heard
        assert "1 到 30，比如：明细 20" in heard
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
        assert "（消费 · 互动 · 日常）" in heard
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
    assert _buttons(board) == [
        "top day here",
        "top lastweek here",
        "top month here",
        "top all here",
        "checkin",
        "top week talk here",
        "top week invite here",
    ]
    event = room.event("小明", "top month here", kind="tap")
    (outcome,) = room.play(event)
    assert [(row.kind, row.target) for row in outcome.say] == [
        ("tap", event.tap_id),
        ("edit", event.message_id),
    ]
    (_, turned) = room.replies()
    assert turned.replaces
    assert turned.text.startswith("🏆 本月积分榜")
    assert _buttons(turned) == [
        "top day here",
        "top week here",
        "top lastweek here",
        "top all here",
        "checkin",
        "top month talk here",
        "top month invite here",
    ]


def test_a_board_button_elsewhere_says_a_new_board(room: Stage) -> None:
    (outcome,) = room.taps("小明", "top week")
    assert [row.kind for row in outcome.say] == ["tap", "say"]


def test_the_shipped_rules_are_told_briefly(stage: Stage) -> None:
    stage.says("小明", "规则")
    assert (
        stage.heard()
        == """\
📜 积分规则（第 1 版，2026-03-04 起）
· 每天签到一次，得 5 积分
· 每连续签到 7 天，当天加奖 20%（共 6 积分）；断签后重新计算
· 漏签可以补：最近 7 天内，连着漏的不超过 3 天，每月最多 2 次，其中 1 次免费，之后每次 50 积分
· 在群里聊天：每条 1 积分，每天最多 30（太短、太密、重复的不算）
· 购物：每 1 元 1 积分
· 分享有人点开：7 积分
· 评价订单：10 积分
· 晒单（发图写上「晒单」）：10 积分，每天最多 1 次
· 帖子被选为精华：30 积分，每天最多 2 次
· 等级看最近 365 天得到的积分，花掉也算：白银 500 起（积分 ×1.1） · 黄金 3000 起（积分 ×1.2）
· 黄金还可以：每天可送的积分和份数翻倍
· 每月消费返利（返利币）：满 300 元返 1% · 满 1000 元返 1.5%
· 互送积分：赠送 小明 20。每天最多 3 份、共 200 积分，24 小时没收下就退回；收到的不再转送
· 送的和收的都要来满 14 天；一天之内不回赠
· 信用：每人 100 分，用脚本、小号刷分会扣；低于 80 分起积分打折。私聊我发「信用」看自己的，也能申诉
· 邀请朋友（发「邀请」）：TA 待满 7 天，并完成破冰任务 或 下第一单（不退款），你得 150 积分，TA 75
· 邀请每天奖励 5 位、每月 30 位，超出的排到后面
· 朋友 30 天内离开，你的那份收回；那一单退款，两份都收回
· 邀请阶梯：满 1 位 5 元优惠券 · 满 3 位 惊喜礼盒 · 满 10 位 人气徽章
· 消费和邀请以外，每天最多得 500 积分
· 消费得的积分 7 天后到账
· 积分长期有效，放心攒
· 每天 0 点算新的一天（Asia/Shanghai）
· 没另选的人：群友看得到名字和名次，群外看不到；私聊我发「隐私」可改
· 匿名管理员、频道和机器人不计分；编辑旧消息不计分"""
    )


@pytest.mark.parametrize(("platform", "told"), [("telegram", True), ("wecom", False)])
def test_what_does_not_pay_on_a_platform_is_not_told_there(
    sqlite_url: str, platform: str, told: bool
) -> None:
    engine = open_engine(sqlite_url)
    stage = Stage(engine, platform=platform)
    stage.says("小明", "规则")
    assert ("分享" in stage.heard()) == told
    engine.dispose()


def test_rules_are_told_as_they_stand_in_the_document(stage: Stage) -> None:
    document = """
        version = 1
        [checkin]
        points = 8
        streak = { every = 3, bonus = 0.5 }
        [programme]
        pending_days = 0
        caps = { earn_per_day = 90, activity_per_day = 9 }
        expiry = { base = "rolling", base_days = 400 }
        [[earn]]
        id = "video"
        event = "custom.video"
        name = "发视频"
        category = "social"
        points = 30
        limit = { per = "month", n = 4 }
        [[earn]]
        id = "buy"
        event = "order.completed"
        category = "consume"
        per_yuan = 0.25
            [redeem.gift]
            per_day_points = 50
            per_day_n = 1
            account_days_min = 0
            expires_h = 48
    """
    tomorrow = stage.now + timedelta(hours=20)

    def publish(tx: Tx) -> int:
        return rulebooks.publish(
            tx, MAIN, document, author="老板", note="试", effective=tomorrow, now=stage.now,
            force="测试",
        )  # fmt: skip

    (published,) = stage.worker.run([publish])
    assert published.value == 2
    stage.says("小明", "规则")
    assert "第 1 版" in stage.heard()
    stage.advance(days=1)
    stage.says("小明", "积分规则")
    assert (
        stage.heard()
        == """\
📜 积分规则（第 2 版，2026-03-05 起）
· 每天签到一次，得 8 积分
· 每连续签到 3 天，当天加奖 50%（共 12 积分）；断签后重新计算
· 漏签可以补：最近 7 天内，连着漏的不超过 3 天，每月最多 2 次，其中 1 次免费，之后每次 50 积分
· 在群里聊天：每条 1 积分，每天最多 9（太短、太密、重复的不算）
· 发视频：45 积分，每月最多 4 次
· 购物：每 1 元 0.25 积分
· 互送积分：赠送 小明 20。每天最多 1 份、共 50 积分，48 小时没收下就退回；收到的不再转送
· 信用：每人 100 分，用脚本、小号刷分会扣；低于 80 分起积分打折。私聊我发「信用」看自己的，也能申诉
· 邀请朋友（发「邀请」）：TA 待满 7 天，并完成破冰任务 或 下第一单（不退款），你得 150 积分，TA 75
· 邀请每天奖励 5 位、每月 30 位，超出的排到后面
· 朋友 30 天内离开，你的那份收回；那一单退款，两份都收回
· 消费和邀请以外，每天最多得 90 积分
· 积分 400 天内有效，记得用
· 每天 0 点算新的一天（Asia/Shanghai）
· 没另选的人：群友看得到名字和名次，群外看不到；私聊我发「隐私」可改
· 匿名管理员、频道和机器人不计分；编辑旧消息不计分"""
    )
    for _ in range(3):
        stage.says("小明", "签到")
        stage.advance(days=1)
    assert "连续签到 3 天，+12 积分（含 50% 奖励）" in stage.heard()
    assert stage.balance("小明") == 28


def test_a_check_in_above_the_days_ceiling_counts_for_the_streak(stage: Stage) -> None:
    most = stage.worker.run([lambda tx: _in_force(tx, stage).programme.caps.earn_per_day])[0].value

    def earn(amount: int) -> None:
        def other(tx: Tx) -> int:
            me = members.find(tx, MAIN, Who(stage.platform, stage.person("小明").id, "小明"), None)
            assert me is not None
            (part,) = earned(_in_force(tx, stage), Deed(event="checkin"))
            made = Posting(
                MAIN, f"{stage.now.date()}/test", ISSUED, Side(me.id, "available"), amount, "test",
                "test", 1, "test", stage.now, stage.now.date(), caps=part.caps,
            )  # fmt: skip
            return ledger.post(tx, made).amount

        (outcome,) = stage.worker.run([other])
        assert outcome.value == min(amount, most)

    stage.says("小明", "积分")
    earn(most - 2)
    stage.heard()
    stage.says("小明", "签到")
    assert "+2 积分" in stage.heard()  # five, cut to what the day leaves
    stage.advance(days=1)
    earn(most + 1)
    stage.says("小明", "签到")
    heard = stage.heard()
    assert "连签 2 天" in heard
    assert "到上限" in heard
    assert stage.balance("小明") == 2 * most


def _in_force(tx: Tx, stage: Stage) -> Rulebook:
    return programmes.programme(tx, MAIN, stage.now).rules
