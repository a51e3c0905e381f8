"""A friend is invited: he comes, stays, does something, and both are paid; or not, and why."""

import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from content.message import MakeLink, Reply
from content.notice import Notice
from handlers import deeds, invites, occasions
from handlers.event import Chat
from handlers.occasions import Occasion
from storage import invite_ladder, invite_reports, ledger, programmes, referrals, reviews
from storage.db import Tx, reading
from storage.members import Who
from storage.programmes import MAIN
from storage.referrals import Referral
from storage.talk import Talk
from tests.stage import Stage
from tests.storage.books import payment
from tests.stories.test_makeup import _buttons, _publish


def code_of(stage: Stage, who: str) -> str:
    """Let somebody ask for his link in private; return what it carries."""
    stage.replies()
    stage.says(who, "邀请", private=True)
    (reply,) = [each for each in stage.replies() if each.buttons]
    found = re.search("\ue000(ref_[a-z0-9]{10})\ue001", reply.text)
    assert found is not None, reply.text
    return found[1]


def answer(stage: Stage) -> Reply:
    """Return the one thing that was said."""
    (reply,) = [each for each in stage.replies() if each.text]
    return reply


def click(stage: Stage, who: str, payload: str, **more: Any) -> str:
    stage.says(who, f"/start {payload}", private=True, **more)
    return stage.heard()


def comes(stage: Stage, who: str, **more: Any) -> None:
    stage.play(stage.event(who, kind="joined", **more))


def goes(stage: Stage, who: str, **more: Any) -> None:
    stage.play(stage.event(who, kind="left", **more))


def row(stage: Stage, who: str) -> Referral | None:
    person = stage.person(who)
    with reading(stage.engine) as tx:
        return referrals.of_identity(tx, MAIN, Who(stage.platform, person.id, who))


def state(stage: Stage, who: str) -> str:
    found = row(stage, who)
    if found is None:
        return "unknown"
    return f"{found.state}({found.reason})" if found.reason else found.state


def breaks_ice(stage: Stage, who: str) -> None:
    """What the quest of the first days tells when it is finished."""

    def tell(tx: Tx) -> None:
        here = programmes.programme(tx, MAIN, stage.now)
        found = referrals.of_identity(tx, MAIN, Who(stage.platform, stage.person(who).id, who))
        assert found is not None
        today = stage.now.astimezone(here.zone).date()
        done = Occasion("quest.icebreak", found.member_id, stage.now, today, "quest/icebreak")
        assert occasions.tell(tx, here, done, stage.now) == []

    (outcome,) = stage.worker.run([tell])
    assert outcome.error is None


def buys(stage: Stage, who: str, order: str = "A1") -> None:
    _tell(stage, who, event="order.completed", order=order, amount_fen=10_000)


def refunds(stage: Stage, who: str, order: str = "A1", **more: Any) -> None:
    _tell(stage, who, event="order.refunded", order=order, **more)


def _tell(stage: Stage, who: str, **said: Any) -> None:
    key = f"{said['event']}-{said['order']}-{stage.now.timestamp()}"
    notice = Notice.model_validate(
        {
            "key": key,
            "at": stage.now.isoformat(),
            "platform": stage.platform,
            "user_id": stage.person(who).id,
            **said,
        }
    )
    job = lambda tx: deeds.take(tx, MAIN, [notice], actor="shop", now=stage.now)  # noqa: E731
    (outcome,) = stage.worker.run([job])
    assert outcome.error is None
    (result,) = outcome.value
    assert isinstance(result, deeds.Receipt), result


def invited(stage: Stage, who: str, payload: str) -> None:
    """Somebody follows a link, comes, checks in, and finishes his first tasks."""
    click(stage, who, payload)
    comes(stage, who)
    stage.says(who, "签到")
    breaks_ice(stage, who)
    stage.replies()


def days(stage: Stage, number: int) -> None:
    """Let days pass, with the clock's work on each."""
    for _ in range(number):
        stage.advance(days=1)
        stage.due()


@pytest.fixture
def camp(stage: Stage) -> Stage:
    stage.says("小明", "签到")
    stage.replies()
    return stage


@pytest.fixture
def yard(room: Stage) -> Stage:
    """The same on one database."""
    room.says("小明", "签到")
    room.replies()
    return room


def test_both_are_paid_when_the_friend_has_stayed_and_done_something(camp: Stage) -> None:
    stage = camp
    payload = code_of(stage, "小明")
    had = stage.balance("小明")
    hello = click(stage, "小红", payload)
    assert "小明 邀请你来" in hello
    assert "你得 75 积分" in hello
    assert state(stage, "小红") == "clicked"
    stage.advance(days=2)
    comes(stage, "小红")
    assert state(stage, "小红") == "pending"
    stage.due()
    assert "你邀请的 小红 进群啦" in stage.whispers("小明")[-1]
    stage.says("小红", "签到")
    breaks_ice(stage, "小红")
    days(stage, 6)
    assert state(stage, "小红") == "pending"
    assert stage.balance("小明") == had
    days(stage, 1)
    assert state(stage, "小红") == "rewarded"
    assert (stage.balance("小明"), stage.balance("小红")) == (had + 150, 5 + 75)
    assert stage.whispers("小明")[-1] == (
        f"🎁 小红 留下来了，邀请奖励 +150 积分，现有 {had + 150}\n"
        "🪜 满 1 位啦，得到：5 元优惠券。群主会交到你手上\n"
        "🪜 再有 2 位，就能得到：惊喜礼盒"
    )
    told = len(stage.told)
    stage.due()
    days(stage, 3)
    assert len(stage.told) == told
    stage.says("小明", "明细 1")
    assert "+150  邀请奖励" in stage.heard()


def test_an_order_proves_a_friend_as_well(camp: Stage) -> None:
    stage = camp
    payload = code_of(stage, "小明")
    click(stage, "小红", payload)
    comes(stage, "小红")
    stage.says("小红", "签到")
    days(stage, 8)
    assert state(stage, "小红") == "pending"  # he has stayed, and done nothing
    buys(stage, "小红")
    stage.due()
    assert state(stage, "小红") == "rewarded"


@pytest.mark.parametrize("what", ["nothing", "early", "refunded"])
def test_what_proves_nobody(yard: Stage, what: str) -> None:
    stage = yard
    click(stage, "小红", code_of(stage, "小明"))
    comes(stage, "小红")
    stage.says("小红", "签到")
    if what == "early":
        stage.now -= timedelta(days=1)
        buys(stage, "小红")
        stage.now += timedelta(days=1)
    elif what == "refunded":
        buys(stage, "小红")
        stage.advance(hours=1)
        refunds(stage, "小红")
    days(stage, 10)
    assert state(stage, "小红") == "pending"
    stage.advance(hours=1)
    buys(stage, "小红", order="A2")  # another one does
    stage.due()
    assert state(stage, "小红") == "rewarded"


def test_the_days_of_the_stay_are_counted_late_as_well(yard: Stage) -> None:
    stage = yard
    invited(stage, "小红", code_of(stage, "小明"))
    stage.advance(days=7, seconds=-1)
    stage.due()
    assert state(stage, "小红") == "pending"
    stage.advance(days=20)
    stage.due()
    assert state(stage, "小红") == "rewarded"


# -- who counts ----------------------------------------------------------------------------------


def test_the_first_touch_stands(camp: Stage) -> None:
    stage = camp
    stage.says("阿杰", "签到")
    first, second = code_of(stage, "小明"), code_of(stage, "阿杰")
    click(stage, "小红", first)
    stage.advance(days=6)
    assert "小明 邀请你来" in click(stage, "小红", second)
    comes(stage, "小红")
    found, ming = row(stage, "小红"), row_of_member(stage, "小明")
    assert found is not None
    assert found.inviter_id == ming


def test_a_click_that_came_to_nothing_makes_room_for_another(camp: Stage) -> None:
    stage = camp
    stage.says("阿杰", "签到")
    first, second = code_of(stage, "小明"), code_of(stage, "阿杰")
    click(stage, "小红", first)
    stage.advance(days=7, seconds=1)
    click(stage, "小红", second)
    comes(stage, "小红")
    found = row(stage, "小红")
    assert found is not None
    assert found.inviter_id == row_of_member(stage, "阿杰")


def test_who_comes_too_late_came_by_nobody(yard: Stage) -> None:
    stage = yard
    click(stage, "小红", code_of(stage, "小明"))
    stage.advance(days=7, seconds=1)
    comes(stage, "小红")
    assert state(stage, "小红") == "clicked"


def row_of_member(stage: Stage, who: str) -> int:
    with reading(stage.engine) as tx:
        found = tx.core.exec_driver_sql(
            f"SELECT member_id FROM identity WHERE user_id = '{stage.person(who).id}'"
        ).one()
    return int(found[0])


def test_ones_own_link_is_for_others(camp: Stage) -> None:
    stage = camp
    payload = code_of(stage, "小明")
    for _ in range(2):
        assert "这是你自己的链接" in click(stage, "小明", payload)
    assert state(stage, "小明") == "rejected(self)"
    stage.says("小明", "邀请", private=True)
    assert "1 位没通过核对" in stage.heard()


def test_who_is_there_or_was_there_is_no_new_friend(camp: Stage) -> None:
    stage = camp
    payload = code_of(stage, "小明")
    stage.says("阿杰", "签到")
    stage.says("小红", "签到")
    stage.replies()
    assert "你已经在群里啦" in click(stage, "阿杰", payload)
    assert state(stage, "阿杰") == "rejected(existing)"
    goes(stage, "小红")
    assert "欢迎回来" in click(stage, "小红", payload)
    assert state(stage, "小红") == "rejected(former)"
    comes(stage, "小红")
    breaks_ice(stage, "小红")
    days(stage, 8)
    assert state(stage, "小红") == "rejected(former)"


def test_a_member_of_another_group_of_the_programme_is_no_new_friend(camp: Stage) -> None:
    stage = camp
    other = Chat("-1002", "group", "二群")
    stage.play(stage.event(stage.person("老板", role="owner"), kind="bot_added", chat=other))
    stage.says("小红", "签到", chat=other)
    stage.replies()
    assert "你已经在群里啦" in click(stage, "小红", code_of(stage, "小明"))


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        ("ref_abcdefghjk", "这个邀请码我不认识"),
        ("ref_", "这个邀请码我不认识"),
        ("ref_" + "a" * 60, "这个邀请码我不认识"),
        ("ref_小红小红小红小红小红", "这个邀请码我不认识"),
        ("src_abcdefghjk", "这个邀请码我不认识"),
        ("ref_ABCDEFGHJK; DROP", "这个邀请码我不认识"),
        ("hello", "你好，我是群营"),
        ("", "你好，我是群营"),
    ],
)
def test_a_wrong_code_binds_nobody(yard: Stage, payload: str, told: str) -> None:
    assert told in click(yard, "小红", payload)
    assert state(yard, "小红") == "unknown"


def test_a_members_code_is_no_entrances(yard: Stage) -> None:
    payload = code_of(yard, "小明")
    assert "不认识" in click(yard, "小红", payload.replace("ref_", "src_"))
    assert state(yard, "小红") == "unknown"


def test_the_code_of_one_who_has_left_invites_nobody(yard: Stage) -> None:
    stage = yard
    payload = code_of(stage, "小明")
    goes(stage, "小明")
    assert "小明 邀请你来" in click(stage, "小红", payload)
    assert state(stage, "小红") == "unknown"
    comes(stage, "小红", via="https://t.me/+x")
    assert state(stage, "小红") == "unknown"


@pytest.mark.parametrize("kind", ["anonymous_admin", "channel", "bot"])
def test_nobody_but_a_person_is_bound(yard: Stage, kind: str) -> None:
    payload = code_of(yard, "小明")
    yard.says(yard.person("小红", kind), f"/start {payload}", private=True)
    assert state(yard, "小红") == "unknown"


def test_a_start_in_a_group_or_handed_on_binds_nobody(yard: Stage) -> None:
    payload = code_of(yard, "小明")
    yard.says("小红", f"/start {payload}")
    assert state(yard, "小红") == "unknown"
    click(yard, "阿杰", payload, secondhand=True)
    assert state(yard, "阿杰") == "unknown"


def test_a_code_is_the_same_each_time(yard: Stage) -> None:
    assert code_of(yard, "小明") == code_of(yard, "小明")


# -- by which link -------------------------------------------------------------------------------


def linked(stage: Stage, who: str, url: str) -> None:
    """Let somebody have a link of his own into the group."""
    code_of(stage, who)
    action = stage.actions()[-1]
    assert isinstance(action, MakeLink)
    bot = stage.person("bot", "bot")
    stage.play(stage.event(bot, url, kind="did", target=action.ref))
    stage.replies()


LINK = "https://t.me/+Ming"


def test_a_link_of_his_own_is_made_once_and_tells_who_invited(camp: Stage) -> None:
    stage = camp
    linked(stage, "小明", LINK)
    assert [type(each) for each in stage.actions()] == [MakeLink]
    stage.says("小明", "邀请", private=True)
    reply = answer(stage)
    assert f"露营群：{LINK}" in reply.text
    assert len(stage.actions()) == 1
    comes(stage, "小红", via=LINK)
    assert state(stage, "小红") == "pending"
    hello = click(stage, "阿杰", code_of(stage, "小明"))
    assert "点这里进群" in hello


def test_the_way_in_is_the_inviters_own_link(yard: Stage) -> None:
    stage = yard
    linked(stage, "小明", LINK)
    payload = code_of(stage, "小明")
    stage.says("小红", f"/start {payload}", private=True)
    reply = answer(stage)
    assert [(b.label, b.url) for line in reply.buttons for b in line] == [("露营群", LINK)]


@pytest.mark.parametrize(
    "via", ["", "https://t.me/+Mi...", "https://t.me/+Min…", "https://t.me/+m"]
)
def test_an_unknown_link_tells_nothing(yard: Stage, via: str) -> None:
    linked(yard, "小明", LINK)
    comes(yard, "小红", via=via)
    assert state(yard, "小红") == "unknown"


def test_a_link_that_is_refused_is_asked_for_again_later(yard: Stage) -> None:
    stage = yard
    code_of(stage, "小明")
    (asked,) = stage.actions()
    bot = stage.person("bot", "bot")
    stage.play(stage.event(bot, kind="did", target=asked.ref, refused="Not enough rights"))
    code_of(stage, "小明")
    assert len(stage.actions()) == 1
    stage.advance(hours=1)
    code_of(stage, "小明")
    assert len(stage.actions()) == 2


def test_who_put_him_in_is_shown_and_never_paid(camp: Stage) -> None:
    stage = camp
    comes(stage, "小红", by=stage.person("小明"))
    assert state(stage, "小红") == "added"
    stage.says("小红", "签到")
    days(stage, 1)
    breaks_ice(stage, "小红")
    days(stage, 10)
    assert state(stage, "小红") == "added"
    stage.replies()
    stage.says("小明", "邀请", private=True)
    assert "你直接拉进群 1 位" in stage.heard()


def test_a_link_told_a_moment_later_counts(yard: Stage) -> None:
    """The service message comes first, and knows no link."""
    stage = yard
    linked(stage, "小明", LINK)
    stage.says("阿杰", "签到")
    comes(stage, "小红", by=stage.person("阿杰"))
    stage.advance(seconds=2)
    comes(stage, "小红", via=LINK)
    assert state(stage, "小红") == "pending"
    stage.advance(minutes=5)
    comes(stage, "阿杰", via=LINK)
    assert state(stage, "阿杰") == "rejected(existing)"


def test_who_asks_to_be_let_in_came_by_that_link(yard: Stage) -> None:
    stage = yard
    linked(stage, "小明", LINK)
    stage.router.events.setdefault("join_request", invites.asked)
    stage.play(stage.event("小红", kind="join_request", via=LINK))
    assert state(stage, "小红") == "clicked"
    stage.advance(hours=3)
    comes(stage, "小红")
    assert state(stage, "小红") == "pending"


def test_a_first_word_is_a_coming_where_nobody_tells_of_it(camp: Stage) -> None:
    stage = camp
    click(stage, "小红", code_of(stage, "小明"))
    stage.says("小红", "签到")
    assert state(stage, "小红") == "pending"


# -- leaving and coming back ---------------------------------------------------------------------


def test_the_clock_of_one_who_left_goes_on_once(camp: Stage) -> None:
    stage = camp
    invited(stage, "小红", code_of(stage, "小明"))
    days(stage, 3)
    goes(stage, "小红")
    assert state(stage, "小红") == "left"
    days(stage, 20)
    comes(stage, "小红")
    assert state(stage, "小红") == "pending"
    days(stage, 3)
    assert state(stage, "小红") == "pending"
    days(stage, 1)
    assert state(stage, "小红") == "rewarded"


def test_who_leaves_twice_is_left(yard: Stage) -> None:
    stage = yard
    invited(stage, "小红", code_of(stage, "小明"))
    for _ in range(2):
        days(stage, 1)
        goes(stage, "小红")
        comes(stage, "小红")
    days(stage, 20)
    assert state(stage, "小红") == "left"
    assert stage.balance("小明") == 5


def test_who_leaves_one_group_of_two_has_not_left(yard: Stage) -> None:
    stage = yard
    other = Chat("-1002", "group", "二群")
    stage.play(stage.event(stage.person("老板", role="owner"), kind="bot_added", chat=other))
    invited(stage, "小红", code_of(stage, "小明"))
    comes(stage, "小红", chat=other)
    goes(stage, "小红")
    assert state(stage, "小红") == "pending"
    goes(stage, "小红", chat=other)
    assert state(stage, "小红") == "left"


def rewarded(stage: Stage, who: str = "小红") -> None:
    invited(stage, who, code_of(stage, "小明"))
    days(stage, 7)
    assert state(stage, who) == "rewarded"
    stage.replies()


def test_the_inviters_reward_goes_back_when_the_friend_leaves_soon(camp: Stage) -> None:
    stage = camp
    rewarded(stage)
    had = stage.balance("小明"), stage.balance("小红")
    days(stage, 29)
    goes(stage, "小红")
    assert state(stage, "小红") == "clawed_back(left)"
    assert (stage.balance("小明"), stage.balance("小红")) == (had[0] - 150, had[1])
    comes(stage, "小红")
    goes(stage, "小红")
    days(stage, 10)
    assert state(stage, "小红") == "clawed_back(left)"
    assert stage.balance("小明") == had[0] - 150
    stage.says("小明", "明细 1")
    assert "-150  邀请奖励收回" in stage.heard()


def test_after_a_month_a_friend_may_leave(yard: Stage) -> None:
    rewarded(yard)
    had = yard.balance("小明")
    yard.advance(days=30, seconds=1)
    goes(yard, "小红")
    assert state(yard, "小红") == "rewarded"
    assert yard.balance("小明") == had


def test_what_is_spent_by_then_is_owed(camp: Stage) -> None:
    stage = camp
    rewarded(stage)
    _spend(stage, "小明", stage.balance("小明"))
    goes(stage, "小红")
    assert stage.balance("小明") == 0
    stage.says("小明", "积分")
    assert "还欠 150 积分" in stage.heard()


def _spend(stage: Stage, who: str, points: int) -> None:

    member = row_of_member(stage, who)

    (outcome,) = stage.worker.run([lambda tx: ledger.post(tx, payment(MAIN, member, points))])
    assert outcome.error is None


def test_a_refund_takes_back_both(camp: Stage) -> None:
    stage = camp
    click(stage, "小红", code_of(stage, "小明"))
    comes(stage, "小红")
    stage.says("小红", "签到")
    buys(stage, "小红")
    days(stage, 7)
    had = stage.balance("小明"), stage.balance("小红")
    assert state(stage, "小红") == "rewarded"
    refunds(stage, "小红", amount_fen=4_000)
    assert state(stage, "小红") == "rewarded"  # a part of it
    stage.advance(hours=1)
    refunds(stage, "小红")
    assert state(stage, "小红") == "clawed_back(refund)"
    assert stage.balance("小明") == had[0] - 150
    assert stage.balance("小红") <= had[1] - 75


# -- how many ------------------------------------------------------------------------------------

PEOPLE = [f"朋友{number}" for number in range(1, 9)]


def test_over_the_days_room_they_wait_in_line(camp: Stage) -> None:
    stage = camp
    _publish(stage, RULES)
    payload = code_of(stage, "小明")
    for who in PEOPLE:
        invited(stage, who, payload)
        stage.advance(minutes=20)  # no burst
    days(stage, 7)
    states = [state(stage, who) for who in PEOPLE]
    assert states == ["rewarded"] * 5 + ["pending_cap"] * 3
    assert stage.balance("小明") == 5 + 5 * 150
    days(stage, 1)
    assert [state(stage, who) for who in PEOPLE] == ["rewarded"] * 8
    stage.says("小明", "邀请", private=True)
    told = stage.heard()
    assert "已奖励 8" in told
    assert "今天还能奖励 2 位，本月 22 位" in told


def test_who_has_waited_for_a_week_is_not_paid_for(yard: Stage) -> None:
    stage = yard
    _publish(stage, RULES.replace("[referral]", "[programme.caps]\ninvite_per_day = 1\n[referral]"))
    payload = code_of(stage, "小明")
    for who in [*PEOPLE, "朋友9"]:
        invited(stage, who, payload)
        stage.advance(minutes=20)
    days(stage, 20)
    states = [state(stage, who) for who in [*PEOPLE, "朋友9"]]
    assert states == ["rewarded"] * 8 + ["rejected(cap)"]


RULES = """
categories = { social = 1.5, behaviour = 1.0, consume = 1.0 }
[referral]
inviter = 100
"""


def test_over_the_months_room_somebody_looks(camp: Stage) -> None:
    stage = camp
    _publish(stage, f"{RULES}per_month = 1\n")
    payload = code_of(stage, "小明")
    for who in PEOPLE[:3]:
        invited(stage, who, payload)
        stage.advance(minutes=20)
    days(stage, 7)
    assert [state(stage, who) for who in PEOPLE[:3]] == [
        "rewarded",
        "review(month)",
        "review(month)",
    ]
    assert stage.balance(PEOPLE[1]) == 80  # nothing is odd about the friend
    _decide(stage, approve=True)
    _decide(stage, approve=False)
    stage.due()
    assert [state(stage, w) for w in PEOPLE[:3]] == ["rewarded", "rewarded", "rejected(risk)"]
    assert stage.balance("小明") == 5 + 2 * 150


def _decide(stage: Stage, *, approve: bool) -> None:

    def decide(tx: Tx) -> None:
        first = reviews.waiting(tx, MAIN)[0]
        assert first.why
        today = stage.now.date()
        if approve:
            reviews.approve(tx, MAIN, first.id, by="老板", now=stage.now, today=today)
        else:
            reviews.refuse(tx, MAIN, first.id, by="老板", now=stage.now)

    (outcome,) = stage.worker.run([decide])
    assert outcome.error is None


def test_many_at_once_are_looked_at_first(yard: Stage) -> None:
    stage = yard
    _publish(stage, f"{RULES}[referral.risk]\nburst = 3\n")
    payload = code_of(stage, "小明")
    for who in PEOPLE[:3]:
        invited(stage, who, payload)
    days(stage, 7)
    assert {state(stage, who) for who in PEOPLE[:3]} == {"review(burst)"}
    assert stage.balance("小明") == 5
    assert stage.balance(PEOPLE[0]) == 5
    goes(stage, PEOPLE[0])
    assert state(stage, PEOPLE[0]) == "clawed_back(left)"


def test_far_too_many_at_once_are_not_paid(yard: Stage) -> None:
    stage = yard
    _publish(stage, f"{RULES}[referral.risk]\nburst = 2\nburst_reject = 3\n")
    payload = code_of(stage, "小明")
    for who in PEOPLE[:3]:
        invited(stage, who, payload)
    days(stage, 7)
    assert {state(stage, who) for who in PEOPLE[:3]} == {"rejected(risk)"}


def test_who_has_never_said_a_word_is_looked_at(yard: Stage) -> None:
    stage = yard
    click(stage, "小红", code_of(stage, "小明"))
    comes(stage, "小红")
    breaks_ice(stage, "小红")
    days(stage, 7)
    assert state(stage, "小红") == "review(silent)"


def test_over_the_budget_it_waits(yard: Stage) -> None:
    stage = yard
    _publish(stage, f"{RULES}[programme.budget]\nissue_per_day = 100\n")
    invited(stage, "小红", code_of(stage, "小明"))
    days(stage, 7)
    assert state(stage, "小红") == "review(budget)"

    with reading(stage.engine) as tx:
        (waits,) = reviews.waiting(tx, MAIN)
    assert waits.amount == 150


# -- the ladder ----------------------------------------------------------------------------------


def rungs(stage: Stage) -> list[tuple[int, str, int]]:
    with reading(stage.engine) as tx:
        found = invite_ladder.of(tx, MAIN, row_of_member(stage, "小明"))
    return [(each.n, each.state, each.below) for each in found]


def owner(stage: Stage) -> Any:
    return stage.person("老板", role="owner")


def test_a_rung_is_handed_over_by_an_owner_once(camp: Stage) -> None:
    stage = camp
    rewarded(stage)
    assert rungs(stage) == [(1, "open", 0)]
    stage.says(owner(stage), "邀请 待发", private=True)
    reply = answer(stage)
    assert "小明（满 1 位）：5 元优惠券" in reply.text
    (command,) = _buttons(reply)
    stage.taps("小红", command)
    assert "由负责人来办" in stage.heard()
    stage.taps(owner(stage), command)
    assert "没有待发的邀请礼" in stage.heard()
    assert rungs(stage) == [(1, "fulfilled", 0)]
    assert "「5 元优惠券」已经发出" in stage.whispers("小明")[-1]
    stage.taps(owner(stage), command)
    assert "已经处理过了" in stage.heard()


@pytest.mark.parametrize("command", ["invite done", "invite done 1 x", "invite done 9 9 9",
                                     f"invite done {2**70} 1", "invite done -1 1"])  # fmt: skip
def test_a_made_up_button_hands_nothing_over(yard: Stage, command: str) -> None:
    rewarded(yard)
    yard.taps(owner(yard), command)
    assert "已经处理过了" in yard.heard()
    assert rungs(yard) == [(1, "open", 0)]


def test_a_rung_goes_back_with_the_friend_and_comes_again(camp: Stage) -> None:
    stage = camp
    rewarded(stage)
    goes(stage, "小红")
    assert rungs(stage) == [(1, "reversed", 0)]
    stage.says(owner(stage), "邀请 待发", private=True)
    assert "没有待发" in stage.heard()
    rewarded(stage, "阿杰")
    assert rungs(stage) == [(1, "open", 0)]


def test_what_has_been_handed_over_stays_his_and_is_noted(yard: Stage) -> None:
    stage = yard
    rewarded(stage)
    stage.says(owner(stage), "邀请 待发", private=True)
    stage.taps(owner(stage), _buttons(stage.replies()[0])[0])
    goes(stage, "小红")
    assert rungs(stage) == [(1, "fulfilled", 1)]
    rewarded(stage, "阿杰")
    assert rungs(stage) == [(1, "fulfilled", 0)]


def test_points_of_a_rung_are_paid_at_once_and_go_back(camp: Stage) -> None:
    stage = camp
    _publish(stage, f'{RULES}ladder = [{{ n = 1, reward = "points:40" }}]\n')
    rewarded(stage)
    assert stage.balance("小明") == 5 + 150 + 40
    assert "满 1 位啦，另加 40 积分" in stage.whispers("小明")[-1]
    goes(stage, "小红")
    assert stage.balance("小明") == 5
    assert rungs(stage) == [(1, "reversed", 0)]
    rewarded(stage, "阿杰")
    assert stage.balance("小明") == 5 + 150 + 40


def test_a_badge_of_a_rung_and_of_the_rules_is_worn_and_stays(camp: Stage) -> None:
    stage = camp
    rung = '[{ n = 1, reward = "badge-friend", name = "引路人" }]'
    badge = 'id = "host"\nname = "东道主"\nemoji = "🍵"\nwhen = { what = "invite", n = 1 }'
    _publish(stage, f"{RULES}ladder = {rung}\n[[badge]]\n{badge}\n")
    rewarded(stage)
    goes(stage, "小红")  # what was paid goes back, what was worn does not
    stage.heard()
    stage.says("小明", "徽章")
    told = stage.heard()
    assert "🎪 引路人 · " in told
    assert "🍵 东道主 · " in told


def test_the_board_of_invitations_shows_whose_friends_stay(camp: Stage) -> None:
    stage = camp
    rewarded(stage)
    rewarded(stage, "阿杰")
    stage.heard()
    stage.says("小明", "邀请榜")
    assert "🥇 小明 · 1 位" in stage.heard()  # the other one has stayed since last week
    for words in ("邀请榜 月", "排行 月 邀请", "/top all invite", "排行总邀请"):
        stage.says("小明", words)
        told = stage.heard()
        assert "🥇 小明 · 2 位" in told, words
        assert "👉 小明：第 1 名（共 1 人），2 位" in told
    stage.says("阿杰", "邀请榜")
    assert "👉 阿杰：不在这张榜上" in stage.heard()
    goes(stage, "小红")
    stage.heard()
    stage.says("小明", "邀请榜 月")
    (reply,) = stage.replies()
    assert "🥇 小明 · 1 位" in reply.text
    assert reply.text.startswith("🎪 本月邀请榜")
    stage.says("小明", "隐身")
    stage.says("阿杰", "邀请榜")
    assert "🥇" not in stage.heard()


# -- campaigns, entrances, words -----------------------------------------------------------------

CAMPAIGN = f"""{RULES}
[[referral.campaign]]
id = "autumn"
name = "开学季"
from = 2026-03-01
until = 2026-03-04
inviter = 200
invitee = 100
text = "好友同乐"
"""


def test_a_campaign_promises_by_the_day_of_the_click(camp: Stage) -> None:
    stage = camp
    _publish(stage, CAMPAIGN)
    payload = code_of(stage, "小明")
    stage.says("小明", "邀请", private=True)
    assert "🎈 开学季（到 03-04）好友同乐" in stage.heard()
    click(stage, "小红", payload)
    stage.advance(days=1)
    click(stage, "阿杰", payload)
    for who in ("小红", "阿杰"):
        comes(stage, who)
        stage.says(who, "签到")
        breaks_ice(stage, who)
    days(stage, 7)
    assert (stage.balance("小红"), stage.balance("阿杰")) == (5 + 150, 5 + 75)
    assert stage.balance("小明") == 5 + 300 + 150


def test_an_entrance_counts_who_comes_by_it(camp: Stage) -> None:
    stage = camp
    stage.replies()
    stage.says(owner(stage), "入口 湖边 门店", private=True)
    reply = answer(stage)
    found = re.search("\ue000(src_[a-z0-9]{10})\ue001", reply.text)
    assert found is not None
    assert reply.picture is not None
    assert "欢迎" in click(stage, "小红", found[1])
    click(stage, "阿杰", found[1])
    comes(stage, "小红")
    stage.says("路人", "签到")
    breaks_ice(stage, "小红")
    assert state(stage, "小红") == "activated"
    days(stage, 9)
    stage.replies()
    stage.says(owner(stage), "入口", private=True)
    told = stage.heard()
    assert "· 湖边 门店：2 / 1 / 1" in told
    assert "来路不明 2" in told
    assert stage.balance("小红") == 0
    stage.says("小红", "入口 我的", private=True)
    assert "入口码由负责人来做" in stage.heard()


def test_talk_about_ways_in_is_not_answered(yard: Stage) -> None:
    for words in ("入口 在哪里", "邀请 大家来玩", "入口在哪里", "邀请朋友一起来"):
        yard.says("小明", words)
        assert yard.heard() == "", words


def test_in_a_group_it_is_brief(camp: Stage) -> None:
    stage = camp
    stage.says("小明", "邀请")
    reply = answer(stage)
    assert reply.private
    assert reply.text.count("\n") == 0
    (button,) = reply.buttons[0]
    assert button.url == "\ue000invite\ue001"
    stage.says("小明", "/start invite", private=True)
    assert "把它发给朋友" in stage.heard()


def test_strangers_have_no_link(yard: Stage) -> None:
    yard.says("路人", "邀请", private=True)
    assert "先加入一个有我的群" in yard.heard()


def test_more_than_three_messages_a_day_are_one_the_next_morning(camp: Stage) -> None:
    stage = camp
    payload = code_of(stage, "小明")
    for who in PEOPLE:
        click(stage, who, payload)
        comes(stage, who)
        stage.advance(minutes=10)
        stage.due()
    told = [each for each in stage.whispers("小明") if "进群啦" in each]
    assert len(told) == 3
    stage.advance(hours=20)
    stage.due()
    told = [each for each in stage.whispers("小明") if "进群啦" in each]
    (bundled,) = told[3:]
    assert bundled.startswith("🎉 你邀请的 5 位朋友进群啦：朋友4 · 朋友5 · 朋友6 等。待满 7 天")


def test_who_has_no_private_chat_is_not_written_to(yard: Stage) -> None:
    stage = yard
    stage.says("小明", "邀请")
    stage.replies()
    with reading(stage.engine) as tx:
        (code,) = tx.core.exec_driver_sql("SELECT code FROM invite_code").one()
    invited(stage, "小红", f"ref_{code}")
    days(stage, 8)
    assert state(stage, "小红") == "rewarded"
    assert stage.whispers("小明") == []


def test_the_board_counts_what_stands(camp: Stage) -> None:
    stage = camp
    rewarded(stage)
    first = stage.now.date()
    rewarded(stage, "阿杰")
    with reading(stage.engine) as tx:
        ming = row_of_member(stage, "小明")
        assert invite_reports.board(tx, MAIN, first, stage.now.date()) == [(ming, 2)]
        assert invite_reports.board(tx, MAIN, first, first) == [(ming, 1)]
    goes(stage, "小红")
    with reading(stage.engine) as tx:
        assert invite_reports.board(tx, MAIN, first, stage.now.date()) == [(ming, 1)]


def test_a_circle_is_not_paid(yard: Stage) -> None:
    """It can come about alone when two accounts turn out to be one person's."""
    stage = yard
    invited(stage, "小红", code_of(stage, "小明"))
    click(stage, "阿杰", code_of(stage, "小红"))
    comes(stage, "阿杰")
    ming, hong = row_of_member(stage, "小明"), row_of_member(stage, "小红")

    def merge(tx: Tx) -> None:
        tx.core.exec_driver_sql(f"UPDATE referral SET member_id = {ming} WHERE inviter_id = {hong}")

    stage.worker.run([merge])
    days(stage, 7)
    assert state(stage, "小红") == "rejected(cycle)"


def test_two_accounts_of_one_person_are_not_paid(yard: Stage) -> None:
    stage = yard
    invited(stage, "小红", code_of(stage, "小明"))
    ming = row_of_member(stage, "小明")
    stage.worker.run(
        [lambda tx: tx.core.exec_driver_sql(f"UPDATE referral SET member_id = {ming}")]
    )
    days(stage, 7)
    assert state(stage, "小红") == "rejected(self)"


def test_the_rules_tell_of_it(yard: Stage) -> None:
    yard.says("小明", "规则")
    told = yard.heard()
    assert "你得 150 积分，TA 75" in told
    assert "邀请每天奖励 5 位、每月 30 位" in told
    assert "朋友 30 天内离开" in told
    assert "邀请阶梯：满 1 位 5 元优惠券 · 满 3 位 惊喜礼盒 · 满 10 位 人气徽章" in told


# -- with quests ---------------------------------------------------------------------------------

QUESTS = """version = 1
[[quest]]
id = "icebreak"
name = "3日破冰"
within_days = 3
steps = ["introduce", "checkin", "first_interaction"]
points = 100
[[quest]]
id = "bring"
name = "带一位朋友"
once = true
steps = ["invite.rewarded"]
points = 20
"""


def test_a_quest_that_is_finished_proves_a_friend_and_another_counts_him(engine: Engine) -> None:
    stage = Stage(engine, document=QUESTS, talk=Talk())
    stage.says("小明", "签到")
    click(stage, "小红", code_of(stage, "小明"))
    comes(stage, "小红")
    for words in ("签到", "大家好，我是小红，住在杭州喜欢露营"):
        stage.says("小红", words)
    assert _activation(stage) == ""
    stage.says("小明", "欢迎小红呀，常来玩", answers=stage.person("小红"))
    assert _activation(stage) == "quest.icebreak"
    had = stage.balance("小明")
    days(stage, 7)
    assert state(stage, "小红") == "rewarded"
    assert stage.balance("小明") == had + 150 + 20
    assert "带一位朋友" in "".join(stage.whispers("小明"))


def _activation(stage: Stage) -> str:
    found = row(stage, "小红")
    assert found is not None
    return found.activation


def test_a_quest_that_is_not_asked_for_proves_nobody(engine: Engine) -> None:
    orders = '[referral]\nactivate_by = ["order.completed"]\n'
    stage = Stage(engine, document=f"{QUESTS}{orders}", talk=Talk())
    stage.says("小明", "签到")
    invited(stage, "小红", code_of(stage, "小明"))
    assert _activation(stage) == ""
