"""`python -m bot rules …` as an operator uses it."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.__main__ import main
from storage.db import open_engine, reading
from storage.programmes import MAIN
from storage.rulebooks import history
from tests.stage import Stage, without_quests

SHIPPED = without_quests()
Done = tuple[int, str, str]
Rules = Callable[..., Done]


@pytest.fixture
def bare(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Rules:
    """Run `rules …` where there is nothing yet: exit code, answer, complaints."""
    for name in [name for name in os.environ if name.startswith("QUNYING_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)

    def called(*arguments: str) -> Done:
        code = main(["rules", *arguments])
        answer, complaints = capsys.readouterr()
        return code, answer, complaints

    return called


@pytest.fixture
def rules(bare: Rules, monkeypatch: pytest.MonkeyPatch, store_url: str) -> Rules:
    """The same beside a community that has been checking in for three days."""
    monkeypatch.setenv("QUNYING_DATABASE_URL", store_url)
    engine = open_engine(store_url)
    stage = Stage(engine, now=datetime.now(UTC) - timedelta(days=3))
    for _ in range(3):
        for name in ("小明", "Ann"):
            stage.says(name, "签到")
        stage.advance(days=1)
    engine.dispose()
    return bare


def _file(name: str, old: str = "", new: str = "") -> str:
    assert old in SHIPPED
    Path(name).write_text(SHIPPED.replace(old, new, 1) if old else SHIPPED, "utf-8")
    return name


def _signed(*more: str) -> tuple[str, ...]:
    return ("--author", "老板", "--note", "国庆加码", *more)


def test_a_new_document_is_compared_tried_and_published(rules: Rules, store_url: str) -> None:
    new = _file("new.toml", "points = 5\ncategory", "points = 8\ncategory")
    code, answer, complaints = rules("apply", new, *_signed("--dry-run"))
    assert (code, complaints) == (0, "")
    for line in (
        "key            │ version 1 │ new",
        "checkin.points │ 5         │ 8",
        "checkin │ points │ 6      │ 30     │ 48    │ +18",
        "Cost in yuan: 0.30 before, 0.48 after (+0.18).",
        "Of 2 members 2 would have got another total.",
        "小明            │ 0.15   │ 0.24  │ +0.09",
        "This would be version 2, in force from",
    ):
        assert line in answer
    assert rules("history")[1].count("\n") == 4  # nothing was saved
    code, answer, complaints = rules("apply", new, *_signed())
    assert (code, complaints) == (0, "")
    assert "This is version 2" in answer
    assert rules("show")[1].partition("\n")[2].strip() == Path(new).read_text("utf-8").strip()
    engine = open_engine(store_url)
    with reading(engine) as tx:
        saved, _ = history(tx, MAIN)
    engine.dispose()
    assert (saved.author, saved.note) == ("老板", "国庆加码")


def test_worse_terms_are_refused_with_the_earliest_date(rules: Rules) -> None:
    new = _file("new.toml", "points = 5\ncategory", "points = 4\ncategory")
    code, answer, complaints = rules("apply", new, *_signed())
    earliest = datetime.now(UTC) + timedelta(days=30)
    assert code == 1
    assert "Worse for members, 30 days' notice: checkin.points" in answer
    assert f"the earliest is {earliest:%Y-%m-%d}" in complaints
    assert "--effective and --force" in complaints
    later = f"{earliest + timedelta(days=2):%Y-%m-%d}"
    code, answer, _ = rules("apply", new, *_signed("--effective", later))
    assert code == 0
    assert f"in force from {later} 00:00 (Asia/Shanghai)" in answer
    assert "points = 5" in rules("show")[1]
    assert "points = 4" in rules("show", "--version", "2")[1]
    back = _file("back.toml", "every = 7", "every = 8")
    assert rules("apply", back, *_signed("--force", "算错了"))[0] == 0
    _, answer, _ = rules("history")
    assert "3 *" in answer
    assert "算错了" in answer


def test_two_documents_stand_side_by_side(rules: Rules) -> None:
    one = _file("one.toml", 'name = "黄金"', 'name = "黄金会员"')
    two = _file("two.toml", "multiplier = 1.2", "multiplier = 1.3")
    code, answer, _ = rules("diff", one, two)
    assert code == 0
    assert "level.gold.name       │ 黄金会员 │ 黄金" in answer
    assert "level.gold.multiplier │ 1.2      │ 1.3" in answer
    assert "+++ new" not in answer
    assert "+multiplier = 1.3" in rules("diff", two, "--text")[1]
    assert "version 1" in rules("diff", two)[1]
    assert rules("diff", "1", _file("same.toml"))[1] == "No rule changes.\n"


def test_a_long_value_goes_on_in_the_next_line(rules: Rules) -> None:
    every = "[30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18]"
    _, answer, _ = rules("diff", _file("new.toml", "[30, 7, 1]", every))
    lines = [line for line in answer.splitlines() if "│" in line]
    assert len(lines) == 3
    assert len({line.index("│") for line in lines}) == 1


def test_lint_needs_no_database(bare: Rules, tmp_path: Path) -> None:
    code, answer, complaints = bare("lint", _file("good.toml"))
    assert (code, complaints) == (0, "")
    assert answer == "of what is spent at best 2.7% comes back (earn.buy 1.2%, rebate 1.5%)\n"
    code, answer, _ = bare("lint", _file("dear.toml", "value_fen = 1", "value_fen = 10"))
    assert code == 0
    assert answer.startswith("warn  earn: at best 13.5% of what is spent")
    code, answer, _ = bare("lint", _file("bad.toml", 'platforms_off = ["wecom"]', ""))
    assert code == 1
    assert answer.startswith("refuse  earn.share.platforms_off: must hold 'wecom'")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("lint", "none.toml"), "none.toml: No such file"),
        (("lint", "bytes.toml"), "can't decode"),
        (("lint", "wrong.toml"), "wrong.toml: checkin.points = 0: must be a whole number"),
        (("apply", "wrong.toml", *_signed()), "wrong.toml: checkin.points = 0: must be"),
        (("apply", "same.toml", *_signed()), "nothing changes: version 1 says the same"),
        (("apply", "more.toml", *_signed("--effective", "2020-01-01")), "in the past"),
        (("apply", "more.toml", "--author", " ", "--note", "x"), "the author: a name has 1 to 200"),
        (("diff", "7"), "programme 1 has no version 7"),
        (("show", "--version", "7"), "programme 1 has no version 7"),
        (("show", "--programme", "7"), "there is no programme 7"),
        (("history", "--programme", "7"), "there is no programme 7"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    rules: Rules, arguments: tuple[str, ...], said: str
) -> None:
    _file("same.toml")
    _file("more.toml", "points = 5\ncategory", "points = 6\ncategory")
    _file("wrong.toml", "points = 5\ncategory", "points = 0\ncategory")
    Path("bytes.toml").write_bytes(b"\xff\xfe")
    code, _, complaints = rules(*arguments)
    assert code == 1
    assert said in complaints
    assert len(complaints.splitlines()) == 1


def test_without_a_database_none_is_made(bare: Rules, tmp_path: Path) -> None:
    code, _, complaints = bare("show")
    assert code == 1
    assert complaints.startswith("there is no database data/qunying.db yet")
    assert list(tmp_path.iterdir()) == []


def test_an_old_database_asks_to_be_migrated(bare: Rules, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "qunying.db").touch()
    code, _, complaints = bare("history")
    assert code == 1
    assert complaints.startswith("schema none, this version needs")


def test_a_database_that_is_away_is_said_clearly(
    bare: Rules, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "postgresql+psycopg://bot:s3cret-Word@127.0.0.1:1/none"
    monkeypatch.setenv("QUNYING_DATABASE_URL", url)
    code, _, complaints = bare("show")
    assert code == 1
    assert complaints.startswith("QUNYING_DATABASE_URL: ")
    assert "s3cret-Word" not in complaints


@pytest.mark.parametrize(
    "arguments", [(), ("dance",), ("apply", "x.toml"), ("show", "--version", "x")]
)
def test_a_wrong_command_line_is_refused(bare: Rules, arguments: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as ended:
        bare(*arguments)
    assert ended.value.code == 2
