"""The way to PostgreSQL that the hot statements take: many in one journey."""

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import date
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import InternalError

from storage.db import Sql, Tx, open_engine, reading
from storage.sql import Insert, Wired
from storage.wire import PREPARE_AFTER, Answer, Wire

pytestmark = pytest.mark.postgres

SHOW = Sql("SELECT :value::text")
NAMES = Sql("SELECT name FROM programme WHERE id >= :least ORDER BY id")
ADD = Sql(
    "INSERT INTO programme (id, name, zone, locale, rules_version, created_ms)"
    " VALUES (:id, :name, 'UTC', 'zh', 1, 0) ON CONFLICT DO NOTHING"
)
ADD_MANY = Insert("programme", ("id", "name", "zone", "locale", "rules_version", "created_ms"))
WRONG = Sql("INSERT INTO programme (id) VALUES (:id)")


@pytest.fixture
def wire(postgres_url: str) -> Iterator[Wire]:
    plain = make_url(postgres_url).set(drivername="postgresql")
    with psycopg.connect(plain.render_as_string(hide_password=False), autocommit=True) as driver:
        yield Wire(driver)


@pytest.fixture
def engine(postgres_url: str) -> Iterator[Engine]:
    engine = open_engine(postgres_url)
    yield engine
    engine.dispose()


def _ask(wire: Wire, *statements: tuple[Wired, Sequence[Any]]) -> list[Answer]:
    return wire.execute([wire.call(*statement) for statement in statements])


def _names(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return [name for (name,) in connection.execute(text("SELECT name FROM programme"))]


def _shown(wire: Wire, value: object, sql: str) -> Any:
    return _ask(wire, (Sql(sql), [value]))[0].fetchone()[0]


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        (0, "bigint"),
        (-(2**63), "bigint"),
        ("", "text"),
        ("签到 🎉 \\ ' \" \u200f", "text"),
        (None, "text"),
        (None, "bigint"),
        (True, "boolean"),
        (False, "boolean"),
        (date(1, 1, 1), "date"),
        (date(9999, 12, 31), "date"),
        (Decimal("1.50"), "numeric"),
        (1.5, "float8"),
        ([3, 1], "bigint[]"),
        (["a,b", 'c"', ""], "text[]"),
        ([], "bigint[]"),
    ],
)
def test_a_value_comes_back_as_it_went(wire: Wire, value: object, type_: str) -> None:
    assert _shown(wire, value, f"SELECT :value::{type_}") == value


def test_a_text_that_postgresql_cannot_hold_is_refused_before_anything_is_sent(wire: Wire) -> None:
    with pytest.raises(ValueError, match="NUL"):
        _ask(wire, (ADD, [7, "a"]), (SHOW, ["a\0b"]))
    with pytest.raises(UnicodeEncodeError):
        _ask(wire, (ADD, [7, "a"]), (SHOW, ["\ud800"]))
    assert _ask(wire, (NAMES, [0]))[0].fetchall() == []


def test_a_number_too_large_is_the_servers_error(wire: Wire) -> None:
    with pytest.raises(psycopg.errors.NumericValueOutOfRange):
        _ask(wire, (NAMES, [2**63]))
    assert wire.idle


def test_answers_come_in_order_each_with_its_own_rows(wire: Wire) -> None:
    answers = _ask(
        wire, (ADD, [1, "甲"]), (ADD, [2, "乙"]), (ADD, [1, "丙"]), (NAMES, [0]), (NAMES, [2])
    )
    assert [answer.rowcount for answer in answers] == [1, 1, 0, 2, 1]
    assert [answer.columns for answer in answers] == [0, 0, 0, 1, 1]
    assert answers[0].tag == "INSERT 0 1"
    assert answers[3].fetchone() == ("甲",)
    assert list(answers[3]) == [("乙",)]
    assert answers[3].fetchone() is None
    assert answers[4].fetchall() == [("乙",)]
    assert answers[4].fetchall() == []


def test_what_follows_an_error_is_not_done(wire: Wire) -> None:
    for _ in range(PREPARE_AFTER + 2):  # as a text, and as prepared
        with pytest.raises(psycopg.errors.NotNullViolation) as caught:
            _ask(wire, (WRONG, [5]), (ADD, [6, "never"]))
        assert caught.value.diag.column_name == "name"
        assert wire.idle
    assert _ask(wire, (NAMES, [0]))[0].fetchall() == []


def test_the_same_text_with_values_of_other_types_is_another_statement(wire: Wire) -> None:
    sql = Sql("SELECT pg_typeof(:value)::text")
    found = [
        _ask(wire, (sql, [value]))[0].fetchone()[0]
        for _ in range(PREPARE_AFTER + 2)
        for value in (1, True, date(2026, 1, 1))
    ]
    assert found == ["bigint", "boolean", "date"] * (PREPARE_AFTER + 2)


def test_a_statement_that_somebody_has_deallocated_is_prepared_again(wire: Wire) -> None:
    for _ in range(PREPARE_AFTER + 2):
        _ask(wire, (NAMES, [0]))
    _ask(wire, (Sql("DEALLOCATE ALL"), []))
    with pytest.raises(psycopg.errors.InvalidSqlStatementName):
        _ask(wire, (NAMES, [0]))
    for _ in range(PREPARE_AFTER + 2):
        assert _ask(wire, (NAMES, [0]))[0].fetchall() == []


def test_more_than_the_network_holds_goes_both_ways(wire: Wire) -> None:
    large = "签" * 2_000_000
    answers = _ask(wire, *[(SHOW, [large]) for _ in range(8)])
    assert [answer.fetchone()[0] == large for answer in answers] == [True] * 8


def test_a_connection_that_is_cut_is_told_and_stays_closed(
    wire: Wire, postgres_admin: Engine
) -> None:
    (pid,) = _ask(wire, (Sql("SELECT pg_backend_pid()"), []))[0].fetchone()
    with postgres_admin.connect() as admin:
        cut = threading.Timer(
            0.3, lambda: admin.execute(text(f"SELECT pg_terminate_backend({pid})"))
        )
        cut.start()
        with pytest.raises(psycopg.OperationalError):
            _ask(wire, (Sql("SELECT pg_sleep(20)"), []), (ADD, [1, "never"]))
        cut.join()
    with pytest.raises(psycopg.OperationalError):
        _ask(wire, (NAMES, [0]))


def test_who_waits_for_an_answer_lets_others_work(wire: Wire) -> None:
    waiting = threading.Thread(
        target=_ask, args=(wire, (Sql("SELECT pg_sleep(0.5)"), [])), daemon=True
    )
    waiting.start()
    turns, end = 0, time.monotonic() + 0.3
    while time.monotonic() < end:
        turns += 1
    assert waiting.is_alive()
    waiting.join()
    assert turns > 1_000


# -- through a transaction -------------------------------------------------------------------------


def test_what_is_sent_is_there_for_the_next_statement(engine: Engine) -> None:
    with engine.connect() as connection, connection.begin():
        tx = Tx(connection)
        first, again = tx.send(ADD, id=1, name="甲"), tx.send(ADD, id=1, name="乙")
        assert tx.all(NAMES, least=0) == [("甲",)]
        assert (first.count, again.count) == (1, 0)
        assert tx.send(ADD, id=2, name="丙").count == 1  # looked at: it need not wait
        tx.send(ADD, id=3, name="丁")
        names = tx.core.execute(text("SELECT name FROM programme ORDER BY id")).scalars().all()
        assert names == ["甲", "丙", "丁"]
        tx.send(ADD, id=4, name="戊")
        tx.close()
    assert _names(engine) == ["甲", "丙", "丁", "戊"]


@pytest.mark.parametrize("rows", [1, 8, 9, 300])
def test_new_rows_few_or_many_stay_in_their_place(engine: Engine, rows: int) -> None:
    with engine.connect() as connection, connection.begin():
        tx = Tx(connection)
        tx.send(ADD, id=1, name="甲")
        tx.insert(ADD_MANY, [(n + 2, f"p{n}", "UTC", "zh", 1, 0) for n in range(rows)])
        assert len(tx.all(NAMES, least=0)) == rows + 1
        tx.close()


def test_an_error_of_what_a_unit_has_sent_is_that_units(engine: Engine) -> None:
    with engine.connect() as connection, connection.begin():
        tx = Tx(connection)
        with tx.savepoint():
            tx.send(ADD, id=1, name="before")
        with pytest.raises(psycopg.errors.NotNullViolation), tx.savepoint():  # noqa: PT012
            tx.send(ADD, id=2, name="never")
            tx.send(WRONG, id=3)
        assert tx.alive
        with tx.savepoint():
            tx.send(ADD, id=4, name="after")
        tx.close(commit=True)
    assert _names(engine) == ["before", "after"]


def test_a_unit_that_fails_before_anything_has_left_leaves_nothing(engine: Engine) -> None:
    with engine.connect() as connection, connection.begin():
        tx = Tx(connection)
        for number in range(3):
            with pytest.raises(ZeroDivisionError), tx.savepoint():  # noqa: PT012
                tx.send(ADD, id=number, name="never")
                raise ZeroDivisionError
            with tx.savepoint():
                tx.send(ADD, id=10 + number, name=f"kept {number}")
                with pytest.raises(ZeroDivisionError), tx.savepoint():  # noqa: PT012
                    tx.send(ADD, id=20 + number, name="never")
                    raise ZeroDivisionError
                tx.send(ADD, id=30 + number, name=f"too {number}")
        tx.close(commit=True)
    kept = [f"{what} {number}" for number in range(3) for what in ("kept", "too")]
    assert _names(engine) == kept


@pytest.mark.parametrize("value", ["a\0b", "\ud800", object()], ids=["NUL", "surrogate", "object"])
@pytest.mark.parametrize("how", [Tx.run, Tx.send, Tx.follow])
def test_a_value_that_cannot_be_told_undoes_its_unit_alone(
    engine: Engine, value: object, how: Callable[..., Any]
) -> None:
    with engine.connect() as connection, connection.begin():
        tx = Tx(connection)
        with tx.savepoint():
            tx.run(ADD, id=1, name="before")
        with pytest.raises(Exception), tx.savepoint():  # noqa: B017, PT011, PT012 - three kinds
            tx.send(ADD, id=2, name="never")
            how(tx, ADD, id=3, name=value)
        with tx.savepoint():
            tx.run(ADD, id=4, name="after")
        tx.close(commit=True)
    assert _names(engine) == ["before", "after"]


def test_a_unit_that_keeps_an_error_to_itself_is_undone_alone(engine: Engine) -> None:
    with engine.connect() as connection, connection.begin():
        tx = Tx(connection)
        with tx.savepoint():
            tx.run(ADD, id=1, name="before")
        with pytest.raises(psycopg.errors.InFailedSqlTransaction), tx.savepoint():  # noqa: PT012
            tx.run(ADD, id=2, name="never")
            with suppress(psycopg.Error):
                tx.run(WRONG, id=3)
        with tx.savepoint():
            tx.run(ADD, id=4, name="after")
        tx.close(commit=True)
    assert _names(engine) == ["before", "after"]


def test_a_savepoint_that_never_comes_to_be_breaks_the_batch_not_the_unit_before(
    engine: Engine,
) -> None:
    with engine.connect() as connection:
        tx = Tx(connection)
        for number in range(PREPARE_AFTER * 3):
            with tx.savepoint():
                tx.run(ADD, id=number, name="kept")
        with tx.savepoint():
            tx.run(Sql("DEALLOCATE ALL"))  # the next RELEASE is one that was prepared
        with pytest.raises(psycopg.Error), tx.savepoint():
            tx.run(ADD, id=99, name="never")
        assert not tx.alive


def test_an_error_of_what_the_outer_unit_has_sent_is_not_the_inner_ones(engine: Engine) -> None:
    with engine.connect() as connection, connection.begin():
        tx = Tx(connection)
        with pytest.raises(psycopg.Error), tx.savepoint():  # noqa: PT012
            with tx.savepoint():
                tx.run(ADD, id=1, name="never")
            tx.send(WRONG, id=2)
            with suppress(psycopg.Error), tx.savepoint():  # would hide what is not its own
                tx.run(ADD, id=3, name="never")
        tx.close(commit=True)
    assert _names(engine) == []


def test_books_go_back_even_where_the_database_cannot(engine: Engine) -> None:
    into = Insert("programme", ("id",))
    with engine.connect() as connection:
        tx = Tx(connection)
        (pid,) = tx.one(Sql("SELECT pg_backend_pid()"))
        with pytest.raises(psycopg.OperationalError), tx.savepoint():  # noqa: PT012
            tx.later(into, (5,))
            with engine.connect() as other:
                other.execute(text(f"SELECT pg_terminate_backend({pid})"))
            tx.run(NAMES, least=0)
        assert not tx.alive
        assert tx._later == {into: []}


def test_who_asks_what_became_of_an_undone_statement_is_told(engine: Engine) -> None:
    with engine.connect() as connection, connection.begin():
        tx = Tx(connection)
        asked = []
        with pytest.raises(ZeroDivisionError), tx.savepoint():  # noqa: PT012
            asked = [tx.send(ADD, id=1, name="never"), tx.follow(NAMES, least=0)]
            raise ZeroDivisionError
        for each in asked:
            with pytest.raises(RuntimeError, match="undone"):
                _ = each.count
            with pytest.raises(RuntimeError, match="undone"):
                _ = each.rows


def test_an_interrupt_is_an_interrupt_and_the_pool_goes_on(engine: Engine) -> None:
    sleep = Sql("SELECT pg_sleep(20)")

    def write() -> None:
        with engine.connect() as connection, connection.begin():
            tx = Tx(connection)
            with tx.savepoint():
                tx.run(sleep)

    def read() -> None:
        with reading(engine) as tx:
            tx.run(sleep)

    me = threading.get_ident()
    for wait in (write, read, write):
        wake = threading.Timer(0.3, signal.pthread_kill, (me, signal.SIGINT))
        wake.start()
        with pytest.raises(KeyboardInterrupt):
            wait()
        wake.join()
    with reading(engine) as tx:
        assert tx.all(NAMES, least=0) == []


def test_a_commit_of_a_broken_transaction_is_no_commit(engine: Engine) -> None:
    with engine.connect() as connection:
        tx = Tx(connection)
        tx.send(ADD, id=1, name="never")
        with pytest.raises(psycopg.errors.NotNullViolation):
            tx.run(WRONG, id=2)
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            tx.close(commit=True)
    assert _names(engine) == []


def test_a_transaction_that_only_reads_can_do_nothing_else(engine: Engine) -> None:
    with reading(engine) as tx, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        tx.run(ADD, id=1, name="never")
    with reading(engine) as tx, pytest.raises(InternalError, match="read-only"):
        tx.core.execute(text("DELETE FROM programme"))


def test_a_transaction_that_only_reads_sees_one_moment(engine: Engine) -> None:
    with reading(engine) as tx:
        assert tx.core.execute(text("SELECT count(*) FROM programme")).scalar_one() == 0
        with engine.connect() as connection, connection.begin():
            other = Tx(connection)
            other.send(ADD, id=1, name="meanwhile")
            other.close(commit=True)
        assert tx.all(NAMES, least=0) == []
        assert tx.core.execute(text("SELECT count(*) FROM programme")).scalar_one() == 0
    assert _names(engine) == ["meanwhile"]


def test_what_follows_a_statement_sees_what_that_one_waits_for(engine: Engine) -> None:
    hold = Sql("SELECT name FROM programme WHERE id = :id FOR UPDATE")
    with engine.connect() as connection, connection.begin():
        Tx(connection).run(ADD, id=1, name="甲")
    with engine.connect() as one, one.begin():
        first = Tx(one)
        first.run(hold, id=1)
        found: list[Any] = []

        def second() -> None:
            with engine.connect() as two, two.begin():
                tx = Tx(two)
                names = tx.follow(NAMES, least=2)
                found.append(tx.one(hold, id=1))
                found.append(names.rows)

        waiting = threading.Thread(target=second)
        waiting.start()
        time.sleep(0.2)
        first.send(ADD, id=2, name="乙")
        first.close(commit=True)
    waiting.join()
    assert found == [("甲",), [("乙",)]]


def test_what_would_follow_is_asked_for_when_nothing_comes(engine: Engine) -> None:
    with engine.connect() as connection, connection.begin():
        tx = Tx(connection)
        with tx.savepoint():
            names = tx.follow(NAMES, least=0)
        assert names.rows == []
        with pytest.raises(ZeroDivisionError), tx.savepoint():  # noqa: PT012
            tx.follow(NAMES, least=0)
            raise ZeroDivisionError
        tx.send(ADD, id=1, name="甲")
        assert tx.all(NAMES, least=0) == [("甲",)]


def test_a_transaction_stands_on_one_connection_of_the_pool_and_the_next_may_take_it(
    postgres_url: str,
) -> None:
    engine = create_engine(
        postgres_url, pool_size=1, max_overflow=0, connect_args={"prepare_threshold": None}
    )
    for number in range(PREPARE_AFTER + 3):
        with engine.connect() as connection, connection.begin():
            tx = Tx(connection)
            tx.send(ADD, id=number, name=str(number))
            tx.close(commit=True)
            prepared = connection.execute(text("SELECT count(*) FROM pg_prepared_statements"))
            assert prepared.scalar_one() <= 3  # BEGIN, INSERT, COMMIT: once each
    assert len(_names(engine)) == PREPARE_AFTER + 3
    engine.dispose()
