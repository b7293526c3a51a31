"""How soon each image serves: from the start of its container to the first success of its own health check.

The parts get as little as lets them start: keys, and persist a database that is migrated. What a part of a stack waits
for besides, its neighbours, is the stack's time and not the image's. The gateway waits for
certificates and is not measured.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from deploy.engine.docker import Docker, EngineFailed
from deploy.images.catalogue import PYTHON

HARDENED = (
    *("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--user", "65532:65532"),
    *("--tmpfs", "/tmp:size=16m"),  # noqa: S108 - a folder in the container's own memory
)
"""How every image runs: nothing to write to but a little memory, no capability, no way to more rights."""
START_TIMEOUT_S = 60.0
POLL_S = 0.02
DATABASE_URL = "postgresql://furlong:furlong@database:5432/furlong"
MAKE_KEYS = "from pathlib import Path; from deploy.local.keys import KeyRing; KeyRing(Path('/keys'))"


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What a part is given to start with, and how it is asked whether it serves."""

    check: Sequence[str]
    environment: Mapping[str, str]


def _grpc(port: int, **environment: str) -> Start:
    return Start(
        check=(PYTHON, "-m", "services.chassis.probe", str(port), "liveness"),
        environment={"AUTH_JWKS_FILE": "/keys/jwks.json", **environment},
    )


STARTS: Mapping[str, Start] = {
    "game": _grpc(60_051, SEED_KEY_FILE="/keys/seed.key", PERSIST_ADDRESS="127.0.0.1:50053"),
    "cache": _grpc(60_052),
    "persist": _grpc(60_053, DATABASE_URL=DATABASE_URL),
    "metrics": _grpc(60_054),
    "web": Start(check=(PYTHON, "-m", "services.chassis.probe", "8001", "pages"), environment={}),
}


def measure(docker: Docker, references: Mapping[str, str], postgres: str) -> Iterator[tuple[str, float]]:
    """Start each image that serves by itself; its name and its seconds. `postgres` is an image of PostgreSQL.

    `references` say by name what the images are called; those that set up and migrate are needed too. Raises
    EngineFailed where one does not serve.
    """
    with _surroundings(docker, references, postgres) as options:
        for name in (name for name in references if name in STARTS):
            start = STARTS[name]
            given = [word for variable in start.environment.items() for word in ("--env", "=".join(variable))]
            began_s = time.monotonic()
            with running(docker, *options, *given, references[name]) as container:
                wait(docker, container, start.check)
                yield name, time.monotonic() - began_s


@contextmanager
def running(docker: Docker, *arguments: str) -> Iterator[str]:
    """A container, from its start to the end of the block, when it is removed with all that it wrote."""
    container = docker("run", "--detach", *arguments)
    try:
        yield container
    finally:
        docker.run("rm", "--force", "--volumes", container, check=False)


def wait(docker: Docker, container: str, check: Sequence[str], timeout_s: float = START_TIMEOUT_S) -> None:
    """Wait until a command that is run inside succeeds. Raises EngineFailed with what the container said."""
    deadline_s = time.monotonic() + timeout_s
    while docker.run("exec", container, *check, check=False).returncode != 0:
        if time.monotonic() > deadline_s:
            said = docker.run("logs", "--tail", "20", container, check=False)
            raise EngineFailed(f"a container does not serve: {(said.stdout + said.stderr).decode(errors='replace')}")
        time.sleep(POLL_S)


@contextmanager
def _surroundings(docker: Docker, references: Mapping[str, str], postgres: str) -> Iterator[Sequence[str]]:
    """A network with a migrated database, and keys; the options by which a container is in it."""
    network, keys = docker("network", "create", "--internal", "furlong-startup"), docker("volume", "create")
    options = (*HARDENED, "--network", network, "--volume", f"{keys}:/keys")
    postgres_user = ("--user", "999:999", "--env", "POSTGRES_USER=furlong", "--env", "POSTGRES_PASSWORD=furlong")
    try:
        docker("run", "--rm", *options, references["setup"], "-c", MAKE_KEYS)
        with running(docker, "--network", network, "--network-alias", "database", *postgres_user, postgres) as database:
            wait(docker, database, ("pg_isready", "--quiet", "--host=127.0.0.1", "--username=furlong"))
            docker("run", "--rm", *options, "--env", f"DATABASE_URL={DATABASE_URL}", references["migrations"])
            yield options
    finally:
        docker.run("volume", "rm", "--force", keys, check=False)
        docker.run("network", "rm", network, check=False)
