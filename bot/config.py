"""Settings from the environment or `.env`: refused at start with name, problem and example."""

import os
import re
from difflib import get_close_matches
from typing import Annotated, Any, Literal
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from content.texts import LOCALES

PREFIX = "QUNYING_"
TESTS = "QUNYING_TEST_"
SECRET_MIN = 32
_TOKEN = re.compile(r"\d{3,20}:[A-Za-z0-9_-]{20,100}")
_SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")
EXAMPLES = {
    "database_url": "sqlite:///data/qunying.db or postgresql+psycopg://user:password@host/qunying",
    "redis_url": "redis://localhost:6379/0",
    "timezone": "Asia/Shanghai",
    "locale": "zh or en",
    "web_host": "127.0.0.1",
    "web_port": "8080",
    "public_url": "https://bot.example.com",
    "secret_key": "32 letters and digits or more, by chance: openssl rand -hex 32",
    "owners": "telegram:123456789",
    "telegram_token": "123456789:AAE… as BotFather gives it",
    "telegram_api_url": "https://api.telegram.org",
    "telegram_mode": "polling or webhook",
    "telegram_webhook_secret": "1 to 256 of A-Z a-z 0-9 _ -",
    "log_level": "info",
}


class SettingsError(Exception):
    """Settings that cannot be used; the message names each, its problem and an example."""


class Settings(BaseSettings):
    """What an operator sets. Secrets never appear in logs: they are SecretStr, and redacted."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_file=".env", extra="ignore")

    database_url: str = "sqlite:///data/qunying.db"
    redis_url: SecretStr | None = None
    timezone: str = "Asia/Shanghai"
    locale: str = "zh"
    web_host: str = "127.0.0.1"
    web_port: Annotated[int, Field(ge=0, le=65535)] = 8080
    public_url: str | None = None
    secret_key: SecretStr | None = None
    owners: Annotated[frozenset[str], NoDecode] = frozenset()
    telegram_token: SecretStr | None = None
    telegram_api_url: str = "https://api.telegram.org"
    telegram_mode: Literal["polling", "webhook"] = "polling"
    telegram_webhook_secret: SecretStr | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @model_validator(mode="before")
    @classmethod
    def _empty_is_unset(cls, values: Any) -> Any:
        return {name: value for name, value in values.items() if value not in ("", None)}

    @field_validator("database_url")
    @classmethod
    def _database(cls, value: str) -> str:
        try:
            backend = make_url(value).drivername
        except (ArgumentError, ValueError):  # whose words would show parts of the password
            raise ValueError(
                "is no database URL (in a password write @ : / as %40 %3A %2F)"
            ) from None
        if backend not in {"sqlite", "postgresql+psycopg"}:
            raise ValueError(f"{backend} is not supported")
        if backend == "sqlite" and make_url(value).database in {None, "", ":memory:"}:
            raise ValueError("names no file, and points are kept in one")
        return value

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not value.get_secret_value().startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("is no Redis URL")
        return value

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError("is no IANA time zone") from error
        return value

    @field_validator("locale")
    @classmethod
    def _locale(cls, value: str) -> str:
        if value not in LOCALES:
            raise ValueError(f"is none of {', '.join(LOCALES)}")
        return value

    @field_validator("web_host")
    @classmethod
    def _host(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9.-]+|\[?[0-9A-Fa-f:]+\]?", value):
            raise ValueError("is no host name or address")
        return value

    @field_validator("public_url", "telegram_api_url")
    @classmethod
    def _url(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"https?://[^\s/]+(/\S*)?", value):
            raise ValueError("is no http(s) URL")
        return value.rstrip("/") if value else value

    @field_validator("owners", mode="before")
    @classmethod
    def _owners(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        owners = [owner.strip() for owner in value.split(",") if owner.strip()]
        for owner in owners:
            if not re.fullmatch(r"(telegram:\d+|wecom:\S+)", owner):
                raise ValueError("is not a list of platform:id, the id of Telegram being a number")
        return frozenset(owners)

    @field_validator("secret_key")
    @classmethod
    def _secret_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value and len(value.get_secret_value()) < SECRET_MIN:
            raise ValueError(f"has fewer than {SECRET_MIN} characters, and can be guessed")
        return value

    @field_validator("telegram_token")
    @classmethod
    def _token(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not _TOKEN.fullmatch(value.get_secret_value()):
            raise ValueError("is no bot token")
        return value

    @field_validator("telegram_webhook_secret")
    @classmethod
    def _webhook_secret(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not _SECRET.fullmatch(value.get_secret_value()):
            raise ValueError("may hold 1 to 256 of A-Z a-z 0-9 _ - only")
        return value

    @model_validator(mode="after")
    def _webhook_needs(self) -> "Settings":
        if self.telegram_token and self.telegram_mode == "webhook":
            if not (self.public_url or "").startswith("https://"):
                raise ValueError("public_url must begin with https:// for the webhook")
            if self.telegram_webhook_secret is None:
                raise ValueError("telegram_webhook_secret is needed for the webhook")
        return self

    def secrets(self) -> list[str]:
        """Return every secret value, for the log filter."""
        found = [
            self.redis_url,
            self.telegram_token,
            self.telegram_webhook_secret,
            self.secret_key,
        ]
        values = [secret.get_secret_value() for secret in found if secret]
        urls = [self.database_url, self.redis_url.get_secret_value() if self.redis_url else ""]
        for url in filter(None, urls):
            password = urlsplit(url).password
            values += [password, unquote(password)] if password else []
        return values


def load_settings(**overrides: Any) -> Settings:
    """Read the settings. Errors: SettingsError, a line for each wrong one."""
    unknown = _unknown_names()
    if unknown:
        raise SettingsError("\n".join(unknown))
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise SettingsError("\n".join(_explain(problem) for problem in error.errors())) from None


def _unknown_names() -> list[str]:
    """Return a line for each setting that does not exist: a slip would pass unnoticed."""
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    given = {name.upper() for name in (*os.environ, *dotenv_values(".env"))}
    wrong = sorted(n for n in given - known if n.startswith(PREFIX) and not n.startswith(TESTS))
    lines = []
    for name in wrong:
        nearest = get_close_matches(name, known, n=1)
        meant = f" (did you mean {nearest[0]}?)" if nearest else ""
        lines.append(f"{name}: there is no such setting{meant}")
    return lines


def _explain(problem: Any) -> str:
    message = str(problem["msg"]).removeprefix("Value error, ")
    name = str(problem["loc"][0]) if problem["loc"] else message.split()[0]
    said = message
    if problem["loc"]:
        given = "" if _is_secret(name) else f"{problem['input']!r} "
        said = f"{given}{message}"
    example = EXAMPLES.get(name, "")
    return f"{PREFIX}{name.upper()}: {said} (for example: {example})"


def _is_secret(name: str) -> bool:
    annotation = Settings.model_fields[name].annotation
    return "SecretStr" in str(annotation) or name == "database_url"
