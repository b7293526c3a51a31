"""A server with a certificate answers the parts that it names as its callers, and nobody else."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from furlong.client import open_channel
from furlong.client.tls import LOOK_S
from furlong.game.v1 import round_service_pb2 as pb2
from furlong.game.v1 import round_service_pb2_grpc as pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from deploy.local.ports import free_port
from services.chassis.probe import ask
from tests.papers import (
    HANDSHAKE_S,
    HTTP_2,
    Office,
    bare_channel,
    caller_context,
    certificate_in,
    channel_tls,
    config_of,
    new_authority,
    shake_hands,
)
from tests.served import Refused, Served, config, host_rounds, host_tickets, refused, serving

PART, CALLER = "game", "gateway"
REQUEST = pb2.GetRoundRequest(round_id=1)
ROUNDS = pb2.DESCRIPTOR.services_by_name["RoundService"]
SERVING = health_pb2.HealthCheckResponse.SERVING
SHORT = timedelta(seconds=3)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


async def answer(_: Any, __: Any) -> Any:
    return pb2.GetRoundResponse()


def stream(go_on: asyncio.Event) -> Callable[[Any, Any], Any]:
    async def watch(_: Any, context: Any) -> None:
        await context.write(pb2.WatchRoundsResponse(transition_seq=1))
        await go_on.wait()
        await context.write(pb2.WatchRoundsResponse(transition_seq=2))

    return watch


@asynccontextmanager
async def secured(folder: Path, **answers: Any) -> Any:
    settings = config(tls=config_of(folder), health_port=free_port())
    hosted = host_rounds(**{"GetRound": answer, **answers})
    async with serving(hosted, host_tickets(), settings=settings, callers={CALLER}) as served:
        yield served


async def asked(served: Served, folder: Path | None, *, authority: Path | None = None) -> str:
    """What a caller is told: OK, the reason of a refusal, or its code."""
    async with bare_channel(served.server.port, PART, folder, authority=authority) as channel:
        try:
            await pb2_grpc.RoundServiceStub(channel).GetRound(REQUEST, timeout=5)
        except grpc.aio.AioRpcError as error:
            told = await refused(_raising(error))
            return told.reason or told.code.name
    return "OK"


async def _raising(error: Exception) -> None:
    raise error


async def health(channel: grpc.aio.Channel) -> Any:
    return await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service="readiness"))


async def test_the_part_that_is_named_is_answered_and_others_are_refused(office: Office) -> None:
    known = office.issue(PART)
    stranger = new_authority()
    callers = {
        "named": (office.issue(CALLER), "OK"),
        "another part": (office.issue("web"), "PEER_NOT_ALLOWED"),
        "itself": (known, "PEER_NOT_ALLOWED"),
        "another authority": (
            office.issue(CALLER, folder="forged", authority=stranger, trusted=office.authority.pem),
            "UNAVAILABLE",
        ),
        "expired": (office.issue(CALLER, folder="expired", lives=-timedelta(seconds=10)), "UNAVAILABLE"),
        "no certificate": (None, "UNAVAILABLE"),
    }
    async with secured(known) as served:
        told = {name: await asked(served, folder, authority=known / "ca.crt") for name, (folder, _) in callers.items()}
    assert told == {name: expected for name, (_, expected) in callers.items()}


async def test_a_refused_caller_is_told_which_part_its_certificate_names(office: Office) -> None:
    other = office.issue("web")
    async with (
        secured(office.issue(PART)) as served,
        bare_channel(served.server.port, PART, other) as channel,
    ):
        told = await refused(pb2_grpc.RoundServiceStub(channel).GetRound(REQUEST))
        stream = pb2_grpc.RoundServiceStub(channel).WatchRounds(pb2.WatchRoundsRequest())
        streamed = await refused(stream.read())
    assert (told.code, told.reason) == (grpc.StatusCode.PERMISSION_DENIED, "PEER_NOT_ALLOWED")
    assert told.metadata == {"part": "web"}
    assert streamed.reason == "PEER_NOT_ALLOWED"


async def test_clear_text_at_a_port_of_tls_is_refused(office: Office) -> None:
    async with secured(office.issue(PART)) as served:
        told: Refused = await refused(served.rounds.GetRound(REQUEST, timeout=5))
    assert told.code is grpc.StatusCode.UNAVAILABLE


async def test_a_caller_refuses_a_server_that_is_another_part(office: Office) -> None:
    async with secured(office.issue("cache")) as served:
        assert await asked(served, office.issue(CALLER)) == "UNAVAILABLE"


async def test_health_at_the_port_of_tls_is_for_callers_and_at_its_own_for_everybody(office: Office) -> None:
    named, other = office.issue(CALLER), office.issue("web")
    async with secured(office.issue(PART)) as served:
        async with bare_channel(served.server.port, PART, named) as channel:
            assert (await health(channel)).status == SERVING
        async with bare_channel(served.server.port, PART, other) as channel:
            assert (await refused(health(channel))).reason == "PEER_NOT_ALLOWED"
        async with grpc.aio.insecure_channel(f"127.0.0.1:{served.server.health_port}") as channel:
            assert (await health(channel)).status == SERVING
            served.ready[0] = False
            assert (await health(channel)).status != SERVING
            told = await refused(pb2_grpc.RoundServiceStub(channel).GetRound(REQUEST))
    assert told.code is grpc.StatusCode.UNIMPLEMENTED


async def test_calls_go_on_while_certificates_and_authorities_are_replaced(office: Office) -> None:
    server, caller = office.issue(PART), office.issue(CALLER)
    old, new = office.authority, new_authority()
    both = old.pem + new.pem
    calls, stop = 0, asyncio.Event()

    async def call_on(channel: grpc.aio.Channel) -> None:
        nonlocal calls
        stub = pb2_grpc.RoundServiceStub(channel)
        while not stop.is_set():
            await stub.GetRound(REQUEST)
            calls += 1
            await asyncio.sleep(0.005)

    async with (
        secured(server) as served,
        open_channel(
            f"127.0.0.1:{served.server.port}", services=[ROUNDS], tls=channel_tls(caller, PART), health_check=True
        ) as channel,
    ):
        calling = [asyncio.create_task(call_on(channel)) for _ in range(4)]
        serials = set()
        for signer, trusted in ((old, both), (new, both), (new, new.pem)):
            for part in (PART, CALLER):
                office.issue(part, authority=signer, trusted=trusted)
            await asyncio.sleep(LOOK_S + 0.5)
            shown = await asyncio.to_thread(shake_hands, served.server.port, caller)
            assert shown.serial_number == certificate_in(server).serial_number
            serials.add(shown.serial_number)
            before = calls
            await asyncio.sleep(0.1)
            assert calls > before
        stop.set()
        await asyncio.gather(*calling)
        assert len(serials) == 3
        left = office.issue(CALLER, folder="left", authority=old, trusted=both)
        assert await asked(served, left) == "UNAVAILABLE", "the old authority is trusted no more"


async def test_a_stream_outlives_the_certificate_that_opened_it_and_nobody_opens_another(office: Office) -> None:
    caller, go_on = office.issue(CALLER, lives=SHORT), asyncio.Event()
    async with (
        secured(office.issue(PART), WatchRounds=stream(go_on)) as served,
        bare_channel(served.server.port, PART, caller) as channel,
    ):
        frames = aiter(pb2_grpc.RoundServiceStub(channel).WatchRounds(pb2.WatchRoundsRequest()))
        assert (await anext(frames)).transition_seq == 1
        await asyncio.sleep(SHORT.total_seconds() + 1)
        go_on.set()
        assert (await anext(frames)).transition_seq == 2
        assert await asked(served, caller) == "UNAVAILABLE"


async def test_a_stream_stays_on_its_connection_when_later_calls_have_a_new_certificate(office: Office) -> None:
    caller, go_on = office.issue(CALLER), asyncio.Event()
    async with (
        secured(office.issue(PART), WatchRounds=stream(go_on)) as served,
        open_channel(f"127.0.0.1:{served.server.port}", services=[ROUNDS], tls=channel_tls(caller, PART)) as channel,
    ):
        stub = pb2_grpc.RoundServiceStub(channel)
        frames = aiter(stub.WatchRounds(pb2.WatchRoundsRequest()))
        assert (await anext(frames)).transition_seq == 1
        office.issue(CALLER)
        await asyncio.sleep(LOOK_S + 0.1)
        await stub.GetRound(REQUEST)
        go_on.set()
        assert (await anext(frames)).transition_seq == 2


async def test_a_certificate_that_cannot_be_used_is_not_taken_up(office: Office) -> None:
    server, caller = office.issue(PART), office.issue(CALLER)
    async with secured(server) as served:
        good = certificate_in(server).serial_number
        office.issue(PART, lives=-timedelta(seconds=10))
        assert (await asyncio.to_thread(shake_hands, served.server.port, caller)).serial_number == good
        office.issue(PART)
        shown = await asyncio.to_thread(shake_hands, served.server.port, caller)
        assert shown.serial_number == certificate_in(server).serial_number != good


async def test_a_connection_that_shows_no_certificate_because_an_earlier_one_did_is_refused(office: Office) -> None:
    caller = office.issue(CALLER)
    async with secured(office.issue(PART)) as served:
        assert await asyncio.to_thread(health_twice, served.server.port, caller) == [
            "SERVING",
            "answered with an error",
        ]


def health_twice(port: int, folder: Path) -> list[str]:
    """What is told over a connection, and over another one that takes up its session."""
    context = caller_context(folder, HTTP_2)
    told, session = [], None
    for _ in range(2):
        with (
            socket.create_connection(("127.0.0.1", port), HANDSHAKE_S) as line,
            context.wrap_socket(line, session=session) as secured,
        ):
            told.append(ask(secured, "readiness"))
            assert secured.session_reused == (session is not None)
            session = secured.session
    return told


async def test_a_stream_of_requests_is_asked_once_who_opens_it(office: Office) -> None:
    caller = office.issue(CALLER)
    async with (
        secured(office.issue(PART)) as served,
        bare_channel(served.server.port, PART, caller) as channel,
    ):
        dialogue: Any = channel.stream_stream("/furlong.game.v1.TicketService/StreamTickets")()
        await dialogue.write(b"")
        answered = await dialogue.read()
        dialogue.cancel()
    assert isinstance(answered, bytes)
