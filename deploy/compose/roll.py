"""Renews the replicas of services one after the other, while the stack sells.

    python -m deploy.compose.roll SERVICE...       in the order given; with none: cache persist game metrics web gateway

As many replicas as there are are started beside them, with the image and the settings of now. When they are healthy,
and those who balance have had the time to find them, the old ones are told to end, one after the other: each drains,
tells those who balance, finishes what it has, and goes. The gateway goes like the others, for the port is the door's.

Which stack is meant says Compose's own environment: COMPOSE_FILE, COMPOSE_PROJECT_NAME. PostgreSQL, Redis and the door
are not rolled, they have no second replica; nothing in them changes with a version of Furlong.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from deploy.engine.docker import Docker, EngineFailed, EngineMissing

COMPOSE_FILE: Final = Path(__file__).with_name("compose.yaml")
SERVICES: Final = ("cache", "persist", "game", "metrics", "web", "gateway")
HEALTHY_TIMEOUT_S: Final = 120.0
FOUND_S: Final = 3.0
"""How long the new replicas are left beside the old ones: gateway and door look names up every second, and want one
good answer before they send anything."""
STOP_TIMEOUT_S: Final = 30
LOOK_S: Final = 0.5


class RollFailed(RuntimeError):
    """A step did not work; what ran before runs on."""


class Roller:
    """Renews services of one Compose project, which `docker` finds by its environment.

    `say` is told, in words for people, what happens.
    """

    def __init__(self, docker: Docker, say: Callable[[str], None] = lambda text: None) -> None:
        self._docker = docker
        self._say = say

    def roll(self, service: str) -> None:
        """Renew every replica of a service. Raises RollFailed, and EngineFailed with what the engine said."""
        old = self._containers(service)
        if not old:
            raise RollFailed(f"no {service} runs")
        self._say(f"{service}: starting {len(old)}")
        self._add(service, old)
        time.sleep(FOUND_S)
        for number, container in enumerate(old, start=1):
            self._say(f"{service}: ending {number} of {len(old)}")
            self._docker("stop", "-t", str(STOP_TIMEOUT_S), container)
            self._docker("rm", container)

    def _add(self, service: str, old: Sequence[str]) -> None:
        """Start as many replicas as there are and wait until they are well; they go again where one never is."""
        replicas = 2 * len(old)
        self._compose("up", "--detach", "--no-deps", "--no-recreate", f"--scale={service}={replicas}", service)
        fresh = sorted(set(self._containers(service)) - set(old))
        try:
            for container in fresh:
                self._wait_healthy(container)
        except RollFailed:
            self._docker("rm", "--force", *fresh)
            raise

    def _wait_healthy(self, container: str) -> None:
        ends_at_s = time.monotonic() + HEALTHY_TIMEOUT_S
        while True:
            state: Any = json.loads(self._docker("inspect", "--format={{json .State}}", container))
            if state.get("Health", {}).get("Status", "healthy" if state["Running"] else "") == "healthy":
                return
            if not state["Running"] or time.monotonic() >= ends_at_s:
                said = self._docker.run("logs", "--tail=20", container).stderr.decode(errors="replace")
                raise RollFailed(f"{container[:12]} is not healthy after {HEALTHY_TIMEOUT_S:.0f} s: {said}")
            time.sleep(LOOK_S)

    def _containers(self, service: str) -> list[str]:
        """The containers of a service that run, in a steady order."""
        return sorted(self._compose("ps", "--quiet", service).split())

    def _compose(self, *arguments: str) -> str:
        return self._docker("compose", *arguments)


def main(services: Sequence[str]) -> int:
    """Roll what is named; the exit code."""
    if unknown := [service for service in services if service not in SERVICES]:
        print(f"{', '.join(unknown)}: only {', '.join(SERVICES)} can be rolled", file=sys.stderr)
        return 2
    docker = Docker(environment={"COMPOSE_FILE": os.environ.get("COMPOSE_FILE") or str(COMPOSE_FILE)})
    roller = Roller(docker, lambda text: print(f"furlong: {text}", flush=True))
    try:
        for service in services or SERVICES:
            roller.roll(service)
    except (RollFailed, EngineFailed, EngineMissing) as failed:
        print(f"furlong: {failed}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
