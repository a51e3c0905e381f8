"""Compensation runs: who decides about them, and how they are paid, a part at a time.

A run is locked by whoever changes it, so that two processes take turns. Each batch pays the next
members who have not been paid and notes it in the same transaction: a run that was interrupted,
or is carried out by two at once, goes on where it stands. The posting's key would refuse the rest.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from content.names import person
from storage import ledger, members
from storage.compensation import (
    APPROVED,
    DONE,
    PROPOSED,
    REFUSED,
    RUNNING,
    WITHDRAWN,
    CompensationError,
    Run,
    check_name,
    check_note,
    find,
)
from storage.db import Sql, Tx, from_ms, to_ms
from storage.movement import PROGRAMME, LedgerError, Posting, Side
from storage.programmes import Programme

BATCH = 500
"""Members who are paid in one transaction."""


class Vote(NamedTuple):
    """What somebody has decided about a run: `approve`, `refuse`, `withdraw`, or to `run` it."""

    name: str
    verdict: str
    note: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Batch:
    """What a part of a run came to. `last` is the member that it reached, None at the end.

    `failed` are members who could not be paid, with the reason: they remain unpaid.
    """

    paid: int
    points: int
    failed: tuple[tuple[int, str], ...]
    last: int | None
    state: str


_VOTE = Sql(
    "INSERT INTO compensation_vote (programme_id, run_id, person, verdict, name, note, at_ms)"
    " VALUES (:programme, :run, :person, :verdict, :name, :note, :now) ON CONFLICT DO NOTHING"
)
_VOTES = Sql(
    "SELECT name, verdict, note, at_ms FROM compensation_vote"
    " WHERE programme_id = :programme AND run_id = :run ORDER BY at_ms, person"
)
_APPROVALS = Sql(
    "SELECT COUNT(*) FROM compensation_vote"
    " WHERE programme_id = :programme AND run_id = :run AND verdict = 'approve'"
)
_TO = Sql(
    "UPDATE compensation_run SET state = :state WHERE programme_id = :programme AND id = :run"
)
_END = Sql(
    "UPDATE compensation_run SET state = :state, ended_ms = :now"
    " WHERE programme_id = :programme AND id = :run"
)
_UNPAID = Sql(
    "SELECT member_id, points FROM compensation_line WHERE programme_id = :programme"
    " AND run_id = :run AND posting_id IS NULL AND member_id > :after"
    " ORDER BY member_id LIMIT :most"
)
_ANY_UNPAID = Sql(
    "SELECT 1 FROM compensation_line WHERE programme_id = :programme AND run_id = :run"
    " AND posting_id IS NULL LIMIT 1"
)
_PAID = Sql(
    "UPDATE compensation_line SET posting_id = :posting"
    " WHERE programme_id = :programme AND run_id = :run AND member_id = :member"
)


def votes(tx: Tx, run: Run) -> list[Vote]:
    """Return everything that has been decided about a run, the oldest first."""
    rows = tx.all(_VOTES, programme=run.programme_id, run=run.id)
    return [Vote(name, verdict, note, from_ms(at)) for name, verdict, note, at in rows]


def approvals(tx: Tx, run: Run) -> int:
    """Return how many people have approved a run."""
    (count,) = tx.one(_APPROVALS, programme=run.programme_id, run=run.id)
    return int(count)


def approve(
    tx: Tx, programme_id: int, number: int, *, by: str, now: datetime, note: str = ""
) -> Run:
    """Note that somebody approves a run; the last approval that it needs makes it `approved`.

    Its author may be one of them: `needs` counts people, and two of them are four eyes.
    Errors: CompensationError (no such run, decided already, approved by the same person before).
    """
    run = _open(tx, programme_id, number)
    if not _vote(tx, run, "approve", by, now, note=note):
        raise CompensationError(f"{by!r} has approved run {number} before: somebody else has to")
    if approvals(tx, run) >= run.needs:
        tx.run(_TO, programme=programme_id, run=number, state=APPROVED)
    return find(tx, programme_id, number)


def refuse(
    tx: Tx, programme_id: int, number: int, *, by: str, now: datetime, note: str = ""
) -> Run:
    """End a run before it is approved: one refusal does, and its author's own withdraws it.

    Errors: CompensationError (no such run, decided already).
    """
    run = _open(tx, programme_id, number)
    own = person(by) == person(run.author)
    _vote(tx, run, "withdraw" if own else "refuse", by, now, note=note)
    state = WITHDRAWN if own else REFUSED
    tx.run(_END, programme=programme_id, run=number, state=state, now=to_ms(now))
    return find(tx, programme_id, number)


def begin(tx: Tx, programme_id: int, number: int, *, by: str, now: datetime) -> Run:
    """Start a run that is approved, or go on with one that has begun; one that is done stays so.

    Errors: CompensationError (no such run, not approved, withdrawn or refused).
    """
    run = find(tx, programme_id, number, lock=True)
    if run.state == DONE:
        return run
    if run.state == PROPOSED:
        has = approvals(tx, run)
        raise CompensationError(f"run {number} has {has} of the {run.needs} approvals it needs")
    if run.state not in {APPROVED, RUNNING}:
        raise CompensationError(f"run {number} has been {run.state}")
    _vote(tx, run, "run", by, now)
    tx.run(_TO, programme=programme_id, run=number, state=RUNNING)
    return find(tx, programme_id, number)


def pay(
    tx: Tx, here: Programme, number: int, *, now: datetime, after: int = 0, most: int = BATCH
) -> Batch:
    """Pay the next members of a run that has begun, those with higher numbers than `after`.

    When nobody is left unpaid the run is `done`. Debts are paid first, as by everything.
    Errors: CompensationError for a run that has not begun.
    """
    run = find(tx, here.id, number, lock=True)
    if run.state == DONE:
        return Batch(0, 0, (), None, DONE)
    if run.state != RUNNING:
        raise CompensationError(f"run {number} is {run.state}, it has not begun")
    lines = tx.all(_UNPAID, programme=here.id, run=number, after=after, most=most)
    whose = members.heirs(tx, here.id, [member_id for member_id, _ in lines])
    postings = [_posting(here, run, now, line, whose[line[0]]) for line in lines]
    results = ledger.post_many(tx, postings)
    done, failed, points = [], [], 0
    for (member_id, _), result in zip(lines, results, strict=True):
        if isinstance(result, LedgerError):
            failed.append((member_id, str(result)))
            continue
        points += result.amount
        done.append(
            {"programme": here.id, "run": number, "member": member_id, "posting": result.id}
        )
    tx.many(_PAID, done)
    state = run.state
    if tx.one(_ANY_UNPAID, programme=here.id, run=number) is None:
        state = DONE
        tx.run(_END, programme=here.id, run=number, state=DONE, now=to_ms(now))
    last = lines[-1][0] if lines and state != DONE else None
    return Batch(len(done), points, tuple(failed), last, state)


def _posting(
    here: Programme, run: Run, now: datetime, line: tuple[int, int], owner_id: int
) -> Posting:
    """Return what pays a line: to whom its member has been bound since, if he has."""
    member_id, points = line
    today = now.astimezone(here.zone).date()
    expiry = here.rules.programme.expiry
    lasts = timedelta(days=expiry.base_days) if expiry.base == "rolling" else None
    return Posting(
        programme_id=here.id,
        key=f"{run.day}/compensation/{run.id}/{member_id}",
        source=Side(PROGRAMME, "compensation"),
        target=Side(owner_id, "available"),
        amount=points,
        reason="compensation",
        rule="compensation",
        rule_version=run.rules_version,
        actor=f"compensation:{run.id}",
        at=now,
        day=today,
        wallet=run.offer.wallet,
        expires=today + lasts if lasts is not None else None,
    )


def _open(tx: Tx, programme_id: int, number: int) -> Run:
    """Return a run that can still be decided about, locked."""
    run = find(tx, programme_id, number, lock=True)
    if run.state != PROPOSED:
        raise CompensationError(f"run {number} is {run.state}: there is nothing to decide any more")
    return run


def _vote(tx: Tx, run: Run, verdict: str, by: str, now: datetime, *, note: str = "") -> bool:
    """Write down what somebody decides; False when he has decided the same before."""
    name = check_name(by)
    noted = tx.run(
        _VOTE,
        programme=run.programme_id,
        run=run.id,
        person=person(name),
        verdict=verdict,
        name=name,
        note=check_note(note),
        now=to_ms(now),
    )
    return bool(noted.rowcount == 1)
