"""Fills in the gateway's configuration: addresses and limits from the settings, routes from the contract.

    python -m deploy.gateway.render --game game:50051 --web web:8000 --listen 0.0.0.0:8080 > envoy.yaml

With `--tls` the parts are spoken to over mutual TLS, and with `--public-tls` so is the outside, one way. Both name a
folder of the gateway's with tls.crt, tls.key and, for the parts, ca.crt; what is replaced there, by renaming, is taken
up without a restart. Envoy finds the folders through files of their own, which `--secrets` says where to write
and `--secrets-path` where Envoy finds them, if that is another place.

What is filled in is written as JSON, which is YAML as well, so no value can break out of its place.
"""

import argparse
import json
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from google.api import annotations_pb2  # type: ignore[import-untyped]  # ships no types
from google.protobuf import descriptor_pb2

from deploy.gateway import errors, tls

TEMPLATE = Path(__file__).with_name("envoy.yaml")
DESCRIPTOR_SET = Path(__file__).resolve().parents[2] / "gen" / "furlong.binpb"
SAMPLE_RATIO_PARTS = 1_000_000
BUFFER = "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer"
CLUSTERS: Mapping[str, str] = {"furlong.game.v1": "game", "furlong.cache.v1": "cache", "furlong.metrics.v1": "metrics"}
"""The packages that have public methods, and the cluster that answers each."""

ANSWER_TIMEOUT_S = 11
"""The services answer within 10 s; one that is silent for longer does not answer at all."""
DIALOGUE_IDLE_TIMEOUT_S = 300
"""A stream of requests on which neither side has said anything for this long is ended; its client opens another one."""
CONNECT_TIMEOUT_S = 1
RESOLVE_S = 1
"""How often names are looked up: so soon a new replica gets calls, and one that is gone gets none."""
HEALTH_SERVICE = "readiness"
WEB_HEALTH_PATH = "/healthz"
WEB_IDLE_TIMEOUT_S = 60
"""Less than the web server keeps an idle connection, so that no request meets one that is being closed."""
UPSTREAM_CALLS_MAX = 100_000
"""Calls in progress towards the services. They shed load themselves, with a reason; this only bounds the gateway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A place to listen at or to connect to."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read `host:port`. Raises ValueError."""
        host, colon, port = text.rpartition(":")
        if not (colon and host and port.isdecimal() and 0 < int(port) < 65_536):
            raise ValueError(f"{text!r} is not host:port")
        return cls(host=host, port=int(port))

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """All that differs between environments, and every limit."""

    listen: Address
    admin: Address
    game: tuple[Address, ...]
    """Replicas of game; a name that resolves to several addresses counts as several replicas."""
    web: Address
    """What serves the pages."""
    cache: tuple[Address, ...] = ()
    """Replicas of the cache; without any, its methods are not public."""
    metrics: tuple[Address, ...] = ()
    """Replicas of metrics; without any, its methods are not public."""
    descriptor_set: Path = DESCRIPTOR_SET
    """Where the gateway finds the contract; may be another path than the one that routes are read from here."""
    otlp_endpoint: str = ""
    """Where spans go, as `http://host:port`, or `https://` to a part that speaks TLS; empty makes none and passes the
    caller's trace context on."""
    otlp_part: str = "metrics"
    """The part that the certificate at an https:// endpoint must name."""
    certificates: tls.Folders = tls.CLEAR_TEXT
    """Where it speaks TLS, and where its certificates are."""
    trace_sample_ratio: float = 0.05
    """Share of the traces beginning at the gateway that are kept, 0 to 1; a caller's own decision is followed."""
    body_bytes_max: int = 256 * 1024
    connections_max: int = 10_000
    streams_per_connection_max: int = 1_000
    heap_bytes_max: int = 1024 * 1024 * 1024

    def __post_init__(self) -> None:
        assert self.game, "a gateway without a service behind it"
        assert 0 <= self.trace_sample_ratio <= 1
        if self.otlp_endpoint.startswith("https://") and self.certificates.parts is None:
            raise ValueError("an https:// OTLP endpoint needs the gateway's certificate towards the parts")


def render(settings: GatewaySettings) -> str:
    """The configuration for Envoy. Raises ValueError for an OTLP endpoint that cannot be read."""
    replicas = {"game": settings.game, "cache": settings.cache, "metrics": settings.metrics}
    methods = [method for method in public_methods() if replicas[method.cluster]]
    otlp = otlp_address(settings.otlp_endpoint) if settings.otlp_endpoint else None
    clusters = [
        {**_service_cluster(name, addresses), **tls.towards(settings.certificates, name, tls.HTTP_2)}
        for name, addresses in replicas.items()
        if addresses
    ]
    clusters += [{**_web_cluster(settings.web), **tls.towards(settings.certificates, "web", tls.HTTP_1)}]
    if otlp:
        secure = settings.otlp_endpoint.startswith("https://")
        around = tls.towards(settings.certificates, settings.otlp_part, tls.HTTP_2) if secure else {}
        clusters += [{**_cluster("otlp", (otlp,)), **around}]
    values = {
        "admin_host": settings.admin.host,
        "admin_port": settings.admin.port,
        "listen_host": settings.listen.host,
        "listen_port": settings.listen.port,
        "connections_max": settings.connections_max,
        "heap_bytes_max": settings.heap_bytes_max,
        "streams_per_connection_max": settings.streams_per_connection_max,
        "body_bytes_max": settings.body_bytes_max,
        "descriptor_set": str(settings.descriptor_set),
        "services": sorted({method.service for method in methods}),
        "routes": [*(_route(method) for method in methods), *_web_routes()],
        "local_replies": errors.mappers(),
        "access_log": _access_log(),
        "clusters": clusters,
    }
    filled = {name: json.dumps(value) for name, value in values.items()}
    filled["tracing"] = f"tracing: {json.dumps(_tracing(settings.trace_sample_ratio))}" if otlp else ""
    filled["public_tls"] = "\n".join(
        f"{key}: {json.dumps(value)}" for key, value in tls.public(settings.certificates).items()
    )
    return string.Template(TEMPLATE.read_text()).substitute(filled)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicMethod:
    """A method that the gateway lets through."""

    service: str
    name: str
    streams: bool
    """Its answer is a stream."""
    asks_in_stream: bool
    """Its request is a stream."""
    cluster: str

    @property
    def path(self) -> str:
        """Its full name, as gRPC has it in a path."""
        return f"{self.service}/{self.name}"


def public_methods() -> Iterator[PublicMethod]:
    """The methods of the public packages that have a REST form, and the streams of requests, which cannot have one."""
    files = descriptor_pb2.FileDescriptorSet.FromString(DESCRIPTOR_SET.read_bytes())
    for file in files.file:
        if file.package not in CLUSTERS:
            continue
        for service in file.service:
            for method in service.method:
                if method.options.HasExtension(annotations_pb2.http) or method.client_streaming:
                    yield PublicMethod(
                        service=f"{file.package}.{service.name}",
                        name=method.name,
                        streams=method.server_streaming,
                        asks_in_stream=method.client_streaming,
                        cluster=CLUSTERS[file.package],
                    )


def _route(method: PublicMethod) -> dict[str, Any]:
    """The way of one method. Its deadline is the service's affair, which says more of a call that ran out of time."""
    route: dict[str, Any] = {
        "match": {"path": f"/{method.path}"},
        "decorator": {"operation": method.path, "propagate": False},
    }
    if method.asks_in_stream:
        # Passed on as it comes; the service bounds each message, and keeps a client back that is too fast.
        unbuffered = {"@type": f"{BUFFER}PerRoute", "disabled": True}
        return {
            **route,
            "route": {"cluster": method.cluster, "timeout": "0s", "idle_timeout": f"{DIALOGUE_IDLE_TIMEOUT_S}s"},
            "typed_per_filter_config": {"envoy.filters.http.buffer": unbuffered},
        }
    if method.streams:
        return {**route, "route": {"cluster": method.cluster, "timeout": "0s", "idle_timeout": "0s"}}
    # Only what certainly never reached a service is sent again.
    retry = {"retry_on": "connect-failure,refused-stream", "num_retries": 1}
    return {**route, "route": {"cluster": method.cluster, "timeout": f"{ANSWER_TIMEOUT_S}s", "retry_policy": retry}}


def _web_routes() -> list[dict[str, Any]]:
    """The pages: what is read from anywhere but `/v1`. What is left under `/v1` is no method of the contract."""
    as_it_is = {"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "disabled": True}
    reads = {"name": ":method", "string_match": {"safe_regex": {"regex": "GET|HEAD"}}}
    retry = {"retry_on": "connect-failure,refused-stream,reset", "num_retries": 1}
    return [
        {"match": {"path_separated_prefix": "/v1"}, "direct_response": {"status": HTTPStatus.NOT_FOUND}},
        {
            "match": {"prefix": "/", "headers": [reads]},
            "decorator": {"operation": "page", "propagate": False},
            "route": {"cluster": "web", "timeout": f"{ANSWER_TIMEOUT_S}s", "retry_policy": retry},
            "typed_per_filter_config": {"envoy.filters.http.grpc_json_transcoder": as_it_is},
        },
    ]


def _service_cluster(name: str, addresses: Sequence[Address]) -> dict[str, Any]:
    """The replicas of a service. When none is healthy all are tried: a service knows best why it cannot serve."""
    limits = {"max_connections": UPSTREAM_CALLS_MAX, "max_pending_requests": UPSTREAM_CALLS_MAX}
    limits |= {"max_requests": UPSTREAM_CALLS_MAX, "max_retries": 100}
    health_check = {
        "timeout": "1s",
        "interval": "1s",
        "no_traffic_interval": "1s",
        "unhealthy_threshold": 2,
        "healthy_threshold": 1,
        "grpc_health_check": {"service_name": HEALTH_SERVICE},
    }
    return {
        **_cluster(name, addresses),
        "lb_policy": "LEAST_REQUEST",
        "circuit_breakers": {"thresholds": [{"priority": "DEFAULT", **limits}]},
        "health_checks": [health_check],
    }


def _web_cluster(address: Address) -> dict[str, Any]:
    """The server of the pages, which speaks HTTP/1.1."""
    health_check = {
        "timeout": "1s",
        "interval": "1s",
        "no_traffic_interval": "1s",
        "unhealthy_threshold": 2,
        "healthy_threshold": 1,
        "http_health_check": {"path": WEB_HEALTH_PATH},
    }
    protocol = {
        "common_http_protocol_options": {"idle_timeout": f"{WEB_IDLE_TIMEOUT_S}s"},
        "explicit_http_config": {"http_protocol_options": {}},
    }
    return {**_cluster("web", (address,), protocol), "health_checks": [health_check]}


DNS_CLUSTER = "type.googleapis.com/envoy.extensions.clusters.dns.v3.DnsCluster"
HTTP2: Mapping[str, Any] = {
    "explicit_http_config": {"http2_protocol_options": {"connection_keepalive": {"interval": "30s", "timeout": "10s"}}}
}


def _cluster(name: str, addresses: Sequence[Address], protocol: Mapping[str, Any] = HTTP2) -> dict[str, Any]:
    """A cluster that is spoken to in one protocol."""
    endpoints = [
        {"endpoint": {"address": {"socket_address": {"address": address.host, "port_value": address.port}}}}
        for address in addresses
    ]
    options = {"@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions", **protocol}
    return {
        "name": name,
        "cluster_type": {
            "name": "envoy.cluster.dns",
            "typed_config": {"@type": DNS_CLUSTER, "dns_refresh_rate": f"{RESOLVE_S}s"},
        },
        "connect_timeout": f"{CONNECT_TIMEOUT_S}s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options},
    }


def _tracing(sample_ratio: float) -> dict[str, Any]:
    """Spans of the gateway: the root of a trace, or a child where the caller began it.

    Whoever begins a trace decides whether it is recorded. Envoy's own sampling would decide again at the gateway.
    """
    return {
        "random_sampling": {"value": 100},
        "spawn_upstream_span": False,
        "provider": {
            "name": "envoy.tracers.opentelemetry",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig",
                "service_name": "gateway",
                "grpc_service": {"envoy_grpc": {"cluster_name": "otlp"}, "timeout": "1s"},
                "sampler": _sampler("parent_based", wrapped_sampler=_sampler_by_ratio(sample_ratio)),
            },
        },
    }


def _sampler_by_ratio(sample_ratio: float) -> dict[str, Any]:
    percentage = {"numerator": round(sample_ratio * SAMPLE_RATIO_PARTS), "denominator": "MILLION"}
    return _sampler("trace_id_ratio_based", sampling_percentage=percentage)


def _sampler(name: str, **settings: Any) -> dict[str, Any]:
    message = "".join(word.title() for word in name.split("_")) + "SamplerConfig"
    kind = f"type.googleapis.com/envoy.extensions.tracers.opentelemetry.samplers.v3.{message}"
    return {"name": f"envoy.tracers.opentelemetry.samplers.{name}", "typed_config": {"@type": kind, **settings}}


def _access_log() -> list[dict[str, Any]]:
    """What went wrong, one JSON object a line; what went well is in the log of the service that did it."""
    entry = {
        "timestamp": "%START_TIME%",
        "event": "call failed",
        "method": "%REQ(:METHOD)%",
        "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
        "status": "%RESPONSE_CODE%",
        "grpc_status": "%GRPC_STATUS(SNAKE_STRING)%",
        "flags": "%RESPONSE_FLAGS%",
        "why": "%RESPONSE_CODE_DETAILS%",
        "duration_ms": "%DURATION%",
        "upstream": "%UPSTREAM_HOST%",
        "trace_id": "%TRACE_ID%",
    }
    return [
        {
            "name": "envoy.access_loggers.stdout",
            "filter": {"grpc_status_filter": {"exclude": True, "statuses": ["OK"]}},
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
                "log_format": {"json_format": entry},
            },
        }
    ]


def otlp_address(endpoint: str) -> Address:
    """Read where spans go. Raises ValueError."""
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname or not parts.port:
        raise ValueError(f"the OTLP endpoint {endpoint!r} is not http://host:port")
    return Address(host=parts.hostname, port=parts.port)


def _read_arguments() -> tuple[GatewaySettings, Path | None]:
    """The settings, and where the files of the secrets are written, if there are some."""
    parser = argparse.ArgumentParser(prog="python -m deploy.gateway.render", description=__doc__.split("\n")[0])
    parser.add_argument("--listen", type=Address.parse, default="0.0.0.0:8080", metavar="HOST:PORT")
    parser.add_argument("--admin", type=Address.parse, default="127.0.0.1:9901", metavar="HOST:PORT")
    parser.add_argument("--game", type=Address.parse, action="append", required=True, metavar="HOST:PORT")
    parser.add_argument("--cache", type=Address.parse, action="append", default=[], metavar="HOST:PORT")
    parser.add_argument("--metrics", type=Address.parse, action="append", default=[], metavar="HOST:PORT")
    parser.add_argument("--web", type=Address.parse, required=True, metavar="HOST:PORT")
    parser.add_argument("--descriptor-set", type=Path, default=DESCRIPTOR_SET, metavar="FILE")
    parser.add_argument("--otlp-endpoint", default="", metavar="URL")
    parser.add_argument("--otlp-part", default="metrics", metavar="PART")
    parser.add_argument("--trace-sample-ratio", type=float, default=0.05, metavar="RATIO")
    parser.add_argument("--tls", type=Path, metavar="FOLDER")
    parser.add_argument("--public-tls", type=Path, metavar="FOLDER")
    parser.add_argument("--secrets", type=Path, metavar="FOLDER")
    parser.add_argument("--secrets-path", type=Path, metavar="FOLDER")
    given = parser.parse_args()
    if (given.tls or given.public_tls) and not given.secrets:
        parser.error("--tls and --public-tls need --secrets")
    settings = GatewaySettings(
        listen=given.listen,
        admin=given.admin,
        game=tuple(given.game),
        web=given.web,
        cache=tuple(given.cache),
        metrics=tuple(given.metrics),
        descriptor_set=given.descriptor_set,
        otlp_endpoint=given.otlp_endpoint,
        otlp_part=given.otlp_part,
        trace_sample_ratio=given.trace_sample_ratio,
        certificates=tls.Folders(parts=given.tls, public=given.public_tls, secrets=given.secrets_path or given.secrets),
    )
    return settings, given.secrets


def main() -> None:
    """Print the configuration, and write the files that it needs beside it."""
    settings, secrets = _read_arguments()
    for name, content in tls.secrets(settings.certificates).items():
        assert secrets is not None, "who asks for TLS says where its files go"
        secrets.mkdir(parents=True, exist_ok=True)
        (secrets / name).write_text(content)
    print(render(settings))


if __name__ == "__main__":
    main()
