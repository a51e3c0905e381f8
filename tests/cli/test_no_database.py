"""Before the first start: a command that only looks says so, and makes no empty database."""

import os
from pathlib import Path

import pytest

from bot.__main__ import main

LOOKS = (
    "statement telegram:123",
    "export ledger out.csv",
    "privacy export telegram:123 out.zip",
    "verify",
    "rebuild",
    "rebuild --apply",
    "rules show",
    "rules history",
    "rules diff 1",
    "rules apply my.toml --author a --note n",
    "reviews list",
    "reviews approve --all --by Ann",
    "compensate list",
    "compensate show 1",
    "keys list",
    "keys new shop",
    "import members members.csv",
)


@pytest.mark.parametrize("line", LOOKS)
def test_without_a_database_it_is_said_and_none_is_made(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in os.environ if name.startswith("QUNYING_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    Path("members.csv").write_text("平台,用户号\ntelegram,1\n", "utf-8")
    assert main(line.split()) == 1
    answer, complaints = capsys.readouterr()
    assert answer == ""
    makes = "`migrate` makes it, and so does the first `run` on a platform"
    assert complaints == f"there is no database data/qunying.db yet: {makes}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["members.csv"]
