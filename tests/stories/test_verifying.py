"""Newcomers show that they are persons before points count: by a press, a sum, or a question."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine

from content.message import Button, LetIn, Loud, Quiet, Reply
from storage.db import reading
from storage.talk import Talk
from tests.stage import Stage
from tests.storage.books import count
from tests.stories.test_welcome import OTHER, ask_to_join, come, publish

SUM = '[welcome]\nverify = "sum"\n'
BUTTON = '[welcome]\nverify = "button"\n'
QUIZ = """[welcome]
verify = "quiz"
quiz = [{ ask = "我们多久露营一次？", right = "每周", wrong = ["每天", "每月", "每年"] }]
"""


def buttons(reply: Reply) -> list[Button]:
    return [button for row in reply.buttons for button in row]


def asked(stage: Stage, who: str, **where: object) -> Reply:
    """Let somebody ask for his question."""
    stage.heard()
    stage.says(who, "验证", **where)
    (reply,) = stage.replies()
    return reply


def right(reply: Reply) -> Button:
    """Return the button that is right, as a person finds it."""
    line = next(line for line in reply.text.splitlines() if "= ?" in line or "多久" in line)
    if "多久" in line:
        return next(each for each in buttons(reply) if each.label == "每周")
    one, two = line.split("：")[-1].removesuffix(" = ?").split(" + ")
    return next(each for each in buttons(reply) if each.label == str(int(one) + int(two)))


def wrong(reply: Reply) -> Button:
    return next(each for each in buttons(reply) if each != right(reply))


def is_verified(stage: Stage, who: str) -> tuple[str, int]:
    with reading(stage.engine) as tx:
        row = tx.core.exec_driver_sql(
            "SELECT m.verified, m.verified_ms FROM member m JOIN identity i ON i.member_id = m.id"
            f" WHERE i.user_id = '{stage.person(who).id}'"
        ).one()
    return row[0], row[1]


@pytest.mark.parametrize("document", [SUM, QUIZ])
def test_nothing_counts_before_the_right_answer(stage: Stage, document: str) -> None:
    publish(stage, document)
    come(stage, "小明")
    (greeting,) = stage.replies()
    assert "新朋友请点一下「验证」" in greeting.text
    assert buttons(greeting)[0].command == "verify"
    stage.says("小明", "签到")
    (refusal,) = stage.replies()
    assert "先验证一下你是真人" in refusal.text
    assert buttons(refusal)[0].command == "verify"
    assert stage.balance("小明") == 0
    stage.taps("小明", "verify")
    (reply,) = [each for each in stage.replies() if each.text]
    assert reply.text.startswith("🙋 小明：")
    assert reply.alone
    stage.taps("小明", right(reply).command)
    done = stage.replies()[-1]
    assert "小明 验证好了" in done.text
    assert (done.replaces, [b.command for b in buttons(done)]) == (True, ["checkin"])
    stage.says("小明", "签到")
    assert "签到成功，+5 积分" in stage.heard()
    assert stage.balance("小明") == 5


def test_a_press_is_enough_where_the_rules_say_so(stage: Stage) -> None:
    publish(stage, BUTTON)
    come(stage, "小明", "小红")
    stage.heard()
    stage.taps("小明", "verify", genuine=False)  # no message of ours has such a button
    assert "点一下就好" in stage.heard()
    assert is_verified(stage, "小明") == ("open", 0)
    stage.taps("小明", "verify")
    (toast,) = [each for each in stage.replies() if each.text]
    assert toast.private
    assert is_verified(stage, "小明") == ("button", int(stage.now.timestamp() * 1000))
    typed = asked(stage, "小红")
    assert [button.label for button in buttons(typed)] == ["我是真人"]
    stage.taps("小红", buttons(typed)[0].command)
    assert "小红 验证好了" in stage.heard()


def test_buttons_do_not_tell_the_right_answer(stage: Stage) -> None:
    publish(stage, SUM)
    places = set()
    for number in range(30):
        come(stage, f"客{number}")
        reply = asked(stage, f"客{number}", private=number % 2 == 0)
        labels = [each.label for each in buttons(reply)]
        assert len(set(labels)) == 6
        token = buttons(reply)[0].command.split()[1]
        assert [b.command for b in buttons(reply)] == [f"verify {token} {n}" for n in range(6)]
        places.add(labels.index(right(reply).label))
        stage.advance(minutes=2)
    assert len(places) > 3


def test_others_and_forgers_and_old_questions_are_told_apart(stage: Stage) -> None:
    publish(stage, SUM)
    come(stage, "小明", "小红")
    reply = asked(stage, "小明")
    for who, command, genuine in (
        ("小红", right(reply).command, True),
        ("小明", right(reply).command, False),
        ("小明", "verify 0 0", True),
        ("小明", "verify  0", True),
        ("小明", "verify " + "9" * 60, True),
    ):
        stage.heard()
        stage.taps(who, command, genuine=genuine)
        assert "不是给你的，或者已经过去了" in stage.heard(), command
    stage.taps("路人", right(reply).command, from_outside=True)
    assert "不是给你的" in stage.heard()
    assert is_verified(stage, "小明")[0] == is_verified(stage, "小红")[0] == "open"
    stage.advance(seconds=30)
    again = asked(stage, "小明")
    stage.taps("小明", right(reply).command)  # the first question is over
    assert "已经过去了" in stage.heard()
    stage.taps("小明", right(again).command)
    stage.taps("小明", right(again).command)
    assert stage.heard().count("验证好了") == 1
    stage.says("小明", "验证")
    assert "你不用再验证了" in stage.heard()


def test_three_wrong_answers_and_a_rest(stage: Stage) -> None:
    publish(stage, SUM)
    come(stage, "小明")
    reply = asked(stage, "小明")
    for left in (2, 1):
        stage.taps("小明", wrong(reply).command)
        (reply,) = [each for each in stage.replies() if each.text]
        assert f"还有 {left} 次" in reply.text
        assert reply.replaces
        stage.advance(seconds=25)
        reply = asked(stage, "小明")  # asking again gives no tries back
    stage.taps("小明", wrong(reply).command)
    assert "三次都没对，歇一歇，10 分钟后" in stage.heard()
    stage.taps("小明", right(reply).command)
    assert "已经过去了" in stage.heard()
    stage.advance(minutes=9)
    stage.says("小明", "验证", private=True)
    assert "还要等 1 分钟" in stage.heard()
    stage.advance(minutes=1)
    reply = asked(stage, "小明", private=True)
    stage.taps("小明", wrong(reply).command, private=True)
    assert "还有 2 次" in stage.heard()


def test_a_question_is_not_asked_again_at_once(stage: Stage) -> None:
    publish(stage, SUM)
    come(stage, "小明")
    asked(stage, "小明")
    stage.says("小明", "验证")
    assert "题就在上面" in stage.heard()


def test_who_was_there_before_counts_as_verified(stage: Stage) -> None:
    stage.says("小明", "签到")
    stage.advance(days=1)
    publish(stage, SUM)
    stage.heard()
    stage.says("小明", "签到")
    assert "签到成功" in stage.heard()
    stage.says("小明", "验证")
    assert "你不用再验证了" in stage.heard()
    stage.says("小红", "签到")
    assert "先验证一下" in stage.heard()
    publish(stage, "[checkin]\npoints = 6\n")  # nobody is asked any more
    stage.says("小红", "签到")
    assert "签到成功" in stage.heard()
    publish(stage, SUM)
    stage.advance(days=1)
    stage.heard()
    stage.says("小红", "签到")
    assert "先验证一下" in stage.heard()


def test_talk_earns_nothing_and_says_nothing_before(engine: Engine) -> None:
    stage = Stage(engine, talk=Talk())
    publish(stage, BUTTON)
    come(stage, "小明")
    stage.heard()
    stage.says("小明", "今天的鱼很新鲜，晚上一起吃吧")
    assert (stage.heard(), stage.balance("小明")) == ("", 0)
    stage.taps("小明", "verify")
    stage.advance(minutes=2)
    stage.says("小明", "明天早上八点开团，记得来")
    assert stage.balance("小明") == 1


def test_a_photo_earns_nothing_before(stage: Stage) -> None:
    publish(stage, BUTTON + "[checkin.photo]\nlikes = 1\n")
    come(stage, "小明")
    stage.heard()
    stage.says("小明", "晒单", photo=True)
    assert "先验证一下" in stage.heard()


def test_a_command_of_somebody_unverified_is_answered_though_it_is_talk(engine: Engine) -> None:
    stage = Stage(engine, talk=Talk())
    publish(stage, BUTTON + "[activity]\ncommands_count = true\nmin_length = 1\n")
    come(stage, "小明")
    stage.heard()
    stage.says("小明", "积分")
    assert "你有 0 积分" in stage.heard()


def test_one_answer_counts_in_all_groups_of_the_programme(stage: Stage) -> None:
    stage.play(stage.event(stage.person("群主", role="owner"), kind="bot_added", chat=OTHER))
    publish(stage, BUTTON)
    come(stage, "小明")
    stage.taps("小明", "verify")
    stage.heard()
    come(stage, "小明", chat=OTHER)
    heard = stage.heard()
    assert "欢迎 小明 来到别的群" in heard
    assert "验证" not in heard


def test_an_anonymous_admin_a_stranger_and_forwarded_words_verify_nobody(stage: Stage) -> None:
    publish(stage, SUM)
    stage.says(stage.person("露营群", "anonymous_admin"), "验证")
    assert "匿名管理员" in stage.heard()
    stage.says("路人", "验证", private=True)
    assert "先加入一个有我的群" in stage.heard()
    stage.says("小明", "验证", secondhand=True)
    assert stage.heard() == ""


def test_a_newcomer_is_quiet_until_he_has_answered(stage: Stage) -> None:
    publish(stage, SUM + "quiet = true\n")
    come(stage, "小明")
    user = stage.person("小明").id
    assert stage.actions() == [Quiet("welcome", user, stage.now + timedelta(minutes=10))]
    reply = asked(stage, "小明", private=True)
    stage.taps("小明", right(reply).command, private=True)
    assert stage.actions()[1:] == [Loud("welcome", user)]
    loud = [row for row in stage.told if row.kind == "do"][-1]
    assert loud.chat_id == stage.group.id


def test_after_the_deadline_nobody_is_sent_away(stage: Stage) -> None:
    publish(stage, SUM + "quiet = true\n")
    come(stage, "小明")
    stage.advance(minutes=11)
    stage.due()
    assert len(stage.actions()) == 1
    stage.says("小明", "签到")
    assert "先验证一下" in stage.heard()
    reply = asked(stage, "小明")
    stage.taps("小明", right(reply).command)
    assert len(stage.actions()) == 1  # he can write already
    assert is_verified(stage, "小明")[0] == "sum"


def test_who_leaves_and_comes_back_is_still_to_answer(stage: Stage) -> None:
    publish(stage, SUM)
    come(stage, "小明")
    stage.play(stage.event("小明", kind="left"))
    stage.advance(days=2)
    stage.heard()
    come(stage, "小明")
    assert "欢迎回来" in stage.heard()
    assert is_verified(stage, "小明")[0] == "open"


def test_in_a_raid_nothing_is_asked_in_the_group(stage: Stage) -> None:
    publish(stage, SUM)
    come(stage, *(f"客{n}" for n in range(20)))
    stage.heard()
    stage.says("客1", "验证")
    assert "私聊我发「验证」" in stage.heard()
    assert "= ?" in asked(stage, "客1", private=True).text


# -- requests to join ----------------------------------------------------------------------------

ASK = SUM + 'requests = "ask"\n'


def question_of(stage: Stage, who: str) -> Reply:
    """Return what somebody who asks to join was asked in private."""
    stage.heard()
    ask_to_join(stage, who)
    (reply,) = stage.replies()
    assert stage.told[-1].chat_id == stage.person(who).id
    return reply


def test_who_answers_before_he_is_let_in_is_verified(stage: Stage) -> None:
    publish(stage, ASK)
    reply = question_of(stage, "小明")
    assert reply.text.startswith("👋 你想加入露营群，先答一道题：")
    assert reply.life_s == 300
    stage.taps("小明", right(reply).command, private=True)
    assert "答对了，这就请你进露营群" in stage.heard()
    assert stage.actions() == [LetIn("welcome", stage.person("小明").id)]
    stage.taps("小明", right(reply).command, private=True)
    assert "已经过去了" in stage.heard()
    come(stage, "小明")
    assert "验证" not in stage.heard()
    assert is_verified(stage, "小明")[0] == "sum"
    stage.says("小明", "签到")
    assert "签到成功" in stage.heard()


def test_who_answers_wrongly_is_left_to_the_administrators(stage: Stage) -> None:
    publish(stage, ASK)
    reply = question_of(stage, "小明")
    for _ in range(2):
        stage.taps("小明", wrong(reply).command, private=True)
        (reply,) = [each for each in stage.replies() if each.text]
        assert "不对哦" in reply.text
    stage.taps("小明", wrong(reply).command, private=True)
    assert "三次都没对，请等管理员来处理" in stage.heard()
    ask_to_join(stage, "小明")
    assert (stage.heard(), stage.actions()) == ("", [])
    stage.advance(minutes=11)
    assert "= ?" in question_of(stage, "小明").text


def test_an_answer_that_comes_too_late_lets_nobody_in(stage: Stage) -> None:
    publish(stage, ASK)
    reply = question_of(stage, "小明")
    stage.advance(minutes=5, seconds=1)
    stage.taps("小明", right(reply).command, private=True)
    assert "这道题过了时间，请等管理员来处理" in stage.heard()
    assert stage.actions() == []
    come(stage, "小明")  # an administrator has let him in
    assert is_verified(stage, "小明")[0] == "open"


def test_asking_twice_brings_one_question(stage: Stage) -> None:
    publish(stage, ASK)
    reply = question_of(stage, "小明")
    ask_to_join(stage, "小明")
    assert stage.heard() == ""
    stage.taps("小明", right(reply).command, private=True)
    assert len(stage.actions()) == 1


def test_a_verified_member_of_another_group_is_let_in(stage: Stage) -> None:
    stage.play(stage.event(stage.person("群主", role="owner"), kind="bot_added", chat=OTHER))
    stage.says("小明", "签到", chat=OTHER)
    publish(stage, ASK)
    stage.heard()
    ask_to_join(stage, "小明")
    assert stage.actions() == [LetIn("welcome", stage.person("小明").id)]
    come(stage, "小明")
    stage.play(stage.event("小明", kind="left"))
    stage.advance(minutes=1)
    assert "= ?" in question_of(stage, "小明").text  # he may have been sent away


def test_a_bots_request_and_one_to_a_group_unknown_are_nobodys(stage: Stage) -> None:
    publish(stage, ASK)
    stage.play(stage.event(stage.person("某机器人", "bot"), kind="join_request", target="9"))
    stage.play(stage.event("小明", kind="join_request", chat=OTHER, target="9"))
    assert (stage.heard(), stage.actions()) == ("", [])
    with reading(stage.engine) as tx:
        assert count(tx, "question") == 0
