"""Compensation runs: tried, proposed with every member's sum, and looked at.

What each member gets is written down when a run is proposed, so that what is paid is what was
approved, whatever happens to balances meanwhile. `storage.compensating` decides and pays.
"""

import json
from collections.abc import Collection
from datetime import date, datetime
from fractions import Fraction
from typing import Any, NamedTuple

from content import compensation as offers
from content.compensation import Offer
from content.names import signature
from storage import members
from storage.db import Sql, Tx, from_ms, to_day, to_ms
from storage.movement import AMOUNT_MAX
from storage.programmes import Programme

LARGEST = 10
"""How many of those who get the most are named."""
NAME_MAX, NOTE_MAX = 100, 2_000
"""Characters."""
PROPOSED, APPROVED, RUNNING, DONE = "proposed", "approved", "running", "done"
WITHDRAWN, REFUSED = "withdrawn", "refused"


class CompensationError(Exception):
    """What was asked for cannot be done with this run, or with no run; the message says why."""


class Share(NamedTuple):
    """What a member gets."""

    member_id: int
    name: str
    points: int


class DryRun(NamedTuple):
    """What a run would come to: how many members get how many points, what these are worth, and
    who gets the most.
    """  # noqa: D205 - one thought

    members: int
    points: int
    cost_fen: int
    largest: tuple[Share, ...]


class Run(NamedTuple):
    """A run as it stands. `needs` approvals are needed; `day` begins the keys of its postings."""

    programme_id: int
    id: int
    offer: Offer
    author: str
    note: str
    rules_version: int
    value_fen: int
    needs: int
    members: int
    points: int
    state: str
    day: date
    created: datetime
    ended: datetime | None


_HAS = """
SELECT owner_id, available - CASE WHEN next_expiry < :today THEN (SELECT
 CAST(COALESCE(SUM(l.remaining), 0) AS BIGINT) FROM lot l WHERE l.programme_id = a.programme_id
 AND l.owner_id = a.owner_id AND l.wallet = a.wallet AND l.expires_day < :today) ELSE 0 END AS has
 FROM account a WHERE programme_id = :programme AND wallet = :wallet AND owner_id <> 0
 AND available > 0
"""
"""What members can spend today: points that have lapsed may still await the clock."""
_BY_RATIO = f"""
SELECT owner_id AS member_id, CASE WHEN share < :most THEN share ELSE :most END AS points FROM
 (SELECT owner_id, (has / :den) * :num + ((has % :den) * :num) / :den AS share FROM ({_HAS}) h) s
 WHERE share > 0
"""
"""Whole numbers, rounded down once; split, so that no product leaves 64 bits."""
_EVERYBODY = (
    "SELECT id AS member_id, CAST(:points AS BIGINT) AS points FROM member"
    " WHERE programme_id = :programme AND erased_ms IS NULL AND merged_into IS NULL"
)
_SOURCES = {
    "ratio": (_BY_RATIO, _BY_RATIO),
    "everybody": (_EVERYBODY, _EVERYBODY),
    "some": (
        f"{_EVERYBODY} AND id IN (SELECT value FROM json_each(:people))",
        f"{_EVERYBODY} AND id = ANY(:people)",
    ),
}
"""How a run finds who gets what: SELECTs of (member_id, points), for SQLite and PostgreSQL."""


def _of_each(before: str, after: str = "") -> dict[str, Sql]:
    return {
        name: Sql(f"{before} ({sqlite}) x {after}", postgres=f"{before} ({postgres}) x {after}")
        for name, (sqlite, postgres) in _SOURCES.items()
    }


_TOTALS = "COUNT(*), CAST(COALESCE(SUM(points), 0) AS BIGINT)"
_COUNT = _of_each(f"SELECT {_TOTALS} FROM")
_MOST = _of_each(
    "SELECT x.member_id, m.name, x.points FROM",
    "JOIN member m ON m.programme_id = :programme AND m.id = x.member_id"
    " ORDER BY x.points DESC, x.member_id LIMIT :largest",
)
_KEEP = _of_each(
    "INSERT INTO compensation_line (programme_id, run_id, member_id, points)"
    " SELECT :programme, :run, x.member_id, x.points FROM"
)
_NEXT = Sql("SELECT COALESCE(MAX(id), 0) + 1 FROM compensation_run WHERE programme_id = :programme")
_ADD = Sql(
    "INSERT INTO compensation_run (programme_id, id, kind, wallet, percent_hundredths, points_each,"
    " most_each, author, note, rules_version, value_fen, needs, day, created_ms)"
    " VALUES (:programme, :run, :kind, :wallet, :percent, :each, :most, :author, :note, :version,"
    " :value, :needs, :day, :now)"
)
_SUM_UP = Sql(
    "UPDATE compensation_run SET (members, points) = (SELECT COUNT(*),"
    " CAST(COALESCE(SUM(points), 0) AS BIGINT) FROM compensation_line"
    " WHERE programme_id = :programme AND run_id = :run)"
    " WHERE programme_id = :programme AND id = :run"
)
_COLUMNS = (
    "programme_id, id, kind, wallet, percent_hundredths, points_each, most_each, author, note,"
    " rules_version, value_fen, needs, members, points, state, day, created_ms, ended_ms"
)
_ALL = Sql(
    f"SELECT {_COLUMNS} FROM compensation_run WHERE programme_id = :programme ORDER BY id DESC"
)
_ONE = f"SELECT {_COLUMNS} FROM compensation_run WHERE programme_id = :programme AND id = :run"
_READ = Sql(_ONE)
_LOCK = Sql(_ONE, postgres=f"{_ONE} FOR UPDATE")
_LARGEST_LINES = Sql(
    "SELECT l.member_id, m.name, l.points FROM compensation_line l JOIN member m"
    " ON m.programme_id = l.programme_id AND m.id = l.member_id"
    " WHERE l.programme_id = :programme AND l.run_id = :run"
    " ORDER BY l.points DESC, l.member_id LIMIT :largest"
)
_PAID = Sql(
    f"SELECT {_TOTALS} FROM compensation_line"
    " WHERE programme_id = :programme AND run_id = :run AND posting_id IS NOT NULL"
)


# -- before there is a run -------------------------------------------------------------------


def dry_run(
    tx: Tx, here: Programme, offer: Offer, people: Collection[int] | None, today: date
) -> DryRun:
    """Say what a run would come to, and write nothing.

    `people` are the members who get a fixed sum, None for everybody. Errors: OfferError for what
    the rules do not allow, CompensationError for members who are none.
    """
    name, values = _source(tx, here, offer, people, today)
    tx.books.write(tx)
    count, points = tx.one(_COUNT[name], **values)
    rows = tx.all(_MOST[name], **values, largest=LARGEST)
    cost = points * offers.value_fen(here.rules, offer.wallet)
    return DryRun(count, points, cost, tuple(Share(*row) for row in rows))


def propose(
    tx: Tx,
    here: Programme,
    offer: Offer,
    people: Collection[int] | None,
    *,
    author: str,
    note: str,
    now: datetime,
) -> Run:
    """Write down a run and what each member would get from it; nobody is paid by that.

    Errors: those of `dry_run`, and CompensationError for a run that nobody gets anything from, or
    words that are too few or too many.
    """
    author, note = check_name(author), check_note(note, needed=True)
    today = now.astimezone(here.zone).date()
    name, values = _source(tx, here, offer, people, today)
    tx.books.write(tx)
    (number,) = tx.one(_NEXT, programme=here.id)
    tx.run(
        _ADD,
        programme=here.id,
        run=number,
        kind=offer.kind,
        wallet=offer.wallet,
        percent=int(offer.percent * 100) if offer.percent is not None else None,
        each=offer.points,
        most=offer.most,
        author=author,
        note=note,
        version=here.rules_version,
        value=offers.value_fen(here.rules, offer.wallet),
        needs=here.rules.compensation.approve,
        day=today,
        now=to_ms(now),
    )
    tx.run(_KEEP[name], **values, run=number)
    tx.run(_SUM_UP, programme=here.id, run=number)
    run = find(tx, here.id, number)
    if run.members == 0:
        raise CompensationError("nobody would get anything")
    return run


def _source(
    tx: Tx, here: Programme, offer: Offer, people: Collection[int] | None, today: date
) -> tuple[str, dict[str, object]]:
    """Return how shares are found, and the values of that SELECT."""
    offers.check(here.rules, offer)
    if offer.kind != "fixed":
        if people is not None:
            raise CompensationError(f"{offer.kind} is for everybody: only a fixed sum has a list")
        part = offers.ratio(offer)
        values: dict[str, object] = {"programme": here.id, "wallet": offer.wallet, "today": today}
        values |= {"num": part.numerator, "den": part.denominator}
        return "ratio", values | {"most": offer.most or AMOUNT_MAX}
    values = {"programme": here.id, "points": offer.points}
    if people is None:
        return "everybody", values
    known = members.known(tx, here.id, people)
    strangers = sorted({*people} - known.keys())
    if strangers:
        shown = ", ".join(f"{number}" for number in strangers[:LARGEST])
        raise CompensationError(f"{len(strangers)} of these are no members: {shown}")
    some = sorted({*known.values()})
    return "some", values | {"people": json.dumps(some) if tx.is_sqlite else some}


# -- looking ---------------------------------------------------------------------------------


def find(tx: Tx, programme_id: int, number: int, *, lock: bool = False) -> Run:
    """Return a run, locked until the commit if asked. Errors: CompensationError for none."""
    row = tx.one(_LOCK if lock else _READ, programme=programme_id, run=number)
    if row is None:
        raise CompensationError(f"programme {programme_id} has no compensation run {number}")
    return _run(row)


def all_runs(tx: Tx, programme_id: int) -> list[Run]:
    """Return a programme's runs, the newest first."""
    return [_run(row) for row in tx.all(_ALL, programme=programme_id)]


def largest(tx: Tx, run: Run) -> list[Share]:
    """Return the ten who get the most from a run, as it was proposed."""
    rows = tx.all(_LARGEST_LINES, programme=run.programme_id, run=run.id, largest=LARGEST)
    return [Share(*row) for row in rows]


def paid(tx: Tx, run: Run) -> tuple[int, int]:
    """Return how many members of a run have been paid, and how many points."""
    count, points = tx.one(_PAID, programme=run.programme_id, run=run.id)
    return count, points


def check_name(name: str) -> str:
    """Return the name of somebody who decides, as it is kept. Errors: CompensationError."""
    try:
        return signature(name, NAME_MAX)
    except ValueError as error:
        raise CompensationError(str(error)) from error


def check_note(note: str, *, needed: bool = False) -> str:
    """Return a note as it is kept. Errors: CompensationError."""
    note = note.strip()
    if len(note) > NOTE_MAX or "\0" in note or (needed and not note):
        raise CompensationError(f"a reason has 1 to {NOTE_MAX} characters")
    return note


def _run(row: Any) -> Run:
    programme_id, id_, kind, wallet, hundredths, each, most, *rest, created, ended = row
    percent = Fraction(hundredths, 100) if hundredths is not None else None
    *told, day = rest
    end = from_ms(ended) if ended is not None else None
    offer = Offer(kind, wallet, percent, each, most)
    return Run._make((programme_id, id_, offer, *told, to_day(day), from_ms(created), end))
