"""A look at a file before it is let in: nothing is written."""

from collections.abc import Iterable, Iterator
from itertools import islice

from bot.desk import Desk
from bot.imports.applying import BATCH, Way
from bot.imports.report import Report
from bot.imports.table import Read, Table
from bot.imports.tally import Progress, Tally, say
from content.message import Refusal
from content.notice import REFUNDED, REVIEWED, Notice
from storage import members
from storage.db import Tx, reading
from storage.programmes import Programme

SHOWN = 5
"""Rows that are shown as they were understood."""


def preview(  # noqa: PLR0917 - what is looked at, and with what
    desk: Desk, here: Programme, way: Way, table: Table, tally: Tally, found: Iterator[Read]
) -> None:
    """Say what the columns are, read every row, look for the members, and try the first batch."""
    words = tally.words
    say(table.source.form)
    for meaning, place in sorted(table.columns.places.items(), key=lambda item: item[1]):
        say(words.say("import.took", heading=table.columns.headings[place], meaning=meaning))
    if table.columns.unused:
        say(words.say("import.unused", headings="、".join(table.columns.unused)))
    first = _look(desk, here, table, tally, found)
    say(words.say("import.counted", rows=tally.rows, refused=tally.refused, zone=here.zone.key))
    tally.show_reasons()
    for read in first[:SHOWN]:
        assert not isinstance(read.told, Refusal)
        say(tally.row(read.line, read.told))
    if first:
        _try(way, tally, first)
    say(words.say("import.nothing_written"))


def _look(
    desk: Desk, here: Programme, table: Table, tally: Tally, found: Iterator[Read]
) -> list[Read]:
    """Count all rows, refuse those that can be refused by looking, and return the first good."""
    first: list[Read] = []
    progress = Progress(tally.words)
    with reading(desk.engine) as tx:
        while batch := list(islice(found, BATCH)):
            strangers = _strangers(tx, here, [r.told for r in batch if isinstance(r.told, Notice)])
            for read in batch:
                told = read.told
                if isinstance(told, Notice) and told.key in strangers:
                    told = Refusal("deed.member_unknown", who=told.who)
                if isinstance(told, Refusal):
                    tally.refuse(read.line, told)
                elif len(first) < BATCH:
                    first.append(read)
            tally.rows += len(batch)
            progress.tell(tally, table.source.done())
    progress.end()
    return first


def _strangers(tx: Tx, here: Programme, notices: Iterable[Notice]) -> set[str]:
    """Return the keys of notices that name a member whom nobody knows."""
    asked = [n for n in notices if n.event not in {REFUNDED, REVIEWED} or n.member_id or n.user_id]
    named = {(n.platform, n.user_id) for n in asked if n.platform and n.user_id}
    people = members.by_identity(tx, here.id, named) if named else {}
    ids = {int(n.member_id) for n in asked if n.member_id}
    known = members.known(tx, here.id, ids) if ids else {}
    return {
        n.key
        for n in asked
        if (int(n.member_id) not in known if n.member_id else (n.platform, n.user_id) not in people)
    }


def _try(way: Way, tally: Tally, first: list[Read]) -> None:
    """Do the first rows, undo them, and say what would have come of it."""
    with Report(None, ()) as nowhere:
        trial = Tally(tally.words, tally.zone, nowhere)
        results = way.trial([r.told for r in first if not isinstance(r.told, Refusal)])
        for read, result in zip(first, results, strict=True):
            trial.count(read.line, result)
    say(
        tally.words.say(
            "import.tried",
            rows=len(first),
            new=trial.new,
            known=trial.known,
            refused=trial.refused,
            points=trial.points,
        )
    )
    trial.show_waiting()
    trial.show_reasons()
