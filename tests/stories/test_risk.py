"""What looks like cheating: found at night, told to an owner, and to the member alone."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import msgspec
import pytest
from sqlalchemy import text

from content.message import Button
from handlers.event import Sender
from storage import audit, rulebooks
from storage.db import Tx, open_engine, reading
from storage.programmes import MAIN
from storage.rebuilding import all_differences
from storage.talk import Talk
from tests.stage import NOON, Stage
from tests.storage.books import count

EIGHT = NOON.replace(hour=0, minute=0, second=3)
"""08:00:03 in Shanghai."""


@pytest.fixture
def camp(sqlite_url: str) -> Iterator[Stage]:
    """A stage that listens to talk; what the store does on PostgreSQL is told elsewhere."""
    engine = open_engine(sqlite_url)
    yield Stage(engine, talk=Talk(), now=EIGHT)
    with reading(engine) as tx:
        faults = audit.faults(tx) + all_differences(tx)
    engine.dispose()
    assert faults == []


def _nights(stage: Stage, number: int, doing: Callable[[datetime], None]) -> None:
    """Let days pass, each with its night."""
    for _ in range(number):
        doing(stage.now)
        start = stage.now
        stage.now = start + timedelta(hours=17)  # past midnight
        stage.due()
        stage.now = start + timedelta(days=1)
    stage.heard()


def _script(stage: Stage, name: str, days: int) -> None:
    _nights(stage, days, lambda _: stage.says(name, "签到"))


def _owner(stage: Stage) -> Sender:
    return stage.person("阿文", role="owner")


def _buttons(stage: Stage) -> list[Button]:
    return [b for reply in stage.replies() for row in reply.buttons for b in row]


def _press(stage: Stage, who: str | Sender, word: str, **more: object) -> None:
    """Press the button whose command begins so, of what was just said."""
    found = [b.command for b in _buttons(stage) if b.command.startswith(word)]
    stage.taps(who, found[0], private=True, **more)


def _ask(stage: Stage, who: str | Sender, words: str) -> str:
    stage.says(who, words, private=True)
    return stage.heard()


def test_a_script_is_found_and_its_points_wait(camp: Stage) -> None:
    _script(camp, "小明", 10)
    assert camp.balance("小明") == 51
    camp.says("小明", "签到")
    assert "核对后到账" in camp.heard()
    assert camp.balance("小明") == 51
    shown = _ask(camp, _owner(camp), "风控")
    assert "小明（共 1 条等你看）" in shown
    assert "近两周有 10 天在 08:00:03±1 秒签到" in shown
    assert "扣信用 45，现在 55 分" in shown
    assert "有 5 积分在等你的决定" in shown


def test_a_person_who_comes_at_about_eight_is_not(camp: Stage) -> None:
    late = iter(range(0, 300, 11))

    def come(start: datetime) -> None:
        camp.says("小明", "签到", at=start + timedelta(seconds=next(late)))

    camp.now = EIGHT
    for _ in range(14):
        start = camp.now
        camp.now = start + timedelta(minutes=30)
        come(start)
        camp.now = start + timedelta(hours=17)
        camp.due()
        camp.now = start + timedelta(days=1)
    camp.heard()
    assert "没有等你看的" in _ask(camp, _owner(camp), "风控")
    assert "100 / 100" in _ask(camp, "小明", "信用")


def test_an_owner_says_that_it_is_a_mistake_and_all_comes_back(camp: Stage) -> None:
    _script(camp, "小明", 10)
    camp.says("小明", "签到")
    camp.says(_owner(camp), "风控", private=True)
    _press(camp, _owner(camp), "risk no")
    told = camp.heard()
    assert "已记为误判" in told
    assert "没有等你看的" in told
    assert camp.balance("小明") == 56
    assert "100 / 100" in _ask(camp, "小明", "信用")
    _script(camp, "小明", 14)  # the same is not brought up again
    assert "没有等你看的" in _ask(camp, _owner(camp), "风控")


def test_an_owner_says_that_it_is_so_and_what_it_brought_is_taken_back(camp: Stage) -> None:
    camp.says("小红", "签到")
    _script(camp, "小明", 10)
    camp.says("小明", "签到")
    camp.says(_owner(camp), "风控", private=True)
    _press(camp, _owner(camp), "risk yes")
    assert "收回 51 积分" in camp.heard()
    assert (camp.balance("小明"), camp.balance("小红")) == (0, 5)
    told = _ask(camp, "小明", "信用")
    assert "25 / 100" in told
    assert "不发积分" in told
    assert "兑换 · 互送积分 · 邀请奖励" in told
    camp.advance(days=1)
    camp.says("小明", "签到")
    assert "这次只记连签" in camp.heard()
    assert camp.balance("小明") == 0
    camp.says("小明", "明细")
    assert "核对后收回" in camp.heard()


def test_a_member_says_how_it_was_once_and_gets_an_answer(camp: Stage) -> None:
    _script(camp, "小明", 10)
    camp.says("小明", "信用", private=True)
    _press(camp, "小明", "appeal")
    assert "关于这一条：近两周有 10 天" in camp.heard()
    told = _ask(camp, "小明", "申诉 我每天八点的闹钟一响就签")
    assert "已转给管理员" in told
    assert "每一条说一次就够" in _ask(camp, "小明", "申诉 真的")
    camp.says(_owner(camp), "风控", private=True)
    (shown,) = camp.replies()
    assert "TA 说：我每天八点的闹钟一响就签" in shown.text
    camp.taps(_owner(camp), shown.buttons[0][1].command, private=True)
    assert any("是误会" in line for line in camp.whispers("小明"))
    assert "100 / 100" in _ask(camp, "小明", "信用")


def test_words_that_come_after_the_decision_are_looked_at_again(camp: Stage) -> None:
    _script(camp, "小明", 10)
    camp.says("小明", "签到")
    camp.says(_owner(camp), "风控", private=True)
    _press(camp, _owner(camp), "risk yes")
    camp.heard()
    assert "已转给管理员" in _ask(camp, "小明", "申诉：我是人")
    camp.says(_owner(camp), "风控", private=True)
    (shown,) = camp.replies()
    assert "之前记为属实，收回过 51 积分" in shown.text
    camp.taps(_owner(camp), shown.buttons[0][1].command, private=True)
    assert camp.balance("小明") == 56
    camp.says("小明", "明细")
    assert "误会补还" in camp.heard()


def test_an_appeal_that_changes_nothing_is_answered_too(camp: Stage) -> None:
    _script(camp, "小明", 10)
    _ask(camp, "小明", "申诉 我是人")
    camp.says(_owner(camp), "风控", private=True)
    _press(camp, _owner(camp), "risk yes")
    assert any("维持不变" in line for line in camp.whispers("小明"))


@pytest.mark.parametrize("words", ["申诉", "申诉 ", "申诉 \u200b\u200b"])
def test_an_appeal_needs_words(camp: Stage, words: str) -> None:
    _script(camp, "小明", 10)
    assert "请把实情写在" in _ask(camp, "小明", words)


def test_an_appeal_is_cut_to_its_length_and_cannot_turn_the_line(camp: Stage) -> None:
    _script(camp, "小明", 10)
    _ask(camp, "小明", "申诉 " + "\u202e长" * 400)
    with reading(camp.engine) as tx:
        (words,) = tx.core.execute(text("SELECT appeal FROM finding")).one()
    assert 0 < len(words) <= 200
    assert "\u202e" not in words


def test_nothing_of_it_is_said_where_others_listen(camp: Stage) -> None:
    _script(camp, "小明", 10)
    for words in ("信用", "申诉 我是人", "风控"):
        camp.says(_owner(camp) if words == "风控" else "小明", words)
        told = camp.heard()
        assert "私聊我发" in told
        assert "08:00" not in told


def test_only_an_owner_looks_and_decides(camp: Stage) -> None:
    _script(camp, "小明", 10)
    camp.says("小红", "签到")
    camp.heard()
    assert "给负责人看" in _ask(camp, "小红", "风控")
    camp.says(_owner(camp), "风控", private=True)
    yes = next(b.command for b in _buttons(camp) if b.command.startswith("risk yes"))
    camp.taps("小明", yes, private=True)
    assert "给负责人看" in camp.heard()
    camp.taps(_owner(camp), yes, private=True, genuine=False)
    camp.taps(_owner(camp), "risk yes 9223372036854775808", private=True)
    camp.taps(_owner(camp), "risk yes -1", private=True)
    camp.taps(_owner(camp), "risk no 7", private=True)
    camp.says(_owner(camp), "/risk yes 7", private=True)
    camp.heard()
    assert camp.balance("小明") == 51


def test_pressed_twice_it_is_decided_once(camp: Stage) -> None:
    _script(camp, "小明", 10)
    camp.says(_owner(camp), "风控", private=True)
    yes = next(b.command for b in _buttons(camp) if b.command.startswith("risk yes"))
    camp.taps(_owner(camp), yes, private=True)
    camp.heard()
    camp.taps(_owner(camp), yes, private=True)
    assert "已经有人看过了" in camp.heard()
    camp.taps(_owner(camp), yes.replace("yes", "next"), private=True)
    assert "没有等你看的" in camp.heard()


def test_a_stranger_has_no_credit(camp: Stage) -> None:
    assert "信用分：" not in _ask(camp, "路人", "信用")
    assert "已转给" not in _ask(camp, "路人", "申诉 我是人")


def test_somebody_without_findings_has_nothing_to_appeal(camp: Stage) -> None:
    camp.says("小明", "签到")
    camp.heard()
    assert "没有要申诉的" in _ask(camp, "小明", "申诉 你好")


def test_gifts_wait_while_somebody_is_looked_at(camp: Stage) -> None:
    camp.says("小红", "签到")
    _script(camp, "小明", 16)
    camp.says("小明", "赠送 小红 5")
    assert "先停一停" in camp.heard()
    camp.says("小红", "赠送 小明 2")
    (offer,) = [b for b in _buttons(camp) if b.command.startswith("gift yes")]
    camp.taps("小明", offer.command)
    assert "先停一停" in camp.heard()


def test_time_gives_back_what_was_taken(camp: Stage) -> None:
    _script(camp, "小明", 10)
    camp.says(_owner(camp), "风控", private=True)
    _press(camp, _owner(camp), "risk yes")
    for days, score in ((29, 25), (3, 30), (31, 35)):
        camp.advance(days=days)
        camp.due()
        assert f"{score} / 100" in _ask(camp, "小明", "信用")
    camp.advance(days=130)
    camp.due()
    assert "100 / 100" in _ask(camp, "小明", "信用")
    with reading(camp.engine) as tx:
        assert (count(tx, "finding"), count(tx, "habit")) == (0, 0)


def test_what_nobody_decides_is_cleared_when_it_is_forgotten(camp: Stage) -> None:
    _script(camp, "小明", 10)
    camp.says("小明", "签到")
    camp.advance(days=181)
    camp.due()
    assert camp.balance("小明") == 56
    assert "100 / 100" in _ask(camp, "小明", "信用")


def test_the_same_words_again_and_again_are_counted_and_not_kept(camp: Stage) -> None:
    lines = (
        "买一送一今天最后一天", "加我微信有惊喜哦朋友", "新店开张全场五折起来",
        "高价回收旧手机电脑啦", "免费送礼品先到先得呀", "需要代购的私聊我吧",
    )  # fmt: skip

    def talk(start: datetime) -> None:
        for n in range(30):
            camp.now = start + timedelta(seconds=n * 75 + n * n % 13)
            camp.says("小明", lines[n % 6])

    _nights(camp, 2, talk)
    shown = _ask(camp, _owner(camp), "风控")
    assert "反复发同样的话" in shown
    with reading(camp.engine) as tx:
        for table in ("finding", "habit", "credit_entry"):
            rows = tx.core.execute(text(f"SELECT * FROM {table}")).all()
            assert not any("微信" in f"{row}" for row in rows)


def test_a_beat_is_seen_the_next_day(camp: Stage) -> None:
    def talk(start: datetime) -> None:
        for n in range(20):
            camp.now = start + timedelta(seconds=n * 61)
            camp.says("小明", f"第{n}件事是{chr(0x4E00 + 97 * n) * 6}")

    _nights(camp, 1, talk)
    assert "正好隔 61 秒" in _ask(camp, _owner(camp), "风控")


def test_who_leaves_again_and_again_loses_a_little(camp: Stage) -> None:
    def leave(_: datetime) -> None:
        camp.says("小明", "签到")
        camp.play(camp.event("小明", kind="left"))
        camp.play(camp.event("小明", kind="joined"))

    _nights(camp, 3, leave)
    told = _ask(camp, "小明", "信用")
    assert "90 / 100" in told
    assert "一切正常" in told
    camp.says("小明", "签到")
    assert "+5 积分" in camp.heard()


def test_the_clock_looks_for_nothing_where_the_rules_say_so(camp: Stage) -> None:
    def publish(tx: Tx) -> int:
        document = "version = 1\n[credit]\nwatch = false"
        return rulebooks.publish(
            tx,
            MAIN,
            document,
            author="老板",
            note="试",
            effective=camp.now,
            now=camp.now,
            force="试",
        )

    (outcome,) = camp.worker.run([publish])
    assert outcome.error is None
    _script(camp, "小明", 12)
    assert "没有等你看的" in _ask(camp, _owner(camp), "风控")


def test_messages_of_after_an_outage_keep_their_own_time(camp: Stage) -> None:
    """All that waited is done in one moment: that makes nobody a script, and nobody a crowd."""
    for day in range(12):
        start = EIGHT + timedelta(days=day)
        events = [
            msgspec.structs.replace(
                camp.event(name, "签到"), at=start + timedelta(seconds=97 * n + 41 * day % 300)
            )
            for n, name in enumerate(("小明", "小红", "小刚"))
        ]
        camp.now = start + timedelta(minutes=40)
        camp.play(*events)
        camp.now = start + timedelta(hours=17)
        camp.due()
    camp.heard()
    assert "没有等你看的" in _ask(camp, _owner(camp), "风控")


def test_the_rules_tell_of_credit(camp: Stage) -> None:
    camp.says("小明", "规则")
    assert "信用：每人 100 分" in camp.heard()
