"""Every place where the code opens a connection is of an edge of deploy/edges.py, and every edge has such a place.

The places are found in the source, by what opens connections in the libraries that are used; tests/e2e/test_edges.py
looks at the connections that a running stack has.
"""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import yaml

from deploy.edges import EDGES, EVERY_PART
from deploy.kubernetes import gateway

ROOT = Path(__file__).resolve().parents[3]

OPENERS: Final = frozenset(
    (
        *("open_channel", "insecure_channel", "secure_channel"),  # gRPC
        *("OTLPSpanExporter", "OTLPMetricExporter", "TlsSpanExporter", "TlsMetricExporter"),  # OpenTelemetry
        *("create_pool", "create_async_engine", "create_engine"),  # databases; asyncpg.connect is below
        *(
            "create_connection",
            "open_connection",
            "open_unix_connection",
            "create_datagram_endpoint",
        ),  # the library's own
        *("urlopen", "HTTPConnection", "HTTPSConnection", "AsyncClient", "ClientSession"),  # HTTP
    )
)
CONNECTS: Final = frozenset(("asyncpg", "socket", "redis"))
"""Modules whose `connect` opens one."""

Pair = tuple[str, str, str]

NOWHERE: Final[Pair] = ("", "", "")
"""A place that opens no connection to another part."""

PLACES: Final[Mapping[tuple[str, str], Pair]] = {
    ("services/game/__main__.py", "game"): ("game", "persist", "gRPC"),
    ("services/game/__main__.py", "_cache"): ("game", "cache", "gRPC"),
    ("services/game/adapters/drand.py", "_ask"): ("game", "beacon", "HTTPS"),
    ("services/persist/__main__.py", "_hot_reads"): ("persist", "cache", "gRPC"),
    ("services/persist/adapters/postgres/database.py", "__init__"): ("persist", "postgresql", "SQL"),
    ("services/persist/adapters/postgres/database.py", "connect_lane"): ("persist", "postgresql", "SQL"),
    ("services/persist/migrate.py", "_engine"): ("migrations", "postgresql", "SQL"),
    # What people run by hand in the image of migrations.
    ("services/persist/partitions.py", "_run"): ("migrations", "postgresql", "SQL"),
    ("services/persist/audit.py", "check"): ("migrations", "postgresql", "SQL"),
    ("services/cache/adapters/redis/nodes.py", "_open"): ("cache", "redis", "RESP"),
    ("services/metrics/adapters/forward.py", "_channel"): ("metrics", "collector", "OTLP"),
    ("services/chassis/telemetry.py", "_span_exporter"): (EVERY_PART, "metrics", "OTLP"),
    ("services/chassis/telemetry.py", "_metric_exporter"): (EVERY_PART, "metrics", "OTLP"),
    ("services/chassis/exporters.py", "make"): (EVERY_PART, "metrics", "OTLP"),
    # A container that asks itself whether it is well.
    ("services/chassis/probe.py", "ask_grpc"): NOWHERE,
    ("services/chassis/probe.py", "ask_http"): NOWHERE,
}
"""Where the services open connections: the file and the function, and the edge."""


def places(folder: Path) -> Iterator[tuple[str, str]]:
    """Every place below a folder where a connection is opened."""
    for file in sorted(folder.rglob("*.py")):
        for function in ast.walk(ast.parse(file.read_text())):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and any(map(_opens, _own_nodes(function))):
                yield file.relative_to(ROOT).as_posix(), function.name


def _own_nodes(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.AST]:
    """What stands in a function and not in one inside of it."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            waiting += ast.iter_child_nodes(node)


def _opens(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    match node.func:
        case ast.Attribute(value=ast.Name(id=module), attr="connect"):
            return module in CONNECTS
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name in OPENERS
    return False


def test_every_place_that_opens_a_connection_is_known() -> None:
    assert set(places(ROOT / "services")) == set(PLACES), (
        "say in PLACES which edge it is; a new edge goes to deploy/edges.py"
    )


def test_every_connection_is_an_edge_and_every_edge_has_one() -> None:
    opened = {pair for pair in PLACES.values() if pair != NOWHERE} | set(gateway_edges())
    assert opened == {(edge.caller, edge.callee, edge.protocol) for edge in EDGES}


def gateway_edges() -> Iterator[Pair]:
    """The gateway's connections: the clusters of its configuration."""
    protocols = {"game": "gRPC", "cache": "gRPC", "metrics": "gRPC", "web": "HTTP"}
    for cluster in yaml.safe_load(gateway.files()["envoy.yaml"])["static_resources"]["clusters"]:
        if cluster["name"] != "otlp":
            yield "gateway", cluster["name"], protocols[cluster["name"]]
            continue
        [endpoints] = cluster["load_assignment"]["endpoints"]
        [endpoint] = endpoints["lb_endpoints"]
        assert endpoint["endpoint"]["address"]["socket_address"]["address"] == "metrics"
        yield EVERY_PART, "metrics", "OTLP"


def test_a_connection_that_is_new_is_found() -> None:
    lines = ("import asyncpg", "async def look(url):", "    return await asyncpg.connect(url)")
    assert [_opens(node) for node in ast.walk(ast.parse("\n".join(lines)))].count(True) == 1
