"""Leases, and the fence that they put before every transition."""

from collections.abc import Mapping, Sequence
from typing import Final

from furlong.common.v1.error_pb2 import Reason

from services.chassis.refusal import Refusal
from services.persist.adapters.postgres.database import Connection, Pool

ACQUIRE: Final = """
UPDATE leases SET
    epoch = CASE WHEN holder = $2 THEN epoch ELSE epoch + 1 END,
    holder = $2,
    expires_at = clock_timestamp() + $3 * interval '1 millisecond'
WHERE track = $1 AND (holder = $2 OR expires_at <= clock_timestamp())
RETURNING epoch
"""

RENEW: Final = """
WITH held AS MATERIALIZED (
    SELECT track FROM leases
    WHERE holder = $1 AND (track, epoch) IN (SELECT * FROM unnest($3::text[], $4::bigint[]))
    ORDER BY track FOR NO KEY UPDATE
)
UPDATE leases SET expires_at = clock_timestamp() + $2 * interval '1 millisecond'
FROM held WHERE leases.track = held.track RETURNING leases.track
"""
"""In order, because two of these may be under way: one that its caller gave up, and the next."""

LEFT_MS: Final = """
SELECT greatest(1, ceil(extract(epoch FROM expires_at - clock_timestamp()) * 1000))::bigint AS left_ms
FROM leases WHERE track = $1
"""

RELEASE: Final = """
UPDATE leases SET holder = '', expires_at = '-infinity' WHERE track = $1 AND holder = $2 AND epoch = $3
"""

FENCE_TRACK: Final = "SELECT epoch FROM leases WHERE track = $1 FOR KEY SHARE"
FENCE_ROUND: Final = """
SELECT l.epoch FROM rounds r JOIN leases l USING (track) WHERE r.round_id = $1 FOR KEY SHARE OF l
"""
"""The epoch is part of a key: this holds off a change of hands until the transaction ends, and lets renewals pass."""


class PostgresLeases:
    """Leases by the database's clock."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def acquire(self, track: str, holder: str, ttl_ms: int) -> int:
        """Take a free lease under a new epoch, or renew one's own under its epoch. Raises Refusal LEASE_HELD."""

        async def work(connection: Connection) -> int:
            epoch = await connection.fetchval(ACQUIRE, track, holder, ttl_ms)
            if epoch is None:
                raise await _held(connection, track)
            return int(epoch)

        return await self._pool.transact("acquire_lease", work)

    async def renew(self, holder: str, held: Mapping[str, int], ttl_ms: int) -> Sequence[str]:
        """Renew leases, by track under their epochs, and give the tracks that the holder still had."""

        async def work(connection: Connection) -> Sequence[str]:
            rows = await connection.fetch(RENEW, holder, ttl_ms, list(held), list(held.values()))
            return [row["track"] for row in rows]

        return await self._pool.transact("renew_leases", work)

    async def release(self, track: str, holder: str, epoch: int) -> None:
        """Give a lease back; what one does not hold stays as it is."""

        async def work(connection: Connection) -> None:
            await connection.execute(RELEASE, track, holder, epoch)

        await self._pool.transact("release_lease", work)


async def check_epoch_of_track(connection: Connection, track: str, epoch: int) -> None:
    """Hold the track's epoch until the transaction ends.

    Raises Refusal EPOCH_STALE when it is another one, and lets a track pass that does not exist.
    """
    _compare(await connection.fetchval(FENCE_TRACK, track), epoch)


async def check_epoch_of_round(connection: Connection, round_id: int, epoch: int | None) -> None:
    """Hold the epoch of the round's track likewise; an operator brings no epoch and passes."""
    if epoch is not None:
        _compare(await connection.fetchval(FENCE_ROUND, round_id), epoch)


def _compare(current: int | None, epoch: int) -> None:
    if current is not None and current != epoch:
        raise Refusal(
            Reason.EPOCH_STALE,
            f"the track is led under epoch {current}, not {epoch}",
            metadata={"epoch": str(current)},
        )


async def _held(connection: Connection, track: str) -> Refusal:
    left_ms = await connection.fetchval(LEFT_MS, track)
    if left_ms is None:
        return Refusal(Reason.TRACK_NOT_FOUND, f"no track {track}", metadata={"track": track})
    return Refusal(Reason.LEASE_HELD, f"another leads track {track}", retry_in_ms=left_ms, metadata={"track": track})
