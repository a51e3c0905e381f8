"""A member looks at his months of check-ins, and at his card."""

from datetime import UTC, date, datetime

import pytest

from content.message import BUTTON_BYTES_MAX, Reply
from content.picture import Calendar, Card
from tests.stage import Stage


def _shown(stage: Stage, who: str, text: str, **more: object) -> Reply:
    stage.replies()
    stage.says(who, text, **more)
    (reply,) = stage.replies()
    return reply


def _calendar(reply: Reply) -> Calendar:
    assert isinstance(reply.picture, Calendar)
    return reply.picture


def _card(reply: Reply) -> Card:
    assert isinstance(reply.picture, Card)
    return reply.picture


def _buttons(reply: Reply) -> list[str]:
    return [button.command.rpartition(" ")[0] or button.command for row in reply.buttons
            for button in row]  # fmt: skip


def _turn(reply: Reply, sign: str) -> str:
    return next(b.command for row in reply.buttons for b in row if sign in b.label)


def _lives(stage: Stage, who: str, days: str) -> None:
    """Check in (x), or not, day by day; the clock stands on the day after the last."""
    for mark in days:
        if mark == "x":
            stage.says(who, "签到")
        stage.advance(days=1)
    stage.replies()


def test_a_month_with_a_made_up_day_and_the_streaks(stage: Stage) -> None:
    _lives(stage, "小明", "xxx.xx")  # from the 4th of March; the 7th is missed
    stage.says("小明", "补签 3-7")
    stage.says("小明", "签到")
    _lives(stage, "小明", "...xx")
    reply = _shown(stage, "小明", "日历")
    assert reply.picture == Calendar(
        locale="zh",
        name="小明",
        month=date(2026, 3, 1),
        today=date(2026, 3, 15),
        days=(4, 5, 6, 7, 8, 9, 10, 13, 14),
        made_up=(7,),
        streak=2,
        best=7,
    )
    assert reply.text.splitlines() == [
        "📅 小明 · 2026年3月签到 9 天",
        "✅ 4–10 · 13–14 日",
        "🩹 其中补签：7 日",
        "🔥 连续 2 天 · 最长 7 天",
    ]
    assert _buttons(reply) == ["checkin", "me"]  # his first month, and today still to come


def test_months_are_turned_from_the_first_check_in_to_today(stage: Stage) -> None:
    _lives(stage, "小明", "x" + "." * 59)  # the 4th of March, then nothing until May
    stage.says("小明", "签到")
    may = _shown(stage, "小明", "日历")
    assert (_calendar(may).month, _calendar(may).best) == (date(2026, 5, 1), 1)
    assert _buttons(may) == ["calendar 2026-04", "makeup", "me"]
    assert "◀ 4月" in may.buttons[0][0].label
    stage.taps("小明", _turn(may, "◀"))
    april = stage.replies()[-1]
    assert april.replaces
    assert april.text.splitlines()[0] == "📅 小明 · 2026年4月还没有签到"
    assert _buttons(april) == ["calendar 2026-03", "calendar 2026-05", "makeup", "me"]
    stage.taps("小明", _turn(april, "◀"))
    march = stage.replies()[-1]
    assert _calendar(march).days == (4,)
    assert _buttons(march) == ["calendar 2026-04", "makeup", "me"]
    stage.taps("小明", _turn(march, "▶"))
    assert _calendar(stage.replies()[-1]).month == date(2026, 4, 1)


def test_a_turned_page_is_an_edit_and_a_forged_one_is_said_anew(stage: Stage) -> None:
    _lives(stage, "小明", "x" + "." * 40)
    back = _turn(_shown(stage, "小明", "日历"), "◀")
    (outcome,) = stage.taps("小明", back)
    assert [row.kind for row in outcome.say] == ["tap", "edit"]
    (outcome,) = stage.taps("小明", back, genuine=False)
    assert [row.kind for row in outcome.say] == ["tap", "say"]


def test_anothers_calendar_stays_his(stage: Stage) -> None:
    _lives(stage, "小明", "x" + "." * 40)
    back = _turn(_shown(stage, "小明", "日历"), "◀")
    (outcome,) = stage.taps("小红", back)
    assert [row.kind for row in outcome.say] == ["tap"]
    (reply,) = stage.replies()
    assert (reply.text, reply.picture) == ("小红，这是别人的日历。发「日历」看自己的 📅", None)


def test_the_plain_button_shows_ones_own_to_everybody(stage: Stage) -> None:
    """A picture cannot be shown to the presser alone."""
    (outcome,) = stage.taps("小红", "calendar")
    assert [row.kind for row in outcome.say] == ["tap", "say"]
    assert _calendar(stage.replies()[-1]).name == "小红"


@pytest.mark.parametrize(
    ("words", "month"),
    [
        ("日历 3", date(2026, 3, 1)),
        ("日历3月", date(2026, 3, 1)),
        ("日历 3 月", date(2026, 3, 1)),
        ("日历 2026-03", date(2026, 3, 1)),
        ("日历 2026年3月", date(2026, 3, 1)),
        ("签到日历 ３月", date(2026, 3, 1)),
        ("/calendar 2026/4", date(2026, 4, 1)),
        ("my calendar", date(2026, 4, 1)),
    ],
)
def test_a_month_can_be_said_in_many_ways(room: Stage, words: str, month: date) -> None:
    _lives(room, "小明", "x" + "." * 30)
    assert _calendar(_shown(room, "小明", words)).month == month


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("日历 2026-05", "小明，2026年5月还没到呢，到时候来签到就有了 🌱"),
        ("日历 9999-12", "小明，9999年12月还没到呢，到时候来签到就有了 🌱"),
        ("日历 2026-02", "小明，2026年2月那会儿还没开始签到：你的第一次在2026年3月 🌱"),
        ("日历 12", "小明，2025年12月那会儿还没开始签到：你的第一次在2026年3月 🌱"),
        ("日历 0001-1", "小明，1年1月那会儿还没开始签到：你的第一次在2026年3月 🌱"),
        ("/calendar 13", "「13」不是月份。试试 日历 2026-04，或直接发「日历」看本月"),
        ("/calendar 0000-3", "「0000-3」不是月份。试试 日历 2026-04，或直接发「日历」看本月"),
        ("/calendar 0", "「0」不是月份。试试 日历 2026-04，或直接发「日历」看本月"),
        ("/calendar 三月", "「三月」不是月份。试试 日历 2026-04，或直接发「日历」看本月"),
    ],
)
def test_other_months_are_refused_in_words(room: Stage, words: str, answer: str) -> None:
    _lives(room, "小明", "x" + "." * 30)
    assert _shown(room, "小明", words).text == answer


def test_talk_about_calendars_is_no_command(room: Stage) -> None:
    for words in ("日历上写着呢", "看看日历", "名片给我一张", "calendar"):
        room.says("小明", words)
    assert room.heard() == ""


def test_before_the_first_check_in_there_is_this_month_alone(stage: Stage) -> None:
    reply = _shown(stage, "小明", "日历")
    assert reply.text == "📅 小明 · 2026年3月还没有签到"
    assert _calendar(reply).days == ()
    assert _buttons(reply) == ["checkin", "me"]


def test_a_day_is_the_programmes_day(room: Stage) -> None:
    """Half past four in the afternoon of the 31st in London is the 1st in Shanghai."""
    room.now = datetime(2026, 3, 31, 16, 30, tzinfo=UTC)
    room.says("小明", "签到")
    shown = _calendar(_shown(room, "小明", "日历"))
    assert (shown.month, shown.days, shown.today) == (date(2026, 4, 1), (1,), date(2026, 4, 1))


def test_buttons_fit_whatever_the_members_number_is(stage: Stage) -> None:
    _lives(stage, "小明", "x" + "." * 70)
    for row in _shown(stage, "小明", "日历 4月").buttons:
        for button in row:
            assert len(button.command.encode()) <= BUTTON_BYTES_MAX


# -- the card ----------------------


def test_a_card_says_in_words_what_it_shows(stage: Stage) -> None:
    _lives(stage, "小明", "xxx")
    _lives(stage, "小红", "x")
    stage.now = stage.now.replace(day=6)
    reply = _shown(stage, "小明", "名片")
    card = _card(reply)
    assert (card.name, card.points, card.streak, card.rank) == ("小明", 15, 3, 1)
    assert (card.since, card.days) == (date(2026, 3, 4), 3)
    assert (card.level, card.next, card.missing, card.percent) == ("普通", "白银", 485, 3)
    assert reply.text.splitlines() == [
        "🪪 小明 的名片",
        "🎖 等级：普通，再得 485 积分升白银",
        "💰 15 积分",
        "🔥 连续签到 3 天",
        "🏅 本月第 1 名",
        "🏕 2026-03-04 加入，今天是第 3 天",
    ]
    assert [b.command for b in reply.buttons[0]] == ["calendar", "badges", "top month"]


def test_a_newcomer_has_a_card_at_once(stage: Stage) -> None:
    reply = _shown(stage, "小明", "/me")
    card = _card(reply)
    assert (card.points, card.streak, card.rank, card.days, card.percent) == (0, 0, 0, 1, 0)
    assert "本月还没上榜" in reply.text


def test_who_hides_has_no_rank_on_his_card(stage: Stage) -> None:
    stage.says("小明", "签到")
    stage.says("小明", "隐身")
    reply = _shown(stage, "小明", "名片")
    assert _card(reply).rank == 0
    assert "不在榜上（发「现身」就上榜）" in reply.text


def test_in_private_the_card_speaks_the_askers_language(stage: Stage) -> None:
    stage.says("小明", "签到")
    sender = stage.person("小明")
    stage.replies()
    stage.says(type(sender)(sender.id, sender.name, locale="en"), "/me", private=True)
    (reply,) = stage.replies()
    assert _card(reply).locale == "en"
    assert reply.text.splitlines()[0] == "🪪 小明's card"
    stage.says(type(sender)(sender.id, sender.name, locale="en"), "/calendar 3", private=True)
    (reply,) = stage.replies()
    assert reply.text.splitlines() == [
        "📅 小明 · March 2026: days checked in: 1",
        "✅ 4",
        "🔥 1 in a row · best: 1",
    ]


@pytest.mark.parametrize("words", ["名片", "日历"])
def test_strangers_are_told_to_join(stage: Stage, words: str) -> None:
    reply = _shown(stage, "路人", words, private=True)
    assert reply.picture is None
    assert "签到" in reply.text


def test_help_lists_them(stage: Stage) -> None:
    assert "日历 — " in _shown(stage, "小明", "帮助").text
    assert "名片 — " in _shown(stage, "小明", "帮助").text
