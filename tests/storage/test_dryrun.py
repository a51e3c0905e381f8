"""The dry run: it counts anew what the candidate would pay, and says what it cannot tell."""

from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import Engine, insert, select, text

from content.rulebook import Rulebook, read_rulebook
from storage import ledger, rulebooks
from storage.db import Tx, open_engine, reading
from storage.dryrun import DAYS, DryRun, Line, Moved, dry_run
from storage.movement import Side
from storage.programmes import MAIN
from storage.tables import posting as postings
from tests.stage import NOON, Stage, without_quests
from tests.storage.books import posting, undone

SHIPPED = without_quests()  # what they pay is no part of it
PEOPLE = ("小明", "小红", "老王")
STREAKS = SHIPPED.replace("every = 7, bonus = 0.20", "every = 3, bonus = 0.5")


def _rules(old: str = "", new: str = "") -> Rulebook:
    assert old in SHIPPED
    return read_rulebook(SHIPPED.replace(old, new) if old else SHIPPED, name="test")


def _run(stage: Stage, candidate: Rulebook) -> DryRun:
    with reading(stage.engine) as tx:
        return dry_run(tx, MAIN, candidate, stage.now)


def _publish(stage: Stage, document: str) -> None:
    def work(tx: Tx) -> int:
        return rulebooks.publish(
            tx,
            MAIN,
            document,
            author="老板",
            note="试",
            effective=stage.now,
            now=stage.now,
            force="测试",
        )

    (outcome,) = stage.worker.run([work])
    assert outcome.state == "done", outcome.error


def _pay(
    stage: Stage,
    name: str,
    amount: int,
    *,
    rule: str,
    wallet: str = "points",
    day: int = 0,
    version: int = 1,
) -> None:
    """Post what another part of the house would have."""

    def work(tx: Tx) -> None:
        row = tx.core.execute(
            text("SELECT member_id FROM identity WHERE user_id = :u"), {"u": stage._ids[name]}
        ).fetchone()
        assert row is not None
        at = stage.now - timedelta(days=day)
        number = next(stage._keys)
        made = posting(
            MAIN,
            Side(row[0], "available"),
            amount,
            key=f"{at:%Y-%m-%d}/{rule}/{number}",
            reason=rule,
            at=at,
            day=at.date(),
            wallet=wallet,
        )
        ledger.post(tx, made._replace(rule=rule, rule_version=version))

    (outcome,) = stage.worker.run([work])
    assert outcome.state == "done", outcome.error


def _line(found: DryRun, rule: str) -> tuple[int, int, int]:
    (line,) = (line for line in found.lines if line.rule == rule)
    return line.awards, line.before, line.after


def _month(stage: Stage, seed: int, days: int = DAYS + 12) -> None:
    """Let people check in on most days; the last of them is today."""
    chance = Random(seed)
    for number in range(days):
        for name in PEOPLE:
            if chance.random() < 0.85:
                stage.says(name, "签到")
        if number < days - 1:
            stage.advance(days=1)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "document",
    [
        SHIPPED,
        STREAKS,
        SHIPPED.replace("points = 5\ncategory", "points = 8\ncategory"),
        SHIPPED.replace("behaviour = 1.0", "behaviour = 1.7").replace("bonus = 0.20", "bonus = 1"),
    ],
    ids=["the same", "streaks", "points", "category"],
)
def test_check_ins_are_counted_anew_as_they_would_be_paid(
    tmp_path: Path, sqlite_template: Path, seed: int, document: str
) -> None:
    """The category is not part of what a check-in pays yet, so that one is compared by hand."""
    stages = []
    for name in ("now", "then"):
        path = tmp_path / f"{name}.db"
        path.write_bytes(sqlite_template.read_bytes())
        stages.append(Stage(open_engine(f"sqlite:///{path}")))
    now, then = stages
    candidate = read_rulebook(document, name="test")
    if document != SHIPPED:
        _publish(then, document)
    for stage in stages:
        _month(stage, seed)
    found, real = _run(now, candidate), _run(then, candidate)
    (line,) = found.lines
    (really,) = real.lines
    if "behaviour = 1.7" not in document:
        assert (line.awards, line.after) == (really.awards, really.before)
        assert really.after == really.before
    else:
        assert line.after > line.before
    assert found.after_fen == line.after
    assert (found.last - found.first).days == DAYS - 1
    assert now.now > NOON + timedelta(days=DAYS)
    for stage in stages:
        stage.engine.dispose()


def test_the_members_who_gain_or_lose_the_most_are_named(stage: Stage) -> None:
    for name in PEOPLE:
        stage.says(name, "签到")
    _pay(stage, "小红", 30, rule="ugc")
    _pay(stage, "老王", 10, rule="review")
    found = _run(stage, _rules('points = 20\nlimit = { per = "day", n = 2 }', "points = 10"))
    assert found.lines == (
        Line("checkin", "points", 3, 15, 15),
        Line("review", "points", 1, 10, 10),
        Line("ugc", "points", 1, 30, 15),
    )
    assert (found.members, found.changed) == (3, 1)
    assert [(each.name, each.before_fen, each.after_fen) for each in found.most] == [
        ("小红", 35, 20)
    ]
    assert (found.before_fen, found.after_fen) == (55, 40)


def test_the_cost_is_counted_in_fen_at_the_value_of_each_document(stage: Stage) -> None:
    stage.says("小明", "签到")
    found = _run(stage, _rules("value_fen = 1 # a point", "value_fen = 10 # a point"))
    assert (found.before_fen, found.after_fen) == (5, 50)
    assert found.most == (Moved(found.most[0].member_id, "小明", 5, 50),)


@pytest.mark.parametrize(
    ("rule", "amount", "old", "new", "after"),
    [
        ("review", 10, "points = 10", "points = 15", 15),
        ("review", 12, "points = 10", "points = 15", 18),  # a gold member's: in proportion
        ("ugc", 30, "points = 20", "points = 21", 31),  # 31.5
        ("ugc.campaign", 30, "points = 20", "points = 10", 15),
        ("buy", 250, "per_yuan = 1\n", "per_yuan = 0.5\n", 125),
        ("buy", 251, "per_yuan = 1\n", "per_yuan = 2\n", 502),
        ("share", 7, "social = 1.5", "social = 1.0", 5),
        ("activity", 1, "points = 1\n", "points = 3\n", 3),
        ("activity", 1, "points = 1\n", "points = 0\n", 0),
        ("buy", 100, 'per_yuan = 1\nexclude = ["freight"]', "points = 9", 100),  # cannot be told
        ("gift", 50, "points = 20", "points = 10", 50),  # given by hand
    ],
)
def test_other_awards_are_counted_anew_as_far_as_they_tell(
    stage: Stage, *, rule: str, amount: int, old: str, new: str, after: int
) -> None:
    stage.says("小明", "签到")
    _pay(stage, "小明", amount, rule=rule)
    found = _run(stage, _rules(old, new))
    assert _line(found, rule) == (1, amount, after)
    kept = [note for note in found.notes if "as they were" in note]
    assert bool(kept) == (rule == "gift" or "points = 9" in new)


def test_a_rule_that_goes_pays_nothing(stage: Stage) -> None:
    stage.says("小明", "签到")
    _pay(stage, "小明", 30, rule="ugc")
    ugc = SHIPPED[SHIPPED.index('[[earn]]\nid = "ugc"') : SHIPPED.index("[[level]]\nid")]
    found = _run(stage, _rules(ugc, ""))
    assert _line(found, "ugc") == (1, 30, 0)
    assert not any("no part" in note for note in found.notes)


def test_ceilings_that_get_tighter_are_kept(stage: Stage) -> None:
    stage.says("小明", "签到")
    for day in (0, 0, 0, 1):
        _pay(stage, "小明", 30, rule="ugc", day=day)
    assert _line(_run(stage, _rules('"day", n = 2', '"day", n = 3')), "ugc") == (4, 120, 120)
    assert _line(_run(stage, _rules('"day", n = 2', '"day", n = 1')), "ugc") == (4, 120, 60)
    less = _rules("earn_per_day = 500", "earn_per_day = 40")
    found = _run(stage, less)
    assert sum(line.after for line in found.lines) == 40 + 30
    assert not any("no part" in note for note in found.notes)


def test_every_award_is_counted_by_the_version_that_paid_it(stage: Stage) -> None:
    stage.says("小明", "签到")
    _publish(stage, SHIPPED.replace("points = 5\ncategory", "points = 10\ncategory"))
    stage.advance(days=1)
    stage.says("小明", "签到")
    candidate = _rules("points = 5\ncategory", "points = 7\ncategory")
    assert _line(_run(stage, candidate), "checkin") == (2, 15, 14)


def test_only_the_last_thirty_days_count(stage: Stage) -> None:
    stage.says("小明", "签到")
    stage.advance(days=DAYS - 1)
    assert _line(_run(stage, _rules()), "checkin") == (1, 5, 5)
    stage.advance(days=1)
    assert _run(stage, _rules()).lines == ()


def test_what_cannot_be_replayed_is_said(stage: Stage) -> None:
    stage.says("小明", "签到")
    new = (
        SHIPPED.replace("multiplier = 1.2", "multiplier = 1.3")
        .replace("cooldown_s = 60", "cooldown_s = 90")
        .replace("earn_per_day = 500", "earn_per_day = 600")
        .replace('id = "ugc"', 'id = "best"')
        .replace("points = 5\ncategory", "points = 6\ncategory")
    )
    notes = _run(stage, read_rulebook(new, name="test")).notes
    assert notes[0] == (
        "these changes have no part in the figures: programme.caps.earn_per_day,"
        " activity.cooldown_s, earn.best, level.gold.multiplier"
    )
    assert "is not recorded" in notes[-1]


def test_reversals_are_left_out_and_said(stage: Stage) -> None:
    stage.says("小明", "签到")
    _pay(stage, "小明", 30, rule="ugc")
    with undone(stage.engine) as tx:
        made = tx.core.execute(select(postings).where(postings.c.rule == "ugc")).mappings().one()
        undo = {"id": made["id"] + 1, "key": f"{made['key']}/undo", "reverses": made["id"]}
        tx.core.execute(insert(postings).values({**made, **undo}))
        found = dry_run(tx, MAIN, _rules(), stage.now)
    assert _line(found, "ugc") == (1, 30, 30)
    assert found.notes[0] == "1 reversals of 30 points are left out: awards count as they were made"


def test_many_awards_are_read_page_by_page(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    _month(stage, 7)
    whole = _run(stage, _rules("every = 7", "every = 2"))
    for page in (1, 2, 7):
        monkeypatch.setattr("storage.dryrun.PAGE", page)
        assert _run(stage, _rules("every = 7", "every = 2")) == whole


def test_a_programme_that_does_not_exist_is_an_error(engine: Engine) -> None:
    with reading(engine) as tx, pytest.raises(LookupError, match="4711"):
        dry_run(tx, 4711, _rules(), NOON)
