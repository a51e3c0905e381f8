"""SQLite's plans: what is asked all day names its rows, and reads no programme whole."""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import text

import storage
from storage.db import Sql, Tx, open_engine
from storage.schema import migrate

LARGE = {"account", "posting", "earning", "lot", "hold", "maturing", "member", "identity"}
LARGE |= {"membership", "checkin", "deed", "paid_once", "spent", "review", "seal", "inbox", "gift"}
LARGE |= {"questing", "quest_help", "survey_answer"}
LARGE |= {"referral", "invite_code", "invite_link", "invite_rung"}
COARSE = {"programme_id", "wallet", "platform", "shown", "state", "rule"}
"""What nearly all rows have in common."""
WHOLE = {"audit", "proof", "rebuilding", "export", "dryrun", "pages._ALL"}
"""What is meant to read everything: proofs, exports, and what somebody does by hand."""
WHOLE |= {"compensation._COUNT", "compensation._MOST", "compensation._KEEP", "programmes._ADOPT"}
WHOLE |= {"invite_reports._MEMBERS", "invite_reports._KNOWN"}
WHOLE |= {"reviews._COUNT", "reviews._COUNT_ALL", "reviews._WAITING"}
"""An index that holds nothing but what is asked for."""
WHOLE |= {"dayboards._EARLIEST", "quests._UNREMINDED"}
"""The first entry of an index."""
WHOLE |= {"doubles._ONCE_OF", "pairs._EARNED"}
"""The first entry of an index, and the next one as often as there are rules, or days."""
WHOLE |= {f"joining._{name}" for name in ("PENDING", "HELD", "WAITING", "RECEIVED", "SPENT")}
"""An index of what is open alone, for what a member does twice a month at most."""
WHOLE |= {"credit._LACKING", "dayboards._COUNT", "erasing._OPEN_GIFTS"}
"""An index of those alone who lack credit, want to stand there, or are open."""
WHOLE |= {"erasing._GONE", "reviews._OF", "uniting._COPIES", "uniting._MOVES"}
"""What is done once for a member who goes, or becomes one with another."""
LISTS = {"owners", "keys", "orders", "ids", "days", "pairs", "people"}
_STEP = re.compile(r"(?:SEARCH|SCAN) (\w+)(?: USING .*?\((.*)\))?")


def _statements(found: Any) -> Iterator[Sql]:
    if isinstance(found, Sql):
        yield found
    elif isinstance(found, dict | list | tuple):
        for each in found.values() if isinstance(found, dict) else found:
            yield from _statements(each)


def _all() -> Iterator[tuple[str, str]]:
    for module in pkgutil.iter_modules(storage.__path__):
        if module.ispkg or module.name in WHOLE:
            continue
        for name, value in vars(importlib.import_module(f"storage.{module.name}")).items():
            for sql in _statements(value):
                words = sql.sqlite.split()
                if (
                    "VALUES (" not in sql.sqlite
                    and words[0] not in {"BEGIN", "COMMIT", "LOCK"}
                    and "ANY(:" not in sql.sqlite
                ):
                    yield f"{module.name}.{name}", sql.sqlite


def _plan(tx: Tx, sql: str) -> list[str]:
    if "?" in sql:
        values: Any = [0] * sql.count("?")
    else:
        names = re.findall(r"(?<!:):(\w+)", sql)
        values = {name: "[]" if name in LISTS else 0 for name in names}
    driver: Any = tx.core.connection.driver_connection
    return [row[3] for row in driver.execute(f"EXPLAIN QUERY PLAN {sql}", values)]


def _reads_much(step: str, real: dict[str, str]) -> bool:
    """Whether a step goes through most of a large table, or through every value of a column."""
    met = _STEP.match(step)
    if met is None or real.get(met[1], met[1]) not in LARGE:
        return False
    return "ANY(" in step or {*re.findall(r"(\w+)[=<>]", met[2] or "")} <= COARSE


def test_no_statement_reads_a_whole_programme_to_find_some_rows(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'store.db'}")
    migrate(engine)
    engine.dispose()  # figures are read when a connection opens
    found = []
    with engine.connect() as connection, connection.begin():
        tx = Tx(connection)
        for name, sql in _all():
            if name in WHOLE:
                continue
            aliases = dict(re.findall(r"\b(\w+) (?:AS )?(\w)\b", sql))
            real = {alias: table for table, alias in aliases.items()}
            found += [f"{name}: {step}" for step in _plan(tx, sql) if _reads_much(step, real)]
    engine.dispose()
    assert found == []


def test_a_store_that_is_known_gets_its_figures_at_the_next_start(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'store.db'}")
    migrate(engine)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM sqlite_stat1"))
    migrate(engine)
    with engine.begin() as connection:
        figures = dict(
            connection.execute(
                text("SELECT idx, stat FROM sqlite_stat1 WHERE tbl = 'posting'")
            ).all()
        )
    engine.dispose()
    assert figures["posting"] == "1000000 1000000 1"


def test_without_figures_sqlite_reads_every_posting_to_look_for_some_keys(tmp_path: Path) -> None:
    """Why `storage.planner` is there."""
    engine = open_engine(f"sqlite:///{tmp_path / 'store.db'}")
    migrate(engine)
    asked = (
        "SELECT id, amount FROM posting WHERE programme_id = 1"
        " AND key IN (SELECT value FROM json_each('[]'))"
    )
    plans = []
    for figures in (True, False):
        if not figures:
            with engine.begin() as connection:
                connection.execute(text("DELETE FROM sqlite_stat1"))
        engine.dispose()  # figures are read when a connection opens
        with engine.connect() as connection, connection.begin():
            plans.append(_plan(Tx(connection), asked)[0])
    engine.dispose()
    assert "(programme_id=? AND key=?)" in plans[0]
    assert "(programme_id=? AND key=?)" not in plans[1]
