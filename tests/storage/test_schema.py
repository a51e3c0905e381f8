"""The schema: what migrations make is what the tables say, and what a store must refuse."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import CheckConstraint, Engine, Index, UniqueConstraint, inspect, text

from storage import audit, bindings, checkins, ledger, members, reviews, schema
from storage.db import DATABASE_ERRORS, open_engine
from storage.movement import Side
from storage.tables import MEMBER_BUCKETS, PROGRAMME_BUCKETS, metadata
from tests.storage.books import (
    NOW,
    day,
    end_gift,
    give,
    member,
    offer,
    posting,
    programme,
    transaction,
    undone,
)

MIGRATIONS = Path(schema.__file__).parent / "migrations"
BEFORE_BADGES = "0009"
GROWING = {name for name, table in metadata.tables.items() if not table.info.get("reference")}


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


def test_few_tables_are_marked_as_reference() -> None:
    assert set(metadata.tables) - GROWING == {"programme", "chat_group"}


@pytest.mark.parametrize("name", sorted(GROWING))
def test_every_key_of_a_growing_table_carries_the_programme(name: str) -> None:
    table = metadata.tables[name]
    keys = [tuple(column.name for column in table.primary_key)]
    keys += [tuple(c.name for c in key.columns) for key in _uniques(table.constraints)]
    keys += [tuple(c.name for c in index.columns) for index in _unique_indexes(table.indexes)]
    for key in keys:
        assert "programme_id" in key, key
    assert next(iter(table.primary_key)).name == "programme_id"
    for foreign in table.foreign_key_constraints:
        assert foreign.referred_table.info.get("reference") or "programme_id" in {
            column.name for column in foreign.columns
        }


def _uniques(constraints: object) -> Iterator[UniqueConstraint]:
    yield from (c for c in constraints if isinstance(c, UniqueConstraint))


def _unique_indexes(indexes: object) -> Iterator[Index]:
    yield from (index for index in indexes if index.unique)


def test_the_database_has_the_keys_that_the_tables_have(engine: Engine) -> None:
    found = inspect(engine)
    for name, table in metadata.tables.items():
        assert found.get_pk_constraint(name)["constrained_columns"] == [
            column.name for column in table.primary_key
        ]
        assert {tuple(key["column_names"]) for key in found.get_unique_constraints(name)} == {
            tuple(column.name for column in key.columns) for key in _uniques(table.constraints)
        }
        assert {tuple(key["constrained_columns"]) for key in found.get_foreign_keys(name)} == {
            tuple(foreign.column_keys) for foreign in table.foreign_key_constraints
        }
        assert {key["name"] for key in found.get_check_constraints(name)} == {
            check.name for check in table.constraints if isinstance(check, CheckConstraint)
        }


def test_head_is_the_newest_migration() -> None:
    scripts = ScriptDirectory.from_config(_config())
    assert scripts.get_heads() == [schema.HEAD]
    ids = [script.revision for script in scripts.walk_revisions()]
    assert ids == sorted(ids, reverse=True)  # versions are compared as text


def test_migrations_make_what_the_tables_say(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                # on SQLite alembic takes '' for another default than ''
                "compare_server_default": engine.dialect.name == "postgresql",
            },
        )
        assert compare_metadata(context, metadata) == []


def test_the_comparison_sees_a_column_that_is_missing(engine: Engine) -> None:
    with engine.connect() as connection:
        change = connection.begin()
        connection.execute(text("ALTER TABLE member ADD COLUMN shoe_size BIGINT"))
        context = MigrationContext.configure(connection)
        assert [diff[0] for diff in compare_metadata(context, metadata)] == ["remove_column"]
        change.rollback()


def test_a_database_goes_down_to_nothing_and_up_again(store_url: str) -> None:
    engine = open_engine(store_url)
    with engine.begin() as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    with engine.connect() as connection:
        assert set(inspect(connection).get_table_names()) == {"alembic_version"}
        assert schema.current(connection) is None
        if engine.dialect.name == "postgresql":
            left = "SELECT COUNT(*) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
            assert connection.scalar(text(f"{left} WHERE n.nspname = 'public'")) == 0
    assert schema.migrate(engine) is None
    assert schema.migrate(engine) == schema.HEAD
    assert set(inspect(engine).get_table_names()) == {"alembic_version", *metadata.tables}
    engine.dispose()


def test_an_older_store_gets_its_tally(engine: Engine) -> None:
    """Boards of before: members in several windows, hidden, willing and gone."""
    with transaction(engine) as tx:
        for camp in (programme(tx), programme(tx)):
            people = [member(tx, camp) for _ in range(12)]
            for number, person in enumerate(people[1:]):
                give(tx, camp, person, 1 + 37 * number**3, day=day(number % 5 * 8))
                give(tx, camp, person, 1, wallet="coin")
            members.wish(tx, camp, people[3], -1)
            members.wish(tx, camp, people[4], 1)
    rows = text("SELECT * FROM tally WHERE members <> 0 ORDER BY 1, 2, 3, 4, 5")
    with engine.begin() as connection:
        before = connection.execute(rows).all()
        config = _config()
        config.attributes["connection"] = connection
        command.downgrade(config, "0001")
        assert not inspect(connection).has_table("tally")
    assert schema.migrate(engine) == "0001"
    with engine.connect() as connection:
        assert connection.execute(rows).all() == before
    assert sum(row.members for row in before) == 2 * 10 * 4


def test_members_of_before_are_found_by_their_names(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        for name in ("🌲松果", "Ａｎｎ", "😀", "ﷺ" * 24):
            member(tx, camp, name)
        give(tx, camp, member(tx, camp), 5)
    rows = text("SELECT id, called FROM member ORDER BY id")
    with engine.begin() as connection:
        before = connection.execute(rows).all()
        config = _config()
        config.attributes["connection"] = connection
        command.downgrade(config, "0002")
        assert not inspect(connection).has_table("gift")
    assert schema.migrate(engine) == "0002"
    with engine.connect() as connection:
        assert connection.execute(rows).all() == before
    assert [row.called for row in before[:3]] == ["松果", "ann", ""]


def test_receipts_of_before_are_still_known(engine: Engine) -> None:
    """Under programmes, and one under two of them."""
    before = {(0, "tg1:1"): 5, (7, "tg1:2"): 6, (7, "tg1:3"): 9, (8, "tg1:3"): 8, (8, "tg1:1"): 7}
    with engine.begin() as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.downgrade(config, "0004")
        for (camp, key), at in before.items():
            values = {"camp": camp, "key": key, "at": at}
            connection.execute(text("INSERT INTO inbox VALUES (:camp, :key, :at)"), values)
        config = _config()
        config.attributes["connection"] = connection
        command.downgrade(config, "0004")
    assert schema.migrate(engine) == "0004"
    with engine.connect() as connection:
        receipts = connection.execute(text("SELECT * FROM inbox ORDER BY key")).all()
    assert receipts == [(0, "tg1:1", 5), (0, "tg1:2", 6), (0, "tg1:3", 8)]


def test_rules_of_before_have_no_quests_to_hear_of(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
    rows = text("SELECT programme_id, version, document, heard FROM rulebook")
    with engine.begin() as connection:
        before = connection.execute(rows).all()
        config = _config()
        config.attributes["connection"] = connection
        command.downgrade(config, "0006")
        assert not inspect(connection).has_table("questing")
    assert schema.migrate(engine) == "0006"
    with engine.connect() as connection:
        assert connection.execute(rows).all() == before
    assert [(row.programme_id, row.heard) for row in before] == [(camp, "")]


def test_members_of_before_count_as_verified(engine: Engine) -> None:
    who = members.Who("telegram", "1", "小明")
    with transaction(engine) as tx:
        members.enrol(tx, programme(tx), who, NOW, verified=members.OPEN)
    with engine.begin() as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.downgrade(config, "0007")
        assert not inspect(connection).has_table("arrival")
    assert schema.migrate(engine) == "0007"
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT verified, verified_ms FROM member")).all()
    assert rows == [("", 0)]


def test_what_members_did_before_there_were_badges_counts(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        ming, hong, new = (member(tx, camp) for _ in range(3))
        for number in range(3):
            checkins.add(tx, camp, ming, day(number), NOW)
        checkins.repair(tx, camp, hong, day(0), day(1), NOW)
        give(tx, camp, ming, 50)
        for state in ("accepted", "declined"):
            end_gift(tx, camp, offer(tx, camp, ming, hong, 5), state)
    bought = (
        "INSERT INTO deed (programme_id, key, event, order_no, slot, member_id, amount_fen, at_ms,"
        " fingerprint, parts) VALUES (:camp, :key, :event, :key, '', :who, 1, 0, '', '[]')"
    )
    with engine.begin() as connection:
        for key, event in (("1", "order.completed"), ("2", "order.completed"), ("3", "custom.x")):
            values = {"camp": camp, "key": key, "event": event, "who": hong}
            connection.execute(text(bought), values)
        config = _config()
        config.attributes["connection"] = connection
        command.downgrade(config, BEFORE_BADGES)
        assert not inspect(connection).has_table("badge")
        connection.execute(text("UPDATE account SET counts = '' WHERE owner_id <> :o"), {"o": hong})
    assert schema.migrate(engine) == BEFORE_BADGES
    with transaction(engine) as tx:
        ever = [ledger.account(tx, camp, who).counts.ever for who in (ming, hong, new)]
    assert ever == [{"checkin": 3, "gift": 1}, {"checkin": 1, "order": 2}, {}]


def test_members_of_before_are_bound_to_nobody(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        one, other = member(tx, camp), member(tx, camp)
        give(tx, camp, one, 5)
    with engine.begin() as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.downgrade(config, "0005")
        assert not inspect(connection).has_table("binding")
    assert schema.migrate(engine) == "0005"
    with transaction(engine) as tx:
        assert members.known(tx, camp, [one, other]) == {one: one, other: other}
        assert bindings.last(tx, camp, one) is None
        assert audit.faults(tx) == []


def test_reviews_of_before_are_over_the_budget_alone(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        award = posting(camp, Side(member(tx, camp), "available"), 5)
        number = reviews.queue(tx, award, NOW)
    with engine.begin() as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.downgrade(config, "0013")
        for name in ("referral", "invite_code", "invite_link", "invite_rung"):
            assert not inspect(connection).has_table(name)
    assert schema.migrate(engine) == "0013"
    with transaction(engine) as tx:
        known = reviews.get(tx, camp, number)
    assert known is not None
    assert (known.amount, known.why) == (5, "")


def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/deep/folder/new.db")
    with engine.connect() as connection:
        assert schema.current(connection) is None
    assert schema.migrate(engine) is None
    with engine.connect() as connection:
        assert schema.current(connection) == schema.HEAD
    engine.dispose()


def test_a_newer_schema_is_refused_and_left_alone(store_url: str) -> None:
    engine, version = open_engine(store_url), "9999"
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE alembic_version SET version_num = '{version}'"))
    with pytest.raises(schema.SchemaError, match=f"{version}.*{schema.HEAD}"):
        schema.migrate(engine)
    with engine.connect() as connection:
        assert schema.current(connection) == version
    engine.dispose()


def test_another_database_is_not_supported() -> None:
    with pytest.raises(ValueError, match=r"mysql is not supported: use sqlite"):
        open_engine("mysql://localhost/x")


def test_postings_are_neither_changed_nor_removed(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        give(tx, camp, member(tx, camp), 5)
    for change in (
        "UPDATE posting SET amount = amount + 1",
        "UPDATE posting SET reason = reason",
        "UPDATE posting SET to_after = 0",
        "DELETE FROM posting",
        "DELETE FROM posting WHERE amount = 5",
    ):
        with undone(engine) as tx, pytest.raises(DATABASE_ERRORS, match="written once"):
            tx.core.execute(text(change))


def test_postings_are_not_removed_by_a_back_door(engine: Engine) -> None:
    back_door = (
        "INSERT OR REPLACE INTO posting SELECT * FROM posting"
        if engine.dialect.name == "sqlite"
        else "TRUNCATE posting"
    )
    with transaction(engine) as tx:
        camp = programme(tx)
        give(tx, camp, member(tx, camp), 5)
    with undone(engine) as tx, pytest.raises(DATABASE_ERRORS, match="written once"):
        tx.core.execute(text(back_door))


def test_the_database_itself_refuses_nonsense(engine: Engine) -> None:
    with transaction(engine) as tx:
        camp = programme(tx)
        give(tx, camp, member(tx, camp), 5)
    for change in (
        "UPDATE account SET available = -1 WHERE owner_id <> 0",
        "UPDATE account SET held = -1 WHERE owner_id <> 0",
        "UPDATE account SET debt = 1 WHERE owner_id <> 0",
        "INSERT INTO membership (programme_id, group_id, member_id, joined_ms) VALUES (1, 1, 1, 0)",
        "INSERT INTO identity (programme_id, platform, user_id, member_id) VALUES (1, 'x', 'y', 9)",
        (
            "INSERT INTO rulebook (programme_id, version, document, author, note, created_ms,"
            " effective_ms) VALUES (1, 1, NULL, 'x', '', 0, 0)"
        ),
    ):
        with undone(engine) as tx, pytest.raises(DATABASE_ERRORS):
            tx.core.execute(text(change))


def test_an_account_has_every_bucket() -> None:
    columns = set(metadata.tables["account"].columns.keys())
    assert set(MEMBER_BUCKETS + PROGRAMME_BUCKETS) <= columns
    assert not set(MEMBER_BUCKETS) & set(PROGRAMME_BUCKETS)
