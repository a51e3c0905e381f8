"""Plain HTTP calls to the fake Telegram, for tests about the server itself."""

import os
import struct
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.platforms.fake_telegram import SCHEMA_PATH, FakeTelegram


class Caller:
    """A client that knows nothing of Telegram but the address."""

    def __init__(self, fake: FakeTelegram, client: httpx.Client) -> None:
        self.fake = fake
        self.client = client

    def raw(self, method: str, token: str | None = None, **options: Any) -> httpx.Response:
        token = self.fake.token if token is None else token
        return self.client.post(f"{self.fake.url}/bot{token}/{method}", **options)

    def __call__(self, method: str, **params: Any) -> dict[str, Any]:
        """Call with a JSON body and give the whole answer."""
        return self.raw(method, json=params).json()

    def ok(self, method: str, **params: Any) -> Any:
        """Call what must succeed and give the result."""
        answer = self(method, **params)
        assert answer["ok"], answer
        return answer["result"]

    def refused(self, method: str, **params: Any) -> tuple[int, str]:
        """Call what must be refused and give code and description."""
        response = self.raw(method, json=params)
        answer = response.json()
        assert not answer["ok"], answer
        assert answer["error_code"] == response.status_code
        return answer["error_code"], answer["description"]

    def updates(self, offset: int = 0, **params: Any) -> list[dict[str, Any]]:
        """Poll without waiting."""
        return self.ok("getUpdates", offset=offset, **params)


def calling(fake: FakeTelegram) -> Iterator[Caller]:
    """Serve, and give a caller; at the end nothing may have gone against the schema."""
    fake.limits.poll_guard = False
    with fake, httpx.Client(trust_env=False, verify=False, timeout=10) as client:
        yield Caller(fake, client)
        # The bot's side was the test itself: whatever it did wrong was meant to be looked at.
        unseen = [violation for violation in fake.violations if violation]
        assert not unseen, unseen


def png(width: int, height: int, *, filling: bytes = b"") -> bytes:
    """Make the beginning of a PNG file: enough to be measured."""
    size = struct.pack(">II", width, height)
    return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + size + b"\x08\2\0\0\0" + filling


def require_schema() -> None:
    """Fail in CI, and skip elsewhere, where the published schema is not at hand."""
    if SCHEMA_PATH.is_file():
        return
    reason = f"the Bot API schema is not at {SCHEMA_PATH}"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
