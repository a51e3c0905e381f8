"""Engines that are disposed of, whatever becomes of the test."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from sqlalchemy import Engine

from storage.db import open_engine


@pytest.fixture
def store() -> Iterator[Callable[[str], Engine]]:
    """Open the store at an address."""
    with ExitStack() as stack:

        def opened(url: str) -> Engine:
            engine = open_engine(url)
            stack.callback(engine.dispose)
            return engine

        yield opened
