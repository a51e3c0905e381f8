"""The ledger, case by case: what is posted, what is refused, and what a refusal leaves behind."""

from typing import Any

import pytest
from sqlalchemy import Engine

from storage import ledger
from storage.ledger import (
    AMOUNT_MAX,
    ISSUED,
    KEY_MAX,
    PROGRAMME,
    InsufficientError,
    KeyConflictError,
    LedgerError,
    Side,
)
from tests.storage.books import (
    NOW,
    buckets,
    count,
    give,
    member,
    posting,
    programme,
    transaction,
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
        mine = Side(ming, "available")
        results = [
            ledger.post(tx, posting(camp, target, amount, source=source)).balance
            for source, target, amount in (
                (mine, Side(hong, "available"), 30),
                (mine, Side(ming, "held"), 20),
                (Side(ming, "held"), Side(PROGRAMME, "redeemed"), 15),
                (mine, Side(PROGRAMME, "expired"), 10),
                (mine, Side(PROGRAMME, "clawed_back"), 5),
                (Side(hong, "available"), Side(hong, "pending"), 1),
                (Side(PROGRAMME, "compensation"), Side(hong, "available"), 7),
            )
        ]
    assert results == [30, 20, 5, 40, 35, 1, 36]
    with undone(engine) as tx:
        assert buckets(tx, camp, ming) == {"available": 35, "held": 5}
        assert buckets(tx, camp, hong) == {"available": 36, "pending": 1}
        assert buckets(tx, camp) == {
            "issued": -100,
            "redeemed": 15,
            "expired": 10,
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
    assert again == (first.id, 5, True)  # the balance of then, not of now
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
        {"bucket": "pending"},
        {"reason": "gift"},
        {"source": Side(PROGRAMME, "compensation")},
    )
    for other in others:
        _conflict(engine, other)


def _conflict(engine: Engine, other: dict[str, Any]) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        give(tx, camp, ming, 5, key="once")
        before = count(tx, "posting")
        asked = {"amount": 5, "bucket": "available"} | other
        target = Side(ming, asked.pop("bucket"))
        with pytest.raises(KeyConflictError, match="once"):
            ledger.post(tx, posting(camp, target, key="once", **asked))
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
    ],
)
def test_a_posting_between_buckets_that_do_not_exist_is_refused(source: Side, target: Side) -> None:
    with pytest.raises(LedgerError):
        ledger.post(None, posting(1, target, 5, source=source))  # type: ignore[arg-type]


@pytest.mark.parametrize("length", [KEY_MAX + 1, 10_000])
def test_a_key_that_is_too_long_is_refused(length: int) -> None:
    with pytest.raises(LedgerError, match=str(length)):
        ledger.post(None, posting(1, Side(7, "available"), 5, key="k" * length))  # type: ignore[arg-type]


def test_a_key_may_have_200_characters_of_any_script(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        for key in ("键" * KEY_MAX, "😀" * KEY_MAX, "%s:name{}'\"\\"):
            assert not give(tx, camp, ming, 1, key=key).replayed
            assert give(tx, camp, ming, 1, key=key).replayed


def test_no_bucket_of_a_member_goes_below_zero(engine: Engine) -> None:
    for bucket in ("available", "pending", "held"):
        _never_below_zero(engine, bucket)


def _never_below_zero(engine: Engine, bucket: str) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming, hong = member(tx, camp), member(tx, camp)
        ledger.post(tx, posting(camp, Side(ming, bucket), 10))
        take = Side(ming, bucket)
        with pytest.raises(InsufficientError):
            ledger.post(tx, posting(camp, Side(hong, "available"), 11, source=take))
        assert buckets(tx, camp, ming) == {bucket: 10}
        assert ledger.post(tx, posting(camp, Side(hong, "held"), 10, source=take)).balance == 10
        with pytest.raises(InsufficientError):
            ledger.post(tx, posting(camp, Side(hong, "available"), 1, source=take))
    with undone(engine) as tx:
        assert buckets(tx, camp, ming) == {}
        assert buckets(tx, camp, hong) == {"held": 10}


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
        ledger.write_totals(tx)
        assert buckets(tx, camp) == {"issued": -10}
        assert buckets(tx, camp, ming) == {"available": 10}


def test_another_wallet_is_another_account(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming = member(tx, camp)
        with pytest.raises(LedgerError, match="coins"), tx.savepoint():
            give(tx, camp, ming, 5, wallet="coins")
        with pytest.raises(InsufficientError):
            ledger.post(
                tx,
                posting(camp, ISSUED, 5, source=Side(ming, "available"), wallet="coins"),
            )
        assert buckets(tx, camp, ming) == {}


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
        give(tx, camp, ming, 4)
        ledger.post(tx, posting(camp, debt, 4, source=Side(ming, "available")))
        assert buckets(tx, camp, ming) == {"debt": -6}


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
        ledger.post(
            tx,
            posting(camp, Side(ming, "held"), 10, source=Side(ming, "available"), reason="hold"),
        )
        ledger.post(
            tx,
            posting(camp, Side(PROGRAMME, "redeemed"), 10, source=Side(ming, "held"), reason="buy"),
        )
    with undone(engine) as tx:
        mings = ledger.statement(tx, camp, ming, count=10)
        hongs = ledger.statement(tx, camp, hong, count=10)
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
        assert ledger.statement(tx, camp, ming, count=2) == mings[:2]
        assert ledger.statement(tx, camp, ming, count=0) == []
        assert ledger.statement(tx, camp, 4711, count=10) == []
        assert ledger.statement(tx, camp, ming, count=10, wallet="coins") == []
