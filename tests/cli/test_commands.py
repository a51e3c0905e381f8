"""The command line as its user sees it: processes, their words, their exit codes."""

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from sqlalchemy import create_engine, text

from bot.__main__ import main
from bot.app import room_settings
from bot.config import Settings, SettingsError
from bot.worker import Asked
from storage import programmes
from storage.db import Tx, open_engine, reading
from storage.schema import HEAD, current
from tests.faults import house
from tests.platforms.fake_telegram import FakeTelegram

ROOT = Path(__file__).parents[2]
TOKEN = "123456789:AAExampleExampleExampleExample_1234"
PLATFORM = {"TELEGRAM_TOKEN": TOKEN, "TELEGRAM_API_URL": "http://127.0.0.1:1"}
"""A platform that nobody answers for."""
Bot = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """What the processes see: none of our own settings, a temporary folder of the test's own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("QUNYING_")}
    (tmp_path / "tmp").mkdir()
    return kept | {
        "PYTHONPATH": str(ROOT),
        "TMPDIR": str(tmp_path / "tmp"),
        "QUNYING_WEB_PORT": "0",
        "PYTHONWARNINGS": "error",
    }


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Iterator[Bot]:
    """Start `python -m bot …`; what still runs at the end is killed."""
    with ExitStack() as stack:

        def started(*arguments: str, **settings: str) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [sys.executable, "-m", "bot", *arguments],
                cwd=tmp_path,
                env=environment | {f"QUNYING_{k}": v for k, v in settings.items()},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield started


Done = tuple[int, str, str]


@pytest.fixture
def call(start: Bot) -> Callable[..., Done]:
    """Run `python -m bot …` to its end: exit code, answer, complaints."""

    def called(*arguments: str, **settings: str) -> Done:
        process = start(*arguments, **settings)
        answer, complaints = process.communicate(timeout=30)
        return process.returncode, answer, complaints

    return called


@pytest.fixture
def ask(
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Callable[..., Done]:
    """The same in this process, for commands that only look."""

    def asked(*arguments: str, **settings: str) -> Done:
        for name in [name for name in os.environ if name.startswith("QUNYING_")]:
            monkeypatch.delenv(name)
        for name, value in (environment | {f"QUNYING_{k}": v for k, v in settings.items()}).items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        code = main(list(arguments))
        answer, complaints = capsys.readouterr()
        return code, answer, complaints

    return asked


def ready(process: subprocess.Popen[str]) -> list[dict[str, object]]:
    """Wait until a `run` says that it is ready; return its log lines so far."""
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(json.loads(line))
        if str(lines[-1].get("message", "")).startswith("ready"):
            return lines
    raise AssertionError(f"it ended before it was ready: {lines}")


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    process.send_signal(signal.SIGTERM)
    _, complaints = process.communicate(timeout=20)
    return process.returncode, complaints


@contextmanager
def taken_port() -> Iterator[int]:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


def clear(complaints: str) -> bool:
    """Whether somebody who does not read Python understands it."""
    return "Traceback" not in complaints and 0 < len(complaints.strip().splitlines()) <= 4


def test_help_names_every_command(call: Callable[..., Done]) -> None:
    began = time.monotonic()
    code, answer, complaints = call("--help")
    assert (code, complaints) == (0, "")
    for name in ("run", "demo", "check", "commands", "migrate"):
        assert re.search(rf"^\s+{name}\s", answer, re.MULTILINE)
    assert time.monotonic() - began < 5


def test_an_unknown_command_is_refused(call: Callable[..., Done]) -> None:
    code, _, complaints = call("dance")
    assert code == 2
    assert "dance" in complaints


def test_commands_lists_what_can_be_said_in_chat(ask: Callable[..., Done]) -> None:
    code, answer, complaints = ask("commands")
    assert (code, complaints) == (0, "")
    assert re.search(r"^/checkin\s+签到 打卡\s+\S", answer, re.MULTILINE)
    assert len(answer.splitlines()) == len(house.ROUTER.commands)


def test_migrate_twice_says_what_it_did(call: Callable[..., Done], tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new' / 'qunying.db'}"
    assert call("migrate", DATABASE_URL=url) == (0, f"schema none → {HEAD}\n", "")
    assert call("migrate", DATABASE_URL=url) == (0, f"schema {HEAD} → {HEAD}\n", "")


@pytest.mark.postgres
def test_migrate_twice_on_postgres(call: Callable[..., Done], postgres_url: str) -> None:
    engine = create_engine(postgres_url)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    assert call("migrate", DATABASE_URL=postgres_url) == (0, f"schema none → {HEAD}\n", "")
    assert call("migrate", DATABASE_URL=postgres_url) == (0, f"schema {HEAD} → {HEAD}\n", "")
    with engine.connect() as connection:
        assert current(connection) == HEAD
    engine.dispose()


@pytest.mark.parametrize("command", ["migrate", "run"])
def test_a_schema_of_a_newer_version_is_left_alone(
    call: Callable[..., Done], sqlite_url: str, command: str
) -> None:
    engine = open_engine(sqlite_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    code, _, complaints = call(command, **PLATFORM, DATABASE_URL=sqlite_url)
    assert code == 1
    assert "9999" in complaints
    assert clear(complaints)


def test_check_says_that_all_is_well(ask: Callable[..., Done], sqlite_url: str) -> None:
    code, answer, complaints = ask("check", DATABASE_URL=sqlite_url)
    assert (code, complaints) == (0, "")
    for part in ("settings", "rules", "texts", "commands", "database"):
        assert re.search(rf"^{part}\s+ok$", answer, re.MULTILINE)
    for part in ("redis", "telegram"):
        assert re.search(rf"^{part}\s+not set$", answer, re.MULTILINE)


def test_check_before_the_first_start_makes_nothing(
    ask: Callable[..., Done], tmp_path: Path
) -> None:
    code, answer, _ = ask("check", DATABASE_URL=f"sqlite:///{tmp_path / 'none' / 'q.db'}")
    assert code == 0
    assert re.search(r"^database\s+none yet", answer, re.MULTILINE)
    assert not (tmp_path / "none").exists()


def test_check_offline_asks_nobody(ask: Callable[..., Done]) -> None:
    code, answer, _ = ask(
        "check", "--offline", DATABASE_URL="postgresql+psycopg://nobody@127.0.0.1:1/none"
    )
    assert code == 0
    assert "database" not in answer


def test_check_finds_wrong_settings(ask: Callable[..., Done]) -> None:
    code, answer, _ = ask("check", LOCALE="fr")
    assert code == 1
    assert re.search(r"^settings\s+wrong$", answer, re.MULTILINE)
    assert "QUNYING_LOCALE" in answer


def test_check_finds_that_the_database_is_away(ask: Callable[..., Done]) -> None:
    url = "postgresql+psycopg://bot:s3cret-Word@127.0.0.1:1/none"
    code, answer, complaints = ask("check", DATABASE_URL=url)
    assert code == 1
    assert re.search(r"^database\s+wrong$", answer, re.MULTILINE)
    assert "QUNYING_DATABASE_URL" in answer
    assert "s3cret-Word" not in answer + complaints
    assert "Traceback" not in complaints


def test_check_finds_books_that_do_not_balance(ask: Callable[..., Done], sqlite_url: str) -> None:
    engine = open_engine(sqlite_url)
    house.open_groups(engine)
    house.worker(engine).run([house_asked(1)])
    with engine.begin() as connection:
        connection.execute(text("UPDATE account SET available = 99 WHERE owner_id <> 0"))
    engine.dispose()
    code, answer, _ = ask("check", DATABASE_URL=sqlite_url)
    assert code == 1
    assert "not so: every bucket equals its postings" in answer


def test_check_tells_what_the_bot_may_not_do_in_its_groups(
    ask: Callable[..., Done], sqlite_url: str
) -> None:
    with FakeTelegram() as tg:
        groups = {
            "哑": tg.group("哑群", bot="administrator"),
            "聋": tg.group("聋群", bot="member"),
            "好": tg.group("好群", bot="administrator"),
            "出": tg.group("出群", bot="administrator"),
        }
        tg.set_bot_status(groups["哑"], "restricted", can_send_messages=False)
        tg.set_bot_status(groups["出"], "kicked")
        engine = open_engine(sqlite_url)
        with engine.begin() as connection:
            tx = Tx(connection)
            for group in groups.values():
                programmes.open_group(
                    tx,
                    "telegram",
                    str(group["id"]),
                    group["title"],
                    by_owner=True,
                    defaults=house.DEFAULTS,
                    now=datetime.now(UTC),
                )
        engine.dispose()
        code, answer, complaints = ask(
            "check", DATABASE_URL=sqlite_url, TELEGRAM_TOKEN=tg.token, TELEGRAM_API_URL=tg.url
        )
    assert (code, complaints) == (0, "")
    told = {line.split("(")[1][:2]: line for line in answer.splitlines() if "group -" in line}
    assert set(told) == {"哑群", "聋群", "出群"}
    assert "may not send messages" in told["哑群"]
    assert "not 签到: make it an administrator" in told["聋群"]
    assert "forbidden" in told["出群"].lower() or "no member" in told["出群"]
    assert re.search(r"^groups +to do$", answer, re.MULTILINE)


def house_asked(person: int):
    event = house.checkin(person)
    match = house.ROUTER.match(event)
    assert match is not None
    return Asked(event, match)


@pytest.mark.parametrize("command", ["run", "migrate"])
def test_a_database_that_is_away_is_said_clearly(call: Callable[..., Done], command: str) -> None:
    url = "postgresql+psycopg://bot:s3cret-Word@127.0.0.1:1/none"
    code, _, complaints = call(command, **PLATFORM, DATABASE_URL=url)
    assert code == 1
    assert "s3cret-Word" not in complaints
    assert "QUNYING_DATABASE_URL" in complaints
    assert clear(complaints), complaints[-400:]


def test_a_second_process_on_the_same_database_is_refused(
    start: Bot, call: Callable[..., Done], store_url: str
) -> None:
    first = start("run", **PLATFORM, DATABASE_URL=store_url)
    ready(first)
    code, _, complaints = call("run", **PLATFORM, DATABASE_URL=store_url)
    assert code == 1
    assert "in use by another process" in complaints
    assert clear(complaints)
    assert ended(first)[0] == 0
    third = start("run", **PLATFORM, DATABASE_URL=store_url)
    ready(third)
    assert ended(third)[0] == 0


@pytest.mark.postgres
def test_the_lock_is_held_again_after_the_database_was_restarted(
    start: Bot, postgres_url: str
) -> None:
    """Two processes would both send what the outbox holds."""
    first = start("run", **PLATFORM, DATABASE_URL=postgres_url)
    ready(first)
    killer = create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    with killer.connect() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    killer.dispose()
    time.sleep(3)
    second = start("run", **PLATFORM, DATABASE_URL=postgres_url)
    try:
        assert second.wait(timeout=5) == 1
    except subprocess.TimeoutExpired:
        pytest.fail("two processes serve the same database")


def test_a_taken_port_is_said_clearly(call: Callable[..., Done], sqlite_url: str) -> None:
    with taken_port() as port:
        code, _, complaints = call("run", **PLATFORM, DATABASE_URL=sqlite_url, WEB_PORT=str(port))
    assert code == 1
    assert f"127.0.0.1:{port}" in complaints
    assert "Traceback" not in complaints


def test_a_demo_whose_port_is_taken_says_so_and_leaves_nothing(
    call: Callable[..., Done], tmp_path: Path
) -> None:
    with taken_port() as port:
        code, _, complaints = call("demo", "--port", str(port))
    assert code == 1
    assert f"127.0.0.1:{port}" in complaints
    assert "Traceback" not in complaints
    assert list((tmp_path / "tmp").iterdir()) == []


def test_the_room_is_not_opened_to_the_world(call: Callable[..., Done], tmp_path: Path) -> None:
    code, _, complaints = call("run", WEB_HOST="0.0.0.0")
    assert code == 2
    assert "QUNYING_TELEGRAM_TOKEN" in complaints
    assert "0.0.0.0" in complaints
    assert not (tmp_path / "data").exists()


def test_without_a_platform_the_room_has_a_database_of_its_own(
    start: Bot, tmp_path: Path, sqlite_url: str
) -> None:
    before = (tmp_path / "qunying.db").read_bytes()
    room = start("run", DATABASE_URL=sqlite_url, REDIS_URL="redis://127.0.0.1:1")
    said = _welcomed(room)
    assert f"kept in {tmp_path / 'room.db'}. Nothing here touches your members' books." in said
    assert f"QUNYING_DATABASE_URL=sqlite:///{tmp_path / 'room.db'}\n" in said
    (address,) = set(re.findall(r"http://127\.0\.0\.1:\d+", said))
    asked = {"as": "p1", "chat": "group", "text": "签到", "client": "one"}
    with httpx.Client(base_url=address, headers={"X-Room": "1"}, trust_env=False) as page:
        assert page.post("/room/join", json={"as": "p1"}).status_code == 200
        assert page.post("/room/say", json=asked).status_code == 200
    assert ended(room)[0] == 0
    assert (tmp_path / "qunying.db").read_bytes() == before
    engine = open_engine(f"sqlite:///{tmp_path / 'room.db'}")
    with engine.connect() as connection:
        assert connection.execute(text("SELECT user_id FROM identity")).all() == [("p1",)]
    engine.dispose()


def test_the_room_beside_a_server_is_in_the_data_folder() -> None:
    ours = Settings(database_url="postgresql+psycopg://bot@host/members")
    assert room_settings(ours).database_url == "sqlite:///data/room.db"
    assert room_settings(Settings(database_url="sqlite:////v/q.db")).database_url.endswith(
        "////v/room.db"
    )
    on_telegram = Settings(telegram_token=TOKEN)
    assert room_settings(on_telegram) is on_telegram


@pytest.mark.parametrize("link", [False, True])
def test_the_room_never_opens_on_the_members_file(tmp_path: Path, *, link: bool) -> None:
    ours = tmp_path / ("q.db" if link else "room.db")
    ours.touch()
    if link:
        (tmp_path / "room.db").symlink_to(ours)
    for written in (f"sqlite:///{ours}", f"sqlite:///file:{ours}?uri=true"):
        with pytest.raises(SettingsError, match="name the members' file otherwise"):
            room_settings(Settings(database_url=written))


def _welcomed(process: subprocess.Popen[str]) -> str:
    """Wait until the room says where it is; return its words."""
    assert process.stdout is not None
    said = ""
    while "Ctrl+C" not in said:
        line = process.stdout.readline()
        assert line, process.stderr.read() if process.stderr else ""
        said += line
    return said


def test_the_demo_says_where_it_is_and_ends_cleanly(start: Bot, tmp_path: Path) -> None:
    demo = start("demo", "--port", "0")
    said = _welcomed(demo)
    (address,) = set(re.findall(r"http://127\.0\.0\.1:\d+", said))
    assert httpx.get(f"{address}/room?lang=zh", trust_env=False).status_code == 200
    assert list((tmp_path / "tmp").iterdir()) != []
    code, complaints = ended(demo)
    assert (code, complaints) == (0, "")
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_demo_ended_while_it_starts_leaves_nothing(start: Bot, tmp_path: Path) -> None:
    demo = start("demo", "--port", "0")
    deadline = time.monotonic() + 20
    while not list((tmp_path / "tmp").glob("*/*.db")) and time.monotonic() < deadline:
        time.sleep(0.005)
    code, complaints = ended(demo)
    assert (code, complaints) == (0, "")
    assert list((tmp_path / "tmp").iterdir()) == []


def test_logs_are_lines_of_json_without_secrets(start: Bot, sqlite_url: str) -> None:
    with taken_port() as nobody:
        bot = start(
            "run",
            DATABASE_URL=sqlite_url,
            TELEGRAM_TOKEN=TOKEN,
            TELEGRAM_API_URL=f"http://127.0.0.1:{nobody}",
            LOG_LEVEL="debug",
        )
        lines = ready(bot)
        time.sleep(0.3)
        code, complaints = ended(bot)
    assert code == 0
    rest = [json.loads(line) for line in complaints.splitlines()]
    for line in lines + rest:
        assert {"at", "level", "from", "message"} <= set(line)
    assert TOKEN not in complaints + json.dumps(lines)
    assert any("stopped" in str(line["message"]) for line in rest)


def test_a_run_that_is_killed_starts_again(start: Bot, sqlite_url: str) -> None:
    first = start("run", **PLATFORM, DATABASE_URL=sqlite_url)
    ready(first)
    first.kill()
    first.wait(10)
    again = start("run", **PLATFORM, DATABASE_URL=sqlite_url)
    ready(again)
    assert ended(again)[0] == 0
    engine = open_engine(sqlite_url)
    with reading(engine) as tx:
        assert house.audit.faults(tx) == []
    engine.dispose()


def test_a_run_ends_in_time_though_the_database_is_locked(start: Bot, sqlite_url: str) -> None:
    """Whoever stops it waits ten seconds and then kills."""
    bot = start("run", **PLATFORM, DATABASE_URL=sqlite_url)
    ready(bot)
    held = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    held.execute("BEGIN EXCLUSIVE")
    try:
        began = time.monotonic()
        assert ended(bot)[0] == 0
        assert time.monotonic() - began < 10
    finally:
        held.execute("ROLLBACK")
        held.close()
