"""`python -m bot import`: look at a file first, then let it in; twice is once."""

import argparse
from contextlib import ExitStack

from bot.config import load_settings
from bot.desk import Desk, DeskError, open_desk
from bot.imports.applying import Way, apply
from bot.imports.preview import preview
from bot.imports.report import Report
from bot.imports.table import Asked, Table, open_table, rows
from bot.imports.tally import Tally, say
from content.columns import KINDS
from content.intake import Reader, near, platform_name
from content.message import Refusal
from content.names import clean_text
from content.texts import Texts, texts
from storage.lock import LockedError, only_process
from storage.programmes import Programme

NAME_MAX = 80
"""Characters of the file's name that a posting keeps."""


def run(options: argparse.Namespace) -> int:
    """Do what the command line says; return 0 when no row was refused, 1 otherwise.

    Errors: DeskError for what cannot be done, StoreDownError, and the database's.
    """
    words = texts(load_settings().locale)
    try:
        asked = _asked(options, words)
        with open_desk(load_settings()) as desk:
            return _import(desk, asked, options)
    except OSError as error:
        raise DeskError(f"{error.filename}: {error.strerror}") from None


def _asked(options: argparse.Namespace, words: Texts) -> Asked:
    """Return what is asked for. Errors: DeskError."""
    path, report = options.file, options.report
    if not path.is_file():
        raise DeskError(words.say("import.file_none", path=path))
    if report is not None and report.exists() and report.samefile(path):
        raise DeskError(words.say("import.report_is_file", path=report))
    told = {}
    for pair in options.column or []:
        meaning, equals, heading = pair.partition("=")
        if not equals or meaning not in KINDS[options.kind]:
            meanings = ", ".join(KINDS[options.kind])
            raise DeskError(words.say("import.column_option", given=pair, meanings=meanings))
        told[meaning] = heading
    return Asked(path, options.kind, told, options.platform or "", options.sheet)


def _import(desk: Desk, asked: Asked, options: argparse.Namespace) -> int:
    here = desk.programme(options.programme)
    words = texts(here.locale)
    with ExitStack() as held:
        if options.apply:
            try:
                held.enter_context(only_process(desk.engine, f"import-{asked.kind}"))
            except LockedError:
                raise DeskError(words.say("import.running", kind=asked.kind)) from None
        try:
            table = held.enter_context(open_table(asked))
            return _work(desk, here, asked, table, options)
        except Refusal as refusal:  # of the whole file: rows are refused one by one
            raise DeskError(f"{asked.path}: {words.say(refusal.key, **refusal.values)}") from None


def _work(
    desk: Desk, here: Programme, asked: Asked, table: Table, options: argparse.Namespace
) -> int:
    words = texts(here.locale)
    close = near(platform_name(asked.platform))
    if close:
        say(words.say("import.platform_near", given=asked.platform, near=close))
    head = (words.say("import.line"), words.say("import.reason"), *table.columns.headings)
    with Report(options.report, head) as report:
        tally = Tally(words, here.zone, report)
        found = rows(
            table, asked.kind, Reader(table.columns, zone=here.zone, platform=asked.platform)
        )
        way = Way(desk, here, asked.kind, f"import:{clean_text(asked.path.name, NAME_MAX)}")
        if options.apply:
            apply(desk, way, tally, found, table.source.done)
        else:
            preview(desk, here, way, table, tally, found)
    if options.report is not None:
        say(words.say("import.reported", path=options.report, count=report.written))
    return 1 if tally.refused else 0
