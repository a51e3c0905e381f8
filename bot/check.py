"""`python -m bot check`: everything that can be found wrong before the first message is."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.engine import make_url
from telegram import Bot
from telegram.error import InvalidToken, TelegramError

from bot.config import Settings, SettingsError, load_settings
from content import rulebook, texts
from content.message import BUTTON_BYTES_MAX
from handlers.router import Router, discover
from storage import audit
from storage.db import DATABASE_ERRORS, open_engine, reading
from storage.limits import Limiter
from storage.schema import HEAD, current


def check(*, offline: bool) -> int:
    """Print a line for each check; return 0 when all of them are good."""
    try:
        settings = load_settings()
    except SettingsError as error:
        return 0 if _report("settings", str(error).splitlines()) else 1
    checks: list[tuple[str, Callable[[], list[str]]]] = [
        ("settings", list),
        ("rules", _rules),
        ("texts", texts.problems),
        ("commands", lambda: _commands(discover())),
    ]
    if not offline:
        checks += [
            ("database", lambda: _database(settings)),
            ("redis", lambda: _redis(settings)),
            ("telegram", lambda: _telegram(settings)),
        ]
    good = [_report(name, run()) for name, run in checks]
    return 0 if all(good) else 1


def _report(name: str, problems: list[str]) -> bool:
    print(f"{name:<10} {'ok' if not problems else 'wrong'}")  # noqa: T201 - the answer
    for problem in problems:
        print(f"           {problem}")  # noqa: T201 - the answer
    return not problems


def _rules() -> list[str]:
    try:
        rulebook.read_rulebook(rulebook.shipped_document(), name="content/rules/default.toml")
    except rulebook.RulebookError as error:
        return str(error).splitlines()
    return []


def _commands(router: Router) -> list[str]:
    """Every command has its menu line, every button its size."""
    problems: list[str] = []
    for locale in texts.LOCALES:
        words = texts.texts(locale)
        problems += [
            f"content/texts/{locale}.toml: command.{name} is missing"
            for name in router.commands
            if f"command.{name}" not in words
        ]
    problems += [
        f"/{name} is longer than a button may carry"
        for name in router.commands
        if len(name.encode()) > BUTTON_BYTES_MAX
    ]
    return problems


def _database(settings: Settings) -> list[str]:
    try:
        url = make_url(settings.database_url)
        if url.drivername == "sqlite" and not Path(str(url.database)).exists():
            return []  # none yet: `run` makes it
        engine = open_engine(settings.database_url)
        try:
            return _books(engine)
        finally:
            engine.dispose()
    except (ValueError, *DATABASE_ERRORS) as error:
        return [f"QUNYING_DATABASE_URL: {type(error).__name__}: {str(error).splitlines()[0]}"]


def _books(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        version = current(connection)
    if version is None:
        return []  # empty: `run` makes the tables
    if version != HEAD:
        return [f"schema {version}, this version needs {HEAD}: python -m bot migrate"]
    with reading(engine) as tx:
        return audit.faults(tx)


def _redis(settings: Settings) -> list[str]:
    if settings.redis_url is None:
        return []
    up = Limiter(settings.redis_url.get_secret_value()).reachable()
    return [] if up else ["QUNYING_REDIS_URL: does not answer; rate limits would be open"]


def _telegram(settings: Settings) -> list[str]:
    token = settings.telegram_token
    if token is None:
        return []

    async def ask() -> list[str]:
        try:
            async with Bot(token.get_secret_value(), base_url=f"{settings.telegram_api_url}/bot"):
                return []
        except InvalidToken:
            return ["QUNYING_TELEGRAM_TOKEN: Telegram does not know this token"]
        except TelegramError as error:
            return [f"QUNYING_TELEGRAM_API_URL: {type(error).__name__}"]

    return asyncio.run(ask())
