"""Health, metrics and what every page of the web application refuses or carries."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from bot.adapters.local import LocalAdapter, Person
from bot.app import LOOPBACK, _database_up
from bot.clock import MovableClock
from bot.web.app import BODY_MAX, Parts, build_web
from bot.web.room import room_routes
from storage import programmes
from storage.db import open_engine
from tests.faults import house

METRICS = [
    "qunying_events_total",
    "qunying_event_seconds_bucket",
    "qunying_batch_units_bucket",
    "qunying_busy_total",
    "qunying_sends_total",
    "qunying_send_seconds_bucket",
    "qunying_outbox_waiting",
    "qunying_platform_contact_seconds",
]
SAY = {"as": "p1", "chat": "group", "text": "签到", "client": "c1", "lang": ""}
PAGES = ["/healthz", "/readyz", "/metrics", "/room", "/room/state", "/", "/no/such/page"]
PAGES += ["/static/room/room.css", "/static/none.css", "/room/state?chat=elsewhere", "/docs"]


@asynccontextmanager
async def browsing(url: str) -> AsyncIterator[httpx.AsyncClient]:
    """The room's web application, asked without a network."""
    engine = open_engine(url)
    house.open_groups(engine)
    clock = MovableClock()
    async with house.dispatching(engine) as dispatcher:
        room = LocalAdapter(
            [Person("p1", "小安")], title="营", dispatcher=dispatcher, clock=clock, bot_name="营长"
        )

        def opened(tx: house.Tx) -> None:
            programmes.open_group(
                tx, "local", "room", "营", by_owner=True, defaults=house.DEFAULTS, now=clock()
            )

        await dispatcher.run(opened)
        await room.join(room.people["p1"], "小安 来了")
        parts = Parts(dispatcher=dispatcher, database_up=lambda: _database_up(engine))
        web = build_web(parts, hosts=LOOPBACK)
        web.include_router(room_routes(room, engine, clock, visits=lambda _since, _until: []))
        transport = httpx.ASGITransport(web)
        base = "http://127.0.0.1:8080"
        async with httpx.AsyncClient(transport=transport, base_url=base) as client:
            yield client
    engine.dispose()


def browse(url: str, play: Callable[[httpx.AsyncClient], Coroutine[Any, Any, None]]) -> None:
    async def whole() -> None:
        async with browsing(url) as client:
            await play(client)

    asyncio.run(whole())


def test_the_process_lives_and_is_ready(store_url: str) -> None:
    async def play(client: httpx.AsyncClient) -> None:
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()) == (200, {"database": {"ok": True}})

    browse(store_url, play)


def test_readiness_says_what_is_wrong() -> None:
    class Down:
        store_up = True

    async def play() -> None:
        parts = Parts(dispatcher=Down(), database_up=lambda: False)
        transport = httpx.ASGITransport(build_web(parts))
        async with httpx.AsyncClient(transport=transport, base_url="http://any.host") as client:
            answer = await client.get("/readyz")
            assert answer.status_code == 503
            assert answer.json() == {"database": {"ok": False, "problem": "does not answer"}}
            assert (await client.get("/healthz")).status_code == 200

    asyncio.run(play())


def test_the_figures_have_the_names_that_dashboards_know(sqlite_url: str) -> None:
    async def play(client: httpx.AsyncClient) -> None:
        await client.post("/room/say", json=SAY, headers={"X-Room": "1"})
        answer = await client.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain")
        help_lines = [
            line for line in answer.text.splitlines() if line.startswith("# TYPE qunying")
        ]
        for name in METRICS:
            family = name.removesuffix("_bucket").removesuffix("_total")
            assert any(f" {family}" in line for line in help_lines), name
        assert 'qunying_events_total{platform="local",state="done"}' in answer.text

    browse(sqlite_url, play)


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "room.local:8080", ""])
def test_the_room_answers_to_its_own_names_only(sqlite_url: str, host: str) -> None:
    """A page elsewhere could point its own name at this machine (DNS rebinding)."""

    async def play(client: httpx.AsyncClient) -> None:
        for path in ("/room", "/room/state", "/healthz"):
            assert (await client.get(path, headers={"Host": host})).status_code == 400
        headers = {"Host": host, "X-Room": "1"}
        assert (await client.post("/room/say", json=SAY, headers=headers)).status_code == 400

    browse(sqlite_url, play)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8080", "[::1]:8080"])
def test_the_room_answers_to_its_own_names(sqlite_url: str, host: str) -> None:
    async def play(client: httpx.AsyncClient) -> None:
        assert (await client.get("/room/state", headers={"Host": host})).status_code == 200

    browse(sqlite_url, play)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/room/say", SAY),
        ("/room/tap", {"as": "p1", "message": "1", "data": "points", "client": "t1"}),
        ("/room/join", {"as": "p1"}),
        ("/room/clock", {"hours": 24}),
    ],
)
def test_writes_need_the_pages_own_header(sqlite_url: str, path: str, body: dict[str, Any]) -> None:
    """A form on another site cannot send it."""

    async def play(client: httpx.AsyncClient) -> None:
        assert (await client.post(path, json=body)).status_code == 403
        assert (await client.post(path, json=body, headers={"X-Room": "0"})).status_code == 403
        assert (await client.post(path, data={"as": "p1"})).status_code in {403, 422}
        state = (await client.get("/room/state")).json()
        assert "签到" not in [message["text"] for message in state["messages"]]
        assert not state["shifted"]
        answer = await client.post(path, json=body, headers={"X-Room": "1"})
        assert answer.status_code == 200

    browse(sqlite_url, play)


def test_a_body_that_is_too_large_is_refused(sqlite_url: str) -> None:
    async def play(client: httpx.AsyncClient) -> None:
        headers = {"X-Room": "1", "Content-Type": "application/json"}
        large = b'{"text": "' + b"x" * BODY_MAX + b'"}'
        answer = await client.post("/room/say", content=large, headers=headers)
        assert answer.status_code == 413

        async def pieces() -> AsyncIterator[bytes]:
            yield b'{"text": "'
            for _ in range(40):
                yield b"x" * 65536
            yield b'"}'

        answer = await client.post("/room/say", content=pieces(), headers=headers)
        assert answer.status_code == 413, "without a length as well"

    browse(sqlite_url, play)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"text": "长" * 4097}, 422),
        ({"text": " \n"}, 422),
        ({"client": ""}, 422),
        ({"client": "x" * 49}, 422),
        ({"client": "../etc"}, 422),
        ({"chat": "elsewhere"}, 422),
        ({"text": None}, 422),
        ({"text": "\ud800"}, 422),
        ({"as": "nobody"}, 200),
    ],
)
def test_nonsense_is_refused_politely(sqlite_url: str, change: dict[str, Any], status: int) -> None:
    async def play(client: httpx.AsyncClient) -> None:
        answer = await client.post(
            "/room/say",
            content=json.dumps(SAY | change),
            headers={"X-Room": "1", "Content-Type": "application/json"},
        )
        assert answer.status_code == status
        if status != 200:
            assert answer.json()["error"]

    browse(sqlite_url, play)


@pytest.mark.parametrize(("lang", "words"), [("zh", "刷新页面"), ("en", "reload the page")])
def test_other_words_by_the_same_mark_are_refused(sqlite_url: str, lang: str, words: str) -> None:
    async def play(client: httpx.AsyncClient) -> None:
        first, headers = SAY | {"text": "嗯", "lang": lang}, {"X-Room": "1"}
        for _ in range(2):
            assert (await client.post("/room/say", json=first, headers=headers)).status_code == 200
        for change in ({"text": "签到"}, {"chat": "private"}):
            answer = await client.post("/room/say", json=first | change, headers=headers)
            assert answer.status_code == 409
            assert words in answer.json()["error"]

    browse(sqlite_url, play)


@pytest.mark.parametrize("path", PAGES)
def test_every_answer_carries_the_policy(sqlite_url: str, path: str) -> None:
    async def play(client: httpx.AsyncClient) -> None:
        answers = [
            await client.get(path),
            await client.post(path, content=b"{"),
        ]
        for answer in answers:
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert "server" not in answer.headers

    browse(sqlite_url, play)


def test_a_refusal_of_a_wrong_name_carries_the_policy_as_well(sqlite_url: str) -> None:
    async def play(client: httpx.AsyncClient) -> None:
        answer = await client.get("/room", headers={"Host": "evil.example"})
        assert answer.status_code == 400
        assert "default-src 'none'" in answer.headers["content-security-policy"]

    browse(sqlite_url, play)
