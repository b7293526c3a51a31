"""A beacon of the tests' own, on loopback: it signs its rounds under a key of its own, and can misbehave."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from py_arkworks_bls12381 import G1Point, G2Point, Scalar

from services.game.adapters.bls import DOMAIN
from services.game.domain.beacon import BeaconChain

SECRET = Scalar(0x5EC2E7)


def signed(beacon_round: int, secret: Scalar = SECRET) -> bytes:
    """The signature of a round under the tests' key."""
    message = sha256(beacon_round.to_bytes(8, "big")).digest()
    return bytes((G1Point.hash_to_curve(message, DOMAIN) * secret).to_compressed_bytes())


def chain_of_tests(genesis_s: int, period_s: int = 1) -> BeaconChain:
    """A beacon under the tests' key."""
    return BeaconChain(
        name="tests",
        chain_hash=sha256(b"tests/beacon.py").hexdigest(),
        public_key=bytes((G2Point() * SECRET).to_compressed_bytes()).hex(),
        genesis_s=genesis_s,
        period_s=period_s,
    )


class LoopbackBeacon:
    """Serves the rounds whose time has come. `mood` is how: well, silent, lying, babbling, nesting
    brackets, or of another round."""

    def __init__(self, chain: BeaconChain) -> None:
        self.chain = chain
        self.mood = "well"
        self.asked: list[int] = []
        self.url = ""

    def answer(self, path: str) -> tuple[int, bytes]:
        """What is said to a path."""
        _, chain_hash, _, number = path.split("/")
        beacon_round = int(number)
        self.asked.append(beacon_round)
        if self.mood == "babbling":
            return 200, b"<html>"
        if self.mood == "nesting":
            return 200, b"[" * 4_096
        too_early = beacon_round > self.chain.round_at(int(time.time() * 1_000))
        if self.mood == "silent" or too_early or chain_hash != self.chain.chain_hash:
            return 404, b"{}"
        signature = signed(beacon_round, Scalar(7) if self.mood == "lying" else SECRET)
        told_round = beacon_round + 1 if self.mood == "another" else beacon_round
        said = {"round": told_round, "randomness": sha256(signature).hexdigest(), "signature": signature.hex()}
        return 200, json.dumps(said).encode()


@contextmanager
def beaconing(chain: BeaconChain) -> Iterator[LoopbackBeacon]:
    """Serve a beacon on a port of its own."""
    beacon = LoopbackBeacon(chain)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = beacon.answer(self.path)
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    serving.start()
    beacon.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield beacon
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
