"""Run by a test in a process of its own: for each line of people a child that checks them in.

The children are there to be killed; each event is acknowledged on the pipe. They are forked from
here, where all is imported already and nothing is open.
"""

import asyncio
import json
import os
import sys

from storage.db import open_engine
from tests.faults import house

IN_FLIGHT = 100


def say(text: str) -> None:
    """Write a line in one piece, so that a kill leaves no half of it."""
    os.write(1, f"{text}\n".encode())


async def play(url: str, people: list[int]) -> None:
    engine = open_engine(url)
    window = asyncio.Semaphore(IN_FLIGHT)

    async def deliver(person: int) -> None:
        async with window:
            await dispatcher.submit(house.checkin(person, chat=f"-{person % 4}"))
            say(f"{person}")

    async with house.dispatching(engine, workers=1 if "sqlite" in url else 4) as dispatcher:
        await asyncio.gather(*(deliver(person) for person in people))
    engine.dispose()


if __name__ == "__main__":
    for line in sys.stdin:
        child = os.fork()
        if not child:
            asyncio.run(play(sys.argv[1], json.loads(line)))
            os._exit(0)
        say(f"child {child}")
        say(f"ended {os.waitpid(child, 0)[1]}")
