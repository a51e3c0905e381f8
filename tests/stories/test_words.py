"""What people type, and what the bot makes of it: help, unknown words, other bots' commands."""

import re
import time

import pytest
from sqlalchemy import Engine

from content.message import Reply
from content.texts import LOCALES
from handlers.event import Chat, Event, Sender
from handlers.router import Router, discover
from tests.stage import BOT_NAME, NOON, Stage

CHECKED_IN = "签到成功"


@pytest.mark.parametrize(
    "words",
    [
        "签到",
        "打卡",
        " 签到 ",
        "签到！",
        "签到!!!",
        "签到。",
        "签到~",
        "签到 😀",
        "签到 ！！",
        "签\u200b到",
        "签到\n",
        "/checkin",
        "/CheckIn",
        "／ｃｈｅｃｋｉｎ",
        f"/checkin@{BOT_NAME}",
        f"/checkin@{BOT_NAME.upper()}",
        "/checkin 今天很好",
        "/checkin\n第二行",
        f"@{BOT_NAME} 签到",
        f"@{BOT_NAME}签到",
        f"@{BOT_NAME.upper()} /checkin",
        "check in",
        "Check in!",
        "CHECK-IN ✅",
        "checkin",
        "ｃｈｅｃｋ　 in 😀",
        f"@{BOT_NAME} check in",
    ],
)
def test_a_checkin_is_understood(room: Stage, words: str) -> None:
    room.says("小明", words)
    assert CHECKED_IN in room.heard()


@pytest.mark.parametrize(
    "words",
    [
        "大家签到了吗",
        "签到 今天好累",
        "我要签到",
        "签到签到",
        "不签到",
        "help",
        "Help!",
        "top",
        "Top 👍",
        "show",
        "check in tomorrow",
        "I check in every day",
        "check-in at the hotel is at 3",
        "points taken",
        "the rules",
        "rules are rules",
        "check\n\nin 2",
        "积分怎么算",
        "明细表",
        "排行榜首是谁",
        "周榜单",
        "今天天气不错",
        "/",
        "//checkin",
        "/签到",
        "/checkin@other_bot",
        f"/checkin@{BOT_NAME}x",
        "/checkin@",
        "/unknown",
        "/start2",
        "@other_bot 签到",
        "",
        " ",
        "\u200b",
        "😀" * 500,
        "签" * 4_096,
        "签到" * 2_048,
        "/" + "x" * 4_095,
        "\x00\ud83d",
    ],
)
def test_talk_in_a_group_is_left_alone(room: Stage, words: str) -> None:
    assert room.says("小明", words) == []
    assert room.heard() == ""


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("points", "you have 0 points"),
        ("My points?", "you have 0 points"),
        ("ledger", "nothing here yet"),
        ("Rules.", "Every 7 days in a row"),
        ("leaderboard", "This week's board"),
    ],
)
def test_english_words_are_understood_when_nothing_else_is_said(
    engine: Engine, words: str, expected: str
) -> None:
    stage = Stage(engine, locale="en")
    stage.says("Ann", words)
    assert expected in stage.heard()


@pytest.mark.parametrize("words", ["help", "Help!", "top", "rules", "hide"])
def test_spoken_to_the_bot_answers_the_name_of_any_command(room: Stage, words: str) -> None:
    for more in ({"private": True}, {"addressed": True}):
        room.says("小明", "签到")
        room.heard()
        room.says("小明", words, **more)
        heard = room.heard()
        assert heard
        assert "没听懂" not in heard
    room.says("小明", f"{words} me please", addressed=True)
    assert "没听懂" in room.heard()


def test_an_english_word_is_taken_once() -> None:
    one = Router()
    one.command("one", english=("check in",))(lambda _ctx: None)
    with pytest.raises(ValueError, match="'check in' is taken"):
        one.command("two", english=("check in",))(lambda _ctx: None)


@pytest.mark.parametrize("words", ["今天天气不错", "/unknown", "", "签" * 4_096])
def test_one_who_speaks_to_the_bot_is_answered(room: Stage, words: str) -> None:
    room.says("小明", words, addressed=True)
    assert "没听懂" in room.heard()
    room.says("小明", words, private=True)
    assert "没听懂" in room.heard()
    (reply,) = room.says("小明", f"@{BOT_NAME} {words}"[:4_096])[0].say
    assert "help" in reply.payload


def test_another_bots_command_is_not_ours_even_in_answer_to_us(room: Stage) -> None:
    assert room.says("小明", "/checkin@other_bot", addressed=True) == []
    assert room.heard() == ""


@pytest.mark.parametrize("words", [f"签到 @{BOT_NAME}", f"积分 @{BOT_NAME}", f"排行 @{BOT_NAME}"])
def test_a_mention_may_stand_after_the_words(room: Stage, words: str) -> None:
    room.says("小明", words)
    heard = room.heard()
    assert "没听懂" not in heard
    assert "没有「" not in heard
    assert heard != ""


@pytest.mark.parametrize("words", ["帮助", "菜单", "/help", f"/help@{BOT_NAME}"])
def test_help_says_what_there_is(room: Stage, words: str) -> None:
    room.says("小明", words)
    (reply,) = room.replies()
    for word in ("签到", "积分", "明细", "排行", "规则", "命令都行"):
        assert word in reply.text
    assert "你是负责人" not in reply.text
    assert [button.command for button in reply.buttons[0]] == ["checkin", "points", "top week"]


def test_help_knows_the_owner_and_the_private_chat(room: Stage) -> None:
    room.says(room.person("群主", role="owner"), "帮助")
    assert "你是负责人" in room.heard()
    room.says("小明", "帮助", private=True)
    heard = room.heard()
    assert "和群里是同一份" in heard
    assert "命令都行" not in heard


def test_start_greets_a_member_by_name_and_a_stranger_with_the_way_in(room: Stage) -> None:
    room.says("小明", "签到")
    room.heard()
    for words in ("/start", "/start g-1001", f"/start@{BOT_NAME}"):
        room.says("小明", words, private=True)
        assert "小明，你好" in room.heard()
        room.says("路人", words, private=True)
        assert "先加入一个有我的群" in room.heard()
    room.says("小红", "/start")
    assert "小红，你好" in room.heard()


@pytest.mark.parametrize("command", ["points", "ledger", "checkin", "top week", "help", "rules"])
def test_a_button_does_what_it_says(room: Stage, command: str) -> None:
    (outcome,) = room.taps("小明", command)
    assert outcome.state == "done"
    assert outcome.say[0].kind == "tap"
    assert "没听懂" not in room.heard()


@pytest.mark.parametrize("command", ["", "nothing", "checkin2", "签到", "/checkin", "x" * 300])
def test_a_forged_button_does_nothing(room: Stage, command: str) -> None:
    (outcome,) = room.taps("小明", command)
    assert outcome.say[0].kind == "tap"  # its button comes to rest
    assert "没听懂" in room.heard()
    assert room.balance("小明") == 0


@pytest.mark.parametrize("locale", LOCALES)
def test_every_button_that_is_shown_can_be_pressed(sqlite_url: str, locale: str) -> None:
    from storage.db import open_engine  # noqa: PLC0415 - beside its only use

    stage = Stage(open_engine(sqlite_url), locale=locale)
    pressed: set[str] = set()
    waiting = {*stage.router.commands, "nothing"}
    while waiting:
        command = waiting.pop()
        pressed.add(command)
        stage.taps("Ann", command)
        replies: list[Reply] = stage.replies()
        for button in (b for reply in replies for row in reply.buttons for b in row):
            assert button.label.strip()
            if button.url:  # it is followed, not pressed
                continue
            assert len(button.command.encode()) <= 64
            assert button.command.partition(" ")[0] in stage.router.commands
            waiting |= {button.command} - pressed
    assert len(pressed) > len(stage.router.commands)
    stage.engine.dispose()


def test_in_english_everything_is_said_in_english(engine: object) -> None:
    stage = Stage(engine, locale="en")
    for words, expected in (
        ("/checkin", "Ann checked in: +5 points"),
        ("签到", "you have checked in today"),
        ("/points", "you have 5 points (5 earned in all)"),
        ("/ledger", "03-04  +5  Check-in"),
        ("/ledger x", "is not a number"),
        ("/top", "This week's board"),
        ("/top x", "There is no “x” board"),
        ("/points", "Level Member; 495 more points to Silver"),
        ("/rules", "Every 7 days in a row: 20% on top that day (6 points)"),
        ("/rules", "Silver from 500 (points ×1.1) · Gold from 3000 (points ×1.2)"),
        ("/rules", "comes back as Rebate coins: 1% from 300 yuan"),
        ("/help", "I am Qunying"),
        ("/start", "Hello Ann!"),
    ):
        stage.says("Ann", words)
        heard = stage.heard()
        assert expected in heard
        assert not re.search(
            "[\u4e00-\u9fff]", heard.replace("签到", "" if words == "/help" else "签到")
        )


@pytest.mark.parametrize(
    ("locale", "expected"),
    [("zh-hans", "没听懂"), ("en", "did not understand"), ("de", "did not"), ("", "没听懂")],
)
def test_in_private_one_is_answered_in_ones_own_language(
    room: Stage, locale: str, expected: str
) -> None:
    import msgspec  # noqa: PLC0415 - beside its only use

    sender = msgspec.structs.replace(room.person("Ann"), locale=locale)
    room.says(sender, "???", private=True)
    assert expected in room.heard()
    room.says(sender, "???", addressed=True)  # a group has one language
    assert "没听懂" in room.heard()


def test_a_channel_post_is_no_private_talk(room: Stage) -> None:
    channel = Chat("-1009", "channel", "频道")
    room.says(room.person("频道", "channel"), "签到", chat=channel)
    assert CHECKED_IN not in room.heard()


def test_a_name_taken_twice_is_refused_at_start() -> None:
    def handler(_ctx: object) -> None:
        """Do nothing."""

    for names in (("checkin",), ("other", "签到"), ("other", "周榜")):
        router = Router()
        router.command(*names)(handler)
        whole = discover()
        with pytest.raises(ValueError, match=rf"'{names[-1]}' is taken by handlers\."):
            whole.include(router)
    twice = Router()
    twice.on("left")(handler)
    with pytest.raises(ValueError, match="two handlers for left"):
        discover().include(twice)


@pytest.mark.parametrize("letter", ["\u2057", "\u2a0c", "!", " ", "@qunying_bot", "\u3000"])
def test_hostile_talk_is_matched_as_quickly_as_any(letter: str) -> None:
    """Matching runs on the event loop: whatever is sent, it must not grow with the text."""
    router = discover()
    stage_event = Event(
        key="k",
        platform="telegram",
        kind="message",
        chat=Chat("-1", "group"),
        sender=Sender("1", "敌"),
        at=NOON,
        text=(letter * 4096)[:4095] + "a",
    )
    began = time.perf_counter()
    for _ in range(20):
        router.match(stage_event, bot_name="qunying_bot")
    assert time.perf_counter() - began < 2, "it took 7 s for one message once"
