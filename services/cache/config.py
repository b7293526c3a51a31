"""The cache's settings."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from services.chassis.config import setting
from services.chassis.server_config import ServerConfig

_SCHEMES: Final = ("redis", "rediss", "unix")
_BETWEEN: Final = re.compile(rf",(?=(?:{'|'.join(_SCHEMES)})://)")
"""A comma between addresses; one in a password has no scheme behind it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheConfig:
    """What the cache reads from the environment."""

    server: ServerConfig
    redis_url: str = setting(
        "REDIS_URL",
        "",
        "the Redis that all replicas share, like redis://:password@host:6379/0, or nodes of one Cluster with commas "
        "between them; empty for a single replica without one",
        secret=True,
    )
    bytes_max: int = setting(
        "CACHE_BYTES_MAX",
        64 * 1024 * 1024,
        "memory for entries in this process",
        unit="bytes",
        min=1024 * 1024,
        max=1024**4,
    )
    canary_ms: int = setting(
        "CACHE_CANARY_MS",
        1_000,
        "how often staleness is measured between replicas; 0 never",
        unit="ms",
        min=0,
        max=60_000,
    )

    def __post_init__(self) -> None:
        """Check what a range cannot say; ValueError names the variable, and never the address with its password."""
        if self.redis_url and not all(_is_address(each) for each in _BETWEEN.split(self.redis_url)):
            raise ValueError(f"REDIS_URL is no address that begins with {', '.join(f'{each}://' for each in _SCHEMES)}")


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return (
            parts.scheme in _SCHEMES
            and bool(parts.path if parts.scheme == "unix" else parts.hostname and "," not in parts.hostname)
            and (parts.port is None or parts.port > 0)
        )
    except ValueError:  # a port that is no number
        return False
