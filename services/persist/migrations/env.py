"""Alembic's entry: runs the steps on the connection that `migrate.py` hands over."""

from alembic import context

from services.chassis.crash_points import reach

context.configure(connection=context.config.attributes["connection"], transaction_per_migration=False)
with context.begin_transaction():
    context.run_migrations()
    reach("migration.stepped")
