"""Receipts stand under no programme: a group may have come to another between two deliveries."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.execute(
        "INSERT INTO inbox (programme_id, key, at_ms) SELECT 0, key, MIN(at_ms) FROM inbox"
        " WHERE programme_id <> 0 GROUP BY key ON CONFLICT DO NOTHING"
    )
    op.execute("DELETE FROM inbox WHERE programme_id <> 0")


def downgrade() -> None:
    """Leave them: which programme one stood under is not known any more."""
