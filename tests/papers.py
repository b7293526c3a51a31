"""Certificates for tests: right ones, and every kind of wrong one."""

import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
from cryptography import x509
from furlong.client.tls import ChannelTls, TlsFiles, credentials

from deploy.certificates import AUTHORITY, CERTIFICATE, CLOCK_SKEW, KEY, Authority, Issued, replace_files
from services.chassis.tls import TlsConfig, towards

DAY = timedelta(days=1)
HANDSHAKE_S = 5.0
HTTP_1, HTTP_2 = "http/1.1", "h2"


class Office:
    """An authority, and the folders of those whom it signs for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.authority = new_authority()

    def issue(
        self,
        part: str,
        *,
        folder: str | None = None,
        authority: Authority | None = None,
        trusted: bytes | None = None,
        lives: timedelta = DAY,
    ) -> Path:
        """Put a part's certificate, its key and whom it trusts into a folder, and give that; replaces what is there."""
        now = datetime.now(UTC)
        issued = (authority or self.authority).issue_part(part, since=now - CLOCK_SKEW, until=now + lives)
        return self.put(folder or part, issued, trusted)

    def put(self, folder: str, issued: Issued, trusted: bytes | None = None) -> Path:
        """Put what was issued into a folder."""
        into = self._folder / folder
        files = {CERTIFICATE: issued.certificate, KEY: issued.key, AUTHORITY: trusted or self.authority.pem}
        replace_files(into, files)
        return into


def new_authority() -> Authority:
    """An authority that nobody knows yet."""
    return Authority.new(DAY * 10, datetime.now(UTC))


def config_of(folder: Path) -> TlsConfig:
    """The settings that name the files of a folder."""
    return TlsConfig(
        certificate_file=str(folder / CERTIFICATE),
        key_file=str(folder / KEY),
        authority_file=str(folder / AUTHORITY),
    )


def files_of(folder: Path) -> TlsFiles:
    """The files of a caller."""
    return TlsFiles(authority=folder / AUTHORITY, certificate=folder / CERTIFICATE, key=folder / KEY)


def channel_tls(folder: Path, part: str) -> ChannelTls:
    """How a caller with the files of a folder reaches a part."""
    tls = towards(part, files_of(folder))
    assert tls is not None
    return tls


def bare_channel(port: int, part: str, folder: Path | None, *, authority: Path | None = None) -> grpc.aio.Channel:
    """A channel to a part, without retries: with the certificate of a folder, or without one, trusting `authority`."""
    files = files_of(folder) if folder is not None else TlsFiles(authority=authority)
    options = [
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.enable_retries", 0),
        *ChannelTls(files=files, server_name=part).options(),
    ]
    return grpc.aio.secure_channel(f"127.0.0.1:{port}", credentials(files.fresh()), options=options)


def shake_hands(port: int, folder: Path, *, protocol: str = HTTP_2) -> x509.Certificate:
    """Make a connection with the certificate of a folder, and give the server's. Raises OSError where it is refused."""
    with (
        socket.create_connection(("127.0.0.1", port), HANDSHAKE_S) as line,
        caller_context(folder, protocol).wrap_socket(line) as secured,
    ):
        shown = secured.getpeercert(binary_form=True)
        if protocol == HTTP_1:
            secured.sendall(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        secured.recv(1)  # a server that refuses the caller says so after the handshake, in TLS 1.3
    assert shown is not None
    return x509.load_der_x509_certificate(shown)


def caller_context(folder: Path, protocol: str) -> ssl.SSLContext:
    """How a caller with the files of a folder shakes hands."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # parts are not called by addresses
    context.load_cert_chain(folder / CERTIFICATE, folder / KEY)
    context.load_verify_locations(folder / AUTHORITY)
    context.set_alpn_protocols([protocol])
    return context


def certificate_in(folder: Path) -> x509.Certificate:
    """The certificate in a folder."""
    return x509.load_pem_x509_certificate((folder / CERTIFICATE).read_bytes())
