"""The real bot as a process of its own: started, told to stop, killed, its log read."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from storage import audit, proof
from storage.db import open_engine, reading
from storage.rebuilding import all_differences
from tests.platforms.fake_telegram import FakeTelegram

ROOT = Path(__file__).parents[2]
START_S = 30.0  # two slow cores under a full test run
_IMPATIENT = """
import bot.adapters.telegram.adapter as adapter
import bot.adapters.telegram.polling as polling
from bot.__main__ import main
real = adapter.HTTPXRequest
polling.POLL_S, polling.POLL_READ_S, polling.CONFLICT_WAIT_S = 1, 2.5, 0.5
adapter.HTTPXRequest = polling.HTTPXRequest = lambda **given: real(
    **{**given, "read_timeout": min(given["read_timeout"], 2.5)}
)
raise SystemExit(main(["run"]))
"""
"""The same bot, whose patience with Telegram is seconds instead of half a minute."""


@contextmanager
def running(
    tg: FakeTelegram,
    folder: Path,
    template: Path,
    *,
    impatient: bool = False,
    always: Mapping[str, str] = MappingProxyType({}),
    **first: str,
) -> Iterator["BotProcess"]:
    """A bot on a copy of an empty store, ready; its books must be right when it is done.

    Its settings are `always` so, and `first` for the first start alone.
    """
    database = folder / "qunying.db"
    database.write_bytes(template.read_bytes())
    process = BotProcess(tg, folder, f"sqlite:///{database}", impatient=impatient)
    process.settings |= always
    process.start(**first).is_ready()
    yield process
    process.kill()
    assert process.faults() == []


class BotProcess:
    """One installation: its database and folder stay, its process comes and goes."""

    def __init__(
        self, tg: FakeTelegram, folder: Path, database_url: str, *, impatient: bool = False
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.database_url = database_url
        self.port = free_port()
        self.arguments = ["-c", _IMPATIENT] if impatient else ["-m", "bot", "run"]
        self.settings = {
            "QUNYING_TELEGRAM_TOKEN": tg.token,
            "QUNYING_TELEGRAM_API_URL": tg.url,
            "QUNYING_DATABASE_URL": database_url,
            "QUNYING_WEB_PORT": str(self.port),
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.starts = 0

    @property
    def _log_path(self) -> Path:
        return self.folder / f"log{self.starts}.txt"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, **settings: str) -> "BotProcess":
        """Start; its settings may differ this once. Returns at once."""
        assert self.process is None, "it runs already"
        self.starts += 1
        inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        environment = {**inherited, "PYTHONPATH": str(ROOT), **self.settings, **settings}
        with self._log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self.arguments],
                env=environment,
                cwd=self.folder,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        return self

    def is_ready(self, timeout_s: float = START_S) -> "BotProcess":
        """Wait until it says so."""
        self.says("ready in", timeout_s)
        return self

    def says(self, words: str, timeout_s: float = START_S) -> None:
        """Wait for words in the log."""
        end = time.monotonic() + timeout_s
        while words not in self.log:
            alive = self.process is not None and self.process.poll() is None
            assert alive or words in self.log, f"it ended:\n{self.log}"
            assert time.monotonic() < end, f"no {words!r} in {timeout_s} s:\n{self.log}"
            time.sleep(0.02)

    def ends(self, timeout_s: float = 10.0) -> int:
        """Wait for its own end; return the exit status."""
        assert self.process is not None
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            log = self.log
            self.kill()
            raise AssertionError(f"it did not end within {timeout_s} s:\n{log}") from None
        finally:
            self.process = None

    def terminate(self, timeout_s: float = 10.0) -> int:
        """Ask it to stop, as a service manager does; return the exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.ends(timeout_s)

    def kill(self) -> None:
        """Kill it without a warning."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    @property
    def log(self) -> str:
        """All that this start has written."""
        return self._log_path.read_text(encoding="utf-8", errors="replace")

    @property
    def all_logs(self) -> str:
        """All that every start has written, with what JSON had escaped readable."""
        return "\n".join(_plain(line) for path in self._logs() for line in _lines(path))

    def _logs(self) -> list[Path]:
        return sorted(self.folder.glob("log*.txt"))

    def records(self) -> list[dict[str, Any]]:
        """The log's lines of this start; what is no JSON comes as an ERROR."""
        return [_record(line) for line in _lines(self._log_path)]

    def errors(self) -> list[str]:
        """What was logged as an error, or written past the log."""
        return [each["message"] for each in self.records() if each["level"] == "ERROR"]

    def balances(self) -> dict[str, int]:
        """What every Telegram user has, by id."""
        rows = self._read(
            "SELECT i.user_id, a.available FROM account a JOIN identity i"
            " ON i.member_id = a.owner_id AND i.programme_id = a.programme_id"
        )
        return {str(user): int(points) for user, points in rows}

    def postings(self) -> int:
        """How many movements of points there are."""
        return int(self._read("SELECT COUNT(*) FROM posting")[0][0])

    def _read(self, statement: str) -> list[Any]:
        engine = open_engine(self.database_url)
        with reading(engine) as tx:
            rows = list(tx.core.exec_driver_sql(statement))
        engine.dispose()
        return rows

    def faults(self) -> list[str]:
        """What is wrong in the books."""
        engine = open_engine(self.database_url)
        with reading(engine) as tx:
            found = audit.faults(tx) + proof.chain_faults(tx) + all_differences(tx)
        engine.dispose()
        return found


def forget_cut_requests(tg: FakeTelegram) -> None:
    """A process killed amid a request leaves half of it, which is no fault of the fake."""
    tg.broken[:] = [fault for fault in tg.broken if "ClientDisconnect" not in fault]


def free_port() -> int:
    """A port that nobody uses at the moment."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def eventually(condition: Callable[[], Any], timeout_s: float = 10.0, why: str = "") -> None:
    """Wait until something is true."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, why or f"not true in {timeout_s} s"
        time.sleep(0.05)


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8", errors="replace").splitlines()


def _record(line: str) -> dict[str, Any]:
    try:
        record: dict[str, Any] = json.loads(line)
    except ValueError:
        return {"level": "ERROR", "message": f"past the log: {line}"}
    return record


def _plain(line: str) -> str:
    try:
        return json.dumps(json.loads(line), ensure_ascii=False)
    except ValueError:
        return line
