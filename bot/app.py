"""Wiring: settings in, a running bot out."""

import asyncio
import logging
import signal
import time
from datetime import datetime
from functools import partial
from pathlib import Path
from random import SystemRandom

from sqlalchemy import Engine
from sqlalchemy.engine import make_url

from bot import metrics
from bot.adapters.base import Adapter
from bot.adapters.local import LocalAdapter
from bot.adapters.telegram import TelegramAdapter
from bot.clock import Clock, MovableClock, utc_now
from bot.config import Settings, SettingsError
from bot.demo import Community, Visits, community, make_history, open_room, visits
from bot.dispatcher import Dispatcher
from bot.pictures import Pictures
from bot.running import App
from bot.secret import installation_secret
from bot.sender import Sender
from bot.web.api import api_routes
from bot.web.app import Parts, WebServer, build_web
from bot.web.person import person_routes
from bot.web.room import room_routes
from bot.web.room_pictures import picture_routes
from bot.worker import Worker
from handlers.router import discover
from storage import programmes
from storage.db import DATABASE_ERRORS, Sql, Tx, open_engine, reading
from storage.limits import Limiter
from storage.lock import only_process
from storage.programmes import MAIN, Defaults
from storage.schema import migrate
from storage.talk import Talk

_log = logging.getLogger(__name__)

POSTGRES_WORKERS = 2
"""One waits for the server while the other computes. More only make batches smaller, and so slower:
measured on two cores, four handle less than two, and each answer takes half as long again."""
_ALIVE = Sql("SELECT 1")
ROOM_FILE = "room.db"
_SERVERLESS = Path("data") / ROOM_FILE
LOOPBACK = ["127.0.0.1", "localhost", "[::1]", "::1"]


async def serve(settings: Settings, *, demo: bool = False) -> None:
    """Run the bot until it is told to stop (SIGTERM, SIGINT).

    Errors: LockedError, SchemaError, TokenRefusedError, PortError, and what the database raises.
    """
    started = time.monotonic()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    secret = installation_secret(settings)
    engine = open_engine(settings.database_url, workers=POSTGRES_WORKERS, secret=secret)
    try:
        with only_process(engine) as lock:
            migrate(engine)
            app = build_app(settings, engine, demo=demo)
            app.lock = lock
            try:
                await app.start()
                if app.local is not None:
                    _welcome(app, demo=demo)
                _log.info("ready in %.2f s", time.monotonic() - started)
                await app.wait(stop)
            finally:
                await app.stop()
    finally:
        engine.dispose()


def build_app(settings: Settings, engine: Engine, *, demo: bool = False) -> App:
    """Put the parts together; must be called on the event loop that will run them."""
    room = demo or settings.telegram_token is None
    clock: Clock = MovableClock() if room else utc_now
    defaults = Defaults(settings.timezone, settings.locale)
    router = discover()
    who = community(settings.locale)
    come = None
    if demo:
        now = clock()
        make_history(engine, router, who, defaults, now)
        come = visits(who, defaults.zone_info, now)
    talk = Talk()
    workers = _workers(settings, engine, clock, defaults, talk, limited=not demo)
    for worker in workers:
        worker.public_url = _public_url(settings, room=room)
    if room:
        workers[0].run([partial(open_room, title=who.title, defaults=defaults, now=clock())])
    dispatcher = Dispatcher(workers, router, talk=talk)
    pictures = Pictures()
    telegram = _telegram(settings, clock, dispatcher, pictures)
    local = _local(settings, who, clock, dispatcher, pictures) if room else None
    adapters: list[Adapter] = [adapter for adapter in (telegram, local) if adapter is not None]
    return App(
        settings=settings,
        clock=clock,
        dispatcher=dispatcher,
        sender=Sender(adapters, run=dispatcher.run, hear=dispatcher.submit, clock=clock),
        web=_web(
            settings, engine, dispatcher, telegram=telegram, local=local, clock=clock, visits=come
        ),
        telegram=telegram,
        local=local,
        engine=engine,
        pictures=pictures,
    )


def _workers(
    settings: Settings,
    engine: Engine,
    clock: Clock,
    defaults: Defaults,
    talk: Talk,
    *,
    limited: bool,
) -> list[Worker]:
    """Return one worker for SQLite, which has one writer, and several for PostgreSQL."""
    redis_url = settings.redis_url.get_secret_value() if settings.redis_url else None
    limiter = Limiter(redis_url) if limited else None  # a day passes quickly in the demo
    if limiter is not None:
        metrics.LIMITS_OPEN.set_function(lambda: limiter.failures)
    rng = SystemRandom()
    count = 1 if engine.dialect.name == "sqlite" else POSTGRES_WORKERS
    workers = [
        Worker(
            engine,
            clock=clock,
            rng=rng,
            limiter=limiter,
            defaults=defaults,
            talk=talk,
            owners=settings.owners,
        )
        for _ in range(count)
    ]
    (opened,) = workers[0].run([partial(_open_main, defaults=defaults, now=clock())])
    if opened.error is not None:
        raise opened.error
    return workers


def _public_url(settings: Settings, *, room: bool) -> str:
    """Return where pages are seen from outside; those of the room are seen on this machine."""
    at_home = room and settings.web_port and settings.web_host in LOOPBACK
    here = f"http://{settings.web_host}:{settings.web_port}" if at_home else ""
    return settings.public_url or here


def _open_main(tx: Tx, *, defaults: Defaults, now: datetime) -> None:
    programmes.create(tx, MAIN, "Qunying", defaults, now)


def _telegram(
    settings: Settings, clock: Clock, dispatcher: Dispatcher, pictures: Pictures
) -> TelegramAdapter | None:
    if settings.telegram_token is None:
        return None
    return TelegramAdapter(
        settings.telegram_token.get_secret_value(),
        api_url=settings.telegram_api_url,
        owners=settings.owners,
        dispatcher=dispatcher,
        clock=clock,
        locale=settings.locale,
        pictures=pictures,
    )


def _local(
    settings: Settings, who: Community, clock: Clock, dispatcher: Dispatcher, pictures: Pictures
) -> LocalAdapter:
    return LocalAdapter(
        [*who.people, who.stranger],
        title=who.title,
        dispatcher=dispatcher,
        clock=clock,
        bot_name=who.bot_name,
        address=settings.public_url or f"http://{settings.web_host}:{settings.web_port}",
        pictures=pictures,
    )


def _web(
    settings: Settings,
    engine: Engine,
    dispatcher: Dispatcher,
    *,
    telegram: TelegramAdapter | None,
    local: LocalAdapter | None,
    clock: Clock,
    visits: Visits | None,
) -> WebServer:
    secret = settings.telegram_webhook_secret if settings.telegram_mode == "webhook" else None
    parts = Parts(
        dispatcher=dispatcher,
        database_up=partial(_database_up, engine),
        telegram=telegram,
        webhook_secret=secret.get_secret_value() if secret else None,
    )
    only_here = local is not None and settings.web_host in LOOPBACK
    web = build_web(parts, hosts=LOOPBACK if only_here else None)
    web.include_router(api_routes(engine, dispatcher, clock))
    web.include_router(person_routes(engine, dispatcher, clock))
    if local is not None:
        assert isinstance(clock, MovableClock)
        web.include_router(room_routes(local, engine, clock, visits=visits))
        web.include_router(picture_routes(local, engine))
    return WebServer(web, settings.web_host, settings.web_port)


def _database_up(engine: Engine) -> bool:
    try:
        with reading(engine) as tx:
            return tx.one(_ALIVE) is not None
    except DATABASE_ERRORS:
        return False


def _welcome(app: App, *, demo: bool) -> None:
    host, port = app.web.address
    shown = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 - compared, not bound
    what, where = "demo", ""
    if not demo:
        what = "no platform is set: a chat room to try it in"
        file = Path(str(app.engine.url.database)).resolve()
        where = f"  It is kept in {file}. Nothing here touches your members' books.\n"
        where += "  这里的一切只记在这个文件里，不会动成员的账本。\n"
        where += f"  Other commands see it with QUNYING_DATABASE_URL=sqlite:///{file}\n"
    print(  # noqa: T201 - the demo's answer to the one who started it
        f"\n  群营 Qunying · {what}\n{where}  http://{shown}:{port}/room?lang=zh  中文\n"
        f"  http://{shown}:{port}/room?lang=en  English\n  Ctrl+C ends it.\n",
        flush=True,
    )


def room_settings(settings: Settings) -> Settings:
    """Return what `run` serves: without a platform the room, on a database of its own.

    Whoever is played in the room would else be one of the members, with points that count. The
    file is beside that of the members, or in `data/` where theirs is on a server; rate limits are
    counted in the process, not with theirs in Redis. Errors: SettingsError, when both are one.
    """
    if settings.telegram_token is not None:
        return settings
    url = make_url(settings.database_url)
    on_a_server = url.get_backend_name() != "sqlite"
    ours = _SERVERLESS if on_a_server else Path(str(url.database).removeprefix("file:"))
    room = ours.with_name(ROOM_FILE)
    both = not on_a_server and room.exists() and ours.exists()
    if (room.resolve() == ours.resolve() and not on_a_server) or (both and ours.samefile(room)):
        raise SettingsError(
            f"QUNYING_DATABASE_URL: without a platform, {room} is the chat room's own file, where"
            " anybody may be anyone; name the members' file otherwise (for example:"
            " sqlite:///data/qunying.db)"
        )
    return settings.model_copy(update={"database_url": f"sqlite:///{room}", "redis_url": None})


def check_room(settings: Settings) -> None:
    """Refuse to open the room, where anybody may be anyone, to the world. Errors: SettingsError."""
    if settings.telegram_token is None and settings.web_host not in LOOPBACK:
        raise SettingsError(
            "QUNYING_TELEGRAM_TOKEN: no platform is set, and the chat room may be opened on"
            f" 127.0.0.1 only, not on {settings.web_host} (for example: 123456789:AAE…)"
        )
