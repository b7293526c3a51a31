"""How soon an image serves: from the start of a container to the first answer of its own health check."""

import time
from collections.abc import Sequence

from deploy.engine.docker import Docker, EngineFailed

START_TIMEOUT_S = 60.0
POLL_S = 0.05


def measure(docker: Docker, image: str, options: Sequence[str], check: Sequence[str]) -> float:
    """Seconds from starting a container of the image, as it would run in production, to the first success of `check`.

    `options` are further ones of `docker run`; `check` is run inside. Raises EngineFailed when it takes too long.
    """
    began_s = time.monotonic()
    container = docker("run", "--detach", *HARDENED, *options, image)
    try:
        while docker.run("exec", container, *check, check=False).returncode != 0:
            if time.monotonic() - began_s > START_TIMEOUT_S:
                raise EngineFailed(f"{image} does not serve: {docker('logs', '--tail', '20', container)}")
            time.sleep(POLL_S)
        return time.monotonic() - began_s
    finally:
        docker.run("rm", "--force", "--volumes", container, check=False)


HARDENED = (
    *("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--tmpfs", "/tmp:size=16m"),  # noqa: S108
    *("--network", "none"),
)
"""How every image runs: nothing to write to but a little memory, no capability, no way to more rights."""
