"""The real process: from its start to the first answer, and what it keeps in memory."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import defaultdict
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url

from tests.bench.community import Community, update
from tests.bench.databases import Sqlite
from tests.bench.figures import Figure, Plan, Result, one
from tests.platforms.fake_telegram import TOKEN, FakeTelegram

ROOT = Path(__file__).parents[2]
GROUPS, EACH, MORE = 20, 20_000, 5_000
PATIENCE_S = 60.0
IMPORTS_SHOWN = 15


def run(plan: Plan, result: Result) -> None:
    with FakeTelegram() as tg:
        tg.limits.enabled = tg.limits.poll_guard = False
        chats = [tg.group(f"露营群{n}", bot="administrator")["id"] for n in range(GROUPS)]
        who = Community.of(GROUPS, plan.size(EACH, 50), chats)
        yesterday = datetime.now(UTC).date() - timedelta(days=1)
        store = Sqlite(plan.folder, who, [yesterday], absent=2)
        found: dict[str, list[float]] = defaultdict(list)
        imports: list[str] = []
        for number in range(plan.rounds):
            empty = f"sqlite:///{plan.folder}/empty{number}.db"
            _once(tg, empty, who, found, "empty database", None)
            with store.fresh() as url:
                more = plan.size(MORE, 200)
                _once(tg, url, who, found, f"{len(who.people):,} members", more)
        with store.fresh() as url:
            _once(tg, url, who, defaultdict(list), "", None, imports=imports)
    for name, values in found.items():
        unit = "/s" if "rate" in name else "s" if "until" in name else "MB"
        result.figures.append(one(name, unit, values))
    result.figures += _imports(imports)


class _Bot:
    """The process under test."""

    def __init__(self, tg: FakeTelegram, url: str, *flags: str) -> None:
        hidden = {name for name in os.environ if name.startswith("QUNYING_")}
        env = {name: value for name, value in os.environ.items() if name not in hidden} | {
            "QUNYING_DATABASE_URL": url,
            "QUNYING_TELEGRAM_TOKEN": TOKEN,
            "QUNYING_TELEGRAM_API_URL": tg.url,
            "QUNYING_WEB_PORT": "0",
            "QUNYING_LOG_LEVEL": "warning",
            "PYTHONPATH": str(ROOT),
        }
        folder = Path(str(make_url(url).database)).parent
        self.log = (folder / "bot.log").open("w+")
        self.started = time.time()
        self.process = subprocess.Popen(
            [sys.executable, *flags, "-m", "bot", "run"],
            cwd=folder,
            env=env,
            stderr=self.log,
            stdout=self.log,
        )

    def memory(self) -> tuple[float, float]:
        """Resident memory now and at its highest, in MB."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        fields = dict(line.split(":", 1) for line in lines)
        return tuple(int(fields[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))

    def stop(self) -> list[str]:
        self.process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(20)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.log.seek(0)
        lines = self.log.read().splitlines()
        self.log.close()
        return lines


def _once(  # noqa: PLR0917 - a bench's own helper
    tg: FakeTelegram,
    url: str,
    who: Community,
    found: dict[str, list[float]],
    name: str,
    more: int | None,
    *,
    imports: list[str] | None = None,
) -> None:
    person = who.people[len(who.people) // 2]
    _says(tg, who, [person])
    bot = _Bot(tg, url, *(("-X", "importtime") if imports is not None else ()))
    try:
        sent = tg.wait_for(lambda sent: sent.time > bot.started, PATIENCE_S)
        assert "签到" in sent.text, sent.text
        found[f"{name}: until the first answer"].append(sent.time - bot.started)
        _remember(bot, found, f"{name}: after the first answer")
        tg.wait_until(lambda: not tg.queue.entries, PATIENCE_S)
        if more:
            _more(tg, bot, url, who, found, name, more)
    finally:
        lines = bot.stop()
    assert bot.process.returncode == 0, "\n".join(lines[-20:])
    if imports is not None:
        imports += lines


def _more(  # noqa: PLR0917 - the same
    tg: FakeTelegram,
    bot: _Bot,
    url: str,
    who: Community,
    found: dict[str, list[float]],
    name: str,
    more: int,
) -> None:
    started = time.monotonic()
    _says(tg, who, who.people[:more])
    path = make_url(url).database
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        while connection.execute("SELECT COUNT(*) FROM inbox").fetchone()[0] < more + 1:
            assert time.monotonic() < started + PATIENCE_S
            time.sleep(0.02)
    connection.close()
    took = time.monotonic() - started
    found[f"{name}: {more:,} more, rate until durable"].append(more / took)
    _remember(bot, found, f"{name}: after {more:,} more")


def _says(tg: FakeTelegram, who: Community, people: list[Any]) -> None:
    now = datetime.now(UTC)
    for person in people:
        raw = update(who, person, person.id, now)
        tg.push({"message": raw["message"]})


def _remember(bot: _Bot, found: dict[str, list[float]], name: str) -> None:
    now, highest = bot.memory()
    found[f"{name}: resident"].append(now)
    found[f"{name}: highest so far"].append(highest)


def _imports(lines: list[str]) -> list[Figure]:
    """The packages that take longest to import: own milliseconds, summed."""
    own: dict[str, float] = defaultdict(float)
    for line in lines:
        if line.startswith("import time:") and line.count("|") == 2 and "self" not in line:
            self_us, _, name = line.removeprefix("import time:").split("|")
            own[name.strip().split(".")[0]] += int(self_us) / 1000
    order = sorted(own.items(), key=lambda item: -item[1])
    whole = one("imports in all (with -X importtime)", "ms", [sum(own.values())])
    return [whole, *(one(f"import {name}", "ms", [ms]) for name, ms in order[:IMPORTS_SHOWN])]
