"""The token that a service shows to other services, read from a file that may be renewed while the service runs."""

from pathlib import Path
from typing import Final

import structlog

from services.chassis.clock import Clock

READ_AGAIN_S: Final = 10.0

_log = structlog.get_logger(__name__)


class ServiceToken:
    """Gives the file's token; it is read again from time to time. Without a file there is no token."""

    def __init__(self, file: Path | None, clock: Clock) -> None:
        self._file = file
        self._clock = clock
        self._read_at_s = float("-inf")
        self._token: str | None = None

    def __call__(self) -> str | None:
        """Give the token for a call."""
        now_s = self._clock.monotonic_s()
        if self._file is not None and now_s - self._read_at_s >= READ_AGAIN_S:
            self._read_at_s = now_s
            try:
                self._token = self._file.read_text("ascii").strip()
            except (OSError, ValueError):
                _log.exception("service token not read", file=str(self._file))
        return self._token
