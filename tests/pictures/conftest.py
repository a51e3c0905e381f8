"""Fonts as `make services` installs them; without them drawing is not tested."""

import os

import pytest

from bot.pictures import fonts


@pytest.fixture(scope="session", autouse=True)
def _fonts() -> None:
    found = fonts.problems()
    if not found:
        return
    reason = f"fonts are missing: `make services` installs them ({'; '.join(found)})"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
