"""All that is known about a person as a file: a ZIP of JSON, written as it is read."""

import json
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import IO
from zipfile import ZIP_DEFLATED, ZipFile

import msgspec
from sqlalchemy import Engine

from content.texts import Texts
from storage import about, members
from storage.about import Record
from storage.db import Tx, reading
from storage.members import Identity, Place

INDEX = "index.json"
PART = 500
"""Rows that are written together."""
_json = msgspec.json.Encoder()


def write_of(engine: Engine, who: Identity, path: Path, words: Texts) -> int:
    """Write what is known of whoever has an account, wherever he is; return in how many places.

    It reads one moment and keeps nobody waiting. Errors: OSError, the database's.
    """
    with reading(engine) as tx:
        places = members.places(tx, who)
        write(tx, places, path, words)
    return len(places)


def write(tx: Tx, places: Sequence[Place], path: Path, words: Texts) -> None:
    """Write what is known of a person in each of his places."""
    listed = []
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for number, place in enumerate(places, start=1):
            folder = f"{number}/" if len(places) > 1 else ""
            files = []
            for table, rows in about.tell(tx, place.programme_id, place.member_id):
                name = f"{folder}{table}.json"
                with archive.open(name, "w", force_zip64=True) as file:
                    count = _write(file, rows)
                files.append({"file": name, "what": words.say(f"about.{table}"), "rows": count})
            listed.append({"programme": place.programme, "files": files})
        index = {"about": words.say("privacy.index"), "places": listed}
        archive.writestr(INDEX, json.dumps(index, ensure_ascii=False, indent=1))


def _write(file: IO[bytes], rows: Iterable[Record]) -> int:
    """Write rows as a list, one in each line; return how many."""
    count = 0
    file.write(b"[")
    rest = iter(rows)
    while part := [*islice(rest, PART)]:
        lines = b",\n".join(map(_json.encode, part))
        file.write((b",\n" if count else b"\n") + lines)
        count += len(part)
    file.write(b"\n]\n")
    return count
