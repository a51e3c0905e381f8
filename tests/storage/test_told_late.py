"""What is told late: the budget and the age of a debt go by the day on which it is told."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine

from storage import clockwork, ledger, reviews
from tests.storage.books import NOW, payment, transaction
from tests.storage.test_deeds import Shop


@pytest.mark.parametrize("back", [1, 181])
def test_a_refund_dated_far_back_makes_no_old_debt(engine: Engine, back: int) -> None:
    with transaction(engine) as tx:
        shop = Shop(tx)
        shop.tell("order.completed", order="A1", amount_fen=1_000_000, at=NOW)
        ledger.post(tx, payment(shop.camp, shop.ming, shop.has()["available"]))
        shop.tell("order.refunded", order="A1", at=NOW - timedelta(days=back), key="r1")
        owed = shop.has()["debt"]
        assert owed < 0
    with transaction(engine) as tx:
        while clockwork.run_programme(tx, shop.camp, now=NOW):
            pass
        shop.tx = tx
        assert shop.has()["debt"] == owed


@pytest.mark.parametrize("backwards", [False, True])
def test_orders_of_past_days_share_the_budget_of_the_day_they_are_told(
    engine: Engine, backwards: bool
) -> None:
    with transaction(engine) as tx:
        shop = Shop(tx)
        days = sorted(range(1, 11), reverse=not backwards)
        shop.say(
            *(
                shop.of_him(
                    "order.completed",
                    order=f"O{day}",
                    amount_fen=4_000_000,
                    at=NOW - timedelta(days=day),
                )
                for day in days
            )
        )
        has = shop.has()
        assert 0 < has.get("available", 0) + has.get("pending", 0) <= 50_000
        assert reviews.count(tx, shop.camp)[0] == 9
