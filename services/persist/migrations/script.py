"""Running a whole script of SQL as one step."""

from typing import Any

from alembic import op


def run(sql: str) -> None:
    """Run statements separated by semicolons in the migration's transaction.

    SQLAlchemy prepares what it executes, and PostgreSQL prepares single statements only; the driver itself takes them
    all at once.
    """

    async def execute(driver: Any) -> None:
        await driver.execute(sql)

    op.get_bind().connection.dbapi_connection.run_async(execute)  # type: ignore[union-attr] # asyncpg's adapter has it
