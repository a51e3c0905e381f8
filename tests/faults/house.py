"""What the fault tests share: events by number, dispatchers on real stores, a look at the books."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from random import Random

from sqlalchemy import Engine
from sqlalchemy.engine import make_url

from bot.dispatcher import QUEUE_MAX, Dispatcher
from bot.worker import Worker
from content.message import unpack
from handlers.event import Chat, Event, Sender
from handlers.router import Router, discover
from storage import audit, outbox, programmes, proof
from storage.db import Sql, Tx, reading
from storage.outbox import Outgoing
from storage.programmes import MAIN, Defaults
from storage.rebuilding import all_differences

PLATFORM = "telegram"
GROUP = "-1001"
DEFAULTS = Defaults("Asia/Shanghai", "zh")
ROUTER = discover()
PAID = Sql(
    "SELECT i.user_id, a.available FROM account a JOIN identity i"
    " ON i.programme_id = a.programme_id AND i.member_id = a.owner_id"
)
ANSWERED = Sql("SELECT person, COUNT(*) FROM outbox WHERE target IS NOT NULL GROUP BY person")
RECEIPTS = Sql("SELECT COUNT(*) FROM inbox")


def now() -> datetime:
    return datetime.now(UTC)


def checkin(
    person: object, *, text: str = "签到", chat: str = GROUP, key: str = "", title: str = "露营群"
) -> Event:
    """Return a check-in by a person; the same person's is the same delivery each time."""
    return Event(
        key=key or f"tg1:{chat}:{person}:{text}",
        platform=PLATFORM,
        kind="message",
        chat=Chat(chat, "group", title),
        sender=Sender(f"{person}", f"人{person}"),
        at=now(),
        text=text,
        message_id=f"m{person}",
    )


def worker(engine: Engine, clock: Callable[[], datetime] = now) -> Worker:
    return Worker(engine, clock=clock, rng=Random(7), limiter=None, defaults=DEFAULTS)


def open_groups(engine: Engine, *chats: str) -> None:
    """Make the programme and groups of its owner."""

    def make(tx: Tx) -> None:
        programmes.create(tx, MAIN, "营", DEFAULTS, now())
        for chat in chats or (GROUP,):
            programmes.open_group(
                tx, PLATFORM, chat, "露营群", by_owner=True, defaults=DEFAULTS, now=now()
            )

    (outcome,) = worker(engine).run([make])
    assert outcome.error is None


@asynccontextmanager
async def dispatching(
    engine: Engine,
    *,
    workers: int = 1,
    queue_max: int = QUEUE_MAX,
    router: Router = ROUTER,
    close_s: float = 10,
) -> AsyncIterator[Dispatcher]:
    """A dispatcher with its threads, closed at the end whatever happens."""
    dispatcher = Dispatcher([worker(engine) for _ in range(workers)], router, queue_max=queue_max)
    try:
        yield dispatcher
    finally:
        await dispatcher.close(close_s)


def paid(engine: Engine) -> dict[str, int]:
    """Return what everybody has, by platform id."""
    with reading(engine) as tx:
        return dict(tuple(row) for row in tx.all(PAID))


def answered(engine: Engine) -> dict[str, int]:
    """Return how many answers stand in the outbox, by person."""
    with reading(engine) as tx:
        return dict(tuple(row) for row in tx.all(ANSWERED))


def waiting(engine: Engine) -> list[Outgoing]:
    with reading(engine) as tx:
        return outbox.waiting(tx)


def receipts(engine: Engine) -> int:
    with reading(engine) as tx:
        return int(tx.one(RECEIPTS)[0])


def faults(engine: Engine) -> list[str]:
    with reading(engine) as tx:
        return audit.faults(tx) + proof.chain_faults(tx) + all_differences(tx)


def words(rows: list[Outgoing]) -> list[str]:
    return [unpack(row.payload).text for row in rows]


async def until(true: Callable[[], bool], timeout_s: float = 10) -> None:
    """Wait until something is so; fail when it does not come to that."""
    ends = asyncio.get_running_loop().time() + timeout_s
    while not true():
        assert asyncio.get_running_loop().time() < ends, "it did not come to that"
        await asyncio.sleep(0.01)


class Wire:
    """A TCP line to PostgreSQL that can be cut, and can swallow the answer to a commit."""

    def __init__(self, url: str) -> None:
        self._to = make_url(url)
        self._listener: socket.socket | None = None
        self._lines: list[_Line] = []
        self._lock = threading.Lock()
        self.port = 0
        self.cut_commits = 0
        """How many commits still to let through, whose lines break before the answer is back."""
        self.commits_cut = 0
        self.flowing = threading.Event()
        """Cleared, the line stands and carries nothing: a server that is silent."""
        self.flowing.set()
        self.mend()

    def mend(self) -> None:
        """Listen (again, at the same port)."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(64)
        self.port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def cut(self) -> None:
        """Refuse new connections and break those that are."""
        self.flowing.set()
        if self._listener is not None:
            _close(self._listener)
            self._listener = None
        self.drop()

    def drop(self) -> None:
        """Break the connections that are; new ones are welcome."""
        with self._lock:
            lines, self._lines = self._lines, []
        for line in lines:
            line.close()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                line = _Line(client, self._connect(), self.flowing)
                with self._lock:
                    self._lines.append(line)
                threading.Thread(target=self._ask, args=(line,), daemon=True).start()
                threading.Thread(target=line.answer, daemon=True).start()

    def _connect(self) -> socket.socket:
        host, port = self._to.host, self._to.port or 5432
        if host and not host.startswith("/"):
            return socket.create_connection((host, port))
        end = socket.socket(socket.AF_UNIX)
        end.connect(f"{host or '/var/run/postgresql'}/.s.PGSQL.{port}")
        return end

    @property
    def url(self) -> str:
        """The database's address by way of this line."""
        url = self._to.set(host="127.0.0.1", port=self.port, query={"sslmode": "disable"})
        return url.render_as_string(hide_password=False)

    def _ask(self, line: "_Line") -> None:
        with suppress(OSError):
            while data := line.client.recv(65536):
                if b"COMMIT" in data:
                    line.mute = self._take_cut()
                self.flowing.wait()
                line.server.sendall(data)
        line.close()

    def _take_cut(self) -> bool:
        with self._lock:
            if not self.cut_commits:
                return False
            self.cut_commits -= 1
            self.commits_cut += 1
            return True


class _Line:
    def __init__(
        self, client: socket.socket, server: socket.socket, flowing: threading.Event
    ) -> None:
        self.client = client
        self._flowing = flowing
        self.server = server
        self.mute = False

    def answer(self) -> None:
        with suppress(OSError):
            while (data := self.server.recv(65536)) and not self.mute:
                self._flowing.wait()
                self.client.sendall(data)
        self.close()

    def close(self) -> None:
        for end in (self.client, self.server):
            _close(end)


def _close(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()


@contextmanager
def wire(url: str) -> Iterator[Wire]:
    """A line to the database at `url`, cut at the end."""
    line = Wire(url)
    try:
        yield line
    finally:
        line.cut()
