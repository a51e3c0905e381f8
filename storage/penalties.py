"""What becomes of points when a finding is decided: what waited, and what had been earned by it."""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from content.creditrules import Kind
from content.suspicion import Evidence
from storage import history, levels, reviews, undoing
from storage.books import POINTS
from storage.credit import day_of
from storage.db import Sql, Tx
from storage.ledger import account, known_row, post
from storage.movement import ISSUED, PAID_DEBT, GoneError, Posting, Side
from storage.programmes import Programme
from storage.undoing import Undo

REASON, RULE = "risk", "credit"
_EARNED: dict[Kind, tuple[str, ...]] = {
    "script": ("checkin",),
    "metronome": ("activity",),
    "farming": ("activity",),
    "multi_account": ("checkin", "activity"),
}
"""What was earned by what a finding is about, by the reasons of its postings."""
_FED = Sql(
    "SELECT g.giver_id, h.ended_key FROM gift g"
    " JOIN hold h ON h.programme_id = g.programme_id AND h.id = g.id"
    " WHERE g.programme_id = :programme AND g.receiver_id = :member AND g.state = 'accepted'"
    " AND g.day >= :first AND EXISTS (SELECT 1 FROM finding f WHERE f.programme_id = g.programme_id"
    " AND f.member_id = g.giver_id AND f.kind = 'multi_account' AND f.state <> 'cleared')"
    " ORDER BY g.id"
)


class Case(NamedTuple):
    """A finding that is being decided: about whom, by whom, and when."""

    here: Programme
    finding: int
    member: int
    by: str
    now: datetime


def lock(tx: Tx, here: Programme, member: int, seen: Evidence) -> None:
    """Lock the accounts that deciding a finding may touch, in the order of all."""
    people = {member}
    if seen.kind == "star":
        values = {"programme": here.id, "member": member, "first": seen.first}
        people |= {giver for giver, _ in tx.all(_FED, **values)}
    tx.books.load(tx, here.id, POINTS, people)


def take_back(tx: Tx, case: Case, seen: Evidence) -> int:
    """Reverse what was earned by what was found; return how many points. Gifts go back to givers.

    What is not there any more becomes a debt.
    """
    here, taken = case.here, 0
    today = day_of(here, case.now)
    before = account(tx, here.id, case.member).qualifying
    for id_ in [*_received(tx, case, seen)] if seen.kind == "star" else _earned(tx, case, seen):
        undo = Undo(f"{today}/{REASON}/{id_}", REASON, f"owner:{case.by}"[:100], case.now, today)
        try:
            taken += undoing.reverse(tx, here.id, id_, undo).amount
        except GoneError:
            continue  # it has been taken back before
    levels.fall(tx, here.rules, account(tx, here.id, case.member), before)
    levels.keep(tx, here.rules, account(tx, here.id, case.member), today)
    return taken


def _earned(tx: Tx, case: Case, seen: Evidence) -> list[int]:
    """Return the postings that paid for what was found, the newest first."""
    reasons, found = _EARNED.get(seen.kind, ()), []
    if not reasons:
        return []
    for move in history.movements(tx, case.here.id, case.member):
        if move.day < seen.first and move.reason in reasons:
            break
        if move.reason in reasons and move.amount > 0 and not move.key.endswith(PAID_DEBT):
            found.append(move.id)
    return found


def _received(tx: Tx, case: Case, seen: Evidence) -> Iterator[int]:
    """Yield the postings of gifts from accounts that were found as well."""
    values = {"programme": case.here.id, "member": case.member, "first": seen.first}
    for _, key in tx.all(_FED, **values):
        row = known_row(tx, case.here.id, key)
        if row is not None:
            yield row.id


def give_back(tx: Tx, case: Case, points: int) -> None:
    """Give what was taken back by mistake, as earned today."""
    today = day_of(case.here, case.now)
    post(
        tx,
        Posting(
            programme_id=case.here.id,
            key=f"{today}/{REASON}-mistake/{case.finding}",
            source=ISSUED,
            target=Side(case.member, "available"),
            amount=points,
            reason="risk_mistake",
            rule=RULE,
            rule_version=case.here.rules_version,
            actor=f"owner:{case.by}"[:100],
            at=case.now,
            day=today,
        ),
    )
    levels.keep(tx, case.here.rules, account(tx, case.here.id, case.member), today)


def pay_waiting(tx: Tx, case: Case) -> None:
    """Pay all that waited for the sake of a finding, also what was refused when it was confirmed.

    What the budget would have let wait, too, is paid as well: somebody has looked.
    """
    today = day_of(case.here, case.now)
    reviews.reopen(tx, case.here.id, case.finding)
    for id_ in reviews.of_finding(tx, case.here.id, case.finding):
        reviews.approve(tx, case.here.id, id_, by=case.by, now=case.now, today=today)


def refuse_waiting(tx: Tx, case: Case) -> None:
    """Pay nothing of what waited for the sake of a finding."""
    for id_ in reviews.of_finding(tx, case.here.id, case.finding):
        reviews.refuse(tx, case.here.id, id_, by=case.by, now=case.now)


def hand_on(tx: Tx, case: Case, other: int) -> None:
    """Let what waited for the sake of one finding wait for that of another."""
    reviews.reopen(tx, case.here.id, case.finding)
    reviews.hand_on(tx, case.here.id, case.finding, other)
