"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "account",
        sa.Column("programme_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("owner_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("wallet", sa.String(length=32), nullable=False),
        sa.Column("available", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("pending", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("held", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("debt", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("issued", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("redeemed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("expired", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("clawed_back", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("compensation", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("earned_day", sa.Date(), server_default="0001-01-01", nullable=False),
        sa.Column("day_earned", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("week_earned", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("month_earned", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("total_earned", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("checkin_day", sa.Date(), server_default="0001-01-01", nullable=False),
        sa.Column("streak", sa.Integer(), server_default="0", nullable=False),
        sa.Column("counts", sa.Text(), server_default="", nullable=False),
        sa.Column("next_expiry", sa.Date(), server_default="9999-12-31", nullable=False),
        sa.Column("last_posting", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("qualifying", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("qualifying_after", sa.Date(), server_default="0001-01-01", nullable=False),
        sa.Column("level", sa.String(length=24), server_default="", nullable=False),
        sa.Column("below_since", sa.Date(), server_default="9999-12-31", nullable=False),
        sa.Column("owed_since", sa.Date(), server_default="9999-12-31", nullable=False),
        sa.Column("earned_week", sa.Date(), server_default="0001-01-01", nullable=False),
        sa.Column("earned_month", sa.Date(), server_default="0001-01-01", nullable=False),
        sa.Column("seals", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("chain", sa.String(length=64), server_default="", nullable=False),
        sa.Column("shown", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint(
            "available >= 0 AND pending >= 0 AND held >= 0 AND debt <= 0",
            name=op.f("ck_account_buckets"),
        ),
        sa.PrimaryKeyConstraint("programme_id", "owner_id", "wallet", name=op.f("pk_account")),
        postgresql_with={"fillfactor": "70"},
        sqlite_with_rowid=False,
    )
    _partial_index("ix_account_hidden", "account", ["owner_id"], "wallet = 'points' AND shown = 0")
    _partial_index("ix_account_below", "account", ["below_since"], "below_since < '9999-12-31'")
    _partial_index("ix_account_owing", "account", ["owed_since"], "debt < 0")
    for window in ("day", "week", "month", "total"):
        _partial_index(
            f"ix_account_{window}_board",
            "account",
            [
                "shown",
                *([] if window == "total" else [f"earned_{window}"]),
                f"{window}_earned",
                "owner_id",
            ],
            "wallet = 'points' AND shown > 0",
        )
    op.create_table(
        "inbox",
        sa.Column("programme_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("programme_id", "key", name=op.f("pk_inbox")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("inbox", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_inbox_at_ms"), ["at_ms"], unique=False)

    op.create_table(
        "member",
        sa.Column("programme_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("board_wish", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("programme_id", "id", name=op.f("pk_member")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "outbox",
        sa.Column("programme_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("platform", sa.String(length=16), nullable=False),
        sa.Column("chat_id", sa.String(length=64), nullable=False),
        sa.Column("thread", sa.String(length=64), nullable=True),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("target", sa.String(length=100), nullable=True),
        sa.Column("person", sa.String(length=64), server_default="", nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), server_default="waiting", nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("programme_id", "id", name=op.f("pk_outbox")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "posting",
        sa.Column("programme_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("wallet", sa.String(length=32), nullable=False),
        sa.Column("from_owner", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("from_bucket", sa.String(length=16), nullable=False),
        sa.Column("to_owner", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("to_bucket", sa.String(length=16), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("asked", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.Column("rule", sa.String(length=64), nullable=False),
        sa.Column("rule_version", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("actor", sa.String(length=100), nullable=False),
        sa.Column("reverses", sa.BigInteger(), nullable=True),
        sa.Column("expires_day", sa.Date(), nullable=True),
        sa.Column("lots", sa.Text(), nullable=True),
        sa.Column("from_prev", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("to_prev", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("from_after", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("to_after", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("seal", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.CheckConstraint("amount > 0", name=op.f("ck_posting_amount")),
        sa.PrimaryKeyConstraint("programme_id", "id", name=op.f("pk_posting")),
        sa.UniqueConstraint("programme_id", "key", name=op.f("uq_posting_programme_id_key")),
        sqlite_with_rowid=False,
    )
    _partial_index("ix_posting_reverses", "posting", ["reverses"], "reverses IS NOT NULL")
    op.create_table(
        "programme",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("locale", sa.String(length=16), nullable=False),
        sa.Column("rules_version", sa.Integer(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_programme")),
        info={"reference": True},
    )
    op.create_table(
        "room_message",
        sa.Column("programme_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("chat_id", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("buttons", sa.Text(), server_default="[]", nullable=False),
        sa.Column("reply_to", sa.String(length=32), nullable=True),
        sa.Column("client", sa.String(length=64), nullable=True),
        sa.Column("edited", sa.Integer(), server_default="0", nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("programme_id", "id", name=op.f("pk_room_message")),
        sa.UniqueConstraint(
            "programme_id",
            "person",
            "client",
            name=op.f("uq_room_message_programme_id_person_client"),
        ),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("room_message", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_room_message_programme_id_chat_id_id"),
            ["programme_id", "chat_id", "id"],
            unique=False,
        )

    op.create_table(
        "rulebook",
        sa.Column("programme_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("author", sa.String(length=200), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("effective_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("programme_id", "version", name=op.f("pk_rulebook")),
    )
    op.create_table(
        "chat_group",
        sa.Column("programme_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("platform", sa.String(length=16), nullable=False),
        sa.Column("chat_id", sa.String(length=64), nullable=False),
        sa.Column("title", sa.String(length=255), nullable=False),
        sa.Column("state", sa.String(length=16), server_default="active", nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("moved_to", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(
            ["programme_id"],
            ["programme.id"],
            name=op.f("fk_chat_group_programme"),
            onupdate="CASCADE",
        ),
        sa.PrimaryKeyConstraint("programme_id", "id", name=op.f("pk_chat_group")),
        sa.UniqueConstraint("platform", "chat_id", name=op.f("uq_chat_group_platform_chat_id")),
        info={"reference": True},
    )
    op.create_table(
        "checkin",
        sa.Column("programme_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("member_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("made_up", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(
            ["programme_id", "member_id"],
            ["member.programme_id", "member.id"],
            name=op.f("fk_checkin_member"),
        ),
        sa.PrimaryKeyConstraint("programme_id", "member_id", "day", name=op.f("pk_checkin")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "identity",
        sa.Column("programme_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("platform", sa.String(length=16), nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("member_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["programme_id", "member_id"],
            ["member.programme_id", "member.id"],
            name=op.f("fk_identity_member"),
        ),
        sa.PrimaryKeyConstraint("programme_id", "platform", "user_id", name=op.f("pk_identity")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("identity", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_identity_platform_user_id"), ["platform", "user_id"], unique=False
        )

    op.create_table(
        "membership",
        sa.Column("programme_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("group_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("member_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("state", sa.String(length=16), server_default="active", nullable=False),
        sa.Column("joined_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["programme_id", "member_id"],
            ["member.programme_id", "member.id"],
            name=op.f("fk_membership_member"),
        ),
        sa.PrimaryKeyConstraint(
            "programme_id", "group_id", "member_id", name=op.f("pk_membership")
        ),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_membership_programme_id_member_id"), "membership", ["programme_id", "member_id"]
    )
    _what_points_go_through()
    _what_days_leave()
    _what_shops_tell()
    _compensation()
    _postings_are_written_once()
    _rulebooks_are_written_once()


def _partial_index(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(
        name,
        table,
        ["programme_id", *columns],
        sqlite_where=sa.text(where),
        postgresql_where=sa.text(where),
    )


def _what_points_go_through() -> None:
    """Make the tables of lots, holds, pending points and seals."""
    op.create_table(
        "lot",
        sa.Column("programme_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("owner_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("wallet", sa.String(length=32), nullable=False),
        sa.Column("expires_day", sa.Date(), nullable=False),
        sa.Column("remaining", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("remaining >= 0", name=op.f("ck_lot_remaining")),
        sa.PrimaryKeyConstraint(
            "programme_id", "owner_id", "wallet", "expires_day", name=op.f("pk_lot")
        ),
        sqlite_with_rowid=False,
    )
    _partial_index("ix_lot_expiry", "lot", ["expires_day"], "remaining > 0")
    op.create_table(
        "hold",
        sa.Column("programme_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("owner_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("wallet", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("amount", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("lots", sa.Text(), nullable=True),
        sa.Column("state", sa.String(length=16), server_default="open", nullable=False),
        sa.Column("ended_key", sa.String(length=200), nullable=True),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.Column("due_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("programme_id", "id", name=op.f("pk_hold")),
        sa.UniqueConstraint("programme_id", "key", name=op.f("uq_hold_programme_id_key")),
        sqlite_with_rowid=False,
    )
    _partial_index("ix_hold_due", "hold", ["due_ms"], "state = 'open'")
    op.create_table(
        "maturing",
        sa.Column("programme_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("owner_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("wallet", sa.String(length=32), nullable=False),
        sa.Column("remaining", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("due_day", sa.Date(), nullable=False),
        sa.Column("expires_day", sa.Date(), nullable=True),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.CheckConstraint("remaining >= 0", name=op.f("ck_maturing_remaining")),
        sa.PrimaryKeyConstraint("programme_id", "id", name=op.f("pk_maturing")),
        sqlite_with_rowid=False,
    )
    _partial_index("ix_maturing_due", "maturing", ["due_day"], "remaining > 0")
    op.create_table(
        "seal",
        sa.Column("programme_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("wallet", sa.String(length=32), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("postings", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("programme_id", "wallet", "number", name=op.f("pk_seal")),
        sa.UniqueConstraint(
            "programme_id", "id", "wallet", name=op.f("uq_seal_programme_id_id_wallet")
        ),
        sqlite_with_rowid=False,
    )


def _what_days_leave() -> None:
    """Make the tables of what was earned and spent, of awards that wait, and of daily work."""
    op.create_table(
        "earning",
        sa.Column("programme_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("wallet", sa.String(length=32), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("points", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint(
            "programme_id", "wallet", "day", "owner_id", "kind", name=op.f("pk_earning")
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "chore",
        sa.Column("programme_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=24), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("since", sa.Date(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("cursor", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("programme_id", "name", name=op.f("pk_chore")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "review",
        sa.Column("programme_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("owner_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("wallet", sa.String(length=32), nullable=False),
        sa.Column("amount", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("posting", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), server_default="waiting", nullable=False),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.Column("decided_ms", sa.BigInteger(), nullable=True),
        sa.Column("decided_by", sa.String(length=200), server_default="", nullable=False),
        sa.Column("posted", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("programme_id", "id", name=op.f("pk_review")),
        sa.UniqueConstraint("programme_id", "key", name=op.f("uq_review_programme_id_key")),
        sqlite_with_rowid=False,
    )
    _partial_index("ix_review_waiting", "review", ["id"], "state = 'waiting'")
    op.create_table(
        "spent",
        sa.Column("programme_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("fen", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("coins", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("posting", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("rule_version", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("programme_id", "month", "owner_id", name=op.f("pk_spent")),
        sqlite_with_rowid=False,
    )
    _partial_index("ix_spent_open", "spent", ["month", "owner_id"], "posting = 0")


def _what_shops_tell() -> None:
    """Make the tables of deeds and of the keys with which they come in."""
    op.create_table(
        "deed",
        sa.Column("programme_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("event", sa.String(length=40), nullable=False),
        sa.Column("order_no", sa.String(length=64), nullable=True),
        sa.Column("slot", sa.String(length=100), nullable=False),
        sa.Column("member_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("freight_fen", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("refunded_fen", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("refunded_freight_fen", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("spent_month", sa.Date(), nullable=True),
        sa.Column("parts", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "refunded_fen >= 0 AND refunded_freight_fen >= 0 AND"
            " refunded_freight_fen <= refunded_fen AND refunded_fen <= amount_fen",
            name=op.f("ck_deed_refunded"),
        ),
        sa.PrimaryKeyConstraint("programme_id", "key", name=op.f("pk_deed")),
        sa.UniqueConstraint(
            "programme_id",
            "order_no",
            "event",
            "slot",
            name=op.f("uq_deed_programme_id_order_no_event_slot"),
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "paid_once",
        sa.Column("programme_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("rule", sa.String(length=64), nullable=False),
        sa.Column("wallet", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint(
            "programme_id", "rule", "wallet", "subject", name=op.f("pk_paid_once")
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "api_key",
        sa.Column("programme_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("prefix", sa.String(length=16), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.String(length=200), nullable=False),
        sa.Column("signing_secret", sa.String(length=80), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("used_day", sa.Date(), nullable=True),
        sa.Column("until_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("programme_id", "id", name=op.f("pk_api_key")),
    )
    op.create_index(op.f("ix_api_key_prefix"), "api_key", ["prefix"], unique=False)


def _compensation() -> None:
    """Make the tables of compensation runs."""
    op.create_table(
        "compensation_run",
        sa.Column("programme_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("wallet", sa.String(length=32), nullable=False),
        sa.Column("percent_hundredths", sa.Integer(), nullable=True),
        sa.Column("points_each", sa.BigInteger(), nullable=True),
        sa.Column("most_each", sa.BigInteger(), nullable=True),
        sa.Column("author", sa.String(length=100), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("rules_version", sa.Integer(), nullable=False),
        sa.Column("value_fen", sa.Integer(), nullable=False),
        sa.Column("needs", sa.Integer(), nullable=False),
        sa.Column("members", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("points", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("state", sa.String(length=16), server_default="proposed", nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("programme_id", "id", name=op.f("pk_compensation_run")),
    )
    op.create_table(
        "compensation_line",
        sa.Column("programme_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("run_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("member_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("posting_id", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("points > 0", name=op.f("ck_compensation_line_points")),
        sa.ForeignKeyConstraint(
            ["programme_id", "run_id"],
            ["compensation_run.programme_id", "compensation_run.id"],
            name=op.f("fk_compensation_line_compensation_run"),
        ),
        sa.ForeignKeyConstraint(
            ["programme_id", "member_id"],
            ["member.programme_id", "member.id"],
            name=op.f("fk_compensation_line_member"),
        ),
        sa.PrimaryKeyConstraint(
            "programme_id", "run_id", "member_id", name=op.f("pk_compensation_line")
        ),
        sqlite_with_rowid=False,
    )
    _partial_index(
        "ix_compensation_line_unpaid",
        "compensation_line",
        ["run_id", "member_id"],
        "posting_id IS NULL",
    )
    op.create_table(
        "compensation_vote",
        sa.Column("programme_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("run_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("person", sa.String(length=100), nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["programme_id", "run_id"],
            ["compensation_run.programme_id", "compensation_run.id"],
            name=op.f("fk_compensation_vote_compensation_run"),
        ),
        sa.PrimaryKeyConstraint(
            "programme_id", "run_id", "person", "verdict", name=op.f("pk_compensation_vote")
        ),
        sqlite_with_rowid=False,
    )


def _postings_are_written_once() -> None:
    """Let the database itself refuse to change or remove a posting."""
    if op.get_bind().dialect.name == "sqlite":
        for what in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER posting_no_{what.lower()} BEFORE {what} ON posting"
                " BEGIN SELECT RAISE(ABORT, 'postings are written once'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION posting_is_written_once() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN RAISE EXCEPTION 'postings are written once'; END$$"
    )
    op.execute(
        "CREATE TRIGGER posting_written_once BEFORE UPDATE OR DELETE ON posting"
        " FOR EACH ROW EXECUTE FUNCTION posting_is_written_once()"
    )
    op.execute(
        "CREATE TRIGGER posting_not_emptied BEFORE TRUNCATE ON posting"
        " FOR EACH STATEMENT EXECUTE FUNCTION posting_is_written_once()"
    )


def _rulebooks_are_written_once() -> None:
    """Let the database itself refuse to change or remove a version of the rules."""
    if op.get_bind().dialect.name == "sqlite":
        for what in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER rulebook_no_{what.lower()} BEFORE {what} ON rulebook"
                " BEGIN SELECT RAISE(ABORT, 'rules are written once'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION rulebook_is_written_once() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN RAISE EXCEPTION 'rules are written once'; END$$"
    )
    op.execute(
        "CREATE TRIGGER rulebook_written_once BEFORE UPDATE OR DELETE ON rulebook"
        " FOR EACH ROW EXECUTE FUNCTION rulebook_is_written_once()"
    )
    op.execute(
        "CREATE TRIGGER rulebook_not_emptied BEFORE TRUNCATE ON rulebook"
        " FOR EACH STATEMENT EXECUTE FUNCTION rulebook_is_written_once()"
    )


def downgrade() -> None:
    """Undo."""
    for table in ("compensation_vote", "compensation_line", "compensation_run"):
        op.drop_table(table)
    for table in ("spent", "review", "chore", "earning"):
        op.drop_table(table)
    for table in ("api_key", "paid_once", "deed", "seal", "maturing", "hold", "lot"):
        op.drop_table(table)
    op.drop_table("membership")
    with op.batch_alter_table("identity", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_identity_platform_user_id"))

    op.drop_table("identity")
    op.drop_table("checkin")
    op.drop_table("chat_group")
    op.drop_table("rulebook")
    with op.batch_alter_table("room_message", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_room_message_programme_id_chat_id_id"))

    op.drop_table("room_message")
    op.drop_table("programme")
    op.drop_table("posting")
    op.drop_table("outbox")
    op.drop_table("member")
    with op.batch_alter_table("inbox", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_inbox_at_ms"))

    op.drop_table("inbox")
    op.drop_table("account")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION posting_is_written_once")
        op.execute("DROP FUNCTION rulebook_is_written_once")
