"""A channel that survives: deadlines, retries, a breaker, fast reconnection and tracing, for any Furlong service.

Services among themselves use this channel, and so does everybody outside.
"""

from collections.abc import Callable, Sequence

import grpc
from furlong.client.breaker import Breaker, BreakerChange, BreakerSettings
from furlong.client.interceptors import DialogueCalls, Outbound, StreamCalls, UnaryCalls
from furlong.client.policy import policies, service_config
from furlong.client.renewed_channel import RenewedChannel
from furlong.client.tls import ChannelTls
from furlong.client.tracing import ClientTracer
from google.protobuf.descriptor import ServiceDescriptor
from opentelemetry.trace import TracerProvider

REQUEST_BYTES_MAX = 256 * 1024
"""The largest request, the same bound as the servers'."""
RESPONSE_BYTES_MAX = 4 * 1024 * 1024
"""The largest response: a page of a list is larger than any request."""

# With gRPC's own waits a channel needs up to ten seconds to notice that a server is back. A part is back within three,
# of which it takes one or two to start.
RECONNECT_FIRST_MS = 100
RECONNECT_MAX_MS = 500
# A name is looked up again when a connection is lost. By default gRPC does so twice a minute at the most, and replicas
# that are renewed one after the other would all be gone before it does.
RESOLVE_AGAIN_MS = 1_000
# A peer that vanished without a word is noticed while calls are open; the servers allow pings as often as this.
KEEPALIVE_MS = 30_000
KEEPALIVE_TIMEOUT_MS = 10_000

_DEFAULT_BREAKER = BreakerSettings()


def open_channel(
    target: str,
    *,
    services: Sequence[ServiceDescriptor],
    token: Callable[[], str | None] | None = None,
    breaker: BreakerSettings = _DEFAULT_BREAKER,
    on_breaker_change: Callable[[BreakerChange], None] | None = None,
    health_check: bool = False,
    tracer_provider: TracerProvider | None = None,
    tls: ChannelTls | None = None,
) -> grpc.aio.Channel:
    """Open a channel to `target`, "host:port" or another name that gRPC resolves, inside a running event loop.

    Calls obey the policies of `services`. `token` is asked for a bearer token at each call. `on_breaker_change` hears
    of the breaker's changes of state. With `health_check`, addresses whose health service reports the first of
    `services` as not serving get no calls. `tracer_provider` replaces the global one. Without `tls` all is
    sent in clear text; with it, its files may be replaced while the channel is open. The caller closes the channel.
    """
    methods = policies(services)
    outbound = Outbound(
        policies=methods,
        token=token,
        tracer=ClientTracer(target, tracer_provider),
        breaker=Breaker(target, breaker, on_change=on_breaker_change),
    )
    stream_probe_s = breaker.stream_probe_ms / 1000
    config = service_config(methods.values(), health_service=services[0].full_name if health_check else None)
    options: list[tuple[str, str | int]] = [
        ("grpc.service_config", config),
        ("grpc.initial_reconnect_backoff_ms", RECONNECT_FIRST_MS),
        ("grpc.min_reconnect_backoff_ms", RECONNECT_FIRST_MS),
        ("grpc.max_reconnect_backoff_ms", RECONNECT_MAX_MS),
        ("grpc.dns_min_time_between_resolutions_ms", RESOLVE_AGAIN_MS),
        ("grpc.keepalive_time_ms", KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
        ("grpc.http2.ping_timeout_ms", KEEPALIVE_TIMEOUT_MS),  # by which the connection really ends: else a minute
        ("grpc.keepalive_permit_without_calls", 0),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.max_send_message_length", REQUEST_BYTES_MAX),
        ("grpc.max_receive_message_length", RESPONSE_BYTES_MAX),
        ("grpc.use_local_subchannel_pool", 1),
    ]
    interceptors = [
        UnaryCalls(outbound),
        StreamCalls(outbound, stream_probe_s=stream_probe_s),
        DialogueCalls(outbound, stream_probe_s=stream_probe_s),
    ]
    if tls is None:
        return grpc.aio.insecure_channel(target, options=options, interceptors=interceptors)
    options += tls.options()

    def dial(secret: grpc.ChannelCredentials) -> grpc.aio.Channel:
        return grpc.aio.secure_channel(target, secret, options=options, interceptors=interceptors)

    return RenewedChannel(tls.files, dial)
