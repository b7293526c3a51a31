"""Which database this is: the same for every replica on it, another one for a database that was made anew."""

from typing import Final

from services.persist.adapters.postgres.database import Pool

READ: Final = """
SELECT system_identifier || '.' || oid AS identity
FROM pg_control_system(), pg_database WHERE datname = current_database()
"""


async def identity(pool: Pool) -> str:
    """Read the identity: that of the cluster and of the database in it. Raises Refusal DEPENDENCY_DOWN."""
    row = await pool.fetch_row("read_identity", READ)
    assert row is not None, "a database that answers is among the databases"
    text: str = row["identity"]
    return text
