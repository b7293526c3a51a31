"""The two doors of the gateway, REST and gRPC, behind one call, so that a test can go through either.

Both take the fields of a request as proto3 JSON and give the answer as proto3 JSON, or the error as a `Wrong`. Each
holds every error that passes through it to the promised form: over REST the one JSON shape with the HTTP status of
its code, over both exactly one ErrorInfo of the domain `furlong`.
"""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import cycle
from typing import Any, Protocol

import grpc
import httpx
from google.protobuf.json_format import MessageToDict, ParseDict
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped] # ships no types

from tests.e2e.methods import Method

Fields = Mapping[str, Any]
Answer = dict[str, Any]

CALL_S = 10.0
HTTP_CLIENTS = 16
"""Under load the calls are spread over so many clients: the cost of httpx's pool grows with the square of its load."""
HTTP_STATUS_OF_CODE = {
    1: 499, 2: 500, 3: 400, 4: 504, 5: 404, 6: 409, 7: 403, 8: 429, 9: 400, 10: 409, 11: 400, 12: 501, 13: 500,
    14: 503, 15: 500, 16: 401,
}  # fmt: skip
TYPE_PREFIX = "type.googleapis.com/google.rpc."
STATUS_DETAILS = "grpc-status-details-bin"


class Wrong(Exception):
    """An error of a whole call. `code` is the gRPC code's number; `violations` maps field to what is wrong with it."""

    def __init__(
        self,
        *,
        code: int,
        reason: str,
        message: str,
        violations: Mapping[str, str],
        retry_in_s: float | None,
        metadata: Mapping[str, str],
    ) -> None:
        super().__init__(f"{code} {reason}: {message} {dict(violations)}")
        self.code = code
        self.reason = reason
        self.message = message
        self.violations = violations
        self.retry_in_s = retry_in_s
        self.metadata = metadata


class Door(Protocol):
    """One way into the stack."""

    async def call(self, method: Method, fields: Fields, *, token: str | None = None) -> Answer:
        """The answer to one call. Raises `Wrong`; anything else that comes back fails the test."""
        ...


class RestDoor:
    """REST over HTTP/1.1 with proto3 JSON."""

    def __init__(self, *clients: httpx.AsyncClient) -> None:
        self._clients = cycle(clients)

    async def call(self, method: Method, fields: Fields, *, token: str | None = None) -> Answer:
        in_path = re.findall(r"{(\w+)}", method.path)
        path = method.path.format_map(fields)
        rest = {name: value for name, value in fields.items() if name not in in_path}
        headers = {"authorization": f"Bearer {token}"} if token else {}
        http = next(self._clients)
        if method.verb == "GET":
            reply = await http.get(path, params=rest, headers=headers)
        else:
            reply = await http.request(method.verb, path, json=rest, headers=headers)
        return answer_of(reply)


class GrpcDoor:
    """gRPC over HTTP/2, with a bare channel: no retries, no breaker, nothing of the client library."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel

    async def call(self, method: Method, fields: Fields, *, token: str | None = None) -> Answer:
        send = self._channel.unary_unary(
            method.full_name,
            request_serializer=method.request.SerializeToString,
            response_deserializer=method.response.FromString,
        )
        metadata = [("authorization", f"Bearer {token}")] if token else []
        try:
            answer = await send(ParseDict(dict(fields), method.request()), timeout=CALL_S, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            raise wrong_of(error) from error
        return as_json(answer)


def http_client(gateway: str) -> httpx.AsyncClient:
    """A plain HTTP client of a gateway at `host:port`; it reads no certificates, which takes longer than most tests."""
    return httpx.AsyncClient(base_url=f"http://{gateway}", timeout=CALL_S, verify=False)


@asynccontextmanager
async def doors(gateway: str) -> AsyncIterator[tuple[RestDoor, GrpcDoor]]:
    """Both doors of a gateway at `host:port`."""
    async with AsyncExitStack() as opened:
        clients = [http_client(gateway) for _ in range(HTTP_CLIENTS)]
        for client in clients:
            await opened.enter_async_context(client)
        options = [("grpc.use_local_subchannel_pool", 1)]
        channel = await opened.enter_async_context(grpc.aio.insecure_channel(gateway, options=options))
        yield RestDoor(*clients), GrpcDoor(channel)


def as_json(message: Any) -> Answer:
    """A message the way the gateway prints it."""
    return MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)


def answer_of(reply: httpx.Response) -> Answer:
    """The JSON of a good HTTP reply. Raises `Wrong` for an error in the promised shape."""
    assert reply.headers["content-type"] == "application/json", (reply.status_code, reply.headers, reply.text)
    body: Answer = reply.json()
    if reply.status_code == httpx.codes.OK:
        return body
    assert body.keys() == {"code", "message", "details"}, body
    assert reply.status_code == HTTP_STATUS_OF_CODE[body["code"]], (reply.status_code, body)
    status = ParseDict(body, status_pb2.Status())
    raise _wrong(status)


def wrong_of(error: grpc.aio.AioRpcError) -> Wrong:
    """The `Wrong` that a gRPC error carries in its trailer; an error without one is not of our own making."""
    details = [value for key, value in error.trailing_metadata() or () if key == STATUS_DETAILS]
    assert len(details) == 1, f"an error without {STATUS_DETAILS}: {error.code()} {error.details()}"
    status = status_pb2.Status.FromString(bytes(details[0]))  # type: ignore[arg-type] # a -bin value is bytes
    assert status.code == error.code().value[0], (status, error.code())
    return _wrong(status)


def _wrong(status: status_pb2.Status) -> Wrong:
    infos: list[error_details_pb2.ErrorInfo] = []
    violations: dict[str, str] = {}
    retry_in_s: float | None = None
    for detail in status.details:
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            info = error_details_pb2.ErrorInfo()
            detail.Unpack(info)
            infos.append(info)
        elif detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
            bad = error_details_pb2.BadRequest()
            detail.Unpack(bad)
            violations |= {violation.field: violation.description for violation in bad.field_violations}
        elif detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
            retry = error_details_pb2.RetryInfo()
            detail.Unpack(retry)
            retry_in_s = retry.retry_delay.ToTimedelta().total_seconds()
    assert len(infos) == 1, f"exactly one ErrorInfo: {status}"
    assert infos[0].domain == "furlong", status
    assert status.message, status
    return Wrong(
        code=status.code,
        reason=infos[0].reason,
        message=status.message,
        violations=violations,
        retry_in_s=retry_in_s,
        metadata=dict(infos[0].metadata),
    )
