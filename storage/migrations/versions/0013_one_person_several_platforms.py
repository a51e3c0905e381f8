"""Members who are bound to others: codes, how both stood before, and whose name they go by."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("member", sa.Column("merged_into", sa.BigInteger()))
    named_by = sa.Column("named_by", sa.String(length=100), server_default="", nullable=False)
    op.add_column("member", named_by)
    merged = sa.text("merged_into IS NOT NULL")
    op.create_index(
        "ix_member_merged",
        "member",
        ["programme_id", "merged_into"],
        unique=False,
        sqlite_where=merged,
        postgresql_where=merged,
    )
    op.create_index(
        op.f("ix_identity_programme_id_member_id"),
        "identity",
        ["programme_id", "member_id"],
        unique=False,
    )
    _bindings()
    _codes()


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), autoincrement=False, nullable=False)


def _member(table: str, column: str) -> sa.ForeignKeyConstraint:
    columns, goal = ["programme_id", column], ["member.programme_id", "member.id"]
    return sa.ForeignKeyConstraint(columns, goal, name=op.f(f"fk_{table}_member"))


def _bindings() -> None:
    op.create_table(
        "binding",
        _number("programme_id"),
        _number("id"),
        _number("survivor_id"),
        _number("bound_id"),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.Column("snapshot", sa.Text(), nullable=False),
        sa.Column("moved", sa.Text(), nullable=False),
        sa.Column("undone_id", sa.BigInteger(), nullable=True),
        sa.Column("undone_ms", sa.BigInteger(), nullable=True),
        sa.Column("moved_back", sa.Text(), server_default="[]", nullable=False),
        sa.PrimaryKeyConstraint("programme_id", "id", name=op.f("pk_binding")),
        sqlite_with_rowid=False,
    )
    for column in ("survivor_id", "bound_id"):
        op.create_index(
            op.f(f"ix_binding_programme_id_{column}"),
            "binding",
            ["programme_id", column],
            unique=False,
        )


def _codes() -> None:
    op.create_table(
        "link_code",
        _number("programme_id"),
        _number("member_id"),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("due_ms", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), server_default="open", nullable=False),
        _member("link_code", "member_id"),
        sa.PrimaryKeyConstraint("programme_id", "member_id", name=op.f("pk_link_code")),
        sa.UniqueConstraint("programme_id", "hash", name=op.f("uq_link_code_programme_id_hash")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_link_code_hash"), "link_code", ["hash"], unique=False)
    op.create_table(
        "link_try",
        _number("programme_id"),
        _number("member_id"),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        _member("link_try", "member_id"),
        sa.PrimaryKeyConstraint("programme_id", "member_id", name=op.f("pk_link_try")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Undo."""
    for table in ("link_try", "link_code", "binding"):
        op.drop_table(table)
    op.drop_index(op.f("ix_identity_programme_id_member_id"), table_name="identity")
    op.drop_index("ix_member_merged", table_name="member")
    op.drop_column("member", "named_by")
    op.drop_column("member", "merged_into")
