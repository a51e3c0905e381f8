"""`python -m bot export ledger` and `python -m bot statement` as an owner uses them."""

import csv
import json
import re
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text

from bot.__main__ import main
from bot.export_command import COLUMNS
from storage import ledger, members, proof
from storage.db import open_engine
from storage.members import Who
from storage.movement import Side
from storage.pages import Row
from storage.programmes import MAIN
from storage.seals import seal_hash
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

Done = tuple[int, str, str]
Call = Callable[..., Done]


@pytest.fixture
def books(store_url: str, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """Two programmes; in the main one an account with lots, a second wallet and a debt."""
    monkeypatch.setenv("QUNYING_DATABASE_URL", store_url)
    monkeypatch.setattr(proof, "PAGE", 3)
    engine = open_engine(store_url)
    with transaction(engine) as tx:
        programme(tx, MAIN)
        ming = members.enrol(tx, MAIN, Who("telegram", "7", "小明"), NOW).id
        hong = member(tx, MAIN, "小红")
        give(tx, MAIN, ming, 100, reason="=1+1")
        ledger.post(tx, posting(MAIN, Side(ming, "available"), 40)._replace(expires=day(30)))
        give(tx, MAIN, ming, 7, wallet="coin")
        owe(tx, MAIN, hong, 9)
    with transaction(engine) as tx:
        ledger.post(tx, payment(MAIN, ming, 50))
        give(tx, MAIN, hong, 4)
        camp = programme(tx)
        give(tx, camp, member(tx, camp), 5)
    engine.dispose()
    return ming, camp


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    def called(*arguments: str) -> Done:
        code = main(list(arguments))
        answer, complaints = capsys.readouterr()
        return code, answer, complaints

    return called


def _chains(rows: list[Row]) -> dict[tuple[int, str], tuple[int, str]]:
    """Return the ends of the chains, from the postings of a file alone."""
    ends: dict[tuple[int, str], tuple[int, str]] = {}
    seals = dict.fromkeys((row.programme_id, row.wallet, row.seal) for row in rows)
    for programme_id, wallet, seal in seals:
        number, before = ends.get((programme_id, wallet), (0, ""))
        batch = [
            r for r in rows if (r.programme_id, r.wallet, r.seal) == (programme_id, wallet, seal)
        ]
        ends[programme_id, wallet] = (number + 1, seal_hash(before, batch))
    return ends


def test_a_file_of_lines_holds_all_that_the_chain_covers(
    call: Call, books: tuple[int, int], tmp_path: Path
) -> None:
    file = tmp_path / "ledger.jsonl"
    code, answer, complaints = call("export", "ledger", str(file), "--format", "jsonl")
    assert (code, complaints) == (0, "")
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert [tuple(line) for line in lines] == [COLUMNS] * 7
    assert lines[0]["at"] == "2026-03-04T04:00:00.000+00:00"
    rows = [Row(*(line[name] for name in Row._fields)) for line in lines]
    assert [row.id for row in rows[:6]] == sorted(row.id for row in rows[:6])
    assert rows[4].lots == f"{day(30)}:40"  # what the payment took
    _, camp = books
    ends = _chains(rows)
    assert set(ends) == {(MAIN, "points"), (MAIN, "coin"), (camp, "points")}
    for (programme_id, wallet), (number, end) in ends.items():
        assert f"chain of programme {programme_id}, {wallet}: seal {number} {end}\n" in answer
    assert f"{file}: 7 postings" in answer
    told = {tuple(re.split(r" +│ ", line)) for line in answer.splitlines() if "│" in line}
    for line in (
        ("1", "points", "available", "90"),
        ("1", "points", "debt", "-5"),
        ("1", "points", "issued", "-144"),
        ("1", "coin", "available", "7"),
    ):
        assert tuple(line) in {tuple(part.strip() for part in each) for each in told}


def test_a_spreadsheet_opens_it_and_runs_nothing(
    call: Call, books: tuple[int, int], tmp_path: Path
) -> None:
    file = tmp_path / "账本.csv"
    assert call("export", "ledger", str(file), "--programme", "1")[0] == 0
    assert file.read_bytes().startswith(b"\xef\xbb\xbf")
    with file.open(encoding="utf-8-sig", newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 6
    assert rows[0]["reason"] == "'=1+1"
    assert rows[0]["to_owner"] == str(books[0])
    assert [row["from_after"] for row in rows if row["from_bucket"] == "debt"] == ["-9"]
    assert {row["programme_id"] for row in rows} == {"1"}
    assert {row["wallet"] for row in rows} == {"points", "coin"}


@pytest.mark.usefixtures("books")
def test_the_file_is_its_owners_and_comes_whole(call: Call, tmp_path: Path) -> None:
    file = tmp_path / "ledger.csv"
    file.write_text("old")
    file.chmod(0o644)
    assert call("export", "ledger", str(file))[0] == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "old" not in file.read_text("utf-8")
    assert [path.name for path in tmp_path.iterdir() if "ledger" in path.name] == ["ledger.csv"]


@pytest.mark.usefixtures("books")
def test_what_goes_wrong_leaves_no_file_behind(call: Call, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "taken").mkdir()
    code, _, complaints = call("export", "ledger", str(folder / "taken"))
    assert code == 1
    assert "Is a directory" in complaints
    assert [path.name for path in folder.iterdir()] == ["taken"]
    code, _, complaints = call("export", "ledger", str(folder / "none" / "x.csv"))
    assert (code, complaints) == (1, f"{folder / 'none' / 'x.csv'}: No such file or directory\n")
    code, _, complaints = call("export", "ledger", str(folder / "x.csv"), "--programme", "9")
    assert code == 1
    assert "there is no programme 9" in complaints
    assert [path.name for path in folder.iterdir()] == ["taken"]


@pytest.mark.usefixtures("books")
def test_accounts_that_say_something_else_are_told(
    call: Call, store_url: str, tmp_path: Path
) -> None:
    forger: Engine = create_engine(store_url)
    with forger.begin() as connection:
        connection.execute(
            text("UPDATE account SET available = 8 WHERE wallet = 'coin' AND owner_id <> 0")
        )
    forger.dispose()
    code, _, complaints = call("export", "ledger", str(tmp_path / "x.csv"))
    assert code == 1
    assert complaints == "programme 1, coin: available is 8, its postings say 7\n"


def test_an_empty_ledger_is_a_file_with_a_head(
    call: Call, sqlite_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("QUNYING_DATABASE_URL", sqlite_url)
    file = tmp_path / "x.csv"
    assert call("export", "ledger", str(file)) == (0, f"{file}: 0 postings\n", "")
    assert file.read_text("utf-8-sig").strip() == ",".join(COLUMNS)


# -- statements ---------------------------------------------------------------------------------


def test_a_statement_says_what_a_member_has_and_how_it_came(
    call: Call, books: tuple[int, int]
) -> None:
    code, answer, complaints = call("statement", "telegram:7")
    assert (code, complaints) == (0, "")
    assert answer.startswith(f"小明 ({books[0]}), points\n")
    assert re.search(r"available on .* Asia/Shanghai: 90\n", answer)
    assert "pending 0, held 0, debt 0" in answer
    movements = [line for line in answer.splitlines() if "│ available" in line]
    assert [line.split("│")[1].strip() for line in movements] == ["-50", "+40", "+100"]
    assert call("statement", str(books[0]), "--count", "1")[1].count("│ available") == 1
    assert "Asia/Shanghai: 7\n" in call("statement", str(books[0]), "--wallet", "coin")[1]


def test_a_statement_of_a_moment_knows_nothing_of_later(
    call: Call, books: tuple[int, int], store_url: str
) -> None:
    between = datetime.now(UTC)
    engine = open_engine(store_url)
    with transaction(engine) as tx:
        tx.core.execute(text("SELECT 1"))
        while datetime.now(UTC) - between < timedelta(milliseconds=5):
            pass
        give(tx, MAIN, books[0], 1_000)
    engine.dispose()
    now = call("statement", "telegram:7")[1]
    then = call("statement", "telegram:7", "--at", between.isoformat())[1]
    assert "Asia/Shanghai: 1,090\n" in now
    assert "Asia/Shanghai: 90\n" in then
    assert now.count("│ available") == then.count("│ available") + 1 == 4
    long_ago = call("statement", "telegram:7", "--at", f"{DAY - timedelta(days=3_000)}")[1]
    assert "23:59:59 Asia/Shanghai: 0\nNo movements." in long_ago


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("telegram:9",), "not among the members of programme 1: telegram:9"),
        (("1",), "not among the members of programme 1: 1"),
        (("telegram:7", "--at", "yesterday"), "'yesterday' is no moment"),
        (("telegram:7", "--at", "0001-01-01T00:00"), "is no moment"),
        (("telegram:7", "--wallet", "gold"), "there is no wallet 'gold': points, coin"),
        (("telegram:7", "--programme", "9"), "there is no programme 9"),
    ],
)
@pytest.mark.usefixtures("books")
def test_what_cannot_be_told_is_said_in_a_line(
    call: Call, arguments: tuple[str, ...], said: str
) -> None:
    code, answer, complaints = call("statement", *arguments)
    assert (code, answer) == (1, "")
    assert said in complaints
    assert len(complaints.splitlines()) == 1
