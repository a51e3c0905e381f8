"""Faults on demand: refusals, garbage, silence, cut connections."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from .errors import ApiError, flood
from .events import Events

NAMES = {401: "Unauthorized", 500: "Internal Server Error", 502: "Bad Gateway"}
SILENT = frozenset({"garbage", "hang", "drop"})


@dataclass
class Fault:
    """What shall go wrong with the next calls of a method."""

    method: str
    status: int | str
    left: int
    after_effect: bool
    retry_after: int


class Faulty(Events):
    """A world whose server can be told to fail."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._faults: list[Fault] = []
        self._closing: asyncio.Event | None = None

    def fail_next(
        self,
        method: str,
        status: int | str = 500,
        n: int = 1,
        after_effect: bool = False,
        retry_after: int = 1,
    ) -> None:
        """Spoil the next n calls of a method.

        `status` is an HTTP code, or "garbage" (an HTML page), "hang" (never answered), "drop"
        (connection cut). With `after_effect` the call takes effect first, so that the client
        cannot know.
        """
        if isinstance(status, str) and status not in SILENT:
            raise ValueError(f"unknown fault {status!r}")
        with self.lock:
            self._faults.append(Fault(method, status, n, after_effect, retry_after))

    def _take_fault(self, method: str) -> Fault | None:
        with self.lock:
            for fault in self._faults:
                if fault.method == method and fault.left > 0:
                    fault.left -= 1
                    return fault
        return None

    async def _spoil(self, fault: Fault, request: Request) -> Response | None:
        if fault.status == "garbage":
            return PlainTextResponse("<html><h1>502 Bad Gateway</h1></html>", status_code=502)
        if fault.status == "hang":
            gone = asyncio.ensure_future(hung_up(request))
            closing = asyncio.ensure_future(self._closing.wait())
            await asyncio.wait({gone, closing}, return_when=asyncio.FIRST_COMPLETED)
            gone.cancel()
            closing.cancel()
        if isinstance(fault.status, str):
            # uvicorn hands out its cycle's bound method; its transport is the connection itself.
            request.receive.__self__.transport.abort()
            await hung_up(request)
            return None
        error = ApiError(fault.status, NAMES.get(fault.status, "as the test wished"))
        if fault.status == 429:
            error = flood(fault.retry_after)
        return JSONResponse(error.payload(), status_code=fault.status)


async def hung_up(request: Request) -> None:
    """Wait until the client has closed the connection."""
    receive: Callable[[], Awaitable[Any]] = request.receive
    while (await receive())["type"] != "http.disconnect":
        pass
