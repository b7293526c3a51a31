"""web answers the gateway alone where it has a certificate, and tells its health to everybody."""

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.ports import free_port
from services.chassis import probe
from tests.papers import HANDSHAKE_S, HTTP_1, Office, caller_context, certificate_in, shake_hands

ROOT = Path(__file__).parents[3]
START_S = 30.0


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    return Office(tmp_path_factory.mktemp("office"))


@pytest.fixture(scope="module")
def own(office: Office) -> Path:
    """The folder of web's certificate."""
    return office.issue("web")


@pytest.fixture(scope="module")
def health_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def port(own: Path, health_port: int) -> Iterator[int]:
    """Where a web with a certificate answers."""
    found = free_port()
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(str(ROOT / root) for root in ("", "gen", "client")),
        "FURLONG_PORT": str(found),
        "HEALTH_PORT": str(health_port),
        "TLS_CERT_FILE": str(own / "tls.crt"),
        "TLS_KEY_FILE": str(own / "tls.key"),
        "TLS_CA_FILE": str(own / "ca.crt"),
    }
    web = subprocess.Popen([sys.executable, "-m", "services.web"], cwd=ROOT, env=environment, stdout=subprocess.PIPE)
    try:
        deadline_s = time.monotonic() + START_S
        while probe.main([str(health_port), "pages"]) != 0:
            assert time.monotonic() < deadline_s, "web did not start"
            time.sleep(0.1)
        yield found
    finally:
        web.terminate()
        said, _ = web.communicate(timeout=10)
        assert b'"level": "error"' not in said


def status(port: int, folder: Path) -> int:
    connection = http.client.HTTPSConnection(
        "127.0.0.1", port, timeout=HANDSHAKE_S, context=caller_context(folder, HTTP_1)
    )
    connection.request("GET", "/")
    answered = connection.getresponse().status
    connection.close()
    return answered


def test_the_gateway_is_answered_and_other_parts_are_not(port: int, office: Office) -> None:
    assert {part: status(port, office.issue(part)) for part in ("gateway", "game")} == {"gateway": 200, "game": 403}


def test_health_has_a_port_of_its_own_with_nothing_else(port: int, health_port: int) -> None:
    assert probe.main([str(health_port), "pages"]) == 0
    connection = http.client.HTTPConnection("127.0.0.1", health_port, timeout=HANDSHAKE_S)
    connection.request("GET", "/")
    assert connection.getresponse().status == http.HTTPStatus.NOT_FOUND
    connection.close()


def test_a_new_certificate_is_shown_to_the_next_connection(port: int, office: Office, own: Path) -> None:
    caller = office.issue("gateway")
    before = shake_hands(port, caller, protocol=HTTP_1).serial_number
    office.issue("web")
    assert shake_hands(port, caller, protocol=HTTP_1).serial_number == certificate_in(own).serial_number != before


def test_no_session_is_taken_up_again(port: int, office: Office) -> None:
    context = caller_context(office.issue("gateway"), HTTP_1)
    session = None
    for _ in range(2):
        with (
            socket.create_connection(("127.0.0.1", port), HANDSHAKE_S) as line,
            context.wrap_socket(line, session=session) as secured,
        ):
            secured.sendall(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
            assert secured.recv(1_024).startswith(b"HTTP/1.1 200")
            assert not secured.session_reused
            session = secured.session
