"""Settings: a wrong value is refused by name, with its problem and an example, never a secret."""

import itertools
import os
from pathlib import Path

import pytest

from bot.__main__ import main
from bot.config import EXAMPLES, Settings, SettingsError, load_settings

TOKEN = "123456789:AAExampleExampleExampleExample_1234"
SECRET = "s3cret-Word"


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No setting is set, and the working folder is empty."""
    for name in list(os.environ):
        if name.upper().startswith("QUNYING_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


WRONG = [
    ("DATABASE_URL", "qunying.db", "is no database URL"),
    ("DATABASE_URL", "mysql://root@host/x", "mysql is not supported"),
    ("DATABASE_URL", "postgres://u:s3cret-Word@host/x", "postgres is not supported"),
    ("DATABASE_URL", "postgresql+psycopg://u:p@s3cret-Word:s3cret-Word@host/x", ""),
    ("SECRET_KEY", "s3cret-Word", "has fewer than"),
    ("REDIS_URL", "http://:s3cret-Word@host", "is no Redis URL"),
    ("TIMEZONE", "Beijing", "is no IANA time zone"),
    ("TIMEZONE", "../../etc/passwd", "is no IANA time zone"),
    ("TIMEZONE", "Asia", "is no IANA time zone"),
    ("LOCALE", "fr", "is none of"),
    ("WEB_PORT", "http", "valid integer"),
    ("WEB_PORT", "65536", "less than or equal to 65535"),
    ("WEB_PORT", "-1", "greater than or equal to 0"),
    ("WEB_HOST", "not a host", ""),
    ("PUBLIC_URL", "bot.example.com", "is no http(s) URL"),
    ("PUBLIC_URL", "ftp://bot.example.com", "is no http(s) URL"),
    ("OWNERS", "123456", "is not a list of platform:id"),
    ("OWNERS", "telegram:@name", "is not a list of platform:id"),
    ("OWNERS", "telegram:1,discord:2", "is not a list of platform:id"),
    ("TELEGRAM_TOKEN", "s3cret-Word", "is no bot token"),
    ("TELEGRAM_API_URL", "api.telegram.org", "is no http(s) URL"),
    ("TELEGRAM_MODE", "push", "'polling' or 'webhook'"),
    ("TELEGRAM_WEBHOOK_SECRET", "s3cret-Word!", "A-Z a-z 0-9 _ - only"),
    ("TELEGRAM_WEBHOOK_SECRET", "x" * 257, "A-Z a-z 0-9 _ - only"),
    ("LOG_LEVEL", "loud", "'debug', 'info'"),
]


@pytest.mark.parametrize(("name", "value", "problem"), WRONG)
def test_a_wrong_setting_is_refused_at_start(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    value: str,
    problem: str,
) -> None:
    monkeypatch.setenv(f"QUNYING_{name}", value)
    assert main(["run"]) == 2
    said = capsys.readouterr().err
    assert f"QUNYING_{name}:" in said
    assert problem in said
    assert f"(for example: {EXAMPLES[name.lower()]})" in said
    assert SECRET not in said
    assert "Traceback" not in said


def test_every_setting_has_an_example_and_a_wrong_value_here() -> None:
    assert set(EXAMPLES) == set(Settings.model_fields)
    assert {name.lower() for name, _, _ in WRONG} == set(Settings.model_fields)


def test_all_wrong_settings_are_named_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("QUNYING_LOCALE", "fr")
    monkeypatch.setenv("QUNYING_WEB_PORT", "many")
    assert main(["run"]) == 2
    said = capsys.readouterr().err
    assert "QUNYING_LOCALE" in said
    assert "QUNYING_WEB_PORT" in said


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({}, "public_url"),
        ({"PUBLIC_URL": "http://bot.example.com"}, "public_url"),
        ({"PUBLIC_URL": "https://bot.example.com"}, "telegram_webhook_secret"),
    ],
)
def test_a_webhook_needs_an_address_and_a_secret(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    settings: dict[str, str],
    named: str,
) -> None:
    monkeypatch.setenv("QUNYING_TELEGRAM_TOKEN", TOKEN)
    monkeypatch.setenv("QUNYING_TELEGRAM_MODE", "webhook")
    for name, value in settings.items():
        monkeypatch.setenv(f"QUNYING_{name}", value)
    assert main(["run"]) == 2
    said = capsys.readouterr().err
    assert named in said
    assert TOKEN not in said


def test_the_settings_file_is_read_and_the_environment_wins(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bare / ".env").write_text(
        "QUNYING_LOCALE=en\nQUNYING_WEB_PORT=9000\nQUNYING_OWNERS=telegram:1, telegram:2\n"
        "POSTGRES_PASSWORD=for compose\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("QUNYING_WEB_PORT", "9001")
    settings = load_settings()
    assert (settings.locale, settings.web_port) == ("en", 9001)
    assert settings.owners == {"telegram:1", "telegram:2"}


def test_the_example_file_is_a_good_settings_file(bare: Path) -> None:
    example = Path(__file__).parents[2] / ".env.example"
    (bare / ".env").write_bytes(example.read_bytes())
    assert load_settings() == Settings.model_construct()


def test_empty_is_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.setenv(f"QUNYING_{name.upper()}", "")
    assert load_settings() == Settings.model_construct()


def test_a_slash_at_the_end_of_an_address_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUNYING_PUBLIC_URL", "https://bot.example.com/qunying/")
    assert load_settings().public_url == "https://bot.example.com/qunying"


def test_secrets_are_known_to_the_logs_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "postgresql+psycopg://bot:s3cret-Word@host/x"
    monkeypatch.setenv("QUNYING_DATABASE_URL", url)
    monkeypatch.setenv("QUNYING_TELEGRAM_TOKEN", TOKEN)
    monkeypatch.setenv("QUNYING_TELEGRAM_WEBHOOK_SECRET", "hook-Word")
    monkeypatch.setenv("QUNYING_REDIS_URL", "redis://:redis-Word@host/0")
    settings = load_settings()
    for secret in (SECRET, TOKEN, "hook-Word"):
        assert secret in settings.secrets()
    assert any("redis-Word" in secret for secret in settings.secrets())
    for secret in (TOKEN, "hook-Word", "redis-Word"):
        assert secret not in repr(settings)


def test_a_wrong_setting_raises_one_kind_of_error() -> None:
    for (name, value, _), _ in itertools.groupby(row for row in WRONG if row[0] != "WEB_HOST"):
        with pytest.raises(SettingsError):
            load_settings(**{name.lower(): value})
