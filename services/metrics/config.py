"""metrics' settings."""

from dataclasses import dataclass

from services.chassis.config import setting
from services.chassis.server_config import ServerConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsConfig:
    """What metrics reads from the environment."""

    server: ServerConfig
    otlp_port: int = setting(
        "OTLP_PORT", 0, "port that takes OTLP over gRPC; 0 takes a free one and logs it", min=0, max=65_535
    )
    series_max: int = setting(
        "METRIC_SERIES_MAX",
        1_000,
        "methods, statements, cache tiers and tracks that are told apart",
        min=10,
        max=100_000,
    )
    traces_bytes_max: int = setting(
        "TRACES_BYTES_MAX", 67_108_864, "memory for recorded traces", unit="bytes", min=1_048_576, max=17_179_869_184
    )
    forward_endpoint: str = setting(
        "METRICS_FORWARD_ENDPOINT",
        "",
        "where all that comes is passed on to, like http://collector:4317; empty for nowhere",
    )
    forward_bytes_max: int = setting(
        "METRICS_FORWARD_BYTES_MAX",
        16_777_216,
        "memory for what waits to be passed on",
        unit="bytes",
        min=4_194_304,
        max=1_073_741_824,
    )

    def __post_init__(self) -> None:
        """Check what a range cannot say; ValueError names the variable."""
        if self.forward_endpoint and not self.forward_endpoint.startswith(("http://", "https://")):
            raise ValueError(f"METRICS_FORWARD_ENDPOINT is {self.forward_endpoint!r}, not like http://collector:4317")
