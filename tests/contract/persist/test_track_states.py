"""Tracks that are paused, suspended and resumed: what a suspension promises holds for batches in flight."""

import asyncio

from furlong.client.identity import uuid7
from furlong.common.v1.round_pb2 import Limits, Timetable, Track
from furlong.persist.v1.track_store_service_pb2 import CreateTrackRequest, GetTrackRequest, ListTracksRequest

from tests.bookkeeping import set_state
from tests.persisting import World, order, verdicts
from tests.served import refused


async def stored(world: World) -> Track:
    response = await world.stubs.tracks.GetTrack(GetTrackRequest(track=world.track))
    track: Track = response.track
    return track


async def test_a_track_is_paused_suspended_and_resumed_and_says_so(world: World) -> None:
    for state in (Track.PAUSED, Track.SUSPENDED, Track.RUNNING):
        answer = await world.stubs.tracks.SetTrackState(set_state(world.track, state))
        assert answer.track.state == state
        assert answer.track == await stored(world)
        listed = await world.stubs.tracks.ListTracks(ListTracksRequest(page_size=10))
        assert list(listed.tracks) == [answer.track]


async def test_a_state_is_set_once(world: World) -> None:
    request = set_state(world.track, Track.PAUSED)
    answer = await world.stubs.tracks.SetTrackState(request)
    await world.stubs.tracks.SetTrackState(set_state(world.track, Track.RUNNING))
    assert await world.stubs.tracks.SetTrackState(request) == answer
    assert (await stored(world)).state == Track.RUNNING
    request.state = Track.SUSPENDED
    assert (await refused(world.stubs.tracks.SetTrackState(request))).reason == "REQUEST_REUSED"
    nowhere = set_state("nowhere", Track.PAUSED)
    assert (await refused(world.stubs.tracks.SetTrackState(nowhere))).reason == "TRACK_NOT_FOUND"


async def test_a_paused_track_goes_on_betting_and_a_suspended_one_does_not(world: World) -> None:
    player = await world.account(500)
    round_id = (await world.open()).round.round_id
    seen = []
    for state in (Track.PAUSED, Track.SUSPENDED, Track.RUNNING):
        await world.stubs.tracks.SetTrackState(set_state(world.track, state))
        seen += verdicts(await world.place(round_id, order(player, 10)))
    assert seen == ["ACCEPTED", "SUSPENDED", "ACCEPTED"]


async def test_nothing_is_accepted_after_a_suspension_has_answered(world: World) -> None:
    player = await world.account(100_000)
    for _ in range(10):
        round_id = (await world.open()).round.round_id
        sent = [order(player, 1) for _ in range(40)]
        placing = [asyncio.create_task(world.place(round_id, each)) for each in sent]
        await asyncio.sleep(0.005)
        await world.stubs.tracks.SetTrackState(set_state(world.track, Track.SUSPENDED))
        then = await world.sql("SELECT count(*) AS tickets FROM tickets WHERE round_id = $1", round_id)
        answers = [verdict for task in placing for verdict in verdicts(await task)]
        assert answers.count("ACCEPTED") == then[0]["tickets"]
        assert set(answers) <= {"ACCEPTED", "SUSPENDED"}
        await world.stubs.tracks.SetTrackState(set_state(world.track, Track.RUNNING))
        await world.void(round_id)


async def test_a_suspension_and_a_round_that_opens_or_locks_at_once_all_get_through(world: World) -> None:
    player = await world.account(1_000)
    for _ in range(15):
        opening = asyncio.create_task(world.open())
        await world.stubs.tracks.SetTrackState(set_state(world.track, Track.SUSPENDED))
        await asyncio.wait((opening,))
        if opening.exception() is not None:  # the suspension came first
            assert (await refused(opening)).reason == "ROUND_PHASE"
            await world.stubs.tracks.SetTrackState(set_state(world.track, Track.RUNNING))
            continue
        round_id = opening.result().round.round_id
        assert verdicts(await world.place(round_id, order(player, 1))) == ["SUSPENDED"]
        await asyncio.gather(
            world.lock(round_id), world.stubs.tracks.SetTrackState(set_state(world.track, Track.SUSPENDED))
        )
        await world.stubs.tracks.SetTrackState(set_state(world.track, Track.RUNNING))
        await world.void(round_id)


async def test_a_track_that_is_stopped_opens_no_round_until_it_is_resumed(world: World) -> None:
    for state in (Track.PAUSED, Track.SUSPENDED):
        await world.stubs.tracks.SetTrackState(set_state(world.track, state))
        stopped = await refused(world.open())
        assert stopped.reason == "ROUND_PHASE"
        assert Track.State.Name(state) in stopped.message
    await world.stubs.tracks.SetTrackState(set_state(world.track, Track.RUNNING))
    assert (await world.open()).round.track == world.track


async def test_a_track_that_is_asked_for_again_is_answered_in_the_state_that_it_is_in(world: World) -> None:
    track = Track(
        track="city-sprint",
        display_name="City Sprint",
        currency="EUR",
        timetable=Timetable(betting_window_ms=30_000, lock_ms=1_000, race_ms=15_000, finish_ms=6_000),
        limits=Limits(
            stake_min_minor=10, stake_max_minor=1_000, selection_payout_max_minor=50_000, round_loss_max_minor=90_000
        ),
        return_bps=9_100,
    )
    made = await world.stubs.tracks.CreateTrack(CreateTrackRequest(request_id=uuid7(), track=track))
    assert made.track.limits == track.limits
    await world.stubs.tracks.SetTrackState(set_state("city-sprint", Track.PAUSED))
    again = await world.stubs.tracks.CreateTrack(CreateTrackRequest(request_id=uuid7(), track=track))
    assert again.track.state == Track.PAUSED
    track.limits.round_loss_max_minor = 0
    other = CreateTrackRequest(request_id=uuid7(), track=track)
    assert (await refused(world.stubs.tracks.CreateTrack(other))).reason == "TRACK_EXISTS"
