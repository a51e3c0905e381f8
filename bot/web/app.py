"""The web application: health, metrics, webhooks; the room where it is wanted."""

import asyncio
import hmac
import logging
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.datastructures import MutableHeaders
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.adapters.telegram import TelegramAdapter
from bot.dispatcher import BusyError, Dispatcher

_log = logging.getLogger(__name__)

BODY_MAX = 1_000_000
CONTACT_MAX_S = 120.0
DATABASE_WAIT_S = 3.0
CONNECTIONS_MAX = 500
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
        " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


@dataclass(slots=True)
class Parts:
    """What the web shows the state of, or hands things to."""

    dispatcher: Dispatcher
    database_up: Callable[[], bool]
    telegram: TelegramAdapter | None = None
    webhook_secret: str | None = None


class SafeHeaders:
    """Puts the security headers on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, its headers added."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)


def build_web(parts: Parts, *, hosts: list[str] | None = None) -> FastAPI:
    """Return the application. `hosts` are the names it may be called by, None for any."""
    app = FastAPI(
        title="Qunying", docs_url=None, redoc_url=None, openapi_url=None, max_body_size=BODY_MAX
    )
    if hosts is not None:
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=hosts)
    app.add_middleware(SafeHeaders)  # added last, so it is the outermost
    static = Path(__file__).parent / "static"
    app.mount("/static", StaticFiles(directory=static), name="static")

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return JSONResponse({"error": f"{where}: {first['msg']}"}, status_code=422)

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        """Say that the process lives."""
        return {"status": "ok"}

    @app.get("/readyz")
    async def readyz() -> JSONResponse:
        """Say whether events can be taken: the database answers, each platform was heard of."""
        looking = asyncio.to_thread(parts.database_up)
        try:
            up = await asyncio.wait_for(looking, DATABASE_WAIT_S)
        except TimeoutError:
            up = False
        report = readiness(parts, database_up=up)
        ready = all(part["ok"] for part in report.values())
        return JSONResponse(report, status_code=200 if ready else 503)

    @app.get("/metrics")
    async def metrics() -> Response:
        """Show the figures for Prometheus."""
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    if parts.telegram is not None and parts.webhook_secret:
        _add_webhook(app, parts.telegram, parts.webhook_secret)
    return app


def _add_webhook(app: FastAPI, telegram: TelegramAdapter, secret: str) -> None:
    @app.post("/telegram/webhook")
    async def webhook(request: Request) -> Response:
        given = request.headers.get("x-telegram-bot-api-secret-token", "")
        if not hmac.compare_digest(given.encode(), secret.encode()):
            return JSONResponse({"error": "the secret is wrong"}, status_code=403)
        try:
            raw = await request.json()
        except (ValueError, RecursionError):
            return JSONResponse({"error": "the body is not JSON"}, status_code=400)
        try:
            await telegram.receive(raw)
        except BusyError as error:
            retry = {"Retry-After": f"{error.retry_after_s:.0f}"}
            return Response(status_code=503, headers=retry)
        return Response(status_code=200)


def readiness(parts: Parts, *, database_up: bool) -> dict[str, dict[str, Any]]:
    """Return the state of each part, with `ok` and, where it is not, `problem`."""
    report: dict[str, dict[str, Any]] = {}
    up = parts.dispatcher.store_up and database_up
    report["database"] = {"ok": up} if up else {"ok": False, "problem": "does not answer"}
    telegram = parts.telegram
    if telegram is not None:
        contact = telegram.contact
        silent_s = round(time.monotonic() - contact.last, 1)
        ok = not contact.trouble and (silent_s < CONTACT_MAX_S or bool(parts.webhook_secret))
        report["telegram"] = {"ok": ok, "last_contact_s": silent_s}
        if not ok:
            report["telegram"]["problem"] = contact.trouble or "silent"
    return report


class WebServer(uvicorn.Server):
    """uvicorn inside our own loop: signals are ours, and so is the moment to stop."""

    def __init__(self, app: FastAPI, host: str, port: int) -> None:
        """Prepare to serve; nothing is opened yet."""
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=2,
                ws="none",
                limit_concurrency=CONNECTIONS_MAX,
                lifespan="off",
            )
        )

    def capture_signals(self) -> Any:
        """Leave signals alone."""
        return nullcontext()

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens, once started."""
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        return str(host), int(port)
