"""Invitations: codes, links, who came by whom, and the rungs of the ladder."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def _key(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), autoincrement=False, nullable=False)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), server_default="0", nullable=False)


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), server_default="0", nullable=False)


def _text(name: str, length: int) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), server_default="", nullable=False)


def _instant(name: str, *, known: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=not known)


def _where(name: str, table: str, column: str, where: str) -> None:
    only = sa.text(where)
    op.create_index(name, table, ["programme_id", column], sqlite_where=only, postgresql_where=only)


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "invite_code",
        _key("programme_id"),
        sa.Column("code", sa.String(16), nullable=False),
        _key("member_id"),
        _text("name", 64),
        _number("clicks"),
        _instant("made_ms", known=True),
        sa.Column("told_day", sa.Date(), server_default="0001-01-01", nullable=False),
        _count("told"),
        sa.PrimaryKeyConstraint("programme_id", "code", name="pk_invite_code"),
        sa.UniqueConstraint(
            "programme_id", "member_id", "name", name="uq_invite_code_programme_id_member_id_name"
        ),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_invite_code_code", "invite_code", ["code"])
    op.create_table(
        "invite_link",
        _key("programme_id"),
        sa.Column("code", sa.String(16), nullable=False),
        _key("group_id"),
        _text("url", 255),
        sa.Column("state", sa.String(16), server_default="asked", nullable=False),
        _instant("asked_ms", known=True),
        sa.PrimaryKeyConstraint("programme_id", "code", "group_id", name="pk_invite_link"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_invite_link_programme_id_url", "invite_link", ["programme_id", "url"])
    _referral()
    op.create_table(
        "invite_rung",
        _key("programme_id"),
        _key("member_id"),
        sa.Column("n", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("reward", sa.String(24), nullable=False),
        _text("name", 64),
        sa.Column("state", sa.String(16), nullable=False),
        _count("turn"),
        _number("posting"),
        _instant("reached_ms", known=True),
        _instant("ended_ms"),
        _text("ended_by", 100),
        _count("below"),
        sa.PrimaryKeyConstraint("programme_id", "member_id", "n", name="pk_invite_rung"),
        sqlite_with_rowid=False,
    )
    _where("ix_invite_rung_open", "invite_rung", "reached_ms", "state = 'open'")
    op.add_column("review", _text("why", 100))


def _referral() -> None:
    op.create_table(
        "referral",
        _key("programme_id"),
        _key("id"),
        sa.Column("platform", sa.String(16), nullable=False),
        sa.Column("user_id", sa.String(64), nullable=False),
        _key("member_id"),
        _key("inviter_id"),
        _text("code", 16),
        sa.Column("way", sa.String(8), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        _text("reason", 64),
        _text("campaign", 24),
        _number("inviter_points"),
        _number("invitee_points"),
        _instant("clicked_ms", known=True),
        *(_instant(name) for name in ("joined_ms", "stay_ms", "left_ms")),
        _count("rejoined"),
        _instant("activated_ms"),
        _text("activation", 80),
        _instant("due_ms"),
        sa.Column("queued_day", sa.Date()),
        sa.Column("rewarded_day", sa.Date()),
        _instant("rewarded_ms"),
        *(_number(f"{who}_posting") for who in ("inviter", "invitee")),
        *(_number(f"{who}_review") for who in ("inviter", "invitee")),
        _text("news", 16),
        _instant("news_ms"),
        sa.PrimaryKeyConstraint("programme_id", "id", name="pk_referral"),
        sa.UniqueConstraint(
            "programme_id", "platform", "user_id", name="uq_referral_programme_id_platform_user_id"
        ),
        sqlite_with_rowid=False,
    )
    for columns in (
        ("member_id",),
        ("inviter_id", "joined_ms"),
        ("inviter_id", "rewarded_day"),
        ("rewarded_day",),
    ):
        name = "_".join(("ix_referral_programme_id", *columns))
        op.create_index(name, "referral", ["programme_id", *columns])
    _where("ix_referral_due", "referral", "due_ms", "due_ms IS NOT NULL")
    _where("ix_referral_news", "referral", "news_ms", "news_ms IS NOT NULL")
    _where("ix_referral_review", "referral", "id", "state = 'review'")


def downgrade() -> None:
    """Take back."""
    op.drop_column("review", "why")
    for name in ("invite_rung", "referral", "invite_link", "invite_code"):
        op.drop_table(name)
