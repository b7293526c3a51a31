"""The live watch over plain HTTP, as a browser's EventSource reads it, and one call over gRPC-Web."""

import json
import struct
from collections.abc import AsyncGenerator
from contextlib import aclosing

import httpx
from furlong.game.v1.track_service_pb2 import ListTracksRequest, ListTracksResponse

from deploy.local.stack import LocalStack
from tests.e2e import methods
from tests.e2e.doors import Answer, GrpcDoor
from tests.e2e.people import People
from tests.e2e.racing import PHASES, SLOW, new_track, open_account, open_round, order, place, win_line

FRAMES_MAX = 200
"""A watch that has not shown what a test looks for by then does not show it."""


async def frames_of(http: httpx.AsyncClient, path: str) -> AsyncGenerator[Answer, None]:
    """The frames of a server-sent event stream, at most FRAMES_MAX of them."""
    async with http.stream("GET", path) as reply:
        assert reply.status_code == httpx.codes.OK
        assert reply.headers["content-type"] == "text/event-stream"
        left = FRAMES_MAX
        async for line in reply.aiter_lines():
            if not line:
                continue
            name, _, data = line.partition(":")
            assert name == "data", line
            frame = json.loads(data)
            assert set(frame) == {"round", "server_time", "kind", "transition_seq", "presence"}, frame
            yield frame
            left -= 1
            assert left, "the watch did not show what the test looks for"


async def test_a_watch_over_http_shows_the_round_and_then_every_transition_in_order(
    http: httpx.AsyncClient, quick_track: str
) -> None:
    frames: list[Answer] = []
    async with aclosing(frames_of(http, f"/v1/tracks/{quick_track}:watch")) as stream:
        async for frame in stream:
            frames.append(frame)
            if len([each for each in frames if each["round"]["phase"] == "SETTLED"]) >= 2:
                break

    first, *rest = frames
    transitions = [frame for frame in rest if frame["kind"] == "TRANSITION"]
    numbers = [int(frame["transition_seq"]) for frame in transitions]
    assert first["kind"] == "UPDATE"
    assert numbers == list(range(int(first["transition_seq"]) + 1, numbers[-1] + 1))
    whole = [
        frame["round"] for frame in transitions if frame["round"]["round_id"] == transitions[-1]["round"]["round_id"]
    ]
    assert [each["phase"] for each in whole] == list(PHASES)
    assert [bool(each["result"]) for each in whole] == [False, False, True, True, True]
    assert [each["screen"] for each in whole] == ["GAME", "GAME", "MOVIE", "FINISH", "FINISH"]


async def test_a_watch_resumes_after_the_transition_that_was_seen_last(
    http: httpx.AsyncClient, quick_track: str
) -> None:
    async with aclosing(frames_of(http, f"/v1/tracks/{quick_track}:watch")) as stream:
        seen = [int((await anext(stream))["transition_seq"])]
        async for frame in stream:
            if frame["kind"] == "TRANSITION":
                seen.append(int(frame["transition_seq"]))
            if len(seen) == 5:
                break
    resume_after = seen[1]

    resumed: list[int] = []
    async with aclosing(frames_of(http, f"/v1/tracks/{quick_track}:watch?after={resume_after}")) as stream:
        async for frame in stream:
            assert frame["kind"] != "GAP"
            if frame["kind"] == "TRANSITION":
                resumed.append(int(frame["transition_seq"]))
            if len(resumed) == 5:
                break

    assert resumed == list(range(resume_after + 1, resume_after + 6))


async def test_a_watcher_sees_the_totals_grow(
    stack: LocalStack, http: httpx.AsyncClient, grpc_door: GrpcDoor, people: People
) -> None:
    track = await new_track(stack, "totals", SLOW)
    opened = await open_round(grpc_door, track)
    ann = await open_account(grpc_door, people.cashier)
    path = f"/v1/tracks/{track}:watch?update_interval_ms=100"
    async with aclosing(frames_of(http, path)) as stream:
        before = (await anext(stream))["round"]
        await place(grpc_door, people.cashier, opened["round_id"], order(ann, win_line(1, 321)))
        async for frame in stream:
            assert frame["kind"] == "UPDATE"
            if frame["round"]["totals"] != before["totals"]:
                break

    assert before["totals"] == {"tickets": "0", "stake_minor": "0"}
    assert frame["round"]["round_id"] == before["round_id"]
    assert frame["round"]["totals"] == {"tickets": "1", "stake_minor": "321"}


async def test_a_watcher_that_wants_ticks_gets_them(http: httpx.AsyncClient, steady_track: str) -> None:
    kinds: list[str] = []
    async with aclosing(frames_of(http, f"/v1/tracks/{steady_track}:watch?tick_interval_ms=100")) as stream:
        async for frame in stream:
            kinds.append(frame["kind"])
            if kinds.count("TICK") == 3:
                break

    assert kinds[0] == "UPDATE"


async def test_the_watch_may_be_read_without_a_token_and_says_nothing_secret(
    http: httpx.AsyncClient, steady_track: str
) -> None:
    async with aclosing(frames_of(http, f"/v1/tracks/{steady_track}:watch")) as stream:
        a_round = (await anext(stream))["round"]

    assert a_round["phase"] == "OPEN"
    assert a_round["result"] == []
    assert len(a_round["commitment"]) == 64
    assert not {"server_seed", "sealed_seed", "epoch"} & a_round.keys()


async def test_grpc_web_is_spoken_on_the_same_port(http: httpx.AsyncClient, quick_track: str) -> None:
    message = ListTracksRequest().SerializeToString()

    reply = await http.post(
        methods.LIST_TRACKS.full_name,
        content=struct.pack(">BI", 0, len(message)) + message,
        headers={"content-type": "application/grpc-web+proto", "x-grpc-web": "1"},
    )

    assert reply.status_code == httpx.codes.OK
    flags, length = struct.unpack(">BI", reply.content[:5])
    answer = ListTracksResponse.FromString(reply.content[5 : 5 + length])
    trailer = reply.content[5 + length :]
    assert flags == 0
    assert quick_track in [track.track for track in answer.tracks]
    assert trailer[0] == 0x80
    assert b"grpc-status:0" in trailer.replace(b" ", b"")
