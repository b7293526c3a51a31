"""A gRPC service together with what is needed to serve it."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import grpc
from furlong.client.policy import MethodPolicy, policies
from google.protobuf import message_factory
from google.protobuf.descriptor import ServiceDescriptor

from services.chassis.call import Dialogue, Method


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosted:
    """One gRPC service of a server.

    `add` is the generated `add_XServicer_to_server`. The methods named in `raw_streams` are server streams whose
    handler writes bytes that are encoded messages already, so that one frame is encoded once for all its receivers;
    those in `raw_answers` have one answer, and their handler returns its bytes. Those in `dialogues` are streams both
    ways, whose handler is a coroutine that answers one message.
    `policies`, by path, are those of a service whose contract is not ours and states none; ours state their own.
    """

    add: Callable[[Any, grpc.aio.Server], None]
    servicer: object
    descriptor: ServiceDescriptor
    raw_streams: frozenset[str] = frozenset()
    raw_answers: frozenset[str] = frozenset()
    dialogues: Mapping[str, Dialogue] = field(default_factory=dict)
    policies: Mapping[str, MethodPolicy] | None = None

    def methods(self) -> Mapping[str, Method]:
        """Read every method by its path "/package.Service/Method"; ValueError where one has no policy."""
        of_service = policies([self.descriptor]) if self.policies is None else self.policies
        return {
            path: Method(
                name=path.removeprefix("/"),
                policy=of_service[path],
                request_class=message_factory.GetMessageClass(method.input_type),
                request_streams=method.client_streaming,
                dialogue=self.dialogues.get(method.name),
            )
            for method in self.descriptor.methods
            for path in (f"/{self.descriptor.full_name}/{method.name}",)
        }

    def handlers(self) -> Mapping[str, "grpc.RpcMethodHandler[Any, Any]"]:
        """Make the handlers, by path. Raises ValueError for one that is no coroutine or async generator."""
        handlers = dict(handlers_of(self.add, self.servicer))
        for path, handler in handlers.items():
            _refuse_blocking(path, handler)
        for name in self.raw_streams | self.raw_answers:
            path = f"/{self.descriptor.full_name}/{name}"
            handlers[path] = _without_serializer(handlers[path])
        return handlers


def handlers_of(add: Callable[[Any, Any], None], servicer: object) -> Mapping[str, "grpc.RpcMethodHandler[Any, Any]"]:
    """Make the handlers, by path, that generated code would register with the server that it is given."""
    capture = _Capture()
    add(servicer, capture)
    return capture.handlers


class _Capture:
    """Stands in for a server, and keeps what is registered with it."""

    def __init__(self) -> None:
        self.handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Pass over the generic form of what comes in the registered form too."""

    def add_registered_method_handlers(
        self, service: str, handlers: Mapping[str, "grpc.RpcMethodHandler[Any, Any]"]
    ) -> None:
        """Keep the handlers by path."""
        self.handlers |= {f"/{service}/{name}": handler for name, handler in handlers.items()}


def function_of(handler: "grpc.RpcMethodHandler[Any, Any]") -> tuple[str, Callable[..., Any]]:
    """Tell a handler's kind, like "unary_stream", and the servicer's method behind it."""
    kind = "_".join(
        "stream" if streaming else "unary" for streaming in (handler.request_streaming, handler.response_streaming)
    )
    return kind, getattr(handler, kind)


def _refuse_blocking(path: str, handler: "grpc.RpcMethodHandler[Any, Any]") -> None:
    _, function = function_of(handler)
    if not (inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)):
        raise ValueError(f"{path} is neither a coroutine nor an async generator; it would stop the whole server")


def _without_serializer(handler: "grpc.RpcMethodHandler[Any, Any]") -> "grpc.RpcMethodHandler[Any, Any]":
    kind, function = function_of(handler)
    make: Callable[..., grpc.RpcMethodHandler[Any, Any]] = getattr(grpc, f"{kind}_rpc_method_handler")
    return make(function, request_deserializer=handler.request_deserializer, response_serializer=None)
