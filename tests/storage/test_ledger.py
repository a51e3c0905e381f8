"""The ledger, case by case: what is posted, what is refused, and what a refusal leaves behind."""

from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import Engine

from content.caps import Cap
from storage import audit, history, holds, ledger, undoing
from storage.db import reading
from storage.movement import (
    ACTOR_MAX,
    AMOUNT_MAX,
    ISSUED,
    KEY_MAX,
    KIND_MAX,
    PAID_DEBT,
    PROGRAMME,
    REASON_MAX,
    RULE_MAX,
    WALLET_MAX,
    GoneError,
    InsufficientError,
    KeyConflictError,
    LedgerError,
    Posted,
    Side,
)
from storage.tables import posting as posting_table
from tests.storage.books import (
    DAY,
    NOW,
    buckets,
    count,
    give,
    member,
    owe,
    payment,
    posting,
    programme,
    transaction,
    undo,
    undone,
)


def test_an_award_moves_points_from_the_programme_to_the_member(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        first = give(tx, camp, ming, 5)
        second = give(tx, camp, ming, AMOUNT_MAX)
    assert (first.balance, first.replayed) == (5, False)
    assert second.balance == AMOUNT_MAX + 5
    assert second.id > first.id
    with undone(engine) as tx:
        assert buckets(tx, camp, ming) == {"available": AMOUNT_MAX + 5}
        assert buckets(tx, camp) == {"issued": -AMOUNT_MAX - 5}


def test_points_move_between_members_buckets_and_out(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming, hong = member(tx, camp), member(tx, camp)
        give(tx, camp, ming, 100)
        mine, soon = Side(ming, "available"), posting(camp, Side(hong, "pending"), 1)
        results = [
            ledger.post(tx, asked).balance
            for asked in (
                posting(camp, Side(hong, "available"), 30, source=mine),
                posting(camp, Side(PROGRAMME, "redeemed"), 35, source=mine),
                posting(camp, Side(PROGRAMME, "clawed_back"), 5, source=mine),
                soon._replace(matures=DAY),
                posting(camp, Side(hong, "available"), 7, source=Side(PROGRAMME, "compensation")),
            )
        ]
        aside = holds.hold(tx, payment(camp, ming, 20), due=NOW)
        assert (aside.amount, aside.state) == (20, "open")
    assert results == [30, 35, 30, 1, 37]
    with undone(engine) as tx:
        assert buckets(tx, camp, ming) == {"available": 10, "held": 20}
        assert buckets(tx, camp, hong) == {"available": 37, "pending": 1}
        assert buckets(tx, camp) == {
            "issued": -101,
            "redeemed": 35,
            "clawed_back": 5,
            "compensation": -7,
        }


def test_the_same_key_again_returns_the_first_result(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        first = give(tx, camp, ming, 5, key="once")
        give(tx, camp, ming, 5)
        again = give(tx, camp, ming, 5, key="once")
    assert again == Posted(first.id, 5, 5, replayed=True)  # the balance of then, not of now
    with undone(engine) as tx:
        assert buckets(tx, camp, ming) == {"available": 10}


def test_a_payment_replayed_says_what_was_left(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        give(tx, camp, ming, 100)
        pay = posting(
            camp, Side(PROGRAMME, "redeemed"), 100, source=Side(ming, "available"), key="pay"
        )
        first = ledger.post(tx, pay)
        again = ledger.post(tx, pay)  # though nothing is left to take
    assert (first.balance, again.balance, again.replayed) == (0, 0, True)


def test_the_same_key_for_something_else_is_refused(engine: Engine) -> None:
    others: tuple[dict[str, Any], ...] = (
        {"amount": 6},
        {"bucket": "pending", "matures": DAY},
        {"reason": "gift"},
        {"source": Side(PROGRAMME, "compensation")},
        {"wallet": "coins"},
    )
    for other in others:
        _conflict(engine, other)


def _conflict(engine: Engine, other: dict[str, Any]) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        give(tx, camp, ming, 5, key="once")
        tx.close()
        before = count(tx, "posting")
        asked = {"amount": 5, "bucket": "available", "matures": None} | other
        target, matures = Side(ming, asked.pop("bucket")), asked.pop("matures")
        again = posting(camp, target, key="once", **asked)._replace(matures=matures)
        with pytest.raises(KeyConflictError, match="once"):
            ledger.post(tx, again)
    with undone(engine) as tx:
        assert buckets(tx, camp, ming) == {"available": 5}
        assert count(tx, "posting") == before


def test_a_key_belongs_to_its_programme(engine: Engine) -> None:
    with transaction(engine) as tx:
        for amount in (5, 7):
            camp = programme(tx)
            ming = member(tx, camp)
            assert not give(tx, camp, ming, amount, key="once").replayed
            assert buckets(tx, camp, ming) == {"available": amount}


@pytest.mark.parametrize(
    "amount",
    [0, -1, AMOUNT_MAX + 1, 2**63 - 1, 2**63, 2**200, 1.0, 0.5, True, "5", None, float("nan")],
)
def test_only_whole_points_within_reason_are_posted(sqlite_url: str, amount: Any) -> None:
    # refused before the database is asked, so one database is enough
    from storage.db import open_engine  # noqa: PLC0415 - beside its only use

    engine = open_engine(sqlite_url)
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        with pytest.raises(LedgerError, match="whole points"):
            give(tx, camp, ming, amount)
        assert count(tx, "posting") == 0
        assert buckets(tx, camp, ming) == {}
    engine.dispose()


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (ISSUED, Side(7, "issued")),
        (ISSUED, Side(7, "balance")),
        (ISSUED, Side(7, "")),
        (ISSUED, Side(7, "available; DROP TABLE posting")),
        (Side(PROGRAMME, "available"), Side(7, "available")),
        (Side(7, "redeemed"), ISSUED),
        (ISSUED, ISSUED),
        (Side(7, "held"), Side(7, "held")),
        (Side(7, "held"), Side(PROGRAMME, "redeemed")),
        (Side(7, "available"), Side(7, "held")),
        (ISSUED, Side(7, "held")),
        (Side(7, "pending"), Side(7, "available")),
        (Side(7, "pending"), Side(PROGRAMME, "clawed_back")),
        (Side(7, "available"), Side(7, "pending")),
        (Side(7, "available"), Side(8, "pending")),
        (ISSUED, Side(7, "pending")),  # without a day on which it matures
    ],
)
def test_a_posting_between_buckets_that_it_has_no_business_with_is_refused(
    source: Side, target: Side
) -> None:
    with pytest.raises(LedgerError):
        ledger.post(None, posting(1, target, 5, source=source))


@pytest.mark.parametrize("length", [KEY_MAX + 1, 10_000])
def test_a_key_that_is_too_long_is_refused(length: int) -> None:
    with pytest.raises(LedgerError, match=str(length)):
        ledger.post(None, posting(1, Side(7, "available"), 5, key="k" * length))


def test_a_key_may_have_200_characters_of_any_script(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        for key in ("键" * KEY_MAX, "😀" * KEY_MAX, "%s:name{}'\"\\"):
            assert not give(tx, camp, ming, 1, key=key).replayed
            assert give(tx, camp, ming, 1, key=key).replayed


def test_no_bucket_of_a_member_goes_below_zero(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming, hong = member(tx, camp), member(tx, camp)
        give(tx, camp, ming, 10)
        mine, hers = Side(ming, "available"), Side(hong, "available")
        with pytest.raises(InsufficientError):
            ledger.post(tx, posting(camp, hers, 11, source=mine))
        with pytest.raises(InsufficientError):
            holds.hold(tx, payment(camp, ming, 11), due=NOW)
        assert buckets(tx, camp, ming) == {"available": 10}
        assert ledger.post(tx, posting(camp, hers, 4, source=mine)).balance == 4
        holds.hold(tx, payment(camp, ming, 6), due=NOW)
        for asked in (posting(camp, hers, 1, source=mine), payment(camp, ming, 1)):
            with pytest.raises(InsufficientError):  # what is held is not there to be spent
                ledger.post(tx, asked)
    with undone(engine) as tx:
        assert buckets(tx, camp, ming) == {"held": 6}
        assert buckets(tx, camp, hong) == {"available": 4}


def test_a_refused_posting_can_be_made_once_there_is_enough(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        pay = posting(
            camp, Side(PROGRAMME, "redeemed"), 5, source=Side(ming, "available"), key="pay"
        )
        with pytest.raises(InsufficientError):
            ledger.post(tx, pay)
        give(tx, camp, ming, 5)
        assert not ledger.post(tx, pay).replayed


def test_a_posting_to_an_account_that_does_not_exist_changes_nothing(engine: Engine) -> None:
    with undone(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        give(tx, camp, ming, 10)
        nobody = Side(4711, "available")
        with pytest.raises(LedgerError):
            ledger.post(tx, posting(camp, nobody, 5))
        with pytest.raises(LedgerError):
            ledger.post(tx, posting(camp, nobody, 5, source=Side(ming, "available")))
        tx.close()
        assert buckets(tx, camp) == {"issued": -10}
        assert buckets(tx, camp, ming) == {"available": 10}


def test_another_wallet_is_another_account_that_opens_by_itself(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        assert give(tx, camp, ming, 5, wallet="coins").balance == 5
        assert give(tx, camp, ming, 7).balance == 7
        with pytest.raises(InsufficientError):
            ledger.post(tx, payment(camp, ming, 6, wallet="coins"))
        assert ledger.post(tx, payment(camp, ming, 2, wallet="coins")).balance == 3
        with pytest.raises(LedgerError, match="4711"):
            give(tx, camp, 4711, 5, wallet="coins")
    with reading(engine) as tx:
        assert ledger.account(tx, camp, ming).available == 7
        assert ledger.account(tx, camp, ming, "coins").available == 3


def test_reading_a_wallet_that_has_not_been_opened_opens_none(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
    with reading(engine) as tx:
        before = count(tx, "account")
        assert history.statement(tx, camp, ming, count=5, wallet="coins") == []
        assert history.balance_at(tx, camp, ming, NOW, "coins") == 0
    with reading(engine) as tx:
        assert count(tx, "account") == before


def test_an_instant_without_a_zone_is_refused(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        with pytest.raises(ValueError, match="zone"), tx.savepoint():
            give(tx, camp, ming, 5, at=NOW.replace(tzinfo=None))
        assert buckets(tx, camp, ming) == {}


def test_a_debt_is_taken_on_and_paid_back(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        debt = Side(ming, "debt")
        ledger.post(tx, posting(camp, Side(PROGRAMME, "clawed_back"), 10, source=debt))
        assert buckets(tx, camp, ming) == {"debt": -10}
        give(tx, camp, ming, 4)  # what is earned pays the debt first
        assert buckets(tx, camp, ming) == {"debt": -6}
        paid = give(tx, camp, ming, 10)
        assert (paid.amount, paid.balance, paid.replayed) == (10, 4, False)
        assert buckets(tx, camp, ming) == {"available": 4}


def test_more_than_is_owed_cannot_be_paid_back(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        give(tx, camp, ming, 5)
        with pytest.raises(LedgerError), tx.savepoint():
            ledger.post(tx, posting(camp, Side(ming, "debt"), 5, source=Side(ming, "available")))
        assert buckets(tx, camp, ming) == {"available": 5}


def test_a_statement_follows_the_chain_of_both_sides(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming, hong = member(tx, camp), member(tx, camp)
        give(tx, camp, ming, 50, reason="checkin")
        give(tx, camp, hong, 5, reason="checkin")
        ledger.post(
            tx,
            posting(
                camp, Side(hong, "available"), 20, source=Side(ming, "available"), reason="gift"
            ),
        )
        aside = holds.hold(tx, payment(camp, ming, 10, reason="hold"), due=NOW)
        holds.capture(tx, camp, aside.id, undo("bought", reason="buy"))
    with undone(engine) as tx:
        mings = history.statement(tx, camp, ming, count=10)
        hongs = history.statement(tx, camp, hong, count=10)
        assert [(m.amount, m.bucket, m.reason, m.after) for m in mings] == [
            (-10, "held", "buy", 0),
            (10, "held", "hold", 10),
            (-20, "available", "gift", 30),
            (50, "available", "checkin", 50),
        ]
        assert [(m.amount, m.bucket, m.reason, m.after) for m in hongs] == [
            (20, "available", "gift", 25),
            (5, "available", "checkin", 5),
        ]
        assert {(m.at, str(m.day)) for m in mings} == {(NOW, "2026-03-04")}
        assert history.statement(tx, camp, ming, count=2) == mings[:2]
        assert history.statement(tx, camp, ming, count=0) == []
        assert history.statement(tx, camp, 4711, count=10) == []
        assert history.statement(tx, camp, ming, count=10, wallet="coins") == []


# -- what is no movement is refused, at every door ------------------------------------------------


@pytest.mark.parametrize("amount", [0, -5, 0.5, True, AMOUNT_MAX + 1, None])
def test_only_whole_points_are_held(engine: Engine, amount: Any) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        give(tx, camp, ming, 10)
        with pytest.raises(LedgerError, match="whole points"):
            holds.hold(tx, payment(camp, ming, amount), due=NOW)
        assert buckets(tx, camp, ming) == {"available": 10}


@pytest.mark.parametrize("amount", [0, -5, 0.5, True])
def test_only_whole_points_are_reversed(engine: Engine, amount: Any) -> None:
    with undone(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        first = give(tx, camp, ming, 10)
        with pytest.raises(LedgerError):
            undoing.reverse(tx, camp, first.id, undo("back"), amount=amount)
        assert buckets(tx, camp, ming) == {"available": 10}


@pytest.mark.parametrize("bucket", ["debt", "pending", "held"])
def test_only_what_is_available_is_held(engine: Engine, bucket: str) -> None:
    with undone(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        give(tx, camp, ming, 10)
        holds.hold(tx, payment(camp, ming, 5), due=NOW)
        ledger.post(tx, posting(camp, Side(ming, "pending"), 5)._replace(matures=DAY))
        with pytest.raises(LedgerError):
            holds.hold(tx, payment(camp, ming, 3)._replace(source=Side(ming, bucket)), due=NOW)
        assert buckets(tx, camp, ming) == {"available": 5, "pending": 5, "held": 5}


def test_nobody_who_has_points_gets_a_debt(engine: Engine) -> None:
    with undone(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        give(tx, camp, ming, 5)
        with pytest.raises(LedgerError):
            owe(tx, camp, ming, 10)
        assert buckets(tx, camp, ming) == {"available": 5}


@pytest.mark.parametrize("to_himself", [False, True])
def test_a_debt_is_no_credit_to_spend(engine: Engine, *, to_himself: bool) -> None:
    with undone(engine) as tx:
        camp = programme(tx)
        ming, hong = member(tx, camp), member(tx, camp)
        goal = Side(ming if to_himself else hong, "available")
        with pytest.raises(LedgerError):
            ledger.post(tx, posting(camp, goal, 5, source=Side(ming, "debt")))
        assert buckets(tx, camp, ming) == {}
        assert buckets(tx, camp, hong) == {}


def test_an_award_that_pays_a_debt_directly_leaves_the_books_right(engine: Engine) -> None:
    """Refused, or counted as the audit counts it: either is right."""
    with undone(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        owe(tx, camp, ming, 5)
        try:
            ledger.post(tx, posting(camp, Side(ming, "debt"), 5))
        except LedgerError:
            assert buckets(tx, camp, ming) == {"debt": -5}
        tx.close()
        assert audit.faults(tx) == []


@pytest.mark.parametrize("what", ["reverse", "capture", "release"])
def test_a_key_that_is_too_long_is_refused_for_an_undoing(engine: Engine, what: str) -> None:
    with undone(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        first = give(tx, camp, ming, 10)
        aside = holds.hold(tx, payment(camp, ming, 5), due=NOW)
        do: Any = getattr(undoing if what == "reverse" else holds, what)
        with pytest.raises(LedgerError, match=str(KEY_MAX + 1)):
            do(tx, camp, first.id if what == "reverse" else aside.id, undo("k" * (KEY_MAX + 1)))


@pytest.mark.parametrize("what", ["reverse", "capture", "release"])
def test_an_undoing_under_a_key_of_something_else_is_a_conflict(engine: Engine, what: str) -> None:
    with undone(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        first = give(tx, camp, ming, 10, key="used")
        aside = holds.hold(tx, payment(camp, ming, 5), due=NOW)
        do: Any = getattr(undoing if what == "reverse" else holds, what)
        with pytest.raises(KeyConflictError, match="used"):
            do(tx, camp, first.id if what == "reverse" else aside.id, undo("used"))
        assert buckets(tx, camp, ming) == {"available": 5, "held": 5}


def test_a_reversal_again_with_another_amount_is_a_conflict(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        first = give(tx, camp, ming, 10)
        done = undoing.reverse(tx, camp, first.id, undo("back"), amount=3)
        again = undoing.reverse(tx, camp, first.id, undo("back"), amount=3)
        assert again == done._replace(replayed=True)
        with pytest.raises(KeyConflictError, match="back"):
            undoing.reverse(tx, camp, first.id, undo("back"), amount=5)
        assert buckets(tx, camp, ming) == {"available": 7}


def test_a_write_off_is_not_the_first_result_of_a_gift_of_points(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        owe(tx, camp, ming, 5)
        ours = Side(PROGRAMME, "clawed_back")
        ledger.post(tx, posting(camp, Side(ming, "debt"), 5, source=ours, key="k"))
        ours = Side(PROGRAMME, "compensation")
        with pytest.raises(KeyConflictError, match="k"):
            ledger.post(tx, posting(camp, Side(ming, "available"), 5, source=ours, key="k"))


def test_the_same_key_for_points_that_live_longer_is_a_conflict(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        asked = posting(camp, Side(ming, "available"), 5, key="k")
        ledger.post(tx, asked._replace(expires=DAY))
        with pytest.raises(KeyConflictError, match="k"):
            ledger.post(tx, asked)


def test_no_key_is_taken_for_the_second_half_of_another(engine: Engine) -> None:
    with undone(engine) as tx:
        camp = programme(tx)
        ming, hong = member(tx, camp), member(tx, camp)
        cap = Cap("daily", "day", "points", 3)
        asked = posting(camp, Side(ming, "available"), 10, key="k")._replace(caps=(cap,))
        first = ledger.post(tx, asked)
        with suppress(LedgerError):  # such a key may be refused, too
            give(tx, camp, hong, 5, key=f"k{PAID_DEBT}")
        assert ledger.post(tx, asked) == first._replace(replayed=True)
        with pytest.raises(GoneError):
            undoing.reverse(tx, camp, first.id, undo("back"), amount=4)


@pytest.mark.parametrize("reason", ["r" * 65, "a\0b", "half of 😀: \ud83d"])
def test_one_that_no_database_can_hold_does_not_disturb_the_others(
    engine: Engine, reason: str
) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        goal = Side(member(tx, camp), "available")
        whole = posting(camp, goal, 7, reason="r" * 63 + "😀")
        bad = posting(camp, goal, 5, reason=reason)
        results = ledger.post_many(tx, [posting(camp, goal, 5), bad, whole])
        assert [type(result) for result in results] == [Posted, LedgerError, Posted]
    with transaction(engine) as tx:
        assert buckets(tx, camp, goal.owner_id) == {"available": 12}


def test_texts_are_refused_where_their_columns_end() -> None:
    most = {
        "reason": REASON_MAX,
        "rule": RULE_MAX,
        "actor": ACTOR_MAX,
        "wallet": WALLET_MAX,
        "kind": KIND_MAX,
    }
    assert {name: posting_table.c[name].type.length for name in most} == most


def test_one_without_a_zone_does_not_disturb_the_others(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        goal = Side(ming, "available")
        bad = posting(camp, goal, 5, at=NOW.replace(tzinfo=None))
        results = ledger.post_many(tx, [posting(camp, goal, 5), bad, posting(camp, goal, 7)])
        assert [type(result) for result in results] == [Posted, LedgerError, Posted]
        assert buckets(tx, camp, ming) == {"available": 12}
