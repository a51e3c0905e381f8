"""What tests share: real databases, a stage for conversations, and an honest last line."""

import uuid
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import make_url

from storage import audit, proof
from storage.db import open_engine, reading
from storage.rebuilding import all_differences
from storage.schema import migrate
from tests import services
from tests.stage import Stage


@pytest.fixture(scope="session", autouse=True)
def secret() -> Iterator[None]:
    """A secret of the tests' own, so that none is made in the folder where they run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QUNYING_SECRET_KEY", "a secret of the tests, and of no installation")
        yield


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "template.db"
    engine = open_engine(f"sqlite:///{path}")
    migrate(engine)
    engine.dispose()  # the last connection takes the write-ahead log into the file
    return path


@pytest.fixture(scope="session")
def postgres_admin() -> Iterator[Engine]:
    url = services.need("PostgreSQL", services.postgres_url())
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def postgres_template(postgres_admin: Engine) -> Iterator[str]:
    name = f"qunying_template_{uuid.uuid4().hex[:12]}"
    with postgres_admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine = open_engine(_at(postgres_admin, name))
    migrate(engine)
    engine.dispose()
    yield name
    with postgres_admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def sqlite_url(tmp_path: Path, sqlite_template: Path) -> str:
    """An empty migrated SQLite database of the test's own."""
    path = tmp_path / "qunying.db"
    path.write_bytes(sqlite_template.read_bytes())
    return f"sqlite:///{path}"


class Databases:
    """Copies of a template on the tests' server: the next one is made while a test runs."""

    def __init__(self, admin: Engine, template: str) -> None:
        self._admin = admin
        self._template = template
        self._aside = ThreadPoolExecutor(1)
        self._next = self._aside.submit(self._make)
        self._dropped: list[Future[None]] = []

    def take(self) -> str:
        """Return the name of a database that nobody has used."""
        name, self._next = self._next.result(), self._aside.submit(self._make)
        return name

    def drop(self, name: str) -> None:
        self._dropped.append(self._aside.submit(self._run, f"DROP DATABASE {name} WITH (FORCE)"))

    def close(self) -> None:
        self.drop(self._next.result())
        self._aside.shutdown()
        for dropped in self._dropped:
            dropped.result()

    def _make(self) -> str:
        name = f"qunying_{uuid.uuid4().hex[:12]}"
        self._run(f"CREATE DATABASE {name} TEMPLATE {self._template}")
        return name

    def _run(self, statement: str) -> None:
        with self._admin.connect() as connection:
            connection.execute(text(statement))


@pytest.fixture(scope="session")
def postgres_databases(postgres_admin: Engine, postgres_template: str) -> Iterator[Databases]:
    databases = Databases(postgres_admin, postgres_template)
    yield databases
    databases.close()


@pytest.fixture
def postgres_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty migrated PostgreSQL database of the test's own."""
    services.need("PostgreSQL", services.postgres_url())
    databases: Databases = request.getfixturevalue("postgres_databases")
    name = databases.take()
    yield _at(request.getfixturevalue("postgres_admin"), name)
    databases.drop(name)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store_url(request: pytest.FixtureRequest) -> str:
    """Each database in turn."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def engine(store_url: str) -> Iterator[Engine]:
    """An engine on each database in turn; afterwards the books must balance."""
    engine = open_engine(store_url, secret=b"of the tests")
    yield engine
    with reading(engine) as tx:
        faults = audit.faults(tx) + proof.chain_faults(tx) + all_differences(tx)
    engine.dispose()
    assert faults == []


@pytest.fixture
def stage(engine: Engine) -> Stage:
    """A group with people in it, for conversations."""
    return Stage(engine)


@pytest.fixture
def redis_url() -> str:
    return services.need("Redis", services.redis_url())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Write half letters that a test has logged as escapes: workers report in UTF-8."""
    report = yield
    report.sections = [
        (name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections
    ]
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say last what did not run, and why."""
    terminalreporter.section("what did not run")
    skipped = terminalreporter.stats.get("skipped", [])
    reasons: dict[str, int] = {}
    for report in skipped:
        reason = str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else "?"
        reasons[reason] = reasons.get(reason, 0) + 1
    for reason, count in sorted(reasons.items()):
        terminalreporter.line(f"{count} tests: {reason.removeprefix('Skipped: ')}")
    if not reasons:
        terminalreporter.line("nothing: everything ran")


def _at(admin: Engine, database: str) -> str:
    url = make_url(admin.url).set(database=database)
    return url.render_as_string(hide_password=False)
