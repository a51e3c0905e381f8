"""Newcomers: who has come and is to be greeted, who has to show that he is a person, and raids."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply: whoever is a member by now counts as verified."""
    how = sa.Column("verified", sa.String(length=8), server_default="", nullable=False)
    op.add_column("member", how)
    since = sa.Column("verified_ms", sa.BigInteger(), server_default="0", nullable=False)
    op.add_column("member", since)
    op.create_table(
        "arrival",
        *_ids("programme_id", "group_id", "member_id"),
        *_numbers("at_ms"),
        sa.Column("source", sa.String(length=32), server_default="", nullable=False),
        *_numbers("back", "due_ms", "greeted_ms", "quiet_ms"),
        sa.ForeignKeyConstraint(
            ["programme_id", "member_id"],
            ["member.programme_id", "member.id"],
            name=op.f("fk_arrival_member"),
        ),
        sa.PrimaryKeyConstraint("programme_id", "group_id", "member_id", name=op.f("pk_arrival")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_arrival_programme_id_group_id_at_ms"),
        "arrival",
        ["programme_id", "group_id", "at_ms"],
        unique=False,
    )
    waits = sa.text("due_ms > 0")
    op.create_index(
        "ix_arrival_due",
        "arrival",
        ["programme_id", "due_ms"],
        unique=False,
        sqlite_where=waits,
        postgresql_where=waits,
    )
    op.create_table(
        "door",
        *_ids("programme_id", "group_id"),
        *_numbers("greeted_ms", "raid_since_ms", "raid_until_ms", "refused_ms"),
        sa.PrimaryKeyConstraint("programme_id", "group_id", name=op.f("pk_door")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "question",
        *_ids("programme_id"),
        sa.Column("platform", sa.String(length=16), nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=False),
        *_numbers("group_id"),
        sa.Column("token", sa.String(length=16), nullable=False),
        sa.Column("way", sa.String(length=8), nullable=False),
        *_numbers("right_n", "tries", "asked_ms", "wait_ms", "passed_ms"),
        sa.PrimaryKeyConstraint("programme_id", "platform", "user_id", name=op.f("pk_question")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_question_platform_user_id"), "question", ["platform", "user_id"], unique=False
    )
    op.create_index(
        op.f("ix_question_programme_id_group_id_asked_ms"),
        "question",
        ["programme_id", "group_id", "asked_ms"],
        unique=False,
    )


def _ids(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(n, sa.BigInteger(), autoincrement=False, nullable=False) for n in names]


def _numbers(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(n, sa.BigInteger(), server_default="0", nullable=False) for n in names]


def downgrade() -> None:
    """Undo."""
    op.drop_table("question")
    op.drop_table("door")
    op.drop_table("arrival")
    for name in ("verified_ms", "verified"):
        op.drop_column("member", name)
