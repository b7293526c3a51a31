"""A service that dies under a call leaves the outcome open, and the gateway says so."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from deploy.local.ports import LOOPBACK
from deploy.local.programs import StackSettings
from tests.contract.gateway.conftest import start_gateway

SETTINGS_FRAME = bytes.fromhex("000000040000000000")
HEADERS_TYPE = 1


class DyingServer:
    """Speaks as much HTTP/2 as is needed to take a call, and breaks the connection instead of an answer."""

    def __init__(self) -> None:
        self._listener = socket.create_server((LOOPBACK, 0))
        self.port = int(self._listener.getsockname()[1])
        self.calls_taken = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as arriving:
                connection.sendall(SETTINGS_FRAME)
                self._wait_call(arriving.read)
            self.calls_taken += 1

    def _wait_call(self, read: object) -> None:
        assert callable(read)
        read(len(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
        while header := read(9):
            read(int.from_bytes(header[:3], "big"))
            if header[3] == HEADERS_TYPE:
                return


@pytest.fixture
def dying() -> Iterator[DyingServer]:
    server = DyingServer()
    yield server
    server.close()


def test_a_call_that_breaks_under_way_has_an_unknown_outcome(dying: DyingServer, tmp_path: Path) -> None:
    part, address = start_gateway(tmp_path, dying.port, StackSettings(data_dir=tmp_path))
    try:
        with httpx.Client(trust_env=False) as client:
            taken_before = dying.calls_taken
            answer = client.post(f"http://{address}/v1/tickets:place", json={"round_id": "17"})
    finally:
        part.stop()

    assert (answer.status_code, answer.json()["code"]) == (503, 14)
    assert answer.json()["details"][0]["reason"] == "OUTCOME_UNKNOWN"
    assert dying.calls_taken > taken_before
