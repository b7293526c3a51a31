"""What happens to every call on its way out, in this order: deadline, token, tracing, breaker.

One interceptor per kind of call does it all, because grpc.aio pays for every layer. Retries happen below, inside
gRPC: the breaker gives one verdict per call, after them.

Two rules keep calls from leaking: whoever stops waiting for a call cancels it, and a span ends when its call ends,
whoever ends it.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import grpc
from furlong.client import deadline, tracing
from furlong.client.breaker import Admission, Breaker
from furlong.client.errors import NotSent, not_sent
from furlong.client.policy import DEADLINE_MS_MAX, MethodPolicy
from furlong.common.v1 import error_pb2
from grpc.aio import AioRpcError, ClientCallDetails, StreamStreamCall, UnaryStreamCall, UnaryUnaryCall
from opentelemetry.trace import Span

FAIR_SHARE = 0.5
"""The share of its method's normal time that a call must have had for the breaker to blame the service when that time
runs out. It is less than all of it, because a call that is made while serving another never has all of it."""

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")
_Asked = TypeVar("_Asked")
_Requests = AsyncIterable[_Request] | Iterable[_Request]
_StreamCall = UnaryStreamCall[_Request, _Response] | StreamStreamCall[_Request, _Response]
_OpenDialogue = Callable[[ClientCallDetails, _Requests[_Request]], Awaitable[StreamStreamCall[_Request, _Response]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """A call that is ready to go out."""

    details: ClientCallDetails
    span: Span
    admission: Admission
    fair_budget: bool  # the call has enough time for its running out to be the service's fault


class Outbound:
    """What the calls of one channel share on their way out."""

    def __init__(
        self,
        *,
        policies: Mapping[str, MethodPolicy],
        token: Callable[[], str | None] | None,
        tracer: tracing.ClientTracer,
        breaker: Breaker,
    ) -> None:
        self._policies = policies
        self._token = token
        self._tracer = tracer
        self._breaker = breaker

    def depart(self, details: ClientCallDetails) -> Departure:
        """Make a call ready. Raises NotSent where its time is over or the breaker keeps it."""
        method = _method(details)
        normal_s = self._normal_s(method)
        budget_s = _budget_s(details.timeout, normal_s)
        token = self._token() if self._token is not None else None
        span, headers = self._tracer.begin(method)
        try:
            admission = self._breaker.admit()
        except NotSent as kept:
            tracing.end(span, kept.code())
            raise
        return Departure(
            details=ClientCallDetails(
                details.method,
                budget_s,
                _metadata(details, headers, token),
                details.credentials,
                details.wait_for_ready,
            ),
            span=span,
            admission=admission,
            fair_budget=normal_s is not None and budget_s is not None and budget_s >= FAIR_SHARE * normal_s,
        )

    def _normal_s(self, method: str) -> float | None:
        policy = self._policies.get(method)
        deadline_ms = DEADLINE_MS_MAX if policy is None else policy.deadline_ms
        return deadline_ms / 1000 if deadline_ms else None


class UnaryCalls(grpc.aio.UnaryUnaryClientInterceptor):
    """Sends calls with one answer."""

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound

    async def intercept_unary_unary(
        self,
        continuation: Callable[[ClientCallDetails, _Request], Awaitable[UnaryUnaryCall[_Request, _Response]]],
        client_call_details: ClientCallDetails,
        request: _Request,
    ) -> UnaryUnaryCall[_Request, _Response]:
        """Send one call and judge its outcome; a cancelled caller cancels it at the server as well."""
        departure = self._outbound.depart(client_call_details)
        call: UnaryUnaryCall[_Request, _Response] | None = None
        code, verdict = grpc.StatusCode.UNKNOWN, None
        try:
            call = await continuation(departure.details, request)
            try:
                await call
                code = verdict = grpc.StatusCode.OK
            except AioRpcError as error:
                code = error.code()
                verdict = _verdict(code, departure)
            return call
        except asyncio.CancelledError:
            code = grpc.StatusCode.CANCELLED
            raise
        finally:
            if call is not None:
                call.cancel()  # does nothing to a call that has ended
            departure.admission.settle(verdict)
            tracing.end(departure.span, code)


class _Streams:
    """What streams have in common: the first answer is the breaker's verdict."""

    def __init__(self, outbound: Outbound, *, stream_probe_s: float) -> None:
        self._outbound = outbound
        self._stream_probe_s = stream_probe_s
        self._endings: set[asyncio.Task[None]] = set()

    async def _open(
        self,
        continuation: Callable[[ClientCallDetails, _Asked], Awaitable["_StreamCall[_Request, _Response]"]],
        client_call_details: ClientCallDetails,
        asked: _Asked,
    ) -> AsyncIterator[_Response]:
        departure = self._outbound.depart(client_call_details)
        try:
            call = await continuation(departure.details, asked)
        except BaseException:
            departure.admission.settle(None)
            tracing.end(departure.span, grpc.StatusCode.CANCELLED)
            raise
        call.add_done_callback(lambda _: self._end(call, departure))
        if departure.admission.probe:
            asyncio.get_running_loop().call_later(self._stream_probe_s, departure.admission.release)
        return _judged(call, departure)

    def _end(self, call: "_StreamCall[_Request, _Response]", departure: Departure) -> None:
        # The callback is synchronous and the status is not, so a task fetches it.
        ending = asyncio.get_running_loop().create_task(_ended(call, departure))
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)


class StreamCalls(_Streams, grpc.aio.UnaryStreamClientInterceptor):
    """Opens streams of answers."""

    async def intercept_unary_stream(
        self,
        continuation: Callable[[ClientCallDetails, _Request], Awaitable[UnaryStreamCall[_Request, _Response]]],
        client_call_details: ClientCallDetails,
        request: _Request,
    ) -> AsyncIterator[_Response]:
        """Open one stream."""
        return await self._open(continuation, client_call_details, request)


class DialogueCalls(_Streams, grpc.aio.StreamStreamClientInterceptor):
    """Opens streams of requests and answers."""

    async def intercept_stream_stream(
        self,
        continuation: Callable[
            [ClientCallDetails, _Requests[_Request]], Awaitable[StreamStreamCall[_Request, _Response]]
        ],
        client_call_details: ClientCallDetails,
        request_iterator: _Requests[_Request],
    ) -> AsyncIterator[_Response]:
        """Open one stream."""
        return await self._open(continuation, client_call_details, request_iterator)


async def _judged(call: "_StreamCall[_Request, _Response]", departure: Departure) -> AsyncIterator[_Response]:
    try:
        async for response in call:
            departure.admission.settle(grpc.StatusCode.OK)
            yield response
    except AioRpcError as error:
        departure.admission.settle(_verdict(error.code(), departure))
        raise
    finally:
        departure.admission.settle(None)
        call.cancel()


async def _ended(call: "_StreamCall[_Request, _Response]", departure: Departure) -> None:
    code = await call.code()
    tracing.end(departure.span, code)
    if code is not grpc.StatusCode.CANCELLED:  # only the reader knows whether that was our own doing
        departure.admission.settle(_verdict(code, departure))


def _verdict(code: grpc.StatusCode, departure: Departure) -> grpc.StatusCode | None:
    """Tell what the breaker hears: too short a deadline says something about the caller, not about the service."""
    if code is grpc.StatusCode.DEADLINE_EXCEEDED and not departure.fair_budget:
        return None
    return code


def _budget_s(asked_s: float | None, normal_s: float | None) -> float | None:
    """Tell the time of a call in seconds: what its caller asked for or its method gets, within what is left."""
    own_s = normal_s if asked_s is None else asked_s
    budget_s = deadline.budget_s(float("inf") if own_s is None else own_s)
    if budget_s <= 0:
        raise not_sent(
            grpc.StatusCode.DEADLINE_EXCEEDED, error_pb2.OUT_OF_TIME, "the deadline ended before the call was sent"
        )
    return None if budget_s == float("inf") else budget_s


def _metadata(details: ClientCallDetails, headers: dict[str, str], token: str | None) -> grpc.aio.Metadata:
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    return grpc.aio.Metadata(*(details.metadata or ()), *headers.items())


def _method(details: ClientCallDetails) -> str:
    method: str | bytes = details.method  # bytes, whatever the annotation says
    return method.decode() if isinstance(method, bytes) else method
