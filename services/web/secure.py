"""Mutual TLS of web: the certificate of now for every new connection, and callers that their certificates name.

The server hands no certificate to the application, so who calls is looked at where a connection begins.
"""

import asyncio
import ssl
from collections.abc import Mapping, Set
from http import HTTPStatus
from typing import Any, Self

import structlog
from furlong.client.tls import TlsFiles, TlsMaterial
from starlette.responses import PlainTextResponse
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from services.chassis.tls import TlsConfig, part_of

log = structlog.get_logger(__name__)


class RenewedContext(ssl.SSLContext):
    """Gives every connection that begins the certificate that the files hold then."""

    _config: TlsConfig
    _files: TlsFiles
    _material: TlsMaterial
    _now: ssl.SSLContext

    def __new__(cls, config: TlsConfig, files: TlsFiles) -> Self:
        """Make it; raises OSError or ssl.SSLError for files that cannot be used."""
        made = super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)
        made._config, made._files = config, files
        made._material = files.fresh()
        made._now = _context(config, made._material)
        return made

    def wrap_bio(self, *connection: Any, **of_connection: Any) -> ssl.SSLObject:
        """Begin a connection."""
        material = self._files.fresh()
        if material is not self._material:
            self._renew(material)
        return self._now.wrap_bio(*connection, **of_connection)

    def _renew(self, material: TlsMaterial) -> None:
        try:
            self._now = _context(self._config, material)
        except (OSError, ssl.SSLError) as error:  # replaced again just now: the next connection finds all of it
            log.warning("TLS files not taken", why=str(error))
        else:
            self._material = material


def protocol(callers: Set[str]) -> type[asyncio.Protocol]:
    """Make the protocol that serves `callers` alone."""

    class Named(AutoHTTPProtocol):  # type: ignore[misc,valid-type] # chosen by the server at import
        """Answers a stranger with 403, whatever it asks."""

        def connection_made(self, transport: asyncio.Transport) -> None:
            """Look who it is."""
            super().connection_made(transport)
            part = caller(transport.get_extra_info("peercert") or {})
            if part not in callers:
                self.app = _refusal(part)

    return Named


def caller(certificate: Mapping[str, Any]) -> str | None:
    """Tell the part that a verified certificate names; None where it names none, or more than one."""
    identities = [name for kind, name in certificate.get("subjectAltName", ()) if kind == "URI"]
    return part_of(identities[0]) if len(identities) == 1 else None


def _refusal(part: str | None) -> PlainTextResponse:
    who = "no part" if part is None else part
    said = f"the certificate of the connection names {who}, which is not one to call this server\n"
    return PlainTextResponse(said, HTTPStatus.FORBIDDEN)


def _context(config: TlsConfig, material: TlsMaterial) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # A session that is taken up again would not show its certificate again; only of TLS 1.3 can that be switched off.
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(config.certificate_file, config.key_file)
    context.load_verify_locations(cadata=(material.authority or b"").decode("ascii"))
    return context
