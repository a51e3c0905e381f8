"""`python -m bot reviews` as its user sees it."""

from datetime import UTC, datetime

import pytest

from bot.__main__ import main
from content.rulebook import shipped_document
from storage import awards, ledger, programmes, rulebooks
from storage.db import open_engine, reading
from storage.movement import Side
from storage.programmes import MAIN
from tests.storage.books import member, posting, programme, transaction


@pytest.fixture
def waiting(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Three awards of 10 that wait, in the main programme."""
    monkeypatch.setenv("QUNYING_DATABASE_URL", sqlite_url)
    engine = open_engine(sqlite_url)
    now = datetime.now(UTC)
    document = shipped_document().replace("issue_per_day = 50_000", "issue_per_day = 1")
    with transaction(engine) as tx:
        programme(tx, MAIN)
        rulebooks.publish(
            tx, MAIN, document, author="t", note="t", effective=now, now=now, force="test"
        )
        here = programmes.programme(tx, MAIN, now)
        ming = member(tx, MAIN)
        day = now.astimezone(here.zone).date()
        deed = posting(MAIN, Side(ming, "available"), 10, day=day)
        found = [
            awards.award(
                tx, here.rules, deed._replace(key=f"{day}/{number}"), today=day, now=now
            ).review
            for number in range(3)
        ]
    engine.dispose()
    return [*found, ming]


def _has(url: str, ming: int) -> int:
    engine = open_engine(url)
    with reading(engine) as tx:
        has = ledger.account(tx, MAIN, ming).available
    engine.dispose()
    return has


def test_reviews_are_listed_and_decided_once(
    waiting: list[int], sqlite_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, third, ming = waiting
    assert main(["reviews", "list"]) == 0
    listed = capsys.readouterr().out
    assert all(f"{number}" in listed for number in (first, second, third))
    assert "3 waiting, 30 points" in listed
    assert main(["reviews", "approve", f"{first}", "--by", "阿文"]) == 0
    assert "1 paid, 10 points" in capsys.readouterr().out
    assert _has(sqlite_url, ming) == 10
    assert main(["reviews", "refuse", f"{first}", f"{second}", "--by", "阿文"]) == 1
    told = capsys.readouterr()
    assert "1 refused, 10 points" in told.out
    assert f"review {first} has been approved by 阿文" in told.err
    assert main(["reviews", "approve", "--all", "--by", "阿文"]) == 0
    assert _has(sqlite_url, ming) == 20
    assert main(["reviews", "list", "--most", "1"]) == 0
    assert "Nothing waits" in capsys.readouterr().out


def test_a_name_in_letters_that_look_like_anothers_decides_nothing(
    waiting: list[int], sqlite_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reviews", "approve", f"{waiting[0]}", "--by", "\u0410nn"]) == 1
    assert "mixes letters of CYRILLIC and LATIN" in capsys.readouterr().err
    assert main(["reviews", "refuse", f"{waiting[0]}", "--by", "\u0410nn"]) == 1
    assert _has(sqlite_url, waiting[-1]) == 0
    assert main(["reviews", "approve", f"{waiting[0]}", "--by", "阿文Wen"]) == 0


def test_what_is_decided_is_named(waiting: list[int], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reviews", "approve", "--by", "阿文"]) == 1
    assert "--all" in capsys.readouterr().err
    assert main(["reviews", "approve", f"{waiting[0]}", "--all", "--by", "阿文"]) == 1
    assert main(["reviews", "approve", "7", "--by", "阿文"]) == 1
    assert "review 7 does not exist" in capsys.readouterr().err
    assert main(["reviews", "list", "--programme", "9"]) == 1
    assert "no programme 9" in capsys.readouterr().err
