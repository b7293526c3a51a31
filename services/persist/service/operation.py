"""What makes a mutating call an operation that is carried out once."""

from collections.abc import Callable
from hashlib import sha256
from typing import Protocol, TypeVar

from google.protobuf.message import Message

from services.persist.ports import Operation

T = TypeVar("T")


class KeyedRequest(Protocol):
    """A request with a request id."""

    @property
    def request_id(self) -> str:
        """The id that the client made."""

    def SerializeToString(self, *, deterministic: bool = ...) -> bytes:
        """The request's bytes."""


def operation(request: KeyedRequest, render: Callable[[T], Message]) -> Operation[T]:
    """The operation that a request asks for.

    Its content is the whole request in protobuf's deterministic encoding, under the name of its message.
    """
    return Operation(
        request_id=request.request_id,
        method=type(request).__name__.removesuffix("Request"),
        content_hash=sha256(request.SerializeToString(deterministic=True)).digest(),
        render=lambda value: render(value).SerializeToString(),
    )
