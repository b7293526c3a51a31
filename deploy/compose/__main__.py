"""The stack in containers: `python -m deploy.compose up | down`.

up      build the images, start everything, and return when the first tracks are open
down    end everything; volumes stay, so the next start goes on where this one ended

GATEWAY_PORT    the public port, 8080 unless set
OBSERVABILITY   `1` adds collector, Prometheus, Jaeger and Grafana, which shows the dashboard at GRAFANA_PORT, 3000
FURLONG_IMAGES  where images come from that were built elsewhere, like registry.example/furlong; unset builds them
FURLONG_TAG     which of them, `dev` unless set

An engine that answers is used. Where none does, one is started (`python -m deploy.engine`), with stand-ins for the
images of others, and ended by `down`. `docker compose --file deploy/compose/compose.yaml` does the same by hand.
"""

import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from deploy.engine.daemon import Daemon
from deploy.engine.docker import Docker, EngineFailed, EngineMissing
from deploy.engine.stand_ins import STAND_INS, provide
from deploy.images import bases
from deploy.images.build import BASES_OF_BUILDS, build, version_of_sources
from deploy.images.catalogue import IMAGES
from deploy.images.wheels import WheelsMissing

FOLDER: Final = Path(__file__).parent
BASE, OBSERVABILITY = FOLDER / "compose.yaml", FOLDER / "observability.yaml"
WATCHERS: Final = ("OTEL_COLLECTOR_IMAGE", "PROMETHEUS_IMAGE", "JAEGER_IMAGE", "GRAFANA_IMAGE")


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Do what the one argument says; the exit code."""
    commands = {"up": _up, "down": _down}
    if len(arguments) != 1 or arguments[0] not in commands:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        commands[arguments[0]](environ)
    except (EngineMissing, EngineFailed, WheelsMissing) as problem:
        print(f"furlong: {problem}", file=sys.stderr)
        return 1
    return 0


def _up(environ: Mapping[str, str]) -> None:
    began_s = time.monotonic()
    docker = _engine()
    compose = _aimed(docker, environ)
    if docker.is_own and _observed(environ) and not set(WATCHERS) <= STAND_INS.keys():
        raise EngineMissing(
            "the images of OBSERVABILITY come from a registry, which the engine of our own does not ask"
        )
    base_images = provide(docker, Daemon().packages) if docker.is_own else bases.read()
    if not environ.get("FURLONG_IMAGES"):
        _build(docker, base_images, environ)
    compose("compose", "up", "--detach")
    wait_for_tracks(compose)
    print(_summary(environ, time.monotonic() - began_s))


def wait_for_tracks(compose: Docker) -> None:
    """Wait for the last to come, whom nobody depends on. Raises EngineFailed with what it said."""
    tracks = compose("compose", "ps", "--all", "--quiet", "tracks")
    if compose("wait", tracks) != "0":
        raise EngineFailed(compose("compose", "logs", "--no-log-prefix", "tracks"))


def _down(environ: Mapping[str, str]) -> None:
    docker = _engine()
    _aimed(docker, environ)("compose", "down", "--remove-orphans")
    if docker.is_own:
        Daemon().stop()
    print("ended")


def _engine() -> Docker:
    """The engine that answers, else our own, which then runs until `down`."""
    found = Docker()
    if found.answers():
        return found
    daemon = Daemon()
    daemon.keep()
    return daemon.docker


def _aimed(docker: Docker, environ: Mapping[str, str]) -> Docker:
    """`docker` with our files in its environment."""
    files = f"{BASE}:{OBSERVABILITY}" if _observed(environ) else str(BASE)
    references = bases.read()
    if docker.is_own:
        references = {variable: bases.without_digest(reference) for variable, reference in references.items()}
    environment = {**docker.environment, **references, "COMPOSE_FILE": environ.get("COMPOSE_FILE") or files}
    return Docker(environment=environment, is_own=docker.is_own)


def _observed(environ: Mapping[str, str]) -> bool:
    return environ.get("OBSERVABILITY", "") == "1"


def _build(docker: Docker, base_images: Mapping[str, str], environ: Mapping[str, str]) -> None:
    used = {variable: base_images[variable] for variable in BASES_OF_BUILDS}
    version = version_of_sources()
    for name in IMAGES:
        print(f"furlong: building {name}", flush=True)
        build(docker, name, used, version, tag=environ.get("FURLONG_TAG") or "dev")


def _summary(environ: Mapping[str, str], up_s: float) -> str:
    gateway = f"http://127.0.0.1:{environ.get('GATEWAY_PORT') or 8080}"
    boards = f"\n  boards    http://127.0.0.1:{environ.get('GRAFANA_PORT') or 3000}" if _observed(environ) else ""
    return f"""
Furlong is up in containers, after {up_s:.0f} s.  `make compose-down` ends it; the data stays.

  screen    {gateway}/
  gateway   {gateway}   (gRPC, gRPC-Web, REST, SSE){boards}
  token     docker compose --file {os.path.relpath(BASE)} run --rm token
"""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
