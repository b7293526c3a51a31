"""The compose stack for tests: a project of its own on a real engine, with the files that operators use."""

import json
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.compose.__main__ import wait_for_tracks
from deploy.engine.docker import Docker, EngineFailed
from deploy.images import bases
from deploy.local.ports import LOOPBACK, free_port

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "deploy" / "compose"
BASE, OBSERVABILITY, TESTS = (FOLDER / f"{name}.yaml" for name in ("compose", "observability", "tests"))
ONE_SHOTS = ("keys", "certificates", "migrations", "tracks")
UP_S = 240.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Compose:
    """One project. `environment` is what an operator would set."""

    docker: Docker
    environment: Mapping[str, str]

    def __call__(self, *arguments: str, timeout_s: float = UP_S) -> str:
        """`docker compose ...`, to its end. Raises EngineFailed."""
        return self.aimed("compose", *arguments, timeout_s=timeout_s)

    @property
    def aimed(self) -> Docker:
        """`docker` with the project in its environment, as `python -m deploy.compose.roll` finds it."""
        return Docker(environment={**self.docker.environment, **self.environment}, is_own=self.docker.is_own)

    def containers(self, service: str = "", *, ended: bool = False) -> Sequence[Mapping[str, Any]]:
        """What the engine knows of the project's containers, or those of one service; of one-shots too if `ended`."""
        options = ["--all"] if ended else []
        ids = self("ps", "--quiet", *options, *([service] if service else [])).split()
        found: Sequence[Mapping[str, Any]] = json.loads(self.docker("inspect", *ids)) if ids else []
        return found

    def logs(self) -> str:
        """The last lines of every part, for a test that fails."""
        return self("logs", "--no-color", "--tail=40")


@dataclass(slots=True, kw_only=True)
class RunningStack:
    """A stack that runs, and what is known of it."""

    compose: Compose
    gateway: str
    up_s: float = 0.0
    token: str = ""
    """It lets do everything that people do."""


def project(docker: Docker, images: Mapping[str, str], *, forward_port: int = 0) -> tuple[Compose, str]:
    """A project that nobody has: how to speak of it, and its gateway.

    `images` are variables: names of images of others where they differ from `bases.env`, repository and tag of ours.
    """
    name = f"furlong-test-{secrets.token_hex(3)}"
    port = free_port()
    network = f"10.214.{secrets.randbelow(256)}"
    environment = {
        **bases.read(),
        **images,
        "COMPOSE_FILE": f"{BASE}:{TESTS}",
        "COMPOSE_PROJECT_NAME": name,
        "GATEWAY_PORT": str(port),
        "TESTS_SUBNET": f"{network}.0/24",
        "METRICS_FORWARD_ENDPOINT": f"http://{network}.1:{forward_port}" if forward_port else "",
    }
    return Compose(docker=docker, environment=environment), f"{LOOPBACK}:{port}"


@contextmanager
def running(compose: Compose, gateway: str) -> Iterator[RunningStack]:
    """Bring a project up to its first tracks, and take it down with all that it kept."""
    began_s = time.monotonic()
    try:
        try:
            compose("up", "--detach", "--quiet-pull")
            wait_for_tracks(compose.aimed)
        except EngineFailed as failed:
            raise AssertionError(f"{failed}\n{compose.logs()}") from failed
        up_s = time.monotonic() - began_s
        roles = [word for role in ("OPERATOR", "CASHIER", "AUDITOR") for word in ("--role", role)]
        token = compose("run", "--rm", "token", *roles, "--account", "*").split()[-1]
        yield RunningStack(compose=compose, gateway=gateway, up_s=up_s, token=token)
    finally:
        compose("down", "--volumes", "--timeout=1", "--remove-orphans")
