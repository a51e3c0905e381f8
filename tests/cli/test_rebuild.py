"""`python -m bot rebuild` as its user sees it: what follows from the postings, once more."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from bot.__main__ import main
from storage import clockwork, holds, ledger, members, rebuilding
from storage.db import Sql, open_engine, reading
from storage.lock import only_process
from storage.members import Who
from storage.movement import Side
from storage.programmes import MAIN
from tests.storage.books import (
    DAY,
    NOW,
    day,
    give,
    member,
    owe,
    payment,
    posting,
    programme,
    transaction,
)


@pytest.fixture
def books(store_url: str, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """A programme in which a bit of everything has happened."""
    monkeypatch.setenv("QUNYING_DATABASE_URL", store_url)
    engine = open_engine(store_url)
    with transaction(engine) as tx:
        programme(tx, MAIN)
        ming, hong = member(tx, MAIN), member(tx, MAIN)
        give(tx, MAIN, ming, 100)
        lapses = posting(MAIN, Side(ming, "available"), 30)._replace(expires=day(3))
        ledger.post(tx, lapses)
        gift = posting(MAIN, Side(hong, "available"), 50, source=Side(ming, "available"))
        ledger.post(tx, gift)
        ledger.post(tx, posting(MAIN, Side(hong, "pending"), 9)._replace(matures=DAY))
        clockwork.mature_due(tx, MAIN, DAY, NOW)
        holds.hold(tx, payment(MAIN, ming, 10), due=NOW)
        owe(tx, MAIN, member(tx, MAIN), 7)
        give(tx, MAIN, hong, 5, wallet="coin")
    return engine


def _change(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


WRONG: dict[str, Callable[[Engine], None]] = {
    "a balance": lambda engine: _change(
        engine, "UPDATE account SET available = available + 1 WHERE owner_id <> 0"
    ),
    "a board": lambda engine: _change(
        engine, "UPDATE account SET week_earned = 99 WHERE owner_id <> 0"
    ),
    "a lot": lambda engine: _change(engine, "DELETE FROM lot"),
    "a day": lambda engine: _change(engine, "UPDATE earning SET points = 1", "DELETE FROM lot"),
    "the programme": lambda engine: _change(
        engine, "UPDATE account SET issued = 0 WHERE owner_id = 0"
    ),
    "a rank": lambda engine: _change(
        engine, "UPDATE tally SET members = members + 1 WHERE board = 'week'"
    ),
    "every rank": lambda engine: _change(engine, "DELETE FROM tally"),
    "a debt's day": lambda engine: _change(engine, "UPDATE account SET owed_since = '9999-12-31'"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_was_changed_by_hand_is_found_and_written_anew(
    books: Engine, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rebuild"]) == 0
    assert "what the postings say" in capsys.readouterr().out
    with reading(books) as tx:
        before = [tx.all(sql) for sql in _tables()]
    WRONG[what](books)
    assert main(["rebuild"]) == 1
    assert "is right" in capsys.readouterr().out
    assert main(["verify"]) == 1
    assert main(["rebuild", "--apply"]) == 0
    assert "Written." in capsys.readouterr().out
    with reading(books) as tx:
        assert [tx.all(sql) for sql in _tables()] == before
    assert main(["verify"]) == 0
    assert main(["rebuild", "--apply"]) == 0
    assert "Nothing to write" in capsys.readouterr().out
    books.dispose()


def _tables() -> list[Sql]:
    return [
        Sql("SELECT * FROM account ORDER BY owner_id, wallet"),
        Sql("SELECT * FROM lot WHERE remaining > 0 ORDER BY owner_id, expires_day"),
        Sql("SELECT * FROM earning ORDER BY wallet, day, owner_id, kind"),
        Sql("SELECT * FROM tally WHERE members <> 0 ORDER BY board, first, shown, rung"),
    ]


def test_nothing_is_written_while_the_bot_runs(
    books: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    with only_process(books):
        assert main(["rebuild", "--apply"]) == 1
        assert "stop the bot first" in capsys.readouterr().err
        assert main(["rebuild"]) == 0
    books.dispose()


def _has(engine: Engine, user_id: str) -> int:
    with reading(engine) as tx:
        return int(
            tx.core.execute(
                text(
                    "SELECT a.available FROM account a JOIN identity i ON i.member_id = a.owner_id"
                    " WHERE i.user_id = :user AND a.wallet = 'points'"
                ),
                {"user": user_id},
            ).scalar_one()
        )


def test_what_is_not_committed_yet_when_it_begins_is_waited_for(
    books: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else the balance would be written without points that are on their way."""
    WRONG["a balance"](books)
    with ThreadPoolExecutor(1) as aside:
        with transaction(books) as tx:
            new = members.enrol(tx, MAIN, Who("shop", "late", "晚"), NOW).id
            give(tx, MAIN, new, 10)
            tx.close()
            again = aside.submit(main, ["rebuild", "--apply"])
            time.sleep(0.5)
            assert not again.done()
        assert again.result(30) == 0
    assert "Written." in capsys.readouterr().out
    assert _has(books, "late") == 10
    assert main(["verify"]) == 0
    books.dispose()


def test_another_command_waits_until_it_has_written(
    books: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Else what that has paid meanwhile would be written over, by balances of before."""
    WRONG["a balance"](books)
    reads, go_on = threading.Event(), threading.Event()
    compare = rebuilding.compare

    def paused(*given: Any, **more: Any) -> Any:
        found = compare(*given, **more)
        reads.set()
        assert go_on.wait(30)
        return found

    monkeypatch.setattr(rebuilding, "compare", paused)
    file = tmp_path / "members.csv"
    file.write_text("平台,用户号,积分\nshop,C-1,500\n", "utf-8")
    soon = threading.Timer(1, go_on.set)
    with ThreadPoolExecutor(1) as aside:
        again = aside.submit(main, ["rebuild", "--apply"])
        assert reads.wait(30)
        soon.start()
        assert main(["import", "members", f"{file}", "--apply"]) == 0
        assert go_on.is_set()  # it has waited
        assert again.result(30) == 0
    soon.join()
    monkeypatch.setattr(rebuilding, "compare", compare)
    assert _has(books, "C-1") == 500
    assert main(["verify"]) == 0
    books.dispose()
