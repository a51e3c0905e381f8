"""Photos that several members like at the same moment: paid once, and every like counts once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from random import Random

from sqlalchemy import Engine

from bot.worker import Asked, Outcome, Worker
from handlers.event import Chat, Event, Sender
from handlers.router import discover
from storage import members, photos, programmes
from storage.db import reading
from storage.members import Who
from storage.programmes import MAIN
from tests.storage.books import DAY, DEFAULTS, NOW, buckets, count, programme, transaction

ROUTER = discover()


def _open(engine: Engine, *names: str) -> list[int]:
    since = NOW - timedelta(days=30)
    with transaction(engine) as tx:
        programme(tx, MAIN)
        programmes.open_group(tx, "telegram", "-1", "群", by_owner=True, defaults=DEFAULTS, now=NOW)
        group = programmes.group(tx, "telegram", "-1")
        assert group is not None
        return [
            members.arrive(tx, MAIN, group.id, Who("telegram", name, name), since).id
            for name in names
        ]


def _likes(name: str, photo_id: int) -> Asked:
    event = Event(
        key=f"tg1:{name}",
        platform="telegram",
        kind="tap",
        chat=Chat("-1", "group"),
        sender=Sender(name, name),
        at=NOW,
        text=f"photo like {photo_id}",
        message_id="9",
        tap_id=name,
        addressed=True,
        genuine=True,
    )
    match = ROUTER.match(event)
    assert match is not None
    return Asked(event, match)


def test_a_photo_that_all_like_at_once_is_paid_once(engine: Engine) -> None:
    ming, *_ = _open(engine, "ming", *(f"fan{n}" for n in range(6)))
    with transaction(engine) as tx:
        shown = photos.show(tx, MAIN, ming, DAY, NOW)
        assert shown is not None
        assert photos.show(tx, MAIN, ming, DAY, NOW) is None
    gate = threading.Barrier(6)

    def run(number: int) -> list[Outcome]:
        worker = Worker(engine, clock=lambda: NOW, rng=Random(1), limiter=None, defaults=DEFAULTS)
        gate.wait()
        return worker.run([_likes(f"fan{number}", shown)])

    with ThreadPoolExecutor(6) as threads:
        outcomes = [each for some in threads.map(run, range(6)) for each in some]
    assert {each.state for each in outcomes} == {"done"}
    with reading(engine) as tx:
        assert buckets(tx, MAIN, ming)["available"] == 10
        assert count(tx, "photo_like") == 3
        assert count(tx, "deed") == 1
