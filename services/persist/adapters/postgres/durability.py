"""What the server promises about a commit: read at start, logged, and warned about where an answer may outlive its row.

An accepted ticket is told to the client when COMMIT has returned. These settings decide what a COMMIT that has returned
is worth.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import structlog

from services.persist.adapters.postgres.database import Pool

NAMES: Final = (
    "fsync",
    "full_page_writes",
    "synchronous_commit",
    "data_checksums",
    "wal_sync_method",
    "synchronous_standby_names",
)

READ: Final = "SELECT name, setting FROM pg_settings WHERE name = ANY($1::text[])"

RISKS: Final[Mapping[tuple[str, str], str]] = {
    ("fsync", "off"): "a crash of the machine loses accepted tickets and can corrupt the whole database",
    ("full_page_writes", "off"): "a crash of the machine can leave half-written pages that recovery does not mend",
    ("synchronous_commit", "off"): "a crash of the server loses the accepted tickets of the last moments",
    ("synchronous_commit", "local"): "the standbys named may miss accepted tickets when one of them takes over",
    (
        "synchronous_commit",
        "remote_write",
    ): "a standby whose machine crashes may miss accepted tickets",
    ("data_checksums", "off"): "pages that the disk corrupts are read as if they were right",
}
"""What each unsafe value risks. A server without standbys is not warned about: nothing here tells that it needs one."""

NEEDS_STANDBYS: Final = frozenset({("synchronous_commit", "local"), ("synchronous_commit", "remote_write")})
"""Values that are as good as any where there is no standby to wait for."""

_log = structlog.get_logger(__name__)


def unsafe(settings: Mapping[str, str]) -> Sequence[tuple[str, str]]:
    """The settings that are unsafe, each with what it risks."""
    standbys = bool(settings.get("synchronous_standby_names"))
    return [
        (name, RISKS[name, value])
        for name, value in settings.items()
        if (name, value) in RISKS and (standbys or (name, value) not in NEEDS_STANDBYS)
    ]


async def warn_of_unsafe_settings(pool: Pool) -> None:
    """Log how durable the server is. Raises Refusal DEPENDENCY_DOWN."""
    settings = {row["name"]: row["setting"] for row in await pool.fetch("read_durability", READ, NAMES)}
    _log.info("durability", **settings)
    for name, risk in unsafe(settings):
        _log.warning("durability_unsafe", setting=name, value=settings[name], risk=risk)
