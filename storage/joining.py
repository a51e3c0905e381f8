"""Binding one member to another: all that is his becomes the other's, and nothing is paid twice.

Points move by postings, everything else by rows; what is needed to undo it is kept
(`storage.bindings`, `storage.parting`). The bound member stays, with his old postings, but his
accounts are closed: who was about to move something there looks again, and finds the survivor.
"""

from collections.abc import Iterator
from copy import copy
from datetime import date

from storage import account as accounts
from storage import bindings, doubles, gifts, levels, members, uniting
from storage.account import NEVER, NOTHING_COUNTED, Account
from storage.bindings import Binding, Move, Snapshot, refold
from storage.books import CLOSED, POINTS
from storage.db import Sql, to_day, to_ms
from storage.ids import new_id
from storage.movement import Side
from storage.pages import write_earned
from storage.pairs import Pair, carry, earned, run_on, settle

_REASON = "bind"
_BETWEEN = Sql(
    "SELECT id FROM gift WHERE programme_id = :programme AND state = 'offered'"
    " AND giver_id IN (:one, :other) AND receiver_id IN (:one, :other) ORDER BY id"
)
_EARNED_NO_MORE = Sql(
    "DELETE FROM earning WHERE programme_id = :programme AND wallet = :wallet AND day = :day"
    " AND owner_id = :owner AND kind = :kind"
)
_NEW_DAYS = Sql(
    "INSERT INTO checkin (programme_id, member_id, day, at_ms, made_up)"
    " SELECT programme_id, :survivor, day, at_ms, made_up FROM checkin"
    " WHERE programme_id = :programme AND member_id = :bound ON CONFLICT DO NOTHING RETURNING day"
)
_PENDING = Sql(
    "UPDATE maturing SET owner_id = :survivor WHERE programme_id = :programme"
    " AND owner_id = :bound AND remaining > 0 RETURNING id"
)
_HELD = Sql(
    "UPDATE hold SET owner_id = :survivor WHERE programme_id = :programme"
    " AND owner_id = :bound AND state = 'open' RETURNING id"
)
_WAITING = Sql(
    "UPDATE review SET owner_id = :survivor WHERE programme_id = :programme"
    " AND owner_id = :bound AND state = 'waiting' RETURNING id"
)
_GIVEN = Sql(
    "UPDATE gift SET giver_id = :survivor WHERE programme_id = :programme"
    " AND giver_id = :bound AND state = 'offered' RETURNING id"
)
_RECEIVED = Sql(
    "UPDATE gift SET receiver_id = :survivor WHERE programme_id = :programme"
    " AND receiver_id = :bound AND state = 'offered' RETURNING id"
)
_SPENT = Sql(
    "DELETE FROM spent WHERE programme_id = :programme AND owner_id = :bound AND posting = 0"
    " RETURNING month, fen"
)
_SPEND = Sql(
    "INSERT INTO spent (programme_id, month, owner_id, fen) VALUES (:programme, :month, :survivor,"
    " :fen) ON CONFLICT (programme_id, month, owner_id) DO UPDATE SET fen = spent.fen + :fen"
    " WHERE spent.posting = 0 RETURNING month"
)
_IDENTITIES = Sql(
    "UPDATE identity SET member_id = :survivor WHERE programme_id = :programme"
    " AND member_id = :bound RETURNING platform, user_id"
)
_NAMED_BY = Sql(
    "SELECT m.named_by, i.platform, i.user_id FROM member m JOIN identity i"
    " ON i.programme_id = m.programme_id AND i.member_id = m.id"
    " WHERE m.programme_id = :programme AND m.id = :survivor ORDER BY i.platform, i.user_id LIMIT 1"
)
_NAME_BY = Sql(
    "UPDATE member SET named_by = :named_by WHERE programme_id = :programme AND id = :survivor"
)
_MERGE = Sql(
    "UPDATE member SET merged_into = :survivor WHERE programme_id = :programme"
    " AND (id = :bound OR merged_into = :bound) RETURNING id"
)
_GROUPS = Sql(
    "SELECT b.group_id, s.state FROM membership b LEFT JOIN membership s"
    " ON s.programme_id = b.programme_id AND s.group_id = b.group_id AND s.member_id = :survivor"
    " WHERE b.programme_id = :programme AND b.member_id = :bound AND b.state = 'active'"
)
_JOIN = Sql(
    "INSERT INTO membership (programme_id, group_id, member_id, state, joined_ms)"
    " VALUES (:programme, :group, :survivor, 'active', :at)"
    " ON CONFLICT (programme_id, group_id, member_id) DO UPDATE SET state = 'active'"
)
_LEAVE = Sql(
    "UPDATE membership SET state = 'left' WHERE programme_id = :programme AND member_id = :bound"
    " AND state = 'active' RETURNING group_id"
)
_NO_CODE = Sql(
    "UPDATE link_code SET state = 'void' WHERE programme_id = :programme AND member_id = :bound"
    " AND state = 'open'"
)
_CLOSE = Sql(
    f"UPDATE account SET shown = {CLOSED} WHERE programme_id = :programme AND owner_id = :bound"
)


def bind(pair: Pair) -> Binding:
    """Bind one member to another for good, as far as `storage.parting` does not undo it.

    Gifts that are open between the two go back; of what both were paid for the same (a day's
    check-in, a rule that pays once for each member) the later is taken back, and what is not there
    any more becomes debt. Points that came as gifts remain such; a debt is paid by what comes.
    """
    tx, act = pair.tx, pair.act
    _end_gifts(pair)
    taken = doubles.take_back(tx, act.programme_id, (pair.survivor, pair.bound), act)
    settle(pair)
    id_ = new_id()  # after all that is no part of it, before all that is
    before = tuple(_standing(pair))
    lots = tuple(
        pair.lots(owner, wallet) for wallet in pair.wallets for owner in (pair.survivor, pair.bound)
    )
    move = Move(id_, tuple(_move_points(pair, id_)))
    moved = tuple(_move_earned(pair))
    days = _unite_checkins(pair)
    _unite_caps_and_level(pair)
    tx.books.write(tx)
    named_by = _keep_name(pair)  # while his identities are his own
    snapshot = Snapshot(
        accounts=before,
        lots=lots,
        earned=moved,
        days=days,
        doubles=taken.postings,
        unwaited=taken.reviews,
        holds=pair.ids(_HELD),
        maturing=pair.ids(_PENDING),
        reviews=pair.ids(_WAITING),
        given=pair.ids(_GIVEN),
        received=pair.ids(_RECEIVED),
        spent=tuple(_unite_spent(pair)),
        once=doubles.unite_once(tx, act.programme_id, pair.survivor, pair.bound),
        named_by=named_by,
        identities=tuple((platform, user) for platform, user in tx.all(_IDENTITIES, **pair.both)),
        joined=tuple(_join_groups(pair)),
        left=pair.ids(_LEAVE),
        followers=tuple(each for each in pair.ids(_MERGE) if each != pair.bound),
    )
    made = Binding(id_, pair.survivor, pair.bound, to_ms(act.at), None)
    bindings.add(tx, act.programme_id, made, snapshot, move)
    uniting.unite(pair)
    _close(pair)
    return made


def _end_gifts(pair: Pair) -> None:
    tx, act = pair.tx, pair.act
    tx.books.write(tx)
    ids = {"one": pair.survivor, "other": pair.bound}
    for (id_,) in tx.all(_BETWEEN, programme=act.programme_id, **ids):
        gift = gifts.get(tx, act.programme_id, id_)
        if gift is not None:
            gifts.end(
                tx,
                act.programme_id,
                gift,
                "taken_back",
                actor=act.actor,
                at=act.at,
                today=act.today,
            )


def _standing(pair: Pair) -> Iterator[Account]:
    """Yield the accounts of both as they are now, to be kept."""
    for wallet in pair.wallets:
        for owner in (pair.survivor, pair.bound):
            yield copy(pair.account(owner, wallet))


# -- points --------------------------------------------------------------------------------------


def _move_points(pair: Pair, id_: int) -> Iterator[tuple[int, str, int, int]]:
    """Move every bucket of every wallet; yield what of gifts has gone along."""
    key = f"{_REASON}/{id_}"
    for wallet in pair.wallets:
        mine = copy(pair.account(pair.survivor, wallet))
        his = copy(pair.account(pair.bound, wallet))
        own, other = Side(pair.survivor, "available"), Side(pair.bound, "available")
        own_debt, his_debt = own._replace(bucket="debt"), other._replace(bucket="debt")
        pair.move(wallet, other, own, his.available, key)  # pays the survivor's debt first
        pays = min(mine.available, -his.debt)
        pair.move(wallet, own, his_debt, pays, key)
        pair.move(wallet, own_debt, his_debt, -his.debt - pays, key)
        for bucket in ("pending", "held"):
            source, target = other._replace(bucket=bucket), own._replace(bucket=bucket)
            pair.move(wallet, source, target, getattr(his, bucket), key)
        # what pays a debt takes gifts first, as everything that is spent
        used = min(his.gifted, his.available, -mine.debt) + min(mine.gifted, pays)
        yield from carry(
            pair,
            wallet,
            (pair.survivor, his.gifted - used, his.gifted_spent + used),
            (pair.bound, -his.gifted, -his.gifted_spent),
        )


def _move_earned(pair: Pair) -> Iterator[tuple[str, date, str, int]]:
    """Count all that the bound one has earned as the survivor's; yield it."""
    tx, programme_id = pair.tx, pair.act.programme_id
    tx.books.write(tx)
    for wallet in pair.wallets:
        his = earned(pair, pair.bound, wallet)
        write_earned(
            tx,
            {(programme_id, wallet, day, pair.survivor, kind): points for day, kind, points in his},
        )
        gone = {"programme": programme_id, "wallet": wallet, "owner": pair.bound}
        tx.many(_EARNED_NO_MORE, [gone | {"day": day, "kind": kind} for day, kind, _ in his])
        one, other = pair.own(pair.survivor, wallet), pair.own(pair.bound, wallet)
        # a day leaves the window of all at once
        one.qualifying_after = max(one.qualifying_after, other.qualifying_after)
        last = max(one.earned_day, other.earned_day)
        refold(one, earned(pair, pair.survivor, wallet), last)
        refold(other, [], date.min)
        yield from ((wallet, *each) for each in his)


# -- all else ------------------------------------------------------------------------------------


def _unite_checkins(pair: Pair) -> tuple[date, ...]:
    """Give the survivor the days that he had not; return them. The bound one's stay where they are.

    The streak is that of all days together.
    """
    tx = pair.tx
    rows = tx.all(_NEW_DAYS, **pair.both)
    run_on(pair, pair.survivor)
    other = pair.own(pair.bound, POINTS)
    other.checkin_day, other.streak = date.min, 0
    return tuple(sorted(to_day(raw) or date.min for (raw,) in rows))


def _unite_caps_and_level(pair: Pair) -> None:
    """Count what both have used of their caps; the survivor has the higher level, or rises."""
    for wallet in pair.wallets:
        one, other = pair.own(pair.survivor, wallet), pair.own(pair.bound, wallet)
        one.counts, other.counts = accounts.united(one.counts, other.counts), NOTHING_COUNTED
    one, other = pair.own(pair.survivor, POINTS), pair.own(pair.bound, POINTS)
    order = ["", *(level.id for level in pair.act.rules.level)]
    if other.level in order and order.index(other.level) > _place(order, one.level):
        one.level, one.below_since = other.level, other.below_since
    other.level, other.below_since = "", NEVER
    levels.keep(pair.tx, pair.act.rules, one, pair.act.today)


def _place(order: list[str], level: str) -> int:
    return order.index(level) if level in order else 0


def _unite_spent(pair: Pair) -> Iterator[tuple[date, int, date]]:
    """Count what the bound one has spent in months without a rebate yet as the survivor's."""
    ids, now = pair.both, pair.act.today.replace(day=1)
    gone = {name: ids[name] for name in ("programme", "bound")}
    spends = {name: ids[name] for name in ("programme", "survivor")}
    for raw, fen in pair.tx.all(_SPENT, **gone):
        month = to_day(raw) or now
        counted = month
        if pair.tx.one(_SPEND, **spends, month=month, fen=fen) is None:  # his is decided
            counted = now
            pair.tx.one(_SPEND, **spends, month=now, fen=fen)
        yield month, fen, counted


def _keep_name(pair: Pair) -> str:
    """Let the survivor go by the name of his first identity; return what that was before."""
    of = {"programme": pair.act.programme_id, "survivor": pair.survivor}
    row = pair.tx.one(_NAMED_BY, **of)
    if row is None:
        return ""
    before, platform, user_id = row
    pair.tx.run(_NAME_BY, **of, named_by=before or f"{platform}:{user_id}")
    return str(before)


def _join_groups(pair: Pair) -> Iterator[tuple[int, str | None]]:
    """Let the survivor be in the groups of the bound one; yield where he was not, and his state."""
    of = {"programme": pair.act.programme_id, "survivor": pair.survivor}
    for group, state in pair.tx.all(_GROUPS, **pair.both):
        if state != "active":
            pair.tx.run(_JOIN, **of, group=group, at=to_ms(pair.act.at))
            yield group, state


def _close(pair: Pair) -> None:
    """Close the accounts of the bound one, and show the survivor as his groups have it."""
    tx, programme_id = pair.tx, pair.act.programme_id
    tx.books.write(tx)
    tx.run(_NO_CODE, programme=programme_id, bound=pair.bound)
    tx.run(_CLOSE, programme=programme_id, bound=pair.bound)
    tx.books.tally.show(programme_id, pair.bound, CLOSED)
    for wallet in pair.wallets:
        tx.books.forget(programme_id, wallet, [pair.bound])
    members.show(tx, programme_id, pair.survivor)
