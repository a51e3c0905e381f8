"""The points store alone: batches, single awards, trouble, growth; each row with its goal.

The stores of the first three are small (one day of history); `store_growth` fills larger ones.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from tests import services
from tests.bench import store_batches, store_callers, store_growth, store_trouble
from tests.bench.awards import FIRST
from tests.bench.community import Community
from tests.bench.databases import Sqlite, postgres
from tests.bench.figures import Plan, Result


def run(plan: Plan, result: Result) -> None:
    logging.getLogger("bot.worker").setLevel(logging.CRITICAL)  # some is poisoned on purpose
    who = Community.of(40, plan.size(500, 50))
    people = [person.id for person in who.people]
    with _stores(plan, who) as stores:
        for part in (store_batches, store_callers, store_trouble):
            for store in stores:
                part.run(store, people, plan, result)
    store_growth.run(plan, result)


@contextmanager
def _stores(plan: Plan, who: Community) -> Iterator[list[Any]]:
    before = [FIRST - timedelta(days=1)]
    sqlite = Sqlite(plan.folder, who, before)
    if services.postgres_url() is None:
        print(f"PostgreSQL was not found, so SQLite alone is measured: {services.HOW}")
        yield [sqlite]
        return
    with postgres(who, before) as server:
        yield [sqlite, server]
