"""`python -m bot rebuild`: every projection once more from the postings, compared or written."""

import argparse
import sys

from bot.desk import Desk, DeskError
from storage import rebuilding
from storage.db import Tx, reading
from storage.lock import LockedError, only_process
from storage.programmes import Programme
from storage.rebuilding import Difference

SHOWN = 20


def rebuild(desk: Desk, options: argparse.Namespace) -> None:
    """Compare a programme's projections with its postings; write them with --apply."""
    here = desk.programme(options.programme)
    if options.apply:
        try:
            with only_process(desk.engine):
                found = desk.run(lambda tx: _write(tx, here))
        except LockedError as error:
            raise DeskError(
                f"{error}: stop the bot first, so that nothing moves meanwhile"
            ) from None
        _show(found)
        print("Written." if found else "Nothing to write.")  # noqa: T201 - the answer
        return
    with reading(desk.engine) as tx:
        _, found = rebuilding.compare(tx, here.id, progress=_progress)
    _show(found)
    if found:
        raise DeskError("what is stored differs from the postings: rebuild --apply writes it anew")
    print("Everything stored is what the postings say.")  # noqa: T201 - the answer


def _write(tx: Tx, here: Programme) -> list[Difference]:
    rebuilding.hold_still(tx)  # other commands may be at work, too
    right, found = rebuilding.compare(tx, here.id, progress=_progress)
    if found:
        rebuilding.apply(tx, here.id, right)
    return found


def _show(found: list[Difference]) -> None:
    for difference in found[:SHOWN]:
        print(difference)  # noqa: T201 - the answer
    if len(found) > SHOWN:
        print(f"… and {len(found) - SHOWN} more")  # noqa: T201 - the answer


def _progress(done: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{done:,} postings", end="", file=sys.stderr, flush=True)  # noqa: T201 - long work
