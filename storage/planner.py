"""What SQLite's planner is told of the tables: they are large, and one programme has most rows.

Without figures it takes `programme_id = ?` for a question that ten rows answer, and then prefers
reading a whole programme to a key or an index that names the one row. `ANALYZE` would count, but
at the wrong moment: when a store is new. PostgreSQL keeps figures of its own.
"""

from collections.abc import Iterator
from math import prod

from sqlalchemy import Connection, inspect, text

ROWS = 1_000_000
FEW_ROWS = 100
_SMALL = {"programme", "chat_group", "rulebook", "chore", "api_key", "alembic_version"}
_MANY = 1_000
_VALUES = {"programme_id": 1, "wallet": 2, "platform": 2, "shown": 3, "state": 3} | dict.fromkeys(
    ("id", "key", "owner_id", "member_id", "user_id"), ROWS // 2
)
"""How many different values a column has; the others have `_MANY`."""


def tell(connection: Connection) -> None:
    """Write the figures where they are not written yet; other connections read them on opening."""
    tables = inspect(connection).get_table_names()
    wanted = {row for table in tables for row in _figures(connection, table)}
    connection.execute(text("ANALYZE sqlite_master"))  # makes the table, and counts nothing
    known = connection.execute(text("SELECT tbl, idx, stat FROM sqlite_stat1")).all()
    if {tuple(row) for row in known} == wanted:
        return
    connection.execute(text("DELETE FROM sqlite_stat1"))
    for table, index, figures in sorted(wanted):
        connection.execute(
            text("INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (:table, :index, :figures)"),
            {"table": table, "index": index, "figures": figures},
        )
    connection.execute(text("ANALYZE sqlite_master"))  # this connection reads them, too


def _figures(connection: Connection, table: str) -> Iterator[tuple[str, str, str]]:
    """Yield table, index and figures for each index, the primary key among them."""
    found = connection.execute(text(f"PRAGMA index_list('{table}')")).all()
    for _, index, unique, origin, partial in found:
        names = connection.execute(text(f"PRAGMA index_info('{index}')")).all()
        columns = [name for _, _, name in names]
        size = FEW_ROWS if table in _SMALL else ROWS // 10 if partial else ROWS
        places = range(1, len(columns) + 1)
        each = [max(1, size // prod(_VALUES.get(n, _MANY) for n in columns[:k])) for k in places]
        if unique:
            each[-1] = 1
        stat = " ".join(map(str, [size, *each]))
        yield table, index, stat
        if origin == "pk":  # so a table without rowid calls its own
            yield table, table, stat
