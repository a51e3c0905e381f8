"""Findings about members: made, then confirmed or cleared by an owner, once; and their appeals.

Accounts are locked before a finding is touched, as everywhere. Nothing is kept longer than the
rules say, and of what was cleared only that it was, for as long as it is not to come again.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

import msgspec

from content.suspicion import Evidence
from storage import credit, penalties
from storage.books import POINTS
from storage.credit import Change
from storage.db import Sql, Tx, to_ms
from storage.ids import new_id
from storage.ledger import account
from storage.programmes import Programme

Verdict = Literal["confirmed", "cleared"]
OPEN: Literal["open"] = "open"
CONFIRMED: Literal["confirmed"] = "confirmed"
CLEARED: Literal["cleared"] = "cleared"
REST_DAYS = 30
"""What has been decided is not found again for so long."""


class Finding(NamedTuple):
    """Something found about a member. `taken` are the points that were taken back for it."""

    id: int
    member_id: int
    name: str
    kind: str
    evidence: Evidence
    state: str
    waits: bool
    taken: int
    appeal: str
    made_ms: int
    decided_ms: int | None
    decided_by: str


_SELECT = (
    "SELECT f.id, f.member_id, m.name, f.kind, f.evidence, f.state, f.waits, f.taken, f.appeal,"
    " f.made_ms, f.decided_ms, f.decided_by FROM finding f JOIN member m"
    " ON m.programme_id = f.programme_id AND m.id = f.member_id WHERE f.programme_id = :programme"
)
_ADD = Sql(
    "INSERT INTO finding (programme_id, id, member_id, kind, evidence, first_day, made_ms)"
    " VALUES (:programme, :id, :member, :kind, :evidence, :first, :at)"
)
_KNOWN = Sql(
    "SELECT 1 FROM finding WHERE programme_id = :programme AND member_id = :member"
    " AND kind = :kind AND (state = 'open' OR decided_ms > :since) LIMIT 1"
)
_GET = Sql(f"{_SELECT} AND f.id = :id")
_WAITING = Sql(f"{_SELECT} AND f.waits > 0 AND f.id > :after ORDER BY f.id LIMIT :most")
_OF_MEMBER = Sql(f"{_SELECT} AND f.member_id = :member ORDER BY f.made_ms DESC, f.id DESC")
_COUNT = Sql("SELECT COUNT(*) FROM finding WHERE programme_id = :programme AND waits > 0")
_DECIDE = Sql(
    "UPDATE finding SET state = :state, waits = 0, taken = taken + :taken, decided_ms = :at,"
    " decided_by = :by WHERE programme_id = :programme AND id = :id"
)
_APPEAL = Sql(
    "UPDATE finding SET appeal = :words, waits = 1 WHERE programme_id = :programme AND id = :id"
    " AND appeal = '' AND state <> 'cleared' RETURNING id"
)
_SETTLE = Sql("UPDATE finding SET waits = 0 WHERE programme_id = :programme AND id = :id")
_OTHER = Sql(
    "SELECT id, kind FROM finding WHERE programme_id = :programme AND member_id = :member"
    " AND state = 'open' AND id <> :id ORDER BY id"
)
_OLD = Sql(
    "SELECT id, member_id, state FROM finding WHERE programme_id = :programme"
    " AND (made_ms < :before OR (state = 'cleared' AND decided_ms < :rest)) ORDER BY id LIMIT :most"
)
_FORGET = Sql("DELETE FROM finding WHERE programme_id = :programme AND id = :id")
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Evidence).decode


class DecidedError(ValueError):
    """There is no such finding, or somebody has decided it so before."""


def serious(here: Programme, kind: str) -> bool:
    """Whether what somebody earns waits while such a finding is open."""
    rules = here.rules.credit
    return int(getattr(rules.deduct, kind, 0)) >= rules.review_from


def add(
    tx: Tx, here: Programme, member_id: int, seen: Evidence, now: datetime, *, by: str = "clock"
) -> int | None:
    """Note what was seen of a member, and take credit for it; return its number.

    None where the rules do not look for it, where such a thing is open, or was decided lately.
    """
    lost = int(getattr(here.rules.credit.deduct, seen.kind))
    has = account(tx, here.id, member_id)
    since = to_ms(now - timedelta(days=REST_DAYS))
    values = {"programme": here.id, "member": member_id, "kind": seen.kind}
    if not lost or tx.one(_KNOWN, **values, since=since) is not None:
        return None
    id_ = new_id()
    told = _encode(seen).decode()
    tx.run(_ADD, **values, id=id_, evidence=told, first=seen.first, at=to_ms(now))
    taking = Change(-lost, seen.kind, by, now, id_)
    credit.change(tx, here.rules, here.id, member_id, taking)
    if serious(here, seen.kind) and not has.watched:
        tx.books.own(has.key).watched = id_
    return id_


def get(tx: Tx, programme_id: int, finding_id: int) -> Finding | None:
    """Return a finding, None when there is none."""
    row = tx.one(_GET, programme=programme_id, id=finding_id)
    return _finding(row) if row is not None else None


def waiting(tx: Tx, programme_id: int, *, after: int = 0, most: int = 50) -> list[Finding]:
    """Return a page of what an owner has to look at, the oldest first."""
    rows = tx.all(_WAITING, programme=programme_id, after=after, most=most)
    return [_finding(row) for row in rows]


def count(tx: Tx, programme_id: int) -> int:
    """Return at how many an owner has to look."""
    return int(tx.one(_COUNT, programme=programme_id)[0])


def of_member(tx: Tx, programme_id: int, member_id: int) -> list[Finding]:
    """Return what was found about a member and is not cleared or forgotten, newest first."""
    rows = tx.all(_OF_MEMBER, programme=programme_id, member=member_id)
    return [found for found in map(_finding, rows) if found.state != CLEARED]


def appeal(tx: Tx, programme_id: int, member_id: int, finding_id: int, words: str) -> bool:
    """Let a member say something about a finding, once; False where he has, or cannot."""
    account(tx, programme_id, member_id)
    found = get(tx, programme_id, finding_id)
    if found is None or found.member_id != member_id:
        return False
    done = tx.one(_APPEAL, programme=programme_id, id=finding_id, words=words)
    return done is not None


def decide(
    tx: Tx, here: Programme, finding_id: int, verdict: Verdict, *, by: str, now: datetime
) -> Finding:
    """Confirm a finding, or clear it; what was decided may be decided otherwise later.

    Clearing gives back the credit, pays what waited, and what had been taken back. Confirming takes
    more credit, what was earned by it, and refuses what waited. Errors: DecidedError.
    """
    known = get(tx, here.id, finding_id)
    if known is None:
        raise DecidedError(f"finding {finding_id} does not exist")
    penalties.lock(tx, here, known.member_id, known.evidence)
    known = get(tx, here.id, finding_id)  # again, now that nobody else decides about him
    if known is None:
        raise DecidedError(f"finding {finding_id} does not exist")
    has = account(tx, here.id, known.member_id)
    if known.state == verdict and known.waits:  # an appeal that changes nothing
        tx.run(_SETTLE, programme=here.id, id=finding_id)
        return known._replace(waits=False)
    if known.state in {verdict, CLEARED}:
        raise DecidedError(f"finding {finding_id} has been {known.state} by {known.decided_by}")
    if has.watched == finding_id:
        tx.books.own(has.key).watched = _next_watch(tx, here, known)
    if verdict == CLEARED:
        taken = _clear(tx, here, known, by, now)
    else:
        taken = _confirm(tx, here, known, by, now)
    tx.run(
        _DECIDE,
        programme=here.id,
        id=finding_id,
        state=verdict,
        taken=taken,
        at=to_ms(now),
        by=by,
    )
    return known._replace(state=verdict, taken=known.taken + taken, waits=False)


def _clear(tx: Tx, here: Programme, known: Finding, by: str, now: datetime) -> int:
    lost = credit.taken_by(tx, here.id, known.member_id, known.id)
    if lost:
        back = Change(lost, CLEARED, by, now, known.id)
        credit.change(tx, here.rules, here.id, known.member_id, back)
    case = penalties.Case(here, known.id, known.member_id, by, now)
    if known.taken:
        penalties.give_back(tx, case, known.taken)
    others = [id_ for id_, kind in _open(tx, here, known) if serious(here, kind)]
    if others:  # it waits for the other one now
        penalties.hand_on(tx, case, others[0])
    else:
        penalties.pay_waiting(tx, case)
    return -known.taken


def _confirm(tx: Tx, here: Programme, known: Finding, by: str, now: datetime) -> int:
    more = here.rules.credit.confirmed
    if more:
        taking = Change(-more, CONFIRMED, by, now, known.id)
        credit.change(tx, here.rules, here.id, known.member_id, taking)
    case = penalties.Case(here, known.id, known.member_id, by, now)
    penalties.refuse_waiting(tx, case)
    return penalties.take_back(tx, case, known.evidence)


def _open(tx: Tx, here: Programme, known: Finding) -> Sequence[tuple[int, str]]:
    rows: Sequence[tuple[int, str]] = tx.all(
        _OTHER, programme=here.id, member=known.member_id, id=known.id
    )
    return rows


def _next_watch(tx: Tx, here: Programme, known: Finding) -> int:
    """Return the next open finding for whose sake a member's awards wait."""
    return next((id_ for id_, kind in _open(tx, here, known) if serious(here, kind)), 0)


def forget_due(tx: Tx, here: Programme, now: datetime, *, most: int = 100) -> int:
    """Forget what is too old to be held against anybody; return of how many findings.

    One that nobody has decided about in all that time is cleared before.
    """
    before = now - timedelta(days=here.rules.credit.forget_days)
    rest = now - timedelta(days=REST_DAYS)
    rows = tx.all(_OLD, programme=here.id, before=to_ms(before), rest=to_ms(rest), most=most)
    tx.books.load(tx, here.id, POINTS, {member for _, member, _ in rows})
    for id_, member, state in rows:
        if state == OPEN:
            decide(tx, here, id_, CLEARED, by="clock", now=now)
        tx.run(_FORGET, programme=here.id, id=id_)
        credit.drop(tx, here.rules, here.id, member, id_)
    return len(rows)


def _finding(row: Sequence[object]) -> Finding:
    values = list(row)
    values[4] = _decode(str(values[4]))
    values[6] = bool(values[6])
    return Finding._make(values)
