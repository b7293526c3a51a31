"""Questions that tell whether a part serves."""

import http
import http.client

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


def answers_http(address: str, path: str) -> bool:
    """Whether a GET of the path at `host:port` is answered with 200."""
    connection = http.client.HTTPConnection(address, timeout=PROBE_TIMEOUT_S)  # knows of no proxy, as loopback needs
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
