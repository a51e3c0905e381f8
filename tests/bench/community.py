"""Made-up communities: groups, members, a history that balances, and what Telegram would send."""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy.engine import make_url

from content import windows
from content.rulebook import shipped_document
from storage import tallies
from storage.programmes import MAIN

BOT = 1234567890
BOT_NAME = "qunying_bot"
ANSWER = 100
"""Updates in one answer of getUpdates: the most that Telegram gives."""
_FAMILY, _GIVEN = "赵钱孙李周吴郑王冯陈褚卫", "明华芳伟静丽强磊洋艳勇杰娟涛敏"
POINTS = 5
_TALLY = f"INSERT INTO tally ({tallies.KEY}, members) {tallies.COUNTED}"
Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Person:
    id: int
    user_id: int
    name: str
    group: int


@dataclass(frozen=True, slots=True)
class Community:
    """`chats` are the groups' platform ids; `people[n].group` is an index into them."""

    chats: list[int]
    people: list[Person]

    @classmethod
    def of(cls, groups: int, each: int, chats: list[int] | None = None) -> "Community":
        """Members of neighbouring numbers are in different groups, as they speak in real life."""
        people = [
            Person(1_000 + n, 5_000_000_000 + n, _name(n), n % groups) for n in range(groups * each)
        ]
        return cls(chats or [-1_001_000_000_000 - n for n in range(groups)], people)

    def title(self, group: int) -> str:
        return f"露营群{group}"


def _name(number: int) -> str:
    family = _FAMILY[number % len(_FAMILY)]
    return f"{family}{_GIVEN[number // 12 % 15]}{_GIVEN[number // 180 % 15]}{number}"


def tables(who: Community, days: list[date], *, absent: int = 1) -> Iterator[tuple[str, list[Row]]]:
    """Rows for a migrated database, table by table: everybody checked in on each of the days.

    Of `absent` members only the first has a history (1: all, 2: every second one).
    """
    at = _ms(days[0] if days else date(2026, 1, 1)) - 86_400_000
    yield "programme", [(MAIN, "Qunying", "Asia/Shanghai", "zh", 1, at)]
    yield "rulebook", [(MAIN, 1, shipped_document(), "shipped", "", at, at)]
    yield (
        "chat_group",
        [
            (MAIN, 10 + n, "telegram", str(chat), who.title(n), "active", at)
            for n, chat in enumerate(who.chats)
        ],
    )
    people = who.people
    yield "member", [(MAIN, p.id, p.name, at) for p in people]
    by_user = sorted(people, key=lambda p: str(p.user_id))
    yield "identity", [(MAIN, "telegram", str(p.user_id), p.id) for p in by_user]
    by_group = sorted(people, key=lambda p: (p.group, p.id))
    yield "membership", [(MAIN, 10 + p.group, p.id, "active", at) for p in by_group]
    active = [p for p in people if p.id % absent == 0]
    yield "account", _accounts(people, {p.id for p in active}, days)
    balances = dict.fromkeys((p.id for p in active), 0)
    for number, day in enumerate(days):
        yield "checkin", [(MAIN, p.id, day, _ms(day)) for p in active]
        yield "posting", [_posting(p, day, number, balances) for p in active]
        yield "earning", [(MAIN, "points", day, *_earned(p.id, number)) for p in active]


def _id(person: int, number: int) -> int:
    return (1_700_000_000_000 + number << 20) + person


def _posting(who: Person, day: date, number: int, balances: dict[int, int]) -> Row:
    amount = _amount(who.id, number)
    after = balances[who.id] = balances[who.id] + amount
    prev = _id(who.id, number - 1) if number else 0
    key = f"{day}/checkin/{who.id}"
    actor = f"telegram:{who.user_id}"
    where = ("points", 0, "issued", who.id, "available")
    what = (amount, amount, "checkin", "checkin", 1, "behaviour", actor, None, 0, prev, 0, after, 1)
    return (MAIN, _id(who.id, number), key, _ms(day), day, *where, *what)


def _earned(person: int, number: int) -> Row:
    return (person, "behaviour", _amount(person, number))


def _amount(person: int, number: int) -> int:
    return POINTS + (person * 7 + number * 3) % 11


def _accounts(people: list[Person], active: set[int], days: list[date]) -> list[Row]:
    rows, issued = [], 0
    nothing = (date.min, 0, 0, 0, 0, date.min, 0, 0, date.min, date.min, 0)
    for person in people:
        paid = len(days) if person.id in active else 0
        if not paid:
            rows.append((MAIN, person.id, "points", *(0,) * 9, *nothing))
            continue
        amounts = [(day, _amount(person.id, n)) for n, day in enumerate(days)]
        total = sum(amount for _, amount in amounts)
        issued += total
        last = days[-1]
        within = tuple(
            sum(amount for day, amount in amounts if day >= windows.start(window, last))
            for window in ("day", "week", "month")
        )
        history = (last, *within, total, last, paid, _id(person.id, paid - 1))
        history += (windows.start("week", last), windows.start("month", last), total)
        rows.append((MAIN, person.id, "points", total, *(0,) * 8, *history))
    own = (MAIN, 0, "points", *(0,) * 4, -issued, *(0,) * 4, *nothing)
    return [own, *rows]


COLUMNS = {
    "programme": "id, name, zone, locale, rules_version, created_ms",
    "rulebook": "programme_id, version, document, author, note, created_ms, effective_ms",
    "chat_group": "programme_id, id, platform, chat_id, title, state, created_ms",
    "member": "programme_id, id, name, created_ms",
    "identity": "programme_id, platform, user_id, member_id",
    "membership": "programme_id, group_id, member_id, state, joined_ms",
    "account": (
        "programme_id, owner_id, wallet, available, pending, held, debt, issued, redeemed, expired,"
        " clawed_back, compensation, earned_day, day_earned, week_earned, month_earned,"
        " total_earned, checkin_day, streak, last_posting, earned_week, earned_month,"
        " qualifying"
    ),
    "checkin": "programme_id, member_id, day, at_ms",
    "earning": "programme_id, wallet, day, owner_id, kind, points",
    "posting": (
        "programme_id, id, key, at_ms, day, wallet, from_owner, from_bucket, to_owner, to_bucket,"
        " amount, asked, reason, rule, rule_version, kind, actor, reverses, from_prev, to_prev,"
        " from_after, to_after, seal"
    ),
}


def fill(url: str, who: Community, days: list[date], *, absent: int = 1) -> None:
    """Write a community into a migrated, empty database, by the fastest way there is."""
    if url.startswith("sqlite"):
        _fill_sqlite(str(make_url(url).database), who, days, absent)
    else:
        _fill_postgres(url, who, days, absent)


def _fill_sqlite(path: str, who: Community, days: list[date], absent: int) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute("PRAGMA cache_size=-262144")
    connection.execute("BEGIN")
    for table, rows in tables(who, days, absent=absent):
        columns = COLUMNS[table]
        marks = ", ".join("?" * (columns.count(",") + 1))
        connection.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)
    connection.execute(_TALLY)
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def _fill_postgres(url: str, who: Community, days: list[date], absent: int) -> None:
    with psycopg.connect(plain(url)) as connection, connection.cursor() as cursor:
        for table, rows in tables(who, days, absent=absent):
            with cursor.copy(f"COPY {table} ({COLUMNS[table]}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        cursor.execute(_TALLY)
    with psycopg.connect(plain(url), autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def plain(url: str) -> str:
    """A SQLAlchemy URL as the driver reads it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def noon(day: date) -> datetime:
    """Noon in Shanghai."""
    return datetime(day.year, day.month, day.day, 4, tzinfo=UTC)


def _ms(day: date) -> int:
    return int(noon(day).timestamp() * 1000)


def update(who: Community, person: Person, number: int, at: datetime, text: str = "签到") -> Any:
    """An update as Telegram sends it for a message in a supergroup."""
    return {
        "update_id": 100_000_000 + number,
        "message": {
            "message_id": 10_000 + number,
            "from": {
                "id": person.user_id,
                "is_bot": False,
                "first_name": person.name,
                "username": f"user{person.user_id}",
                "language_code": "zh-hans",
            },
            "chat": {
                "id": who.chats[person.group],
                "title": who.title(person.group),
                "type": "supergroup",
            },
            "date": int(at.timestamp()),
            "text": text,
        },
    }


def answers(who: Community, day: date, start: int = 0) -> list[bytes]:
    """Everybody's check-in of a day, as answers of getUpdates (ASCII, as Telegram encodes)."""
    at = noon(day)
    raws = [update(who, person, start + n, at) for n, person in enumerate(who.people)]
    return [
        json.dumps({"ok": True, "result": raws[n : n + ANSWER]}, separators=(",", ":")).encode()
        for n in range(0, len(raws), ANSWER)
    ]


def days_from(first: date, count: int) -> list[date]:
    return [first + timedelta(days=n) for n in range(count)]


def copy_sqlite(template: Path, to: Path) -> str:
    """A fresh copy of a closed database; its write-ahead log is that of nobody."""
    for tail in ("-wal", "-shm"):
        Path(f"{to}{tail}").unlink(missing_ok=True)
    to.write_bytes(template.read_bytes())
    return f"sqlite:///{to}"
