"""Refusals of the cache service, like that of our token: news once, and no failure of the network."""

import logging

import grpc
from furlong.client.breaker import TRIPS

_log = logging.getLogger(__name__)


class Refusals:
    """Logs a refusal when it begins, and again when it is another one. That a service is away is told by the stats."""

    def __init__(self, of_what: str) -> None:
        self._of_what = of_what
        self._last: grpc.StatusCode | None = None

    def note(self, error: grpc.aio.AioRpcError) -> None:
        """Take note of how a call failed."""
        if error.code() not in TRIPS and error.code() is not self._last:
            self._last = error.code()
            _log.warning("the cache refuses %s: %s %s", self._of_what, error.code().name, error.details())

    def over(self) -> None:
        """Take note that a call was answered: the same refusal would be news again."""
        self._last = None
