"""The gateway's configuration: what is filled in, and the table of its own refusals."""

from pathlib import Path
from typing import Any

import grpc
import pytest
from furlong.cache.v1 import cache_service_pb2

from deploy.gateway.errors import REFUSALS, mappers
from deploy.gateway.render import Address, GatewaySettings, public_methods, render
from deploy.gateway.tls import Folders, secrets

LISTEN = Address(host="127.0.0.1", port=8080)
ADMIN = Address(host="127.0.0.1", port=9901)
WEB = Address(host="web", port=8000)


def settings(**changes: Any) -> GatewaySettings:
    replicas = (Address(host="game-1", port=50051), Address(host="game-2", port=50051))
    others = {"cache": (Address(host="cache", port=50052),), "metrics": (Address(host="metrics", port=50054),)}
    return GatewaySettings(**{"listen": LISTEN, "admin": ADMIN, "game": replicas, "web": WEB, **others, **changes})


def test_every_replica_of_game_is_an_endpoint() -> None:
    configuration = render(settings())

    assert '"game-1"' in configuration
    assert '"game-2"' in configuration


@pytest.mark.parametrize("service", ["cache", "metrics"])
def test_a_service_that_is_not_there_has_no_route(service: str) -> None:
    assert f"furlong.{service}.v1" in render(settings())
    assert f"furlong.{service}.v1" not in render(settings(**{service: ()}))


def test_each_method_goes_to_the_service_that_has_it() -> None:
    clusters = {method.service.split(".")[1]: method.cluster for method in public_methods()}

    assert clusters == {"game": "game", "cache": "cache", "metrics": "metrics"}


def test_nothing_is_left_to_fill_in() -> None:
    assert "$" not in render(settings())


def test_without_an_endpoint_no_span_is_made() -> None:
    assert "opentelemetry" not in render(settings())


def test_the_share_of_traces_is_told_in_parts_of_a_million() -> None:
    configuration = render(settings(otlp_endpoint="http://127.0.0.1:4317", trace_sample_ratio=0.05))

    assert "envoy.tracers.opentelemetry" in configuration
    assert '"sampling_percentage": {"numerator": 50000, "denominator": "MILLION"}' in configuration


@pytest.mark.parametrize("endpoint", ["127.0.0.1:4317", "ftp://collector:4317", "http://collector"])
def test_an_endpoint_for_traces_that_cannot_be_read_is_refused(endpoint: str) -> None:
    with pytest.raises(ValueError, match="http://host:port"):
        render(settings(otlp_endpoint=endpoint))


def test_a_secure_endpoint_for_traces_needs_a_certificate_of_the_gateways() -> None:
    with pytest.raises(ValueError, match="needs the gateway's certificate"):
        render(settings(otlp_endpoint="https://metrics:4317"))


def test_without_certificates_everything_is_clear_text() -> None:
    assert "transport_socket" not in render(settings(otlp_endpoint="http://metrics:4317"))


def test_with_certificates_every_cluster_expects_the_part_that_it_is_named_for() -> None:
    folders = Folders(parts=Path("/certificates"), public=Path("/public"), secrets=Path("/secrets"))
    configuration = render(settings(certificates=folders, otlp_endpoint="https://metrics:4317"))

    for part, times in {"game": 1, "cache": 1, "metrics": 2, "web": 1}.items():  # metrics is also where spans go
        assert configuration.count(f'"exact": "spiffe://furlong/{part}"') == times
    assert configuration.count("UpstreamTlsContext") == 5
    assert configuration.count("DownstreamTlsContext") == 1
    assert "$" not in configuration
    assert sorted(secrets(folders)) == ["identity.json", "public.json", "trusted.json"]


@pytest.mark.parametrize("text", ["", "8080", ":8080", "host:", "host:0", "host:65536", "host:http"])
def test_an_address_that_is_not_host_and_port_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not host:port"):
        Address.parse(text)


def test_a_stream_has_no_timeout_and_every_other_call_has_one() -> None:
    routes = {method.path: method.streams for method in public_methods()}

    assert {path for path, streams in routes.items() if streams} == {
        "furlong.game.v1.RoundService/WatchRounds",
        "furlong.game.v1.TicketService/StreamTickets",
        "furlong.metrics.v1.MetricsService/WatchSnapshot",
    }
    assert render(settings()).count('"timeout": "0s"') == 3
    calls_and_pages = list(routes.values()).count(False) + 1
    assert render(settings()).count('"timeout": "11s"') == calls_and_pages


def test_a_stream_of_requests_is_not_held_back_until_it_is_whole_and_may_be_silent_for_minutes() -> None:
    assert [method.path for method in public_methods() if method.asks_in_stream] == [
        "furlong.game.v1.TicketService/StreamTickets"
    ]
    configuration = render(settings())
    assert configuration.count('"idle_timeout": "300s"') == 1
    assert configuration.count("buffer.v3.BufferPerRoute") == 1


def test_no_internal_service_is_reachable() -> None:
    configuration = render(settings())

    assert "furlong.persist" not in configuration
    assert "furlong.cache.v1.TopicService" not in configuration


def test_of_the_cache_operators_reach_what_looks_and_flushes_and_nothing_that_writes() -> None:
    methods = cache_service_pb2.DESCRIPTOR.services_by_name["CacheService"].methods
    configuration = render(settings())

    reached = {each.name for each in methods if f'"/furlong.cache.v1.CacheService/{each.name}"' in configuration}
    assert reached == {"Get", "GetStats", "Flush"}


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.message[:40])
def test_the_http_status_of_a_refusal_is_one_of_its_code(refusal: Any) -> None:
    statuses = {
        grpc.StatusCode.INVALID_ARGUMENT: {400, 413, 431},
        grpc.StatusCode.NOT_FOUND: {404},
        grpc.StatusCode.RESOURCE_EXHAUSTED: {429},
        grpc.StatusCode.UNAVAILABLE: {503},
        grpc.StatusCode.DEADLINE_EXCEEDED: {504},
        grpc.StatusCode.INTERNAL: {500},
    }

    assert refusal.http_status in statuses[refusal.rest_code]


def test_every_refusal_is_told_over_grpc_and_over_rest() -> None:
    assert len(mappers()) == 2 * len(REFUSALS)
