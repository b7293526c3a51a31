"""The files of TLS are checked at start, in words that name what is wrong."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from furlong.client.tls import TlsUnusable

from services.chassis.config import ConfigError, read
from services.chassis.server_config import ServerConfig
from services.chassis.tls import TlsConfig, explain, open_files, part_of
from tests.papers import Office, config_of


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def said(config: TlsConfig) -> str:
    with pytest.raises(TlsUnusable) as unusable:
        open_files(config)
    return explain(config, unusable.value)


def test_without_files_there_is_no_tls() -> None:
    assert open_files(TlsConfig()) is None


def test_the_files_of_a_part_are_opened_once(office: Office) -> None:
    folder = office.issue("game")
    assert open_files(config_of(folder)) is open_files(config_of(folder))


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        (["TLS_CERT_FILE"], "TLS_KEY_FILE, TLS_CA_FILE is not set"),
        (["TLS_CERT_FILE", "TLS_CA_FILE"], "TLS_KEY_FILE is not set"),
        (["TLS_KEY_FILE"], "TLS_CERT_FILE, TLS_CA_FILE is not set"),
    ],
)
def test_files_are_all_given_or_none(given: list[str], missing: str) -> None:
    with pytest.raises(ConfigError, match=missing):
        read(ServerConfig, dict.fromkeys(given, "/somewhere"))


@pytest.mark.parametrize(
    ("file", "variable"), [("tls.crt", "TLS_CERT_FILE"), ("tls.key", "TLS_KEY_FILE"), ("ca.crt", "TLS_CA_FILE")]
)
def test_a_file_that_is_not_there_is_named(office: Office, file: str, variable: str) -> None:
    folder = office.issue("game")
    (folder / file).unlink()
    assert said(config_of(folder)) == f"{variable} {folder / file} cannot be read: No such file or directory"


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("tls.crt", "holds no certificate in PEM"),
        ("tls.key", "holds no private key in PEM that can be read without a password"),
        ("ca.crt", "holds no certificate in PEM"),
    ],
)
def test_a_file_with_something_else_in_it_is_named(office: Office, file: str, words: str) -> None:
    folder = office.issue("game")
    (folder / file).unlink()
    (folder / file).write_text("nothing\n")
    assert said(config_of(folder)).endswith(f"{folder / file} {words}")


def test_a_key_that_is_not_the_certificates_is_named(office: Office) -> None:
    folder, other = office.issue("game"), office.issue("cache")
    mixed = TlsConfig(
        certificate_file=str(folder / "tls.crt"),
        key_file=str(other / "tls.key"),
        authority_file=str(folder / "ca.crt"),
    )
    expected = f"TLS_KEY_FILE {other / 'tls.key'} is not the key of the certificate {folder / 'tls.crt'}"
    assert said(mixed) == expected


def test_a_certificate_that_has_expired_is_named(office: Office) -> None:
    folder = office.issue("game", lives=-timedelta(minutes=1))
    assert said(config_of(folder)).startswith(f"TLS_CERT_FILE {folder / 'tls.crt'} expired at ")


def test_a_service_whose_key_cannot_be_read_ends_and_says_so(office: Office) -> None:
    folder = office.issue("cache")
    (folder / "tls.key").unlink()
    environment = {
        "PYTHONPATH": ":".join(sys.path),
        "TLS_CERT_FILE": str(folder / "tls.crt"),
        "TLS_KEY_FILE": str(folder / "tls.key"),
        "TLS_CA_FILE": str(folder / "ca.crt"),
    }
    ended = subprocess.run(
        [sys.executable, "-m", "services.cache"], env=environment, capture_output=True, text=True, timeout=30
    )
    assert ended.returncode == 2
    said = f"TLS_KEY_FILE {folder / 'tls.key'} cannot be read: No such file or directory"
    assert ended.stderr.splitlines()[-1] == said


@pytest.mark.parametrize(
    ("identity", "part"),
    [
        ("spiffe://furlong/game", "game"),
        ("spiffe://furlong/", None),
        ("spiffe://furlong/game/1", None),
        ("spiffe://other/game", None),
        ("game", None),
    ],
)
def test_an_identity_names_a_part_or_none(identity: str, part: str | None) -> None:
    assert part_of(identity) == part
