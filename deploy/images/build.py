"""Builds images: the Dockerfile, with base images, wheels, version and time handed to it."""

import os
import subprocess
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from deploy.engine.docker import Docker
from deploy.images import bases, wheels
from deploy.images.catalogue import reference

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = Path("deploy", "images", "Dockerfile")
BASES_OF_BUILDS = ("PYTHON_BUILD_IMAGE", "PYTHON_RUN_IMAGE", "ENVOY_IMAGE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """What an image says of where it comes from."""

    version: str
    revision: str
    epoch_s: int
    """When its sources were committed: nothing depends on when it was built."""

    @property
    def created(self) -> str:
        """The same time as the labels have it."""
        return datetime.fromtimestamp(self.epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """An image that was built, and how long that took."""

    reference: str
    image_id: str
    seconds: float


def build(
    docker: Docker,
    name: str,
    base_images: Mapping[str, str],
    version: Version,
    *,
    tag: str = "dev",
    use_cache: bool = True,
) -> Built:
    """Build one image by its name in the catalogue. Raises EngineFailed and WheelsMissing."""
    wheels.fetch()
    arguments = {
        "SERVICE": name,
        "SOURCE_DATE_EPOCH": str(version.epoch_s),
        "VERSION": version.version,
        "REVISION": version.revision,
        "CREATED": version.created,
        **{variable: base_images[variable] for variable in BASES_OF_BUILDS},
    }
    began_s = time.monotonic()
    called = reference(name, tag=tag)
    docker(
        *("build", "--file", str(ROOT / DOCKERFILE), "--tag", called, "--network", "none", "--force-rm"),
        *(() if use_cache else ("--no-cache",)),
        *(word for argument in arguments.items() for word in ("--build-arg", "=".join(argument))),
        str(ROOT),
    )
    seconds = time.monotonic() - began_s
    found = docker.inspect(called)
    assert found is not None, "the engine has what it has just built"
    return Built(reference=called, image_id=found["Id"], seconds=seconds)


def version_of_sources() -> Version:
    """Read the version of the project, and of the sources from their last commit; without a history there is none."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    epoch_s, revision = os.environ.get("SOURCE_DATE_EPOCH", ""), "unknown"
    done = subprocess.run(
        ["git", "-C", str(ROOT), "log", "-1", "--format=%ct %H"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        committed, revision = done.stdout.split()
        epoch_s = epoch_s or committed
    return Version(version=project["version"], revision=revision, epoch_s=int(epoch_s or 0))


def pinned() -> Mapping[str, str]:
    """The base images by digest, for an engine that can fetch them."""
    return bases.read()
