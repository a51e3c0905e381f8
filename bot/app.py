"""Wiring: settings in, a running bot out; and its orderly end."""

import asyncio
import logging
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from random import SystemRandom
from typing import Any

from sqlalchemy import Engine, text

from bot.adapters.base import Adapter
from bot.adapters.local import LocalAdapter
from bot.adapters.telegram import TelegramAdapter
from bot.adapters.telegram.adapter import TokenRefusedError
from bot.clock import Clock, MovableClock, utc_now
from bot.config import Settings, SettingsError
from bot.demo import Community, community, make_history
from bot.dispatcher import Dispatcher
from bot.sender import Sender
from bot.web.app import Parts, WebServer, build_web
from bot.web.room import room_routes
from bot.worker import Worker
from handlers.router import Router, discover
from scheduler.heartbeat import TIDY_EVERY_MIN, Heartbeat
from scheduler.housekeeping import tidy
from storage import programmes
from storage.db import DATABASE_ERRORS, open_engine
from storage.limits import Limiter
from storage.lock import only_process
from storage.programmes import MAIN, Defaults
from storage.schema import migrate

_log = logging.getLogger(__name__)

POSTGRES_WORKERS = 4
STOP_COMMIT_S = 5.0
STOP_SEND_S = 3.0
LOOPBACK = ["127.0.0.1", "localhost", "[::1]", "::1"]


@dataclass(slots=True)
class App:
    """Everything that runs, in the order in which it was started."""

    settings: Settings
    engine: Engine
    clock: Clock
    router: Router
    dispatcher: Dispatcher
    sender: Sender
    heartbeat: Heartbeat
    web: WebServer
    telegram: TelegramAdapter | None
    local: LocalAdapter | None
    tasks: list[asyncio.Task[Any]] = field(default_factory=list)


async def serve(settings: Settings, *, demo: bool = False) -> None:
    """Run the bot until it is told to stop (SIGTERM, SIGINT).

    Errors: SettingsError, LockedError, SchemaError, TokenRefusedError, OSError (port taken).
    """
    started = time.monotonic()
    engine = open_engine(settings.database_url, workers=POSTGRES_WORKERS)
    with only_process(engine):
        migrate(engine)
        app = _wire(settings, engine, demo=demo)
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        try:
            await _start(app)
            if demo:
                _welcome(app)
            _log.info("ready in %.2f s", time.monotonic() - started)
            await _until(stop, app)
        finally:
            await _stop(app)
    engine.dispose()


def _wire(settings: Settings, engine: Engine, *, demo: bool) -> App:
    room = demo or settings.telegram_token is None
    clock: Clock = MovableClock() if room else utc_now
    defaults = Defaults(settings.timezone, settings.locale)
    router = discover()
    who = community(settings.locale)
    if demo:
        make_history(engine, router, who, defaults, clock())
    redis_url = settings.redis_url.get_secret_value() if settings.redis_url else None
    limiter = Limiter(redis_url)
    rng = SystemRandom()
    count = 1 if engine.dialect.name == "sqlite" else POSTGRES_WORKERS
    workers = [
        Worker(engine, clock=clock, rng=rng, limiter=limiter, defaults=defaults)
        for _ in range(count)
    ]
    workers[0].run([partial(_open_main, defaults=defaults, now=clock())])
    dispatcher = Dispatcher(workers, router)
    telegram = _telegram(settings, clock, dispatcher)
    local = _local(who, clock, dispatcher) if room else None
    adapters: list[Adapter] = [adapter for adapter in (telegram, local) if adapter is not None]
    sender = Sender(adapters, run=dispatcher.run, clock=clock)
    app = App(
        settings=settings,
        engine=engine,
        clock=clock,
        router=router,
        dispatcher=dispatcher,
        sender=sender,
        heartbeat=Heartbeat(),
        web=_web(settings, engine, dispatcher, telegram, local, clock),
        telegram=telegram,
        local=local,
    )
    dispatcher.say = sender.put
    dispatcher.recovered = lambda: app.tasks.append(asyncio.create_task(sender.reload()))
    return app


def _open_main(tx: Any, *, defaults: Defaults, now: Any) -> None:
    programmes.create(tx, MAIN, "Qunying", defaults, now)


def _telegram(settings: Settings, clock: Clock, dispatcher: Dispatcher) -> TelegramAdapter | None:
    if settings.telegram_token is None:
        return None
    return TelegramAdapter(
        settings.telegram_token.get_secret_value(),
        api_url=settings.telegram_api_url,
        owners=settings.owners,
        dispatcher=dispatcher,
        clock=clock,
        locale=settings.locale,
    )


def _local(who: Community, clock: Clock, dispatcher: Dispatcher) -> LocalAdapter:
    return LocalAdapter(
        [*who.people, who.stranger],
        title=who.title,
        dispatcher=dispatcher,
        clock=clock,
        bot_name=who.bot_name,
    )


def _web(
    settings: Settings,
    engine: Engine,
    dispatcher: Dispatcher,
    telegram: TelegramAdapter | None,
    local: LocalAdapter | None,
    clock: Clock,
) -> WebServer:
    webhook = settings.telegram_webhook_secret if settings.telegram_mode == "webhook" else None
    parts = Parts(
        dispatcher=dispatcher,
        database_up=partial(_database_up, engine),
        telegram=telegram,
        webhook_secret=webhook.get_secret_value() if webhook else None,
    )
    loopback = settings.web_host in LOOPBACK
    web = build_web(parts, hosts=LOOPBACK if local and loopback else None)
    if local is not None:
        assert isinstance(clock, MovableClock)
        web.include_router(room_routes(local, engine, clock))
    return WebServer(web, settings.web_host, settings.web_port)


def _database_up(engine: Engine) -> bool:
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    except DATABASE_ERRORS:
        return False
    return True


async def _start(app: App) -> None:
    await app.sender.start()
    if app.telegram is not None:
        app.tasks.append(asyncio.create_task(_run_telegram(app, app.telegram)))
    app.tasks.append(asyncio.create_task(app.web.serve()))
    while not app.web.started:
        if app.tasks[-1].done():
            raise OSError(f"port {app.settings.web_port} of {app.settings.web_host} is taken")
        await asyncio.sleep(0.01)

    async def tidy_up() -> None:
        await app.dispatcher.run(partial(tidy, now=app.clock()))

    app.heartbeat.every(TIDY_EVERY_MIN, tidy_up, "tidy")
    app.heartbeat.start()


async def _run_telegram(app: App, telegram: TelegramAdapter) -> None:
    await telegram.connect()
    app.tasks.append(asyncio.create_task(telegram.publish_commands()))
    if app.settings.telegram_mode == "webhook":
        secret = app.settings.telegram_webhook_secret
        assert secret is not None
        url = f"{app.settings.public_url}/telegram/webhook"
        await telegram.open_webhook(url, secret.get_secret_value())
        await asyncio.Event().wait()
    await telegram.poll()


def _welcome(app: App) -> None:
    host, port = app.web.address
    shown = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 - compared, not bound
    print(  # noqa: T201 - the demo's answer to the one who started it
        f"\n  群营 Qunying · demo\n  http://{shown}:{port}/room?lang=zh  中文\n"
        f"  http://{shown}:{port}/room?lang=en  English\n  Ctrl+C ends it.\n",
        flush=True,
    )


async def _until(stop: asyncio.Event, app: App) -> None:
    """Wait for the signal, or for a part that must not end to end."""
    waiting = asyncio.create_task(stop.wait())
    while not stop.is_set():
        await asyncio.wait([waiting, *app.tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in [task for task in app.tasks if task.done()]:
            app.tasks.remove(task)
            task.result()
    _log.info("stopping: what is in flight is finished")


async def _stop(app: App) -> None:
    app.dispatcher.refuse_more()
    app.heartbeat.stop()
    if app.telegram is not None:
        app.telegram.stop_intake()
    if app.local is not None:
        app.local.hang_up()
    app.web.should_exit = True
    left = await app.sender.stop(STOP_SEND_S)
    for task in app.tasks:
        task.cancel()
    for task in app.tasks:
        with suppress(asyncio.CancelledError, TokenRefusedError):
            await task
    clean = await app.dispatcher.close(STOP_COMMIT_S)
    if app.telegram is not None:
        await app.telegram.close()
    _log.info(
        "stopped; %d messages wait for the next start%s",
        left,
        "" if clean else "; the store is down",
    )


def check_room(settings: Settings) -> None:
    """Refuse to open the room, where everybody may be anybody, to the world outside the demo."""
    if settings.telegram_token is None and settings.web_host not in LOOPBACK:
        raise SettingsError(
            "QUNYING_TELEGRAM_TOKEN: no platform is set, and the chat room may be opened on"
            f" 127.0.0.1 only, not on {settings.web_host} (for example: 123456789:AAE…)"
        )
