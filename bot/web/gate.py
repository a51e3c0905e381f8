"""What stands before the HTTP API: who asks, what may be sent, and the way to the store."""

import asyncio
import hashlib
import hmac
import re
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute
from sqlalchemy import Engine
from starlette.requests import ClientDisconnect

from bot.clock import Clock
from bot.dispatcher import BusyError, Dispatcher
from bot.web.problem import Problem
from storage import keys
from storage.db import DATABASE_ERRORS, Tx, reading
from storage.keys import Key

WAIT_MAX_S = 10.0
READS_MAX = 4
SIGNATURE = "X-Qunying-Signature"
SIGNATURE_LIFE = timedelta(minutes=5)
T = TypeVar("T")


class Gate:
    """Lets the holders of good keys through, and their work into the queue."""

    def __init__(self, engine: Engine, dispatcher: Dispatcher, clock: Clock) -> None:
        """Take what it leads to."""
        self._engine = engine
        self._dispatcher = dispatcher
        self._readers = asyncio.Semaphore(READS_MAX)
        self.clock = clock

    async def look(self, read: Callable[[Tx], T]) -> T:
        """Read from the store, beside those who write."""

        def looking() -> T:
            with reading(self._engine) as tx:
                return read(tx)

        async with self._readers:
            return await asyncio.to_thread(looking)

    async def write(self, key: Key, job: Callable[[Tx], T]) -> T:
        """Do a unit of work; a programme's in order. Errors: BusyError, TimeoutError, the job's."""
        waiting: Awaitable[T] = self._dispatcher.ask(job, lane=key.programme_id)
        return await asyncio.wait_for(waiting, WAIT_MAX_S)

    async def bearer(self, token: str, scope: str) -> Key:
        """Return the key of a token. Errors: Problem."""
        key = await self.look(partial(keys.holder, token=token, now=self.clock()))
        if key is None:
            words = "a good key is needed: Authorization: Bearer qy_…"
            raise Problem(401, "no_key", words, headers={"WWW-Authenticate": "Bearer"})
        return await self._allow(key, scope)

    async def signed(
        self, prefix: str, scope: str, request: Request, most: int
    ) -> tuple[Key, bytes]:
        """Return the key that signed a request, and the body. Errors: Problem."""
        signature = request.headers.get(SIGNATURE, "")
        known = await self.look(partial(keys.by_prefix, prefix=prefix)) if signature else []
        body = await read_body(request, most) if known else b""
        now = self.clock()
        for key in known:
            if key.valid(now) and is_signed(key, signature, body, now):
                return await self._allow(key, scope), body
        words = f"{SIGNATURE} is missing, wrong, or older than {SIGNATURE_LIFE}"
        raise Problem(401, "bad_signature", words)

    async def _allow(self, key: Key, scope: str) -> Key:
        if scope not in key.scopes:
            raise Problem(403, "no_scope", f"this key lacks the scope {scope}")
        today = self.clock().date()
        if key.used != today:
            await self.write(key, partial(keys.used, key=key, day=today))
        return key


def is_signed(key: Key, signature: str, body: bytes, now: datetime) -> bool:
    """Whether `t=…,v1=…` signs a body with the key's secret, within the last minutes."""
    at = re.search(r"(?:^|,)t=(\d{1,12})(?:,|$)", signature, re.ASCII)
    if at is None or abs(now.timestamp() - int(at.group(1))) > SIGNATURE_LIFE.total_seconds():
        return False
    said = at.group(1).encode() + b"." + body
    right = hmac.new(key.signing_secret.encode(), said, hashlib.sha256).hexdigest()
    given = re.findall(r"(?:^|,)v1=([0-9a-f]{64})(?=,|$)", signature)
    return any(hmac.compare_digest(right, each) for each in given)


async def read_body(request: Request, most: int) -> bytes:
    """Read a body of JSON. Errors: Problem when it is declared, or turns out, to be too large."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise Problem(415, "not_json", "the Content-Type must be application/json")
    too_large = Problem(413, "too_large", f"at most {most:,} bytes are read")
    if int(request.headers.get("content-length", 0)) > most:
        raise too_large
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > most:
                raise too_large
    except ClientDisconnect:
        raise Problem(400, "cut_off", "the body ended early") from None
    return bytes(body)


class ProblemRoute(APIRoute):
    """Answers what goes wrong with problem+json."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap FastAPI's own handler."""
        inner = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await inner(request)
            except Problem as found:
                return found.response()
            except RequestValidationError as error:
                wrong = error.errors()[0]
                words = f"{'.'.join(str(step) for step in wrong['loc'][1:])}: {wrong['msg']}"
                return Problem(422, "invalid", words).response()
            except BusyError as error:
                return _later(round(error.retry_after_s), "the queue is full")
            except (TimeoutError, *DATABASE_ERRORS):
                return _later(5, "the database does not answer; what was sent may have been kept")

        return handle


def _later(after_s: int, words: str) -> JSONResponse:
    return Problem(503, "busy", words, headers={"Retry-After": f"{after_s}"}).response()
