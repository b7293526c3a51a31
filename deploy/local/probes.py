"""Questions that tell whether a part serves."""

import http
import http.client
import ssl
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

READINESS = "readiness"
PROBE_TIMEOUT_S = 1.0


def serves_grpc(address: str) -> bool:
    """Whether the server at `host:port` says that it is ready."""
    # A connection of its own every time: a shared one would wait, after a refusal, before it tries again.
    with grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        request = health_pb2.HealthCheckRequest(service=READINESS)
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=PROBE_TIMEOUT_S)
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def answers_http(address: str, path: str, authority: Path | None = None) -> bool:
    """Whether a GET of the path at `host:port` is answered with 200; over TLS where `authority` signs for it."""
    # Neither knows of a proxy, as loopback needs.
    if authority is None:
        connection = http.client.HTTPConnection(address, timeout=PROBE_TIMEOUT_S)
    else:
        trusting = ssl.create_default_context(cafile=authority)
        connection = http.client.HTTPSConnection(address, timeout=PROBE_TIMEOUT_S, context=trusting)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
