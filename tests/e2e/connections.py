"""The TCP connections that the parts of a stack have open, as the kernel tells them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from deploy.local.stack import LocalStack

ESTABLISHED = "01"
CALLERS = ("gateway", "game", "persist", "cache", "metrics", "web")
DATABASES = {"postgresql": 5432, "redis": 6379}

Connection = tuple[str, str, str]
"""Caller, callee and protocol, like an edge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """An established connection: the ports of its two ends, and the kernel's number of its socket."""

    local_port: int
    remote_port: int
    inode: str


def connections(stack: LocalStack, collector: str) -> set[Connection]:
    """Every connection that a part has opened. What leads to no port that is known has the port for its callee."""
    known = listeners(stack, collector)
    return {pair for caller in CALLERS for pair in _opened_by(caller, stack.part(caller).pid, known)}


def listeners(stack: LocalStack, collector: str) -> Mapping[int, tuple[str, str]]:
    """Who listens where, and for which protocol."""
    addresses = stack.addresses
    return {
        _port(addresses.game): ("game", "gRPC"),
        _port(addresses.persist): ("persist", "gRPC"),
        _port(addresses.cache): ("cache", "gRPC"),
        _port(addresses.metrics): ("metrics", "gRPC"),
        _port(addresses.otlp): ("metrics", "OTLP"),
        _port(addresses.web): ("web", "HTTP"),
        urlsplit(addresses.database_url).port or DATABASES["postgresql"]: ("postgresql", "SQL"),
        urlsplit(addresses.redis_url).port or DATABASES["redis"]: ("redis", "RESP"),
        urlsplit(collector).port or 0: ("collector", "OTLP"),
        _port(addresses.gateway): ("gateway", "HTTP"),
        _port(addresses.envoy_admin): ("gateway", "admin"),
    }


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])


def _opened_by(caller: str, pid: int | None, known: Mapping[int, tuple[str, str]]) -> Iterator[Connection]:
    if pid is None:
        return
    sockets = set(_sockets(pid))
    for line in _lines(pid):
        if line.inode in sockets and line.local_port not in known:  # else somebody opened it to this part
            callee, protocol = known.get(line.remote_port, (f"port {line.remote_port}", "?"))
            yield caller, callee, protocol


def _sockets(pid: int) -> Iterator[str]:
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found = re.fullmatch(r"socket:\[(\d+)\]", str(descriptor.readlink()))
        except FileNotFoundError:  # closed meanwhile
            continue
        if found:
            yield found[1]


def _lines(pid: int) -> Iterator[Line]:
    for table in ("tcp", "tcp6"):
        for row in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            _, local, remote, state, *rest = row.split()
            if state == ESTABLISHED:
                yield Line(local_port=_hex_port(local), remote_port=_hex_port(remote), inode=rest[5])


def _hex_port(address: str) -> int:
    return int(address.rpartition(":")[2], 16)
