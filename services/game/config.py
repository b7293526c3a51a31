"""game's settings."""

from dataclasses import dataclass
from pathlib import Path

from services.chassis.addresses import target
from services.chassis.config import setting
from services.chassis.server_config import ServerConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class GameConfig:
    """What game reads from the environment."""

    server: ServerConfig
    persist_address: str = setting(
        "PERSIST_ADDRESS", doc="where persist answers, like 127.0.0.1:50053; with commas between replicas"
    )
    cache_address: str = setting(
        "CACHE_ADDRESS", "", doc="where the cache answers; none where this game is the only one"
    )
    service_token_file: str = setting(
        "SERVICE_TOKEN_FILE", "", "file with the token that game shows to persist and cache; none where access is off"
    )
    seed_key_file: Path = setting(  # noqa: RUF009 - setting() makes a field, as dataclasses.field() does
        "SEED_KEY_FILE", doc="file with the key of 32 bytes, in hex, that seals seeds"
    )
    lease_ttl_ms: int = setting(
        "LEASE_TTL_MS", 3_000, "how long a track's lease lasts without renewal", unit="ms", min=500, max=60_000
    )
    coalesce_queue_max: int = setting(
        "COALESCE_QUEUE_MAX", 20_000, "tickets that may wait for persist", unit="tickets", min=500, max=1_000_000
    )
    mailbox_frames_max: int = setting(
        "MAILBOX_FRAMES_MAX", 32, "transitions that a watcher may be behind", unit="frames", min=4, max=10_000
    )
    track_sweep_ms: int = setting(
        "TRACK_SWEEP_MS", 2_000, "time between two looks for new tracks", unit="ms", min=100, max=60_000
    )

    quote_hold_ms: int = setting(
        "QUOTE_HOLD_MS", 5_000, "how long a quote holds its prices", unit="ms", min=100, max=60_000
    )

    def __post_init__(self) -> None:
        """Check what a range cannot say; ValueError names the variable."""
        for variable, addresses in (("PERSIST_ADDRESS", self.persist_address), ("CACHE_ADDRESS", self.cache_address)):
            try:
                if addresses:
                    target(addresses)
            except ValueError as error:
                raise ValueError(f"{variable}: {error}") from error
