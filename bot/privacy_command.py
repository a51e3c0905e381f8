"""`python -m bot privacy export MEMBER FILE`: what is known about a member, for him to have."""

import argparse
import tempfile
from pathlib import Path

from bot.desk import Desk
from bot.paper import fail, say
from bot.person_file import write
from content.texts import texts
from storage import members
from storage.db import reading
from storage.members import Place


def export(desk: Desk, options: argparse.Namespace) -> int:
    """Write all that is known about a member of a programme; return 1 when that is not possible.

    The file appears whole or not at all, readable by its owner alone. Errors: DeskError, the
    store's.
    """
    here = desk.programme(options.programme)
    (member_id,) = desk.people(here.id, [options.member])
    path: Path = options.file
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".qunying-") as folder:
            part = Path(folder) / path.name
            part.touch(0o600)
            with reading(desk.engine) as tx:
                name = members.name(tx, here.id, member_id)
                place = Place(here.id, member_id, here.name, "", 0, None)
                write(tx, [place], part, texts(here.locale))
            part.replace(path)
    except OSError as error:
        return fail(f"{path}: {error.strerror}")
    say(f"{path}: what is known about {name} ({member_id})")
    return 0
