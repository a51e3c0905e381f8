"""The HTTP API: what shops tell and ask, and what comes in that is no such thing."""

import asyncio
import hashlib
import hmac
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import Engine, text

from bot.web.api import BATCH_MAX, EVENT_MAX, REPLAYED
from content.notice import Notice
from handlers.deeds import Receipt, take
from storage import keys, programmes
from storage.db import Tx, open_engine, reading
from storage.programmes import MAIN
from tests.faults import house
from tests.storage.books import count
from tests.web.live import Live, live


@pytest.fixture
def shop(engine: Engine) -> Iterator[Live]:
    with live(engine) as running:
        yield running


@pytest.fixture(scope="module")
def one_shop(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Any) -> Iterator[Live]:
    """One server for all that is refused and leaves nothing behind."""
    path = tmp_path_factory.mktemp("api") / "api.db"
    path.write_bytes(sqlite_template.read_bytes())
    engine = open_engine(f"sqlite:///{path}")
    with live(engine) as running:
        yield running
        assert house.faults(engine) == []
    engine.dispose()


def problem(answer: httpx.Response) -> tuple[int, str]:
    """Return status and code of a problem, whose form is checked on the way."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    said = answer.json()
    assert said["status"] == answer.status_code
    assert {"type", "title", "detail"} <= said.keys()
    return answer.status_code, said["code"]


def deeds(engine: Engine) -> int:
    with reading(engine) as tx:
        return count(tx, "deed")


# -- telling and asking --------------------------------------------------------------------------


def test_an_order_is_told_and_its_points_are_seen(shop: Live) -> None:
    answer = shop.tell(freight_fen=1_000)
    assert answer.status_code == 200
    said = answer.json()
    (award,) = said["awards"]
    assert said["member_id"] == f"{shop.member}"
    assert (award["rule"], award["wallet"], award["points"]) == ("buy", "points", 90)
    assert (award["available_on"], award["expires_on"]) == ("2026-03-11", None)
    by_number = shop.client.get(f"/api/v1/members/{shop.member}/points").json()
    assert by_number == shop.client.get("/api/v1/members/shop:C-1/points").json()
    assert by_number["wallets"][0]["available"] == 90
    (line,) = shop.client.get("/api/v1/members/shop:C-1/statement").json()["lines"]
    assert (line["amount"], line["reason"], line["after"]) == (90, "order.completed", 90)
    assert line["posting"] == award["posting"]


def test_the_same_again_gives_the_same_answer(shop: Live) -> None:
    first, again = shop.tell(), shop.tell()
    assert first.content == again.content
    assert (REPLAYED in first.headers, again.headers[REPLAYED]) == (False, "true")
    assert problem(shop.tell(amount_fen=1)) == (409, "key_used")
    assert problem(shop.tell(key="new", amount_fen=1)) == (409, "order_known")
    assert shop.has() == 100


def test_a_refund_and_a_review(shop: Live) -> None:
    shop.tell()
    assert shop.tell(event="order.reviewed", key="rev", amount_fen=None).status_code == 200
    back = shop.tell(event="order.refunded", key="r1", amount_fen=2_500)
    assert back.json()["awards"][0]["points"] == -25
    assert shop.has() == 85
    over = shop.tell(event="order.refunded", key="r2", amount_fen=7_501)
    assert problem(over) == (422, "refund_over")
    assert "7500" in over.json()["detail"]


def test_each_of_a_batch_stands_or_falls_alone(shop: Live) -> None:
    good = shop.event(order="B1", key="b1")
    results = shop.batch(
        good,
        shop.event(order="B2", key="b2", amount_fen=0),
        "no event",
        shop.event(order="B3", key="b3", user_id="nobody"),
        shop.event(event="order.refunded", order="B1", key="b4", amount_fen=1_000),
        good,
        good | {"amount_fen": 5},
    )
    assert [each["index"] for each in results] == [*range(7)]
    shown = [each["problem"]["code"] if each["problem"] else "" for each in results]
    assert shown == ["", "invalid", "invalid", "member_unknown", "", "", "key_used"]
    assert results[1]["problem"]["faults"][0]["where"] == "amount_fen"
    assert results[5]["done"] == results[0]["done"]
    assert shop.has() == 90


def test_a_thousand_events_in_one_batch(shop: Live) -> None:
    events = [shop.event(order=f"T{n}", key=f"t{n}", amount_fen=100) for n in range(1_000)]
    begun = time.monotonic()
    assert {each["status"] for each in shop.batch(*events)} == {"done"}
    assert time.monotonic() - begun < 20
    assert (shop.has(), deeds(shop.engine)) == (1_000, 1_000)
    assert {each["status"] for each in shop.batch(*events)} == {"done"}
    assert (shop.has(), deeds(shop.engine)) == (1_000, 1_000)


def test_words_are_chinese_for_who_reads_chinese(one_shop: Live) -> None:
    body = one_shop.event(user_id="nobody")
    said = one_shop.post("/api/v1/events", body, headers={"Accept-Language": "zh-CN,zh"}).json()
    assert "没有会员 shop:nobody" in said["detail"]
    assert "no member shop:nobody" in one_shop.post("/api/v1/events", body).json()["detail"]


# -- who may -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given", ["", "Bearer", "Bearer x", "Basic eDp5", f"Bearer qy_{'0' * 12}_{'0' * 64}"]
)
def test_without_a_good_key_nothing_is_read(one_shop: Live, given: str) -> None:
    for method, path in (
        ("POST", "/api/v1/events"),
        ("POST", "/api/v1/events/batch"),
        ("GET", "/api/v1/members/shop:C-1/points"),
        ("GET", "/api/v1/members/shop:C-1/statement"),
    ):
        answer = httpx.request(
            method, f"{one_shop.url}{path}", headers={"Authorization": given} if given else {}
        )
        assert problem(answer) == (401, "no_key")
        assert answer.headers["www-authenticate"] == "Bearer"


def test_a_key_does_what_its_scopes_say(one_shop: Live) -> None:
    for scope, may_read in (("events:write", False), ("points:read", True)):
        headers = {"Authorization": f"Bearer {one_shop.key(scope).token}"}
        read = httpx.get(f"{one_shop.url}/api/v1/members/shop:C-1/points", headers=headers)
        told = httpx.post(f"{one_shop.url}/api/v1/events", json={}, headers=headers)
        refused = told if may_read else read
        assert problem(refused) == (403, "no_scope")
        assert (read if may_read else told).status_code in {200, 422}


def test_a_secret_is_not_in_the_store(shop: Live) -> None:
    secret = shop.made.token.rpartition("_")[2]
    with reading(shop.engine) as tx:
        rows = tx.core.execute(text("SELECT * FROM api_key")).all()
    assert len(rows) == 1
    assert secret not in str(rows)


def test_a_key_that_is_over_is_refused_and_a_rotated_one_lives_on_a_while(shop: Live) -> None:
    now, old = house.now(), shop.made.key
    made: list[keys.Made] = []
    jobs = [
        lambda tx: made.append(keys.rotate(tx, old, now, now + timedelta(hours=1))),
        lambda tx: keys.end(tx, old, now + timedelta(days=9)),  # never later than it was
    ]
    assert [o.error for o in house.worker(shop.engine).run(jobs)] == [None, None]
    path = "/api/v1/members/shop:C-1/points"
    new = {"Authorization": f"Bearer {made[0].token}"}
    assert shop.client.get(path).status_code == 200
    assert shop.client.get(path, headers=new).status_code == 200
    house.worker(shop.engine).run([lambda tx: keys.end(tx, old, now)])
    assert problem(shop.client.get(path)) == (401, "no_key")
    assert shop.client.get(path, headers=new).status_code == 200
    assert problem(shop.signed(json.dumps(shop.event()).encode())) == (401, "bad_signature")


def test_a_key_opens_its_own_programme_only(shop: Live) -> None:

    def make(tx: Tx) -> keys.Made:
        programmes.create(tx, 77, "别处", house.DEFAULTS, house.now())
        return keys.make(tx, 77, "elsewhere", frozenset(keys.SCOPES), house.now())

    (outcome,) = house.worker(shop.engine).run([make])
    there = {"Authorization": f"Bearer {outcome.value.token}"}
    for member in ("shop:C-1", f"{shop.member}"):
        answer = shop.client.get(f"/api/v1/members/{member}/points", headers=there)
        assert problem(answer) == (404, "no_member")
    told = shop.post("/api/v1/events", shop.event(), headers=there)
    assert problem(told) == (422, "member_unknown")


def test_the_day_of_the_last_use_is_kept(shop: Live) -> None:
    shop.client.get("/api/v1/members/shop:C-1/points")
    with reading(shop.engine) as tx:
        (key,) = keys.of_programme(tx, MAIN)
    assert key.used == house.now().date()


# -- signed webhooks -----------------------------------------------------------------------------


def test_a_signed_webhook_is_taken_once(shop: Live) -> None:
    body = json.dumps(shop.event()).encode()
    first, again = shop.signed(body), shop.signed(body)
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.content == again.content
    assert shop.has() == 100


@pytest.mark.parametrize(
    "change",
    [
        {"secret": "qs_wrong"},
        {"at": 0},
        {"at": 10**11},
    ],
)
def test_a_wrong_signature_is_refused(one_shop: Live, change: dict[str, Any]) -> None:
    body = json.dumps(one_shop.event(order="H1")).encode()
    assert problem(one_shop.signed(body, **change)) == (401, "bad_signature")


@pytest.mark.parametrize("seconds", [-301, 400])
def test_a_signature_of_another_time_is_refused(one_shop: Live, seconds: int) -> None:
    body = json.dumps(one_shop.event(order="H1")).encode()
    # The time is taken here: what a collected parameter holds is minutes old by now.
    answer = one_shop.signed(body, at=time.time() + seconds)
    assert problem(answer) == (401, "bad_signature")


@pytest.mark.parametrize(
    "header", ["", "t=1", "v1=abc", "t=x,v1=y", "t=١,v1=" + "0" * 64, "t=1,v1=" + "g" * 64]
)
def test_what_is_no_signature_is_refused(one_shop: Live, header: str) -> None:
    answer = httpx.post(
        f"{one_shop.url}/hooks/v1/{one_shop.made.key.prefix}",
        json=one_shop.event(),
        headers={b"X-Qunying-Signature": header.encode()},
    )
    assert problem(answer) == (401, "bad_signature")
    unknown = httpx.post(f"{one_shop.url}/hooks/v1/{'0' * 12}", json={})
    assert problem(unknown) == (401, "bad_signature")


def test_a_changed_body_is_refused(one_shop: Live) -> None:
    good = json.dumps(one_shop.event(order="H2")).encode()
    stamp = int(time.time())

    said = f"{stamp}.".encode() + good
    mac = hmac.new(one_shop.made.key.signing_secret.encode(), said, hashlib.sha256).hexdigest()
    answer = httpx.post(
        f"{one_shop.url}/hooks/v1/{one_shop.made.key.prefix}",
        content=good.replace(b"10000", b"99999"),
        headers={"X-Qunying-Signature": f"t={stamp},v1={mac}", "Content-Type": "application/json"},
    )
    assert problem(answer) == (401, "bad_signature")


# -- what is no event ----------------------------------------------------------------------------

DEEP = b"[" * 100_000
BODIES: list[tuple[bytes, tuple[int, str]]] = [
    (b"", (400, "bad_json")),
    (b"{", (400, "bad_json")),
    (b"\xff\xfe{}", (400, "bad_json")),
    (b'{"key": "\xed\xa0\x80"}', (400, "bad_json")),
    (DEEP, (400, "bad_json")),
    (b'{"a":' * 5_000, (400, "bad_json")),
    (b"null", (422, "invalid")),
    (b"[]", (422, "invalid")),
    (b"7", (422, "invalid")),
    (b"NaN", (422, "invalid")),
    (b"{}", (422, "invalid")),
    (b'{"key": "k", "amount_fen": ' + b"9" * 5_000 + b"}", (400, "bad_json")),
]


@pytest.mark.parametrize(("body", "said"), BODIES, ids=range(len(BODIES)))
def test_a_body_that_is_no_event_is_refused(
    one_shop: Live, body: bytes, said: tuple[int, str]
) -> None:
    for path in ("/api/v1/events", "/api/v1/events/batch"):
        answer = one_shop.client.post(
            path, content=body, headers={"Content-Type": "application/json"}
        )
        assert problem(answer) == said


@pytest.mark.parametrize(
    "change",
    [
        {"amount_fen": 0},
        {"amount_fen": -5},
        {"amount_fen": 2**63},
        {"amount_fen": 1.5},
        {"amount_fen": 1e3},
        {"amount_fen": "1"},
        {"amount_fen": True},
        {"key": "k" * 10_000},
        {"key": "a\u200bb"},
        {"key": "\ud800"},
        {"order": "\u202e1"},
        {"order": "A\u0000"},
        {"user_id": "C-1\u200b"},
        {"wallet": "gold"},
        {"event": "order.stolen"},
        {"at": 1_700_000_000},
        {"at": "1700000000"},
        {"at": "2026-03-04"},
        {"at": "2026-02-30T00:00:00Z"},
        {"at": "99999-01-01T00:00:00Z"},
        {"at": "2999-01-01T00:00:00Z"},
        {"member_id": f"{2**63}", "user_id": None, "platform": None},
    ],
    ids=str,
)
def test_an_event_that_makes_no_sense_is_refused(one_shop: Live, change: dict[str, Any]) -> None:
    body = json.dumps(one_shop.event(order="N") | change).encode()
    answer = one_shop.client.post(
        "/api/v1/events", content=body, headers={"Content-Type": "application/json"}
    )
    status, _ = problem(answer)
    assert status in {400, 422}
    assert one_shop.client.get("/api/v1/members/shop:C-1/points").json()["wallets"] != []


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "", "application/json5"])
def test_only_json_is_read(one_shop: Live, kind: str) -> None:
    answer = one_shop.client.post("/api/v1/events", content=b"{}", headers={"Content-Type": kind})
    assert problem(answer) == (415, "not_json")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/members/0/points", 422),
        ("/api/v1/members/-1/points", 422),
        ("/api/v1/members/99/points", 404),
        ("/api/v1/members/9999999999999999999/points", 404),
        ("/api/v1/members/shop:nobody/points", 404),
        ("/api/v1/members/shop:%00/points", 422),
        ("/api/v1/members/%E2%80%8B/points", 422),
        ("/api/v1/members/shop:C-1/statement?wallet=gold", 404),
        ("/api/v1/members/shop:C-1/statement?wallet=%22%3B--", 422),
        ("/api/v1/members/shop:C-1/statement?count=0", 422),
        ("/api/v1/members/shop:C-1/statement?count=101", 422),
        ("/api/v1/members/shop:C-1/statement?count=1e9", 422),
    ],
)
def test_what_is_no_member_or_wallet(one_shop: Live, path: str, status: int) -> None:
    assert problem(one_shop.client.get(path))[0] == status


def _raw(shop: Live, head: str, body: Iterator[bytes]) -> tuple[bytes, int]:
    """Send a request by hand; return the beginning of the answer, and how much was sent."""
    address = urlsplit(shop.url)
    sent = 0
    with socket.create_connection((address.hostname, address.port), timeout=10) as line:
        line.sendall(head.encode())
        with suppress(OSError):
            for piece in body:
                line.sendall(piece)
                sent += len(piece)
        answer = b""
        with suppress(OSError):
            while piece := line.recv(65_536):
                answer += piece
    return answer, sent


def _head(shop: Live, path: str, length: str) -> str:
    return (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {shop.made.token}\r\n"
        f"Content-Type: application/json\r\n{length}\r\n\r\n"
    )


@pytest.mark.parametrize("path", ["/api/v1/events", "/api/v1/events/batch"])
def test_a_body_of_100_mb_is_refused_before_it_is_read(one_shop: Live, path: str) -> None:
    answer, _ = _raw(one_shop, _head(one_shop, path, "Content-Length: 100000000"), iter(()))
    assert b"413" in answer.splitlines()[0]
    assert b'"too_large"' in answer

    def endless() -> Iterator[bytes]:
        for _ in range(100):
            yield b"f4240\r\n" + b" " * 1_000_000 + b"\r\n"

    head = _head(one_shop, path, "Transfer-Encoding: chunked")
    answer, sent = _raw(one_shop, head, endless())
    assert sent < 60_000_000
    assert not answer or b"413" in answer.splitlines()[0]


def test_a_large_batch_is_read_and_a_large_event_is_not(one_shop: Live) -> None:
    head = {"Content-Type": "application/json"}
    room = b'{"events": []' + b" " * (EVENT_MAX + 1) + b"}"
    large = b'{"events": []' + b" " * BATCH_MAX + b"}"
    post = one_shop.client.post
    assert problem(post("/api/v1/events", content=room, headers=head))[0] == 413
    assert problem(post("/api/v1/events/batch", content=room, headers=head))[0] == 422
    assert problem(post("/api/v1/events/batch", content=large, headers=head))[0] == 413
    many = {"events": [{}] * 1_001}
    assert problem(one_shop.post("/api/v1/events/batch", many)) == (422, "invalid")


def test_a_body_that_ends_early_harms_nobody(one_shop: Live) -> None:
    head = _head(one_shop, "/api/v1/events", "Content-Length: 1000")
    address = urlsplit(one_shop.url)
    for _ in range(20):
        with socket.create_connection((address.hostname, address.port)) as line:
            line.sendall(head.encode() + b'{"key":')
    assert one_shop.client.get("/api/v1/members/shop:C-1/points").status_code == 200


# -- many at once, and trouble -------------------------------------------------------------------


def test_a_full_queue_says_when_to_come_again(engine: Engine) -> None:
    with live(engine, queue_max=1) as shop:
        shop.tell(order="first")
        blocked, go = threading.Event(), threading.Event()

        def block(_tx: Tx) -> None:
            blocked.set()
            go.wait(20)

        with ThreadPoolExecutor(1) as threads:
            lane = threads.submit(_run, shop, block)
            assert blocked.wait(10)
            answers = [
                shop.tell(order="second"),
                shop.post("/api/v1/events/batch", {"events": [shop.event(order="third")]}),
            ]
            go.set()
            lane.result(10)
        for answer in answers:
            assert problem(answer) == (503, "busy")
            assert answer.headers["retry-after"] == "1"
        assert shop.tell(order="second").status_code == 200


def _run(shop: Live, job: Any) -> None:

    asyncio.run_coroutine_threadsafe(shop.dispatcher.run(job), shop.dispatcher._loop).result(20)


@pytest.mark.postgres
def test_the_same_key_at_once_is_taken_once(postgres_url: str) -> None:
    engine = open_engine(postgres_url)
    with live(engine, workers=4) as shop, ThreadPoolExecutor(16) as threads:
        for number in range(5):
            body = shop.event(order=f"S{number}", key=f"s{number}")
            answers = [*threads.map(lambda _: shop.post("/api/v1/events", body), range(16))]  # noqa: B023
            assert {answer.status_code for answer in answers} == {200}
            assert len({answer.content for answer in answers}) == 1
            assert sum(REPLAYED not in answer.headers for answer in answers) == 1
        assert (shop.has(), deeds(engine)) == (500, 5)
        assert house.faults(engine) == []
    engine.dispose()


@pytest.mark.postgres
def test_the_same_key_in_two_processes_is_taken_once(postgres_url: str) -> None:
    """Two servers over one store, as an import beside the bot: the second finds the first's."""
    first, second = open_engine(postgres_url), open_engine(postgres_url)
    with live(first, workers=4) as shop:

        def take_here(number: int) -> bool:
            body = json.dumps(shop.event(order=f"S{number}", key=f"s{number}"))
            job = lambda tx: take(  # noqa: E731 - a job
                tx, MAIN, [Notice.model_validate_json(body)], actor="import", now=house.now()
            )
            (outcome,) = house.worker(second).run([job])
            assert isinstance(outcome.value[0], Receipt), outcome
            return outcome.value[0].replayed

        def tell_there(number: int) -> bool:
            answer = shop.tell(order=f"S{number}", key=f"s{number}")
            assert answer.status_code == 200, answer.text
            return REPLAYED in answer.headers

        with ThreadPoolExecutor(2) as threads:
            for number in range(30):
                both = [threads.submit(way, number) for way in (take_here, tell_there)]
                assert sorted(each.result() for each in both) == [False, True]
        # 5 of 100, then 23 as silver at 1.1, then 2 as gold at 1.2
        assert (shop.has(), deeds(first)) == (3_270, 30)
        assert house.faults(first) == []
    first.dispose()
    second.dispose()


@pytest.mark.postgres
def test_a_connection_that_is_killed_costs_nobody_a_point(postgres_url: str) -> None:
    with house.wire(postgres_url) as wire:
        engine, plain = open_engine(wire.url), open_engine(postgres_url)
        with live(engine, workers=2) as shop:
            done = threading.Event()

            def kill() -> None:
                while not done.wait(0.3):
                    wire.drop()

            killer = threading.Thread(target=kill)
            killer.start()
            for number in range(15):
                _told(shop, number)
            done.set()
            killer.join()
            for number in range(15):  # once more: a line that was cut may still be found dead
                assert _told(shop, number) == 200
            # 5 of 100, then 10 as silver at 1.1
            assert (shop.has(), deeds(plain)) == (1_600, 15)
            assert house.faults(plain) == []
        engine.dispose()
        plain.dispose()


def _told(shop: Any, number: int) -> int:
    """Tell of an order until it is taken, as a shop does."""
    for _ in range(50):
        status: int = shop.tell(order=f"K{number}", key=f"k{number}").status_code
        if status == 200:
            break
    return status


@pytest.mark.postgres
def test_a_store_that_is_away_is_said_to_be(postgres_url: str) -> None:
    with house.wire(postgres_url) as wire:
        engine = open_engine(wire.url)
        with live(engine) as shop:
            shop.tell()
            wire.cut()
            answer = shop.tell(order="A2")
            assert problem(answer) == (503, "busy")
            assert answer.headers["retry-after"] == "5"
            wire.mend()
            assert shop.tell(order="A2").status_code == 200
        engine.dispose()


def test_the_document_describes_every_route(one_shop: Live) -> None:
    document = httpx.get(f"{one_shop.url}/api/v1/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert {*document["paths"]} == {
        "/api/v1/events",
        "/api/v1/events/batch",
        "/api/v1/members/{member}/points",
        "/api/v1/members/{member}/statement",
        "/hooks/v1/{prefix}",
    }
    for path, ways in document["paths"].items():
        for operation in ways.values():
            assert {"401", "422", "503"} <= operation["responses"].keys(), path
    event = document["paths"]["/api/v1/events"]["post"]["requestBody"]["content"]
    example = event["application/json"]["example"]
    answer = one_shop.post("/api/v1/events", example | {"user_id": "C-1", "key": "example"})
    assert answer.status_code == 200, answer.text
    assert not re.search(r"https?://", json.dumps(document))
