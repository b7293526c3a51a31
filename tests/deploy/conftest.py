"""What tests with containers share: an engine, the images of others, our own images.

Where there is no engine, and none can be had, these tests are skipped and say why. Set ENGINE_REQUIRED=1 on a machine
that must have one, and they fail instead.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from deploy.engine.daemon import Daemon, an_engine
from deploy.engine.docker import Docker, EngineMissing
from deploy.engine.stand_ins import provide
from deploy.images import bases
from deploy.images.build import BASES_OF_BUILDS, Built, Version, build, version_of_sources
from deploy.images.catalogue import IMAGES

TAG = "test"
TIMEOUT_S = 600
"""The first test on a machine that has nothing installs an engine, makes base images and builds ours."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every test here the time that a machine without anything takes."""
    for item in items:
        if "deploy" in item.path.parts and "docker" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(TIMEOUT_S))


@pytest.fixture(scope="session")
def docker() -> Iterator[Docker]:
    """An engine, for as long as tests want it."""
    with ExitStack() as open_:
        try:
            engine = open_.enter_context(an_engine())
        except EngineMissing as why:
            if os.environ.get("ENGINE_REQUIRED"):
                raise
            pytest.skip(f"there is no container engine: {why}")
        yield engine


@pytest.fixture(scope="session")
def engine_cache() -> Path:
    """Where Debian's packages are kept from run to run."""
    return Daemon().packages


@pytest.fixture(scope="session")
def base_images(docker: Docker) -> Mapping[str, str]:
    """The images of others by their variable in bases.env; stand-ins where the engine is our own."""
    return provide(docker, Daemon().packages) if docker.is_own else bases.read()


@pytest.fixture(scope="session")
def version() -> Version:
    """What the images say of their sources."""
    return version_of_sources()


@pytest.fixture(scope="session")
def images(docker: Docker, base_images: Mapping[str, str], version: Version) -> Mapping[str, Built]:
    """Every image of ours by its name in the catalogue, built from this source tree and tagged `TAG`."""
    used = {variable: base_images[variable] for variable in BASES_OF_BUILDS}
    return {name: build(docker, name, used, version, tag=TAG) for name in IMAGES}
