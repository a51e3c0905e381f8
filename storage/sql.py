"""Statements of the hot path, written once for both databases."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

_NAME = re.compile(r"(?<!:):(\w+)")


class Sql:
    """A statement with `:name` placeholders, or SQLite's `?` for what is written from tuples.

    It goes to the database as it stands: through SQLAlchemy Core the same statements take five to
    ten times as long (docs/decisions/0003). Everything else uses Core and the tables.
    """

    __slots__ = ("names", "postgres", "sqlite", "wired")

    def __init__(self, text: str, *, postgres: str | None = None) -> None:
        """Take SQL that both databases understand, or one text for each."""
        self.sqlite = text
        text = postgres if postgres is not None else text
        self.names = tuple(dict.fromkeys(_NAME.findall(text)))
        """The names of the values, in the order of their numbers."""
        self.wired = _NAME.sub(lambda met: f"${self.names.index(met[1]) + 1}", text).encode()
        """What libpq is given."""
        by_place = "%s" in text  # then it is the driver's form already
        self.postgres = text if by_place else _NAME.sub(r"%(\1)s", text.replace("%", "%%"))
        """What the driver is given."""


class Insert:
    """New rows of a table, written from tuples."""

    __slots__ = ("columns", "sqlite", "table", "wired")

    def __init__(self, table: str, columns: Sequence[str]) -> None:
        """Name the table, and the columns in the order of the tuples."""
        self.table, self.columns = table, columns
        into = f"INSERT INTO {table} ({', '.join(columns)}) VALUES"
        self.sqlite = f"{into} ({', '.join('?' for _ in columns)})"
        self.wired = f"{into} ({', '.join(f'${n + 1}' for n in range(len(columns)))})".encode()


Wired = Sql | Insert


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
