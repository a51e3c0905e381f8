"""When things go wrong: too fast, a bug in a handler, a unit that poisons its batch."""

import logging

import pytest
from sqlalchemy import Engine

from bot.worker import Asked, Worker
from content.message import Reply
from handlers.context import Context
from handlers.event import Chat
from handlers.router import Router, discover
from storage import ledger
from storage.db import Sql, Tx, reading
from storage.limits import Limiter
from storage.movement import ISSUED, Posting, Side
from tests.stage import Stage

WRONG = Sql("INSERT INTO posting (programme_id) VALUES (:programme)")


def _broken_router() -> Router:
    """Return the real router with features that go wrong, each after it has given points."""
    router = Router()

    def pay(ctx: Context) -> None:
        ledger.post(
            ctx.tx,
            Posting(
                programme_id=ctx.programme.id,
                key=f"bug/{ctx.event.key}",
                source=ISSUED,
                target=Side(ctx.member.id, "available"),
                amount=100,
                reason="bug",
                rule="bug",
                rule_version=1,
                actor="bug",
                at=ctx.event.at,
                day=ctx.today,
            ),
        )

    @router.command("crash", "崩溃")
    def crash(ctx: Context) -> Reply:
        """Raise after paying."""
        pay(ctx)
        raise RuntimeError("a bug")

    @router.command("wrongsql", "坏语句")
    def wrong_sql(ctx: Context) -> Reply:
        """Let the database refuse after paying."""
        pay(ctx)
        ctx.tx.run(WRONG, programme=ctx.programme.id)
        return Reply("never")

    @router.command("nokey", "缺词")
    def no_key(ctx: Context) -> Reply:
        """Say words that do not exist, after paying."""
        pay(ctx)
        return ctx.say("no.such.key")

    @router.command("unsayable", "乱码")
    def unsayable(ctx: Context) -> Reply:
        """Say what cannot be packed, after paying."""
        pay(ctx)
        return Reply("\ud83d")

    whole = discover()
    whole.include(router)
    return whole


@pytest.fixture
def broken(engine: Engine) -> Stage:
    return Stage(engine, router=_broken_router())


def _count(stage: Stage, table: str) -> int:
    with reading(stage.engine) as tx:
        return int(tx.core.exec_driver_sql(f"SELECT COUNT(*) FROM {table}").scalar_one())


def test_too_fast_is_said_once_and_then_silence(engine: Engine) -> None:
    stage = Stage(engine, limiter=Limiter())
    states = [stage.says("小明", "积分")[0].state for _ in range(25)]
    assert states == ["done"] * 20 + ["limited"] + ["silent"] * 4
    heard = stage.heard()
    assert heard.count("小明，慢一点") == 1
    assert heard.endswith("一分钟后再来 ☕")
    assert [outcome.state for outcome in stage.says("小明", "签到")] == ["done"]
    assert stage.balance("小明") == 5, "the one thing that is paid is never missed"
    assert [outcome.state for outcome in stage.says("小明", "签到")] == ["silent"]
    assert [outcome.state for outcome in stage.says("小红", "签到")] == ["done"]


def test_what_is_not_for_the_bot_does_not_count_against_anybody(engine: Engine) -> None:
    stage = Stage(engine, limiter=Limiter())
    for _ in range(50):
        stage.says("小明", "大家好")
    event = stage.event("小明", "积分")
    for _ in range(50):
        stage.play(event)  # one delivery, again and again
    assert [outcome.state for outcome in stage.says("小明", "签到")] == ["done"]


def test_a_delivery_refused_as_too_fast_is_not_done_later(engine: Engine) -> None:
    stage = Stage(engine, limiter=Limiter())
    for _ in range(21):
        stage.says("小明", "积分")
    event = stage.event("小明", "积分")
    assert [outcome.state for _ in range(2) for outcome in stage.play(event)] == [
        "silent",
        "duplicate",
    ]


@pytest.mark.parametrize("words", ["崩溃", "坏语句", "缺词", "乱码"])
def test_a_bug_is_apologised_for_and_leaves_its_neighbours_alone(
    broken: Stage, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = broken.event("小红", "签到")
    bug = broken.event("小明", words, key="tg1:bug-4711")
    after = broken.event("小刚", "签到")
    with caplog.at_level(logging.ERROR):
        outcomes = broken.play(before, bug, after)
    assert [outcome.state for outcome in outcomes] == ["done", "failed", "done"]
    heard = broken.heard()
    assert heard.count("抱歉，刚才出了点问题，积分没有变动") == 1
    assert "编号 bug-4711" in heard
    assert heard.count("签到成功") == 2
    assert "tg1:bug-4711" in caplog.text  # and the log says which event it was
    assert broken.balance("小明") == 0
    assert (broken.balance("小红"), broken.balance("小刚")) == (5, 5)
    assert _count(broken, "posting") == 2
    assert _count(broken, "inbox") == 3  # the receipt is kept
    assert [outcome.state for outcome in broken.play(bug)] == ["duplicate"]
    assert broken.heard() == ""


def test_poison_in_a_batch_of_256_harms_itself_alone(broken: Stage) -> None:
    position = 100
    events = [broken.event(f"p{number:03}", "签到") for number in range(256)]
    events[position] = broken.event(f"p{position:03}", "坏语句")
    states = [outcome.state for outcome in broken.play(*events)]
    assert states == ["failed" if n == position else "done" for n in range(256)]
    heard = broken.heard()
    assert heard.count("签到成功") == 255
    assert heard.count("抱歉") == 1
    assert _count(broken, "posting") == 255


def test_a_group_with_a_hostile_title_harms_itself_alone(stage: Stage) -> None:
    for title in ("半个\ud83d", "a\x00b", "长" * 300):
        chat = Chat(f"-3003{len(title)}", "group", title)
        outcomes = stage.play(
            stage.event("小红", "签到"),
            stage.event("小明", "签到", chat=chat),
            stage.event("小刚", "签到"),
        )
        assert [outcomes[0].state, outcomes[2].state] == ["done", "done"]
        stage.advance(days=1)
    assert (stage.balance("小红"), stage.balance("小刚")) == (15, 15)


def test_a_delivery_that_no_store_takes_harms_itself_alone(stage: Stage) -> None:
    for key in ("k" * 300, "a\x00b", "a\ud83db"):
        events = [
            stage.event("小红", "积分"),
            stage.event("小明", "积分", key=key),
            stage.event("小刚", "积分"),
        ]
        outcomes = stage.play(*events)
        assert [outcomes[0].state, outcomes[2].state] == ["done", "done"]


def test_a_job_that_fails_says_why_and_harms_nobody(stage: Stage) -> None:
    def job(tx: Tx) -> None:
        tx.books.total((1, "points"), "issued", -1_000)
        raise LookupError("no such thing")

    event = stage.event("小明", "签到")
    match = stage.router.match(event)
    assert match is not None
    worker: Worker = stage.worker
    asked, failed, counted = worker.run([Asked(event, match), job, lambda _tx: 42])
    assert (asked.state, failed.state, counted.value) == ("done", "failed", 42)
    assert isinstance(failed.error, LookupError)
    assert stage.balance("小明") == 5


def test_a_refusal_changes_nothing(stage: Stage) -> None:
    stage.says("小明", "签到")
    counts = [_count(stage, table) for table in ("posting", "checkin", "member")]
    for words in ("签到", "/top x", "/ledger x"):
        (outcome,) = stage.says("小明", words)
        assert outcome.state == "refused"
    assert [_count(stage, table) for table in ("posting", "checkin", "member")] == counts


def test_what_is_too_old_is_received_and_not_acted_on(room: Stage) -> None:
    old = room.event("小明", "签到")
    room.advance(days=2, seconds=1)
    assert [outcome.state for outcome in room.play(old, old)] == ["stale", "duplicate"]
    assert room.balance("小明") == 0


def test_a_clock_that_runs_ahead_cannot_check_in_for_tomorrow(room: Stage) -> None:
    today = room.now
    room.advance(days=3)
    ahead, room.now = room.now, today
    room.says("小明", "签到", at=ahead)
    room.heard()
    room.says("小明", "签到")
    assert "今天已经签过啦" in room.heard()


def test_a_batch_that_is_run_again_and_again_asks_the_rate_limit_once(engine: Engine) -> None:
    """A disk that is full for half a minute must not count against those who wait."""
    stage = Stage(engine, limiter=Limiter())
    match = stage.router.match(stage.event("小明", "积分"))
    assert match is not None
    asked = Asked(stage.event("小明", "积分"), match)
    for _ in range(25):
        with engine.connect() as connection, connection.begin() as attempt:
            stage.worker._unit(Tx(connection), asked)
            attempt.rollback()
    (outcome,) = stage.worker.run([asked])
    assert outcome.state == "done"
