"""A whole stack whose parts speak mutual TLS: it sells, shows and measures, and every port knows whom it answers."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from deploy.certificates import Authority, CertificateFolder, Issued
from deploy.edges import callers_of, parts
from deploy.local.stack import LocalStack
from tests.e2e.doors import RestDoor, doors
from tests.e2e.people import People
from tests.e2e.racing import (
    FAST,
    balance_minor,
    new_track,
    open_account,
    open_round,
    order,
    place,
    round_that_is,
    win_line,
)
from tests.e2e.waiting import until
from tests.papers import HTTP_1, HTTP_2, Office, bare_channel, certificate_in, new_authority, shake_hands
from tests.served import read_refusal
from tests.stack import running_stack

SEEN_S = 2.0
"""Longer than any part takes to look at its files."""
TOLD_S = 20.0


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    CertificateFolder(folder).keep()
    return folder


@pytest.fixture(scope="module")
def tls(certificates: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """A stack of which every part has a certificate."""
    with running_stack(tmp_path_factory.mktemp("tls"), certificates=certificates, trace_sample_ratio=1.0) as stack:
        yield stack


@pytest.fixture(scope="module")
def office(certificates: Path, tmp_path_factory: pytest.TempPathFactory) -> Office:
    """One that issues certificates by the authority of the stack."""
    made = Office(tmp_path_factory.mktemp("office"))
    [signer] = (certificates / "authority").glob("*.crt")
    made.authority = Authority.read(signer)
    return made


@pytest.fixture
async def door(tls: LocalStack) -> AsyncIterator[RestDoor]:
    async with doors(tls.addresses.gateway) as (rest, _):
        yield rest


def ports(stack: LocalStack) -> dict[tuple[str, str], int]:
    """Every port of the stack that speaks mutual TLS, by part and protocol."""
    where = stack.addresses
    found = {
        ("game", "gRPC"): where.game,
        ("persist", "gRPC"): where.persist,
        ("cache", "gRPC"): where.cache,
        ("metrics", "gRPC"): where.metrics,
        ("metrics", "OTLP"): where.otlp,
        ("web", "HTTP"): where.web,
    }
    return {server: int(address.rpartition(":")[2]) for server, address in found.items()}


async def test_a_ticket_is_placed_through_the_gateway_and_its_round_is_run(tls: LocalStack, door: RestDoor) -> None:
    people, track = People(tls), await new_track(tls, "secret", FAST)
    ann = await open_account(door, people.cashier)
    opened = await open_round(door, track)
    [result] = await place(door, people.cashier, opened["round_id"], order(ann, win_line(1, 100)))
    assert result["verdict"] == "ACCEPTED"
    assert (await round_that_is(door, opened["round_id"], "SETTLED", within_s=20))["phase"] == "SETTLED"


async def test_the_pages_come_through_the_gateway(tls: LocalStack) -> None:
    async with httpx.AsyncClient(base_url=f"http://{tls.addresses.gateway}") as client:
        assert (await client.get("/")).status_code == httpx.codes.OK


async def test_every_part_sends_its_telemetry(tls: LocalStack, door: RestDoor) -> None:
    operator = {"authorization": f"Bearer {People(tls).operator}"}
    async with httpx.AsyncClient(base_url=f"http://{tls.addresses.gateway}", headers=operator) as client:
        await new_track(tls, "told", FAST)
        looked_at: set[str] = set()
        seen: set[str] = set()

        async def told() -> bool:
            await client.get("/")
            await client.get("/v1/cache/stats")
            traces = (await client.get("/v1/traces", params={"page_size": 100})).json()["traces"]
            for trace_id in {trace["trace_id"] for trace in traces} - looked_at:
                spans = (await client.get(f"/v1/traces/{trace_id}")).json()["trace"]["spans"]
                seen.update(span["service"] for span in spans)
                looked_at.add(trace_id)
            return seen >= parts() - {"metrics"}  # metrics tells figures and no traces

        await until(told, within_s=TOLD_S, what="spans of every part have come")


@pytest.mark.parametrize(
    ("part", "protocol"),
    [
        ("game", "gRPC"),
        ("persist", "gRPC"),
        ("cache", "gRPC"),
        ("metrics", "gRPC"),
        ("metrics", "OTLP"),
        ("web", "HTTP"),
    ],
)
async def test_every_port_answers_its_callers_and_nobody_else(
    tls: LocalStack, office: Office, part: str, protocol: str
) -> None:
    port = ports(tls)[part, protocol]
    ask = ask_web if protocol == "HTTP" else ask_grpc
    named = callers_of(part, protocol)
    told = {each: await ask(port, part, office.issue(each)) for each in sorted(parts())}
    assert told == {each: "answered" if each in named else "not allowed" for each in sorted(parts())}

    caller = min(named)
    wrong = {
        "another authority": office.issue(
            caller, folder="forged", authority=new_authority(), trusted=office.authority.pem
        ),
        "expired": office.issue(caller, folder="expired", lives=-timedelta(seconds=10)),
        "no part": office.put("none", host(office)),
        "no certificate": None,
    }
    assert {why: await ask(port, part, folder, office) for why, folder in wrong.items()} == {
        "another authority": "no connection",
        "expired": "no connection",
        "no part": "no connection",  # it is not for callers at all
        "no certificate": "no connection",
    }
    assert await in_clear_text(port) == "no connection"


async def test_certificates_are_replaced_while_the_stack_sells(
    tls: LocalStack, certificates: Path, office: Office, door: RestDoor
) -> None:
    people, stop = People(tls), asyncio.Event()
    ann = await open_account(door, people.cashier)
    answered = 0

    async def read_on() -> None:
        nonlocal answered
        while not stop.is_set():
            await balance_minor(door, people.cashier, ann)
            answered += 1

    reading = [asyncio.create_task(read_on()) for _ in range(4)]
    before = {part: certificate_in(certificates / part).serial_number for part in parts()}
    CertificateFolder(certificates).keep(new_authority=True, now=datetime.now(UTC))
    await asyncio.sleep(SEEN_S)
    later = datetime.now(UTC) + timedelta(minutes=2)  # the new authority has been known for long enough
    CertificateFolder(certificates).keep(renew=True, now=later)
    for (part, protocol), port in ports(tls).items():
        caller = min(callers_of(part, protocol))
        spoken = HTTP_1 if protocol == "HTTP" else HTTP_2
        shown = await asyncio.to_thread(shake_hands, port, certificates / caller, protocol=spoken)
        assert shown.serial_number == certificate_in(certificates / part).serial_number != before[part]
    await asyncio.sleep(SEEN_S)
    stop.set()
    await asyncio.gather(*reading)
    assert answered > 0


async def ask_grpc(port: int, part: str, folder: Path | None, office: Office | None = None) -> str:
    """What a caller is told that asks for health."""
    authority = None if office is None else trusted(office)
    async with bare_channel(port, part, folder, authority=authority) as channel:
        call = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service="readiness"), timeout=5)
        try:
            await call
        except grpc.aio.AioRpcError as error:
            told = read_refusal(error)
            return {"PEER_NOT_ALLOWED": "not allowed", "UNAVAILABLE": "no connection"}[told.reason or told.code.name]
    return "answered"


async def ask_web(port: int, part: str, folder: Path | None, office: Office | None = None) -> str:
    """What a caller is told that asks for a page."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    if folder is not None:
        context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    context.load_verify_locations(folder / "ca.crt" if folder is not None else trusted(office or Office(Path())))
    async with httpx.AsyncClient(base_url=f"https://127.0.0.1:{port}", verify=context, trust_env=False) as client:
        try:
            reply = await client.get("/")
        except httpx.TransportError:
            return "no connection"
    return {httpx.codes.OK: "answered", httpx.codes.FORBIDDEN: "not allowed"}[httpx.codes(reply.status_code)]


async def in_clear_text(port: int) -> str:
    """What becomes of a connection without TLS."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
    try:
        said = await asyncio.wait_for(reader.read(), 5)
    except ConnectionResetError:
        said = b""
    writer.close()
    return "no connection" if not said.startswith(b"HTTP/") else "answered"


def trusted(office: Office) -> Path:
    """A file with the authority of the office."""
    return office.issue("web", folder="trust") / "ca.crt"


def host(office: Office) -> Issued:
    """What a host is issued that is no part."""
    now = datetime.now(UTC)
    return office.authority.issue_host(["localhost"], since=now - timedelta(minutes=5), until=now + timedelta(days=1))
