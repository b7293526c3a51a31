"""The registry names everything once."""

import pytest
from opentelemetry.semconv._incubating.attributes import rpc_attributes
from opentelemetry.semconv.attributes import error_attributes

from services.chassis import telemetry_names as names


def test_no_name_stands_twice_and_each_has_a_meaning() -> None:
    registered = [each.name for each in (*names.ATTRIBUTES, *names.METRICS)]
    assert len(registered) == len(set(registered))
    assert all(each.brief for each in (*names.ATTRIBUTES, *names.METRICS))


def test_attributes_of_metrics_are_registered() -> None:
    known = {attribute.name for attribute in names.ATTRIBUTES}
    assert all(known.issuperset(metric.attributes) for metric in names.METRICS)


@pytest.mark.parametrize(
    ("ours", "convention"),
    [
        (names.RPC_SYSTEM_NAME, rpc_attributes.RPC_SYSTEM_NAME),
        (names.RPC_METHOD, rpc_attributes.RPC_METHOD),
        (names.RPC_RESPONSE_STATUS_CODE, rpc_attributes.RPC_RESPONSE_STATUS_CODE),
        (names.ERROR_TYPE, error_attributes.ERROR_TYPE),
    ],
)
def test_names_of_the_semantic_conventions_are_theirs(ours: str, convention: str) -> None:
    assert ours == convention
