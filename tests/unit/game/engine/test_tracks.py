"""Games look after every track there is, and two of them never get in each other's way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from itertools import pairwise

import pytest
from furlong.common.v1.error_pb2 import Reason

from services.chassis.refusal import Refusal
from services.game.domain.phase import Phase
from services.game.domain.track import TrackState
from services.game.engine.broadcast.hub import Hub
from services.game.engine.broadcast.relay import Relay
from services.game.engine.tracks import Tracks
from tests.fakes.persist_store import FakePersist
from tests.fakes.plain_seal import PlainSeal
from tests.fakes.seeded_chance import SeededChance
from tests.fakes.talk import FakeTopics
from tests.fakes.virtual_clock import VirtualClock
from tests.rounds import CARD, TRACK

TTL_MS = 3_000
ASIDE_MS = 217
"""Who comes then does not ask for the lease just when a transition is due."""


class World:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.store = FakePersist(self.clock)
        self.topics = FakeTopics()

    async def add_track(self, name: str) -> None:
        await self.store.create_track(request_id="", track=replace(TRACK, track=name))
        await self.store.put_cards(request_id="", track=name, cards=[CARD])

    @asynccontextmanager
    async def game(self, name: str, *, talks: bool = False) -> AsyncIterator[Tracks]:
        relay = Relay(topics=self.topics, clock=self.clock, game=name) if talks else None
        hub = Hub(
            rounds=self.store,
            tracks=self.store,
            tickets=self.store,
            clock=self.clock,
            encode=lambda _: b"",
            encode_own=lambda *_: b"",
            game="game",
            mailbox_frames_max=8,
            relay=relay,
        )
        tracks = Tracks(
            holder=name,
            lease_ttl_ms=TTL_MS,
            sweep_ms=2_000,
            tracks=self.store,
            leases=self.store,
            rounds=self.store,
            seal=PlainSeal(),
            hub=hub,
            clock=self.clock,
            chance=SeededChance(len(name)),
            seed_chain_length=1_000,
        )
        if relay is not None:
            relay.start()
        tracks.start()
        try:
            yield tracks
        finally:
            await tracks.close()
            await hub.close()
            if relay is not None:
                await relay.close()

    async def history(self, track: str) -> list[tuple[int, str]]:
        items = (await self.store.transitions(track, 0, 10_000)).items
        return [(stored.round.round_id, stored.round.phase.name) for stored in items]


@pytest.fixture
async def world() -> World:
    return World()


def assert_whole(history: list[tuple[int, str]]) -> None:
    rounds = sorted({round_id for round_id, _ in history})
    for round_id in rounds[:-1]:
        phases = [phase for number, phase in history if number == round_id]
        assert phases == ["OPEN", "LOCKED", "RUNNING", "FINISHED", "SETTLED"]


async def test_every_track_is_found_and_opens_rounds(world: World) -> None:
    for number in range(3):
        await world.add_track(f"track-{number}")
    async with world.game("one"):
        await world.clock.run_for_ms(10_000)

    for number in range(3):
        history = await world.history(f"track-{number}")
        assert len(history) > 10
        assert_whole(history)


async def test_a_new_track_is_found_at_the_next_sweep_or_when_told(world: World) -> None:
    async with world.game("one") as tracks:
        await world.clock.run_for_ms(100)
        await world.add_track("told")
        tracks.wake("told")
        await world.clock.settle()
        assert await world.history("told") == [(1, "OPEN")]
        await world.add_track("not-told")
        await world.clock.run_for_ms(2_000)
        assert (await world.history("not-told"))[0][1] == "OPEN"


async def test_a_game_is_ready_when_it_has_seen_the_tracks(world: World) -> None:
    world.store.fail("tracks", Refusal(Reason.DEPENDENCY_DOWN, "down"))
    async with world.game("one") as tracks:
        await world.clock.settle()
        assert not tracks.is_ready
        assert tracks.is_alive
        await world.clock.run_for_ms(2_000)

        assert tracks.is_ready


async def test_two_games_run_one_track_together_as_one_would(world: World) -> None:
    await world.add_track("t")
    async with world.game("one"), world.game("three"):
        await world.clock.run_for_ms(30_000)

    assert_whole(await world.history("t"))
    assert len({request_id for _, request_id in world.store.writes}) == len(world.store.writes)


async def test_a_game_that_goes_away_is_followed_within_a_second(world: World) -> None:
    await world.add_track("t")
    async with world.game("three"):
        async with world.game("one"):
            await world.clock.run_for_ms(5_000)
            gone_ms = world.clock.now_ms()
        await world.clock.run_for_ms(10_000)

    assert_whole(await world.history("t"))
    rounds = (await world.store.rounds("t", 100, "")).items
    opened_ms = sorted(stored.round.schedule.opens_at_ms for stored in rounds)
    late_ms = [later - earlier - 2_500 for earlier, later in pairwise(opened_ms)]
    assert max(late_ms) <= 1_000
    assert opened_ms[-1] > gone_ms


async def test_a_game_that_is_killed_is_followed_when_its_lease_ends(world: World) -> None:
    await world.add_track("t")
    async with world.game("one"):
        await world.clock.run_for_ms(5_000)
        world.store.fail("release", Refusal(Reason.DEPENDENCY_DOWN, "the dead give nothing back"))
    async with world.game("three"):
        await world.clock.run_for_ms(10_000)

    assert_whole(await world.history("t"))
    assert len(await world.history("t")) > 20


async def test_a_track_that_a_game_resumes_which_does_not_lead_it_opens_within_five_seconds(world: World) -> None:
    await world.add_track("t")

    async def set_state(tracks: Tracks, state: TrackState) -> None:
        await world.store.set_state(request_id="", track="t", state=state, reason="rain", actor="operator")
        tracks.wake("t")

    async with world.game("one"), world.game("three") as follower:
        await world.clock.run_for_ms(100)
        await set_state(follower, TrackState.PAUSED)
        await world.clock.run_for_ms(60_000)
        stopped = await world.history("t")
        await set_state(follower, TrackState.RUNNING)
        await world.clock.run_for_ms(5_000)

        assert {round_id for round_id, _ in stopped} == {1}
        assert (2, "OPEN") in await world.history("t")


async def test_closing_gives_every_lease_back(world: World) -> None:
    for number in range(3):
        await world.add_track(f"track-{number}")
    async with world.game("one"):
        await world.clock.run_for_ms(100)
    await asyncio.sleep(0)

    assert world.store.calls.count("release") == 3


@pytest.mark.parametrize("early_ms", [1, 40, 700])
async def test_a_game_that_goes_away_hands_its_tracks_over_in_time_for_the_next_transition(
    world: World, early_ms: int
) -> None:
    await world.add_track("t")
    async with AsyncExitStack() as stage:

        async def come(name: str) -> AsyncExitStack:
            game = await stage.enter_async_context(AsyncExitStack())
            await game.enter_async_context(world.game(name, talks=True))
            await world.clock.settle()
            return game

        leader = await come("one")
        for name in ("two", "three"):
            await world.clock.run_for_ms(ASIDE_MS)
            follower = await come(name)
            schedule = (await world.store.current_round("t")).round.schedule
            await world.clock.run_until_ms(schedule.locks_at_ms - early_ms)
            await leader.aclose()
            await world.clock.run_until_ms(schedule.locks_at_ms)
            assert (await world.store.current_round("t")).round.phase is Phase.LOCKED
            await world.clock.run_until_ms(schedule.ends_at_ms)
            leader = follower

    assert_whole(await world.history("t"))
