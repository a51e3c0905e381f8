"""Real servers for tests: found by their setting or at their usual place; never mocked."""

import os
import shutil
from functools import cache

import pytest
import redis
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

NEEDED_BY_CI = os.environ.get("CI") == "true"
HOW = "`make services` installs it"
missing: dict[str, str] = {}
"""What was not found, with the reason: shown at the end of the run."""

_POSTGRES = (
    "postgresql+psycopg://127.0.0.1:5432/postgres",
    "postgresql+psycopg:///postgres",
    "postgresql+psycopg://postgres@127.0.0.1:5432/postgres",
)


@cache
def postgres_url() -> str | None:
    """Return the URL of a database whose role may create databases, or None."""
    given = os.environ.get("QUNYING_TEST_POSTGRES_URL")
    for url in (given,) if given else _POSTGRES:
        engine = create_engine(make_url(url), connect_args={"connect_timeout": 3})
        try:
            with engine.connect() as connection:
                connection.execute(text("SELECT 1"))
        except OperationalError:
            continue
        finally:
            engine.dispose()
        return url
    return None


@cache
def redis_url() -> str | None:
    """Return the URL of a Redis database that tests may empty, or None."""
    url = os.environ.get("QUNYING_TEST_REDIS_URL", "redis://127.0.0.1:6379/9")
    client = redis.Redis.from_url(url, socket_connect_timeout=1)
    try:
        client.ping()
    except redis.RedisError:
        return None
    finally:
        client.close()
    return url


@cache
def chromium() -> str | None:
    """Return the path of Chromium, or None."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


def need(name: str, found: str | None) -> str:
    """Return what was found; without it skip the test, or in CI fail it."""
    if found is not None:
        return found
    missing[name] = reason = f"{name} was not found: {HOW}"
    if NEEDED_BY_CI:
        pytest.fail(reason)
    pytest.skip(reason)
