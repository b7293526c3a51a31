"""persist's settings."""

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from services.chassis.addresses import target
from services.chassis.config import setting
from services.chassis.crash_points import CrashConfig
from services.chassis.server_config import ServerConfig
from services.persist.crash_points import POINTS

PORT_MAX: Final = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class PersistConfig:
    """What persist reads from the environment."""

    server: ServerConfig
    database_url: str = setting(
        "DATABASE_URL", doc="the database, like postgresql://user:password@host:5432/furlong", secret=True
    )
    db_writer_role: str = setting(
        "DB_WRITER_ROLE",
        "furlong_writer",
        "the database role that writing connections take on; empty: what DATABASE_URL's user is by itself",
    )
    db_reader_role: str = setting(
        "DB_READER_ROLE", "furlong_reader", "the database role of connections that only read; empty as above"
    )
    db_pool_min: int = setting("DB_POOL_MIN", 1, "connections kept for reads", min=0, max=1_000)
    db_pool_max: int = setting("DB_POOL_MAX", 10, "most connections for reads", min=1, max=1_000)
    db_general_max: int = setting(
        "DB_GENERAL_MAX", 8, "most connections for accounts, tracks, cancels and payments", min=1, max=1_000
    )
    db_transitions_max: int = setting(
        "DB_TRANSITIONS_MAX",
        6,
        "most connections for rounds: transitions, settlements; a posting alone takes three",
        min=3,
        max=1_000,
    )
    db_leases_max: int = setting("DB_LEASES_MAX", 2, "most connections for leases", min=1, max=1_000)
    db_acquire_timeout_ms: int = setting(
        "DB_ACQUIRE_TIMEOUT",
        2_000,
        "longest wait for a connection of the pool, a new one included",
        unit="ms",
        min=100,
        max=60_000,
    )
    db_connection_timeout_ms: int = setting(
        "DB_CONNECTION_TIMEOUT", 2_000, "longest time of making a connection", unit="ms", min=100, max=60_000
    )
    db_idle_timeout_ms: int = setting(
        "DB_IDLE_TIMEOUT",
        300_000,
        "how long a connection of a pool may be without work before it is closed; 0: for ever",
        unit="ms",
        min=0,
        max=86_400_000,
    )
    db_statement_timeout_ms: int = setting(
        "DB_STATEMENT_TIMEOUT", 2_000, "longest time of a statement, at the server", unit="ms", min=100, max=60_000
    )
    db_transition_timeout_ms: int = setting(
        "DB_TRANSITION_TIMEOUT",
        10_000,
        "longest time of a statement on rounds, where a settlement is decided",
        unit="ms",
        min=100,
        max=60_000,
    )
    db_command_timeout_ms: int = setting(
        "DB_COMMAND_TIMEOUT",
        2_500,
        "when persist gives a statement up that the server did not end; on rounds later by as much",
        unit="ms",
        min=100,
        max=120_000,
    )
    db_lock_timeout_ms: int = setting(
        "DB_LOCK_TIMEOUT",
        1_500,
        "longest wait of a statement for a lock; on rounds a statement may wait all its time",
        unit="ms",
        min=100,
        max=60_000,
    )
    db_statement_cache: int = setting(
        "DB_STATEMENT_CACHE",
        100,
        "prepared statements kept by a connection; 0 behind a pooler that hands out connections by transaction",
        unit="statements",
        min=0,
        max=10_000,
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
        check_address(self.database_url)
        self._check_database()
        self.crash.planned(POINTS)
        try:
            if self.cache_address:
                target(self.cache_address)
        except ValueError as error:
            raise ValueError(f"CACHE_ADDRESS: {error}") from error

    def _check_database(self) -> None:
        relations = (
            (self.db_pool_min <= self.db_pool_max, "DB_POOL_MIN must be at most DB_POOL_MAX"),
            (
                self.db_command_timeout_ms > self.db_statement_timeout_ms,
                "DB_COMMAND_TIMEOUT must be longer than DB_STATEMENT_TIMEOUT, so that the server ends what is too long",
            ),
            (
                self.db_lock_timeout_ms <= self.db_statement_timeout_ms,
                "DB_LOCK_TIMEOUT must be at most DB_STATEMENT_TIMEOUT, or no wait would ever reach it",
            ),
            (
                self.db_transition_timeout_ms >= self.db_statement_timeout_ms,
                "DB_TRANSITION_TIMEOUT must be at least DB_STATEMENT_TIMEOUT",
            ),
        )
        if broken := [words for holds, words in relations if not holds]:
            raise ValueError("; ".join(broken))


def check_address(database_url: str) -> None:
    """Raise ValueError where DATABASE_URL names a port that is none, which its drivers take for a defect of ours.

    The words leave out what is wrong: in an address that is mistyped it may be the password.
    """
    for host in urlsplit(database_url).netloc.rpartition("@")[2].split(","):
        _, _, port = host.rpartition("]")[2].partition(":")
        if port and not (port.isascii() and port.isdecimal() and 0 < int(port) <= PORT_MAX):
            raise ValueError(f"DATABASE_URL names a port that is no number from 1 to {PORT_MAX}")
