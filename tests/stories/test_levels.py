"""Levels, the budget and debts, as members meet them."""

from content.rulebook import shipped_document
from storage import ledger, reviews, rulebooks
from storage.db import Tx
from storage.movement import PROGRAMME, Posting, Side
from storage.programmes import MAIN
from tests.stage import Stage


def _publish(stage: Stage, *changes: tuple[str, str]) -> None:
    document = shipped_document()
    for old, new in changes:
        assert old in document
        document = document.replace(old, new)

    def job(tx: Tx) -> int:
        return rulebooks.publish(
            tx,
            MAIN,
            document,
            author="t",
            note="t",
            effective=stage.now,
            now=stage.now,
            force="test",
        )

    (outcome,) = stage.worker.run([job])
    assert outcome.error is None


SOON = ("min = 500", "min = 10")


def test_a_rise_is_told_with_the_check_in_that_brings_it(stage: Stage) -> None:
    _publish(stage, SOON)
    stage.says("小明", "签到")
    assert "升到" not in stage.heard()
    stage.advance(days=1)
    stage.says("小明", "签到")
    assert "升到 白银" in stage.heard().splitlines()[-1]
    stage.advance(days=1)
    stage.says("小明", "签到")
    assert "升到" not in stage.heard()


def test_points_tell_the_level_and_what_is_missing(stage: Stage) -> None:
    _publish(stage, SOON)
    stage.says("小明", "签到")
    stage.says("小明", "积分")
    assert "🎖 等级：普通，再得 5 积分升白银" in stage.heard()
    stage.advance(days=1)
    stage.says("小明", "签到")
    stage.says("小明", "积分")
    assert "🎖 等级：白银，再得 2990 积分升黄金" in stage.heard()


def test_over_the_budget_a_check_in_counts_and_its_points_wait(stage: Stage) -> None:
    _publish(stage, ("issue_per_day = 50_000", "issue_per_day = 5"))
    stage.says("小明", "签到")
    stage.says("小红", "签到")
    told = stage.heard()
    assert "管理员确认后到账" in told
    assert "连签 1 天" in told
    assert stage.balance("小红") == 0

    def approve(tx: Tx) -> int:
        (waiting,) = reviews.waiting(tx, MAIN)
        today = stage.now.date()
        return reviews.approve(tx, MAIN, waiting.id, by="w", now=stage.now, today=today).amount

    (outcome,) = stage.worker.run([approve])
    assert outcome.value == 5
    assert stage.balance("小红") == 5
    stage.says("小红", "签到")
    assert "今天已经签过" in stage.heard()
    assert stage.balance("小红") == 5


def test_who_owes_sees_it(stage: Stage) -> None:
    stage.says("小明", "签到")

    def claw(tx: Tx) -> None:
        (owner,) = tx.core.exec_driver_sql("SELECT owner_id FROM account WHERE owner_id <> 0").one()
        for bucket, amount in (("available", 5), ("debt", 7)):
            gone = Posting(
                programme_id=MAIN,
                key=f"2026-03-04/claw-{bucket}",
                source=Side(owner, bucket),
                target=Side(PROGRAMME, "clawed_back"),
                amount=amount,
                reason="t",
                rule="t",
                rule_version=1,
                actor="t",
                at=stage.now,
                day=stage.now.date(),
            )
            ledger.post(tx, gone)

    (outcome,) = stage.worker.run([claw])
    assert outcome.error is None
    stage.says("小明", "积分")
    assert "还欠 7 积分" in stage.heard()
