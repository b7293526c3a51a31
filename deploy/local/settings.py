"""The settings of a stack, out of the environment; `python -m deploy.local` lists the variables."""

from collections.abc import Mapping
from pathlib import Path

from deploy.gateway.render import otlp_address
from deploy.local.programs import REPLICAS_MAX, StackSettings

GATEWAY_PORT = 8080
DATA_FOLDER = ".furlong"


class SettingRefused(ValueError):
    """A variable of the environment has a value that it cannot have."""


def read_settings(environ: Mapping[str, str]) -> StackSettings:
    """The settings out of the environment. Raises SettingRefused, naming the variable."""
    port = environ.get("GATEWAY_PORT") or str(GATEWAY_PORT)
    if not port.isdecimal() or not 0 < int(port) < 65_536:
        raise SettingRefused(f"GATEWAY_PORT is {port!r}; it must be a port, 1 to 65535")
    replicas = environ.get("REPLICAS") or "1"
    if not replicas.isdecimal() or not 1 <= int(replicas) <= REPLICAS_MAX:
        raise SettingRefused(f"REPLICAS is {replicas!r}; it must be 1 to {REPLICAS_MAX}")
    auth = environ.get("FURLONG_AUTH") or "on"
    if auth not in ("on", "off"):
        raise SettingRefused(f"FURLONG_AUTH is {auth!r}; it must be on or off")
    return StackSettings(
        data_dir=Path(environ.get("FURLONG_DATA") or DATA_FOLDER),
        gateway_port=int(port),
        database_url=environ.get("DATABASE_URL") or None,
        redis_url=environ.get("REDIS_URL") or None,
        replicas=int(replicas),
        otlp_endpoint=_endpoint(environ, "OTEL_EXPORTER_OTLP_ENDPOINT"),
        trace_sample_ratio=_share(environ, "OTEL_TRACES_SAMPLER_ARG", 0.05),
        auth=auth,
    )


def _endpoint(environ: Mapping[str, str], name: str) -> str:
    endpoint = environ.get(name, "")
    try:
        if endpoint:
            otlp_address(endpoint)
    except ValueError as problem:
        raise SettingRefused(f"{name}: {problem}") from problem
    return endpoint


def _share(environ: Mapping[str, str], name: str, default: float) -> float:
    text = environ.get(name) or str(default)
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise SettingRefused(f"{name} is {text!r}; it must be a share, 0 to 1")
    return share
