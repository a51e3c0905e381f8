"""The schema's version: look, and migrate. Alembic is loaded only when there is work for it."""

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from storage import planner

HEAD = "0014"
"""The newest migration (a test compares it with the files)."""

_HERE = Path(__file__).parent / "migrations"


class SchemaError(RuntimeError):
    """The database has a schema that this version does not know."""


def current(connection: Connection) -> str | None:
    """Return the database's schema version, None for an empty database."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    version: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return version


def migrate(engine: Engine) -> str | None:
    """Bring the database to HEAD and return the version it had before.

    Errors: SchemaError when a newer version of the product has been at work here.
    """
    with engine.begin() as connection:
        before = _upgrade(connection)
        if engine.dialect.name == "sqlite":
            planner.tell(connection)
    return before


def _upgrade(connection: Connection) -> str | None:
    before = current(connection)
    if before == HEAD:
        return before
    if before is not None and before > HEAD:
        raise SchemaError(f"the database has schema {before}, this version knows {HEAD}")
    from alembic import command  # noqa: PLC0415 - 0.1 s that a normal start saves
    from alembic.config import Config  # noqa: PLC0415 - the same

    config = Config()
    config.set_main_option("script_location", str(_HERE))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    return before
