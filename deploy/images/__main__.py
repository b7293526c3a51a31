"""Furlong's images: `python -m deploy.images build | sbom | report [NAME ...]`, all of them unless some are named.

build    fetch the wheels and build; print sizes and times
sbom     write a bill of materials of each (CycloneDX) to build/sbom/
report   print what the images weigh and how soon they serve; all of them must have been built

An engine that answers is used, with the base images of deploy/images/bases.env. Where none does, one is started, and
stand-ins take the place of base images; what is built then is for tests. FURLONG_TAG is the tag, `dev` unless set.
"""

import os
import sys
from collections.abc import Mapping, Sequence

from deploy.engine.daemon import Daemon, an_engine
from deploy.engine.docker import Docker, EngineFailed, EngineMissing
from deploy.engine.stand_ins import provide
from deploy.images.build import BASES_OF_BUILDS, build, pinned, version_of_sources
from deploy.images.catalogue import IMAGES, reference
from deploy.images.sbom import SbomFailed, usual_file, write
from deploy.images.startup import measure
from deploy.images.wheels import WheelsMissing

BYTES_PER_MB = 1_000_000


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
        base_images = _base_images(docker, BASES_OF_BUILDS)
        for name in names:
            built = build(docker, name, base_images, version, tag=_tag())
            print(f"{built.reference:<28} {_megabytes(docker, built.reference):>7.1f} MB {built.seconds:>7.1f} s")


def _sbom(names: Sequence[str]) -> None:
    version = version_of_sources()
    for name in names:
        print(write(name, version, usual_file(name)))


def _report(names: Sequence[str]) -> None:
    called = {name: reference(name, tag=_tag()) for name in IMAGES}
    with an_engine() as docker:
        weights = {name: _megabytes(docker, called[name]) for name in called}
        serves_s = dict(measure(docker, called, _base_images(docker, ("POSTGRES_IMAGE",))["POSTGRES_IMAGE"]))
        for name in names:
            started = f"serves after {serves_s[name]:.2f} s" if name in serves_s else ""
            print(f"{called[name]:<28} {weights[name]:>7.1f} MB  {started}".rstrip())


def _base_images(docker: Docker, variables: Sequence[str]) -> Mapping[str, str]:
    return provide(docker, Daemon().packages, variables) if docker.is_own else pinned()


def _megabytes(docker: Docker, called: str) -> float:
    found = docker.inspect(called)
    if found is None:
        raise EngineFailed(f"there is no image {called}; `python -m deploy.images build` builds it")
    return float(found["Size"]) / BYTES_PER_MB


def _tag() -> str:
    return os.environ.get("FURLONG_TAG") or "dev"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
