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


WORDS_ALONE = {
    f"tests.stories.test_{name}"
    for name in (
        "badges",
        "erasure",
        "first_days",
        "invites",
        "link",
        "privacy",
        "quest_goals",
        "quests",
        "surveys",
        "tags",
        "verifying",
        "weekly",
        "welcome",
    )
}
"""Stories whose store is told of elsewhere, on both databases: once is enough for the words."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let such stories happen on SQLite alone."""
    twice = [
        item
        for item in items
        if isinstance(item, pytest.Function)
        and item.module.__name__ in WORDS_ALONE
        and getattr(item, "callspec", None) is not None
        and item.callspec.params.get("store_url") == "postgres"
    ]
    config.hook.pytest_deselected(items=twice)
    items[:] = [item for item in items if item not in twice]
