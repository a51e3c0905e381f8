"""Photos that are shown: liked by others, decided by an owner, too late, twice, by strangers."""

import pytest

from content.message import Reply
from content.rulebook import shipped_document
from handlers.event import Sender
from storage import rulebooks
from storage.db import reading
from storage.programmes import MAIN
from tests.stage import Stage

SHOWN = """📸 小明 晒单啦！
再有 3 位群友点 👍，或群主通过，积分就到账"""


@pytest.fixture
def club(room: Stage) -> Stage:
    """A group whose people have been in it for some days."""
    for name in ("小明", "小红", "小刚", "小丽", "群主"):
        room.says(name, "大家好")
        room.says(name, "签到")
    room.advance(days=4)
    room.replies()
    return room


def owner(stage: Stage) -> Sender:
    return stage.person("群主", role="owner")


def actors(stage: Stage) -> set[str]:
    """Return by what kinds of names postings are signed: they are sealed, and name no account."""
    with reading(stage.engine) as tx:
        rows = tx.core.exec_driver_sql("SELECT DISTINCT actor FROM posting").fetchall()
    return {actor.partition(":")[0] for (actor,) in rows}


def shows(stage: Stage, who: str = "小明", text: str = "晒单 今天的饭", **more: object) -> Reply:
    stage.says(who, text, photo=True, **more)
    return stage.replies()[-1]


def commands(reply: Reply) -> dict[str, str]:
    return {button.label: button.command for row in reply.buttons for button in row}


def test_a_photo_that_three_others_like_earns_points(club: Stage) -> None:
    had = club.balance("小明")
    reply = shows(club)
    assert reply.text == SHOWN
    assert list(commands(reply)) == ["👍 0/3", "✅ 通过", "不合适"]
    like = commands(reply)["👍 0/3"]
    for number, name in enumerate(("小红", "小刚"), 1):
        (outcome,) = club.taps(name, like)
        assert [row.kind for row in outcome.say] == ["tap", "edit"]
        edit = club.replies()[-1]
        assert f"再有 {3 - number} 位群友" in edit.text
        assert f"👍 {number}/3" in commands(edit)
    assert club.balance("小明") == had
    club.taps("小丽", like)
    edit = club.replies()[-1]
    assert (edit.text, edit.buttons) == ("📸 小明 的晒单通过了，+10 积分 👏", ())
    assert club.balance("小明") == had + 10
    club.taps("群主", like)
    assert "小明 的晒单通过了" in club.heard()
    assert club.balance("小明") == had + 10
    club.says("小明", "明细 1")
    assert "+10  晒单" in club.heard()
    assert actors(club) == {"member"}


def test_an_owner_decides_alone(club: Stage) -> None:
    had = club.balance("小明"), club.balance("小红")
    one, other = shows(club), shows(club, "小红")
    club.taps(owner(club), commands(one)["✅ 通过"])
    assert "小明 的晒单通过了，+10 积分" in club.heard()
    club.taps(owner(club), commands(other)["不合适"])
    assert "小红 的晒单这次没有通过" in club.heard()
    for press in commands(other).values():
        club.taps(owner(club), press)
        assert "这次没有通过" in club.heard()
    assert (club.balance("小明"), club.balance("小红")) == (had[0] + 10, had[1])


@pytest.mark.parametrize(
    ("who", "press", "told"),
    [
        ("小明", "👍 0/3", "给自己点赞就不算啦"),
        ("小红", "✅ 通过", "这个按钮是给群主的"),
        ("小红", "不合适", "这个按钮是给群主的"),
        ("小明", "✅ 通过", "这个按钮是给群主的"),
        ("新来的", "👍 0/3", "满 3 天就能点啦"),
    ],
)
def test_a_button_is_for_those_whom_it_is_for(club: Stage, who: str, press: str, told: str) -> None:
    reply = shows(club)
    if who == "新来的":
        club.says(who, "大家好")
    club.taps(who, commands(reply)[press])
    assert told in club.heard()
    assert club.balance("小明") == 5


def test_nobody_likes_twice_and_strangers_not_at_all(club: Stage) -> None:
    like = commands(shows(club))["👍 0/3"]
    for _ in range(3):
        club.taps("小红", like)
    assert club.heard().count("你已经点过啦") == 2
    club.taps("路人", like, from_outside=True)
    club.taps(club.person("匿名", "anonymous_admin"), like)
    club.taps("小刚", like, genuine=False)
    club.taps("小刚", "photo like 1")
    club.taps("小刚", "photo like")
    club.taps("小刚", f"{like}9999999999999999999")
    heard = club.heard()
    assert "再有" not in heard
    assert heard.count("这张晒单已经不在了") == 4
    assert club.balance("小明") == 5


def test_one_photo_a_day_and_none_too_late(club: Stage) -> None:
    like = commands(shows(club))["👍 0/3"]
    assert "今天已经晒过啦" in shows(club).text
    club.advance(hours=47)
    club.taps("小红", like)
    assert "再有 2 位" in club.heard()
    club.advance(hours=1, seconds=1)
    club.taps("小刚", like)
    assert "这张晒单过了时间" in club.heard()
    assert shows(club).text == SHOWN


def test_a_photo_counts_for_the_day_on_which_it_was_shown(club: Stage) -> None:
    """The limit of one a day is not used up for the day of the approval."""
    first = commands(shows(club))
    club.advance(hours=24)
    second = commands(shows(club))
    club.taps(owner(club), first["✅ 通过"])
    club.taps(owner(club), second["✅ 通过"])
    assert club.balance("小明") == 5 + 20


@pytest.mark.parametrize(
    ("text", "more", "told"),
    [
        ("晒单", {}, "发一张照片，说明里写上「晒单」就行；通过后得 10 积分"),
        ("/photo", {}, "发一张照片"),
        ("晒单", {"photo": True, "private": True}, "晒单要发在群里"),
        ("晒单", {"photo": True, "secondhand": True}, ""),
        ("晒单", {"photo": True, "edited": True}, ""),
        ("今天晒单的人真多", {"photo": True}, ""),
        ("", {"photo": True}, ""),
        ("晒单！" + "好" * 3000, {"photo": True}, "小明 晒单啦"),
        ("晒单🍜", {"photo": True}, "小明 晒单啦"),
    ],
)
def test_what_is_no_photo_to_show(club: Stage, text: str, more: dict[str, bool], told: str) -> None:
    club.says("小明", text, **more)
    heard = club.heard()
    assert told in heard if told else heard == ""


def _rules(stage: Stage, **changes: str) -> None:
    document = shipped_document()
    for old, new in changes.values():
        assert old in document
        document = document.replace(old, new)
    (outcome,) = stage.worker.run(
        [
            lambda tx: rulebooks.publish(
                tx,
                MAIN,
                document,
                author="群主",
                note="试",
                effective=stage.now,
                now=stage.now,
                force="试",
            )
        ]
    )
    assert outcome.error is None
    stage.advance(seconds=1)


def test_an_owner_alone_where_the_rules_say_so(club: Stage) -> None:
    _rules(club, likes=("likes = 3 #", "likes = 0 #"))
    reply = shows(club)
    assert reply.text == "📸 小明 晒单啦！\n群主看过就到账"
    assert list(commands(reply)) == ["✅ 通过", "不合适"]
    club.taps("小红", commands(reply)["✅ 通过"].replace("yes", "like"))
    club.heard()
    assert club.balance("小明") == 5
    club.taps(owner(club), commands(reply)["✅ 通过"])
    assert club.balance("小明") == 15


def test_a_programme_without_the_rule_has_no_photos(club: Stage) -> None:
    _rules(club, off=('event = "photo.approved"', 'event = "custom.other"\nname = "别的"'))
    assert "这里现在没有晒单活动" in shows(club).text


def test_the_budget_lets_an_approved_photo_wait(club: Stage) -> None:
    _rules(
        club,
        day=("issue_per_day = 50_000", "issue_per_day = 1"),
        month=("issue_per_month = 1_000_000", "issue_per_month = 1_000"),
    )
    reply = shows(club)
    club.taps(owner(club), commands(reply)["✅ 通过"])
    assert club.heard() == "📸 小明 的晒单通过了 👏"
    assert club.balance("小明") == 5
