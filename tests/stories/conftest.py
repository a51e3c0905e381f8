"""A stage on SQLite alone, for stories about words: what the store does there is told elsewhere."""

from collections.abc import Iterator

import pytest

from storage import audit
from storage.db import open_engine, reading
from tests.stage import Stage


@pytest.fixture
def room(sqlite_url: str) -> Iterator[Stage]:
    """A group with people in it, on one database."""
    engine = open_engine(sqlite_url, secret=b"of the tests")
    yield Stage(engine)
    with reading(engine) as tx:
        faults = audit.faults(tx)
    engine.dispose()
    assert faults == []
