"""Run by a test in a process of its own: check-ins while the database's files may not grow."""

import asyncio
import resource
import sys

from storage.db import open_engine
from tests.faults import house


async def play(url: str) -> None:
    engine = open_engine(url)
    house.open_groups(engine)
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    async with house.dispatching(engine) as dispatcher:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, most))
        events = [dispatcher.submit(house.checkin(number)) for number in range(40)]
        await house.until(lambda: not dispatcher.store_up)
        await asyncio.sleep(0.5)
        assert not any(done.done() for done in events)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        outcomes = await asyncio.wait_for(asyncio.gather(*events), 20)
        assert {outcome.state for outcome in outcomes} == {"done"}
    engine.dispose()


if __name__ == "__main__":
    asyncio.run(play(sys.argv[1]))
