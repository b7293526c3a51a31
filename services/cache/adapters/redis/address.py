"""Addresses of Redis: one, or several nodes of one Cluster, of which the first that answers is enough."""

import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from redis.asyncio.connection import SSLConnection, UnixDomainSocketConnection, parse_url

PORT: Final = 6379

_BETWEEN: Final = re.compile(r",(?=redis://|rediss://|unix://)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a server listens and what it wants to hear first. `path` is that of a socket, which has no host."""

    host: str
    port: int
    path: str
    username: str
    password: str
    database: int
    tls: ssl.SSLContext | None

    def beside(self, host: str, port: int) -> "Address":
        """Make the address of another node of the same Cluster; without a host it is at this one."""
        return replace(self, host=host or self.host, port=port)


def addresses(urls: str) -> Sequence[Address]:
    """Read addresses that are separated by commas. Raises ValueError, in words that do not repeat them."""
    return [_address(url) for url in _BETWEEN.split(urls)]


def _address(url: str) -> Address:
    words: dict[str, Any] = dict(parse_url(url))
    kind = words.pop("connection_class", None)
    is_path = kind is UnixDomainSocketConnection
    if is_path and "path" not in words:
        raise ValueError("an address of a socket has a path")
    if "," in words.get("host", ""):
        raise ValueError("every address begins with its scheme")
    return Address(
        host="" if is_path else words.get("host", "localhost"),
        port=0 if is_path else words.get("port", PORT),
        path=words["path"] if is_path else "",
        username=words.get("username", ""),
        password=words.get("password", ""),
        database=words.get("db", 0),
        tls=SSLConnection(**words).ssl_context.get() if kind is SSLConnection else None,
    )
