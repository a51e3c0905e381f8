"""A member bound to another: whatever still names the old one finds the new one, once."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta

import pytest
from sqlalchemy import Engine, text

from content.compensation import Offer
from content.intake import Newcomer
from handlers.deeds import Receipt
from handlers.intake import take_members
from storage import (
    account,
    bindings,
    boards,
    checkins,
    clockwork,
    compensating,
    compensation,
    history,
    joining,
    ledger,
    linkcodes,
    members,
    pairs,
    parting,
    programmes,
    reviews,
    undoing,
)
from storage.account import Counts
from storage.bindings import Binding
from storage.books import RaceError
from storage.db import Tx
from storage.members import Who
from storage.movement import LedgerError, Side
from storage.pairs import Act
from storage.tables import MEMBER_BUCKETS
from tests.storage.books import (
    DAY,
    DEFAULTS,
    NOW,
    day,
    give,
    member,
    posting,
    programme,
    transaction,
    undo,
)
from tests.storage.test_deeds import CUSTOM, Shop
from tests.storage.test_rebates import PAID, STEPS, _coins, _nights


@pytest.fixture
def shop(engine: Engine) -> Iterator[Callable[..., Shop]]:
    with transaction(engine) as tx:
        yield lambda document: Shop(tx, document)


def _act(tx: Tx, camp: int, today: date = DAY) -> Act:
    return Act(camp, programmes.programme(tx, camp, NOW).rules, "test:1", NOW, today)


def _has(tx: Tx, camp: int, who: int) -> dict[str, int]:
    """Return what somebody has in points."""
    has = ledger.account(tx, camp, who)
    return {name: points for name in MEMBER_BUCKETS if (points := getattr(has, name))}


def _bind(tx: Tx, camp: int, survivor: int, bound: int) -> Binding:
    return joining.bind(pairs.lock(tx, _act(tx, camp), survivor, bound))


def test_every_bucket_goes_along_and_back(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming, hong = member(tx, camp), member(tx, camp)
        award = posting(camp, Side(hong, "available"), 30)
        ledger.post(tx, award._replace(expires=day(5)))
        give(tx, camp, hong, 12, wallet="xp")
        pending = posting(camp, Side(hong, "pending"), 7)._replace(matures=day(3))
        ledger.post(tx, pending)
        made = _bind(tx, camp, ming, hong)
        with pytest.raises(RaceError, match="bound to another"):
            _has(tx, camp, hong)
        assert members.known(tx, camp, [ming, hong]) == {ming: ming, hong: ming}
        assert _has(tx, camp, ming) == {"available": 30, "pending": 7}
        (line,) = history.statement(tx, camp, ming, count=1, wallet="xp")
        assert (line.amount, line.reason, line.after) == (12, "bind", 12)
        assert clockwork.expire_due(tx, camp, day(6), NOW) == 1  # the lot has kept its last day
        parting.part(tx, _act(tx, camp, day(6)), made)
        assert _has(tx, camp, ming) == {}
        assert _has(tx, camp, hong) == {"pending": 7}
        assert clockwork.mature_due(tx, camp, day(6), NOW) == 1
        assert _has(tx, camp, hong) == {"available": 7}


def test_a_debt_is_paid_first_by_what_comes(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        for mine, his, both in ((-40, 30, -10), (30, -40, -10), (50, -40, 10), (-5, -6, -11)):
            people = [member(tx, camp), member(tx, camp)]
            for who, points in zip(people, (mine, his), strict=True):
                if points > 0:
                    give(tx, camp, who, points)
                else:
                    source, target = Side(who, "debt"), Side(0, "clawed_back")
                    ledger.post(tx, posting(camp, target, -points, source=source))
            made = _bind(tx, camp, *people)
            has = ledger.account(tx, camp, people[0])
            assert has.available + has.debt == both
            assert has.available == max(0, both)
            parting.part(tx, _act(tx, camp), made)
            sums = [ledger.account(tx, camp, who) for who in people]
            assert [has.available + has.debt for has in sums] == [mine, his]


def test_a_movement_of_a_binding_is_reversed_by_its_undoing_alone(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming, hong = member(tx, camp), member(tx, camp)
        award = give(tx, camp, hong, 30)
        made = _bind(tx, camp, ming, hong)
        (line,) = history.statement(tx, camp, ming, count=1)
        with pytest.raises(LedgerError, match="no movement that can be reversed"):
            undoing.reverse(tx, camp, line.id, undo("2026-03-04/u/1"))
        undoing.reverse(tx, camp, award.id, undo("2026-03-04/u/2"), amount=10)
        assert _has(tx, camp, ming) == {"available": 20}
        parting.part(tx, _act(tx, camp), made)  # what was taken back was his
        has = ledger.account(tx, camp, hong)
        assert (has.available, has.total_earned) == (20, 20)
        assert ledger.account(tx, camp, ming).total_earned == 0


def test_what_is_paid_once_for_a_member_is_paid_once_for_both(shop: Callable[..., Shop]) -> None:
    here = shop(CUSTOM)
    tx, camp, ming = here.tx, here.camp, here.ming
    here.tell("custom.film")
    hong = here.ming = member(tx, camp)
    here.tell("custom.film", key="film-2")
    made = _bind(tx, camp, ming, hong)
    assert _has(tx, camp, ming) == {"available": 30}
    for number, who in enumerate((ming, hong), start=3):
        here.ming = who
        told = here.tell("custom.film", key=f"film-{number}").deed
        assert [part.withheld for part in told.parts] == ["once"]
        assert told.member_id == ming
    parting.part(tx, _act(tx, camp), made)
    assert [_has(tx, camp, who) for who in (ming, hong)] == [{"available": 30}] * 2
    made = _bind(tx, camp, ming, hong)
    assert _has(tx, camp, ming) == {"available": 30}  # what was given back is taken once more
    parting.part(tx, _act(tx, camp), made)
    assert _has(tx, camp, hong) == {"available": 30}


def test_an_order_of_his_is_refunded_by_the_survivor(shop: Callable[..., Shop]) -> None:
    here = shop(STEPS.replace("pending_days = 7", "pending_days = 0"))
    tx, camp, ming = here.tx, here.camp, here.ming
    hong = here.ming = member(tx, camp)
    here.tell(order="A1", amount_fen=10_000)
    _bind(tx, camp, ming, hong)
    assert _has(tx, camp, ming) == {"available": 100}
    told = here.tell("order.refunded", order="A1")
    assert isinstance(told, Receipt)
    assert _has(tx, camp, ming) == {}


def test_a_rebate_is_for_what_both_have_spent(shop: Callable[..., Shop]) -> None:
    here = shop(STEPS)
    tx, camp, ming = here.tx, here.camp, here.ming
    here.tell(order="A1", amount_fen=60_000)
    hong = here.ming = member(tx, camp)
    here.tell(order="A2", amount_fen=60_000)
    _bind(tx, camp, ming, hong)
    _nights(tx, PAID)
    here.ming = ming
    together = _coins(here)
    rules = programmes.programme(tx, camp, NOW).rules
    value = next(wallet.value_fen for wallet in rules.wallet if wallet.id == rules.rebate.wallet)
    assert together == 120_000 * 2 // 100 // value  # 2 % from 1000 yuan, which neither had alone


def test_a_review_that_waits_pays_the_survivor(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming, hong = member(tx, camp), member(tx, camp)
        waits = reviews.queue(tx, posting(camp, Side(hong, "available"), 9), NOW)
        made = _bind(tx, camp, ming, hong)
        parting.part(tx, _act(tx, camp), made)
        found = reviews.get(tx, camp, waits)
        assert found is not None
        assert found.owner_id == found.posting.target.owner_id == hong
        _bind(tx, camp, ming, hong)
        reviews.approve(tx, camp, waits, by="Ann", now=NOW, today=DAY)
        assert _has(tx, camp, ming) == {"available": 9}


def test_of_two_checkins_that_wait_for_a_review_one_waits_on(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        people = [member(tx, camp), member(tx, camp)]
        waits = []
        for who in people:
            checkins.add(tx, camp, who, DAY, NOW)
            award = posting(camp, Side(who, "available"), 5, key=f"{DAY}/checkin/{who}")
            waits.append(reviews.queue(tx, award, NOW))
        made = _bind(tx, camp, *people)
        assert reviews.count(tx, camp) == (1, 5)
        parting.part(tx, _act(tx, camp), made)
        assert reviews.count(tx, camp) == (2, 10)


def test_a_compensation_of_before_reaches_the_survivor(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming, hong = member(tx, camp), member(tx, camp)
        here = programmes.programme(tx, camp, NOW)
        five = Offer("fixed", points=5)
        run = compensation.propose(tx, here, five, None, author="Ann", note="n", now=NOW)
        for by in ("Bob", "Cai"):
            compensating.approve(tx, camp, run.id, by=by, now=NOW)
        _bind(tx, camp, ming, hong)
        compensating.begin(tx, camp, run.id, by="Bob", now=NOW)
        batch = compensating.pay(tx, here, run.id, now=NOW)
        assert (batch.paid, batch.failed, batch.state) == (2, (), "done")
        assert _has(tx, camp, ming) == {"available": 10}
        after = compensation.dry_run(tx, here, five, None, DAY)
        assert after.members == 1  # who is one person is one
        assert compensation.dry_run(tx, here, five, [hong, ming], DAY).members == 1


def test_a_balance_that_he_brought_is_not_brought_again(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        people = [
            Newcomer(
                platform="telegram", user_id=user, name=user, balance=50, joined=None, expires=None
            )
            for user in ("ming", "hong")
        ]
        welcome = take_members(tx, camp, people[1:], actor="t", now=NOW)[0]
        ming = members.enrol(tx, camp, Who("telegram", "ming", "ming"), NOW).id
        _bind(tx, camp, ming, welcome.member_id)
        again = take_members(tx, camp, people[1:], actor="t", now=NOW)[0]
        assert (again.member_id, again.new, again.points) == (ming, False, 0)
        assert _has(tx, camp, ming) == {"available": 50}


def test_boards_groups_and_names(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        groups = []
        for number in (1, 2):
            programmes.open_group(
                tx, "telegram", f"-{number}", "群", by_owner=True, defaults=DEFAULTS, now=NOW
            )
            group = programmes.group(tx, "telegram", f"-{number}")
            assert group is not None
            groups.append(group)
        main = groups[0].programme_id
        one = members.arrive(tx, main, groups[0].id, Who("telegram", "1", "小明"), NOW)
        other = members.arrive(tx, main, groups[1].id, Who("local", "2", "小号"), NOW)
        give(tx, main, one.id, 5)
        give(tx, main, other.id, 7)
        made = _bind(tx, main, one.id, other.id)
        board = boards.board(tx, main, "all", DAY, places=5, member_id=one.id)
        assert [(each.name, each.points) for each in board.places] == [("小明", 12)]
        assert board.total == 1
        found = members.find(tx, main, Who("local", "2", "小号"), groups[1].id)
        assert found is not None
        assert (found.id, found.state) == (one.id, "active")
        spoke = members.arrive(tx, main, groups[1].id, Who("local", "2", "小号"), NOW)
        assert spoke.name == members.name(tx, main, one.id) == "小明"
        assert members.of_name(tx, main, groups[1].id, "小号") == []
        members.show_group(tx, main, groups[1].id)
        members.leave(tx, main, groups[1].id, one.id)
        parting.part(tx, _act(tx, main), made)
        found = members.find(tx, main, Who("local", "2", "小号"), groups[1].id)
        assert found is not None
        assert (found.id, found.state) == (other.id, "left")  # he has left it meanwhile
        assert members.find(tx, main, Who("telegram", "1", "小明"), groups[1].id).state is None
        assert camp != main


def test_a_code_is_kept_as_a_hash_and_used_once(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming, hong = member(tx, camp), member(tx, camp)
        due = NOW + timedelta(minutes=10)
        linkcodes.make(tx, camp, ming, "a" * 64, due)
        assert linkcodes.find(tx, camp, "a" * 64) == (ming, "open", due)
        assert not linkcodes.use(tx, camp, "a" * 64, due)
        assert linkcodes.use(tx, camp, "a" * 64, NOW)
        assert not linkcodes.use(tx, camp, "a" * 64, NOW)
        assert not linkcodes.void(tx, "a" * 64)
        linkcodes.make(tx, camp, ming, "b" * 64, due)
        assert not linkcodes.anywhere(tx, "a" * 64)
        linkcodes.make(tx, camp, hong, "c" * 64, due)
        _bind(tx, camp, ming, hong)
        assert linkcodes.find(tx, camp, "c" * 64) == (hong, "void", due)
        tries = [linkcodes.note_try(tx, camp, ming, NOW) for _ in range(3)]
        assert tries == [1, 2, 3]
        assert linkcodes.tries(tx, camp, ming, NOW + timedelta(minutes=59)) == 3
        assert linkcodes.tries(tx, camp, ming, NOW + timedelta(hours=1)) == 0
        assert linkcodes.note_try(tx, camp, ming, NOW + timedelta(hours=1)) == 1


def test_bindings_are_counted_and_the_parted_known(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming, hong, gang = (member(tx, camp) for _ in range(3))
        since = NOW - timedelta(days=1)
        assert bindings.parted(tx, camp, ming, hong) is None
        parting.part(tx, _act(tx, camp), _bind(tx, camp, ming, hong))
        assert bindings.parted(tx, camp, hong, ming) == NOW
        made = _bind(tx, camp, gang, ming)
        counts = [bindings.count(tx, camp, who, since) for who in (ming, hong, gang)]
        assert counts == [2, 1, 1]
        assert bindings.last(tx, camp, gang) == made
        assert bindings.last(tx, camp, ming) is None
        assert bindings.count(tx, camp, ming, NOW) == 0


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (Counts(), Counts(), Counts()),
        (
            Counts(DAY, {"a": 1}, {"a": 3}),
            Counts(DAY, {"a": 2, "b": 1}, {"b": 1}),
            Counts(DAY, {"a": 3, "b": 1}, {"a": 3, "b": 1}),
        ),
        (
            Counts(DAY, {"a": 1}, {"a": 3}),
            Counts(day(-1), {"a": 2}, {"a": 5}),
            Counts(DAY, {"a": 1}, {"a": 8}),
        ),
        (
            Counts(day(-40), {"a": 1}, {"a": 3}),
            Counts(DAY, {"a": 2}, {"a": 5}),
            Counts(DAY, {"a": 2}, {"a": 5}),
        ),
    ],
)
def test_what_caps_have_counted_is_added_and_parted(
    one: Counts, other: Counts, both: Counts
) -> None:
    assert account.united(one, other) == both
    assert account.united(other, one) == both
    parted = account.parted(both, other)
    assert all(parted.in_day.get(name, 0) <= count for name, count in both.in_day.items())
    if one.day == other.day:
        left = Counts(parted.day, _some(parted.in_day), _some(parted.in_month))
        assert left == one


def _some(counts: object) -> dict[str, int]:
    assert isinstance(counts, dict)
    return {name: count for name, count in counts.items() if count}


def test_what_the_undoing_leaves_is_in_the_table(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming, hong = member(tx, camp), member(tx, camp)
        made = _bind(tx, camp, ming, hong)
        parting.part(tx, _act(tx, camp), made)
        tx.close()
        row = tx.core.execute(text("SELECT snapshot, undone_ms FROM binding")).one()
        assert '"version":1' in row[0]
        assert row[1] is not None
