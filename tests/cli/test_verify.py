"""`python -m bot verify` as its user sees it."""

from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from bot.__main__ import main
from storage import ledger
from storage.db import open_engine
from storage.movement import Side
from tests.storage.books import give, member, posting, programme, transaction


@pytest.fixture
def books(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("QUNYING_DATABASE_URL", sqlite_url)
    engine = open_engine(sqlite_url)
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        give(tx, camp, ming, 10)
        ledger.post_many(tx, [posting(camp, Side(ming, "available"), 1) for _ in range(50)])
    engine.dispose()
    return sqlite_url


@pytest.mark.usefixtures("books")
def test_verify_proves_books_that_are_right(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify"]) == 0
    assert "The books are right" in capsys.readouterr().out


def test_verify_names_what_is_wrong(books: str, capsys: pytest.CaptureFixture[str]) -> None:
    forger = create_engine(books)
    with forger.begin() as connection:
        connection.execute(text("DROP TRIGGER posting_no_update"))
        connection.execute(text("UPDATE posting SET actor = 'nobody'"))
    forger.dispose()
    assert main(["verify"]) == 1
    assert "broken" in capsys.readouterr().out


def test_verify_of_an_empty_database_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "new.db").touch()
    monkeypatch.setenv("QUNYING_DATABASE_URL", f"sqlite:///{tmp_path / 'new.db'}")
    assert main(["verify"]) == 1
    assert "python -m bot migrate" in capsys.readouterr().out
