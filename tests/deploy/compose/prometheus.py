"""A real Prometheus, of Debian's next release, which keeps histograms as today's do."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from deploy.engine import packages
from deploy.engine.docker import EngineMissing
from deploy.local.ports import LOOPBACK, free_port
from tests.deploy.compose.stacks import ROOT

PACKAGE = "prometheus"
CONFIGURATION = ROOT / "deploy" / "observability" / "prometheus.yaml"
FLAGS = ("--web.enable-remote-write-receiver", "--enable-feature=native-histograms")
READY_S = 20.0
POLL_S = 0.1


def program(cache: Path) -> Path:
    """Prometheus' program. Skips the test where there is none to be had."""
    unpacked = cache / PACKAGE
    found = unpacked / "usr" / "bin" / PACKAGE
    if not found.exists():
        try:
            packages.require_debian()
            packages.unpack_newer(PACKAGE, unpacked, cache)
        except EngineMissing as missing:
            pytest.skip(f"there is no Prometheus: {missing}")
    return found


@contextmanager
def running(program: Path, folder: Path) -> Iterator[str]:
    """Run it on a folder, with the configuration that operators use; its address."""
    address = f"{LOOPBACK}:{free_port()}"
    command = [str(program), f"--config.file={CONFIGURATION}", f"--storage.tsdb.path={folder / 'data'}"]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen([*command, f"--web.listen-address={address}", *FLAGS], stdout=log, stderr=log)
    try:
        _wait_ready(address, process, folder / "prometheus.log")
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait()


def _wait_ready(address: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    ends_at_s = time.monotonic() + READY_S
    while True:
        assert process.poll() is None, log.read_text()[-2_000:]
        assert time.monotonic() < ends_at_s, log.read_text()[-2_000:]
        try:
            if httpx.get(f"http://{address}/-/ready", verify=False).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(POLL_S)
