"""Partitions, made before anything needs them. What they are and how they are made stands with step 0003."""

from typing import Final

import structlog

from services.persist.adapters.postgres.database import Connection, Pool

ROUNDS_IN_PARTITION: Final = 10_000
"""How many rounds share a partition, as step 0003 makes them."""

MAKE_FOR_ROUND: Final = f"""
SELECT make_partitions($1)
WHERE to_regclass('transfers_rounds_' || $1 / {ROUNDS_IN_PARTITION} * {ROUNDS_IN_PARTITION}) IS NULL
  AND NOT EXISTS (
    SELECT FROM partitions_of('transfers') WHERE lower_bound::bigint <= $1 AND $1 < upper_bound::bigint)
"""  # noqa: S608 - the number above
"""A round whose range is there is opened without a look at what is ahead of it: where making that has to wait for
somebody, opening rounds must not. The range of a round has its four partitions or none."""

MAKE_AHEAD: Final = "SELECT make_partitions(coalesce(max(round_id), 1)) FROM rounds"

_log = structlog.get_logger(__name__)


async def ensure_partitions(connection: Connection, round_id: int) -> None:
    """Make what is missing for a round that is being opened, in the transaction that opens it."""
    await connection.fetchval(MAKE_FOR_ROUND, round_id)


class PostgresPartitions:
    """The partitions of today and the days ahead, of the last round and the rounds ahead."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def make(self) -> None:
        """Make what is missing. Raises Refusal DEPENDENCY_DOWN."""

        async def work(connection: Connection) -> int:
            made: int = await connection.fetchval(MAKE_AHEAD)
            return made

        if made := await self._pool.transact("make_partitions", work):
            _log.info("partitions_made", partitions=made)
