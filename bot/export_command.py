"""`python -m bot export ledger FILE`: every posting in a file, and what it adds up to."""

import argparse
import csv
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec

from bot.desk import Desk
from bot.paper import fail, progress, say, table
from storage import export
from storage.db import from_ms, reading
from storage.pages import Row
from storage.proof import PAGE

COLUMNS = ("at", *Row._fields)
"""`at` is `at_ms` in words, UTC; the rest are the posting's own columns, which the chain covers."""
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What makes a formula of a cell: such words get an apostrophe before them."""
_json = msgspec.json.Encoder()


def ledger(desk: Desk, options: argparse.Namespace) -> int:
    """Write the ledger to a file and print its sums; return 1 when the accounts say otherwise.

    The file appears whole or not at all, readable by its owner alone. Errors: DeskError, the
    store's.
    """
    sums = export.Sums()
    one = [] if options.programme is None else [desk.programme(options.programme).id]
    try:
        with reading(desk.engine) as tx:
            wanted = one or export.programmes(tx)
            with _whole(options.file) as file:
                write = FORMATS[options.format](file)
                for row in export.ledger(tx, wanted, sums):
                    write(row)
                    if sums.rows % PAGE == 0:
                        progress(f"{sums.rows:,} postings")
            ends = export.ends(tx, wanted)
            faults = export.differences(tx, wanted, sums)
    except OSError as error:
        return fail(f"{options.file}: {error.strerror}")
    progress("")
    say(f"{options.file}: {sums.rows:,} postings")
    rows = [(f"{id_}", wallet, b, f"{n:,}") for (id_, wallet, b), n in sorted(sums.buckets.items())]
    if rows:
        table(("programme", "wallet", "bucket", "points"), rows)
    for end in ends:
        say(f"chain of programme {end.programme_id}, {end.wallet}: seal {end.seals} {end.hash}")
    for fault in faults:
        fail(fault)
    return 1 if faults else 0


@contextmanager
def _whole(path: Path) -> Iterator[IO[str]]:
    """Open a file beside its place, and put it there when everything has been written."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _csv(file: IO[str]) -> Callable[[Row], None]:
    """Write what spreadsheets open as it stands: a byte order mark, and no formulas."""
    file.write("\ufeff")
    writer = csv.writer(file)
    writer.writerow(COLUMNS)

    def write(row: Row) -> None:
        writer.writerow([_cell(value) for value in (_at(row), *row)])

    return write


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _jsonl(file: IO[str]) -> Callable[[Row], None]:
    def write(row: Row) -> None:
        file.write(_json.encode({"at": _at(row)} | row._asdict()).decode() + "\n")

    return write


def _at(row: Row) -> str:
    return from_ms(row.at_ms).isoformat(timespec="milliseconds")


FORMATS: dict[str, Callable[[IO[str]], Callable[[Row], None]]] = {"csv": _csv, "jsonl": _jsonl}
