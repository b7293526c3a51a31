"""LeaseService.

No call is stored as an operation: taking a lease that one holds renews it, giving back what one does not hold changes
nothing, and the answer to a renewal is true only when it is fresh.
"""

import grpc
from furlong.persist.v1.lease_service_pb2 import (
    AcquireLeaseRequest,
    AcquireLeaseResponse,
    ReleaseLeaseRequest,
    ReleaseLeaseResponse,
    RenewLeasesRequest,
    RenewLeasesResponse,
)
from furlong.persist.v1.lease_service_pb2_grpc import LeaseServiceServicer

from services.persist.ports import Leases

Context = grpc.aio.ServicerContext[object, object]


class LeaseDesk(LeaseServiceServicer):
    """Hands tracks to their leaders."""

    def __init__(self, *, leases: Leases) -> None:
        self._leases = leases

    async def AcquireLease(self, request: AcquireLeaseRequest, context: Context) -> AcquireLeaseResponse:
        """Take or renew."""
        epoch = await self._leases.acquire(request.track, request.holder, request.ttl_ms)
        return AcquireLeaseResponse(epoch=epoch, ttl_ms=request.ttl_ms)

    async def RenewLeases(self, request: RenewLeasesRequest, context: Context) -> RenewLeasesResponse:
        """Renew many at once."""
        held = {lease.track: lease.epoch for lease in request.leases}
        return RenewLeasesResponse(tracks=await self._leases.renew(request.holder, held, request.ttl_ms))

    async def ReleaseLease(self, request: ReleaseLeaseRequest, context: Context) -> ReleaseLeaseResponse:
        """Give back."""
        await self._leases.release(request.track, request.holder, request.epoch)
        return ReleaseLeaseResponse()
