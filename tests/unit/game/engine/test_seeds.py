"""Seeds come from the track's chain, in order and each once; a chain that ends or is lost has a successor."""

from typing import Any

import pytest
from furlong.common.v1.error_pb2 import Reason
from structlog.testing import capture_logs

from services.chassis.refusal import Refusal
from services.game.domain.draw import commitment
from services.game.domain.round import Terms
from services.game.domain.seed_chain import hashed
from services.game.engine.seeds import NextSeed, Seeds
from services.game.ports import SeedLost
from tests.fakes.persist_store import FakePersist
from tests.fakes.plain_seal import PlainSeal
from tests.fakes.seeded_chance import SeededChance
from tests.fakes.virtual_clock import VirtualClock
from tests.rounds import CARD, TRACK


class Stable:
    """A track under a lease, whose rounds are opened and voided."""

    def __init__(self, length: int) -> None:
        clock = VirtualClock()
        self.store = FakePersist(clock)
        self.seal = PlainSeal()
        self.seeds = Seeds(store=self.store, seal=self.seal, clock=clock, chance=SeededChance(), length=length)
        self.epoch = 0

    async def found(self) -> "Stable":
        await self.store.create_track(request_id="", track=TRACK)
        await self.store.put_cards(request_id="", track=TRACK.track, cards=[CARD])
        self.epoch = await self.store.acquire(request_id="", track=TRACK.track, holder="game", ttl_ms=10**9)
        return self

    async def next_seed(self) -> NextSeed:
        return await self.seeds.next_seed(TRACK.track, self.epoch)

    async def use(self, seed: NextSeed) -> None:
        """A round is opened with a seed, and voided."""
        stored = await self.store.open_round(
            request_id="",
            track=TRACK,
            epoch=self.epoch,
            card=await self.store.next_card(TRACK.track),
            commitment=commitment(seed.seed),
            sealed_seed=b"sealed",
            terms=Terms(seed_anchor=seed.anchor, seed_index=seed.index),
            locks_at_ms=0,
            seed_chain_no=seed.chain_no,
        )
        await self.store.void_round(
            request_id="", round_id=stored.round.round_id, epoch=0, reason="rain", actor="operator"
        )


async def test_the_seeds_come_in_order_and_lead_to_the_published_end() -> None:
    stable = await Stable(length=10).found()
    seeds = []
    for _ in range(10):
        seeds.append(await stable.next_seed())
        await stable.use(seeds[-1])

    (chain, *_) = [chain for chain in await stable.store.seed_chains(TRACK.track) if chain.chain_no == 1]
    assert [(seed.chain_no, seed.index, seed.anchor) for seed in seeds] == [
        (1, index, chain.anchor) for index in range(1, 11)
    ]
    assert all(hashed(seed.seed, seed.index).hex() == chain.anchor for seed in seeds)
    assert chain.left == 0


async def test_asking_uses_nothing_up() -> None:
    stable = await Stable(length=10).found()

    assert (await stable.next_seed()).seed == (await stable.next_seed()).seed


async def test_a_used_up_chain_is_followed_by_the_next_one() -> None:
    stable = await Stable(length=2).found()
    numbers = []
    for _ in range(5):
        seed = await stable.next_seed()
        await stable.use(seed)
        numbers.append((seed.chain_no, seed.index))

    assert numbers == [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1)]


async def test_the_next_chain_is_published_before_the_last_one_ends() -> None:
    stable = await Stable(length=200).found()
    for _ in range(199):
        await stable.use(await stable.next_seed())

    assert [(chain.chain_no, chain.used) for chain in await stable.store.seed_chains(TRACK.track)] == [(2, 0), (1, 199)]


async def test_a_seed_that_was_used_cannot_open_another_round() -> None:
    stable = await Stable(length=10).found()
    seed = await stable.next_seed()
    await stable.use(seed)
    stable.store._rounds.clear()  # the small store knows a repeated request by its commitment

    with pytest.raises(Refusal) as refused:
        await stable.use(seed)
    assert refused.value.reason == Reason.ROUND_PHASE


async def test_a_chain_that_cannot_be_opened_is_left_for_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    stable = await Stable(length=10).found()
    lost = await stable.next_seed()
    await stable.use(lost)
    unseal = stable.seal.unseal

    def of_the_first_chain_only(**asked: Any) -> bytes:
        if lost.anchor in asked["commitment"]:
            raise SeedLost("another key")
        return unseal(**asked)

    monkeypatch.setattr(stable.seal, "unseal", of_the_first_chain_only)
    with capture_logs() as told:
        found = await stable.next_seed()
        await stable.use(found)
        again = await stable.next_seed()

    assert [(found.chain_no, found.index), (again.chain_no, again.index)] == [(2, 1), (2, 2)]
    assert [each["event"] for each in told] == ["seed chain lost", "seed chain published"], "each is told once"


async def test_a_seed_of_no_chain_says_so() -> None:
    stable = await Stable(length=10).found()
    seed = stable.seeds.of_no_chain()

    assert (seed.chain_no, seed.index, seed.anchor, len(seed.seed)) == (0, 0, "", 32)
    assert await stable.store.seed_chains(TRACK.track) == []
    assert seed.seed.hex() not in repr(seed)
