"""The settings that every server has. A service embeds them in its own configuration as the field `server`."""

from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from services.chassis.config import setting
from services.chassis.tls import TlsConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """Where a server listens, whom it trusts, how much it takes at once, and how it goes away."""

    host: str = setting("FURLONG_HOST", "127.0.0.1", "address to listen on")
    port: int = setting("FURLONG_PORT", 0, "port to listen on; 0 takes a free one and logs it", min=0, max=65_535)
    health_port: int = setting(
        "HEALTH_PORT",
        0,
        "port that tells health in clear text, and does nothing else; 0 opens none",
        min=0,
        max=65_535,
    )
    tls: TlsConfig = field(default_factory=TlsConfig)
    auth: str = setting("FURLONG_AUTH", "on", "off makes everybody an operator; loopback only", choices=("on", "off"))
    jwks_file: Path = setting(  # noqa: RUF009 - setting() makes a field, as dataclasses.field() does
        "AUTH_JWKS_FILE", Path(".furlong/keys/jwks.json"), "public keys that tokens are signed with"
    )
    issuer: str = setting("AUTH_ISSUER", "furlong", "the `iss` that a token must have")
    audience: str = setting("AUTH_AUDIENCE", "furlong", "the `aud` that a token must have")
    reflection: str = setting("FURLONG_REFLECTION", "off", "gRPC server reflection", choices=("on", "off"))
    log_level: str = setting(
        "LOG_LEVEL", "info", "least level that is logged", choices=("debug", "info", "warning", "error")
    )
    otlp_endpoint: str = setting(
        "OTEL_EXPORTER_OTLP_ENDPOINT", "", "where telemetry goes, like http://127.0.0.1:4317; empty sends none"
    )
    trace_sample_ratio: float = setting(
        "OTEL_TRACES_SAMPLER_ARG", 0.05, "share of traces without a parent that are recorded", min=0, max=1
    )
    drain_notice_ms: int = setting(
        "DRAIN_NOTICE_MS",
        0,
        "time between NOT_SERVING and refusing calls, so that balancers look away first",
        unit="ms",
        min=0,
        max=60_000,
    )
    drain_grace_ms: int = setting(
        "DRAIN_GRACE_MS", 10_000, "time for calls in flight to finish", unit="ms", min=0, max=600_000
    )
    connection_age_ms: int = setting(
        "CONNECTION_AGE_MS",
        0,
        "age at which a connection takes no new calls, so that its client makes another one and meets new replicas; "
        "0: never",
        unit="ms",
        min=0,
        max=86_400_000,
    )
    admission_read_max: int = setting("ADMISSION_READ_MAX", 4_000, "reads in progress at once", min=1, max=1_000_000)
    admission_write_max: int = setting("ADMISSION_WRITE_MAX", 4_000, "writes in progress at once", min=1, max=1_000_000)
    admission_stream_max: int = setting("ADMISSION_STREAM_MAX", 10_000, "streams open at once", min=1, max=1_000_000)
    stream_messages_max: int = setting(
        "STREAM_MESSAGES_MAX", 16, "messages of one stream of requests in progress at once", min=1, max=1_000
    )
    admission_reserved_max: int = setting(
        "ADMISSION_RESERVED_MAX", 1_000, "calls in progress that keep the system alive", min=1, max=1_000_000
    )
    message_bytes_max: int = setting(
        "MESSAGE_BYTES_MAX", 262_144, "longest request", unit="bytes", min=1_024, max=4_194_304
    )

    def __post_init__(self) -> None:
        """Check the relations between settings; ValueError names the variables."""
        if self.auth == "off" and not is_loopback(self.host):
            raise ValueError(f"FURLONG_AUTH is off, which needs a loopback FURLONG_HOST, not {self.host!r}")


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach `host`."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
