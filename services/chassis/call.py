"""The values that pass through the stages: one method, one call of it, and what a stage is."""

from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Never, Protocol

import grpc
from furlong.client.policy import MethodPolicy
from furlong.common.v1.error_pb2 import Refused
from google.protobuf.message import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """What is known of a method before anybody calls it. `name` is "package.Service/Method", as in telemetry."""

    name: str
    policy: MethodPolicy
    request_class: type[Message]
    request_streams: bool
    dialogue: "Dialogue | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialogue:
    """What makes a stream of requests and responses of a servicer's coroutine that answers one message.

    `like` names the method of the same service whose policy each message obeys: its deadline, its admission class and
    its roles. `refused` puts the refusal of a message into a response.
    """

    like: str
    refused: Callable[[Refused], Message]


class CallContext(Protocol):
    """What the chassis asks of a call's context: gRPC's own, or what a message of a dialogue has in its place."""

    def time_remaining(self) -> float | None:
        """Tell the seconds until the caller's deadline, None where it has none."""

    def code(self) -> grpc.StatusCode | int:
        """Tell the status that the call was aborted with."""

    def auth_context(self) -> Mapping[str, Iterable[bytes]]:
        """Tell what the handshake found out about the caller."""

    async def send_initial_metadata(self, initial_metadata: tuple[tuple[str, str], ...]) -> None:
        """Answer that the call was accepted."""

    async def write(self, message: Any) -> None:
        """Send one response of a stream."""

    async def abort_with_status(self, status: grpc.Status) -> Never:
        """End the call."""


class Call:
    """One call in progress: its context and the metadata that came with it."""

    # A plain class: it is made for every call, and a frozen dataclass costs three times as much to make.
    __slots__ = ("context", "headers")

    def __init__(self, context: CallContext, headers: Mapping[str, str | bytes]) -> None:
        self.context = context
        self.headers = headers


Handler = Callable[[Any, Call], Coroutine[Any, Any, Any]]
"""Answers a call: takes the request, or the iterator of requests; returns the response, or None after a stream."""


class Stage(Protocol):
    """Something that every call of a method passes on its way in and out.

    A stage may keep context variables set: gRPC answers every call in a task of its own, which ends with the call.
    """

    def around(self, method: Method, inner: Handler) -> Handler:
        """Wrap the rest of the way. Called once per method, so that a call pays for no decision made before."""
