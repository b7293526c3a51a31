"""Errors have one shape, whoever refused: a service behind the gateway or the gateway itself."""

from collections.abc import Iterator
from typing import Any

import grpc
import httpx
import pytest
from furlong.game.v1 import ticket_service_pb2, track_service_pb2
from furlong.game.v1.ticket_service_pb2_grpc import TicketServiceStub
from furlong.game.v1.track_service_pb2_grpc import TrackServiceStub
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # ships no types
from grpc_status import rpc_status

from tests.contract.gateway.fake_game import Context, FakeGame

ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"


@pytest.fixture
def channel(gateway: str) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(gateway, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        yield channel


def refused(answer: httpx.Response) -> tuple[int, int, str]:
    """The HTTP status, the code and the reason of an error, whose shape is checked."""
    assert answer.headers["content-type"] == "application/json"
    error = answer.json()
    assert set(error) == {"code", "message", "details"}
    assert error["message"]
    info = error["details"][0]
    assert (info["@type"], info["domain"]) == (ERROR_INFO, "furlong")
    return answer.status_code, error["code"], info["reason"]


def reason_of(error: grpc.RpcError) -> str:
    status = rpc_status.from_call(error)  # type: ignore[arg-type]  # an error of a call is a call
    assert status is not None
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.domain == "furlong"
    return str(info.reason)


async def no_such_track(request: Any, context: Context) -> Message:
    status = status_pb2.Status(code=5, message="no such track")
    info = error_details_pb2.ErrorInfo(reason="TRACK_NOT_FOUND", domain="furlong", metadata={"track": "a"})
    for detail in (info, error_details_pb2.RetryInfo(retry_delay=Duration(nanos=250_000_000))):
        status.details.add().Pack(detail)
    await context.abort_with_status(rpc_status.to_status(status))
    raise AssertionError("abort raises")


@pytest.mark.parametrize("path", ["/v1/tracks/a", "/v1/tracks/a:watch"])
def test_a_refusal_of_a_service_keeps_its_code_and_details(rest: httpx.Client, game: FakeGame, path: str) -> None:
    game.answers["GetTrack"] = game.answers["WatchRounds"] = no_such_track

    answer = rest.get(path)

    assert refused(answer) == (404, 5, "TRACK_NOT_FOUND")
    assert answer.json()["message"] == "no such track"
    assert answer.json()["details"][0]["metadata"] == {"track": "a"}
    assert answer.json()["details"][1] == {
        "@type": "type.googleapis.com/google.rpc.RetryInfo",
        "retry_delay": "0.250s",
    }


@pytest.mark.parametrize(
    ("verb", "path", "content", "outcome"),
    [
        ("GET", "/v1/nothing", "", (404, 5, "METHOD_UNKNOWN")),
        ("POST", "/", "{}", (404, 5, "METHOD_UNKNOWN")),
        ("GET", "/v1", "", (404, 5, "METHOD_UNKNOWN")),
        ("GET", "/", "", (503, 14, "DEPENDENCY_DOWN")),
        ("DELETE", "/v1/tracks", "", (404, 5, "METHOD_UNKNOWN")),
        ("OPTIONS", "/v1/tracks", "", (404, 5, "METHOD_UNKNOWN")),
        ("POST", "/furlong.game.v1.TrackService/ListTracks", "{}", (404, 5, "METHOD_UNKNOWN")),
        ("POST", "/furlong.persist.v1.LedgerService/Anything", "{}", (404, 5, "METHOD_UNKNOWN")),
        ("GET", "/v1/tracks?colour=red", "", (400, 3, "MALFORMED")),
        ("GET", "/v1/tracks?page_size=many", "", (400, 3, "MALFORMED")),
        ("GET", "/v1/rounds/seventeen", "", (400, 3, "MALFORMED")),
        ("GET", "/v1/rounds/99999999999999999999", "", (400, 3, "MALFORMED")),
        ("GET", "/v1/tracks/a%2Fb", "", (400, 3, "MALFORMED")),
        ("POST", "/v1/tickets:place", "{not json", (400, 3, "MALFORMED")),
        ("POST", "/v1/tickets:place", "[]", (400, 3, "MALFORMED")),
        ("POST", "/v1/tickets:place", '{"round_id": 1.5}', (400, 3, "MALFORMED")),
        ("POST", "/v1/tickets:place", '{"tickets": [{"lines": [{"market": "?"}]}]}', (400, 3, "MALFORMED")),
        ("POST", "/v1/tickets:place", 300_000 * " " + "{}", (413, 3, "MALFORMED")),
    ],
    ids=lambda value: str(value)[:40],
)
def test_the_gateway_refuses_what_is_not_of_the_contract(
    rest: httpx.Client, game: FakeGame, verb: str, path: str, content: str, outcome: tuple[int, int, str]
) -> None:
    assert refused(rest.request(verb, path, content=content)) == outcome
    assert game.calls == []


def test_headers_that_are_too_large_are_refused(rest: httpx.Client, game: FakeGame) -> None:
    assert refused(rest.get("/v1/tracks", headers={"authorization": 9_000 * "x"})) == (431, 3, "MALFORMED")


def test_the_gateway_says_what_it_could_not_read(rest: httpx.Client, game: FakeGame) -> None:
    assert "page_size" in rest.get("/v1/tracks?page_size=many").json()["message"]


def test_an_unknown_method_over_grpc_is_unimplemented(channel: grpc.Channel) -> None:
    for path in ("/furlong.game.v1.TrackService/Nothing", "/grpc.health.v1.Health/Check"):
        with pytest.raises(grpc.RpcError) as failed:
            channel.unary_unary(path, lambda message: message, bytes)(b"")
        assert failed.value.code() is grpc.StatusCode.UNIMPLEMENTED
        assert reason_of(failed.value) == "METHOD_UNKNOWN"


def test_a_message_that_is_too_large_is_refused_over_grpc(channel: grpc.Channel, game: FakeGame) -> None:
    request = ticket_service_pb2.PlaceTicketsRequest()
    request.tickets.add(request_id=300_000 * "x")

    with pytest.raises(grpc.RpcError) as failed:
        TicketServiceStub(channel).PlaceTickets(request)

    assert failed.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert reason_of(failed.value) == "MALFORMED"
    assert game.calls == []


def test_without_a_service_behind_it_the_gateway_says_that_nothing_was_done(
    rest: httpx.Client, channel: grpc.Channel, game: FakeGame
) -> None:
    game.stop()
    try:
        over_rest = rest.get("/v1/tracks")
        with pytest.raises(grpc.RpcError) as failed:
            TrackServiceStub(channel).ListTracks(track_service_pb2.ListTracksRequest())
    finally:
        game.start(game.port)

    assert refused(over_rest) == (503, 14, "DEPENDENCY_DOWN")
    assert failed.value.code() is grpc.StatusCode.UNAVAILABLE
    assert reason_of(failed.value) == "DEPENDENCY_DOWN"
