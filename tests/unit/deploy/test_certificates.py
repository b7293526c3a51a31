"""Certificates are made for every part, renewed in time, and an authority is known before it signs."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from deploy.certificates import CertificateFolder, Lifetimes
from deploy.edges import parts
from tests.papers import certificate_in

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY = timedelta(days=1)
LIVES = Lifetimes(certificate=30 * DAY, authority=360 * DAY)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "certificates"


def keep(folder: Path, now: datetime = NOW, **asked: object) -> list[str]:
    return CertificateFolder(folder, LIVES).keep(now=now, **asked)  # type: ignore[arg-type] # as the tests need


def serials(folder: Path) -> dict[str, int]:
    return {part: certificate_in(folder / part).serial_number for part in parts()}


def trusted(folder: Path, part: str) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates((folder / part / "ca.crt").read_bytes())


def test_a_part_is_named_as_a_host_and_as_an_identity(folder: Path) -> None:
    keep(folder)
    for part in parts():
        names = certificate_in(folder / part).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.DNSName) == [part]
        assert names.get_values_for_type(x509.UniformResourceIdentifier) == [f"spiffe://furlong/{part}"]


def test_keys_are_their_owners_alone(folder: Path) -> None:
    keep(folder)
    keys = [*folder.glob("*/tls.key"), *folder.glob("authority/*.key")]
    assert len(keys) == len(parts()) + 1
    assert {file.stat().st_mode & 0o777 for file in keys} == {0o600}
    assert (folder / "authority").stat().st_mode & 0o777 == 0o700


def test_what_is_fresh_stays_as_it_is(folder: Path) -> None:
    keep(folder)
    before = serials(folder)
    assert keep(folder, NOW + 19 * DAY) == []
    assert serials(folder) == before


def test_what_has_passed_two_thirds_of_its_life_is_made_anew(folder: Path) -> None:
    keep(folder)
    before = serials(folder)
    assert len(keep(folder, NOW + 21 * DAY)) == len(parts())
    assert not set(before.values()) & set(serials(folder).values())


def test_all_is_made_anew_when_asked_for(folder: Path) -> None:
    keep(folder)
    before = serials(folder)
    keep(folder, renew=True)
    assert not set(before.values()) & set(serials(folder).values())


def test_a_new_authority_is_trusted_by_all_before_it_signs(folder: Path) -> None:
    keep(folder)
    [old] = trusted(folder, "game")
    keep(folder, NOW + 241 * DAY)
    assert {len(trusted(folder, part)) for part in parts()} == {2}
    assert {certificate_in(folder / part).issuer for part in parts()} == {old.subject}

    keep(folder, NOW + 241 * DAY + timedelta(minutes=2), renew=True)
    [newest, _] = trusted(folder, "game")
    assert newest.subject != old.subject
    assert {certificate_in(folder / part).issuer for part in parts()} == {newest.subject}


def test_an_authority_that_has_expired_is_trusted_no_more(folder: Path) -> None:
    keep(folder)
    [old] = trusted(folder, "game")
    keep(folder, NOW + 241 * DAY)
    keep(folder, NOW + 361 * DAY)
    assert old.subject not in {each.subject for each in trusted(folder, "game")}


def test_the_outside_is_shown_hosts_and_no_part(folder: Path) -> None:
    keep(folder, public=["furlong.example", "127.0.0.1"])
    names = certificate_in(folder / "public").extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["furlong.example"]
    assert [str(each) for each in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == []


def test_another_name_for_the_outside_makes_its_certificate_anew(folder: Path) -> None:
    keep(folder, public=["furlong.example"])
    assert keep(folder, public=["furlong.example"]) == []
    assert len(keep(folder, public=["www.furlong.example"])) == 1


def test_the_files_of_a_part_are_replaced_together(folder: Path) -> None:
    keep(folder)
    links = {file: file.readlink() for file in (folder / "game").iterdir() if file.suffix in (".crt", ".key")}
    keep(folder, renew=True)
    assert {file: file.readlink() for file in links} == links
    assert (folder / "game" / "..data").is_symlink()
    assert len([each for each in (folder / "game").iterdir() if each.is_dir() and not each.is_symlink()]) == 1


def test_an_authority_must_outlive_what_it_signs() -> None:
    with pytest.raises(ValueError, match="three times"):
        Lifetimes(certificate=30 * DAY, authority=60 * DAY)
