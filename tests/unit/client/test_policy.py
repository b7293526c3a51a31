"""Policy is read from the contracts."""

import importlib
import json
import pkgutil
from collections.abc import Iterator
from typing import Any

import furlong.game.v1
import furlong.persist.v1
import pytest
from furlong.client.policy import DEADLINE_MS_MAX, policies, service_config
from furlong.common.v1 import policy_pb2
from furlong.game.v1 import round_service_pb2, ticket_service_pb2
from google.protobuf import descriptor_pb2, descriptor_pool, empty_pb2
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions


def public_and_internal_services() -> Iterator[ServiceDescriptor]:
    for package in (furlong.game.v1, furlong.persist.v1):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            if module.name.endswith("_pb2"):
                yield from importlib.import_module(module.name).DESCRIPTOR.services_by_name.values()


def made_up(name: str, policy: policy_pb2.MethodPolicy | None, *, stream: bool = False) -> ServiceDescriptor:
    file = descriptor_pb2.FileDescriptorProto(
        name=f"furlong/tests/policy/{name}.proto",
        package="furlong.tests.policy",
        syntax="proto3",
        dependency=[empty_pb2.DESCRIPTOR.name, policy_pb2.DESCRIPTOR.name],
    )
    method = file.service.add(name=name).method.add(
        name="Do",
        input_type=".google.protobuf.Empty",
        output_type=".google.protobuf.Empty",
        server_streaming=stream,
    )
    if policy is not None:
        method.options.Extensions[policy_pb2.policy].CopyFrom(policy)
    pool = descriptor_pool.Default()
    pool.Add(file)
    return pool.FindServiceByName(f"furlong.tests.policy.{name}")


def test_every_method_of_every_contract_has_a_valid_policy() -> None:
    services = list(public_and_internal_services())
    assert len(policies(services)) == sum(len(service.methods) for service in services) > 30


def test_a_policy_says_what_the_contract_says() -> None:
    read = policies(ticket_service_pb2.DESCRIPTOR.services_by_name.values())
    place = read["/furlong.game.v1.TicketService/PlaceTickets"]
    assert (place.deadline_ms, place.retryable, place.unary) == (2_000, True, True)
    assert place.roles == {policy_pb2.PLAYER, policy_pb2.CASHIER}
    assert place.admission == policy_pb2.WRITE
    watch = policies(round_service_pb2.DESCRIPTOR.services_by_name.values())[
        "/furlong.game.v1.RoundService/WatchRounds"
    ]
    assert (watch.deadline_ms, watch.unary, watch.admission) == (0, False, policy_pb2.STREAM)


@pytest.mark.parametrize(
    ("name", "policy"),
    [
        ("Without", None),
        ("NoDeadline", policy_pb2.MethodPolicy(deadline_ms=0, admission=policy_pb2.READ)),
        ("LongDeadline", policy_pb2.MethodPolicy(deadline_ms=DEADLINE_MS_MAX + 1, admission=policy_pb2.READ)),
        ("NegativeDeadline", policy_pb2.MethodPolicy(deadline_ms=-1, admission=policy_pb2.READ)),
        ("NoAdmission", policy_pb2.MethodPolicy(deadline_ms=1_000)),
    ],
)
def test_a_method_without_a_valid_policy_is_refused_by_name(name: str, policy: policy_pb2.MethodPolicy | None) -> None:
    with pytest.raises(ValueError, match=f"/furlong.tests.policy.{name}/Do has"):
        policies([made_up(name, policy)])


def test_a_stream_needs_no_deadline() -> None:
    stated = policy_pb2.MethodPolicy(deadline_ms=0, admission=policy_pb2.STREAM)
    (policy,) = policies([made_up("Stream", stated, stream=True)]).values()
    assert policy.deadline_ms == 0


def read_config(services: list[ServiceDescriptor], **options: Any) -> dict[str, Any]:
    config: dict[str, Any] = json.loads(service_config(policies(services).values(), **options))
    return config


def test_reads_and_writes_with_request_ids_are_retried_on_unavailable_only() -> None:
    services = list(public_and_internal_services())
    (entry,) = read_config(services)["methodConfig"]
    retried = {f"/{name['service']}/{name['method']}" for name in entry["name"]}
    expected = {
        f"/{service.full_name}/{method.name}"
        for service in services
        for method in service.methods
        if method.GetOptions().idempotency_level != MethodOptions.IDEMPOTENCY_UNKNOWN
        and not method.server_streaming
        and not method.client_streaming
    }
    assert retried == expected
    assert entry["retryPolicy"]["retryableStatusCodes"] == ["UNAVAILABLE"]
    assert entry["retryPolicy"]["maxAttempts"] == 3


def test_a_write_without_request_id_is_not_named_for_retries() -> None:
    stated = policy_pb2.MethodPolicy(deadline_ms=1_000, admission=policy_pb2.WRITE)
    assert "methodConfig" not in read_config([made_up("Careless", stated)])


def test_the_config_balances_throttles_and_never_sets_a_timeout() -> None:
    config = read_config(list(public_and_internal_services()))
    assert config["loadBalancingConfig"] == [{"round_robin": {}}]
    assert config["retryThrottling"] == {"maxTokens": 100, "tokenRatio": 0.1}
    assert all("timeout" not in entry for entry in config["methodConfig"])
    assert "healthCheckConfig" not in config


def test_health_is_checked_only_where_it_is_asked_for() -> None:
    services = list(public_and_internal_services())
    assert read_config(services, health_service="a.B")["healthCheckConfig"] == {"serviceName": "a.B"}
