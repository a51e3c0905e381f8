"""Messages of the chat room may show a picture."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("room_message", sa.Column("picture", sa.Text()))


def downgrade() -> None:
    """Undo."""
    op.drop_column("room_message", "picture")
