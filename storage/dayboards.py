"""Boards of any days and of one kind of deed, summed up from what was earned day by day."""

import json
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, Literal, NamedTuple

from storage.boards import OPT_IN, OPT_OUT, Shown
from storage.db import Sql, Tx, to_day
from storage.standings import Board, Counted, Standings, ranked, standings

KEPT_MAX_S = 60.0
"""In a large programme a sum over many days is kept for so long at most."""
MORE = 10
"""So many more of the best are kept, for those who hide meanwhile."""


Of = Literal["points", "talk", "invite", "spend"]
"""What a board of days counts: points, messages, invitations that were rewarded and stand, or
points for what was bought. On that last one stand those alone who have asked for it."""


class Span(NamedTuple):
    """From which day to which, both included; for which kind of deed ('' for all of them)."""

    first: date
    last: date
    kind: str = ""
    of: Of = "points"


class _Source(NamedTuple):
    """Where it is counted day by day: a table, whose it is, how much, and which rows."""

    table: str
    owner: str
    number: str
    rows: str = ""
    day: str = "day"


_EARNED = "earning", "owner_id", "points"
_ALL = _Source(*_EARNED, " AND wallet = 'points' AND kind <> 'import'")
"""What members brought from elsewhere was earned on no day here."""
_BY_KIND = _Source(*_EARNED, " AND wallet = 'points' AND kind = :kind")
_TALK = _Source("talked", "member_id", "messages")
_INVITE = _Source(
    "referral", "inviter_id", "1", " AND state = 'rewarded' AND inviter_id > 0", "rewarded_day"
)
_SOURCES = (_ALL, _BY_KIND, _TALK, _INVITE)


_OTHERS: dict[Of, _Source] = {"talk": _TALK, "invite": _INVITE}


def _source(span: Span) -> _Source:
    if span.of in _OTHERS:
        return _OTHERS[span.of]
    return _BY_KIND if span.kind else _ALL


SPEND: Shown = (0, 1, 2)
"""Who stands on the board of purchases does not depend on `account.shown` alone."""
_SUMS = (
    "WITH t AS MATERIALIZED (SELECT {s.owner} AS owner_id,"
    " CAST(SUM({s.number}) AS BIGINT) AS points FROM {s.table}"
    " WHERE programme_id = :programme AND {s.day} >= :first AND {s.day} <= :last"
    "{s.rows} GROUP BY {s.owner} HAVING SUM({s.number}) > 0),"
    " u AS (SELECT owner_id, points FROM t WHERE {stands})"
    " SELECT * FROM (SELECT owner_id, points, 0 AS many FROM u"
    " ORDER BY points DESC, owner_id DESC LIMIT :places) best"
    " UNION ALL SELECT 0, points, COUNT(*) FROM u GROUP BY points"
)
_SHOWN = (
    "SELECT a.owner_id FROM account a WHERE a.programme_id = :programme AND a.wallet = 'points'"
    " AND a.shown "
)
_WILLING = f"owner_id IN ({_SHOWN} > 0 AND a.shown = 2)"
_BUYERS = (
    "owner_id IN (SELECT m.id FROM member m WHERE m.programme_id = :programme AND m.spend_wish = 1"
    f" AND NOT EXISTS ({_SHOWN} = 0 AND a.owner_id = m.id))"
)
_STANDS = {
    OPT_OUT: (
        f"owner_id NOT IN ({_SHOWN} = 0)",
        # not `NOT IN`: where many are hidden, PostgreSQL would search their list for everybody
        f"NOT EXISTS ({_SHOWN} = 0 AND a.owner_id = t.owner_id)",
    ),
    OPT_IN: (_WILLING, _WILLING),
    SPEND: (_BUYERS, _BUYERS),
}
"""On SQLite, on PostgreSQL."""
_COUNT = {
    (shown, source): Sql(
        _SUMS.format(s=source, stands=sqlite), postgres=_SUMS.format(s=source, stands=postgres)
    )
    for shown, (sqlite, postgres) in _STANDS.items()
    for source in _SOURCES
}
_NAMES = (
    "SELECT m.id, m.name, a.shown, m.spend_wish FROM member m"
    " JOIN account a ON a.programme_id = m.programme_id AND a.owner_id = m.id"
    " AND a.wallet = 'points' WHERE m.programme_id = :programme AND m.id "
)
_NAMED = Sql(f"{_NAMES} IN (SELECT value FROM json_each(:ids))", postgres=f"{_NAMES} = ANY(:ids)")
_MINE = (
    "SELECT CAST(COALESCE(SUM({s.number}), 0) AS BIGINT) FROM {s.table}"
    " WHERE programme_id = :programme AND {s.owner} = :member AND {s.day} {days}{s.rows}"
)
_OWN = {
    source: Sql(
        _MINE.format(days="IN (SELECT value FROM json_each(:days))", s=source),
        postgres=_MINE.format(days="= ANY(:days)", s=source),
    )
    for source in _SOURCES
}
_EARLIEST = {
    "earning": Sql(
        "SELECT MIN(day) FROM earning WHERE programme_id = :programme AND wallet = 'points'"
    ),
    "talked": Sql("SELECT MIN(day) FROM talked WHERE programme_id = :programme"),
    "referral": Sql("SELECT MIN(rewarded_day) FROM referral WHERE programme_id = :programme"),
}


def board(
    tx: Tx,
    programme_id: int,
    span: Span,
    *,
    places: int,
    member_id: int = 0,
    opt_in: bool = False,
) -> Board:
    """Return the board of some days, with the place of `member_id`, as `boards.board` does.

    Points count on the day on which they were earned, and what was taken back counts there as
    well. In a large programme the sums of others may be up to a minute old.
    """
    tx.books.write(tx)
    shown = SPEND if span.of == "spend" else OPT_IN if opt_in else OPT_OUT
    found = _standings(tx, programme_id, span, places, shown)
    who = [member for member, _ in found.best] + [member_id]
    ids = json.dumps(who) if tx.is_sqlite else who
    named = {
        id_: (name, _stands(shown, at, willing))
        for id_, name, at, willing in tx.all(_NAMED, programme=programme_id, ids=ids)
    }
    best = [
        (member, named[member][0], points)
        for member, points in found.best
        if named[member][1]  # who has hidden since then is shown no longer
    ]
    mine = _own(tx, programme_id, span, member_id)
    has = (mine, named[member_id][1]) if mine > 0 else None
    return ranked(best[:places], found, member_id, has)


def _stands(shown: Shown, at: int, willing: int) -> bool:
    """Whether somebody shown so, and willing or not to show what he buys, stands on a board."""
    return bool(at and willing) if shown == SPEND else at >= shown[0]


def _standings(tx: Tx, programme_id: int, span: Span, places: int, shown: Shown) -> Standings:
    def count() -> Counted:
        rows = tx.all(
            _COUNT[shown, _source(span)],
            programme=programme_id,
            places=places + MORE,
            **span._asdict(),
        )
        best = [(owner, points) for owner, points, many in rows if not many]
        return Counted([(points, many) for _, points, many in rows if many], best)

    return standings(tx, (programme_id, span, places, shown), count, most_s=KEPT_MAX_S)


def _own(tx: Tx, programme_id: int, span: Span, member_id: int) -> int:
    """Return a member's points: by one look at each day, because days come first in the key."""
    source = _source(span)
    (earliest,) = tx.one(_EARLIEST[source.table], programme=programme_id)
    first = max(span.first, to_day(earliest) or span.last)
    days = [first + timedelta(days=n) for n in range((span.last - first).days + 1)]
    asked: Sequence[Any] | str = json.dumps([*map(str, days)]) if tx.is_sqlite else days
    values = {"programme": programme_id, "member": member_id, "days": asked, "kind": span.kind}
    return int(tx.one(_OWN[source], **values)[0])
