"""What spans and points have in common on the wire, and how a message that breaks the contract is refused."""

from collections.abc import Iterable, Iterator
from typing import Final

from furlong.common.v1.error_pb2 import Reason
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from services.chassis.refusal import Refusal, Violation
from services.metrics.domain.point import Source

SERVICE_NAME: Final = "service.name"
SERVICE_INSTANCE_ID: Final = "service.instance.id"
NAMELESS: Final = "unknown_service"

ITEMS_MAX: Final = 20_000
"""Spans or points of one message; exporters send hundreds, collectors thousands."""
NAME_CHARACTERS_MAX: Final = 128
TEXT_CHARACTERS_MAX: Final = 256
"""What is kept of a name and of a value; the rest is cut off."""


def malformed(field: str, description: str) -> Refusal:
    """Make the refusal of a message; `field` is the path to what is wrong with it."""
    return Refusal(
        Reason.MALFORMED, f"{field}: {description}", violations=[Violation(field=field, description=description)]
    )


def source_of(resource: Resource) -> Source:
    """Read who sends."""
    named = {
        each.key: text_of(each.value) for each in resource.attributes if each.key in (SERVICE_NAME, SERVICE_INSTANCE_ID)
    }
    return Source(service=named.get(SERVICE_NAME) or NAMELESS, instance=named.get(SERVICE_INSTANCE_ID, ""))


def named_texts(attributes: Iterable[KeyValue]) -> Iterator[tuple[str, str]]:
    """Give attributes as text."""
    return ((each.key[:NAME_CHARACTERS_MAX], text_of(each.value)) for each in attributes)


def text_of(value: AnyValue) -> str:
    """Write a value as text; lists and maps within lists and maps are only hinted at."""
    match value.WhichOneof("value"):
        case "array_value":
            text = ", ".join(_scalar(each) for each in value.array_value.values)
        case "kvlist_value":
            text = ", ".join(f"{each.key}={_scalar(each.value)}" for each in value.kvlist_value.values)
        case _:
            text = _scalar(value)
    return text[:TEXT_CHARACTERS_MAX]


def _scalar(value: AnyValue) -> str:
    match value.WhichOneof("value"):
        case "string_value":
            return value.string_value
        case "bool_value":
            return "true" if value.bool_value else "false"
        case "int_value":
            return str(value.int_value)
        case "double_value":
            return repr(value.double_value)
        case "bytes_value":
            return value.bytes_value[:TEXT_CHARACTERS_MAX].hex()
        case "array_value" | "kvlist_value":
            return "..."
        case _:
            return ""
