"""How each method wants to be called, read from the contracts: deadline, retries, roles, queue.

Policy is data in `protos/`, on the methods themselves; servers enforce it and clients obey it from the same place.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from furlong.common.v1 import policy_pb2
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions

DEADLINE_MS_MAX = 10_000
"""The longest that any call with a deadline may take, in milliseconds."""

MESSAGES_MAX_HEADER = "furlong-messages-max"
"""Initial metadata by which a server says that it has accepted a stream of requests, and how many of its messages it
works on at once. It is sent before the first message is read."""

ATTEMPTS_MAX = 3
BACKOFF_INITIAL = "0.05s"
BACKOFF_MAX = "0.5s"
RETRY_TOKENS_MAX = 100
RETRY_TOKENS_PER_SUCCESS = 0.1
"""gRPC's retry throttling: a failure costs one token, a success gives this much back, and there are no retries
while half of the tokens or more are gone. A server in distress then sees single attempts only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodPolicy:
    """How one method wants to be called.

    `method` is its full name as it stands on the wire, "/package.Service/Method". `deadline_ms` is the time that a
    caller gives it unless it chooses otherwise, 0 for a stream without a deadline. `retryable` methods have no side
    effects or carry a request id. `unary` methods have one request and one response.
    """

    method: str
    deadline_ms: int
    retryable: bool
    unary: bool
    roles: frozenset["policy_pb2.Role.ValueType"]
    admission: "policy_pb2.Admission.ValueType"


def policies(services: Iterable[ServiceDescriptor]) -> Mapping[str, MethodPolicy]:
    """Read the policy of every method of `services`, by the method's full name.

    Raises ValueError where a method has no policy, or one that breaks its contract.
    """
    return {policy.method: policy for service in services for policy in map(_policy, service.methods)}


def service_config(methods: Iterable[MethodPolicy], *, health_service: str | None = None) -> str:
    """Write gRPC's service config as JSON: balance over all addresses, retry UNAVAILABLE where that is harmless.

    Names every method that is retried. With `health_service`, addresses that report this service as not serving are
    left out. A `timeout` never stands in it: gRPC for Python fires it early.
    """
    names = [_name(policy.method) for policy in methods if policy.retryable and policy.unary]
    config: dict[str, object] = {
        "loadBalancingConfig": [{"round_robin": {}}],
        "retryThrottling": {"maxTokens": RETRY_TOKENS_MAX, "tokenRatio": RETRY_TOKENS_PER_SUCCESS},
    }
    if names:
        config["methodConfig"] = [{"name": names, "retryPolicy": _RETRY_POLICY}]
    if health_service is not None:
        config["healthCheckConfig"] = {"serviceName": health_service}
    return json.dumps(config)


_RETRY_POLICY: Mapping[str, object] = {
    "maxAttempts": ATTEMPTS_MAX,
    "initialBackoff": BACKOFF_INITIAL,
    "maxBackoff": BACKOFF_MAX,
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}

_RETRYABLE = frozenset({MethodOptions.NO_SIDE_EFFECTS, MethodOptions.IDEMPOTENT})


def _policy(method: MethodDescriptor) -> MethodPolicy:
    options = method.GetOptions()
    name = f"/{method.containing_service.full_name}/{method.name}"
    if not options.HasExtension(policy_pb2.policy):
        raise ValueError(f"{name} has no policy")
    stated = options.Extensions[policy_pb2.policy]
    unary = not (method.client_streaming or method.server_streaming)
    if not (0 if not unary else 1) <= stated.deadline_ms <= DEADLINE_MS_MAX:
        raise ValueError(f"{name} has a deadline of {stated.deadline_ms} ms, not 1 to {DEADLINE_MS_MAX}")
    if stated.admission == policy_pb2.ADMISSION_UNSPECIFIED:
        raise ValueError(f"{name} has no admission class")
    return MethodPolicy(
        method=name,
        deadline_ms=stated.deadline_ms,
        retryable=options.idempotency_level in _RETRYABLE,
        unary=unary,
        roles=frozenset(stated.roles),
        admission=stated.admission,
    )


def _name(method: str) -> dict[str, str]:
    service, _, name = method.removeprefix("/").partition("/")
    return {"service": service, "method": name}
