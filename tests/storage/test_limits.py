"""Rate limits: warned once, then silence, in this process or in Redis; open when Redis is away."""

import logging
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis

from content.rulebook import LimitRules
from storage.limits import PAUSE_S, Limiter, Verdict
from tests import services

O, W, S = Verdict.OPEN, Verdict.WARN, Verdict.SILENT  # noqa: E741 - one letter a verdict
THREE = LimitRules(member_per_minute=3, group_per_minute=1_000)


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
def limiter(request: pytest.FixtureRequest) -> Limiter:
    return Limiter(request.getfixturevalue("redis_url") if request.param == "redis" else None)


@pytest.fixture
def name() -> str:
    """A name that no other run has counted."""
    return uuid.uuid4().hex


def test_one_who_is_too_fast_is_told_once_and_then_not_answered(
    limiter: Limiter, name: str
) -> None:
    verdicts = [limiter.ask(THREE, group=name, member=name) for _ in range(8)]
    assert verdicts == [O, O, O, W, S, S, S, S]
    assert limiter.ask(THREE, group=name, member=f"{name}2") is O  # a neighbour is answered
    assert limiter.failures == 0
    assert limiter.reachable()


def test_a_command_may_have_a_limit_of_its_own(limiter: Limiter, name: str) -> None:
    rules = LimitRules(command_per_minute={"top": 2})
    boards = [limiter.ask(rules, group=name, member=name, command="top") for _ in range(4)]
    assert boards == [O, O, W, S]
    assert limiter.ask(rules, group=name, member=name, command="points") is O
    assert limiter.ask(rules, group=name, member=f"{name}2", command="top") is O


def test_the_whole_installation_has_a_limit() -> None:
    limiter = Limiter()
    rules = LimitRules(overall_per_minute=3)
    verdicts = [limiter.ask(rules, group=f"g{n}", member=f"m{n}") for n in range(5)]
    assert verdicts == [O, O, O, S, S]


def test_a_group_that_is_too_fast_is_not_answered(limiter: Limiter, name: str) -> None:
    rules = LimitRules(member_per_minute=10, group_per_minute=4)
    verdicts = [limiter.ask(rules, group=name, member=f"{name}{n}") for n in range(6)]
    assert verdicts == [O, O, O, O, S, S]
    assert limiter.ask(rules, group=f"{name}2", member=f"{name}9") is O


def test_what_a_member_is_refused_does_not_count_against_the_group(
    limiter: Limiter, name: str
) -> None:
    rules = LimitRules(member_per_minute=1, group_per_minute=2)
    asked = [limiter.ask(rules, group=name, member=name) for _ in range(20)]
    assert asked[:3] == [O, W, S]
    assert limiter.ask(rules, group=name, member=f"{name}2") is O


def test_many_at_once_are_counted_exactly(limiter: Limiter, name: str) -> None:
    rules = LimitRules(member_per_minute=50, group_per_minute=1_000)
    with ThreadPoolExecutor(8) as pool:
        verdicts = list(pool.map(lambda _: limiter.ask(rules, group=name, member=name), range(200)))
    assert verdicts.count(O) == 50
    assert verdicts.count(W) == 1
    assert verdicts.count(S) == 149


def test_a_new_minute_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1_000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    limiter = Limiter()

    def ask(count: int) -> list[Verdict]:
        return [limiter.ask(THREE, group="g", member="m") for _ in range(count)]

    assert ask(5) == [O, O, O, W, S]
    clock[0] += 59
    assert ask(1) == [S]
    clock[0] += 2
    assert ask(5) == [O, O, O, W, S]
    for number in range(1_000):
        limiter.ask(THREE, group="g", member=str(number))
    clock[0] += 3_600
    assert ask(1) == [O]
    assert len(limiter._store._counts) < 10  # what is over is forgotten


@pytest.mark.redis
def test_two_processes_share_the_counts_in_redis(redis_url: str, name: str) -> None:
    limiters = [Limiter(redis_url), Limiter(redis_url)]
    verdicts = [limiters[n % 2].ask(THREE, group=name, member=name) for n in range(6)]
    assert verdicts == [O, O, O, W, S, S]


@pytest.mark.redis
def test_counts_in_redis_go_by_themselves(redis_url: str, name: str) -> None:
    Limiter(redis_url).ask(THREE, group=name, member=name)
    with redis.Redis.from_url(redis_url) as client:
        keys = list(client.scan_iter(f"*{name}*", count=10_000))
        assert len(keys) == 2
        assert all(0 < client.ttl(key) <= 60 for key in keys)


def test_without_redis_everybody_is_answered_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    limiter = Limiter("redis://127.0.0.1:1/0")
    with caplog.at_level(logging.WARNING):
        verdicts = [limiter.ask(THREE, group="g", member="m") for _ in range(5)]
    assert verdicts == [O] * 5
    assert limiter.failures == 5
    assert "rate limits are open: Redis is away" in caplog.text
    assert not limiter.reachable()


class OwnRedis:
    """A Redis of the test's own, to take away."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.folder = folder
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--save", "", "--dir", str(self.folder)],
            stdout=subprocess.DEVNULL,
        )
        with redis.Redis.from_url(self.url) as client:
            for _ in range(100):
                try:
                    client.ping()
                except redis.RedisError:
                    time.sleep(0.05)
                else:
                    return

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[OwnRedis]:
    services.need("redis-server", shutil.which("redis-server"))
    server = OwnRedis(tmp_path)
    yield server
    server.stop()


@pytest.mark.redis
def test_redis_may_go_and_come_back(own_redis: OwnRedis) -> None:
    limiter = Limiter(own_redis.url)
    assert limiter.ask(THREE, group="g", member="m") is O
    own_redis.stop()
    assert [limiter.ask(THREE, group="g", member="m") for _ in range(5)] == [O] * 5
    assert limiter.failures == 5
    assert not limiter.reachable()
    own_redis.start()
    time.sleep(PAUSE_S)
    assert [limiter.ask(THREE, group="g", member="m") for _ in range(5)] == [O, O, O, W, S]
    assert limiter.failures == 5
    assert limiter.reachable()


@pytest.mark.redis
def test_a_redis_that_hangs_holds_nobody_up_for_long(own_redis: OwnRedis) -> None:
    limiter = Limiter(own_redis.url)
    assert limiter.ask(THREE, group="g", member="m") is O
    own_redis.process.send_signal(signal.SIGSTOP)
    try:
        began = time.monotonic()
        assert limiter.ask(THREE, group="g", member="m") is O
        assert time.monotonic() - began < 1
        began = time.monotonic()
        for _ in range(20):  # a batch does not wait for it twenty times
            limiter.ask(THREE, group="g", member="m")
        assert time.monotonic() - began < 2
    finally:
        own_redis.process.send_signal(signal.SIGCONT)
