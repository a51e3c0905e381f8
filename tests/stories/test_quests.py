"""Members set out to do something, hear when it is done, and are paid for it once."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from content.rulebook import shipped_document
from handlers import occasions
from handlers.event import Chat
from storage import reviews
from storage.limits import Limiter
from storage.programmes import MAIN
from storage.talk import Talk
from tests.stage import Stage
from tests.stories.test_makeup import _publish

ICE = """
[[quest]]
id = "icebreak"
name = "3日破冰"
within_days = 3
steps = ["introduce", "checkin", "first_interaction"]
points = 100
"""
WEEK = """
[[quest]]
id = "weekly"
name = "一周两签"
period = "week"
steps = [{ what = "checkin", n = 2 }]
points = 10
"""
CHAT = """
[[quest]]
id = "chat"
name = "聊三句"
period = "day"
steps = [{ what = "talk", n = 3 }]
points = 4
"""
WORDS = itertools.cycle((
    "今晚去河边露营吗", "帐篷我带两顶过去", "天气预报说会下雨", "那就改到周末再说",
    "炉子和气罐谁来准备", "我家狗狗也想一起去", "上次的照片洗出来了", "停车场到营地要走多久",
))  # fmt: skip
HELLO = "大家好，我是小明，住在杭州喜欢露营"
STEP = "🎯 任务进度：{}（发「任务」看下一步）"
DONE = "🎉 任务「{}」完成，+{} 积分！"


def _stage(engine: Engine, quests: str, **more: object) -> Stage:
    """Open a group under these rules."""
    document = quests if "version = 1" in quests else f"version = 1\n{quests}"
    return Stage(engine, document=document, talk=Talk(), **more)


def _says(stage: Stage, who: str, text: str, **more: object) -> str:
    stage.says(who, text, **more)
    return stage.heard()


def _talks(stage: Stage, who: str, times: int, **more: object) -> str:
    heard = []
    for _ in range(times):
        heard.append(_says(stage, who, next(WORDS), **more))
        stage.advance(minutes=2)
    return "".join(heard)


def test_three_days_to_break_the_ice(engine: Engine) -> None:
    stage = _stage(engine, ICE)
    assert _says(stage, "小明", "签到").splitlines()[-1] == STEP.format("3日破冰 1/3")
    heard = _says(stage, "小明", HELLO)
    assert heard == f"👋 欢迎 小明，很高兴认识你！\n{STEP.format('3日破冰 2/3')}"
    stage.says("小红", "签到")
    stage.heard()
    assert _says(stage, "小红", "欢迎小明呀，常来玩", answers=stage.person("小明")) == ""
    assert stage.balance("小明") == 106
    assert _says(stage, "小明", "任务").splitlines() == [
        DONE.format("3日破冰", 100),
        "📋 小明 的任务",
        "✅ 3日破冰 · +100 积分",
        "🌟 眼下的都做完了，真棒！",
    ]
    assert DONE[:5] not in _says(stage, "小明", "任务")  # it is told once
    assert "+100  任务" in _says(stage, "小明", "明细")


def test_what_is_done_by_talk_is_whispered_where_he_has_spoken_to_the_bot(engine: Engine) -> None:
    stage = _stage(engine, CHAT)
    _says(stage, "小明", "签到")
    _says(stage, "小明", "任务", private=True)
    assert _talks(stage, "小明", 3) == DONE.format("聊三句", 4)
    assert stage.whispers("小明")[-1] == DONE.format("聊三句", 4)
    assert [row.chat_id for row in stage.told][-1] == stage.person("小明").id
    assert "🎉" not in _says(stage, "小明", "任务")


def test_what_is_done_by_talk_is_said_with_the_next_answer_otherwise(engine: Engine) -> None:
    stage = _stage(engine, CHAT + WEEK)
    assert _talks(stage, "小明", 4) == ""
    assert stage.balance("小明") == 4 + 4
    assert _says(stage, "小明", "签到").splitlines()[-1] == DONE.format("聊三句", 4)


def test_only_talk_that_earns_counts(engine: Engine) -> None:
    stage = _stage(engine, CHAT)
    for words in ("好", "好的呀", "签到", "1", "哈哈"):
        stage.says("小明", words)
    stage.says("小明", "转来的一段话很长很长", secondhand=True)
    assert "0/3" in _says(stage, "小明", "任务")
    stage.says("小明", "说一句完整的话")
    stage.says("小明", "马上再说一句别的话")  # within the minute
    assert "1/3" in _says(stage, "小明", "任务")


@pytest.mark.parametrize(
    ("words", "more", "counts"),
    [
        (HELLO, {}, True),
        ("自我介绍：小明，住在杭州", {}, True),
        ("大家好 我是新来的小明请多关照", {}, True),
        ("Hello everyone, I am Ann", {}, True),
        ("/introduce 我是小明，住在杭州喜欢露营", {}, True),
        ("大家好", {}, False),
        ("大家好呀我是小明", {}, False),  # eight letters
        ("大家好！！！！！！！！！！！！！！！", {}, False),
        ("大家好" + "\u200b" * 40, {}, False),
        ("我是小明，大家好，住在杭州喜欢露营", {}, False),
        (HELLO, {"secondhand": True}, False),
        (HELLO, {"edited": True}, False),
    ],
)
def test_an_introduction(engine: Engine, words: str, more: dict, counts: bool) -> None:
    stage = _stage(engine, ICE)
    heard = _says(stage, "小明", words, **more)
    assert ("欢迎" in heard) == counts
    assert heard == "" or counts
    assert f"{int(counts)}/3" in _says(stage, "小明", "任务")


def test_an_introduction_where_it_is_out_of_place(engine: Engine) -> None:
    stage = _stage(engine, ICE)
    assert _says(stage, "小明", "/introduce 我") == (
        "小明，这样介绍自己：大家好，我是…（10 个字以上）🌱"
    )
    assert _says(stage, "小明", HELLO, private=True) == "自我介绍请发到群里，大家都想认识你 👋"
    for kind in ("anonymous_admin", "channel", "bot"):
        assert _says(stage, stage.person(kind, kind=kind), HELLO) == ""
    assert _says(stage, "路人", HELLO, from_outside=True) == ""
    assert "0/3" in _says(stage, "小明", "任务")


def test_an_introduction_is_talk_as_well(engine: Engine) -> None:
    stage = _stage(engine, ICE + CHAT)
    _says(stage, "小明", HELLO)
    assert stage.balance("小明") == 1
    assert "聊三句 ▓░░░░ 1/3" in _says(stage, "小明", "任务")
    quiet = _says(stage, "小红", "大家好，今晚去河边露营吗，我带帐篷")  # a new member, too
    assert "欢迎 小红" in quiet


def test_introductions_count_where_talk_earns_nothing(engine: Engine) -> None:
    stage = _stage(engine, f"activity.points = 0\n{ICE}")
    assert "欢迎" in _says(stage, "小明", HELLO)
    assert stage.balance("小明") == 0


def test_greetings_are_not_counted_by_the_limit_of_commands(engine: Engine) -> None:
    limiter = Limiter()
    stage = _stage(engine, f"limits.member_per_minute = 1\n{ICE}", limiter=limiter)
    for _ in range(5):
        stage.says("小明", HELLO)
    assert stage.heard().count("👋") == 1
    assert "📋" in _says(stage, "小明", "任务")


def test_who_greets_later_gets_no_answer(engine: Engine) -> None:
    stage = _stage(engine, ICE)
    assert "欢迎" in _says(stage, "小明", HELLO)
    assert _says(stage, "小明", HELLO) == ""
    stage.advance(days=9)
    assert _says(stage, "小明", HELLO) == ""


def test_the_ice_is_broken_in_time_or_not_at_all(engine: Engine) -> None:
    stage = _stage(engine, ICE)
    _says(stage, "小明", "签到")
    stage.advance(days=2)
    assert "还有" not in _says(stage, "小明", "任务")
    assert "今天最后一天" in _says(stage, "小明", "任务")
    stage.advance(days=1)
    assert _says(stage, "小明", HELLO) == ""
    assert "这里现在没有任务" in _says(stage, "小明", "任务")


def test_who_comes_back_does_not_break_the_ice_again(engine: Engine) -> None:
    stage = _stage(engine, ICE)
    _says(stage, "小明", "签到")
    _says(stage, "小明", HELLO)
    stage.advance(minutes=2)
    _talks(stage, "小明", 1, answers=stage.person("小红"))
    assert stage.balance("小明") == 107
    assert DONE.format("3日破冰", 100) in _says(stage, "小明", "任务")
    for days in (1, 30):
        stage.play(stage.event("小明", kind="left"))
        stage.advance(days=days)
        stage.play(stage.event("小明", kind="joined"))
        stage.heard()
        assert _says(stage, "小明", HELLO) == ""
        stage.advance(minutes=1)
        _talks(stage, "小明", 1, answers=stage.person("小红"))
    assert stage.balance("小明") == 109


def test_it_is_one_quest_in_all_groups_of_a_programme(engine: Engine) -> None:
    stage = _stage(engine, ICE + WEEK)
    second = Chat("-1002", "group", "二群")
    owner = stage.person("老板", role="owner")
    stage.play(stage.event(owner, kind="bot_added", chat=second))
    stage.heard()
    assert "1/3 · 一周两签" not in _says(stage, "小明", "签到")
    assert "2/3" in _says(stage, "小明", HELLO, chat=second)
    stage.says("小红", "欢迎你来我们营地", chat=second, answers=stage.person("小明"))
    stage.advance(days=1)
    heard = _says(stage, "小明", "签到", chat=second)
    assert DONE.format("3日破冰", 100) in heard
    assert DONE.format("一周两签", 10) in heard
    assert stage.balance("小明") == 121


def test_a_week_begins_on_monday_in_the_programmes_zone(engine: Engine) -> None:
    sunday = datetime(2026, 3, 8, 15, 59, tzinfo=UTC)  # 23:59 in Shanghai
    stage = _stage(engine, WEEK, now=sunday)
    _says(stage, "小明", "签到")
    late = stage.event("小红", "签到")
    stage.advance(minutes=1)
    assert "🎉" not in _says(stage, "小明", "签到")  # Monday: a new week
    assert "1/2" in _says(stage, "小明", "任务")
    stage.play(late)  # said on Sunday, heard on Monday: it counts for last week
    stage.heard()
    assert "0/2" in _says(stage, "小红", "任务")
    stage.advance(days=1)
    assert DONE.format("一周两签", 10) in _says(stage, "小明", "签到")


@pytest.mark.parametrize(
    ("zone", "last"),
    [
        ("America/New_York", datetime(2026, 3, 9, 3, 30, tzinfo=UTC)),  # 23:30 on the short Sunday
        ("Europe/Berlin", datetime(2026, 10, 25, 22, 30, tzinfo=UTC)),  # and on the long one
    ],
)
def test_days_are_the_zones_when_the_clock_changes(
    engine: Engine, zone: str, last: datetime
) -> None:
    stage = _stage(engine, WEEK, zone=zone, now=last - timedelta(hours=26))
    _says(stage, "小明", "签到")
    stage.now = last
    assert DONE.format("一周两签", 10) in _says(stage, "小明", "签到")
    stage.advance(hours=1)
    assert "0/2" in _says(stage, "小明", "任务")
    assert "还有 7 天" in _says(stage, "小明", "任务")


def test_a_month_ends_with_its_last_day(engine: Engine) -> None:
    quest = WEEK.replace('"week"', '"month"').replace("一周", "一月")
    stage = _stage(engine, quest, now=datetime(2028, 2, 28, 4, tzinfo=UTC))
    _says(stage, "小明", "签到")
    stage.advance(days=1)  # the 29th
    assert DONE.format("一月两签", 10) in _says(stage, "小明", "签到")
    stage.advance(days=1)
    _says(stage, "小明", "签到")
    assert "1/2" in _says(stage, "小明", "任务")


def test_a_quest_under_way_keeps_the_rules_with_which_it_began(engine: Engine) -> None:
    stage = _stage(engine, WEEK + CHAT)
    _says(stage, "小明", "签到")
    _talks(stage, "小明", 2)
    _publish(stage, WEEK.replace("n = 2", "n = 5").replace("10", "1"))  # and no talk any more
    _says(stage, "小红", "签到")
    assert "聊三句 ▓▓▓░░ 2/3" in _says(stage, "小明", "任务")
    _talks(stage, "小明", 1)
    stage.advance(days=1)
    heard = _says(stage, "小明", "签到")
    assert DONE.format("聊三句", 4) in heard
    assert DONE.format("一周两签", 10) in heard
    assert "🎉" not in _says(stage, "小红", "签到")  # hers began under the new ones
    assert "2/5" in _says(stage, "小红", "任务")
    stage.advance(days=7)
    _says(stage, "小明", "签到")
    assert "1/5" in _says(stage, "小明", "任务")


def test_the_same_delivery_counts_once(engine: Engine) -> None:
    stage = _stage(engine, WEEK + CHAT)
    event = stage.event("小明", "今晚去河边露营吗")
    stage.play(event, event)
    stage.play(event)
    assert "聊三句 ▓░░░░ 1/3" in _says(stage, "小明", "任务")
    again = stage.event("小明", "签到")
    stage.play(again, again, stage.event("小明", "签到"))
    assert "一周两签 ▓▓░░░ 1/2" in _says(stage, "小明", "任务")


def test_two_who_answer_each_other_count_once_a_day(engine: Engine) -> None:
    quest = ICE.replace('["introduce", "checkin", "first_interaction"]',
                        '[{ what = "first_interaction", n = 2 }]')  # fmt: skip
    stage = _stage(engine, quest)
    for who in ("小明", "小红"):
        _says(stage, who, "签到")
    for who, other in (("小明", "小红"), ("小红", "小明"), ("小明", "小红"), ("小明", "小明")):
        _talks(stage, who, 1, answers=stage.person(other))
    _talks(stage, "小明", 1, answers=stage.person("机器", kind="bot"))
    assert "1/2" in _says(stage, "小明", "任务")
    stage.advance(days=1)
    _talks(stage, "小红", 1, answers=stage.person("小明"))
    assert DONE.format("3日破冰", 100) in _says(stage, "小明", "任务")
    assert DONE.format("3日破冰", 100) in _says(stage, "小红", "任务")


SECRET = """
[[quest]]
id = "open"
name = "开门"
once = true
steps = ["checkin"]
points = 1
unlocks = ["secret"]
[[quest]]
id = "secret"
name = "密室"
within_days = 2
steps = [{ what = "checkin", n = 2 }]
points = 7
"""


def test_a_hidden_quest_is_unlocked(engine: Engine) -> None:
    stage = _stage(engine, SECRET)
    assert "密室" not in _says(stage, "小明", "任务")
    assert "密室" not in _says(stage, "小明", "规则")
    heard = _says(stage, "小明", "签到")
    assert "🎁 解锁了隐藏任务「密室」，发「任务」看看" in heard
    assert "密室 ░░░░░ 0/2 · 7 积分 · 还有 2 天" in _says(stage, "小明", "任务")
    assert "密室" not in _says(stage, "小红", "任务")
    stage.advance(days=1)
    _says(stage, "小明", "签到")
    stage.advance(days=1)
    assert "🎉" not in _says(stage, "小明", "签到")  # its two days are over
    assert "密室" not in _says(stage, "小明", "任务")
    assert stage.balance("小明") == 16


def test_step_after_step(engine: Engine) -> None:
    quest = 'once = true\nordered = true\nsteps = ["first_interaction", "introduce", "checkin"]'
    stage = _stage(engine, f'[[quest]]\nid = "a"\nname = "三步"\npoints = 9\n{quest}')
    assert "🎯" not in _says(stage, "小明", "签到")  # not yet
    _talks(stage, "小明", 1, answers=stage.person("小红"))
    assert "三步 2/3" in _says(stage, "小明", HELLO)
    stage.advance(days=1)
    assert DONE.format("三步", 9) in _says(stage, "小明", "签到")


def test_over_the_days_ceiling_it_is_done_without_points(engine: Engine) -> None:
    quest = WEEK.replace("n = 2", "n = 1")
    stage = _stage(engine, f"[programme.caps]\nearn_per_day = 30\n{quest.replace('10', '28')}")
    heard = _says(stage, "小明", "签到")
    assert DONE.format("一周两签", 25) in heard
    assert stage.balance("小明") == 30


def test_over_the_budget_it_waits_and_is_paid_later(engine: Engine) -> None:
    quest = WEEK.replace("n = 2", "n = 1")
    stage = _stage(engine, f"[programme.budget]\nissue_per_day = 7\n{quest}")
    assert "积分已记下，管理员确认后到账" in _says(stage, "小明", "签到")
    assert "✅ 一周两签 · 积分待确认" in _says(stage, "小明", "任务")

    def approve(tx: object) -> None:
        (waits,) = reviews.waiting(tx, MAIN)
        reviews.approve(tx, MAIN, waits.id, by="Ann", now=stage.now, today=stage.now.date())

    (outcome,) = stage.worker.run([approve])
    assert outcome.error is None
    assert stage.balance("小明") == 15
    assert "✅ 一周两签 · +10 积分" in _says(stage, "小明", "任务")


def test_in_private_there_is_more_to_read(engine: Engine) -> None:
    stage = _stage(engine, ICE + WEEK)
    _says(stage, "小明", "签到")
    assert _says(stage, "小明", "任务").splitlines() == [
        "📋 小明 的任务",
        "🎯 3日破冰 ▓░░░░ 1/3 · 100 积分 · 还有 3 天",
        "　👉 在群里发「大家好，我是…」介绍自己，10 个字以上",
        "🎯 一周两签 ▓▓░░░ 1/2 · 10 积分 · 还有 5 天",
    ]
    assert _says(stage, "小明", "任务", private=True).splitlines() == [
        "📋 小明 的任务",
        "🎯 3日破冰 ▓░░░░ 1/3 · 100 积分 · 还有 3 天",
        "　▫️ 自我介绍 · ✅ 签到 · ▫️ 和群友聊起来",
        "　👉 在群里发「大家好，我是…」介绍自己，10 个字以上",
        "🎯 一周两签 ▓▓░░░ 1/2 · 10 积分 · 还有 5 天",
        "　👉 说一句「签到」",
    ]


def test_in_private_and_in_english(engine: Engine) -> None:
    stage = _stage(engine, shipped_document(), locale="en")
    _says(stage, "Ann", "check in")
    heard = _says(stage, "Ann", "quests")
    assert heard.isascii() is False  # bars and pictures
    assert "🎯 Break the ice ▓░░░░ 1/3 · 100 points · 3 days left" in heard
    assert "say in the group “Hello everyone, I'm …”" in heard
    assert "Quests: Break the ice (in a new member's first 3 days) 100 points" in _says(
        stage, "Ann", "rules"
    )


def test_strangers_and_admins_without_a_name_have_no_quests(engine: Engine) -> None:
    stage = _stage(engine, ICE)
    assert "先加入一个有我的群" in _says(stage, "路人", "任务", private=True)
    hidden = stage.person("群主", kind="anonymous_admin")
    assert "匿名管理员" in _says(stage, hidden, "任务")


@pytest.mark.parametrize("words", ["/quests x", "/quests ask", "/quests answer 1", "/quests 😀"])
def test_words_that_mean_nothing_show_the_list_or_a_way_there(engine: Engine, words: str) -> None:
    stage = _stage(engine, ICE)
    heard = _says(stage, "小明", words)
    assert "📋 小明 的任务" in heard or "发「任务」" in heard


def test_a_gift_that_is_accepted_is_its_givers_deed(engine: Engine) -> None:
    rules = 'redeem.gift.account_days_min = 0\n[[quest]]\nid = "give"\nname = "分享"\npoints = 3'
    stage = _stage(engine, f'{rules}\nonce = true\nsteps = ["gift.accepted"]')
    for who in ("小明", "小红"):
        _says(stage, who, "签到")
    stage.says("小明", "赠送 小红 2")
    (offer,) = stage.replies()
    accept = offer.buttons[0][0].command
    stage.taps("小红", accept)
    stage.taps("小红", accept)
    stage.heard()
    assert DONE.format("分享", 3) in _says(stage, "小明", "任务")
    assert "0/1" in _says(stage, "小红", "任务")
    assert stage.balance("小明") == 5 - 2 + 3


def test_a_quest_that_is_done_is_told_to_all_who_listen(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []

    def listen(_tx, _here, occasion, _now, **_more):
        told.append((occasion.what, occasion.day.isoformat(), occasion.key))
        return occasions.questing.Heard([], [])

    monkeypatch.setattr(occasions, "SUBSCRIBERS", (*occasions.SUBSCRIBERS, listen))
    stage = _stage(engine, WEEK.replace("n = 2", "n = 1"))
    _says(stage, "小明", "签到")
    stage.advance(days=1)
    _says(stage, "小明", "签到")
    assert [what for what, _, _ in told] == ["checkin", "quest.weekly", "checkin"]
    assert told[1][1:] == ("2026-03-04", "quest/weekly")
