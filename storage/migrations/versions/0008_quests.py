"""Quests: how far members are, what they do together, and what they have answered."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def _id(name: str) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger(), autoincrement=False, nullable=False)


def _of_member(table: str) -> sa.ForeignKeyConstraint:
    there = ["member.programme_id", "member.id"]
    return sa.ForeignKeyConstraint(
        ["programme_id", "member_id"], there, name=op.f(f"fk_{table}_member")
    )


def upgrade() -> None:
    """Apply."""
    heard = sa.Column("heard", sa.Text(), server_default="", nullable=False)
    op.add_column("rulebook", heard)
    op.create_table(
        "questing",
        _id("programme_id"),
        _id("member_id"),
        sa.Column("entries", sa.Text(), nullable=False),
        _of_member("questing"),
        sa.PrimaryKeyConstraint("programme_id", "member_id", name=op.f("pk_questing")),
        sqlite_with_rowid=False,
    )
    _goals()
    op.create_table(
        "survey_answer",
        _id("programme_id"),
        sa.Column("survey", sa.String(length=24), nullable=False),
        _id("member_id"),
        sa.Column("question", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("choice", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        _of_member("survey_answer"),
        sa.PrimaryKeyConstraint(
            "programme_id", "survey", "member_id", "question", name=op.f("pk_survey_answer")
        ),
        sqlite_with_rowid=False,
    )


def _goals() -> None:
    op.create_table(
        "quest_goal",
        _id("programme_id"),
        sa.Column("quest", sa.String(length=24), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("stage", sa.Integer(), server_default="0", nullable=False),
        sa.Column("state", sa.String(length=16), server_default="growing", nullable=False),
        sa.Column("cursor", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("programme_id", "quest", "last_day", name=op.f("pk_quest_goal")),
        sqlite_with_rowid=False,
    )
    open_ = sa.text("state IN ('growing', 'paying')")
    op.create_index(
        "ix_quest_goal_open",
        "quest_goal",
        ["programme_id"],
        unique=False,
        sqlite_where=open_,
        postgresql_where=open_,
    )
    op.create_table(
        "quest_help",
        _id("programme_id"),
        sa.Column("quest", sa.String(length=24), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        _id("member_id"),
        sa.Column("helps", sa.BigInteger(), server_default="0", nullable=False),
        _of_member("quest_help"),
        sa.PrimaryKeyConstraint(
            "programme_id", "quest", "last_day", "member_id", name=op.f("pk_quest_help")
        ),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Undo."""
    for table in ("survey_answer", "quest_help", "quest_goal", "questing"):
        op.drop_table(table)
    op.drop_column("rulebook", "heard")
