"""One open transaction: what a unit of work undoes, what a batch writes at its end."""

import logging
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from sqlalchemy import Engine, text

from storage import outbox, programmes
from storage.db import DATABASE_ERRORS, Sql, Tx, from_ms, reading, to_day, to_ms
from storage.ids import new_id
from tests.storage.books import (
    DEFAULTS,
    NOW,
    buckets,
    count,
    give,
    member,
    programme,
    transaction,
)


class BrokenError(Exception):
    pass


def _put(tx: Tx, text_: str) -> None:
    outbox.put(
        tx,
        programme_id=1,
        platform="telegram",
        chat_id="-1",
        thread=None,
        kind="say",
        target=None,
        person="",
        payload=text_,
        created_ms=1,
        expires_ms=2,
    )


def _fail(tx: Tx, camp: int, ming: int) -> None:
    give(tx, camp, ming, 1_000)
    _put(tx, "never")
    programme(tx)
    raise BrokenError


def test_a_unit_that_raises_leaves_nothing_and_its_neighbours_stay(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        with tx.savepoint():
            give(tx, camp, ming, 5)
            _put(tx, "before")
        for _ in range(3):
            with pytest.raises(BrokenError), tx.savepoint():
                _fail(tx, camp, ming)
        with tx.savepoint():
            give(tx, camp, ming, 2)
            _put(tx, "after")
    with reading(engine) as tx:
        assert [row.payload for row in outbox.waiting(tx)] == ["before", "after"]
        assert buckets(tx, camp, ming) == {"available": 7}
        assert buckets(tx, camp) == {"issued": -7}
        assert (count(tx, "posting"), count(tx, "programme")) == (2, 1)


def test_a_unit_within_a_unit_is_undone_alone(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        with tx.savepoint():
            give(tx, camp, ming, 5)
            with pytest.raises(BrokenError), tx.savepoint():
                _fail(tx, camp, ming)
            _put(tx, "said")
        with pytest.raises(BrokenError), tx.savepoint():  # noqa: PT012 - the unit is the block
            with tx.savepoint():
                give(tx, camp, ming, 100)
                _put(tx, "unsaid")
            raise BrokenError
    with reading(engine) as tx:
        assert buckets(tx, camp, ming) == {"available": 5}
        assert buckets(tx, camp) == {"issued": -5}
        assert [row.payload for row in outbox.waiting(tx)] == ["said"]


def test_a_unit_that_the_database_refuses_is_undone_alone(engine: Engine) -> None:
    wrong = Sql("INSERT INTO posting (programme_id) VALUES (:programme)")
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        with pytest.raises(DATABASE_ERRORS), tx.savepoint():  # noqa: PT012 - the unit is the block
            give(tx, camp, ming, 5)
            tx.run(wrong, programme=camp)
        give(tx, camp, ming, 3)
    with reading(engine) as tx:
        assert buckets(tx, camp, ming) == {"available": 3}


def test_what_was_read_of_an_undone_row_is_forgotten(engine: Engine) -> None:
    with transaction(engine) as tx:
        with pytest.raises(BrokenError), tx.savepoint():  # noqa: PT012 - the unit is the block
            programmes.create(tx, 77, "营", DEFAULTS, NOW)
            assert programmes.programme(tx, 77, NOW).id == 77
            raise BrokenError
        with pytest.raises(LookupError):
            programmes.programme(tx, 77, NOW)


def test_a_batch_that_breaks_leaves_nothing(engine: Engine) -> None:
    with pytest.raises(BrokenError), transaction(engine) as tx:  # noqa: PT012 - the unit is the block
        camp = programme(tx)
        give(tx, camp, member(tx, camp), 5)
        _put(tx, "never")
        raise BrokenError
    with reading(engine) as tx:
        for table in ("programme", "member", "account", "posting", "outbox"):
            assert count(tx, table) == 0


def test_a_programmes_own_buckets_are_written_once_a_batch(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp, other = programme(tx), programme(tx)
        ming, hong = member(tx, camp), member(tx, other)
        for _ in range(20):
            give(tx, camp, ming, 5)
            give(tx, other, hong, 1)
        assert tx.books.totals == {
            (camp, "points"): {"issued": -100},
            (other, "points"): {"issued": -20},
        }
        assert count(tx, "posting") == 0  # not yet
    with reading(engine) as tx:
        assert buckets(tx, camp) == {"issued": -100}


def test_a_reader_sees_one_moment_and_writes_nothing(engine: Engine) -> None:
    with transaction(engine) as tx:
        programme(tx)
    with reading(engine) as reader:
        assert count(reader, "programme") == 1
        if engine.dialect.name == "sqlite":  # a writer is not kept waiting
            with transaction(engine) as tx:
                programme(tx)
            assert count(reader, "programme") == 1
        else:
            with pytest.raises(DATABASE_ERRORS, match="read-only"):
                reader.core.execute(text("DELETE FROM rulebook"))


@pytest.mark.parametrize(
    "moment",
    [
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(2026, 3, 4, 23, 59, 59, 999_000, tzinfo=UTC),
        datetime(2026, 3, 4, 12, tzinfo=timezone(timedelta(hours=8))),
        datetime(9999, 12, 31, tzinfo=UTC),
    ],
)
def test_an_instant_comes_back_to_the_millisecond(moment: datetime) -> None:
    assert from_ms(to_ms(moment)) == moment
    assert from_ms(to_ms(moment)).tzinfo is UTC


@pytest.mark.parametrize("ms", [0, 1, 999, 1_772_600_000_123, 1_772_600_000_001, 2**41 + 1])
def test_a_millisecond_comes_back_as_itself(ms: int) -> None:
    assert to_ms(from_ms(ms)) == ms


def test_an_instant_without_a_zone_is_none() -> None:
    with pytest.raises(ValueError, match="no instant"):
        to_ms(datetime(2026, 3, 4))


def test_a_day_is_a_date_from_either_database() -> None:
    day = date(2026, 3, 4)
    assert (to_day("2026-03-04"), to_day(day), to_day(None)) == (day, day, None)


def test_row_numbers_grow_and_fit_and_never_meet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    ids = [new_id() for _ in range(30_000)]  # several times the counter of a millisecond
    assert ids == sorted(set(ids))
    assert 0 < ids[0] < ids[-1] < 2**63
