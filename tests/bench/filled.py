"""Large stores, filled by the database itself: millions of postings in a few statements.

Member n of M has the postings n, n + M, n + 2M …, one on each day before the measured one, always
of the same amount, so that balances, links and the windows of boards have closed forms. The books
balance. The chain does not know these postings: sealing them would take the product's own minutes,
and nothing here verifies the chain. Members have no identities: reads go by their number.
"""

import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from content import windows
from content.rulebook import shipped_document
from storage import tallies
from storage.db import open_engine
from storage.programmes import MAIN
from storage.schema import migrate
from tests import services
from tests.bench.awards import FIRST
from tests.bench.community import noon, plain

FIRST_MEMBER = 1_000
FIRST_ID = 1_700_000_000_000 << 20
DAY_MS = 86_400_000
AMOUNT = "(1 + (({n}) * 7919 + 13) % 997)"
"""What member n is given each time."""


def members_of(postings: int, *, least: int) -> int:
    """Ten postings a member, but not less than so many members."""
    return max(least, postings // 10)


@contextmanager
def empty_sqlite(folder: Path) -> Iterator[str]:
    file = folder / f"{uuid.uuid4().hex[:12]}.db"
    yield _migrated(f"sqlite:///{file}")
    for tail in ("", "-wal", "-shm"):
        Path(f"{file}{tail}").unlink(missing_ok=True)


@contextmanager
def empty_postgres() -> Iterator[str]:
    server = services.postgres_url()
    assert server is not None
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    name = f"qunying_bench_{uuid.uuid4().hex[:12]}"
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        yield _migrated(make_url(server).set(database=name).render_as_string(hide_password=False))
    finally:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        admin.dispose()


def _migrated(url: str) -> str:
    engine = open_engine(url)
    migrate(engine)
    engine.dispose()
    return url


def fill(url: str, members: int, postings: int) -> None:
    """Write so many members and postings into a migrated, empty database."""
    if url.startswith("sqlite"):
        _fill_sqlite(str(make_url(url).database), members, postings)
    else:
        _fill_postgres(url, members, postings)


def _fill_sqlite(file: str, members: int, postings: int) -> None:
    connection = sqlite3.connect(file, isolation_level=None)
    for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-524288"):
        connection.execute(f"PRAGMA {pragma}")
    for sql in _statements(_Sqlite, members, postings):
        connection.execute(sql, {"document": shipped_document()} if ":document" in sql else {})
    connection.execute("PRAGMA journal_mode=WAL")
    connection.close()


def _fill_postgres(url: str, members: int, postings: int) -> None:
    with psycopg.connect(plain(url), autocommit=True) as connection:
        for sql in _statements(_Postgres, members, postings):
            values = {"document": shipped_document()} if ":document" in sql else None
            connection.execute(sql.replace(":document", "%(document)s"), values)
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


class _Sqlite:
    """How SQLite says it."""

    @staticmethod
    def series(count: int) -> str:
        more = f"SELECT 0 WHERE {count} > 0 UNION ALL SELECT n + 1 FROM s WHERE n + 1 < {count}"
        return f"(WITH RECURSIVE s(n) AS ({more}) SELECT n FROM s) AS s"

    @staticmethod
    def day(number: str) -> str:
        return f"date('2000-01-01', ({number}) || ' days')"

    @staticmethod
    def padded(number: str) -> str:
        return f"printf('%09d', {number})"

    @staticmethod
    def week(day: str) -> str:
        return f"date({day}, 'weekday 0', '-6 days')"

    @staticmethod
    def month(day: str) -> str:
        return f"date({day}, 'start of month')"


class _Postgres:
    """How PostgreSQL says it."""

    @staticmethod
    def series(count: int) -> str:
        return f"generate_series(0::bigint, {count - 1}) AS s(n)"

    @staticmethod
    def day(number: str) -> str:
        return f"('2000-01-01'::date + ({number})::int)"

    @staticmethod
    def padded(number: str) -> str:
        return f"lpad(({number})::text, 9, '0')"

    @staticmethod
    def week(day: str) -> str:
        return f"date_trunc('week', {day})::date"

    @staticmethod
    def month(day: str) -> str:
        return f"date_trunc('month', {day})::date"


def _statements(way: Any, members: int, postings: int) -> Iterator[str]:
    rounds = -(-postings // members)
    zero = FIRST - timedelta(days=rounds)
    start = (zero - date(2000, 1, 1)).days
    at = int(noon(zero).timestamp() * 1000)
    yield f"INSERT INTO programme VALUES ({MAIN}, 'Qunying', 'Asia/Shanghai', 'zh', 1, {at})"
    yield (
        "INSERT INTO rulebook (programme_id, version, document, author, note, created_ms,"
        f" effective_ms) VALUES ({MAIN}, 1, :document, 'shipped', '', {at}, {at})"
    )
    yield (
        "INSERT INTO member (programme_id, id, name, created_ms)"
        f" SELECT {MAIN}, {FIRST_MEMBER} + n, 'm' || n, {at} FROM {way.series(members)}"
    )
    yield _accounts(way, members, postings, start, zero)
    yield f"INSERT INTO tally ({tallies.KEY}, members) {tallies.COUNTED}"
    amount = AMOUNT.format(n=f"n % {members}")
    turn = f"(n / {members})"
    day = way.day(f"{start} + {turn}")
    yield (
        "INSERT INTO posting (programme_id, id, key, at_ms, day, wallet, from_owner, from_bucket,"
        " to_owner, to_bucket, amount, asked, reason, rule, rule_version, kind, actor, from_prev,"
        " to_prev, from_after, to_after, seal)"
        f" SELECT {MAIN}, {FIRST_ID} + n, {day} || '/fill/' || {way.padded('n')},"
        f" {at} + {turn} * {DAY_MS}, {day}, 'points', 0, 'issued', {FIRST_MEMBER} + n % {members},"
        f" 'available', {amount}, {amount}, 'fill', 'fill', 1, 'behaviour', 'fill', 0,"
        f" CASE WHEN {turn} > 0 THEN {FIRST_ID} + n - {members} ELSE 0 END, 0,"
        f" {amount} * ({turn} + 1), 1 FROM {way.series(postings)}"
    )
    yield (
        "INSERT INTO earning (programme_id, wallet, day, owner_id, kind, points)"
        f" SELECT {MAIN}, 'points', {day}, {FIRST_MEMBER} + n % {members}, 'behaviour', {amount}"
        f" FROM {way.series(postings)}"
    )


def _accounts(way: Any, members: int, postings: int, start: int, zero: date) -> str:
    """Accounts of members who were given `times` times: one of two numbers that follow."""
    amount = AMOUNT.format(n="n")
    times = f"({postings // members} + CASE WHEN n < {postings % members} THEN 1 ELSE 0 END)"
    never = (date.min - date(2000, 1, 1)).days
    last = way.day(f"CASE WHEN {times} > 0 THEN {start} + {times} - 1 ELSE {never} END")
    columns = (
        "programme_id, owner_id, wallet, available, issued, earned_day, day_earned, week_earned,"
        " month_earned, total_earned, qualifying, last_posting, earned_week, earned_month"
    )
    windowed = ", ".join(
        f"{amount} * CASE {times} {_cases(postings // members, zero, window)} ELSE 0 END"
        for window in ("day", "week", "month")
    )
    last_id = f"{FIRST_ID} + ({times} - 1) * {members} + n"
    none = way.day(str(never))
    own = f"SELECT {MAIN}, 0, 'points', 0, -SUM({amount} * {times}), {none}"
    return (
        f"INSERT INTO account ({columns})"
        f" {own}, 0, 0, 0, 0, 0, 0, {none}, {none} FROM {way.series(members)}"
        f" UNION ALL SELECT {MAIN}, {FIRST_MEMBER} + n, 'points', {amount} * {times}, 0, {last},"
        f" {windowed}, {amount} * {times}, {amount} * {times},"
        f" CASE WHEN {times} > 0 THEN {last_id} ELSE 0 END, {way.week(last)}, {way.month(last)}"
        f" FROM {way.series(members)}"
    )


def _cases(least: int, zero: date, window: windows.Window) -> str:
    parts = []
    for times in (least, least + 1):
        if not times:
            continue
        last = zero + timedelta(days=times - 1)
        inside = min(times, (last - windows.start(window, last)).days + 1)
        parts.append(f"WHEN {times} THEN {inside}")
    return " ".join(parts)
