"""`python -m bot risk` as its user sees it."""

from datetime import UTC, datetime

import pytest

from bot.__main__ import main
from content.suspicion import Evidence
from storage import findings, ledger, programmes
from storage.db import open_engine, reading
from storage.programmes import MAIN
from tests.storage.books import DAY, member, programme, transaction


@pytest.fixture
def found(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Two findings about two members of the main programme."""
    monkeypatch.setenv("QUNYING_DATABASE_URL", sqlite_url)
    engine = open_engine(sqlite_url)
    seen = Evidence("script", DAY, {"days": 12, "time": "08:00:03", "seconds": 1}, "script")
    with transaction(engine) as tx:
        programme(tx, MAIN)
        here = programmes.programme(tx, MAIN, datetime.now(UTC))
        people = [member(tx, MAIN, name) for name in ("小明", "小红")]
        numbers = [findings.add(tx, here, who, seen, datetime.now(UTC)) or 0 for who in people]
        findings.appeal(tx, MAIN, people[1], numbers[1], "闹钟一响我就签")
    engine.dispose()
    return [*numbers, *people]


def _lost(url: str, who: int) -> int:
    engine = open_engine(url)
    with reading(engine) as tx:
        lost = ledger.account(tx, MAIN, who).credit_lost
    engine.dispose()
    return lost


def test_findings_are_listed_shown_and_decided_once(
    found: list[int], sqlite_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ming, hong = found[2:]
    assert main(["risk", "list"]) == 0
    listed = capsys.readouterr().out
    assert "2 waiting" in listed
    assert "小明  script  近两周有 12 天在 08:00:03±1 秒签到" in listed
    assert main(["risk", "show", f"{found[1]}"]) == 0
    shown = capsys.readouterr().out
    assert "credit 55; this took 45" in shown
    assert "the member says: 闹钟一响我就签" in shown
    assert main(["risk", "confirm", f"{found[0]}", "--by", "阿文"]) == 0
    assert main(["risk", "clear", f"{found[1]}", "--by", "阿文"]) == 0
    assert "小红, 0 points taken back" in capsys.readouterr().out
    assert (_lost(sqlite_url, ming), _lost(sqlite_url, hong)) == (75, 0)
    assert main(["risk", "confirm", f"{found[1]}", "--by", "阿文"]) == 1
    assert "has been cleared by 阿文" in capsys.readouterr().err
    assert main(["risk", "show", f"{found[0]}"]) == 0
    assert "confirmed by 阿文" in capsys.readouterr().out
    assert main(["risk", "list"]) == 0
    assert "Nothing waits" in capsys.readouterr().out


@pytest.mark.usefixtures("found")
@pytest.mark.parametrize("verb", ["confirm", "clear", "show"])
def test_what_is_not_there_is_not_decided(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    by = [] if verb == "show" else ["--by", "阿文"]
    assert main(["risk", verb, "7", *by]) == 1
    assert "finding 7 does not exist" in capsys.readouterr().err
    for number in ("-1", "9223372036854775808", "x"):
        with pytest.raises(SystemExit):
            main(["risk", verb, number, *by])


def test_a_name_in_letters_that_look_like_anothers_decides_nothing(
    found: list[int], sqlite_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["risk", "clear", f"{found[0]}", "--by", "\u0410nn"]) == 1
    assert "mixes letters" in capsys.readouterr().err
    assert _lost(sqlite_url, found[2]) == 45
