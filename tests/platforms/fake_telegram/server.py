"""The HTTP side: a server in a thread of its own, faults on demand, validation both ways."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, Self

import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from . import administration, messaging, photos
from .body import read_params
from .control import control
from .errors import ApiError, bad_request
from .faults import Faulty, hung_up
from .polling import Delivery
from .schema import Schema, guess
from .state import Call, Json, Sent
from .webhook import Attempt

TOKEN = "1234567890:AAFakeTokenForTestsOnly_0123456789abc"
METHODS: dict[str, Callable[..., Any]] = {
    **messaging.METHODS,
    **photos.METHODS,
    **administration.METHODS,
}
POLLING = frozenset({"getUpdates", "setWebhook", "deleteWebhook", "getWebhookInfo"})
PATIENCE = 1.0
_AUTO = object()


class _Server(uvicorn.Server):
    """A server that stops when told, instead of looking ten times a second whether it should."""

    closing: asyncio.Event

    async def main_loop(self) -> None:
        await self.closing.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        end = time.monotonic() + PATIENCE
        while self.server_state.connections and time.monotonic() < end:  # noqa: ASYNC110 - a count
            await asyncio.sleep(0.002)
        # asyncio.run() cancels whatever is still at work.


class FakeTelegram(Faulty):
    """A Bot API server on a loopback port: `with FakeTelegram() as tg: ...`.

    Leaving the block fails when the bot called what the fake does not know how to do
    (`unsupported`) or when the fake itself broke the schema (`broken`).
    """

    def __init__(
        self,
        *,
        port: int = 0,
        token: str = TOKEN,
        privacy: bool = True,
        username: str = "qunying_bot",
        schema: Any = _AUTO,
    ) -> None:
        super().__init__(
            token=token,
            privacy=privacy,
            username=username,
            schema=Schema.load() if schema is _AUTO else schema,
        )
        self.port = port
        self._ready = threading.Event()
        self._server: uvicorn.Server | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.delivery: Delivery | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    # -- life ----------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.close()
        if kind is None:
            self.check()

    def check(self) -> None:
        """Fail on what makes a test worthless: calls answered by nothing, or untrue answers."""
        assert not self.unsupported, f"the fake cannot do: {self.unsupported}"
        assert not self.broken, f"the fake broke the schema: {self.broken}"

    def start(self) -> None:
        """Serve until closed."""
        # Only a socket that says it is TCP is served without Nagle's delay (40 ms a call).
        listener = socket.socket(proto=socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        self.port = listener.getsockname()[1]
        config = uvicorn.Config(
            self._app,
            interface="asgi3",
            http="h11",
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_level="critical",
            access_log=False,
            date_header=False,
        )
        self._server = _Server(config)
        self._thread = threading.Thread(
            target=self._run, args=(listener,), name="fake-telegram", daemon=True
        )
        self._thread.start()
        if not self._ready.wait(10):
            raise RuntimeError("the fake Telegram did not start")

    def _run(self, listener: socket.socket) -> None:
        asyncio.run(self._serve(listener))

    async def _serve(self, listener: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        self._closing = self._server.closing = asyncio.Event()
        self.delivery = Delivery(self, self._closing)
        self.on_loop(self._loop, self.delivery.wake)
        # The socket takes connections from here on, even before the first accept.
        listener.listen(128)
        self._ready.set()
        await self._server.serve(sockets=[listener])
        await self.delivery.stop()
        listener.close()

    def close(self) -> None:
        """Let go of every waiting client and stop."""
        if self._server is None:
            return
        self.on_change = lambda: None
        self._loop.call_soon_threadsafe(self._let_go)
        self._thread.join(15)
        self._server = None

    def _let_go(self) -> None:
        self._closing.set()
        self.delivery.wake()

    @property
    def url(self) -> str:
        """The server's root: methods are at `{url}/bot{token}/{method}`."""
        return f"http://127.0.0.1:{self.port}"

    # -- waiting -------------------------------------------------------------------------------

    def wait_for(self, predicate: Callable[[Sent], bool], timeout: float = 5.0) -> Sent:
        """Wait for a message or edit of the bot, past ones included, that fits."""
        found: list[Sent] = []

        def look() -> bool:
            found[:] = [sent for sent in list(self.sent) if predicate(sent)][:1]
            return bool(found)

        if not self._wait(look, timeout):
            said = [sent.text for sent in self.sent]
            raise AssertionError(f"the bot did not send it in {timeout} s, only {said}")
        return found[0]

    def wait_until(self, condition: Callable[[], Any], timeout: float = 5.0) -> None:
        """Wait until something about the fake (or anything else) is true."""
        assert self._wait(condition, timeout), f"it did not become true in {timeout} s"

    def _wait(self, condition: Callable[[], Any], timeout: float) -> bool:
        end = time.monotonic() + timeout
        # The condition runs without the lock: it may itself ask the server something.
        while not condition():
            left = end - time.monotonic()
            if left <= 0:
                return False
            with self.changed:
                self.changed.wait(min(left, 0.05))
        return True

    # -- requests ------------------------------------------------------------------------------

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            response = await self._respond(Request(scope, receive, send))
        except Exception as error:
            self.broken.append(f"{scope['path']}: {error!r}")
            raise
        if response is not None:
            await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response | None:
        path = request.url.path
        if path.startswith("/control/"):
            return await control(self, request, path.removeprefix("/control/"))
        try:
            method = self._addressed(path)
        except ApiError as error:
            return JSONResponse(error.payload(), status_code=error.code)
        raw = await read_params(request)
        fault = self._take_fault(method)
        if fault and not fault.after_effect:
            self._log(method, raw, fault.status)
            return await self._spoil(fault, request)
        status, payload, params = await self._execute(method, raw, request)
        self._log(method, params, fault.status if fault else status, payload)
        if fault:
            return await self._spoil(fault, request)
        return JSONResponse(payload, status_code=status)

    def _addressed(self, path: str) -> str:
        """Find the method that a path names, for this bot."""
        token, slash, name = path.removeprefix("/bot").partition("/")
        if not path.startswith("/bot") or not slash or ":" not in token:
            raise ApiError(404, "")
        if token != self.token:
            raise ApiError(401, "Unauthorized")
        method = self._method_name(name)
        if method is None:
            self.violations.append(f"unknown method {name!r}")
            self._log(name, {}, 404)
            raise ApiError(404, "method not found")
        return method

    def _method_name(self, name: str) -> str | None:
        known = {known.lower(): known for known in (*METHODS, *POLLING)}
        if self.schema:
            known |= self.schema.by_lower_name
        return known.get(name.lower())

    def _log(self, method: str, params: Json, status: int | str, payload: Any = None) -> None:
        with self.lock:
            self.calls.append(Call(method, params, status, self.clock.now(), payload))
            self.changed.notify_all()

    def _decode(self, method: str, raw: Json) -> Json:
        if self.schema is None:
            return guess(raw)
        params, problems, fatal = self.schema.decode(method, raw)
        self.violations += problems
        if fatal:
            if "chat_id" in self.schema.required(method) and not raw.get("chat_id"):
                raise bad_request("chat_id is empty")
            if "text" in self.schema.required(method) and not raw.get("text"):
                raise bad_request("message text is empty")
            raise bad_request(problems[-1])
        return params

    async def _execute(
        self, method: str, raw: Json, request: Request | None
    ) -> tuple[int, Json, Json]:
        params = raw
        try:
            with self.lock:
                params = self._decode(method, raw)
            result = await self._call(method, params, request)
            with self.lock:
                # Updates were held to the schema when they arose; pushed garbage never is.
                if self.schema and method != "getUpdates":
                    self.hold(self.schema.check_result(method, result))
                self.changed.notify_all()
                # Read now: a later edit must not change an answer on its way.
                payload = json.loads(json.dumps({"ok": True, "result": result}))
        except ApiError as error:
            return error.code, error.payload(), params
        except Exception as error:  # noqa: BLE001 - whatever it is, the test must hear of it
            self.broken.append(f"{method}: {error!r}")
            return 500, ApiError(500, f"Internal Server Error: {error!r}").payload(), params
        return 200, payload, params

    async def _call(self, method: str, params: Json, request: Request | None) -> Any:
        if method == "getUpdates":
            return await self._poll(params, request)
        if method == "setWebhook":
            return await self.delivery.set_webhook(params)
        if method == "deleteWebhook":
            return await self.delivery.delete_webhook(params)
        if method == "getWebhookInfo":
            return self.delivery.info()
        if method not in METHODS:
            self.unsupported.append(method)
            raise ApiError(501, f"Not Implemented: the fake cannot do {method}")
        with self.lock:
            return METHODS[method](self, params)

    async def _poll(self, params: Json, request: Request | None) -> list[Json]:
        """Poll, and stop polling for a client that has hung up."""
        polling = asyncio.ensure_future(self.delivery.get_updates(params))
        gone = asyncio.ensure_future(hung_up(request))
        await asyncio.wait({polling, gone}, return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        if not polling.done():
            polling.cancel()
            return []
        return polling.result()

    def call_in_answer(self, body: Json) -> None:
        """Run a method that came in the answer to a webhook post."""
        method = self._method_name(body["method"])
        raw = {key: value for key, value in body.items() if key != "method"}
        if method is None or method in POLLING:
            self.violations.append(f"unknown method {body['method']!r} in a webhook's answer")
            return
        task = self._loop.create_task(self._execute(method, raw, None))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


__all__ = ["METHODS", "Attempt", "FakeTelegram"]
