"""Privacy: who sees a member, what he agreed to, how old he is, and how he leaves."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_TABLES = ("tombstone", "download", "age", "consent")
_WHERE = {"erase": "erase_ms IS NOT NULL", "erased": "erased_ms IS NOT NULL"}


def _id(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), autoincrement=False, nullable=False)


def _moment(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def upgrade() -> None:
    """Apply."""
    visibility = sa.Column("visibility", sa.String(length=8), server_default="", nullable=False)
    op.add_column("member", visibility)
    for name, column in (("erase", "erase_ms"), ("erased", "id")):
        op.add_column("member", _moment(f"{name}_ms", nullable=True))
        where = sa.text(_WHERE[name])
        op.create_index(
            f"ix_member_{name}",
            "member",
            ["programme_id", column],
            sqlite_where=where,
            postgresql_where=where,
        )
    op.create_table(
        "consent",
        _id("programme_id"),
        _id("member_id"),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        _id("id"),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("given", sa.Integer(), nullable=False),
        _moment("at_ms"),
        sa.Column("identity", sa.String(length=100), nullable=False),
        _of_member("consent"),
        sa.PrimaryKeyConstraint("programme_id", "member_id", "purpose", "id", name="pk_consent"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "age",
        _id("programme_id"),
        _id("member_id"),
        _id("id"),
        sa.Column("band", sa.String(length=8), nullable=False),
        _moment("at_ms"),
        sa.Column("identity", sa.String(length=100), nullable=False),
        _of_member("age"),
        sa.PrimaryKeyConstraint("programme_id", "member_id", "id", name="pk_age"),
        sqlite_with_rowid=False,
    )
    _leaving()


def _of_member(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["programme_id", "member_id"],
        ["member.programme_id", "member.id"],
        name=op.f(f"fk_{table}_member"),
    )


def _leaving() -> None:
    op.create_table(
        "download",
        _id("programme_id"),
        _id("id"),
        sa.Column("platform", sa.String(length=16), nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("locale", sa.String(length=16), nullable=False),
        _moment("until_ms"),
        sa.Column("remaining", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("programme_id", "id", name="pk_download"),
        sa.UniqueConstraint(
            "programme_id",
            "platform",
            "user_id",
            name=op.f("uq_download_programme_id_platform_user_id"),
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "tombstone",
        _id("programme_id"),
        sa.Column("mark", sa.String(length=64), nullable=False),
        _moment("until_ms"),
        sa.PrimaryKeyConstraint("programme_id", "mark", name="pk_tombstone"),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_tombstone_until_ms"), "tombstone", ["until_ms"])


def downgrade() -> None:
    """Undo. Who has been erased stays erased."""
    for table in _TABLES:
        op.drop_table(table)
    for name in ("erased", "erase"):
        op.drop_index(f"ix_member_{name}", table_name="member")
        op.drop_column("member", f"{name}_ms")
    op.drop_column("member", "visibility")
