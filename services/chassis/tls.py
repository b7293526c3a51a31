"""Who this part is towards the others, and who they are: mutual TLS with certificates that name parts.

A part's certificate names it twice: as the DNS name `<part>`, by which a caller checks that it reached the right one,
whatever the address was, and as `spiffe://furlong/<part>`, by which a server tells its callers apart. The files may be
replaced while the part runs: a server reads them again at a handshake, a channel before a call; connections that are
open go on.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final, Protocol

import grpc
import structlog
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from furlong.client.tls import ChannelTls, TlsFiles, TlsMaterial, TlsUnusable

from services.chassis.config import setting

TRUST_DOMAIN: Final = "spiffe://furlong/"
_PEER_IDENTITY: Final = "peer_spiffe_id"
"""Where gRPC tells it, for a certificate that was verified and has exactly one."""
_RESUMED: Final = "ssl_session_reused"
_YES: Final = b"true"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsConfig:
    """The files of a part's own certificate: all of them, or none for a part that speaks in clear text."""

    certificate_file: str = setting(
        "TLS_CERT_FILE", "", "certificate of this part and what signed it, PEM; with it all its ports are mutual TLS"
    )
    key_file: str = setting("TLS_KEY_FILE", "", "private key of the certificate, PEM")
    authority_file: str = setting("TLS_CA_FILE", "", "who signs the certificates of the other parts, PEM")
    otlp_name: str = setting("OTLP_SERVER_NAME", "metrics", "whom the certificate at an https OTLP endpoint must name")

    def __post_init__(self) -> None:
        """Check that the files are all given, or none; ValueError names the variables."""
        given = {
            "TLS_CERT_FILE": self.certificate_file,
            "TLS_KEY_FILE": self.key_file,
            "TLS_CA_FILE": self.authority_file,
        }
        missing = [variable for variable, file in given.items() if not file]
        if 0 < len(missing) < len(given):
            raise ValueError(f"{', '.join(given)} belong together, and of them {', '.join(missing)} is not set")

    @property
    def on(self) -> bool:
        """Whether this part speaks TLS."""
        return bool(self.certificate_file)


@cache
def open_files(config: TlsConfig) -> TlsFiles | None:
    """Open the files of this part, once however many ports and channels it has; None where it speaks in clear text.

    Raises TlsUnusable for one that cannot be read, a key that is not the certificate's, or a certificate that has
    expired. Later such files are refused in the log, and those before stay in use.
    """
    if not config.on:
        return None
    certificate, key, authority = map(Path, (config.certificate_file, config.key_file, config.authority_file))
    return TlsFiles(
        authority=authority,
        certificate=certificate,
        key=key,
        check=lambda material: _check(material, certificate=certificate, key=key, authority=authority),
        on_unusable=lambda unusable: log.error("TLS files not taken", file=str(unusable.file), why=unusable.why),
    )


def explain(config: TlsConfig, unusable: TlsUnusable) -> str:
    """Say in one line which variable names the file that cannot be used, and why it cannot."""
    variables = {
        config.certificate_file: "TLS_CERT_FILE",
        config.key_file: "TLS_KEY_FILE",
        config.authority_file: "TLS_CA_FILE",
    }
    return f"{variables[str(unusable.file)]} {unusable.file} {unusable.why}"


def towards(part: str, files: TlsFiles | None) -> ChannelTls | None:
    """Make the TLS of a channel to a part."""
    return None if files is None else ChannelTls(files=files, server_name=part)


def server_credentials(files: TlsFiles) -> grpc.ServerCredentials:
    """Make the credentials of a server that wants its callers' certificates, and looks at its files at a handshake."""
    known = files.fresh()

    def renewed() -> grpc.ServerCertificateConfiguration | None:
        nonlocal known
        found = files.fresh()  # in a thread of gRPC's own
        if found is known:
            return None
        known = found
        return _server_material(found)

    return grpc.dynamic_ssl_server_credentials(
        _server_material(known),
        renewed,  # type: ignore[arg-type] # the stubs do not know that None means "as before"
        require_client_authentication=True,
    )


class Handshake(Protocol):
    """What is asked of a call's context to tell who calls."""

    def auth_context(self) -> Mapping[str, Iterable[bytes]]:
        """Tell what the handshake found out."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: the part that the certificate names, None where it names none.

    A connection that takes up a session of an earlier one has shown no certificate itself: `resumed` is what it was
    then, and may have expired since.
    """

    part: str | None
    resumed: bool


def caller(context: Handshake) -> Caller:
    """Tell who calls."""
    known = context.auth_context()
    part = None
    for identity in known.get(_PEER_IDENTITY, ()):
        part = part_of(identity.decode(errors="replace"))
    return Caller(part, _YES in known.get(_RESUMED, ()))


def part_of(identity: str) -> str | None:
    """Tell the part that `spiffe://furlong/<part>` names; None for any other identity."""
    part = identity.removeprefix(TRUST_DOMAIN)
    return part if part != identity and part and "/" not in part else None


def _server_material(material: TlsMaterial) -> grpc.ServerCertificateConfiguration:
    assert material.key is not None, "a part has a key"
    assert material.certificate is not None, "a part has a certificate"
    return grpc.ssl_server_certificate_configuration(
        [(material.key, material.certificate)], root_certificates=material.authority
    )


def _check(material: TlsMaterial, *, certificate: Path, key: Path, authority: Path) -> None:
    own = _certificates(material.certificate, certificate)[0]
    _certificates(material.authority, authority)
    if _public_half(_private_key(material.key, key)) != _public_bytes(own.public_key()):
        raise TlsUnusable(key, f"is not the key of the certificate {certificate}")
    if own.not_valid_after_utc <= datetime.now(UTC):
        raise TlsUnusable(certificate, f"expired at {own.not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC")
    log.info(
        "certificate",
        identity=_identity(own),
        serial=f"{own.serial_number:x}",
        expires_at=own.not_valid_after_utc.isoformat(),
    )


def _certificates(pem: bytes | None, file: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem or b"")
    except ValueError as error:
        raise TlsUnusable(file, "holds no certificate in PEM") from error


def _private_key(pem: bytes | None, file: Path) -> Any:
    try:
        return serialization.load_pem_private_key(pem or b"", password=None)
    except (ValueError, TypeError) as error:  # TypeError is a key with a password
        raise TlsUnusable(file, "holds no private key in PEM that can be read without a password") from error


def _public_half(key: Any) -> bytes:
    return _public_bytes(key.public_key())


def _public_bytes(key: Any) -> bytes:
    encoded: bytes = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return encoded


def _identity(certificate: x509.Certificate) -> str:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ""
    return " ".join(names.get_values_for_type(x509.UniformResourceIdentifier))
