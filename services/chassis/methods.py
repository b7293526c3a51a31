"""All methods of a server, each behind the stages.

gRPC asks a generic handler for the method of each call, in the task that answers it. Neither interceptors nor methods
that are registered by name are used: gRPC makes the chain of interceptors anew for every call, and with every call
waits anew for each registered method, of which there are dozens.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from contextvars import ContextVar
from inspect import isasyncgenfunction
from typing import Any, Final

import grpc
from furlong.common.v1.error_pb2 import Reason

from services.chassis.call import Call, Handler, Method, Stage
from services.chassis.dialogues import Dialogues
from services.chassis.hosted import Hosted, function_of
from services.chassis.refusal import Refusal
from services.chassis.stages.peers import Peers
from services.chassis.status import to_rpc_status

_metadata: Final[ContextVar[Iterable[tuple[str, str | bytes]]]] = ContextVar("furlong_call_metadata")
"""What the call that this task answers came with. Its context would read it from gRPC a second time."""


class Methods(grpc.GenericRpcHandler):
    """Finds the handler of a call; each is wrapped in the stages, the first of them outermost.

    Those of `bare`, like health, pass no stage but `peers`, where there are some.
    """

    def __init__(
        self,
        hosted: Sequence[Hosted],
        bare: Mapping[str, "grpc.RpcMethodHandler[Any, Any]"],
        stages: Sequence[Stage],
        dialogues: Dialogues,
        peers: Peers | None = None,
    ) -> None:
        self._methods = {path: method for each in hosted for path, method in each.methods().items()}
        self._stages = stages
        self._dialogues = dialogues
        self._handlers = {path: handler if peers is None else _guard(peers, handler) for path, handler in bare.items()}
        for each in hosted:
            for path, handler in each.handlers().items():
                self._handlers[path] = self._wrap(self._methods[path], handler)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[Any, Any]":
        """Find the handler of a call."""
        _metadata.set(handler_call_details.invocation_metadata)
        return self._handlers.get(handler_call_details.method, _UNKNOWN)

    def _wrap(self, method: Method, handler: "grpc.RpcMethodHandler[Any, Any]") -> "grpc.RpcMethodHandler[Any, Any]":
        kind, function = function_of(handler)
        way = self._innermost(method, function)
        for stage in reversed(self._stages):
            way = stage.around(method, way)

        async def answer(request: Any, context: "grpc.aio.ServicerContext[Any, Any]") -> Any:
            return await way(request, Call(context, dict(_metadata.get())))

        return _answering(answer, kind, handler)

    def _innermost(self, method: Method, function: Callable[..., Any]) -> Handler:
        if method.dialogue is None:
            return _calling(function)
        service, _, _ = method.name.partition("/")
        return self._dialogues.handler(method, self._methods[f"/{service}/{method.dialogue.like}"], function)


def _guard(peers: Peers, handler: "grpc.RpcMethodHandler[Any, Any]") -> "grpc.RpcMethodHandler[Any, Any]":
    """Have a method answer the parts alone that this server is called by."""
    kind, function = function_of(handler)
    way = _calling(function)

    async def answer(request: Any, context: "grpc.aio.ServicerContext[Any, Any]") -> Any:
        try:
            peers.check(context)
        except Refusal as refusal:
            await context.abort_with_status(to_rpc_status(refusal))
        return await way(request, Call(context, {}))

    return _answering(answer, kind, handler)


def _answering(
    answer: Callable[..., Any], kind: str, handler: "grpc.RpcMethodHandler[Any, Any]"
) -> "grpc.RpcMethodHandler[Any, Any]":
    """Make a handler like another one, which is answered in another way."""
    make: Callable[..., grpc.RpcMethodHandler[Any, Any]] = getattr(grpc, f"{kind}_rpc_method_handler")
    return make(answer, handler.request_deserializer, handler.response_serializer)


def _calling(function: Callable[..., Any]) -> Handler:
    """Call the servicer. A stream becomes one coroutine that writes, so that all of it runs within the stages."""

    async def answer(request: Any, call: Call) -> Any:
        return await function(request, call.context)

    async def write_each(request: Any, call: Call) -> None:
        async with aclosing(function(request, call.context)) as responses:
            async for response in responses:
                await call.context.write(response)

    return write_each if isasyncgenfunction(function) else answer


async def _refuse_unknown(_: Any, context: "grpc.aio.ServicerContext[Any, Any]") -> None:
    refusal = Refusal(Reason.METHOD_UNKNOWN, "this server has no such method")
    await context.abort_with_status(to_rpc_status(refusal))


_UNKNOWN: "grpc.RpcMethodHandler[Any, Any]" = grpc.stream_stream_rpc_method_handler(_refuse_unknown)
"""Answers any kind of call without reading its requests."""
