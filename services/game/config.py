"""game's settings."""

import re
from dataclasses import dataclass
from pathlib import Path

from services.chassis.addresses import target
from services.chassis.config import setting
from services.chassis.server_config import ServerConfig
from services.game.domain.beacon import CHAIN_HASH_BYTES, PUBLIC_KEY_BYTES, QUICKNET, BeaconChain


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
        "SEED_KEY_FILE", doc="file with keys of 32 bytes, in hex, a line each: the first seals seeds, each opens them"
    )
    seed_chain_length: int = setting(
        "SEED_CHAIN_LENGTH", 100_000, "seeds of a track's chain, one for a round", unit="seeds", min=10, max=1_000_000
    )
    beacon_urls: str = setting(
        "BEACON_URLS", "", "addresses of a drand beacon, like https://api.drand.sh, with commas between; none without"
    )
    beacon_name: str = setting("BEACON_NAME", QUICKNET.name, "name by which tracks ask for that beacon")
    beacon_chain_hash: str = setting("BEACON_CHAIN_HASH", QUICKNET.chain_hash, "hash of its chain, in hex")
    beacon_public_key: str = setting("BEACON_PUBLIC_KEY", QUICKNET.public_key, "its public key in G2, in hex")
    beacon_genesis_s: int = setting(
        "BEACON_GENESIS_S", QUICKNET.genesis_s, "time of its round 1", unit="s", min=0, max=253_402_300_799
    )
    beacon_period_s: int = setting(
        "BEACON_PERIOD_S", QUICKNET.period_s, "time between two of its rounds", unit="s", min=1, max=3_600
    )
    beacon_wait_ms: int = setting(
        "BEACON_WAIT_MS",
        30_000,
        "how long a race waits for its beacon after it should have started; its round is void then",
        unit="ms",
        min=1_000,
        max=86_400_000,
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
        if self.beacon_urls:
            self._check_beacon()

    def _check_beacon(self) -> None:
        for url in self.beacon_mirrors:
            if not url.startswith(("http://", "https://")):
                raise ValueError(f"BEACON_URLS: {url!r} begins with neither http:// nor https://")
        for variable, text, size in (
            ("BEACON_CHAIN_HASH", self.beacon_chain_hash, CHAIN_HASH_BYTES),
            ("BEACON_PUBLIC_KEY", self.beacon_public_key, PUBLIC_KEY_BYTES),
        ):
            if not re.fullmatch(f"[0-9a-f]{{{2 * size}}}", text):
                raise ValueError(f"{variable}: is not {size} bytes in lower-case hex")
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,39}", self.beacon_name):
            raise ValueError("BEACON_NAME: is not 1 to 40 lower-case letters, digits and hyphens")
        least_ms = 2_000 * self.beacon_period_s
        if self.beacon_wait_ms < least_ms:
            raise ValueError(f"BEACON_WAIT_MS: is less than two periods of the beacon, {least_ms}")

    @property
    def beacon_mirrors(self) -> tuple[str, ...]:
        """Where the beacon answers."""
        return tuple(url.strip() for url in self.beacon_urls.split(",")) if self.beacon_urls else ()

    @property
    def beacon_chain(self) -> BeaconChain:
        """The beacon that tracks may ask for."""
        return BeaconChain(
            name=self.beacon_name,
            chain_hash=self.beacon_chain_hash,
            public_key=self.beacon_public_key,
            genesis_s=self.beacon_genesis_s,
            period_s=self.beacon_period_s,
        )
