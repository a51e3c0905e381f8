"""Statements of the hot path, written once for both databases."""

import re
from collections.abc import Iterable, Sequence
from typing import Any


class Sql:
    """A statement with `:name` placeholders, or SQLite's `?` for what is written from tuples.

    It goes to the driver as it stands: through SQLAlchemy Core the same statements take five to
    ten times as long (docs/decisions/0003). Everything else uses Core and the tables.
    """

    __slots__ = ("postgres", "sqlite")

    def __init__(self, text: str, *, postgres: str | None = None) -> None:
        """Take SQL that both databases understand, or one text for each."""
        self.sqlite = text
        text = postgres if postgres is not None else text
        by_place = "%s" in text  # then it is the driver's form already
        named = re.sub(r"(?<!:):(\w+)", r"%(\1)s", text.replace("%", "%%"))
        self.postgres = text if by_place else named


class Insert:
    """New rows of a table, written from tuples: one statement for many on both databases."""

    __slots__ = ("columns", "sqlite", "table")

    def __init__(self, table: str, columns: Sequence[str]) -> None:
        """Name the table, and the columns in the order of the tuples."""
        self.table, self.columns = table, columns
        places = ", ".join("?" * len(columns))
        self.sqlite = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})"


def array(values: Iterable[object]) -> str:
    """Return numbers or dates as the text of a PostgreSQL array: a tenth of the driver's time."""
    return f"{{{','.join(map(str, values))}}}"


def arrays(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> dict[str, str]:
    """Return rows, one at least, as a PostgreSQL array for each column. No value is NULL."""
    columns = zip(names, zip(*rows, strict=True), strict=True)
    return {n: _texts(c) if isinstance(c[0], str) else array(c) for n, c in columns}


def _texts(values: Iterable[str]) -> str:
    quoted = [value.replace("\\", "\\\\").replace('"', '\\"') for value in values]
    return '{"' + '","'.join(quoted) + '"}'
