"""The inbox remembers deliveries, the outbox what is still to be said."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from scheduler.housekeeping import KEEP_FAILED, tidy
from storage import inbox, outbox
from storage.db import Tx, reading, to_ms
from tests.storage.books import NOW, count, transaction


def _put(tx: Tx, payload: str, **more: object) -> outbox.Outgoing:
    values = {
        "programme_id": 1,
        "platform": "telegram",
        "chat_id": "-1",
        "thread": None,
        "kind": "say",
        "target": None,
        "person": "",
        "payload": payload,
        "created_ms": to_ms(NOW),
        "expires_ms": to_ms(NOW) + 1,
    }
    return outbox.put(tx, **(values | more))


def test_a_delivery_is_new_once(engine: Engine) -> None:
    with transaction(engine) as tx:
        assert inbox.receive(tx, 1, "tg1:1", NOW).count == 1
        assert inbox.receive(tx, 1, "tg1:1", NOW).count == 0
    with transaction(engine) as tx:
        assert inbox.receive(tx, 1, "tg1:1", NOW + timedelta(days=2)).count == 0
        assert inbox.receive(tx, 1, "tg1:2", NOW).count == 1
        assert inbox.receive(tx, 2, "tg1:1", NOW).count == 1  # another programme's
        assert inbox.receive(tx, 0, "tg1:1", NOW).count == 1  # a private chat's
        assert inbox.receive(tx, 1, "TG1:1", NOW).count == 1


def test_a_receipt_is_undone_with_its_unit(engine: Engine) -> None:
    with transaction(engine) as tx:
        with pytest.raises(ZeroDivisionError), tx.savepoint():  # noqa: PT012 - the unit is the block
            assert inbox.receive(tx, 1, "tg1:1", NOW).count == 1
            raise ZeroDivisionError
        assert inbox.receive(tx, 1, "tg1:1", NOW).count == 1


def test_receipts_are_kept_for_three_days_and_no_longer(engine: Engine) -> None:
    with transaction(engine) as tx:
        for hours in (0, 24, 71, 72, 73, 200):
            inbox.receive(tx, 1, str(hours), NOW - timedelta(hours=hours))
        assert inbox.forget_old(tx, NOW) == 2
        assert inbox.forget_old(tx, NOW) == 0
        assert count(tx, "inbox") == 4
        assert inbox.receive(tx, 1, "72", NOW).count == 0
    assert inbox.STALE < inbox.KEEP  # a forgotten one is too old to be acted on


def test_what_is_put_is_there_after_the_batch_oldest_first(engine: Engine) -> None:
    with transaction(engine) as tx:
        rows = [
            _put(tx, '{"text":"签到 😀 \\" %s :x"}', thread="7", target="m1", person="p1"),
            _put(tx, "b", kind="tap", target="t1"),
            _put(tx, "c", kind="edit", programme_id=2, chat_id="-2"),
        ]
        assert outbox.waiting(tx) == []
    with reading(engine) as tx:
        assert outbox.waiting(tx) == rows


def test_what_has_been_said_is_gone(engine: Engine) -> None:
    with transaction(engine) as tx:
        first, second = _put(tx, "a"), _put(tx, "b")
    with transaction(engine) as tx:
        outbox.said(tx, [(first.programme_id, first.id), (9, second.id), (1, 4711)])
        outbox.said(tx, [])
    with reading(engine) as tx:
        assert outbox.waiting(tx) == [second]


def test_what_became_of_a_row_is_kept_and_not_sent_again(engine: Engine) -> None:
    for state in ("sending", "unknown", "failed", "expired"):
        _kept(engine, state)


def _kept(engine: Engine, state: str) -> None:
    with transaction(engine) as tx:
        row, other = _put(tx, "a"), _put(tx, "b")
    with transaction(engine) as tx:
        outbox.mark(tx, [(row.programme_id, row.id)], state)
    with transaction(engine) as tx:
        assert outbox.waiting(tx)[-1] == other
        assert row not in outbox.waiting(tx)
        assert outbox.give_up_interrupted(tx) == (1 if state == "sending" else 0)
        found = tx.core.execute(text(f"SELECT state FROM outbox WHERE id = {row.id}")).scalar_one()
        assert found == ("unknown" if state == "sending" else state)


def test_what_waits_follows_its_chat(engine: Engine) -> None:
    with transaction(engine) as tx:
        waits, failed = _put(tx, "a"), _put(tx, "b")
        elsewhere, other = _put(tx, "c", platform="local"), _put(tx, "d", chat_id="-3")
    with transaction(engine) as tx:
        outbox.mark(tx, [(failed.programme_id, failed.id)], "failed")
        for _ in range(2):
            outbox.follow_chat(tx, "telegram", "-1", "-100")
    with reading(engine) as tx:
        assert outbox.waiting(tx) == [waits._replace(chat_id="-100"), elsewhere, other]


def test_failures_are_forgotten_after_a_week_and_what_waits_never(engine: Engine) -> None:
    old = to_ms(NOW - KEEP_FAILED) - 1
    with transaction(engine) as tx:
        rows = [_put(tx, "old", created_ms=old), _put(tx, "new", created_ms=old + 1)]
        waits = _put(tx, "waits", created_ms=0)
        inbox.receive(tx, 1, "old", NOW - timedelta(days=4))
    with transaction(engine) as tx:
        outbox.mark(tx, [(row.programme_id, row.id) for row in rows], "failed")
        assert tidy(tx, NOW) == 2
        assert tidy(tx, NOW) == 0
        assert outbox.waiting(tx) == [waits]
        assert (count(tx, "outbox"), count(tx, "inbox")) == (2, 0)
