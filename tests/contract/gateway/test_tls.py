"""The gateway speaks TLS to the outside and mutual TLS to the parts, and takes new certificates up while it runs."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from furlong.client import connect
from furlong.client.errors import Unreachable
from furlong.client.tls import TlsUnusable
from furlong.common.v1.round_pb2 import Track
from furlong.game.v1 import track_service_pb2 as tracks_pb2
from furlong.game.v1 import track_service_pb2_grpc as tracks_grpc

from deploy.certificates import CertificateFolder
from deploy.local.part import ProcessPart
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.programs import Addresses, StackSettings, gateway_part
from services.chassis.hosted import Hosted
from tests.papers import certificate_in, config_of, new_authority
from tests.served import config, serving

PUBLIC = ("localhost", LOOPBACK)
SOON_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """A gateway in front of a game, both with certificates of a folder."""

    address: str
    certificates: Path

    @property
    def authority(self) -> Path:
        return self.certificates / "ca.crt"

    async def get(self, path: str = "/v1/tracks") -> httpx.Response:
        trusting = ssl.create_default_context(cafile=self.authority)
        async with httpx.AsyncClient(base_url=f"https://{self.address}", verify=trusting, trust_env=False) as client:
            return await client.get(path)

    def shown(self) -> x509.Certificate:
        """The certificate that the outside is shown."""
        trusting = ssl.create_default_context(cafile=self.authority)
        host, _, port = self.address.rpartition(":")
        with (
            socket.create_connection((host, int(port)), SOON_S) as line,
            trusting.wrap_socket(line, server_hostname=host) as secured,
        ):
            found = secured.getpeercert(binary_form=True)
        assert found is not None
        return x509.load_der_x509_certificate(found)


def host_tracks() -> Hosted:
    async def list_tracks(_: Any, __: Any) -> tracks_pb2.ListTracksResponse:
        return tracks_pb2.ListTracksResponse(tracks=[Track(track="harbour-mile")])

    class Tracks:
        def __getattr__(self, name: str) -> Any:
            return list_tracks

    return Hosted(
        add=tracks_grpc.add_TrackServiceServicer_to_server,
        servicer=Tracks(),
        descriptor=tracks_pb2.DESCRIPTOR.services_by_name["TrackService"],
    )


@asynccontextmanager
async def gateway(folder: Path, certificates: Path, game_port: int) -> AsyncIterator[Door]:
    (folder / "logs").mkdir()
    addresses = Addresses(
        gateway=f"{LOOPBACK}:{free_port()}",
        game=f"{LOOPBACK}:{game_port}",
        persist="",
        web=f"{LOOPBACK}:{free_port()}",
        envoy_admin=f"{LOOPBACK}:{free_port()}",
        database_url="",
    )
    settings = StackSettings(data_dir=folder, certificates=certificates, public_tls=True)
    part: ProcessPart = gateway_part(settings, addresses, folder)
    part.start()
    try:
        await asyncio.to_thread(part.wait_ready)
        yield Door(address=addresses.gateway, certificates=certificates)
    finally:
        await asyncio.to_thread(part.stop)


@asynccontextmanager
async def door(tmp_path: Path, part: str = "game", callers: frozenset[str] = frozenset(("gateway",))) -> Any:
    """A gateway, and behind it what has the certificate of a part."""
    certificates = tmp_path / "certificates"
    CertificateFolder(certificates).keep(public=PUBLIC)
    settings = config(tls=config_of(certificates / part))
    async with (
        serving(host_tracks(), settings=settings, callers=callers) as served,
        gateway(tmp_path, certificates, served.server.port) as opened,
    ):
        yield opened


async def eventually_ok(opened: Door) -> None:
    """Wait until a call comes through: its health is being asked, or the gateway still shows what it had before."""
    async with asyncio.timeout(SOON_S):
        while not await _is_ok(opened):  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.1)


async def _is_ok(opened: Door) -> bool:
    try:
        return (await opened.get()).status_code == httpx.codes.OK
    except httpx.ConnectError:
        return False


async def test_the_outside_calls_over_tls(tmp_path: Path) -> None:
    async with door(tmp_path) as opened:
        await eventually_ok(opened)
        assert [track["track"] for track in (await opened.get()).json()["tracks"]] == ["harbour-mile"]
        for target in (f"https://{opened.address}", opened.address):
            async with connect(target, ca_file=opened.authority) as furlong:
                assert [track.track for track in await furlong.tracks.list()] == ["harbour-mile"]


async def test_a_client_that_does_not_know_the_authority_does_not_call(tmp_path: Path) -> None:
    stranger = tmp_path / "stranger.crt"
    stranger.write_bytes(new_authority().pem)
    async with door(tmp_path) as opened:
        await eventually_ok(opened)
        for wrong in (connect(opened.address, ca_file=stranger), connect(f"https://{opened.address}")):
            async with wrong as furlong:
                with pytest.raises(Unreachable):
                    await furlong.tracks.list()
        async with connect(opened.address) as furlong:
            with pytest.raises(Unreachable):
                await furlong.tracks.list()


async def test_a_server_that_is_another_part_gets_no_call(tmp_path: Path) -> None:
    async with door(tmp_path, part="cache") as opened:
        assert (await opened.get()).status_code == httpx.codes.SERVICE_UNAVAILABLE


async def test_a_server_that_does_not_name_the_gateway_refuses_it(tmp_path: Path) -> None:
    async with door(tmp_path, callers=frozenset(("web",))) as opened:
        reply = await opened.get()
        assert reply.status_code == httpx.codes.FORBIDDEN
        assert "PEER_NOT_ALLOWED" in reply.text


async def test_new_certificates_are_taken_up_without_a_failed_call(tmp_path: Path) -> None:
    async with door(tmp_path) as opened:
        await eventually_ok(opened)
        before = await asyncio.to_thread(opened.shown)
        stop, answered = asyncio.Event(), 0

        async def call_on() -> None:
            nonlocal answered
            trusting = ssl.create_default_context(cafile=opened.authority)
            async with httpx.AsyncClient(base_url=f"https://{opened.address}", verify=trusting) as client:
                while not stop.is_set():
                    (await client.get("/v1/tracks")).raise_for_status()
                    answered += 1

        calling = asyncio.create_task(call_on())
        CertificateFolder(opened.certificates).keep(public=PUBLIC, renew=True, now=datetime.now(UTC))
        renewed = certificate_in(opened.certificates / "public").serial_number
        async with asyncio.timeout(SOON_S):
            while (await asyncio.to_thread(opened.shown)).serial_number != renewed:  # noqa: ASYNC110 - a file is watched
                await asyncio.sleep(0.1)
        stop.set()
        await calling
        assert renewed != before.serial_number
        assert answered > 0


async def test_a_gateway_and_a_server_that_came_back_know_each_other_by_a_new_authority(tmp_path: Path) -> None:
    certificates = tmp_path / "certificates"
    CertificateFolder(certificates).keep(public=PUBLIC)
    settings = config(port=free_port(), tls=config_of(certificates / "game"))
    callers = frozenset(("gateway",))
    async with gateway(tmp_path, certificates, settings.port) as opened:
        async with serving(host_tracks(), settings=settings, callers=callers):
            await eventually_ok(opened)
        for old in (certificates / "authority").iterdir():
            old.unlink()
        CertificateFolder(certificates).keep(public=PUBLIC, renew=True)
        async with serving(host_tracks(), settings=settings, callers=callers):
            await eventually_ok(opened)


@pytest.mark.parametrize("content", ["", "nothing\n"])
async def test_a_file_without_an_authority_is_told(tmp_path: Path, content: str) -> None:
    file = tmp_path / "ca.crt"
    file.write_text(content)
    with pytest.raises(TlsUnusable, match="holds no certificate in PEM"):
        connect("localhost:8080", ca_file=file)


async def test_clear_text_and_an_authority_do_not_go_together(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="clear text"):
        connect("http://localhost:8080", ca_file=tmp_path / "ca.crt")
