"""The one interceptor of a server: puts every method behind the stages, once, when it is first called."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from inspect import isasyncgenfunction
from typing import Any

import grpc
from furlong.common.v1.error_pb2 import Reason

from services.chassis.call import Call, Handler, Method, Stage
from services.chassis.dialogues import Dialogues
from services.chassis.hosted import function_of
from services.chassis.refusal import Refusal
from services.chassis.stages.peers import Peers
from services.chassis.status import to_rpc_status


class StagesInterceptor(grpc.aio.ServerInterceptor):
    """Wraps each handler in the stages, the first of them outermost, and keeps the wrapped one.

    One interceptor, not one per stage: gRPC rebuilds the chain of interceptors for every call. Health and reflection
    are not among `methods` and pass untouched, but for `peers`, where there are some.
    """

    def __init__(
        self,
        methods: Mapping[str, Method],
        stages: Sequence[Stage],
        dialogues: Dialogues,
        peers: Peers | None = None,
    ) -> None:
        self._methods = methods
        self._stages = stages
        self._dialogues = dialogues
        self._peers = peers
        self._wrapped: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}

    async def intercept_service(self, continuation: Any, handler_call_details: grpc.HandlerCallDetails) -> Any:
        """Find the handler of a call."""
        path = handler_call_details.method
        wrapped = self._wrapped.get(path)
        if wrapped is not None:
            return wrapped
        handler = await continuation(handler_call_details)
        if handler is None:
            return _UNKNOWN
        method = self._methods.get(path)
        if method is not None:
            self._wrapped[path] = self._wrap(method, handler)
        elif self._peers is not None:
            self._wrapped[path] = _guard(self._peers, handler)
        else:
            return handler
        return self._wrapped[path]

    def _wrap(self, method: Method, handler: "grpc.RpcMethodHandler[Any, Any]") -> "grpc.RpcMethodHandler[Any, Any]":
        kind, function = function_of(handler)
        way = self._innermost(method, function)
        for stage in reversed(self._stages):
            way = stage.around(method, way)

        async def answer(request: Any, context: "grpc.aio.ServicerContext[Any, Any]") -> Any:
            return await way(request, Call(context, dict(context.invocation_metadata() or ())))

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
