"""The command line: `python -m bot <command>`, also installed as `qunying`."""

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot import arguments, logs
from bot.config import Settings, SettingsError, load_settings

if TYPE_CHECKING:
    from bot.desk import Desk


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit status."""
    options = _parser().parse_args(arguments)
    os.umask(0o077)  # the books are for the bot's own user alone
    try:
        status: int = options.run(options)
    except SettingsError as error:
        print(f"These settings cannot be used:\n{error}", file=sys.stderr)  # noqa: T201 - the command's answer
        return 2
    except KeyboardInterrupt:
        return 130
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="qunying", description="群营 Qunying")
    commands = parser.add_subparsers(required=True, metavar="command")

    def command(name: str, run: Any, about: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=about, description=about)
        sub.set_defaults(run=run)
        return sub

    command("run", _run, "run the bot on the platforms that are set")
    demo = command("demo", _demo, "open a chat room with a lively community, to try everything")
    demo.add_argument(
        "--port", type=int, help="the page's port (default QUNYING_WEB_PORT, else 8080)"
    )
    demo.add_argument("--host", help="where to listen (default 127.0.0.1)")
    demo.add_argument("--locale", choices=("zh", "en"), help="the community's language")
    check = command("check", _check, "check settings, rules, texts, database and tokens")
    check.add_argument("--offline", action="store_true", help="nothing outside this process")
    command("commands", _commands, "list the chat commands")
    command("verify", _verify, "prove that the books are right, and the chain unbroken")
    again = command("rebuild", _rebuild, "compare everything that follows from the postings")
    again.add_argument("--programme", type=int, default=1, help="whose points (default 1)")
    again.add_argument("--apply", action="store_true", help="write what differs")
    command("migrate", _migrate, "bring the database to this version's schema")
    bench = command("bench", _bench, "measure rates beside their baselines (in a checkout)")
    bench.add_argument("what", nargs="...", help="such as `store --quick`; `-- --help` says more")
    _keys_parser(command("keys", _keys, "the keys of the HTTP API"))
    _reviews_parser(command("reviews", _reviews, "awards over the budget, which wait for you"))
    arguments.risk(command("risk", _risk, "what looks like cheating, which waits for you"))
    _rules_parser(command("rules", _rules, "show, check, compare and publish rule documents"))
    arguments.compensate(
        command("compensate", _compensate, "make good what members have lost, when several approve")
    )
    arguments.export(command("export", _export, "write the whole ledger to a file"))
    arguments.privacy(command("privacy", _privacy, "what is known about a member"))
    arguments.statement(command("statement", _statement, "what a member has, and how it came"))
    _import_parser(command("import", _import, "take in a file of orders or members"))
    return parser


def _import_parser(parser: argparse.ArgumentParser) -> None:
    kinds = parser.add_subparsers(required=True, dest="kind")
    for kind in ("orders", "members"):
        about = f"{kind} from a CSV file or a workbook (.xlsx); without --apply a preview"
        one = kinds.add_parser(kind, help=about, description=about)
        one.add_argument("file", type=Path)
        one.add_argument("--apply", action="store_true", help="write it; twice is once")
        one.add_argument("--report", type=Path, metavar="FILE", help="refused rows, as CSV")
        one.add_argument(
            "--platform", metavar="NAME", help="whose user ids these are, such as shop"
        )
        one.add_argument("--sheet", metavar="NAME", help="of a workbook (default: the first)")
        one.add_argument(
            "--column", action="append", metavar="MEANING=HEADING", help="such as amount=实付"
        )
        one.add_argument("--programme", type=int, default=1, help="whose points (default 1)")


def _keys_parser(keys: argparse.ArgumentParser) -> None:
    ways = keys.add_subparsers(required=True, dest="verb")
    new = ways.add_parser("new", help="make a key; its secrets are shown once")
    new.add_argument("name", help="whose it is, such as the shop's name")
    new.add_argument("--scope", action="append", help="events:write, points:read (default both)")
    listed = ways.add_parser("list", help="list the keys, without secrets")
    for way in (new, listed):
        way.add_argument("--programme", type=int, default=1, help="whose points (default 1)")
    rotate = ways.add_parser("rotate", help="make a key that follows another")
    rotate.add_argument("--hours", type=int, default=24, help="how long the old one is still good")
    revoke = ways.add_parser("revoke", help="let a key be refused from now on")
    for way in (rotate, revoke):
        way.add_argument("prefix", help="the first part of the key, after qy_")


def _reviews_parser(reviews: argparse.ArgumentParser) -> None:
    ways = reviews.add_subparsers(required=True, dest="verb")
    listed = ways.add_parser("list", help="list what waits, the oldest first")
    listed.add_argument("--most", type=int, default=50, help="how many (default 50)")
    approve = ways.add_parser("approve", help="pay what has waited")
    refuse = ways.add_parser("refuse", help="pay nothing")
    for way in (approve, refuse):
        way.add_argument("number", type=int, nargs="*", help="the numbers that list shows")
        way.add_argument("--all", action="store_true", help="everything that waits now")
        way.add_argument("--by", required=True, help="who decides: it is kept")
    for way in (listed, approve, refuse):
        way.add_argument("--programme", type=int, default=1, help="whose points (default 1)")


def _rules_parser(rules: argparse.ArgumentParser) -> None:
    verbs = rules.add_subparsers(required=True, dest="verb")

    def verb(name: str, about: str) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=about, description=about)
        sub.add_argument("--programme", type=int, default=1, help="its number (default 1)")
        return sub

    show = verb("show", "print the document in force, or a version")
    show.add_argument("--version", type=int, help="its number")
    verb("history", "list the versions, the newest first")
    verb("lint", "check a document").add_argument("file", type=Path)
    diff = verb("diff", "compare a document with that in force, or two documents")
    diff.add_argument("first", metavar="FILE|VERSION")
    diff.add_argument("second", nargs="?", metavar="FILE|VERSION", help="newer than the first")
    diff.add_argument("--text", action="store_true", help="the lines that differ, too")
    apply = verb("apply", "publish a document")
    apply.add_argument("file", type=Path)
    apply.add_argument("--author", required=True, help="who decides this")
    apply.add_argument("--note", required=True, help="why, in a sentence")
    apply.add_argument("--effective", type=date.fromisoformat, help="YYYY-MM-DD (default: now)")
    apply.add_argument("--force", default="", metavar="REASON", help="do without notice")
    apply.add_argument("--dry-run", action="store_true", help="count 30 days anew, save nothing")


def _run(_options: argparse.Namespace) -> int:
    from bot.app import check_room, room_settings, serve  # noqa: PLC0415 - --help comes at once

    settings = load_settings()
    check_room(settings)
    settings = room_settings(settings)
    return _serve(serve(settings), settings)


def _demo(options: argparse.Namespace) -> int:
    from bot.app import serve  # noqa: PLC0415 - the same

    with tempfile.TemporaryDirectory(prefix="qunying-demo-") as folder:
        settings = load_settings(
            database_url=f"sqlite:///{Path(folder) / 'demo.db'}",
            redis_url=None,
            telegram_token=None,
            web_host=options.host or "127.0.0.1",
            log_level="warning",
            **({} if options.port is None else {"web_port": options.port}),
            **({"locale": options.locale} if options.locale else {}),
        )
        return _serve(serve(settings, demo=True), settings)


def _serve(work: Any, settings: Settings) -> int:
    from bot.adapters.telegram.contact import TokenRefusedError  # noqa: PLC0415 - the same
    from bot.worker import StoreDownError  # noqa: PLC0415 - the same
    from storage.db import DATABASE_ERRORS  # noqa: PLC0415 - the same
    from storage.lock import LockedError  # noqa: PLC0415 - the same
    from storage.schema import SchemaError  # noqa: PLC0415 - the same

    logs.set_up(settings.log_level, settings.secrets())
    try:
        asyncio.run(work)
    except TokenRefusedError:
        return _fail("QUNYING_TELEGRAM_TOKEN: Telegram does not know this token (ask BotFather)")
    except (LockedError, SchemaError, OSError) as error:
        return _fail(str(error))
    except (StoreDownError, *DATABASE_ERRORS) as error:
        return _fail(_database_trouble(error))
    return 0


def _check(options: argparse.Namespace) -> int:
    from bot.check import check  # noqa: PLC0415 - the same

    return check(offline=options.offline)


def _commands(_options: argparse.Namespace) -> int:
    from bot.paper import padded, say  # noqa: PLC0415 - the same
    from handlers.router import discover  # noqa: PLC0415 - the same

    for command in discover().commands.values():
        english = (f"“{phrase}”" for phrase in command.english)
        words = " ".join((*command.words, *command.presets, *english))
        say(f"/{command.name:<10} {padded(words, 28)} {command.summary}")
    return 0


def _verify(_options: argparse.Namespace) -> int:
    from bot.desk import DeskError  # noqa: PLC0415 - the same
    from bot.verify import verify  # noqa: PLC0415 - the same
    from storage.db import DATABASE_ERRORS  # noqa: PLC0415 - the same

    try:
        return verify()
    except DeskError as error:
        return _fail(str(error))
    except DATABASE_ERRORS as error:
        return _fail(_database_trouble(error))


def _migrate(_options: argparse.Namespace) -> int:
    from storage.db import DATABASE_ERRORS, open_engine  # noqa: PLC0415 - the same
    from storage.schema import HEAD, SchemaError, migrate  # noqa: PLC0415 - the same

    engine = open_engine(load_settings().database_url)
    try:
        before = migrate(engine)
    except SchemaError as error:
        return _fail(str(error))
    except DATABASE_ERRORS as error:
        return _fail(_database_trouble(error))
    finally:
        engine.dispose()
    print(f"schema {before or 'none'} → {HEAD}")  # noqa: T201 - the answer
    return 0


def _bench(options: argparse.Namespace) -> int:
    from bot.bench_command import bench  # noqa: PLC0415 - the same

    return bench([word for word in options.what if word != "--"])


def _rules(options: argparse.Namespace) -> int:
    from bot import rules_command  # noqa: PLC0415 - the same
    from storage.db import DATABASE_ERRORS  # noqa: PLC0415 - the same

    try:
        return rules_command.run(options)
    except DATABASE_ERRORS as error:
        return _fail(_database_trouble(error))


def _keys(options: argparse.Namespace) -> int:
    from bot import keyring  # noqa: PLC0415 - the same

    work = {"new": keyring.new, "list": keyring.show_all}
    work |= {"rotate": keyring.rotate, "revoke": keyring.revoke}
    return _at_desk(work[options.verb], options)


def _compensate(options: argparse.Namespace) -> int:
    from bot import compensation_command  # noqa: PLC0415 - the same

    return _at_desk(compensation_command.run, options)


def _export(options: argparse.Namespace) -> int:
    from bot import export_command  # noqa: PLC0415 - the same

    return _at_desk(export_command.ledger, options)


def _privacy(options: argparse.Namespace) -> int:
    from bot import privacy_command  # noqa: PLC0415 - the same

    return _at_desk(privacy_command.export, options)


def _statement(options: argparse.Namespace) -> int:
    from bot import statement_command  # noqa: PLC0415 - the same

    return _at_desk(statement_command.statement, options)


def _reviews(options: argparse.Namespace) -> int:
    from bot import reviewing  # noqa: PLC0415 - the same

    work = {"list": reviewing.show, "approve": reviewing.approve, "refuse": reviewing.refuse}
    return _at_desk(work[options.verb], options)


def _risk(options: argparse.Namespace) -> int:
    from bot import risk_command  # noqa: PLC0415 - the same

    return _at_desk(risk_command.run, options)


def _rebuild(options: argparse.Namespace) -> int:
    from bot.rebuild import rebuild  # noqa: PLC0415 - the same

    return _at_desk(rebuild, options)


def _at_desk(
    work: Callable[["Desk", argparse.Namespace], int | None], options: argparse.Namespace
) -> int:
    """Do a command's work on the store; its troubles are said in one line."""
    from bot.desk import DeskError, open_desk  # noqa: PLC0415 - the same
    from bot.worker import StoreDownError  # noqa: PLC0415 - the same
    from storage.db import DATABASE_ERRORS  # noqa: PLC0415 - the same

    try:
        with open_desk(load_settings()) as desk:
            return work(desk, options) or 0
    except (DeskError, StoreDownError) as error:
        return _fail(str(error))
    except DATABASE_ERRORS as error:
        return _fail(_database_trouble(error))


def _import(options: argparse.Namespace) -> int:
    from bot.desk import DeskError  # noqa: PLC0415 - the same
    from bot.imports import command  # noqa: PLC0415 - the same
    from bot.worker import StoreDownError  # noqa: PLC0415 - the same
    from storage.db import DATABASE_ERRORS  # noqa: PLC0415 - the same

    try:
        return command.run(options)
    except (DeskError, StoreDownError) as error:
        return _fail(str(error))
    except DATABASE_ERRORS as error:
        return _fail(_database_trouble(error))


def _database_trouble(error: Exception) -> str:
    original = getattr(error, "orig", None) or error
    return f"QUNYING_DATABASE_URL: {str(original).strip().splitlines()[0]}"


def _fail(message: str) -> int:
    print(message, file=sys.stderr)  # noqa: T201 - the command's answer
    return 1


if __name__ == "__main__":
    sys.exit(main())
