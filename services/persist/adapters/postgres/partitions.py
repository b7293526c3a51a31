"""Partitions, made before anything needs them. What they are and how they are made stands with step 0003."""

from typing import Final

from services.persist.adapters.postgres.database import Connection, Pool

MAKE: Final = "SELECT make_partitions($1)"

MAKE_AHEAD: Final = "SELECT make_partitions(coalesce(max(round_id), 0) + 1) FROM rounds"


async def ensure_partitions(connection: Connection, round_id: int) -> None:
    """Make what is missing for a round that is being opened, in the transaction that opens it."""
    await connection.fetchval(MAKE, round_id)


class PostgresPartitions:
    """The partitions of today, tomorrow and the next round."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def make(self) -> int:
        """Make what is missing and tell how many that were. Raises Refusal DEPENDENCY_DOWN."""

        async def work(connection: Connection) -> int:
            made: int = await connection.fetchval(MAKE_AHEAD)
            return made

        return await self._pool.transact("make_partitions", work)
