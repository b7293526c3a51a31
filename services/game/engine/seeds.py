"""Where the seed of a track's next round comes from: its chain, which is made and published when it is needed."""

import asyncio
from dataclasses import dataclass, field
from typing import Final

import structlog
from furlong.client.identity import CHANCE_BYTES, uuid7

from services.chassis.chance import Chance
from services.chassis.clock import Clock
from services.game.domain.draw import SEED_BYTES
from services.game.domain.seed_chain import ChainBroken, PublishedChain, SeedChain, unrolled
from services.game.ports import RoundOpening, SeedLost, SeedSeal

CHAIN_LENGTH: Final = 100_000
SUCCESSOR_AT_PART: Final = 100
"""The next chain is published when one of so many parts of the seeds is left of the last one."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class NextSeed:
    """A seed that no round has used, and its place; `chain_no` is 0 for a seed of no chain."""

    seed: bytes = field(repr=False)
    chain_no: int = 0
    index: int = 0
    anchor: str = ""


class Seeds:
    """Finds the next seed of each track. What is used is in the store, and under its epoch.

    It remembers nothing but the chains that it has called lost: each is told once, not at every opening.
    """

    def __init__(
        self, *, store: RoundOpening, seal: SeedSeal, clock: Clock, chance: Chance, length: int = CHAIN_LENGTH
    ) -> None:
        self._store = store
        self._seal = seal
        self._clock = clock
        self._chance = chance
        self._length = length
        self._lost: set[str] = set()

    def of_no_chain(self) -> NextSeed:
        """Give a seed for a round whose result is entered: it is committed to like any other and never used."""
        return NextSeed(seed=self._chance.bytes(SEED_BYTES))

    async def next_seed(self, track: str, epoch: int) -> NextSeed:
        """Give the seed that is next on a track; the store uses it up when the round opens.

        A chain whose seeds cannot be opened any more is left for its successor, which everybody can see.
        """
        chains = sorted(await self._store.seed_chains(track), key=lambda chain: chain.chain_no)
        last_no = chains[-1].chain_no if chains else 0
        for published in chains:
            chain = self._opened(published) if published.left else None
            if chain is None:
                continue
            if published.chain_no == last_no and published.left <= published.length // SUCCESSOR_AT_PART:
                await self._publish(track, epoch, last_no + 1)
            return _next_of(chain, published)
        published, chain = await self._publish(track, epoch, last_no + 1)
        return _next_of(chain, published)

    def _opened(self, published: PublishedChain) -> SeedChain | None:
        try:
            checkpoints = self._seal.unseal(
                sealed_seed=published.sealed_checkpoints, track=published.track, commitment=_bound(published.anchor)
            )
            return SeedChain(length=published.length, checkpoints=checkpoints)
        except (SeedLost, ChainBroken):
            if published.anchor not in self._lost:
                self._lost.add(published.anchor)
                _log.exception(
                    "seed chain lost", track=published.track, chain_no=published.chain_no, left=published.left
                )
            return None

    async def _publish(self, track: str, epoch: int, chain_no: int) -> tuple[PublishedChain, SeedChain]:
        chain = await self._made()
        sealed = self._seal.seal(seed=chain.checkpoints, track=track, commitment=_bound(chain.anchor))
        published = await self._store.create_seed_chain(
            request_id=uuid7(self._clock.now_ms(), self._chance.bytes(CHANCE_BYTES)),
            track=track,
            epoch=epoch,
            chain_no=chain_no,
            anchor=bytes.fromhex(chain.anchor),
            length=chain.length,
            sealed_checkpoints=sealed,
        )
        _log.info("seed chain published", track=track, chain_no=chain_no, anchor=chain.anchor, length=chain.length)
        return published, chain

    async def _made(self) -> SeedChain:
        """Make a chain, and let others have their turns: its hashes take some tens of milliseconds in all."""
        for chain in unrolled(self._chance.bytes(SEED_BYTES), self._length):
            if chain is not None:
                return chain
            await asyncio.sleep(0)
        raise AssertionError("a chain that is unrolled comes to its end")


def _next_of(chain: SeedChain, published: PublishedChain) -> NextSeed:
    index = published.used + 1
    return NextSeed(seed=chain.seed(index), chain_no=published.chain_no, index=index, anchor=published.anchor)


def _bound(anchor: str) -> str:
    """Give what a chain's seal is bound to in place of a round's commitment, so that neither opens as the other."""
    return f"chain {anchor}"
