"""A group changes its programme while people speak in it, on two connections at once."""

from concurrent.futures import ThreadPoolExecutor
from random import Random
from threading import Barrier

import pytest

from bot.worker import Asked, Outcome, Worker
from handlers.event import Chat, Event, Sender
from handlers.router import discover
from storage import audit
from storage.db import open_engine, reading
from storage.programmes import MAIN
from storage.rebuilding import all_differences
from tests.storage.books import DEFAULTS, NOW, programme, transaction

ROUTER = discover()


def _said(chat: str, user: str, *, brings: bool = False) -> Asked:
    event = Event(
        key=f"{chat}/{user}/{brings}",
        platform="telegram",
        kind="bot_added" if brings else "message",
        chat=Chat(chat, "group", "群"),
        sender=Sender(user, f"人{user}", "person", "owner" if brings else "member"),
        at=NOW,
        text="签到",
        message_id="1",
    )
    match = ROUTER.match(event)
    assert match is not None
    return Asked(event, match)


@pytest.mark.postgres
def test_who_speaks_while_an_owner_brings_the_bot_stands_where_he_is(postgres_url: str) -> None:
    engine = open_engine(postgres_url, workers=6)
    with transaction(engine) as tx:
        programme(tx, MAIN)

    def new_worker() -> Worker:
        return Worker(engine, clock=lambda: NOW, rng=Random(1), limiter=None, defaults=DEFAULTS)

    for number in range(12):
        chat, gate = f"-5{number}", Barrier(2)
        new_worker().run([_said(chat, f"1{number}")])  # the group begins in one of its own

        def work(units: list[Asked], gate: Barrier = gate) -> list[Outcome]:
            worker = new_worker()
            gate.wait()
            return worker.run(units)

        words = [_said(chat, f"2{number}{who}") for who in range(3)]
        with ThreadPoolExecutor(2) as threads:
            list(threads.map(work, [words, [_said(chat, f"3{number}", brings=True)]]))
        with reading(engine) as tx:
            assert audit.faults(tx) == []
            assert all_differences(tx) == []
    engine.dispose()
