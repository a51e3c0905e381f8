"""A member leaves for good: asked twice, with days of grace, and then nobody any more."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from handlers.event import Chat, Sender
from storage import clockwork, holds, ledger, members, tombstones
from storage.db import Tx, reading
from storage.members import Who
from storage.movement import ISSUED, Posting, Side
from storage.programmes import MAIN
from tests.stage import Stage
from tests.stories.test_gifts import _due, _known, _offered
from tests.stories.test_makeup import _buttons, _labels, _moves

ERASED = "已注销用户"


@pytest.fixture
def camp(stage: Stage) -> Stage:
    _known(stage, "小明", "小红", days=16)
    return stage


@pytest.fixture
def yard(room: Stage) -> Stage:
    """The same on one database."""
    _known(room, "小明", "小红", days=16)
    return room


def _asks(stage: Stage, who: str = "小明") -> str:
    """Ask to be erased, by both buttons; return what was said last."""
    stage.says(who, "隐私 删除", private=True)
    (first,) = stage.replies()
    assert _labels(first) == ["继续注销", "↩️ 返回"]
    stage.taps(who, _buttons(first)[0], private=True)
    second = stage.replies()[-1]
    assert _labels(second) == ["↩️ 返回", "确定注销"]
    stage.taps(who, _buttons(second)[1], private=True)
    return stage.heard()


def _clock(stage: Stage) -> None:
    """Let the clock do all that is due."""

    def due(tx: Tx) -> None:
        for each in clockwork.with_work(tx, now=stage.now):
            while clockwork.run_programme(tx, each, now=stage.now):
                pass

    (outcome,) = stage.worker.run([due])
    assert outcome.error is None, outcome.error


def _gone(stage: Stage) -> bool:
    return not _all(stage, "SELECT 1 FROM identity WHERE user_id = '7000'")


def _all(stage: Stage, sql: str) -> list[Any]:
    with stage.engine.connect() as connection:
        return [*connection.execute(text(sql))]


def _with(stage: Stage, work: Any) -> None:
    (outcome,) = stage.worker.run([work])
    assert outcome.error is None


def _me(tx: Tx, stage: Stage, who: str = "小明") -> int:
    found = members.find(tx, MAIN, Who(stage.platform, stage.person(who).id, who), None)
    assert found is not None
    return found.id


def test_a_member_is_asked_twice_and_erased_after_a_week(camp: Stage) -> None:
    stage = camp
    stage.says("小明", "隐私 删除", private=True)
    told = stage.heard()
    assert "注销会在这里生效：露营群" in told
    assert "积分清零" in told
    assert "会留下" in told
    assert "记下了，2026-03-27 生效（7 天后）" in _asks(stage)
    stage.advance(days=6, hours=23)
    _clock(stage)
    assert not _gone(stage)
    stage.advance(hours=1)
    _clock(stage)
    assert _gone(stage)
    ((name, called, wish),) = _all(
        stage, "SELECT name, called, board_wish FROM member WHERE erased_ms IS NOT NULL"
    )
    assert name.startswith(ERASED)
    assert len(name) == len(ERASED) + 4
    assert (called, wish) == ("", -1)
    ids = "SELECT id FROM member WHERE erased_ms IS NOT NULL"
    for table in ("membership", "checkin", "age"):
        assert not _all(stage, f"SELECT 1 FROM {table} WHERE member_id IN ({ids})")
    assert not _all(stage, "SELECT 1 FROM posting WHERE actor LIKE 'telegram:%'")
    stage.says("小红", "排行 总")
    assert "小明" not in stage.heard()


def test_points_are_written_off_and_the_sums_stay_right(camp: Stage) -> None:
    stage = camp
    had = stage.balance("小明")
    ((issued, expired),) = _all(
        stage, "SELECT issued, expired FROM account WHERE owner_id = 0 AND wallet = 'points'"
    )
    _asks(stage)
    stage.advance(days=7)
    _clock(stage)
    rows = _all(stage, "SELECT amount, to_bucket, actor FROM posting WHERE reason = 'erased'")
    assert [tuple(row) for row in rows] == [(had, "expired", "clock")]
    own = "SELECT issued, expired FROM account WHERE owner_id = 0 AND wallet = 'points'"
    assert _all(stage, own) == [(issued, expired + had)]
    _clock(stage)
    assert _all(stage, own) == [(issued, expired + had)]  # once


def test_a_debt_is_waived(camp: Stage) -> None:
    stage = camp
    _moves(stage, "小明", stage.balance("小明"), "available", "redeemed")
    _moves(stage, "小明", 70, "debt", "clawed_back")
    _asks(stage)
    stage.advance(days=7)
    _clock(stage)
    assert _gone(stage)
    assert _all(stage, "SELECT 1 FROM account WHERE debt < 0") == []
    rows = _all(stage, "SELECT amount, to_bucket FROM posting WHERE reason = 'erased'")
    assert [tuple(row) for row in rows] == [(70, "debt")]


def test_whatever_he_does_meanwhile_tells_him_of_it(yard: Stage) -> None:
    stage = yard
    _asks(stage)
    stage.says("小明", "签到")
    told = stage.heard()
    assert "签到成功" in told
    assert "你申请的注销 03-27 生效；想留下就发「隐私 取消删除」" in told
    stage.says("小明", "签到")  # a refusal
    assert "想留下就发" in stage.heard()
    stage.taps("小明", "checkin")  # a tap's own answer has no room for it
    assert "想留下就发" not in stage.heard()
    stage.says("小明", "今天天气真好啊")
    assert stage.heard() == ""
    stage.says("小红", "签到")
    assert "想留下就发" not in stage.heard()


@pytest.mark.parametrize("private", [True, False])
def test_he_may_stay_after_all(yard: Stage, private: bool) -> None:
    stage = yard
    _asks(stage)
    stage.advance(days=3)
    stage.says("小明", "隐私 取消删除", private=private)
    assert stage.heard() == "🌱 小明，注销取消了，一切照旧。"
    stage.says("小明", "隐私 取消删除", private=private)
    assert "你没有申请过注销" in stage.heard()
    stage.says("小明", "签到")
    assert "想留下就发" not in stage.heard()
    stage.advance(days=10)
    _clock(stage)
    assert not _gone(stage)


def test_asked_twice_is_asked_once(yard: Stage) -> None:
    stage = yard
    _asks(stage)
    stage.advance(days=3)
    stage.says("小明", "隐私 删除", private=True)
    assert "已经申请过" in stage.heard()
    stage.says("小明", "隐私", private=True)
    assert _labels(stage.replies()[0])[-1] == "取消删除"
    stage.advance(days=4)
    _clock(stage)
    assert _gone(stage)
    stage.says("小明", "隐私 删除", private=True)
    assert "我这里没有你的资料" in stage.heard()


def test_nothing_but_both_buttons_of_today_erases(yard: Stage) -> None:
    stage = yard
    for words in ("隐私 删除", "隐私 删除 20260320 yes", "/privacy delete 20260320 yes"):
        stage.says("小明", words, private=True)
        assert "会消失" in stage.heard()
    stage.taps("小明", "privacy delete 20260320 yes", private=True, genuine=False)
    assert "会消失" in stage.heard()
    stage.taps("小明", "privacy delete 20260319 yes", private=True)  # an old message's
    assert "会消失" in stage.heard()
    stage.taps("小明", "privacy delete 20260320 yes")  # in the group
    assert "私聊我" in stage.heard()
    assert not _all(stage, "SELECT 1 FROM member WHERE erase_ms IS NOT NULL")


def test_another_account_erases_itself_alone(yard: Stage) -> None:
    stage = yard
    stage.says("小明", "隐私 删除", private=True)
    sure = _buttons(stage.replies()[0])[0]
    stage.taps("小红", sure, private=True)
    stage.taps("小红", _buttons(stage.replies()[-1])[1], private=True)
    rows = _all(stage, "SELECT name FROM member WHERE erase_ms IS NOT NULL")
    assert [name for (name,) in rows] == ["小红"]


def test_forwarded_words_ask_for_nothing(yard: Stage) -> None:
    yard.says("小明", "隐私 删除", private=True, secondhand=True)
    assert yard.replies() == []


def test_open_gifts_end_and_their_notes_go(camp: Stage) -> None:
    stage = camp
    yes, *_ = _offered(stage, words="赠送 小红 5 谢谢你帮我搭帐篷")
    stage.taps("小红", yes)
    stage.replies()
    stage.advance(days=2)
    _offered(stage, words="赠送 小红 7 给你")
    had = stage.balance("小红")
    _asks(stage)
    stage.advance(days=7)
    stage.says("小明", "赠送 小红 3 最后")  # still open when the clock comes
    _clock(stage)
    assert _gone(stage)
    assert stage.balance("小红") == had
    assert _all(stage, "SELECT state FROM gift ORDER BY id") == [
        ("accepted",), ("expired",), ("taken_back",)]  # fmt: skip
    assert _all(stage, "SELECT DISTINCT note FROM gift") == [("",)]
    stage.replies()
    stage.says("小红", "明细 30")
    assert f"+5  {ERASED}" in stage.heard()


def test_a_gift_to_him_goes_back(camp: Stage) -> None:
    stage = camp
    had = stage.balance("小红")
    _asks(stage)
    stage.advance(days=7)
    yes, *_ = _offered(stage, "小红", "赠送 小明 9 也给你")
    _clock(stage)
    assert stage.balance("小红") == had
    stage.taps("小红", yes)
    assert "这份是给 已注销用户" in stage.heard()


def test_points_set_aside_and_pending_points_come_first(camp: Stage) -> None:
    stage = camp

    def aside(tx: Tx) -> None:
        payment = Posting(
            MAIN, "2026-03-20/test/aside", Side(_me(tx, stage), "available"),
            Side(0, "redeemed"), 20, "test", "test", 1, "test", stage.now, stage.now.date(),
        )  # fmt: skip
        holds.hold(tx, payment, due=stage.now + timedelta(days=10))

    _with(stage, aside)
    stage.says("小明", "隐私 删除", private=True)
    assert "还有没了结的：占用 20 积分，待到账 0 积分" in stage.heard()
    stage.advance(days=10)
    _due(stage)
    assert "记下了" in _asks(stage)

    def bought(tx: Tx) -> None:
        ledger.post(tx, Posting(
            MAIN, "2026-03-30/test/bought", ISSUED, Side(_me(tx, stage), "pending"), 30, "test",
            "test", 1, "test", stage.now, stage.now.date(),
            matures=(stage.now + timedelta(days=9)).date(),
        ))  # fmt: skip

    stage.advance(days=1)
    _with(stage, bought)
    stage.advance(days=7)
    _clock(stage)
    assert not _gone(stage)  # it waits, and is done when that has arrived
    stage.advance(days=3)
    _clock(stage)
    assert _gone(stage)


def test_who_comes_back_is_new_and_no_newcomer(camp: Stage) -> None:
    stage = camp
    _asks(stage)
    stage.advance(days=7)
    _clock(stage)
    stage.says("小明", "签到")
    assert "连续 1 天" in stage.heard()
    assert stage.balance("小明") == 5
    assert len(_all(stage, "SELECT 1 FROM member WHERE name = '小明'")) == 1

    def look(tx: Tx) -> None:
        assert tombstones.returned(tx, MAIN, _me(tx, stage))
        assert not tombstones.returned(tx, MAIN, _me(tx, stage, "小红"))
        tombstones.forget_old(tx, stage.now + timedelta(days=364))
        assert tombstones.returned(tx, MAIN, _me(tx, stage))
        tombstones.forget_old(tx, stage.now + timedelta(days=365))
        assert not tombstones.returned(tx, MAIN, _me(tx, stage))

    _with(stage, look)
    marks = _all(stage, "SELECT mark FROM tombstone")
    assert all("7000" not in mark for (mark,) in marks)


def test_points_that_come_too_late_are_swept_up(camp: Stage) -> None:
    stage = camp
    found: list[int] = []
    with reading(stage.engine) as tx:
        found.append(_me(tx, stage))
    _asks(stage)
    stage.advance(days=7)
    _clock(stage)

    def late(tx: Tx) -> None:
        ledger.post(tx, Posting(
            MAIN, "2026-03-27/test/late", ISSUED, Side(found[0], "available"), 30, "test",
            "test", 1, "test", stage.now, stage.now.date(),
        ))  # fmt: skip

    _with(stage, late)
    stage.advance(days=1)
    _clock(stage)
    assert _all(stage, f"SELECT available FROM account WHERE owner_id = {found[0]}") == [(0,)]


def test_in_private_he_leaves_all_places_and_each_is_named(yard: Stage) -> None:
    stage = yard
    other = Chat("-2002", "group", "别人的群")
    stage.says("小明", "签到", chat=other)
    stage.replies()
    stage.says("小明", "隐私 删除", private=True)
    assert "露营群 · 别人的群" in stage.heard()
    _asks(stage)
    stage.says("小明", "隐私 取消删除", chat=other)  # there alone
    stage.advance(days=7)
    _clock(stage)
    rows = _all(stage, "SELECT programme_id FROM identity WHERE user_id = '7000'")
    assert len(rows) == 1
    assert rows[0][0] != MAIN


def test_who_has_left_the_group_can_still_be_erased(yard: Stage) -> None:
    stage = yard
    stage.play(stage.event("小明", kind="left"))
    _asks(stage)
    stage.advance(days=7)
    _clock(stage)
    assert _gone(stage)


def test_anonymous_admins_and_channels_have_nothing_to_erase(yard: Stage) -> None:
    yard.says(Sender("99", "谁", "anonymous_admin"), "隐私 删除")
    assert "匿名管理员" in yard.heard()
