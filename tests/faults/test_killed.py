"""kill -9 in the middle of work, again and again: what was acknowledged is there, once.

`QUNYING_TEST_KILLS=50` kills so often on each database.
"""

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.faults import house

KILLS = int(os.environ.get("QUNYING_TEST_KILLS", "10"))
TRIES_MAX = 2 * KILLS
MORE = 250
PEOPLE = MORE * (TRIES_MAX + 1)
LOAD_S = 0.12
Work = Callable[[list[int], float | None], tuple[int, set[int]]]


@contextmanager
def working(url: str) -> Iterator[Work]:
    """Let children work, killed so many seconds after their first acknowledgement, or not."""
    command = [sys.executable, "-m", "tests.faults.killed", url]
    root = Path(__file__).parents[2]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=root, stdin=pipe, stdout=pipe, text=True) as process:

        def work(people: list[int], kill_after_s: float | None) -> tuple[int, set[int]]:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps(people) + "\n")
            process.stdin.flush()
            acknowledged: set[int] = set()
            child = 0
            timer: threading.Timer | None = None
            for said in process.stdout:
                word, _, number = said.strip().partition(" ")
                if word == "ended":
                    if timer is not None:
                        timer.cancel()
                        timer.join()
                    return int(number), acknowledged
                if word == "child":
                    child = int(number)
                else:
                    acknowledged.add(int(word))
                if timer is None and child and acknowledged and kill_after_s is not None:
                    timer = threading.Timer(kill_after_s, os.kill, (child, signal.SIGKILL))
                    timer.start()
            raise AssertionError("the process that starts children has ended")

        try:
            yield work
        finally:
            process.kill()


@pytest.mark.timeout(120 + 12 * KILLS)
def test_killed_at_random_moments_nothing_is_lost_and_nothing_doubled(
    store_url: str, store: Callable[[str], Engine]
) -> None:
    engine = store(store_url)
    # programmes of their own: one's budget of a day would not do for fifty kills
    house.open_groups(engine, "-0", "-1", "-2", "-3", by_owner=False)
    rng = random.Random(20)
    acknowledged: set[int] = set()
    in_the_middle = 0
    with working(store_url) as work:
        for kill in range(1, TRIES_MAX + 1):
            if in_the_middle >= KILLS:
                break
            pending = [person for person in range(MORE * kill) if person not in acknowledged]
            status, now = work(pending, rng.uniform(0, LOAD_S))
            in_the_middle += status == signal.SIGKILL and len(now) < len(pending)
            acknowledged |= now
            paid = house.paid(engine)
            assert {f"{person}" for person in acknowledged} <= set(paid), "a point is lost"
            assert set(paid.values()) == {5}, "a point is doubled"
            assert house.faults(engine) == []
        assert in_the_middle >= KILLS, "killed while there was something to do"
        pending = [person for person in range(PEOPLE) if person not in acknowledged]
        status, now = work(pending, None)
        assert (status, now) == (0, set(pending))
    everybody = [f"{person}" for person in range(PEOPLE)]
    assert house.paid(engine) == dict.fromkeys(everybody, 5)
    assert house.answered(engine) == dict.fromkeys(everybody, 1)
    assert house.receipts(engine) == PEOPLE
    assert house.faults(engine) == []
