"""`python -m bot privacy export`, and the secret that signs links and marks who has gone."""

import json
import stat
from pathlib import Path
from zipfile import ZipFile

import pytest

from bot.__main__ import main
from bot.config import SettingsError, load_settings
from bot.secret import installation_secret
from storage import members
from storage.db import open_engine
from storage.members import Who
from storage.programmes import MAIN
from tests.storage.books import NOW, give, programme, transaction


@pytest.fixture
def ming(store_url: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setenv("QUNYING_DATABASE_URL", store_url)
    engine = open_engine(store_url)
    with transaction(engine) as tx:
        programme(tx, MAIN)
        number = members.enrol(tx, MAIN, Who("telegram", "7", "小明"), NOW).id
        give(tx, MAIN, number, 100)
    engine.dispose()
    return number


def test_the_owner_writes_what_is_known_of_a_member(
    ming: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for whom in ("telegram:7", f"{ming}"):
        path = tmp_path / f"{whom}.zip"
        assert main(["privacy", "export", whom, str(path)]) == 0
        assert "小明" in capsys.readouterr().out
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with ZipFile(path) as archive:
            assert json.loads(archive.read("posting.json"))[0]["amount"] == 100
    assert {each.name for each in tmp_path.iterdir()} >= {"telegram:7.zip", f"{ming}.zip"}
    assert not [each for each in tmp_path.iterdir() if each.name.startswith(".qunying-")]


@pytest.mark.usefixtures("ming")
def test_who_is_no_member_is_said_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["privacy", "export", "telegram:8", str(tmp_path / "x.zip")]) == 1
    assert "not among the members" in capsys.readouterr().err
    assert not (tmp_path / "x.zip").exists()


@pytest.mark.usefixtures("ming")
def test_a_file_that_cannot_be_written_is_said_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["privacy", "export", "telegram:7", str(tmp_path / "no" / "x.zip")]) == 1
    assert "No such file" in capsys.readouterr().err


# -- the secret ----------------------------------------------------------------------------------


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder of its own, and no secret that is set."""
    monkeypatch.delenv("QUNYING_SECRET_KEY")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_secret_is_made_once_beside_the_store(alone: Path) -> None:
    settings = load_settings(database_url=f"sqlite:///{alone}/deep/x.db")
    first = installation_secret(settings)
    assert len(first) == 64
    assert installation_secret(settings) == first
    path = alone / "deep" / "secret.key"
    assert path.read_text().strip().encode() == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [*path.parent.iterdir()] == [path]
    other = load_settings(database_url=f"sqlite:///{alone}/other/x.db")
    assert installation_secret(other) != first


def test_with_a_server_it_is_in_the_data_folder(alone: Path) -> None:
    settings = load_settings(database_url="postgresql+psycopg://u:p@h/x")
    assert installation_secret(settings) == (alone / "data/secret.key").read_bytes().strip()


def test_a_secret_that_is_set_is_used_and_never_told(
    alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUNYING_SECRET_KEY", "k" * 32)
    settings = load_settings(database_url=f"sqlite:///{alone}/x.db")
    assert installation_secret(settings) == b"k" * 32
    assert not (alone / "secret.key").exists()
    assert "k" * 32 in settings.secrets()
    assert "k" * 32 not in repr(settings)


def test_a_short_or_broken_secret_is_refused(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings(database_url=f"sqlite:///{alone}/x.db")
    for broken in (b"", b"short\n", b"\xff" * 64):
        (alone / "secret.key").write_bytes(broken)
        with pytest.raises(SettingsError, match="QUNYING_SECRET_KEY"):
            installation_secret(settings)
    monkeypatch.setenv("QUNYING_SECRET_KEY", "k" * 31)
    with pytest.raises(SettingsError, match="can be guessed") as refused:
        load_settings()
    assert "kkk" not in str(refused.value)
