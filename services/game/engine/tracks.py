"""The tracks that this game looks after: finds new ones and seeks the leadership of each."""

import asyncio
from functools import partial
from typing import Final

import structlog

from services.chassis.chance import Chance
from services.chassis.clock import Clock
from services.chassis.refusal import Refusal
from services.chassis.waiting import until
from services.game.engine.backoff import backoff_ms
from services.game.engine.beacons import NO_BEACONS, Beacons
from services.game.engine.broadcast.hub import Hub
from services.game.engine.keeper import Keeper
from services.game.engine.leadership import Leadership
from services.game.engine.renewals import Renewals
from services.game.engine.seeds import CHAIN_LENGTH, Seeds
from services.game.engine.supervision import supervise
from services.game.ports import Leases, RoundStore, SeedSeal, TrackStore

TRACKS_IN_A_READ: Final = 100

_log = structlog.get_logger(__name__)


class Tracks:
    """Sweeps over the tracks, again and again; a track that was seen once is looked after until the end."""

    def __init__(
        self,
        *,
        holder: str,
        lease_ttl_ms: int,
        sweep_ms: int,
        tracks: TrackStore,
        leases: Leases,
        rounds: RoundStore,
        seal: SeedSeal,
        hub: Hub,
        clock: Clock,
        chance: Chance,
        seed_chain_length: int = CHAIN_LENGTH,
        beacons: Beacons = NO_BEACONS,
    ) -> None:
        self._holder = holder
        self._lease_ttl_ms = lease_ttl_ms
        self._sweep_ms = sweep_ms
        self._tracks = tracks
        self._leases = leases
        self._renewals = Renewals(holder=holder, ttl_ms=lease_ttl_ms, leases=leases, clock=clock, chance=chance)
        self._rounds = rounds
        self._seal = seal
        self._hub = hub
        self._clock = clock
        self._chance = chance
        self._seeds = Seeds(store=rounds, seal=seal, clock=clock, chance=chance, length=seed_chain_length)
        self._beacons = beacons
        self._keepers: dict[str, Keeper] = {}
        self._seekers: dict[str, Leadership] = {}
        self._leaderships: dict[str, asyncio.Task[None]] = {}
        self._sweeping: asyncio.Task[None] | None = None
        self._woken = asyncio.Event()
        self._swept = False

    def start(self) -> None:
        """Begin to sweep."""
        self._hub.on_decision(self.wake)
        self._hub.on_vacancy(self._seek)
        self._renewals.start()
        self._sweeping = supervise("track sweep", self._clock, self._sweep_for_ever)

    def wake(self, track: str) -> None:
        """Look at a track at once: it is new, or somebody changed its round or its cards."""
        keeper = self._keepers.get(track)
        if keeper is not None:
            keeper.wake()
        else:
            self._woken.set()

    @property
    def is_alive(self) -> bool:
        """Tell whether the sweep, the renewals and every leadership go on."""
        work = [self._sweeping, *self._leaderships.values()]
        return self._renewals.is_alive and all(task is not None and not task.done() for task in work)

    @property
    def is_ready(self) -> bool:
        """Tell whether all tracks have been seen once."""
        return self._swept

    async def close(self) -> None:
        """Stop keeping tracks and give their leases back."""
        work = [task for task in (self._sweeping, *self._leaderships.values()) if task is not None]
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        await self._renewals.close()

    async def _sweep_for_ever(self) -> None:
        attempt = 0
        while True:
            try:
                await self._sweep()
            except Refusal as refusal:
                _log.warning("tracks not read", refusal=str(refusal))
                wait_ms = min(backoff_ms(attempt), self._sweep_ms)
                attempt += 1
            else:
                self._swept = True
                wait_ms, attempt = self._sweep_ms, 0
            await until(self._clock, self._clock.now_ms() + wait_ms, self._woken)

    async def _sweep(self) -> None:
        page_token = ""
        while True:
            page = await self._tracks.tracks(TRACKS_IN_A_READ, page_token)
            for track in page.items:
                self._look_after(track.track)
            page_token = page.next_page_token
            if not page_token:
                return

    def _look_after(self, track: str) -> None:
        if track in self._leaderships:
            return
        self._hub.room(track)
        leadership = Leadership(
            track=track,
            holder=self._holder,
            ttl_ms=self._lease_ttl_ms,
            leases=self._leases,
            renewals=self._renewals,
            clock=self._clock,
            chance=self._chance,
            keep=partial(self._keep, track),
            vacated=partial(self._hub.vacated, track),
        )
        self._seekers[track] = leadership
        self._leaderships[track] = supervise(f"leadership {track}", self._clock, leadership.run)

    def _seek(self, track: str) -> None:
        if track in self._seekers:
            self._seekers[track].seek()

    async def _keep(self, track: str, epoch: int) -> None:
        keeper = Keeper(
            track=track,
            epoch=epoch,
            store=self._rounds,
            seal=self._seal,
            seeds=self._seeds,
            beacons=self._beacons,
            clock=self._clock,
            chance=self._chance,
            published=self._hub.hint,
        )
        self._keepers[track] = keeper
        try:
            await keeper.run()
        finally:
            del self._keepers[track]
