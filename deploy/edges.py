"""Every edge between parts that there is, once: the picture in the documents, the trace test and later the network
policies are made from this table, and a part's certificate lets it call those whom it has an edge to. A call that is
not here is a defect, and so is a row that nobody calls."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

EVERY_PART: Final = "every part"
STORES: Final = frozenset(("postgresql", "redis"))
"""What stands at the end of an edge and is no part of ours: it has no certificate from us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """`caller` speaks `protocol` to `callee`, which is another part or a store. `why` says what for.

    `traced` edges show as a parent and its child in a trace; the others carry telemetry itself.
    """

    caller: str
    callee: str
    protocol: str
    why: str
    traced: bool = True


EDGES: Final[Sequence[Edge]] = (
    Edge(caller="gateway", callee="game", protocol="gRPC", why="tracks, rounds, tickets, accounts, the watch"),
    Edge(caller="gateway", callee="cache", protocol="gRPC", why="operators' calls: statistics, flush"),
    Edge(caller="gateway", callee="metrics", protocol="gRPC", why="snapshots and traces", traced=False),
    Edge(caller="gateway", callee="web", protocol="HTTP", why="the pages"),
    Edge(caller="game", callee="persist", protocol="gRPC", why="tickets, transitions, leases, reads"),
    Edge(caller="game", callee="cache", protocol="gRPC", why="the topic of each track, between replicas"),
    Edge(caller="persist", callee="cache", protocol="gRPC", why="hot reads and their invalidation"),
    Edge(caller="persist", callee="postgresql", protocol="SQL", why="everything that must not be lost"),
    Edge(caller="cache", callee="redis", protocol="RESP", why="entries and topics that replicas share"),
    Edge(caller=EVERY_PART, callee="metrics", protocol="OTLP", why="spans and metrics", traced=False),
)


def parts() -> frozenset[str]:
    """Name every part; metrics sends its telemetry to itself."""
    named = {name for edge in EDGES for name in (edge.caller, edge.callee)}
    return frozenset(named - STORES - {EVERY_PART})


def callers_of(callee: str, *protocols: str) -> frozenset[str]:
    """Name the parts that speak one of the protocols to `callee`."""
    named = {edge.caller for edge in EDGES if edge.callee == callee and edge.protocol in protocols}
    return parts() if EVERY_PART in named else frozenset(named)
