"""The HTTP API as a shop meets it: the real application behind a real server, on a real port."""

import asyncio
import hashlib
import hmac
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from sqlalchemy import Engine

from bot.dispatcher import QUEUE_MAX, Dispatcher
from bot.web.api import api_routes
from bot.web.app import Parts, WebServer, build_web
from bot.web.person import person_routes
from storage import keys, members, programmes
from storage.db import Tx
from storage.keys import SCOPES, Made
from storage.members import Who
from storage.programmes import MAIN
from tests.faults import house

START_S = 10


@dataclass
class Live:
    """A running server, a programme with one member who is C-1 in the shop, and a key."""

    engine: Engine
    url: str
    dispatcher: Dispatcher
    made: Made
    member: int
    client: httpx.Client = field(repr=False)

    def event(self, **more: Any) -> dict[str, Any]:
        said = {
            "key": f"k-{more.get('order', 'A1')}",
            "event": "order.completed",
            "at": "2026-03-04T12:00:00+08:00",
            "order": "A1",
            "amount_fen": 10_000,
        }
        him = {} if "member_id" in more else {"platform": "shop", "user_id": "C-1"}
        return said | him | more

    def post(self, path: str, body: Any, **more: Any) -> httpx.Response:
        return self.client.post(path, json=body, **more)

    def tell(self, **more: Any) -> httpx.Response:
        return self.post("/api/v1/events", self.event(**more))

    def batch(self, *events: Any) -> list[dict[str, Any]]:
        answer = self.post("/api/v1/events/batch", {"events": events})
        assert answer.status_code == 200, answer.text
        return answer.json()["results"]

    def signed(self, body: bytes, *, at: float | None = None, secret: str = "") -> httpx.Response:
        stamp = str(int(time.time() if at is None else at))
        secret = secret or self.made.key.signing_secret
        mac = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
        headers = {
            "X-Qunying-Signature": f"t={stamp},v1={mac}",
            "Content-Type": "application/json",
        }
        path = f"{self.url}/hooks/v1/{self.made.key.prefix}"
        return httpx.post(path, content=body, headers=headers)

    def has(self) -> int:
        """Return what the member has, pending or not."""
        answer = self.client.get("/api/v1/members/shop:C-1/points").json()
        (points,) = [has for has in answer["wallets"] if has["wallet"] == "points"]
        return points["available"] + points["pending"] + points["debt"]

    def link(self, user: str) -> None:
        """Let the member be known in the shop by another number, too."""

        def make(tx: Tx) -> None:
            members.link(tx, MAIN, self.member, Who("shop", user, ""))

        (outcome,) = house.worker(self.engine).run([make])
        assert outcome.error is None

    def key(self, *scopes: str) -> Made:
        """Make another key."""
        made: list[Made] = []

        def make(tx: Tx) -> None:
            made.append(keys.make(tx, MAIN, "shop", frozenset(scopes or SCOPES), house.now()))

        (outcome,) = house.worker(self.engine).run([make])
        assert outcome.error is None
        return made[0]


@contextmanager
def live(engine: Engine, *, workers: int = 1, queue_max: int = QUEUE_MAX) -> Iterator[Live]:
    """Serve the API over a store, on a loop and a thread of its own."""
    house.open_groups(engine)
    found: dict[str, Any] = {}

    def make(tx: Tx) -> None:
        found["member"] = members.enrol(tx, MAIN, Who("shop", "C-1", "小明"), house.now()).id
        found["made"] = keys.make(tx, MAIN, "shop", frozenset(SCOPES), house.now())
        assert programmes.programme(tx, MAIN, house.now()).rules_version == 1

    (outcome,) = house.worker(engine).run([make])
    assert outcome.error is None
    ready = threading.Event()

    async def serve() -> None:
        async with house.dispatching(engine, workers=workers, queue_max=queue_max) as dispatcher:
            web = build_web(Parts(dispatcher=dispatcher, database_up=lambda: True))
            web.include_router(api_routes(engine, dispatcher, house.now))
            web.include_router(person_routes(engine, dispatcher, house.now))
            server = WebServer(web, "127.0.0.1", 0)
            serving = asyncio.create_task(server.serve())
            await house.until(lambda: server.started)
            found.update(server=server, dispatcher=dispatcher, loop=asyncio.get_running_loop())
            ready.set()
            await serving

    with ExitStack() as stack:
        thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
        thread.start()
        stack.callback(thread.join, START_S)
        assert ready.wait(START_S)
        server: WebServer = found["server"]
        stack.callback(setattr, server, "should_exit", True)
        host, port = server.address
        url = f"http://{host}:{port}"
        headers = {"Authorization": f"Bearer {found['made'].token}"}
        client = stack.enter_context(httpx.Client(base_url=url, headers=headers, timeout=30))
        yield Live(engine, url, found["dispatcher"], found["made"], found["member"], client)
