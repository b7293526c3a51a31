"""persist's settings."""

from dataclasses import dataclass, field

from services.chassis.addresses import target
from services.chassis.config import setting
from services.chassis.crash_points import CrashConfig
from services.chassis.server_config import ServerConfig
from services.persist.crash_points import POINTS


@dataclass(frozen=True, slots=True, kw_only=True)
class PersistConfig:
    """What persist reads from the environment."""

    server: ServerConfig
    database_url: str = setting(
        "DATABASE_URL", doc="the database, like postgresql://user:password@host:5432/furlong", secret=True
    )
    db_pool_min: int = setting("DB_POOL_MIN", 1, "connections kept for reads and accounts", min=0, max=1_000)
    db_pool_max: int = setting("DB_POOL_MAX", 10, "most connections for reads and accounts", min=1, max=1_000)
    db_connection_timeout_ms: int = setting(
        "DB_CONNECTION_TIMEOUT",
        2_000,
        "longest wait for a connection, made new or taken from the pool",
        unit="ms",
        min=100,
        max=60_000,
    )
    db_statement_timeout_ms: int = setting(
        "DB_STATEMENT_TIMEOUT", 2_000, "longest time of a statement", unit="ms", min=100, max=60_000
    )
    writer_queue_max: int = setting(
        "WRITER_QUEUE_MAX", 20_000, "tickets that may wait to be written", unit="tickets", min=500, max=1_000_000
    )
    writer_batch_max: int = setting(
        "WRITER_BATCH_MAX", 200, "tickets of one commit, unless one call has more", unit="tickets", min=1, max=5_000
    )
    writer_lanes: int = setting(
        "WRITER_LANES", 2, "commits at the same time; a round always uses the same lane", min=1, max=64
    )
    prize_claim_days: int = setting(
        "PRIZE_CLAIM_DAYS",
        365,
        "how long what a ticket bought at a till has won can be claimed; after that it is the house's",
        unit="days",
        min=1,
        max=36_500,
    )
    cache_address: str = setting(
        "CACHE_ADDRESS",
        "",
        "where the cache answers, like 127.0.0.1:50052; with commas between replicas, empty without a cache",
    )
    service_token_file: str = setting(
        "SERVICE_TOKEN_FILE", "", "file with the token that persist shows to the cache; none where access is off"
    )

    crash: CrashConfig = field(default_factory=CrashConfig)

    def __post_init__(self) -> None:
        """Check what a range cannot say; ValueError names the variables."""
        if self.db_pool_min > self.db_pool_max:
            raise ValueError(f"DB_POOL_MIN is {self.db_pool_min}, more than DB_POOL_MAX, {self.db_pool_max}")
        self.crash.planned(POINTS)
        try:
            if self.cache_address:
                target(self.cache_address)
        except ValueError as error:
            raise ValueError(f"CACHE_ADDRESS: {error}") from error
