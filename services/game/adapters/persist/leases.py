"""Leases of tracks, kept by persist."""

from collections.abc import Collection, Mapping

import grpc
from furlong.persist.v1 import lease_service_pb2 as pb
from furlong.persist.v1.lease_service_pb2_grpc import LeaseServiceStub

from services.game.adapters.persist.answers import written


class PersistLeases:
    """The port `Leases` over a channel to persist."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._leases = LeaseServiceStub(channel)

    async def acquire(self, *, request_id: str, track: str, holder: str, ttl_ms: int) -> int:
        """Take or renew the lease."""
        request = pb.AcquireLeaseRequest(request_id=request_id, track=track, holder=holder, ttl_ms=ttl_ms)
        return (await written(self._leases.AcquireLease(request), request_id)).epoch

    async def renew(self, *, request_id: str, holder: str, held: Mapping[str, int], ttl_ms: int) -> Collection[str]:
        """Renew leases."""
        leases = [pb.HeldLease(track=track, epoch=epoch) for track, epoch in held.items()]
        request = pb.RenewLeasesRequest(request_id=request_id, holder=holder, ttl_ms=ttl_ms, leases=leases)
        return (await written(self._leases.RenewLeases(request), request_id)).tracks

    async def release(self, *, request_id: str, track: str, holder: str, epoch: int) -> None:
        """Give the lease back."""
        request = pb.ReleaseLeaseRequest(request_id=request_id, track=track, holder=holder, epoch=epoch)
        await written(self._leases.ReleaseLease(request), request_id)
