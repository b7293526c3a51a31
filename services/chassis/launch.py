"""The first lines of every service's `__main__`: read the settings, set up logs and telemetry, run to the end."""

import asyncio
import gc
import os
import sys
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol, TypeVar

import structlog
from furlong.client.tls import TlsUnusable

from services.chassis import logs, telemetry
from services.chassis.config import ConfigError, describe, read
from services.chassis.tls import TlsConfig, explain, open_files, towards

EXIT_CONFIG_UNUSABLE = 2

YOUNG_OBJECTS_MAX: Final = 20_000
"""New objects before the collector of cycles looks through them. Python's 700 are less than one call with fifty
tickets makes, nearly all of which are gone, without any collector, when the call is answered."""


class ProcessConfig(Protocol):
    """What is needed to set up a process; ServerConfig is one."""

    @property
    def log_level(self) -> str:
        """The least level that is logged."""

    @property
    def otlp_endpoint(self) -> str:
        """Where telemetry goes; empty sends none."""

    @property
    def trace_sample_ratio(self) -> float:
        """Share of traces without a parent that are recorded."""

    @property
    def tls(self) -> TlsConfig:
        """The files of the part's own certificate."""


class ServiceConfig(Protocol):
    """A service's configuration, which embeds the one that every server of its kind has."""

    @property
    def server(self) -> ProcessConfig:
        """The settings that every server has."""


C = TypeVar("C", bound=ServiceConfig)


def launch(name: str, config_class: type[C], run: Callable[[C], Coroutine[Any, Any, None]]) -> None:
    """Run a service called `name` (as telemetry knows it) until `run(config)` returns.

    Every error of the configuration is printed at once, and the process ends with status 2. It ends the same way when
    the files of its certificate cannot be used.
    """
    try:
        config = read(config_class, os.environ)
    except ConfigError as error:
        print(*error.errors, sep="\n", file=sys.stderr)
        sys.exit(EXIT_CONFIG_UNUSABLE)
    logs.set_up(config.server.log_level)
    structlog.get_logger(__name__).info("configuration", service=name, **describe(config))
    tls = config.server.tls
    try:
        files = open_files(tls)
    except TlsUnusable as unusable:
        print(explain(tls, unusable), file=sys.stderr)
        sys.exit(EXIT_CONFIG_UNUSABLE)
    _spare_the_collector()
    sending = telemetry.set_up(
        name, config.server.otlp_endpoint or None, config.server.trace_sample_ratio, towards(tls.otlp_name, files)
    )
    try:
        asyncio.run(run(config))
    finally:
        sending.shutdown()


def _spare_the_collector() -> None:
    """Have the collector of cycles leave out what was imported, which stays to the end, and look less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS_MAX)
