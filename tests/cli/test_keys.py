"""`python -m bot keys` as its user sees it."""

import re
from datetime import UTC, datetime

import pytest

from bot.__main__ import main
from storage import keys
from storage.db import open_engine, reading
from storage.keys import Key


@pytest.fixture(autouse=True)
def store(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("QUNYING_DATABASE_URL", sqlite_url)
    return sqlite_url


def _holder(store: str, token: str) -> Key | None:
    engine = open_engine(store)
    with reading(engine) as tx:
        found = keys.holder(tx, token, datetime.now(UTC))
    engine.dispose()
    return found


def _new(capsys: pytest.CaptureFixture[str], *more: str) -> str:
    assert main(["keys", "new", "the shop", *more]) == 0
    shown = re.search(r"qy_[0-9a-f]+_[0-9a-f]{64}", capsys.readouterr().out)
    assert shown is not None
    return shown.group()


def test_a_key_is_shown_once_and_opens(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    token = _new(capsys, "--scope", "points:read")
    found = _holder(store, token)
    assert found is not None
    assert (found.name, found.scopes) == ("the shop", {"points:read"})
    assert main(["keys", "list"]) == 0
    listed = capsys.readouterr().out
    assert f"{found.prefix}  the shop  points:read  never used" in listed
    assert token.rpartition("_")[2] not in listed


def test_a_key_that_is_followed_by_another_is_good_for_a_while(
    store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    old = _new(capsys)
    prefix = old.split("_")[1]
    assert main(["keys", "rotate", prefix, "--hours", "2"]) == 0
    new = re.search(r"qy_[0-9a-f]+_[0-9a-f]{64}", capsys.readouterr().out)
    assert new is not None
    assert _holder(store, old) is not None
    assert _holder(store, new.group()) is not None
    assert main(["keys", "revoke", prefix]) == 0
    assert _holder(store, old) is None
    assert main(["keys", "revoke", prefix]) == 1
    assert "no key" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["new", "x", "--scope", "everything"], "scopes are"),
        (["new", " "], "name"),
        (["new", "x", "--programme", "4711"], "4711"),
        (["revoke", "nothing"], "no key nothing"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["keys", *arguments]) == 1
    complaint = capsys.readouterr().err
    assert said in complaint
    assert "Traceback" not in complaint
