"""A real Prometheus, of Debian's next release where this machine has none that takes OTLP."""

import shutil
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
TAKES_OTLP = "web.enable-otlp-receiver"
"""The flag of Prometheus 3; one of the second line has a feature instead."""
FEATURES = "--enable-feature=otlp-write-receiver,native-histograms"
READY_S = 20.0
POLL_S = 0.1


def program(cache: Path) -> Path:
    """Prometheus' program. Skips the test where there is none to be had."""
    if (installed := shutil.which(PACKAGE)) is not None and _flags(Path(installed)):
        return Path(installed)
    unpacked = cache / PACKAGE
    found = unpacked / "usr" / "bin" / PACKAGE
    if not found.exists():
        try:
            packages.require_debian()
            packages.unpack_newer(PACKAGE, unpacked, cache)
        except EngineMissing as missing:
            pytest.skip(f"no Prometheus that takes OTLP: {missing}")
    return found


@contextmanager
def running(program: Path, folder: Path) -> Iterator[str]:
    """Run it on a folder, with the configuration that operators use; its address."""
    address = f"{LOOPBACK}:{free_port()}"
    command = [str(program), f"--config.file={CONFIGURATION}", f"--storage.tsdb.path={folder / 'data'}"]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, f"--web.listen-address={address}", *_flags(program)], stdout=log, stderr=log
        )
    try:
        _wait_ready(address, process, folder / "prometheus.log")
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait()


def _flags(program: Path) -> list[str]:
    """What makes it take OTLP; nothing where it cannot."""
    told = subprocess.run([program, "--help"], capture_output=True, text=True, check=False)
    known = told.stdout + told.stderr
    if TAKES_OTLP in known:
        return [f"--{TAKES_OTLP}"]
    return [FEATURES] if "otlp-write-receiver" in known else []


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
