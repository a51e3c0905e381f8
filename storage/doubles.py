"""What two members were both paid for although it is paid once: found, and the later taken back."""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import date, datetime
from typing import NamedTuple, Protocol

from storage import bindings, ledger, members, undoing
from storage.db import Sql, Tx, to_day, to_ms
from storage.ids import new_id
from storage.ledger import ROW, as_row
from storage.movement import GoneError
from storage.pages import Row
from storage.undoing import Undo

_REASON = "bind_double"
_BOTH_DAYS = Sql(
    "SELECT a.day FROM checkin a JOIN checkin b ON b.programme_id = a.programme_id"
    " AND b.member_id = :other AND b.day = a.day"
    " WHERE a.programme_id = :programme AND a.member_id = :one ORDER BY a.day"
)
_REVERSED = Sql(
    "SELECT reverses, CAST(SUM(asked) AS BIGINT) FROM posting WHERE programme_id = :programme"
    " AND reverses IN (SELECT value FROM json_each(:ids)) GROUP BY reverses",
    postgres="SELECT reverses, CAST(SUM(asked) AS BIGINT) FROM posting"
    " WHERE programme_id = :programme AND reverses = ANY(:ids) GROUP BY reverses",
)
_WAITING = Sql(
    "SELECT id, key FROM review WHERE programme_id = :programme AND state = 'waiting'"
    " AND key IN (SELECT value FROM json_each(:keys))",
    postgres="SELECT id, key FROM review WHERE programme_id = :programme AND state = 'waiting'"
    " AND key = ANY(:keys)",
)
_UNWAIT = Sql(
    "UPDATE review SET state = 'cancelled', decided_ms = :at, decided_by = :by"
    " WHERE programme_id = :programme AND id = :id AND state = 'waiting'"
)
_ONCE_OF = Sql(
    # rule by rule: what is paid once for an order is far more
    "WITH RECURSIVE r(rule) AS (SELECT MIN(rule) FROM paid_once WHERE programme_id = :programme"
    " UNION ALL SELECT (SELECT MIN(o.rule) FROM paid_once o WHERE o.programme_id = :programme"
    " AND o.rule > r.rule) FROM r WHERE r.rule IS NOT NULL)"
    " SELECT p.rule, p.wallet FROM r CROSS JOIN account a CROSS JOIN paid_once p"
    " WHERE a.programme_id = :programme AND a.owner_id = :member"
    " AND p.programme_id = :programme AND p.rule = r.rule AND p.wallet = a.wallet"
    " AND p.subject = :subject ORDER BY 1, 2"
)
_PAY_ONCE = Sql(
    "INSERT INTO paid_once (programme_id, rule, wallet, subject)"
    " VALUES (:programme, :rule, :wallet, :subject)"
)
_BY_RULE = Sql(
    "WITH RECURSIVE c(id) AS (SELECT last_posting FROM account WHERE programme_id = :programme"
    " AND owner_id = :owner AND wallet = :wallet UNION ALL SELECT CASE WHEN p.from_owner = :owner"
    " THEN p.from_prev ELSE p.to_prev END FROM c JOIN posting p ON p.programme_id = :programme"
    f" AND p.id = c.id) SELECT {ROW} FROM posting WHERE programme_id = :programme"
    " AND id IN (SELECT id FROM c) AND rule = :rule AND wallet = :wallet"
    " AND from_bucket = 'issued' AND reverses IS NULL"
)


class Deed(Protocol):
    """Who does it, and when."""

    @property
    def actor(self) -> str:
        """Who does it."""

    @property
    def at(self) -> datetime:
        """The moment (aware)."""

    @property
    def today(self) -> date:
        """The programme's day."""


class Taken(NamedTuple):
    """What was taken back: postings with their points, and reviews that no longer wait."""

    postings: tuple[tuple[int, int], ...]
    reviews: tuple[int, ...]


class _Award(NamedTuple):
    """A posting, or an award that waits: the number is the order in which they came."""

    id: int
    waits: bool


def take_back(tx: Tx, programme_id: int, pair: tuple[int, int], act: Deed) -> Taken:
    """Of what both of a pair were paid for the same take back all but the first.

    Each is taken from whom it was paid to, and what is not there any more becomes his debt.
    """
    tx.books.write(tx)
    same = [*_checkins(tx, programme_id, pair), *_once(tx, programme_id, pair)]
    postings: list[tuple[int, int]] = []
    reviews: list[int] = []
    for awards in same:
        for award in sorted({*awards})[1:]:
            if award.waits:
                values = {"id": award.id, "at": to_ms(act.at), "by": act.actor}
                tx.run(_UNWAIT, programme=programme_id, **values)
                reviews.append(award.id)
                continue
            key = f"{act.today}/{_REASON}/{award.id}/{new_id()}"  # it may be given back, and again
            undo = Undo(key, _REASON, act.actor, act.at, act.today)
            with suppress(GoneError):  # somebody has taken it back by hand
                posted = undoing.reverse(tx, programme_id, award.id, undo)
                postings.append((award.id, posted.amount))
    return Taken(tuple(postings), tuple(reviews))


def unite_once(tx: Tx, programme_id: int, survivor: int, bound: int) -> tuple[tuple[str, str], ...]:
    """Note for the survivor what rules have paid the bound one once; return what is new to him."""
    had = {*_once_of(tx, programme_id, survivor)}
    new = [each for each in _once_of(tx, programme_id, bound) if each not in had]
    for rule, wallet in new:
        values = {"rule": rule, "wallet": wallet, "subject": _subject(survivor)}
        tx.run(_PAY_ONCE, programme=programme_id, **values)
    return tuple(new)


def _subject(member_id: int) -> str:
    return f"member/{member_id}"


def _once_of(tx: Tx, programme_id: int, member_id: int) -> list[tuple[str, str]]:
    values = {"member": member_id, "subject": _subject(member_id)}
    return [(rule, wallet) for rule, wallet in tx.all(_ONCE_OF, programme=programme_id, **values)]


def _checkins(tx: Tx, programme_id: int, pair: tuple[int, int]) -> Iterator[list[_Award]]:
    """Yield what was paid for each day on which both have checked in."""
    one, other = pair
    rows = tx.all(_BOTH_DAYS, programme=programme_id, one=one, other=other)
    days = [day for (raw,) in rows if (day := to_day(raw)) is not None]
    numbers = _numbers(tx, programme_id, pair)
    keys = {f"{day}/checkin/{number}": day for day in days for number in numbers}
    same: dict[date, list[_Award]] = {day: [] for day in days}
    paid = ledger.known_rows(tx, programme_id, [*keys])
    for key, row in paid.items():
        same[keys[key]] += _standing(tx, programme_id, pair, [row])
    some = json.dumps([*keys]) if tx.is_sqlite else [*keys]
    for id_, key in tx.all(_WAITING, programme=programme_id, keys=some) if keys else []:
        same[keys[key]].append(_Award(id_, waits=True))
    yield from same.values()


def _once(tx: Tx, programme_id: int, pair: tuple[int, int]) -> Iterator[list[_Award]]:
    """Yield what each rule that pays once for a member has paid to both."""
    one, other = ({*_once_of(tx, programme_id, each)} for each in pair)
    for rule, wallet in sorted(one & other):
        rows = [
            as_row(tx, raw)
            for number in _numbers(tx, programme_id, pair)
            for raw in tx.all(
                _BY_RULE, programme=programme_id, owner=number, rule=rule, wallet=wallet
            )
        ]
        yield _standing(tx, programme_id, pair, rows)


def _numbers(tx: Tx, programme_id: int, pair: tuple[int, int]) -> list[int]:
    """Return both, and those who have been bound to them before: their old postings are theirs."""
    return [*pair, *members.bound_to(tx, programme_id, pair)]


def _standing(
    tx: Tx, programme_id: int, pair: tuple[int, int], rows: Sequence[Row]
) -> list[_Award]:
    """Return those awards of which something stands; for one that an earlier binding took back,
    what its undoing gave again.
    """  # noqa: D205 - one thought
    ids = [row.id for row in rows]
    some = json.dumps(ids) if tx.is_sqlite else ids
    gone = dict(tx.all(_REVERSED, programme=programme_id, ids=some)) if ids else {}
    found = [_Award(row.id, waits=False) for row in rows if gone.get(row.id, 0) < row.asked]
    before = (
        {id_ for each in pair for id_ in bindings.all_of(tx, programme_id, each)} if gone else ()
    )
    again = [
        bindings.given_back(row.day, id_, row.id)
        for row in rows
        if gone.get(row.id, 0) >= row.asked
        for id_ in before
    ]
    if again:
        given = ledger.known_rows(tx, programme_id, again)
        found += _standing(tx, programme_id, pair, [*given.values()])
    return found
