"""How answers look: JSON over REST, frames over SSE, gRPC as it is."""

import asyncio
import gzip
import json
import time
from typing import Any

import grpc
import httpx
from furlong.common.v1.account_pb2 import Account
from furlong.common.v1.round_pb2 import Round, Track
from furlong.game.v1 import account_service_pb2, round_service_pb2, track_service_pb2
from furlong.game.v1.round_service_pb2 import WatchRoundsResponse
from furlong.game.v1.track_service_pb2_grpc import TrackServiceStub

from tests.contract.gateway.fake_game import Context, FakeGame

TRACK = Track(track="harbour-mile", display_name="Harbour Mile", currency="EUR", state=Track.RUNNING)
TRANSITION = WatchRoundsResponse(
    round=Round(round_id=17, phase=Round.OPEN), kind=WatchRoundsResponse.TRANSITION, transition_seq=4
)
TRACE_PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def one_track(request: Any, context: Context) -> track_service_pb2.ListTracksResponse:
    return track_service_pb2.ListTracksResponse(tracks=[TRACK])


def test_answers_keep_the_names_of_the_contract_and_tell_every_plain_field(rest: httpx.Client, game: FakeGame) -> None:
    async def account(request: Any, context: Context) -> account_service_pb2.GetAccountResponse:
        return account_service_pb2.GetAccountResponse(
            account=Account(account_id="a", balance_minor=9_007_199_254_740_993)
        )

    game.answers["GetAccount"] = account

    assert rest.get("/v1/accounts/a").json() == {
        "account": {
            "account_id": "a",
            "kind": "KIND_UNSPECIFIED",
            "currency": "",
            "display_name": "",
            "balance_minor": "9007199254740993",
            "blocked": False,
        }
    }


def test_an_empty_answer_still_tells_its_lists(rest: httpx.Client, game: FakeGame) -> None:
    assert rest.get("/v1/tracks").json() == {"tracks": [], "next_page_token": ""}


def test_a_long_answer_is_compressed_for_those_who_ask(rest: httpx.Client, game: FakeGame) -> None:
    async def many(request: Any, context: Context) -> track_service_pb2.ListTracksResponse:
        return track_service_pb2.ListTracksResponse(tracks=100 * [TRACK])

    game.answers["ListTracks"] = many

    with rest.stream("GET", "/v1/tracks", headers={"accept-encoding": "gzip"}) as answer:
        assert answer.headers["content-encoding"] == "gzip"
        assert len(json.loads(gzip.decompress(b"".join(answer.iter_raw())))["tracks"]) == 100


def test_an_answer_of_a_megabyte_is_passed_on(rest: httpx.Client, game: FakeGame) -> None:
    async def rounds(request: Any, context: Context) -> round_service_pb2.ListRoundsResponse:
        return round_service_pb2.ListRoundsResponse(rounds=[Round(race_name=1_000 * "x")] * 1_000)

    game.answers["ListRounds"] = rounds

    assert len(rest.get("/v1/tracks/a/rounds").json()["rounds"]) == 1_000


def test_a_stream_is_an_event_stream_of_one_json_object_a_frame(rest: httpx.Client, game: FakeGame) -> None:
    game.frames = [TRANSITION, WatchRoundsResponse(kind=WatchRoundsResponse.TICK)]

    answer = rest.get("/v1/tracks/a:watch", headers={"accept": "text/event-stream", "accept-encoding": "gzip"})

    assert answer.headers["content-type"] == "text/event-stream"
    assert "content-encoding" not in answer.headers
    frames = answer.text.split("\n\n")
    assert frames.pop() == ""
    assert all(frame.startswith("data: ") and "\n" not in frame for frame in frames)
    first, second = (json.loads(frame.removeprefix("data: ")) for frame in frames)
    assert (first["round"]["round_id"], first["round"]["phase"], first["kind"]) == ("17", "OPEN", "TRANSITION")
    assert second["kind"] == "TICK"


def test_a_frame_arrives_when_it_is_sent_and_not_when_the_stream_ends(rest: httpx.Client, game: FakeGame) -> None:
    async def frame_then_silence(request: Any, context: Context) -> WatchRoundsResponse:
        await context.write(TRANSITION)
        await asyncio.Event().wait()
        raise AssertionError("nobody sets the event")

    game.answers["WatchRounds"] = frame_then_silence

    began_s = time.monotonic()
    with rest.stream("GET", "/v1/tracks/a:watch") as answer:
        assert next(answer.iter_lines()).startswith("data: ")
    assert time.monotonic() - began_s < 2


def test_grpc_passes_through_with_its_token_and_trace_context(gateway: str, game: FakeGame) -> None:
    game.answers["ListTracks"] = one_track

    with grpc.insecure_channel(gateway) as channel:
        metadata = (("authorization", "Bearer abc"), ("traceparent", TRACE_PARENT))
        answer = TrackServiceStub(channel).ListTracks(
            track_service_pb2.ListTracksRequest(), metadata=metadata, timeout=5
        )

    assert list(answer.tracks) == [TRACK]
    assert game.last.metadata["authorization"] == "Bearer abc"
    assert game.last.metadata["traceparent"] == TRACE_PARENT
    assert game.last.time_left_s is not None
    assert 4 < game.last.time_left_s <= 5


def test_rest_passes_the_token_and_the_trace_context_on(rest: httpx.Client, game: FakeGame) -> None:
    rest.get("/v1/tracks", headers={"authorization": "Bearer abc", "traceparent": TRACE_PARENT})

    assert game.last.metadata["authorization"] == "Bearer abc"
    assert game.last.metadata["traceparent"] == TRACE_PARENT


def test_grpc_web_is_answered_with_the_message_and_its_trailers(rest: httpx.Client, game: FakeGame) -> None:
    game.answers["ListTracks"] = one_track
    headers = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"}

    answer = rest.post("/furlong.game.v1.TrackService/ListTracks", content=bytes(5), headers=headers)

    assert answer.headers["content-type"] == "application/grpc-web+proto"
    message = track_service_pb2.ListTracksResponse(tracks=[TRACK]).SerializeToString()
    assert answer.content.startswith(b"\x00" + len(message).to_bytes(4, "big") + message)
    assert b"grpc-status:0" in answer.content


def test_a_page_of_another_origin_is_not_let_in(rest: httpx.Client, game: FakeGame) -> None:
    answer = rest.get("/v1/tracks", headers={"origin": "https://elsewhere.example"})

    assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_what_a_service_says_of_an_answers_age_becomes_headers(rest: httpx.Client, game: FakeGame) -> None:
    async def from_the_cache(request: Any, context: Context) -> track_service_pb2.ListTracksResponse:
        await context.send_initial_metadata((("x-cache", "HIT L1"), ("age", "3")))
        return await one_track(request, context)

    fresh = rest.get("/v1/tracks")
    game.answers["ListTracks"] = from_the_cache
    kept = rest.get("/v1/tracks")

    assert (kept.headers["x-cache"], kept.headers["age"]) == ("HIT L1", "3")
    assert kept.json()["tracks"][0]["track"] == TRACK.track
    assert not {"x-cache", "age"} & fresh.headers.keys()
