"""`python -m bot rules …`: look at the rules, check a document, compare, and publish."""

import argparse
from collections.abc import Callable
from datetime import date, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from bot.clock import utc_now
from bot.config import load_settings
from bot.desk import DeskError, need_database
from bot.paper import Row, fail, say, table
from content import lint, rulebook
from content.rulebook import Rulebook, RulebookError
from storage import programmes, rulebooks
from storage.db import Tx, open_engine, reading
from storage.dryrun import DryRun, dry_run
from storage.rulebooks import Diff, NoticeError
from storage.schema import HEAD, current


def run(options: argparse.Namespace) -> int:
    """Do what `options.verb` says and return the exit status.

    What an operator can put right is said in a few lines. Errors: the database's.
    """
    try:
        if options.verb == "lint":
            return _lint(options.file)
        return _with_database(_VERBS[options.verb], options)
    except NoticeError as error:
        return fail(f"{error}\nSee --effective and --force.")
    except OSError as error:
        return fail(f"{error.filename}: {error.strerror}")
    except (DeskError, RulebookError, UnicodeDecodeError) as error:
        return fail(str(error))
    except LookupError as error:
        return fail(str(error.args[0]))


def _with_database(
    verb: Callable[[Engine, argparse.Namespace], int], options: argparse.Namespace
) -> int:
    settings = load_settings()
    need_database(settings)
    engine = open_engine(settings.database_url)
    try:
        with engine.connect() as connection:
            version = current(connection)
        if version != HEAD:
            return fail(
                f"schema {version or 'none'}, this version needs {HEAD}: python -m bot migrate"
            )
        return verb(engine, options)
    finally:
        engine.dispose()


def _lint(file: Path) -> int:
    """Check a document without a database. Errors: RulebookError for one that cannot be read."""
    rules = _read(file)
    found = lint.lint(rules)
    for finding in found:
        say(f"{finding.severity}  {finding.key}: {finding.message}")
    parts = lint.rebate_pct(rules)
    shown = ", ".join(f"{key} {float(pct):.3g}%" for key, pct in parts.items())
    say(f"of what is spent at best {float(sum(parts.values())):.3g}% comes back ({shown or '-'})")
    return 1 if any(finding.severity == "refuse" for finding in found) else 0


def _show(engine: Engine, options: argparse.Namespace) -> int:
    with reading(engine) as tx:
        zone = programmes.programme(tx, options.programme, utc_now()).zone
        if options.version is None:
            found = rulebooks.in_force(tx, options.programme, utc_now())
        else:
            found = rulebooks.version(tx, options.programme, options.version)
    say(f"# version {found.version}, from {_moment(found.effective, zone)}, by {found.author}")
    say(found.document.rstrip())
    return 0


def _history(engine: Engine, options: argparse.Namespace) -> int:
    with reading(engine) as tx:
        here = programmes.programme(tx, options.programme, utc_now())
        versions = rulebooks.history(tx, options.programme)
    rows = [
        (
            f"{each.version}{' *' if each.version == here.rules_version else ''}",
            _moment(each.effective, here.zone),
            _moment(each.created, here.zone),
            each.author,
            each.note.replace("\n", " "),
        )
        for each in versions
    ]
    table(("version", "in force from", "published", "by", "note"), rows)
    say(f"* in force now ({here.zone.key})")
    return 0


def _diff(engine: Engine, options: argparse.Namespace) -> int:
    names = [name for name in (options.first, options.second) if name is not None]
    with reading(engine) as tx:
        in_force = rulebooks.in_force(tx, options.programme, utc_now())
        names = [f"{in_force.version}", *names][-2:]
        sides = [_side(tx, options.programme, name) for name in names]
    found = rulebooks.diff(*sides)
    _compare(found, *(f"version {name}" if _is_version(name) else name for name in names))
    if options.text:
        for line in found.lines:
            say(line)
    return 0


def _is_version(name: str) -> bool:
    return name.isascii() and name.isdigit()


def _side(tx: Tx, programme_id: int, name: str) -> str:
    if _is_version(name):
        return rulebooks.version(tx, programme_id, int(name)).document
    return Path(name).read_text("utf-8")


def _apply(engine: Engine, options: argparse.Namespace) -> int:
    """Publish a document, or with --dry-run do everything but that."""
    rules, document, now = _read(options.file), options.file.read_text("utf-8"), utc_now()
    with reading(engine) as tx:
        zone = programmes.programme(tx, options.programme, now).zone
        before = rulebooks.in_force(tx, options.programme, now)
        counted = dry_run(tx, options.programme, rules, now) if options.dry_run else None
    _compare(rulebooks.diff(before.document, document), f"version {before.version}", "new")
    for finding in lint.lint(rules):
        say(f"{finding.severity}  {finding.key}: {finding.message}")
    if counted is not None:
        _report(counted)
    with engine.connect() as connection, connection.begin() as transaction:
        tx = Tx(connection)
        number = rulebooks.publish(
            tx,
            options.programme,
            document,
            author=options.author,
            note=options.note,
            effective=_midnight(options.effective, zone, now),
            now=now,
            force=options.force,
        )
        tx.close()
        if options.dry_run:
            transaction.rollback()
    effective = _moment(_midnight(options.effective, zone, now), zone)
    would = "would be" if options.dry_run else "is"
    say(f"This {would} version {number}, in force from {effective} ({zone.key}).")
    return 0


_VERBS = {"show": _show, "history": _history, "diff": _diff, "apply": _apply}


def _read(file: Path) -> Rulebook:
    return rulebook.read_rulebook(file.read_text("utf-8"), name=str(file))


def _midnight(day: date | None, zone: ZoneInfo, now: datetime) -> datetime:
    """Return when a day begins in the programme's zone; today, and no day, begin now."""
    if day is None or day == now.astimezone(zone).date():
        return now
    return datetime.combine(day, time(), zone)


def _moment(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M}"


def _compare(found: Diff, old: str, new: str) -> None:
    """Print the changed keys side by side, and which of them need notice."""
    if not found.changes:
        say("No rule changes.")
        return
    rows = [(key, _value(before), _value(after)) for key, before, after in found.changes]
    table(("key", old, new), rows)
    if found.worse:
        days = rulebooks.NOTICE.days
        say(f"Worse for members, {days} days' notice: {', '.join(found.worse)}")


def _value(value: object) -> str:
    return "–" if value is None or value == "" else f"{value}"


def _report(found: DryRun) -> None:
    """Print what other rules would have paid."""
    say(f"\nIssued from {found.first} to {found.last}, and under the new rules:")
    rows = [
        (each.rule, each.wallet, f"{each.awards}", *_change(each.before, each.after))
        for each in found.lines
    ]
    table(("rule", "wallet", "awards", "before", "after", "change"), rows)
    yuan = _change(found.before_fen, found.after_fen, unit=100)
    say(f"Cost in yuan: {yuan[0]} before, {yuan[1]} after ({yuan[2]}).")
    say(f"Of {found.members} members {found.changed} would have got another total.")
    if found.most:
        most = [
            (each.name, *_change(each.before_fen, each.after_fen, unit=100)) for each in found.most
        ]
        table(("the most (yuan)", "before", "after", "change"), most)
    for note in found.notes:
        say(f"Note: {note}.")


def _change(before: int, after: int, *, unit: int = 1) -> Row:
    places = 2 if unit > 1 else 0
    return (
        f"{before / unit:,.{places}f}",
        f"{after / unit:,.{places}f}",
        f"{(after - before) / unit:+,.{places}f}",
    )
