"""Furlong's images: `python -m deploy.images build | sbom | report [NAME ...]`, all of them unless some are named.

build    fetch the wheels and build; print sizes and times
sbom     write a bill of materials of each (CycloneDX) to build/sbom/
report   print what the images that are there weigh, and how soon those serve that need nobody else

An engine that answers is used, with the base images of deploy/images/bases.env. Where none does, one is started, and
stand-ins take the place of base images; what is built then is for tests. FURLONG_TAG is the tag, `dev` unless set.
"""

import os
import sys
from collections.abc import Sequence

from deploy.engine.daemon import Daemon, an_engine
from deploy.engine.docker import Docker, EngineFailed, EngineMissing
from deploy.engine.stand_ins import provide
from deploy.images.build import BASES_OF_BUILDS, build, pinned, version_of_sources
from deploy.images.catalogue import IMAGES, PYTHON, reference
from deploy.images.sbom import SbomFailed, usual_file, write
from deploy.images.startup import measure
from deploy.images.wheels import WheelsMissing

BYTES_PER_MB = 1_000_000
ALONE = {
    "web": (PYTHON, "-m", "services.chassis.probe", "8001", "pages"),
    "gateway": (PYTHON, "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:9901/ready', timeout=2)"),
}
"""The images that serve without anybody else, and how one asks them."""


def main(arguments: Sequence[str]) -> int:
    """Do what the first argument says, for the images that the others name; the exit code."""
    commands = {"build": _build, "sbom": _sbom, "report": _report}
    what, *names = arguments or ("",)
    if what not in commands or not set(names) <= set(IMAGES):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        commands[what](names or list(IMAGES))
    except (EngineMissing, EngineFailed, WheelsMissing, SbomFailed) as problem:
        print(f"images: {problem}", file=sys.stderr)
        return 1
    return 0


def _build(names: Sequence[str]) -> None:
    version = version_of_sources()
    with an_engine() as docker:
        base_images = provide(docker, Daemon().packages, BASES_OF_BUILDS) if docker.is_own else pinned()
        for name in names:
            built = build(docker, name, base_images, version, tag=_tag())
            print(f"{built.reference:<28} {_megabytes(docker, built.reference):>7.1f} MB {built.seconds:>7.1f} s")


def _sbom(names: Sequence[str]) -> None:
    version = version_of_sources()
    for name in names:
        print(write(name, version, usual_file(name)))


def _report(names: Sequence[str]) -> None:
    with an_engine() as docker:
        for name in names:
            called = reference(name, tag=_tag())
            started = f"serves after {measure(docker, called, (), ALONE[name]):.2f} s" if name in ALONE else ""
            print(f"{called:<28} {_megabytes(docker, called):>7.1f} MB  {started}".rstrip())


def _megabytes(docker: Docker, called: str) -> float:
    found = docker.inspect(called)
    if found is None:
        raise EngineFailed(f"there is no image {called}; `python -m deploy.images build` builds it")
    return float(found["Size"]) / BYTES_PER_MB


def _tag() -> str:
    return os.environ.get("FURLONG_TAG") or "dev"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
