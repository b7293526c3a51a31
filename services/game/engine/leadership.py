"""Leadership: seeks the lease of one track and, while it holds, has the track kept.

    SEEKING ──lease taken──▶ LEADING ──lease lost, or epoch stale──▶ SEEKING
                                │
                                └──cancelled: the game goes away──▶ lease released ──▶ the other games are told

Who seeks asks about once a second, or when the lease should end, or when it is told that the leader goes away: so a
hand-over takes as long as a few calls, and costs no transition its time.

The lease is renewed together with all others of this game, see `renewals`. Should this game nevertheless be late to
stop (a machine that slept), the epoch on every write makes its writes change nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from furlong.client.identity import CHANCE_BYTES, uuid7
from furlong.common.v1.error_pb2 import Reason

from services.chassis.chance import Chance
from services.chassis.clock import Clock
from services.chassis.refusal import Refusal
from services.chassis.waiting import until
from services.game.engine.backoff import BACKOFF_MAX_MS, backoff_ms
from services.game.engine.renewals import Renewals
from services.game.ports import Leases

RELEASE_MS_MAX: Final = 1_000
"""How long going away waits for the lease to be given back; it ends by itself soon after."""

_log = structlog.get_logger(__name__)


class Leadership:
    """One track's leadership. `keep` runs under an epoch until it is cancelled; it may end by raising.

    `vacated` tells the other games that the lease was given back.
    """

    def __init__(
        self,
        *,
        track: str,
        holder: str,
        ttl_ms: int,
        leases: Leases,
        renewals: Renewals,
        clock: Clock,
        chance: Chance,
        keep: Callable[[int], Awaitable[None]],
        vacated: Callable[[], Awaitable[None]],
    ) -> None:
        self._track = track
        self._holder = holder
        self._ttl_ms = ttl_ms
        self._leases = leases
        self._renewals = renewals
        self._clock = clock
        self._chance = chance
        self._keep = keep
        self._vacated = vacated
        self._nudged = asyncio.Event()
        self._log = _log.bind(track=track)

    def seek(self) -> None:
        """Ask for the lease at once: whoever held it has given it back."""
        self._nudged.set()

    async def run(self) -> None:
        """Seek and lead, term after term, until cancelled; then give the lease back."""
        while True:
            epoch, ends_at_s = await self._seek()
            self._log.info("leading", epoch=epoch)
            try:
                await self._lead(epoch, ends_at_s)
            except asyncio.CancelledError:
                await self._release(epoch)
                raise
            self._log.warning("no longer leading", epoch=epoch)
            await self._pause(BACKOFF_MAX_MS)

    async def _seek(self) -> tuple[int, float]:
        """Ask for the lease until it is ours; gives its epoch and its end on the monotonic clock."""
        attempt = 0
        while True:
            try:
                return await self._acquire()
            except Refusal as refusal:
                if refusal.reason == Reason.LEASE_HELD:
                    attempt = 0
                    wait_ms = refusal.retry_in_ms or BACKOFF_MAX_MS
                else:
                    self._log.warning("lease not to be had", refusal=str(refusal))
                    wait_ms = backoff_ms(attempt)
                    attempt += 1
            except Exception:
                self._log.exception("lease not to be had")
                wait_ms = BACKOFF_MAX_MS
            await until(self._clock, self._clock.now_ms() + min(wait_ms, BACKOFF_MAX_MS), self._nudged)

    async def _lead(self, epoch: int, ends_at_s: float) -> None:
        """Keep the track while the lease is renewed; returns when the term is over for whatever reason."""
        keeping = asyncio.ensure_future(self._keep(epoch))
        renewing = asyncio.create_task(self._renewals.keep(self._track, epoch, ends_at_s), name=f"lease {self._track}")
        try:
            await asyncio.wait((keeping, renewing), return_when=asyncio.FIRST_COMPLETED)
        finally:
            keeping.cancel()
            renewing.cancel()
            ends = await asyncio.gather(keeping, renewing, return_exceptions=True)
        for end in ends:
            if isinstance(end, Refusal):
                self._log.warning("term ended", epoch=epoch, refusal=str(end))
            elif isinstance(end, Exception):
                self._log.error("term ended by a defect", epoch=epoch, exc_info=end)

    async def _acquire(self) -> tuple[int, float]:
        asked_at_s = self._clock.monotonic_s()
        epoch = await self._leases.acquire(
            request_id=uuid7(self._clock.now_ms(), self._chance.bytes(CHANCE_BYTES)),
            track=self._track,
            holder=self._holder,
            ttl_ms=self._ttl_ms,
        )
        return epoch, asked_at_s + self._ttl_ms / 1_000

    async def _release(self, epoch: int) -> None:
        """Give the lease back, so that another replica need not wait for its end, and tell it."""
        request_id = uuid7(self._clock.now_ms(), self._chance.bytes(CHANCE_BYTES))
        try:
            async with asyncio.timeout(RELEASE_MS_MAX / 1_000):
                await self._leases.release(request_id=request_id, track=self._track, holder=self._holder, epoch=epoch)
                await self._vacated()
        except (Refusal, TimeoutError) as error:
            self._log.warning("lease not released", epoch=epoch, error=str(error))
        except Exception:
            self._log.exception("lease not released", epoch=epoch)

    async def _pause(self, wait_ms: int) -> None:
        await self._clock.sleep_until_ms(self._clock.now_ms() + wait_ms)
