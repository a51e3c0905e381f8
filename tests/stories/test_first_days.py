"""A new member's first days pay more, under every ceiling; in the answer, the rules and trials."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine

from content.notice import Notice
from content.rulebook import read_rulebook
from handlers import deeds
from storage import members
from storage.db import Tx, reading
from storage.dryrun import Line, dry_run
from storage.members import Who
from storage.programmes import MAIN
from storage.talk import Talk
from tests.stage import Stage
from tests.stories.test_talk import LINES
from tests.stories.test_welcome import come, publish

WEEK = "[welcome]\ndouble_days = 7\n"
SHOP = """
[[earn]]
id = "buy"
event = "order.completed"
category = "consume"
per_yuan = 1
[[earn]]
id = "review"
event = "order.reviewed"
category = "behaviour"
points = 10
"""


def parts(stage: Stage) -> dict[str, int]:
    """Return what has been issued, by rule."""
    with reading(stage.engine) as tx:
        rows = tx.core.exec_driver_sql(
            "SELECT rule, SUM(amount) FROM posting WHERE from_bucket = 'issued' GROUP BY rule"
        ).fetchall()
    return {rule: int(points) for rule, points in rows}


def test_the_first_week_pays_twice_and_says_so(stage: Stage) -> None:
    publish(stage, WEEK)
    stage.heard()
    for left in (6, 5, 4, 3, 2, 1):
        stage.says("小明", "签到")
        heard = stage.heard()
        assert "+10 积分" in heard
        assert f"头几天积分 ×2，今天之后还有 {left} 天" in heard
        stage.advance(days=1)
    stage.says("小明", "签到")  # with the streak's bonus: 5 × 1.2 × 2
    heard = stage.heard()
    assert "+12 积分" in heard
    assert "今天是最后一天" in heard
    stage.advance(days=1)
    stage.says("小明", "签到")
    heard = stage.heard()
    assert "+5 积分" in heard
    assert "新人福利" not in heard
    assert parts(stage) == {"checkin": 41, "checkin.campaign": 36}
    stage.says("小明", "规则")
    assert "· 新人头 7 天：互动 · 日常积分 ×2" in stage.heard()


def test_a_day_is_the_programmes_and_coming_back_begins_nothing_anew(stage: Stage) -> None:
    publish(stage, "[welcome]\ndouble_days = 1\n")
    stage.now += timedelta(hours=11, minutes=59)  # 23:59 in Shanghai
    come(stage, "小明")
    stage.says("小明", "签到")
    assert "+10 积分" in stage.heard()
    stage.advance(minutes=2)
    stage.play(stage.event("小明", kind="left"))
    come(stage, "小明")
    stage.says("小明", "签到")
    assert "+5 积分" in stage.heard()


def test_members_of_before_get_nothing_more(stage: Stage) -> None:
    stage.says("小明", "积分")
    stage.advance(days=30)
    publish(stage, WEEK)
    stage.says("小明", "签到")
    assert stage.balance("小明") == 5


def test_categories_are_the_rules_to_choose(stage: Stage) -> None:
    publish(stage, WEEK + 'double_categories = ["social"]\n')
    stage.says("小明", "签到")
    heard = stage.heard()
    assert "+5 积分" in heard
    assert "新人福利" not in heard


def test_talk_pays_twice_up_to_the_same_ceiling(engine: Engine) -> None:
    stage = Stage(engine, talk=Talk())
    publish(stage, WEEK + "[programme.caps]\nactivity_per_day = 5\n")
    for line in LINES:
        stage.says("小明", line)
        stage.advance(minutes=2)
    assert stage.balance("小明") == 5
    assert parts(stage) == {"activity": 3, "activity.campaign": 2}


def test_the_days_ceiling_holds(stage: Stage) -> None:
    publish(stage, WEEK + "[programme.caps]\nearn_per_day = 8\nactivity_per_day = 8\n")
    stage.says("小明", "签到")
    assert "+8 积分" in stage.heard()


@pytest.mark.parametrize(
    ("joined", "told", "points"),
    [
        (0, 0, {"review": 10, "review.campaign": 10}),
        (6, 0, {"review": 10, "review.campaign": 10}),
        (7, 0, {"review": 10}),
        (0, 1, {"review": 10}),  # bought before he came
    ],
)
def test_deeds_pay_twice_by_the_day_on_which_they_were_done(
    stage: Stage, joined: int, told: int, points: dict[str, int]
) -> None:
    publish(stage, WEEK + SHOP)

    def work(tx: Tx) -> None:
        who = Who("shop", "C1", "小明")
        members.enrol(tx, MAIN, who, stage.now - timedelta(days=joined))
        notices = [
            Notice.model_validate(
                {
                    "key": f"k{n}",
                    "event": event,
                    "platform": "shop",
                    "user_id": "C1",
                    "order": "O1",
                    "at": stage.now - timedelta(days=told),
                    **more,
                }
            )
            for n, (event, more) in enumerate(
                (("order.completed", {"amount_fen": 10_000}), ("order.reviewed", {}))
            )
        ]
        taken = deeds.take(tx, MAIN, notices, actor="shop", now=stage.now)
        assert [each.replayed for each in taken] == [False, False]

    (outcome,) = stage.worker.run([work])
    assert outcome.error is None, outcome.error
    assert parts(stage) == {"buy": 100, **points}


# -- tried out -----------------------------------------------------------------------------------


def _tried(stage: Stage, document: str) -> dict[str, Line]:
    rules = read_rulebook(f"version = 1\n{document}", name="test")
    with reading(stage.engine) as tx:
        return {line.rule: line for line in dry_run(tx, MAIN, rules, stage.now).lines}


def test_a_dry_run_says_what_the_first_days_would_cost(stage: Stage) -> None:
    for _ in range(10):
        stage.says("小明", "签到")
        stage.advance(days=1)
    lines = _tried(stage, WEEK)
    assert (lines["checkin"].before, lines["checkin"].after) == (51, 51)
    assert (lines["checkin.campaign"].before, lines["checkin.campaign"].after) == (0, 36)
    lines = _tried(stage, "[welcome]\ndouble_days = 2\ndouble = 3.0\n")
    assert lines["checkin.campaign"].after == 20
    lines = _tried(stage, WEEK + "[programme.caps]\nearn_per_day = 8\nactivity_per_day = 8\n")
    assert lines["checkin.campaign"].after == 6 * 3 + 2


def test_a_dry_run_says_what_their_end_would_save(stage: Stage) -> None:
    publish(stage, WEEK)
    for _ in range(10):
        stage.says("小明", "签到")
        stage.advance(days=1)
    now = parts(stage)
    same = _tried(stage, WEEK)
    assert {rule: line.after for rule, line in same.items()} == now
    assert {rule: line.before for rule, line in same.items()} == now
    none = _tried(stage, "")
    assert (none["checkin.campaign"].before, none["checkin.campaign"].after) == (36, 0)
    assert none["checkin"].after == now["checkin"]
    half = _tried(stage, "[welcome]\ndouble_days = 3\n")
    assert half["checkin.campaign"].after == 15
