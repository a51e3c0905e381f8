"""What comes in files: orders by the way of the HTTP API, members with what they bring."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from content import windows
from content.intake import REFUND_KEY, Newcomer
from content.message import Refusal
from content.notice import REFUNDED, Notice
from handlers.deeds import Receipt, take
from storage import deeds, ledger, levels, members, programmes
from storage.books import POINTS
from storage.db import Tx
from storage.ids import new_id
from storage.members import Who
from storage.movement import ISSUED, KeyConflictError, LedgerError, Posting, Side
from storage.programmes import Programme

REASON = "import"


class Welcome(NamedTuple):
    """What became of a member of a file: whether he is new, and how many points he brought now."""

    member_id: int
    new: bool
    points: int


def take_orders(
    tx: Tx, programme_id: int, notices: Sequence[Notice], *, actor: str, now: datetime
) -> list[Receipt | Refusal]:
    """Let the orders of a file earn, in its order: `handlers.deeds.take`, with one more question.

    A refund without a number of its own cannot be told from one that came another way: where its
    order has had a refund, it is refused. Errors: LookupError when there is no such programme.
    """
    asked = {n.order for n in notices if n.key.startswith(REFUND_KEY) and n.order}
    had = {
        (deed.order_no, deed.key)
        for deed in (deeds.of_orders(tx, programme_id, asked) if asked else ())
        if deed.event == REFUNDED
    }
    doubtful = {
        n.key
        for n in notices
        if n.key.startswith(REFUND_KEY)
        and any(order == n.order and key != n.key for order, key in had)
    }
    sure = [notice for notice in notices if notice.key not in doubtful]
    told = iter(take(tx, programme_id, sure, actor=actor, now=now))
    return [
        Refusal("import.refund_unnumbered", order=notice.order)
        if notice.key in doubtful
        else next(told)
        for notice in notices
    ]


def take_members(
    tx: Tx, programme_id: int, people: Sequence[Newcomer], *, actor: str, now: datetime
) -> list[Welcome | Refusal]:
    """Enrol the members of a file and post what they bring, once for each member.

    Who is known stays as he is, name and day of joining too. Each stands or is refused alone.
    Errors: LookupError when there is no such programme.
    """
    here = programmes.programme(tx, programme_id, now)
    today = now.astimezone(here.zone).date()
    known = members.by_identity(tx, here.id, {(p.platform, p.user_id) for p in people})
    results: list[Welcome | Refusal] = []
    new: list[members.Enrolment] = []
    for person in people:
        identity = (person.platform, person.user_id)
        number = known.get(identity)
        refusal = _refusal(tx, here, person, number, today)
        if refusal is None and number is None:
            number = known[identity] = new_id()
            who = Who(*identity, person.name)
            new.append(members.Enrolment(number, who, _joined(person, here, now)))
            results.append(Welcome(number, new=True, points=0))
        else:
            results.append(refusal or Welcome(number or 0, new=False, points=0))
    members.enrol_many(tx, here.id, new)
    _bring(tx, here, people, results, actor=actor, now=now)
    return results


def _refusal(
    tx: Tx, here: Programme, person: Newcomer, number: int | None, today: date
) -> Refusal | None:
    """Say why a member is not taken; what has been taken before is not asked again."""
    if person.joined is not None and person.joined > today:
        return Refusal("deed.future", at=f"{person.joined}")
    if person.expires is None or person.expires >= today:
        return None
    if number is not None and ledger.known_row(tx, here.id, _key(number)) is not None:
        return None
    return Refusal("import.points_expired", day=f"{person.expires}")


def _joined(person: Newcomer, here: Programme, now: datetime) -> datetime:
    if person.joined is None:
        return now
    return datetime.combine(person.joined, time(), here.zone)


def _key(member_id: int) -> str:
    """Return the key of what a member brings: no day is in it, so that it is paid once for ever."""
    return f"import/{POINTS}/{member_id}."


def _had(tx: Tx, here: Programme, member_ids: Sequence[int]) -> set[int]:
    """Return to whom others have been bound who brought their points before: it is paid once."""
    bound = members.bound_to(tx, here.id, member_ids) if member_ids else {}
    brought = ledger.known_rows(tx, here.id, [_key(number) for number in bound])
    return {whose for number, whose in bound.items() if _key(number) in brought}


def _bring(
    tx: Tx,
    here: Programme,
    people: Sequence[Newcomer],
    results: list[Welcome | Refusal],
    *,
    actor: str,
    now: datetime,
) -> None:
    """Post what members bring, and note it in the results."""
    bearers = [
        (place, welcome, person)
        for place, (welcome, person) in enumerate(zip(results, people, strict=True))
        if isinstance(welcome, Welcome) and person.balance
    ]
    had = _had(tx, here, [welcome.member_id for _, welcome, _ in bearers if not welcome.new])
    bearers = [bearer for bearer in bearers if bearer[1].member_id not in had]
    # It was earned elsewhere and before: no board of this week or month counts it, and by its kind
    # none of other days.
    today = now.astimezone(here.zone).date()
    first = min(windows.start("month", today), windows.start("week", today))
    before = first - timedelta(days=1)
    postings = [
        Posting(
            programme_id=here.id,
            key=_key(welcome.member_id),
            source=ISSUED,
            target=Side(welcome.member_id, "available"),
            amount=person.balance,
            reason=REASON,
            rule=REASON,
            rule_version=here.rules_version,
            actor=actor,
            kind=REASON,
            at=now,
            day=before,
            expires=person.expires,
        )
        for _, welcome, person in bearers
    ]
    for (place, welcome, person), posted in zip(
        bearers, ledger.post_many(tx, postings), strict=True
    ):
        if isinstance(posted, KeyConflictError):
            results[place] = Refusal(
                "import.balance_known", who=f"{person.platform}:{person.user_id}"
            )
        elif isinstance(posted, LedgerError):
            raise posted
        elif not posted.replayed:
            results[place] = welcome._replace(points=posted.amount)
            has = ledger.account(tx, here.id, welcome.member_id)
            levels.keep(tx, here.rules, has, today)
