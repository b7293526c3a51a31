"""Chains of seeds. A seed is used up in the transaction that opens its round, so nobody can use it a second time."""

from collections.abc import Sequence
from typing import Final

import asyncpg
from furlong.common.v1.error_pb2 import Reason

from services.chassis.refusal import Refusal
from services.persist.adapters.postgres.database import Connection, Pool
from services.persist.adapters.postgres.fence import check_epoch_of_track
from services.persist.adapters.postgres.operations import once
from services.persist.adapters.postgres.tracks import READ as READ_TRACK
from services.persist.adapters.postgres.tracks import track_not_found
from services.persist.domain.seed_chain import ChainPlan, SeedChain
from services.persist.ports import Operation

CHAINS_MAX: Final = 100
"""Chains of one ListSeedChains, as many as a track could use in years."""

CREATE: Final = """
INSERT INTO seed_chains (track, chain_no, anchor, length, sealed_checkpoints, published_at)
SELECT $1, $2, $3, $4, $5, clock_timestamp()
WHERE $2 = 1 + coalesce((SELECT max(chain_no) FROM seed_chains WHERE track = $1), 0)
ON CONFLICT (track, chain_no) DO NOTHING RETURNING *
"""
READ_ALL: Final = "SELECT * FROM seed_chains WHERE track = $1 ORDER BY chain_no DESC LIMIT $2"
USE: Final = """
UPDATE seed_chains SET used = used + 1 WHERE track = $1 AND chain_no = $2 AND used = $3 - 1 AND used < length
RETURNING true
"""


class PostgresSeedChains:
    """Chains as they were published."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def create(self, operation: Operation[SeedChain], plan: ChainPlan, epoch: int) -> bytes:
        """Publish the next chain of a track. Raises Refusal ROUND_PHASE where another one was published meanwhile."""

        async def work(connection: Connection) -> SeedChain:
            await check_epoch_of_track(connection, plan.track, epoch)
            if await connection.fetchrow(READ_TRACK, plan.track) is None:
                raise track_not_found(plan.track)
            row = await connection.fetchrow(
                CREATE, plan.track, plan.chain_no, plan.anchor, plan.length, plan.sealed_checkpoints
            )
            if row is None:
                raise Refusal(
                    Reason.ROUND_PHASE,
                    f"chain {plan.chain_no} is not the next one of track {plan.track}",
                    metadata={"track": plan.track},
                )
            return _chain(row)

        return await once(self._pool, operation, work)

    async def all(self, track: str) -> Sequence[SeedChain]:
        """Read the chains of a track, the newest first. Raises Refusal TRACK_NOT_FOUND."""
        rows = await self._pool.fetch("read_seed_chains", READ_ALL, track, CHAINS_MAX)
        if not rows and await self._pool.fetch_row("read_track", READ_TRACK, track) is None:
            raise track_not_found(track)
        return [_chain(row) for row in rows]


async def use_seed(connection: Connection, track: str, chain_no: int, index: int) -> None:
    """Use up the seed that is next in a chain. Raises Refusal ROUND_PHASE where it is not the next one."""
    if not await connection.fetchval(USE, track, chain_no, index):
        raise Refusal(
            Reason.ROUND_PHASE,
            f"seed {index} of chain {chain_no} is not the next one of track {track}",
            metadata={"track": track},
        )


def _chain(row: asyncpg.Record) -> SeedChain:
    return SeedChain(
        track=row["track"],
        chain_no=row["chain_no"],
        anchor=row["anchor"],
        length=row["length"],
        used=row["used"],
        published_at=row["published_at"],
        sealed_checkpoints=row["sealed_checkpoints"],
    )
