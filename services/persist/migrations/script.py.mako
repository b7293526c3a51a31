"""${message}."""

from services.persist.migrations.script import run

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    """."""


def downgrade() -> None:
    """."""
