"""Credit of members: what was found, what it took, and what waits for it."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def _id(name: str = "id") -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), autoincrement=False, nullable=False)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), server_default="0", nullable=False)


def _of_member(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["programme_id", "member_id"],
        ["member.programme_id", "member.id"],
        name=op.f(f"fk_{table}_member"),
    )


def _some(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(
        name,
        table,
        columns,
        unique=False,
        sqlite_where=sa.text(where),
        postgresql_where=sa.text(where),
    )


def upgrade() -> None:
    """Apply."""
    for name in ("credit_lost", "watched"):
        op.add_column("account", _number(name))
    _some("ix_account_credit", "account", ["programme_id", "owner_id"], "credit_lost > 0")
    op.add_column("review", _number("finding"))
    _some("ix_review_finding", "review", ["programme_id", "finding"], "finding > 0")
    op.create_index(op.f("ix_gift_programme_id_day"), "gift", ["programme_id", "day"])
    _findings()
    op.create_table(
        "credit_entry",
        _id("programme_id"),
        _id(),
        _id("member_id"),
        _number("finding_id"),
        sa.Column("points", sa.Integer(), nullable=False),
        sa.Column("why", sa.String(length=24), nullable=False),
        sa.Column("by", sa.String(length=200), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        _of_member("credit_entry"),
        sa.PrimaryKeyConstraint("programme_id", "id", name=op.f("pk_credit_entry")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_credit_entry_programme_id_member_id"),
        "credit_entry",
        ["programme_id", "member_id"],
    )
    op.create_table(
        "habit",
        _id("programme_id"),
        sa.Column("what", sa.String(length=16), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        _id("member_id"),
        _number("times"),
        _of_member("habit"),
        sa.PrimaryKeyConstraint("programme_id", "what", "day", "member_id", name=op.f("pk_habit")),
        sqlite_with_rowid=False,
    )


def _findings() -> None:
    op.create_table(
        "finding",
        _id("programme_id"),
        _id(),
        _id("member_id"),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("state", sa.String(length=16), server_default="open", nullable=False),
        sa.Column("waits", sa.Integer(), server_default="1", nullable=False),
        _number("taken"),
        sa.Column("appeal", sa.String(length=200), server_default="", nullable=False),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.Column("decided_ms", sa.BigInteger(), nullable=True),
        sa.Column("decided_by", sa.String(length=200), server_default="", nullable=False),
        _of_member("finding"),
        sa.PrimaryKeyConstraint("programme_id", "id", name=op.f("pk_finding")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_finding_programme_id_member_id"), "finding", ["programme_id", "member_id"]
    )
    _some("ix_finding_waits", "finding", ["programme_id", "id"], "waits > 0")


def downgrade() -> None:
    """Undo."""
    for table in ("habit", "credit_entry", "finding"):
        op.drop_table(table)
    op.drop_index(op.f("ix_gift_programme_id_day"), table_name="gift")
    op.drop_index("ix_review_finding", table_name="review")
    op.drop_column("review", "finding")
    op.drop_index("ix_account_credit", table_name="account")
    for name in ("watched", "credit_lost"):
        op.drop_column("account", name)
