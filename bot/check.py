"""`python -m bot check`: everything that can be found wrong before the first message is."""

import asyncio
from collections.abc import Callable

from pydantic import SecretStr
from sqlalchemy import Engine
from telegram import Bot
from telegram.error import InvalidToken, TelegramError

from bot.adapters.telegram import rights
from bot.adapters.telegram.decode import PLATFORM, Me
from bot.config import Settings, SettingsError, load_settings
from bot.pictures import fonts
from content import rulebook, texts
from content.message import BUTTON_BYTES_MAX
from handlers.router import Router, discover
from storage import audit, programmes
from storage.db import DATABASE_ERRORS, missing_file, open_engine, reading
from storage.limits import Limiter
from storage.schema import HEAD, current

GROUPS_ASKED_MAX = 50


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
    unset = {
        "database": not offline and not _made(settings) and "none yet: run makes it",
        "redis": settings.redis_url is None and "not set",
        "telegram": settings.telegram_token is None and "not set",
    }
    good = [_report(n, run(), fine=unset.get(n) or "ok") for n, run in checks].count(False) == 0
    _report("fonts", fonts.problems(), otherwise="to do")  # where they lack, words stand alone
    if good and not offline:
        fine = "ok" if settings.telegram_token else "none without Telegram"
        _report(
            "groups", _groups(settings), otherwise="to do", fine=fine
        )  # a group's affair: not wrong
    return 0 if good else 1


def _report(name: str, problems: list[str], *, otherwise: str = "wrong", fine: str = "ok") -> bool:
    print(f"{name:<10} {otherwise if problems else fine}")  # noqa: T201 - the answer
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
        if not _exists(settings):
            return []  # none yet: `run` makes it
        engine = open_engine(settings.database_url)
        try:
            return _books(engine)
        finally:
            engine.dispose()
    except (ValueError, *DATABASE_ERRORS) as error:
        return [f"QUNYING_DATABASE_URL: {type(error).__name__}: {str(error).splitlines()[0]}"]


def _made(settings: Settings) -> bool:
    """Whether there is a database to look at; one that cannot be named is told of elsewhere."""
    try:
        return _exists(settings)
    except (ValueError, *DATABASE_ERRORS):
        return True


def _exists(settings: Settings) -> bool:
    return missing_file(settings.database_url) is None


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


def _telegram_groups(settings: Settings) -> list[tuple[str, str]]:
    """Return chat ids and titles of the groups that the bot serves, as far as they are known."""
    engine = open_engine(settings.database_url)
    try:
        with engine.connect() as connection:
            if current(connection) is None:
                return []  # empty: `run` makes the tables
        with reading(engine) as tx:
            return programmes.active_chats(tx, PLATFORM, GROUPS_ASKED_MAX + 1)
    finally:
        engine.dispose()


def _groups(settings: Settings) -> list[str]:
    """Tell what the bot may not do in its groups; asked when all the rest is good."""
    token = settings.telegram_token
    if token is None or not _exists(settings):
        return []
    chats = _telegram_groups(settings)

    async def ask() -> list[str]:
        async with _bot(settings, token) as bot:
            sees_all = bool(bot.bot.can_read_all_group_messages)
            me = Me(bot.id, bot.username, sees_all, frozenset())
            lines = [await rights.ask(bot, me, *chat) for chat in chats[:GROUPS_ASKED_MAX]]
        return [line for line in lines if line] + (
            [f"more than {GROUPS_ASKED_MAX} groups: only the newest were asked"]
            if len(chats) > GROUPS_ASKED_MAX
            else []
        )

    try:
        return asyncio.run(ask())
    except TelegramError as error:
        return [f"Telegram cannot be asked about them now: {type(error).__name__}"]


def _bot(settings: Settings, token: SecretStr) -> Bot:
    return Bot(token.get_secret_value(), base_url=f"{settings.telegram_api_url}/bot")


def _telegram(settings: Settings) -> list[str]:
    token = settings.telegram_token
    if token is None:
        return []

    async def ask() -> list[str]:
        try:
            async with _bot(settings, token):
                return []
        except InvalidToken:
            return ["QUNYING_TELEGRAM_TOKEN: Telegram does not know this token"]
        except TelegramError as error:
            return [
                (
                    f"{settings.telegram_api_url} cannot be reached from here"
                    f" ({type(error).__name__}): network, proxy, or QUNYING_TELEGRAM_API_URL?"
                )
            ]

    return asyncio.run(ask())
