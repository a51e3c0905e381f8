"""Messages by day, titles of the week and badges; what members have done before is counted."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_PAGE = 5_000
_DONE = {
    "checkin": "SELECT programme_id, member_id AS owner, COUNT(*) AS times FROM checkin"
    " WHERE programme_id = :programme AND member_id > :owner AND member_id <= :last"
    " GROUP BY programme_id, member_id",
    "gift": "SELECT programme_id, giver_id AS owner, COUNT(*) AS times FROM gift"
    " WHERE programme_id = :programme AND giver_id > :owner AND giver_id <= :last"
    " AND state = 'accepted' GROUP BY programme_id, giver_id",
}
_ORDERS = (
    "SELECT programme_id, member_id, COUNT(*) FROM deed WHERE event = 'order.completed'"
    " GROUP BY programme_id, member_id"
)


def _key(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), autoincrement=False, nullable=False)


def _member(table: str) -> sa.ForeignKeyConstraint:
    theirs = ["member.programme_id", "member.id"]
    return sa.ForeignKeyConstraint(
        ["programme_id", "member_id"], theirs, name=op.f(f"fk_{table}_member")
    )


def upgrade() -> None:
    """Apply, and count what everybody has done so far."""
    op.create_table(
        "talked",
        _key("programme_id"),
        sa.Column("day", sa.Date(), nullable=False),
        _key("member_id"),
        sa.Column("messages", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("programme_id", "day", "member_id", name=op.f("pk_talked")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "honour",
        _key("programme_id"),
        sa.Column("week", sa.Date(), nullable=False),
        sa.Column("title", sa.String(length=16), nullable=False),
        _key("member_id"),
        _member("honour"),
        sa.PrimaryKeyConstraint(
            "programme_id", "week", "title", "member_id", name=op.f("pk_honour")
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "badge",
        _key("programme_id"),
        _key("member_id"),
        sa.Column("badge", sa.String(length=24), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("name", sa.String(length=24), nullable=False),
        sa.Column("emoji", sa.String(length=16), nullable=False),
        _member("badge"),
        sa.PrimaryKeyConstraint("programme_id", "member_id", "badge", name=op.f("pk_badge")),
        sqlite_with_rowid=False,
    )
    wish = sa.Column("spend_wish", sa.Integer(), server_default="0", nullable=False)
    op.add_column("member", wish)
    tag = sa.Column("tag", sa.String(length=24), server_default="", nullable=False)
    op.add_column("membership", tag)
    willing = sa.text("spend_wish = 1")
    op.create_index(
        "ix_member_spend_wish",
        "member",
        ["programme_id", "id"],
        unique=False,
        sqlite_where=willing,
        postgresql_where=willing,
    )
    _count_everybody()


def _count_everybody() -> None:
    """Note in the accounts what their owners have done, a few thousand of them at a time."""
    here = op.get_bind()
    orders = {(p, owner): times for p, owner, times in here.execute(sa.text(_ORDERS))}
    page = sa.text(
        "SELECT programme_id, owner_id, counts FROM account WHERE wallet = 'points'"
        " AND programme_id = :programme AND owner_id > :owner ORDER BY owner_id"
        f" LIMIT {_PAGE}"
    )
    change = sa.text(
        "UPDATE account SET counts = :counts WHERE programme_id = :programme"
        " AND owner_id = :owner AND wallet = 'points'"
    )
    for programme in here.execute(sa.text("SELECT id FROM programme")).scalars().all():
        last = {"programme": programme, "owner": 0}
        while rows := here.execute(page, last).all():
            span = {**last, "last": rows[-1].owner_id}
            ever: dict[int, dict[str, int]] = {}
            for what, counted in _DONE.items():
                for _, owner, times in here.execute(sa.text(counted), span):
                    ever.setdefault(owner, {})[what] = times
            for row in rows:
                if times := orders.get((programme, row.owner_id)):
                    ever.setdefault(row.owner_id, {})["order"] = times
            changed = [
                {
                    "counts": json.dumps({**json.loads(row.counts or "{}"), "ever": mine}),
                    "programme": programme,
                    "owner": row.owner_id,
                }
                for row in rows
                if (mine := ever.get(row.owner_id))
            ]
            if changed:
                here.execute(change, changed)
            last["owner"] = rows[-1].owner_id


def downgrade() -> None:
    """Undo. What was counted stays in the accounts: nothing reads it there."""
    op.drop_index("ix_member_spend_wish", table_name="member")
    op.drop_column("member", "spend_wish")
    op.drop_column("membership", "tag")
    for table in ("badge", "honour", "talked"):
        op.drop_table(table)
