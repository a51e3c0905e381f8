"""Undoing a binding: each has again what was his before, as far as it is still there.

What was earned while they were one stays with the survivor, and so do points that ripened then.
What was taken back or refunded then is the trouble of whose it was.
"""

import json
from collections import Counter
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import NamedTuple

from storage import account as accounts
from storage import bindings, ledger, levels, members, pairs
from storage.account import Account, Lots
from storage.bindings import Binding, Move, Snapshot, refold
from storage.books import POINTS
from storage.db import Sql, Tx, to_day
from storage.ids import new_id
from storage.ledger import ROW, as_row
from storage.movement import ISSUED, PROGRAMME, Posting, Side, Terms
from storage.pages import Row, write_earned
from storage.pairs import Act, Pair

WITHIN = timedelta(days=1)
_REASON = "bind_undo"
_REOPEN = Sql(
    "UPDATE account SET shown = 0 WHERE programme_id = :programme AND owner_id = :bound"
    " AND shown < 0"
)
_APART = Sql("UPDATE member SET merged_into = :to WHERE programme_id = :programme AND id = :id")
_SINCE = Sql(
    f"SELECT {', '.join(f'r.{name}' for name in Row._fields)}, o.day, o.from_owner, o.to_bucket,"
    " CASE WHEN o.to_bucket = 'pending' THEN m.owner_id ELSE o.to_owner END, m.due_day"
    " FROM posting r JOIN posting o ON o.programme_id = r.programme_id AND o.id = r.reverses"
    " LEFT JOIN maturing m ON m.programme_id = o.programme_id AND m.id = o.id"
    " WHERE r.programme_id = :programme AND r.id > :since AND r.reverses IS NOT NULL ORDER BY r.id"
)
_LAST_EARNED = Sql(
    "SELECT MAX(day) FROM posting WHERE programme_id = :programme AND id > :since"
    " AND to_owner = :owner AND wallet = :wallet AND to_bucket IN ('available', 'debt')"
    " AND (from_bucket = 'issued' OR (from_bucket = 'pending' AND from_owner = to_owner))"
)
_BACK = (
    "UPDATE {table} SET owner_id = :bound WHERE programme_id = :programme"
    " AND owner_id = :survivor AND id = :id AND {still}"
)
_MATURING = Sql(
    _BACK.format(table="maturing", still="remaining > 0") + " RETURNING wallet, remaining"
)
_HOLD = Sql(_BACK.format(table="hold", still="state = 'open'") + " RETURNING wallet, amount")
_REVIEW = Sql(_BACK.format(table="review", still="state = 'waiting'"))
_RELEASED = Sql(
    "SELECT wallet, amount FROM hold WHERE programme_id = :programme AND id = :id"
    " AND state = 'released'"
)
_GIVER = Sql(
    "UPDATE gift SET giver_id = :bound WHERE programme_id = :programme AND id = :id"
    " AND giver_id = :survivor AND state = 'offered'"
)
_RECEIVER = Sql(
    "UPDATE gift SET receiver_id = :bound WHERE programme_id = :programme AND id = :id"
    " AND receiver_id = :survivor AND state = 'offered'"
)
_WAIT_AGAIN = Sql(
    "UPDATE review SET state = 'waiting', decided_ms = NULL, decided_by = ''"
    " WHERE programme_id = :programme AND id = :id AND state = 'cancelled'"
)
_SPENT = Sql(
    "UPDATE spent SET fen = fen - :fen WHERE programme_id = :programme AND month = :counted"
    " AND owner_id = :survivor AND posting = 0 RETURNING month"
)
_SPEND = Sql(
    "INSERT INTO spent (programme_id, month, owner_id, fen) VALUES (:programme, :month, :bound,"
    " :fen) ON CONFLICT (programme_id, month, owner_id) DO UPDATE SET fen = spent.fen + :fen"
)
_NOT_ONCE = Sql(
    "DELETE FROM paid_once WHERE programme_id = :programme AND rule = :rule AND wallet = :wallet"
    " AND subject = :subject"
)
_NO_DAY = Sql(
    "DELETE FROM checkin WHERE programme_id = :programme AND member_id = :survivor AND day = :day"
)
_IDENTITY = Sql(
    "UPDATE identity SET member_id = :bound WHERE programme_id = :programme"
    " AND platform = :platform AND user_id = :user AND member_id = :survivor"
)
_NAMED_BY = Sql(
    "UPDATE member SET named_by = :named_by WHERE programme_id = :programme AND id = :survivor"
)
_AS_SURVIVOR = Sql(  # who has left a group meanwhile has left it
    "UPDATE membership SET state = COALESCE((SELECT s.state FROM membership s"
    " WHERE s.programme_id = :programme AND s.group_id = :group AND s.member_id = :survivor),"
    " 'active') WHERE programme_id = :programme AND group_id = :group AND member_id = :bound"
)
_STATE = Sql(
    "UPDATE membership SET state = :state WHERE programme_id = :programme AND group_id = :group"
    " AND member_id = :member"
)
_NEVER_IN = Sql(
    "DELETE FROM membership WHERE programme_id = :programme AND group_id = :group"
    " AND member_id = :member"
)
_POSTING = Sql(
    f"SELECT {ROW} FROM posting WHERE programme_id = :programme"
    " AND id IN (SELECT value FROM json_each(:ids))",
    postgres=f"SELECT {ROW} FROM posting WHERE programme_id = :programme AND id = ANY(:ids)",
)
_DUE = Sql("SELECT due_day FROM maturing WHERE programme_id = :programme AND id = :id")


@dataclass(slots=True)
class _Since:
    """What has become, in one wallet, of what was the bound one's: by what its undoing came to."""

    points: int = 0
    """By how much what was available has become more (refunds), or less (what was taken back)."""
    earned: list[tuple[date, str, int]] = field(default_factory=list)


def part(tx: Tx, act: Act, binding: Binding) -> None:
    """Undo a binding that stands, the last one of its survivor.

    Errors: RaceError when somebody else has just undone it, or bound the survivor further.
    """
    pair = _lock(tx, act, binding)
    kept = bindings.snapshot(tx, act.programme_id, binding)
    pairs.settle(pair)
    id_ = new_id()
    _identities_back(pair, kept)
    since = _since(pair, binding)
    _rows_back(pair, kept, since, f"{_REASON}/{id_}")
    _spent_back(pair, kept)
    back = Move(id_, tuple(_points_back(pair, kept, since, id_)))
    _earned_back(pair, kept, since, binding)
    _checkins_back(pair, kept)
    _caps_and_level_back(pair, kept)
    _doubles_back(pair, kept, binding)
    tx.books.write(tx)
    for owner in (pair.survivor, pair.bound):
        levels.keep(tx, act.rules, pair.account(owner, POINTS), act.today)
        members.show(tx, act.programme_id, owner)
    bindings.undo(tx, act.programme_id, binding, back, act.at)


def _lock(tx: Tx, act: Act, binding: Binding) -> Pair:
    """Lock both, and open the bound one's accounts again."""
    pairs.lock_rows(tx, act.programme_id, binding.survivor_id, binding.bound_id)
    bindings.check_last(tx, act.programme_id, binding)
    tx.books.write(tx)
    tx.run(_REOPEN, programme=act.programme_id, bound=binding.bound_id)
    return pairs.lock(tx, act, binding.survivor_id, binding.bound_id)


def _identities_back(pair: Pair, kept: Snapshot) -> None:
    """Let each be somebody again: member, identities, groups, name."""
    tx, here = pair.tx, {"programme": pair.act.programme_id}
    tx.run(_APART, **here, id=pair.bound, to=None)
    for follower in kept.followers:
        tx.run(_APART, **here, id=follower, to=pair.bound)
    for platform, user in kept.identities:
        tx.run(_IDENTITY, **pair.both, platform=platform, user=user)
    tx.run(_NAMED_BY, **here, survivor=pair.survivor, named_by=kept.named_by)
    for group in kept.left:
        tx.run(_AS_SURVIVOR, **pair.both, group=group)
    for group, state in kept.joined:
        where = here | {"group": group, "member": pair.survivor}
        if state is None:
            tx.run(_NEVER_IN, **where)
        else:
            tx.run(_STATE, **where, state=state)


def _since(pair: Pair, binding: Binding) -> dict[str, _Since]:
    """Look at what was undone while they were one: of the bound one's awards and payments."""
    tx, programme_id = pair.tx, pair.act.programme_id
    tx.books.write(tx)
    his = {pair.bound, *members.bound_to(tx, programme_id, [pair.bound])}
    found = {wallet: _Since() for wallet in pair.wallets}
    for raw in tx.all(_SINCE, programme=programme_id, since=binding.id):
        *posting, day, payer, bucket, earner, due = raw
        row = as_row(tx, posting)
        if row.from_bucket == "pending":
            continue  # what still pends tells by itself
        mine = found.setdefault(row.wallet, _Since())
        if payer in his:
            mine.points += row.amount
        if earner in his:
            mine.points -= row.amount
            if payer == PROGRAMME and row.to_bucket == "clawed_back":
                on = to_day(due if bucket == "pending" else day) or row.day
                mine.earned.append((on, row.kind, -row.amount))
    return found


def _rows_back(pair: Pair, kept: Snapshot, since: dict[str, _Since], key: str) -> None:
    """Return what waits, with the points that it has: pending ones, holds, gifts, reviews."""
    tx, programme_id = pair.tx, pair.act.programme_id
    for bucket, back, ids in (
        ("pending", _MATURING, kept.maturing),
        ("held", _HOLD, kept.holds),
    ):
        rows = [row for id_ in ids if (row := tx.one(back, **pair.both, id=id_))]
        sums: Counter[str] = Counter()
        for wallet, amount in rows:
            sums[wallet] += amount
        for wallet, amount in sums.items():
            source, target = Side(pair.survivor, bucket), Side(pair.bound, bucket)
            pair.move(wallet, source, target, amount, key)
    for id_ in kept.holds:
        released = tx.one(_RELEASED, programme=programme_id, id=id_)
        if released is not None:
            since[released[0]].points += released[1]
    for sql, ids in ((_REVIEW, kept.reviews), (_GIVER, kept.given), (_RECEIVER, kept.received)):
        tx.many(sql, [pair.both | {"id": id_} for id_ in ids])
    tx.many(_WAIT_AGAIN, [{"programme": programme_id, "id": id_} for id_ in kept.unwaited])


def _spent_back(pair: Pair, kept: Snapshot) -> None:
    """Return what had been spent in months without a rebate yet, and what was paid once."""
    tx, here = pair.tx, {"programme": pair.act.programme_id}
    for month, fen, counted in kept.spent:
        ids = here | {"survivor": pair.survivor}
        if tx.one(_SPENT, **ids, fen=fen, counted=counted) is not None:
            tx.run(_SPEND, **here, bound=pair.bound, month=month, fen=fen)
    for rule, wallet in kept.once:
        tx.run(_NOT_ONCE, **here, rule=rule, wallet=wallet, subject=f"member/{pair.survivor}")


def _points_back(
    pair: Pair, kept: Snapshot, since: dict[str, _Since], id_: int
) -> Iterator[tuple[int, str, int, int]]:
    """Return what was available, and debts; yield what of gifts goes back.

    What the survivor has spent is gone; but what had paid his debt becomes his debt again.
    """
    key = f"{_REASON}/{id_}"
    before = _before(kept)
    lots = dict(zip(before, kept.lots, strict=True))
    for wallet in pair.wallets:
        if (pair.bound, wallet) not in before:
            continue  # opened since
        his, mine = before[pair.bound, wallet], before[pair.survivor, wallet]
        own_lots, his_lots = lots[pair.survivor, wallet], lots[pair.bound, wallet]
        own, other = Side(pair.survivor, "available"), Side(pair.bound, "available")
        own_debt, his_debt = own._replace(bucket="debt"), other._replace(bucket="debt")
        has = copy(pair.account(pair.survivor, wallet))
        owed = his.available + his.debt + since[wallet].points
        there = max(0, min(owed, has.available))
        pair.move(wallet, own, other, there, key, Terms(prefer=his_lots))
        again = max(0, min(owed - there, -mine.debt, his.available))
        pair.move(wallet, own_debt, other, again, key, Terms(lots=_first(his_lots, again)))
        # a debt that has been paid or written off since is none any more
        still = max(0, min(-owed, -has.debt))
        pair.move(wallet, his_debt, own_debt, still, key)
        paid = max(0, min(-owed - still, mine.available, -his.debt))
        pair.move(wallet, his_debt, own, paid, key, Terms(lots=_first(own_lots, paid)))
        back = _Back(has, there, again, min(paid, mine.gifted))
        yield from _gifts_back(pair, wallet, his, back)


def _before(kept: Snapshot) -> dict[tuple[int, str], Account]:
    return {(has.owner_id, has.wallet): has for has in kept.accounts}


def _first(lots: Lots, amount: int) -> Lots:
    """Return the lots that so many points were taken from."""
    return accounts.take(lots, amount)[1]


class _Back(NamedTuple):
    """What goes back: points that are there, those that become a debt again, and gifts that had
    paid the bound one's debt; `had` is the survivor's account before.
    """  # noqa: D205 - one thought

    had: Account
    there: int
    again: int
    gifts: int


def _gifts_back(
    pair: Pair, wallet: str, his: Account, back: _Back
) -> Iterator[tuple[int, str, int, int]]:
    """Yield what of gifts goes back: the bound one's own, and all beyond what stays earned."""
    had = back.had
    over = had.gifted - (had.available - back.there)
    given = max(min(his.gifted, had.gifted, back.there), over)
    once_more = max(0, min(his.gifted - given, back.again))
    left = had.gifted_spent - min(once_more, had.gifted_spent)
    mine = min(back.gifts, left)
    gone = min(his.gifted_spent, left - mine)
    spent = had.gifted_spent - left + mine + gone
    yield from pairs.carry(
        pair, wallet, (pair.survivor, mine - given, -spent), (pair.bound, given + once_more, gone)
    )


def _earned_back(pair: Pair, kept: Snapshot, since: dict[str, _Since], binding: Binding) -> None:
    """Count as the bound one's again what he had earned, less what has been taken back of it."""
    tx, programme_id = pair.tx, pair.act.programme_id
    tx.books.write(tx)
    before = _before(kept)
    for wallet in pair.wallets:
        his = [(day, kind, points) for each, day, kind, points in kept.earned if each == wallet]
        sums: dict[tuple[date, str], int] = {}
        for day, kind, points in his + since[wallet].earned:
            sums[day, kind] = sums.get((day, kind), 0) + points
        for owner, sign in ((pair.survivor, -1), (pair.bound, 1)):
            write_earned(
                tx,
                {
                    (programme_id, wallet, day, owner, kind): sign * points
                    for (day, kind), points in sums.items()
                },
            )
        one, other = pair.own(pair.survivor, wallet), pair.own(pair.bound, wallet)
        other.qualifying_after = max(one.qualifying_after, other.qualifying_after)
        (raw,) = tx.one(
            _LAST_EARNED,
            programme=programme_id,
            since=binding.id,
            owner=pair.survivor,
            wallet=wallet,
        )
        mine, his_before = before.get((pair.survivor, wallet)), before.get((pair.bound, wallet))
        last = max(to_day(raw) or date.min, mine.earned_day if mine else date.min)
        refold(one, pairs.earned(pair, pair.survivor, wallet), last)
        last = his_before.earned_day if his_before else date.min
        refold(other, pairs.earned(pair, pair.bound, wallet), last)


def _checkins_back(pair: Pair, kept: Snapshot) -> None:
    """Take from the survivor the days that were the bound one's; each has his own streak."""
    gone = {"programme": pair.act.programme_id, "survivor": pair.survivor}
    pair.tx.many(_NO_DAY, [gone | {"day": day} for day in kept.days])
    for owner in (pair.survivor, pair.bound):
        pairs.run_on(pair, owner)


def _caps_and_level_back(pair: Pair, kept: Snapshot) -> None:
    before = _before(kept)
    for wallet in pair.wallets:
        his, mine = before.get((pair.bound, wallet)), before.get((pair.survivor, wallet))
        if his is None or mine is None:
            continue
        one, other = pair.own(pair.survivor, wallet), pair.own(pair.bound, wallet)
        one.counts, other.counts = accounts.parted(one.counts, his.counts), his.counts
        for own, was in ((one, mine), (other, his)):
            own.level, own.below_since = was.level, was.below_since


def _doubles_back(pair: Pair, kept: Snapshot, binding: Binding) -> None:
    """Give again what had been paid to both: to each what was his, as earned on its day."""
    tx, act = pair.tx, pair.act
    tx.books.write(tx)
    amounts = dict(kept.doubles)
    some = json.dumps([*amounts]) if tx.is_sqlite else [*amounts]
    rows = tx.all(_POSTING, programme=act.programme_id, ids=some) if amounts else []
    for row in sorted((as_row(tx, raw) for raw in rows), key=lambda row: row.id):
        owner = members.heirs(tx, act.programme_id, [row.to_owner])[row.to_owner]
        pends = row.to_bucket == "pending"
        due = tx.one(_DUE, programme=act.programme_id, id=row.id) if pends else None
        again = Posting(
            programme_id=act.programme_id,
            key=bindings.given_back(row.day, binding.id, row.id),
            source=ISSUED,
            target=Side(owner, "pending" if pends else "available"),
            amount=amounts[row.id],
            reason=_REASON,
            rule=row.rule,
            rule_version=row.rule_version,
            actor=act.actor,
            at=act.at,
            day=row.day,
            wallet=row.wallet,
            kind=row.kind,
            expires=row.expires_day,
            matures=to_day(due[0]) if due else None,
            booked=act.today,
        )
        ledger.post(tx, again)


def until(binding: Binding) -> datetime:
    """Return until when a binding can be undone."""
    return binding.made + WITHIN
