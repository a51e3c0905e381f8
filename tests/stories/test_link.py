"""One person on two platforms: a code, a question, one member; and parted again."""

import pytest

from content.linking import LETTERS
from handlers.event import Chat
from storage import programmes
from storage.db import Tx, reading
from tests.stage import Stage
from tests.stories.test_gifts import _due, _held, _offered
from tests.stories.test_makeup import _buttons, _labels

ROOM = Chat("room", "group", "聊天室")


class Camp:
    """A Telegram group and the local room, one pool of points; 小明 is in both by two accounts."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        stage.worker.run([self._room])

    def _room(self, tx: Tx) -> None:
        programmes.open_group(
            tx,
            "local",
            ROOM.id,
            ROOM.title,
            by_owner=True,
            defaults=self.stage.defaults,
            now=self.stage.now,
        )

    def group(self, who: str, words: str) -> str:
        """Say something in the Telegram group; return what is answered."""
        self.stage.says(who, words)
        return self.stage.heard()

    def room(self, who: str, words: str) -> str:
        """Say something in the local room."""
        self.stage.says(who, words, chat=ROOM, platform="local")
        return self.stage.heard()

    def ask(self, who: str, words: str, platform: str = "telegram") -> str:
        """Say something in private."""
        self.stage.says(who, words, private=True, platform=platform)
        return self.stage.heard()

    def code(self, who: str = "小明", platform: str = "telegram") -> str:
        told = self.ask(who, "绑定", platform)
        code = told.partition("绑定码：")[2][:8]
        assert set(code) <= set(LETTERS), told
        return code

    def offer(self, who: str, code: str, platform: str = "local") -> list[str]:
        """Type a code; return the commands of the buttons."""
        self.stage.says(who, f"绑定 {code}", private=True, platform=platform)
        (reply,) = self.stage.replies()
        assert _labels(reply) == ["✅ 是我，绑定", "不绑"], reply.text
        return _buttons(reply)

    def press(self, who: str, command: str, platform: str = "local", **more: object) -> str:
        self.stage.taps(who, command, private=True, platform=platform, **more)
        return self.stage.heard()

    def bind(self, who: str = "小明的号", *, to: str = "小明") -> str:
        yes, _ = self.offer(who, self.code(to))
        return self.press(who, yes)


@pytest.fixture
def camp(stage: Stage) -> Camp:
    return Camp(stage)


def _days(camp: Camp, who: str, count: int, where: str = "group") -> None:
    for _ in range(count):
        getattr(camp, where)(who, "签到")
        camp.stage.advance(days=1)


def test_two_accounts_become_one_member(camp: Camp) -> None:
    stage = camp.stage
    _days(camp, "小明", 3)
    _days(camp, "小明的号", 2, "room")
    stage.says("小明的号", f"绑定 {camp.code()}", private=True, platform="local")
    (reply,) = stage.replies()
    assert reply.text.splitlines()[:3] == [
        "🔗 小明的号，要把你现在这个账号并入 小明 吗？",
        "· 小明：15 积分，连签 0 天",
        "· 小明的号：10 积分，连签 2 天",
    ]
    told = camp.press("小明的号", _buttons(reply)[0])
    assert told.splitlines()[:2] == [
        "🎉 绑好了！现在两边都是 小明",
        "· 小明：25 积分，连签 5 天",
    ]
    assert "小明，你有 25 积分" in camp.ask("小明", "积分")
    assert "小明，你有 25 积分" in camp.ask("小明的号", "积分", "local")
    assert "+10  绑定账号，合到一起" in camp.ask("小明", "明细 1")
    assert "连续 6 天" in camp.room("小明的号", "签到")  # by either, once
    assert "今天已经签过啦" in camp.group("小明", "签到")
    assert "🥇 小明 · 30\n\n👉 小明：第 1 名（共 1 人）" in camp.group("小明", "总榜")
    with reading(stage.engine) as tx:
        signed = tx.core.exec_driver_sql("SELECT DISTINCT actor FROM posting").fetchall()
    assert {actor.partition(":")[0] for (actor,) in signed} == {"member"}


def test_a_day_of_both_counts_once(camp: Camp) -> None:
    for _ in range(2):
        camp.group("小明", "签到")
        camp.room("小明的号", "签到")
        camp.stage.advance(days=1)
    camp.group("小明", "签到")
    assert "· 小明：15 积分，连签 3 天" in camp.bind()
    told = camp.ask("小明", "明细 9")
    assert told.count("+5  签到") == 3
    assert "今天已经签过啦" in camp.room("小明的号", "签到")


def test_a_binding_is_undone_within_a_day(camp: Camp) -> None:
    _days(camp, "小明的号", 3, "room")
    camp.group("小明", "签到")
    camp.room("小明的号", "签到")
    camp.bind()
    camp.stage.advance(hours=13)
    assert "连续 5 天" in camp.group("小明", "签到")  # the fifth, of both
    told = camp.ask("小明的号", "绑定 撤销", "local")
    assert told.splitlines()[:3] == [
        "↩️ 拆开了，各归各的：",
        "· 小明：10 积分，连签 2 天",
        "· 小明的号：20 积分，连签 4 天",
    ]
    assert "小明的号，你有 20 积分" in camp.ask("小明的号", "积分", "local")
    assert "连续 5 天" in camp.room("小明的号", "签到")
    assert "今天已经签过啦" in camp.group("小明", "签到")
    code = camp.code()
    assert "刚拆开过，7 天之后才能再绑" in camp.ask("小明的号", f"绑定 {code}", "local")
    camp.stage.advance(days=7, minutes=1)
    assert "🎉 绑好了" in camp.bind()
    assert "你有 25 积分" in camp.ask("小明", "积分")  # five days: each counts once, now as then


def test_after_a_day_it_stays(camp: Camp) -> None:
    camp.group("小明", "签到")
    camp.room("小明的号", "签到")
    camp.bind()
    camp.stage.advance(days=1)
    assert "不能再撤销了" in camp.ask("小明", "绑定 撤销")
    assert camp.ask("小明", "绑定撤销") == camp.ask("小明", "/link undo")


def test_a_code_serves_once_and_not_long(camp: Camp) -> None:
    for who in ("小明的号", "别人"):
        camp.room(who, "签到")
    camp.group("小明", "签到")
    code = camp.code()
    assert "就是你自己的绑定码" in camp.ask("小明", f"绑定 {code}")
    assert "没有这个绑定码" in camp.ask("小明的号", "绑定 AAAAAAAA", "local")
    yes, _ = camp.offer("小明的号", code)
    assert "🎉 绑好了" in camp.press("小明的号", yes)
    assert "已经用过了" in camp.press("小明的号", yes)
    assert "已经用过了" in camp.ask("别人", f"绑定 {code.lower()}", "local")
    code = camp.code()
    camp.stage.advance(minutes=10)
    assert "过了时间" in camp.ask("别人", f"绑定{code}", "local")
    old, new = camp.code(), camp.code()
    assert "没有这个绑定码" in camp.ask("别人", f"绑定 {old}", "local")
    _, no = camp.offer("别人", f"{new[:4]}-{new[4:]}")
    assert "没有绑" in camp.press("别人", no)
    assert "作废了" in camp.ask("别人", f"绑定 {new}", "local")


def test_a_code_that_stood_in_a_group_is_void(camp: Camp) -> None:
    camp.group("小明", "签到")
    camp.room("小明的号", "签到")
    assert "绑定请私聊我" in camp.group("小明", "绑定")
    code = camp.code()
    assert "我已经让它作废" in camp.room("小明的号", f"绑定 {code}")
    assert "作废了" in camp.ask("小明的号", f"绑定 {code}", "local")
    assert "绑定请私聊我" in camp.group("小明", f"绑定 {code}")
    assert "绑定请私聊我" in camp.group("小明", "绑定 撤销")


def test_what_is_no_code(camp: Camp) -> None:
    camp.room("小明的号", "签到")
    for words in (
        "绑定 你好",
        "绑定 0000OOOO",
        "绑定 ABC",
        f"绑定 {'A' * 150}",
        "绑定 😀😀😀😀😀😀😀😀",
    ):
        assert "用另一个账号私聊我" in camp.ask("小明的号", words, "local"), words
    assert camp.ask("路人", "绑定").startswith("先加入一个有我的群")


def test_five_tries_an_hour(camp: Camp) -> None:
    camp.group("小明", "签到")
    camp.room("小明的号", "签到")
    code = camp.code()
    for left in (4, 3, 2, 1, 0):
        assert f"还能试 {left} 次" in camp.ask("小明的号", "绑定 ABCDEFGH", "local")
    assert "试了 5 次" in camp.ask("小明的号", f"绑定 {code}", "local")
    camp.stage.advance(hours=1)
    code = camp.code()
    assert "🎉 绑好了" in camp.press("小明的号", camp.offer("小明的号", code)[0])


def test_a_button_that_was_not_there_does_nothing(camp: Camp) -> None:
    camp.group("小明", "签到")
    camp.room("小明的号", "签到")
    code = camp.code()
    forged = camp.press("小明的号", f"link yes {code}", genuine=False)
    assert "按钮已经没用了" in forged
    assert "按钮已经没用了" in camp.press("小明的号", "link yes")
    assert "用另一个账号私聊我" in camp.ask("小明的号", f"绑定 yes {code}", "local")
    assert camp.stage.says(
        "小明的号", f"绑定 {code}", private=True, platform="local", secondhand=True
    )
    assert camp.stage.heard() == ""
    assert "小明的号，你有 5" in camp.ask("小明的号", "积分", "local")


def test_two_bindings_in_thirty_days(camp: Camp) -> None:
    camp.group("小明", "签到")
    for who in ("号一", "号二", "号三"):
        camp.room(who, "签到")
    camp.bind("号一")
    camp.bind("号二")
    assert "30 天里最多绑定 2 次" in camp.ask("小明", "绑定")
    third = camp.code("号三", "local")
    assert "30 天里最多绑定 2 次" in camp.ask("小明", f"绑定 {third}")
    camp.stage.advance(days=30, minutes=1)
    assert "🎉 绑好了" in camp.bind("号三")


def test_the_last_binding_is_undone_first(camp: Camp) -> None:
    _days(camp, "号一", 1, "room")
    _days(camp, "号二", 2, "room")
    _days(camp, "小明", 3)
    camp.stage.says("号二", f"绑定 {camp.code('号一', 'local')}", private=True, platform="local")
    (reply,) = camp.stage.replies()
    camp.press("号二", _buttons(reply)[0])
    assert "· 小明：30 积分，连签 6 天" in camp.bind("号一")
    assert "· 号一：15 积分，连签 0 天" in camp.ask("号二", "绑定 撤销", "local")
    told = camp.ask("号二", "绑定 撤销", "local")
    assert "· 号一：5 积分" in told
    assert "· 号二：10 积分" in told
    assert "小明，你有 15 积分" in camp.ask("小明", "积分")


def test_a_maker_who_has_been_bound_meanwhile(camp: Camp) -> None:
    camp.group("小明", "签到")
    for who in ("号一", "号二"):
        camp.room(who, "签到")
    code = camp.code("号一", "local")
    yes, _ = camp.offer("号二", code)
    camp.bind("号一")
    assert "作废了" in camp.press("号二", yes)
    assert "作废了" in camp.ask("号二", f"绑定 {code}", "local")


def test_gifts_go_on_and_those_between_the_two_go_back(camp: Camp) -> None:
    stage = camp.stage
    for _ in range(20):
        for who in ("小明", "小红", "小刚", "号一"):
            camp.group(who, "签到")
        stage.advance(days=1)
    had = {who: stage.balance(who) for who in ("小明", "小红", "号一")}
    between = _offered(stage, "小明", "赠送 号一 3")
    from_him = _offered(stage, "号一", "赠送 小红 4")
    to_him = _offered(stage, "小刚", "赠送 号一 5")
    yes, _ = camp.offer("号一", camp.code(), "telegram")
    assert "🎉 绑好了" in camp.press("号一", yes, "telegram")
    stage.taps("号一", between[0])
    assert "小明 收回了送给 号一 的 3 积分" in stage.heard()
    stage.taps("小明", to_him[0])
    assert "小明 收下了 小刚 送的 5 积分" in stage.heard()
    stage.taps("小红", from_him[0])
    assert "小红 收下了 小明 送的 4 积分" in stage.heard()
    assert _held(stage, "小明") == 0
    doubles = had["号一"]  # each of those days is 小明's, too
    assert stage.balance("小明") == had["小明"] + had["号一"] - doubles + 5 - 4
    _due(stage)


def test_given_points_stay_given(camp: Camp) -> None:
    stage = camp.stage
    for _ in range(20):
        for who in ("小红", "号一"):
            camp.group(who, "签到")
        camp.group("小红", "今天的鱼很新鲜，大家都来看看")
        stage.advance(days=1)
    camp.group("小明", "签到")
    stage.taps("号一", _offered(stage, "小红", "赠送 号一 50")[0])
    stage.heard()
    yes, _ = camp.offer("号一", camp.code(), "telegram")
    camp.press("号一", yes, "telegram")
    stage.advance(days=20)
    earned = stage.balance("小明") - 50
    told = camp.group("小明", f"赠送 小红 {earned + 1}")
    assert f"还能送 {earned}。" in told, told


def test_the_name_is_the_survivors(camp: Camp) -> None:
    camp.group("小明", "签到")
    camp.room("小明的号", "签到")
    camp.bind()
    camp.room("小明的号", "积分")
    assert "小明" in camp.group("小明", "名片")
    assert camp.room("小明的号", "积分").startswith("💰 小明，")
    sender = camp.stage.person("小明")
    renamed = type(sender)(sender.id, "大明")
    camp.stage.says(renamed, "积分")
    assert camp.stage.heard().startswith("💰 大明，")


def test_another_pool_of_points(camp: Camp, stage: Stage) -> None:
    other = Chat("-2002", "group", "别的群")
    camp.group("小明", "签到")
    stage.says("外人", "签到", chat=other)
    stage.heard()
    assert "另一个积分池" in camp.ask("外人", f"绑定 {camp.code()}")


def test_in_english(room: Stage) -> None:
    camp = Camp(room)
    camp.group("小明", "签到")
    sender = room.person("Ann")
    ann = type(sender)(sender.id, "Ann", locale="en")
    room.says(ann, "签到")
    room.heard()
    room.says(ann, "/link", private=True)
    assert "Good for 10 minutes and for one use" in room.heard()
    room.says(ann, "/link undo", private=True)
    assert room.heard() == "Ann, there is no binding to undo"


INVITED = (
    "INSERT INTO referral (programme_id, id, platform, user_id, member_id, inviter_id, way, state,"
    " clicked_ms) SELECT programme_id, 5, 'telegram', 'x', {mine}, {other}, 'link', 'pending', 0"
    " FROM member WHERE name = '小明的号'"
)
FOUND = (
    "INSERT INTO finding (programme_id, id, member_id, kind, evidence, first_day, made_ms)"
    " SELECT programme_id, 5, id, 'script', '', '2026-03-01', 0 FROM member WHERE name = '{who}'"
)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (INVITED, "邀请过人、或是被邀请来的"),
        (FOUND, "还有信用记录"),
        ("UPDATE member SET erase_ms = 9 WHERE name = '{who}'", "正要注销"),
    ],
)
@pytest.mark.parametrize("who", ["小明", "小明的号"])
def test_what_hinders_a_binding_is_said_before_and_counts_after(
    camp: Camp, row: str, told: str, who: str
) -> None:
    _days(camp, "小明", 1)
    _days(camp, "小明的号", 1, "room")
    yes, _ = camp.offer("小明的号", camp.code())
    ming = "(SELECT m.id FROM member m WHERE m.name = '小明')"
    mine, other = ("id", "0") if who == "小明的号" else ("0", ming)
    change = row.format(who=who, mine=mine, other=other)
    (outcome,) = camp.stage.worker.run([lambda tx: tx.core.exec_driver_sql(change).rowcount])
    assert (outcome.error, outcome.value) == (None, 1)
    assert told in camp.press("小明的号", yes)
    code = camp.code() if "正要注销" not in told else ""
    if code:
        assert told in camp.ask("小明的号", f"绑定 {code}", "local")
    assert camp.stage.balance("小明") == 5
