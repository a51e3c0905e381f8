"""Photos that members show, and who approves of them."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "photo",
        sa.Column("programme_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("member_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("state", sa.String(length=16), server_default="shown", nullable=False),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.Column("ended_by", sa.String(length=100), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["programme_id", "member_id"],
            ["member.programme_id", "member.id"],
            name=op.f("fk_photo_member"),
        ),
        sa.PrimaryKeyConstraint("programme_id", "id", name=op.f("pk_photo")),
        sa.UniqueConstraint(
            "programme_id", "member_id", "day", name=op.f("uq_photo_programme_id_member_id_day")
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "photo_like",
        sa.Column("programme_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("photo_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("member_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["programme_id", "member_id"],
            ["member.programme_id", "member.id"],
            name=op.f("fk_photo_like_member"),
        ),
        sa.ForeignKeyConstraint(
            ["programme_id", "photo_id"],
            ["photo.programme_id", "photo.id"],
            name=op.f("fk_photo_like_photo"),
        ),
        sa.PrimaryKeyConstraint(
            "programme_id", "photo_id", "member_id", name=op.f("pk_photo_like")
        ),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("photo_like")
    op.drop_table("photo")
