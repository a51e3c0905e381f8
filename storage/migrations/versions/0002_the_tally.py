"""The tally: how many stand on each rung of a board."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_SHIFTS = 56
_BOARDS = (
    ("day", "earned_day", "day_earned"),
    ("week", "earned_week", "week_earned"),
    ("month", "earned_month", "month_earned"),
    ("all", "'0001-01-01'", "total_earned"),
)


def upgrade() -> None:
    """Apply, and count everybody who stands on a board."""
    op.create_table(
        "tally",
        sa.Column("programme_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("board", sa.String(length=8), nullable=False),
        sa.Column("first", sa.Date(), nullable=False),
        sa.Column("shown", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("rung", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("members", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint(
            "programme_id", "board", "first", "shown", "rung", name=op.f("pk_tally")
        ),
        postgresql_with={"fillfactor": "30"},
        sqlite_with_rowid=False,
    )
    if op.get_bind().dialect.name == "postgresql":  # nobody moves points while they are counted
        op.execute("LOCK TABLE account IN SHARE ROW EXCLUSIVE MODE")
    each = " UNION ALL ".join(
        f"SELECT programme_id, '{board}' AS board, {first} AS first, shown, {points} AS points,"
        f" {_shift(points)} AS shift FROM account"
        f" WHERE wallet = 'points' AND owner_id <> 0 AND shown > 0 AND {points} > 0"
        for board, first, points in _BOARDS
    )
    op.execute(
        "INSERT INTO tally (programme_id, board, first, shown, rung, members)"
        " SELECT programme_id, board, first, shown, (shift << 6) + (points >> shift), COUNT(*)"
        f" FROM ({each}) e GROUP BY programme_id, board, first, shown,"
        " (shift << 6) + (points >> shift)"
    )


def _shift(points: str) -> str:
    """By how many bits points are shortened: one for each beyond seven."""
    steps = " ".join(f"WHEN {points} < {128 << n} THEN {n}" for n in range(_SHIFTS))
    return f"CASE {steps} ELSE {_SHIFTS} END"


def downgrade() -> None:
    """Undo."""
    op.drop_table("tally")
