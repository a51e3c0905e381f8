"""Versions of the rules: written once, in force by the clock, not worse without notice."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, text

from content.rulebook import RulebookError, shipped_document
from content.rulediff import Change
from storage import programmes, rulebooks
from storage.db import DATABASE_ERRORS, Tx, reading
from storage.programmes import Defaults
from storage.rulebooks import DOCUMENT_MAX, NOTICE, NoticeError
from tests.storage.books import NOW, programme, transaction, undone

SHIPPED = shipped_document()
BETTER = SHIPPED.replace("points = 5\ncategory", "points = 8\ncategory")
BEST = SHIPPED.replace("points = 5\ncategory", "points = 9\ncategory")
WORSE = SHIPPED.replace("points = 5\ncategory", "points = 4\ncategory")
DAY = timedelta(days=1)
MS = timedelta(milliseconds=1)


def _publish(
    tx: Tx,
    camp: int,
    document: str,
    *,
    effective: datetime = NOW,
    now: datetime = NOW,
    force: str = "",
    author: str = "小明",
    note: str = "试试",
) -> int:
    return rulebooks.publish(
        tx,
        camp,
        document,
        author=author,
        note=note,
        effective=effective,
        now=now,
        force=force,
    )


def _points(tx: Tx, camp: int, at: datetime) -> int:
    tx.seen.clear()
    found = programmes.programme(tx, camp, at)
    assert found.rules == rulebooks.in_force(tx, camp, at).rules
    return found.rules.checkin.points


def test_a_version_is_kept_as_it_was_published(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        assert _publish(tx, camp, BETTER, effective=NOW + DAY, note="国庆 加码\n") == 2
    with reading(engine) as tx:
        found = rulebooks.version(tx, camp, 2)
        assert (found.document, found.author, found.note) == (BETTER, "小明", "国庆 加码")
        assert (found.created, found.effective) == (NOW, NOW + DAY)
        assert found.rules.checkin.points == 8
        assert [each.version for each in rulebooks.history(tx, camp)] == [2, 1]
        with pytest.raises(LookupError, match="version 3"):
            rulebooks.version(tx, camp, 3)


def test_rules_come_into_force_by_the_clock(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        _publish(tx, camp, BETTER, effective=NOW + DAY)
        _publish(tx, camp, BEST, effective=NOW + 3 * DAY)
        served = [_points(tx, camp, NOW + at) for at in (0 * DAY, DAY - MS, DAY, 3 * DAY - MS)]
        assert served == [5, 5, 8, 8]
        assert _points(tx, camp, NOW + 3 * DAY) == 9
        assert programmes.programme(tx, camp, NOW).rules_since == NOW + 3 * DAY  # once in a batch


def test_a_newer_version_takes_the_place_of_one_that_is_still_to_come(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        _publish(tx, camp, WORSE, effective=NOW + NOTICE)
        _publish(tx, camp, SHIPPED, effective=NOW)  # thought better of it
        assert _points(tx, camp, NOW + 2 * NOTICE) == 5


def test_a_publication_is_seen_by_the_rest_of_its_batch(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        assert programmes.programme(tx, camp, NOW).rules_version == 1
        _publish(tx, camp, BETTER)
        assert programmes.programme(tx, camp, NOW).rules_version == 2


def test_a_clock_that_goes_back_leaves_nobody_without_rules(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        assert _points(tx, camp, NOW - DAY) == 5
        with pytest.raises(LookupError, match="4711"):
            rulebooks.in_force(tx, 4711, NOW)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("version = 1\n[checkin]\npoints = 0", "document: checkin.points = 0: must be"),
        ("", "the document must have 1 to"),
        ("version = 1 # \0", "none of them NUL"),
        (f"version = 1\n{'#' * DOCUMENT_MAX}", "the document must have 1 to"),
        (SHIPPED, "nothing changes: version 1 says the same"),
        (f"{SHIPPED}\n# a remark", "nothing changes"),
        (SHIPPED.replace('["wecom"]', "[]"), "earn.share.platforms_off: must hold 'wecom'"),
    ],
)
def test_a_document_that_will_not_do_is_refused(engine: Engine, document: str, said: str) -> None:
    with undone(engine) as tx:
        camp = programme(tx)
        with pytest.raises(RulebookError) as refused:
            _publish(tx, camp, document)
        assert said in str(refused.value)
        assert len(rulebooks.history(tx, camp)) == 1


def test_who_publishes_gives_his_name_and_a_reason(engine: Engine) -> None:
    with undone(engine) as tx:
        camp = programme(tx)
        for words in ({"author": " "}, {"note": ""}, {"author": "x" * 201}, {"note": "\0"}):
            with pytest.raises(RulebookError, match=r"a name has 1 to|must have 1 to"):
                _publish(tx, camp, BETTER, **words)
        with pytest.raises(RulebookError, match="in the past"):
            _publish(tx, camp, BETTER, effective=NOW - MS)
        with pytest.raises(LookupError, match="4711"):
            _publish(tx, 4711, BETTER)


def test_worse_terms_wait_a_month(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        for early in (NOW, NOW + DAY, NOW + NOTICE - MS):
            with pytest.raises(NoticeError, match=r"checkin\.points.*2026-04-03 04:00 UTC") as no:
                _publish(tx, camp, WORSE, effective=early)
            assert no.value.earliest == NOW + NOTICE
            assert no.value.worse == ("checkin.points",)
        assert _publish(tx, camp, WORSE, effective=NOW + NOTICE) == 2
        assert rulebooks.version(tx, camp, 2).note == "试试"


def test_worse_is_measured_by_what_would_otherwise_be_in_force_then(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        _publish(tx, camp, BEST, effective=NOW + 5 * DAY)
        with pytest.raises(NoticeError):  # better than now, worse than what was announced
            _publish(tx, camp, BETTER, effective=NOW + 6 * DAY)
        _publish(tx, camp, BETTER, effective=NOW + 4 * DAY)


def test_a_named_reason_does_without_notice_and_is_kept(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        number = _publish(tx, camp, WORSE, force="法务要求")
        note = rulebooks.version(tx, camp, number).note
        assert note == "试试\n[30 days' notice waived for checkin.points: 法务要求]"
        number = _publish(tx, camp, BEST, force="不必")  # nothing is worse: nothing is waived
        assert rulebooks.version(tx, camp, number).note == "试试"


def test_rules_broken_by_hand_can_be_replaced(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        tx.core.execute(
            text(
                f"INSERT INTO rulebook (programme_id, version, document, author, note, created_ms,"
                f" effective_ms) VALUES ({camp}, 2, 'nonsense', 'me', '', 0, 0)"
            )
        )
        assert _publish(tx, camp, SHIPPED) == 3
        assert _points(tx, camp, NOW) == 5


def test_programmes_have_versions_of_their_own(engine: Engine) -> None:
    with transaction(engine) as tx:
        one, two = programme(tx), programme(tx)
        assert (_publish(tx, one, BETTER), _publish(tx, two, BEST)) == (2, 2)
        assert (_points(tx, one, NOW), _points(tx, two, NOW)) == (8, 9)


def test_two_documents_are_compared_in_lines_and_in_keys() -> None:
    found = rulebooks.diff(SHIPPED, WORSE)
    assert found.changes == (Change("checkin.points", 5, 4),)
    assert found.worse == ("checkin.points",)
    assert "-points = 5" in found.lines
    assert "+points = 4" in found.lines


def test_a_version_is_neither_changed_nor_removed(engine: Engine) -> None:
    with transaction(engine) as tx:
        programme(tx)
    back_door = (
        "INSERT OR REPLACE INTO rulebook SELECT * FROM rulebook"
        if engine.dialect.name == "sqlite"
        else "TRUNCATE rulebook"
    )
    for change in (
        "UPDATE rulebook SET document = 'x'",
        "UPDATE rulebook SET effective_ms = 0",
        "UPDATE rulebook SET note = note",
        "DELETE FROM rulebook",
        back_door,
    ):
        with undone(engine) as tx, pytest.raises(DATABASE_ERRORS, match="written once"):
            tx.core.execute(text(change))


def test_serving_the_rules_reads_one_row_by_its_key(engine: Engine) -> None:
    """A programme with years of versions is served as fast as a new one."""
    with transaction(engine) as tx:
        programmes.create(tx, 5, "营", Defaults("UTC", "en"), datetime(2020, 1, 1, tzinfo=UTC))
        rows = [{"v": v, "d": f"version = 1 # {v}"} for v in range(2, 2_000)]
        statement = (
            "INSERT INTO rulebook (programme_id, version, document, author, note, created_ms,"
            " effective_ms) VALUES (5, :v, :d, 'me', '', 0, 0)"
        )
        tx.core.execute(text(statement), rows)
        if engine.dialect.name == "postgresql":
            tx.core.execute(text("ANALYZE rulebook"))
        explain = "EXPLAIN " if engine.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN "
        sql = programmes._PROGRAMME.sqlite
        plan = str(tx.core.execute(text(explain + sql), {"programme": 5, "now": 1}).fetchall())
        assert programmes.programme(tx, 5, NOW).rules_version == 1_999
    assert "TEMP B-TREE" not in plan
    assert "Sort" not in plan
    assert "rulebook" in plan
    assert "Index Scan Backward" in plan or "sqlite_autoindex_rulebook" in plan
