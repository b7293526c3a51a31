"""A race is published when it starts, once, to whoever watches or comes later, and is the one that the seed makes."""

from contextlib import aclosing

import httpx
import pytest
from furlong.client import Furlong, connect
from furlong.common.v1.round_pb2 import Round, Timetable
from furlong.game.v1.round_service_pb2 import WatchRoundsResponse
from google.protobuf.json_format import MessageToDict

from deploy.local.stack import LocalStack
from tests.e2e import methods
from tests.e2e.doors import Door, GrpcDoor
from tests.e2e.racing import new_track, open_round, round_that_is
from tests.e2e.test_live import frames_of
from tests.model import race as model

TIMETABLE = Timetable(betting_window_ms=2_000, lock_ms=1_500, race_ms=4_000, finish_ms=1_500)
TICK_MS = 200
IN_THE_RACE = (Round.RUNNING, Round.FINISHED, Round.SETTLED)


@pytest.fixture
async def track(stack: LocalStack) -> str:
    return await new_track(stack, "raced", TIMETABLE)


async def whole_round(client: Furlong, track: str) -> list[WatchRoundsResponse]:
    """All frames of the first round that a watcher with ticks sees from its opening."""
    frames: list[WatchRoundsResponse] = []
    async with aclosing(client.rounds.watch(track, tick_interval_ms=TICK_MS)) as stream:
        async for frame in stream:
            if frames or (frame.kind == WatchRoundsResponse.TRANSITION and frame.round.phase == Round.OPEN):
                frames.append(frame)
            if frames and frame.round.round_id != frames[0].round.round_id:
                return frames[:-1]
    raise AssertionError("a watch has no end of its own")


async def test_a_watcher_is_sent_the_race_once_and_not_before_it_starts(stack: LocalStack, track: str) -> None:
    async with connect(stack.addresses.gateway) as client:
        frames = await whole_round(client, track)
        proof = await client.rounds.proof(frames[0].round.round_id)

    with_race = [frame for frame in frames if frame.round.HasField("race")]
    [bringing] = with_race
    assert (bringing.kind, bringing.round.phase) == (WatchRoundsResponse.TRANSITION, Round.RUNNING)
    assert any(frame.kind == WatchRoundsResponse.TICK and frame.round.phase == Round.RUNNING for frame in frames)
    key = model.key(bytes.fromhex(proof.server_seed), track, proof.round_id)
    race_ms = bringing.round.finishes_at.ToMilliseconds() - bringing.round.starts_at.ToMilliseconds()
    said = MessageToDict(
        bringing.round.race, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    assert said == model.race(key, list(proof.result), [], race_ms)


async def test_whoever_comes_late_has_the_race_with_the_first_frame(
    stack: LocalStack, track: str, http: httpx.AsyncClient, grpc_door: GrpcDoor
) -> None:
    current = await open_round(grpc_door, track, left_s=0.5)
    running = await round_that_is(grpc_door, current["round_id"], "RUNNING", "FINISHED")
    async with connect(stack.addresses.gateway) as client, aclosing(client.rounds.watch(track)) as frames:
        first = await anext(frames)
    async with aclosing(frames_of(http, f"/v1/tracks/{track}:watch")) as events:
        over_http = await anext(events)

    assert first.round.phase in IN_THE_RACE
    assert [runner.runner for runner in first.round.race.runners] == running["result"]
    assert over_http["round"]["race"] == running["race"]


async def test_a_round_is_read_with_its_race_from_the_start_on(door: Door, track: str) -> None:
    current = await open_round(door, track, left_s=0.5)
    round_id: str = current["round_id"]
    before = (await door.call(methods.GET_ROUND, {"round_id": round_id}))["round"]
    locked = await round_that_is(door, round_id, "LOCKED")
    running = await round_that_is(door, round_id, "RUNNING")
    settled = await round_that_is(door, round_id, "SETTLED")
    listed = (await door.call(methods.LIST_ROUNDS, {"track": track}))["rounds"]

    assert [bool(each.get("race")) for each in (before, locked, running, settled)] == [False, False, True, True]
    assert settled["race"] == running["race"]
    assert not any(each.get("race") for each in listed)
