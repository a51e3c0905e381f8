"""`python -m bot verify`: the proof that the books are right, for whoever wants to see it."""

import sys

from bot.config import load_settings
from bot.desk import need_database
from storage import audit, proof
from storage.db import open_engine, reading
from storage.rebuilding import all_differences
from storage.schema import HEAD, current


def verify() -> int:
    """Print each fault; return 0 when there is none. Errors: DeskError without a database."""
    settings = load_settings()
    need_database(settings)
    engine = open_engine(settings.database_url)
    try:
        with engine.connect() as connection:
            version = current(connection)
        if version != HEAD:
            print(f"schema {version or 'none'}, this version needs {HEAD}: python -m bot migrate")  # noqa: T201 - the answer
            return 1
        with reading(engine) as tx:
            faults = audit.faults(tx) + proof.chain_faults(tx, progress=_progress)
            faults += all_differences(tx)
    finally:
        engine.dispose()
    print("\n".join(faults) or "The books are right: sums, buckets, lots, holds, boards, chain.")  # noqa: T201 - the answer
    return 1 if faults else 0


def _progress(done: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{done:,} postings", end="", file=sys.stderr, flush=True)  # noqa: T201 - long work
