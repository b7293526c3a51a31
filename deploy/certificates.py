"""Makes the certificates by which the parts know each other, and renews them in time.

    python -m deploy.certificates FOLDER [--days 30] [--public NAME ...] [--renew] [--new-authority]

    FOLDER/<part>/tls.crt, tls.key, ca.crt    what TLS_CERT_FILE, TLS_KEY_FILE and TLS_CA_FILE of the part name
    FOLDER/public/...                         the gateway's, towards the outside, for the names given by --public
    FOLDER/ca.crt                             whom everybody trusts
    FOLDER/authority/                         the keys of the authority: whoever has them can be any part

The names are those of a Kubernetes Secret of type kubernetes.io/tls, and the files are replaced as Kubernetes does it:
all of a part's at once, behind a symbolic link. Run it again before anything expires, once a day for instance: what has
passed two thirds of its life is made anew, all else stays as it is. A new authority is trusted by all before it signs:
it is published beside the old one, and signs in a later run, at the earliest after --overlap-s. For compose and for
tests; in Kubernetes cert-manager does this.
"""

import argparse
import ipaddress
import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from deploy.edges import parts

TRUST_DOMAIN: Final = "spiffe://furlong/"
PUBLIC: Final = "public"
"""The folder of the gateway's certificate for those outside, which names hosts and no part."""

CERTIFICATE, KEY, AUTHORITY = "tls.crt", "tls.key", "ca.crt"
CLOCK_SKEW: Final = timedelta(minutes=5)
"""How far the clocks of two machines may be apart: a certificate is valid from this long ago."""
RENEWED_AFTER: Final = 2 / 3
"""The share of its life after which a certificate is made anew."""
_CURRENT: Final = "..data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetimes:
    """How long things are valid. The authority outlives what it signed when it is renewed at two thirds of its life."""

    certificate: timedelta = timedelta(days=30)
    authority: timedelta = timedelta(days=365)
    overlap: timedelta = timedelta(minutes=1)

    def __post_init__(self) -> None:
        if self.certificate * 3 > self.authority:
            raise ValueError("an authority lives at least three times as long as what it signs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A certificate and its key, PEM."""

    certificate: bytes
    key: bytes


class Authority:
    """One that signs certificates."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self.certificate = certificate
        self._key = key

    @classmethod
    def new(cls, lifetime: timedelta, now: datetime) -> "Authority":
        """Make one that signs itself."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(f"Furlong authority {secrets.token_hex(4)}")  # two of them are told apart by their names
        certificate = (
            _builder(name, name, key.public_key(), now - CLOCK_SKEW, now + lifetime)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        return cls(certificate, key)

    @classmethod
    def read(cls, certificate_file: Path) -> "Authority":
        """Read one that was written."""
        key = serialization.load_pem_private_key(certificate_file.with_suffix(".key").read_bytes(), password=None)
        assert isinstance(key, ec.EllipticCurvePrivateKey), f"the key of {certificate_file} is of another kind"
        return cls(x509.load_pem_x509_certificate(certificate_file.read_bytes()), key)

    def write(self, folder: Path) -> None:
        """Write it into a folder that is its owner's alone."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = folder / f"{self.certificate.serial_number:x}.crt"
        _write(file.with_suffix(".key"), _key_pem(self._key), mode=0o600)
        _write(file, self.pem, mode=0o644)

    @property
    def pem(self) -> bytes:
        """Its certificate."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def issue_part(self, part: str, *, since: datetime, until: datetime) -> Issued:
        """Sign a certificate that lets its holder be `part`, as a server and as a caller."""
        names = [x509.DNSName(part), x509.UniformResourceIdentifier(f"{TRUST_DOMAIN}{part}")]
        both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        return self._issue(part, names, both, since, until)

    def issue_host(self, hosts: Sequence[str], *, since: datetime, until: datetime) -> Issued:
        """Sign a server's certificate for host names and IP addresses."""
        return self._issue(hosts[0], _host_names(hosts), [ExtendedKeyUsageOID.SERVER_AUTH], since, until)

    def _issue(
        self,
        common_name: str,
        names: Sequence[x509.GeneralName],
        uses: Sequence[x509.ObjectIdentifier],
        since: datetime,
        until: datetime,
    ) -> Issued:
        key = ec.generate_private_key(ec.SECP256R1())
        until = min(until, self.certificate.not_valid_after_utc)
        signer = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        certificate = (
            _builder(_name(common_name), self.certificate.subject, key.public_key(), since, until)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(signer),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        return Issued(certificate=certificate.public_bytes(serialization.Encoding.PEM), key=_key_pem(key))


class CertificateFolder:
    """The certificates of one deployment, in one folder."""

    def __init__(self, folder: Path, lifetimes: Lifetimes | None = None) -> None:
        self._folder = folder
        self._lifetimes = lifetimes or Lifetimes()

    def keep(
        self,
        *,
        names: Sequence[str] | None = None,
        public: Sequence[str] = (),
        renew: bool = False,
        new_authority: bool = False,
        now: datetime | None = None,
    ) -> list[str]:
        """Make what is missing or has passed two thirds of its life, of every part unless `names` are given.

        `renew` makes every certificate anew, `new_authority` an authority. Returns a line for everything that was made.
        """
        now = now or datetime.now(UTC)
        self._folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        authorities = [each for each in self._authorities() if each.certificate.not_valid_after_utc > now]
        said = []
        if not authorities or new_authority or _aged(authorities[0].certificate, now):
            authorities.insert(0, Authority.new(self._lifetimes.authority, now))
            authorities[0].write(self._folder / "authority")
            said.append(f"authority {authorities[0].certificate.subject.rfc4514_string()}")
        trusted = b"".join(each.pem for each in authorities)
        _write(self._folder / AUTHORITY, trusted, mode=0o644)
        signer = self._signer(authorities, now)
        until = now + self._lifetimes.certificate
        for part in sorted(names or parts()):
            made = None
            if renew or self._is_due(part, now):
                made = signer.issue_part(part, since=now - CLOCK_SKEW, until=until)
                said.append(f"{part} until {until:%Y-%m-%d %H:%M} UTC")
            self._publish(part, made, trusted)
        if public:
            made = None
            if renew or self._is_due(PUBLIC, now, hosts=public):
                made = signer.issue_host(public, since=now - CLOCK_SKEW, until=until)
                said.append(f"{', '.join(public)} until {until:%Y-%m-%d %H:%M} UTC")
            self._publish(PUBLIC, made, trusted)
        return said

    def _authorities(self) -> list[Authority]:
        """Those that there are, the newest first."""
        found = [Authority.read(file) for file in (self._folder / "authority").glob("*.crt")]
        return sorted(found, key=lambda each: each.certificate.not_valid_before_utc, reverse=True)

    def _signer(self, authorities: Sequence[Authority], now: datetime) -> Authority:
        """The newest that all have known for long enough, else the one before it."""
        known_since = now - self._lifetimes.overlap - CLOCK_SKEW
        known = [each for each in authorities if each.certificate.not_valid_before_utc <= known_since]
        return known[0] if known else authorities[-1]

    def _is_due(self, name: str, now: datetime, hosts: Sequence[str] | None = None) -> bool:
        try:
            there = x509.load_pem_x509_certificate((self._folder / name / CERTIFICATE).read_bytes())
        except FileNotFoundError:
            return True
        if hosts is not None:
            named = there.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            if list(named) != _host_names(hosts):
                return True
        return _aged(there, now)

    def _publish(self, name: str, made: Issued | None, trusted: bytes) -> None:
        folder = self._folder / name
        if made is None:
            if (folder / AUTHORITY).read_bytes() == trusted:
                return
            made = Issued(certificate=(folder / CERTIFICATE).read_bytes(), key=(folder / KEY).read_bytes())
        replace_files(folder, {CERTIFICATE: made.certificate, KEY: made.key, AUTHORITY: trusted})


def replace_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Put files into a folder, all at once: their names lead through one symbolic link, which is replaced."""
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    version = folder / f"..{secrets.token_hex(8)}"
    version.mkdir(mode=0o755)
    for name, content in files.items():
        _write(version / name, content, mode=0o600 if name == KEY else 0o644)
    link = folder / f"..next-{secrets.token_hex(4)}"
    link.symlink_to(version.name)
    before = folder / _CURRENT
    outdated = before.resolve() if before.is_symlink() else None
    link.replace(before)
    for name in files:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(Path(_CURRENT, name))
    if outdated is not None:
        shutil.rmtree(outdated)


def _aged(certificate: x509.Certificate, now: datetime) -> bool:
    life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    return now >= certificate.not_valid_before_utc + life * RENEWED_AFTER


def _builder(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, since: datetime, until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(until)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _host_names(hosts: Sequence[str]) -> list[x509.GeneralName]:
    return [_host_name(host) for host in hosts]


def _host_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(file: Path, content: bytes, *, mode: int) -> None:
    """Write a file, whole or not at all."""
    fresh = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as out:
        out.write(content)
    fresh.replace(file)


def _read_arguments() -> tuple[argparse.Namespace, Lifetimes]:
    parser = argparse.ArgumentParser(prog="python -m deploy.certificates", description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--days", type=float, default=30, metavar="DAYS", help="how long certificates live")
    parser.add_argument("--authority-days", type=float, default=365, metavar="DAYS", help="how long an authority lives")
    parser.add_argument("--overlap-s", type=float, default=60, metavar="SECONDS", help="least time before it signs")
    parser.add_argument(
        "--public", action="append", default=[], metavar="NAME", help="host that the gateway answers as"
    )
    parser.add_argument("--renew", action="store_true", help="make every certificate anew, whatever its age")
    parser.add_argument("--new-authority", action="store_true", help="make an authority, whatever the age of the last")
    given = parser.parse_args()
    try:
        lifetimes = Lifetimes(
            certificate=timedelta(days=given.days),
            authority=timedelta(days=given.authority_days),
            overlap=timedelta(seconds=given.overlap_s),
        )
    except ValueError as error:
        parser.error(str(error))
    return given, lifetimes


def main() -> None:
    """Keep one folder."""
    given, lifetimes = _read_arguments()
    made = CertificateFolder(given.folder, lifetimes).keep(
        public=given.public, renew=given.renew, new_authority=given.new_authority
    )
    print("\n".join(made) or "nothing is due")


if __name__ == "__main__":
    main()
