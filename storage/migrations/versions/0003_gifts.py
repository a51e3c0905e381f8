"""Gifts between members: what is offered, what came as one, and names that are looked for."""

import sqlalchemy as sa
from alembic import op

from content.names import person

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_PAGE = 5_000
_CALLED_MAX = 100


def upgrade() -> None:
    """Apply, and note how everybody is called."""
    for name in ("gifted", "gifted_spent"):
        column = sa.Column(name, sa.BigInteger(), server_default="0", nullable=False)
        op.add_column("account", column)
    called = sa.Column("called", sa.String(length=100), server_default="", nullable=False)
    op.add_column("member", called)
    _name_everybody()
    op.create_index(
        op.f("ix_member_programme_id_called"), "member", ["programme_id", "called"], unique=False
    )
    op.create_table(
        "gift",
        sa.Column("programme_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("giver_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("receiver_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("amount", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("note", sa.String(length=200), server_default="", nullable=False),
        sa.Column("state", sa.String(length=16), server_default="offered", nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.Column("due_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("amount > 0 AND giver_id <> receiver_id", name=op.f("ck_gift_amount")),
        sa.ForeignKeyConstraint(
            ["programme_id", "id"], ["hold.programme_id", "hold.id"], name=op.f("fk_gift_hold")
        ),
        sa.PrimaryKeyConstraint("programme_id", "id", name=op.f("pk_gift")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_gift_programme_id_giver_id_day"),
        "gift",
        ["programme_id", "giver_id", "day"],
        unique=False,
    )
    open_ = sa.text("state = 'offered'")
    op.create_index(
        "ix_gift_due",
        "gift",
        ["programme_id", "due_ms"],
        unique=False,
        sqlite_where=open_,
        postgresql_where=open_,
    )


def _name_everybody() -> None:
    """Fill in `called`, a few thousand members at a time."""
    here = op.get_bind()
    page = sa.text(
        "SELECT programme_id, id, name FROM member WHERE (programme_id, id) > (:programme, :id)"
        f" ORDER BY programme_id, id LIMIT {_PAGE}"
    )
    last = {"programme": -1, "id": 0}
    change = sa.text(
        "UPDATE member SET called = :called WHERE programme_id = :programme AND id = :id"
    )
    while rows := here.execute(page, last).all():
        called = [
            {"programme": programme, "id": id_, "called": person(name)[:_CALLED_MAX]}
            for programme, id_, name in rows
        ]
        here.execute(change, called)
        last = {"programme": rows[-1][0], "id": rows[-1][1]}


def downgrade() -> None:
    """Undo."""
    op.drop_table("gift")
    op.drop_index(op.f("ix_member_programme_id_called"), table_name="member")
    op.drop_column("member", "called")
    for name in ("gifted_spent", "gifted"):
        op.drop_column("account", name)
