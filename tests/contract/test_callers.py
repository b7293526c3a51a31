"""Every server names as its callers the parts that have an edge to it, and no other."""

import services.cache.__main__ as cache
import services.game.__main__ as game
import services.metrics.__main__ as metrics
import services.persist.__main__ as persist
import services.web.__main__ as web
from deploy.edges import EDGES, ELSEWHERE, EVERY_PART, STORES, callers_of, parts

SERVERS = {
    ("game", "gRPC"): game.CALLERS,
    ("cache", "gRPC"): cache.CALLERS,
    ("persist", "gRPC"): persist.CALLERS,
    ("metrics", "gRPC"): metrics.CALLERS,
    ("metrics", "OTLP"): metrics.TELLERS,
    ("web", "HTTP"): web.CALLERS,
}


def test_each_server_names_its_callers() -> None:
    assert {server: callers_of(*server) for server in SERVERS} == SERVERS


def test_every_edge_between_parts_ends_at_a_server() -> None:
    assert {(edge.callee, edge.protocol) for edge in EDGES if edge.callee not in STORES | ELSEWHERE} == set(SERVERS)


def test_every_part_has_a_name_of_its_own() -> None:
    assert parts() == {"cache", "game", "gateway", "metrics", "persist", "web"}
    assert EVERY_PART not in parts()


def test_a_part_expects_at_the_other_end_whom_it_has_an_edge_to() -> None:
    called = {(game.NAME, game.PERSIST), (game.NAME, game.CACHE), (persist.NAME, persist.CACHE)}
    by_services = {(edge.caller, edge.callee) for edge in EDGES if edge.protocol == "gRPC" and edge.caller != "gateway"}
    assert called == by_services
