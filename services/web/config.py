"""web's settings."""

from dataclasses import dataclass, field

from services.chassis.config import setting
from services.chassis.tls import TlsConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteServerConfig:
    """Where web listens, how much it takes at once, and how it goes away."""

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
    log_level: str = setting(
        "LOG_LEVEL", "info", "least level that is logged", choices=("debug", "info", "warning", "error")
    )
    otlp_endpoint: str = setting(
        "OTEL_EXPORTER_OTLP_ENDPOINT", "", "where telemetry goes, like http://127.0.0.1:4317; empty sends none"
    )
    trace_sample_ratio: float = setting(
        "OTEL_TRACES_SAMPLER_ARG", 0.05, "share of traces without a parent that are recorded", min=0, max=1
    )
    drain_grace_ms: int = setting(
        "DRAIN_GRACE_MS", 10_000, "time for requests in flight to finish", unit="ms", min=0, max=600_000
    )
    requests_max: int = setting(
        "ADMISSION_READ_MAX",
        4_000,
        "requests in progress at once; the rest are answered with 503",
        min=1,
        max=1_000_000,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WebConfig:
    """What web reads from the environment."""

    server: SiteServerConfig
