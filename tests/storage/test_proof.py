"""The chain over postings: whole as it is written, and broken by whatever is done to it later."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine, text

from storage import audit, ledger, proof
from storage.db import Tx, reading
from storage.movement import Side
from tests.storage.books import give, member, payment, posting, programme, transaction


@pytest.fixture
def camp(engine: Engine) -> int:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming, hong = member(tx, camp), member(tx, camp)
        for _ in range(3):
            give(tx, camp, ming, 10)
        give(tx, camp, hong, 7, wallet="coin")
    with transaction(engine) as tx:
        ledger.post(tx, payment(camp, ming, 5))
        give(tx, camp, hong, 8)
    return camp


@contextmanager
def _forged(engine: Engine) -> Iterator[Tx]:
    """Open a transaction in which the database's own guard is off, and undo it."""
    with engine.connect() as connection:
        forgery = connection.begin()
        if engine.dialect.name == "sqlite":
            for what in ("update", "delete"):
                connection.execute(text(f"DROP TRIGGER posting_no_{what}"))
        else:
            connection.execute(text("ALTER TABLE posting DISABLE TRIGGER USER"))
        yield Tx(connection)
        forgery.rollback()


@pytest.mark.usefixtures("camp")
def test_books_that_nobody_touched_are_proved(engine: Engine) -> None:
    heard: list[int] = []
    with reading(engine) as tx:
        assert proof.chain_faults(tx, progress=heard.append) == []
    assert heard == [6]


@pytest.mark.usefixtures("camp")
@pytest.mark.parametrize(
    ("forgery", "said"),
    [
        ("UPDATE posting SET amount = amount + 1 WHERE id = :last", "broken"),
        ("UPDATE posting SET reason = 'gift' WHERE id = :last", "broken"),
        ("UPDATE posting SET seal = 4711 WHERE id = :last", "not sealed"),
        ("DELETE FROM posting WHERE id = :last", "1 of its postings"),
        ("DELETE FROM posting WHERE seal = :seal", "lost their postings"),
        ("UPDATE seal SET hash = 'x' WHERE number = 1 AND wallet = 'points'", "broken"),
        ("DELETE FROM seal WHERE number = 1 AND wallet = 'coin'", "not sealed"),
        ("DELETE FROM seal WHERE number = 2 AND wallet = 'points'", "does not end"),
        ("UPDATE account SET chain = 'x' WHERE owner_id = 0 AND wallet = 'coin'", "does not end"),
        ("UPDATE account SET seals = 9 WHERE owner_id = 0 AND wallet = 'coin'", "does not end"),
    ],
)
def test_whatever_is_forged_is_found(engine: Engine, forgery: str, said: str) -> None:
    with _forged(engine) as tx:
        last, seal = tx.core.execute(
            text("SELECT id, seal FROM posting ORDER BY id DESC LIMIT 1")
        ).one()
        values = {"last": last, "seal": seal}
        used = {name: value for name, value in values.items() if f":{name}" in forgery}
        assert tx.core.execute(text(forgery), used).rowcount >= 1
        faults = proof.chain_faults(tx)
    assert any(said in fault for fault in faults), faults


@pytest.mark.usefixtures("camp")
def test_what_is_moved_without_a_posting_is_found_by_the_sums(engine: Engine) -> None:
    with _forged(engine) as tx:
        tx.core.execute(text("UPDATE account SET available = 1000 WHERE owner_id <> 0"))
        assert proof.chain_faults(tx) == []
        assert audit.faults(tx)


def test_pages_do_not_matter(engine: Engine, camp: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "PAGE", 1)
    with transaction(engine) as tx:
        ming = member(tx, camp)
        ledger.post_many(tx, [posting(camp, Side(ming, "available"), 1) for _ in range(5)])
    with reading(engine) as tx:
        assert proof.chain_faults(tx) == []
