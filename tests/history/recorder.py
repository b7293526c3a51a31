"""What clients asked and were told, in order: a line of JSON for each.

    invoke   a client sends a call                       content: the request
    ok       it was answered                             answer: the response, verdicts of tickets included
    fail     it was refused as a whole: nothing was done answer: code, reason, message
    info     nobody knows: the outcome is in doubt       answer: code, reason, message

Every entry has a number `n` that only rises, `t_s` on the monotonic clock, the client's name, and the number of its
`call`, which ties the end of a call to its `invoke`. A call without an end was under way when the recording stopped,
or its client died: it is in doubt too.
"""

import itertools
import json
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, TypeVar

import grpc
from furlong.client import FurlongError, OutcomeUnknown
from furlong.client.errors import from_rpc
from furlong.client.tickets import Tickets
from furlong.common.v1.ticket_pb2 import TicketOrder, TicketResult
from furlong.game.v1.ticket_service_pb2 import PlaceTicketsRequest, PlaceTicketsResponse
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

INVOKE: Final = "invoke"
OK: Final = "ok"
FAIL: Final = "fail"
INFO: Final = "info"

_A_WRITE: Final = ("a write",)
"""from_rpc() wants to know whether a call writes; whatever is recorded does."""

R = TypeVar("R", bound=Message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of a history. `content` and `answer` are messages as JSON has them, with the names of the protos."""

    n: int
    t_s: float
    kind: str
    client: str
    call: int
    method: str
    content: Mapping[str, Any]
    answer: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call from its beginning to its end; `end` is None where there is none."""

    begin: Entry
    end: Entry | None

    @property
    def outcome(self) -> str:
        """OK, FAIL or INFO."""
        return INFO if self.end is None else self.end.kind


def calls(entries: Iterable[Entry]) -> list[Call]:
    """The calls of a history, in the order in which they began."""
    begun: dict[int, Entry] = {}
    ended: dict[int, Entry] = {}
    for entry in entries:
        (begun if entry.kind == INVOKE else ended)[entry.call] = entry
    return [Call(begin=begin, end=ended.get(number)) for number, begin in begun.items()]


def read(file: Path) -> Iterator[Entry]:
    """The entries of a recorded file. A last line that was cut off is no entry."""
    for line in file.read_text().splitlines():
        try:
            yield Entry(**json.loads(line))
        except json.JSONDecodeError:
            return


class Recorder:
    """Makes calls and writes down what came of them; into `file` too, line by line, where there is one."""

    def __init__(self, file: Path | None = None) -> None:
        self.entries: list[Entry] = []
        self._numbers = itertools.count(1)
        self._calls = itertools.count(1)
        self._file = file.open("a") if file is not None else None

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._file is not None:
            self._file.close()

    async def call(self, client: str, method: Callable[[Any], Awaitable[R]], request: Message) -> R:
        """Make a call that writes, as `client`. Raises what it raises."""
        call = self._begin(client, request)
        try:
            response = await method(request)
        except BaseException as error:
            self._end_badly(call, error)
            raise
        self._end(call, OK, _json(response))
        return response

    async def place(
        self, client: str, tickets: Tickets, round_id: int, orders: Sequence[TicketOrder], deadline_s: float
    ) -> Sequence[TicketResult]:
        """Place orders with the client library, which resolves doubts by itself; one call, however often it is sent."""

        async def placed(_: Message) -> PlaceTicketsResponse:
            return PlaceTicketsResponse(results=await tickets.place(round_id, orders, deadline_s))

        request = PlaceTicketsRequest(round_id=round_id, tickets=orders)
        return list((await self.call(client, placed, request)).results)

    def _begin(self, client: str, request: Message) -> Entry:
        method = request.DESCRIPTOR.name.removesuffix("Request")
        return self._write(INVOKE, client, next(self._calls), method, content=_json(request))

    def _end(self, begin: Entry, kind: str, answer: Mapping[str, Any]) -> None:
        self._write(kind, begin.client, begin.call, begin.method, answer=answer)

    def _end_badly(self, begin: Entry, error: BaseException) -> None:
        if isinstance(error, grpc.aio.AioRpcError):
            error = from_rpc(error, _A_WRITE)
        if not isinstance(error, FurlongError):  # cancelled, or a defect of the test
            self._end(begin, INFO, {"reason": type(error).__name__, "message": str(error)})
            return
        kind = INFO if isinstance(error, OutcomeUnknown) else FAIL
        self._end(begin, kind, {"code": error.code.name, "reason": error.reason, "message": error.message})

    def _write(
        self,
        kind: str,
        client: str,
        call: int,
        method: str,
        *,
        content: Mapping[str, Any] | None = None,
        answer: Mapping[str, Any] | None = None,
    ) -> Entry:
        entry = Entry(
            n=next(self._numbers),
            t_s=round(time.monotonic(), 6),
            kind=kind,
            client=client,
            call=call,
            method=method,
            content=content or {},
            answer=answer or {},
        )
        self.entries.append(entry)
        if self._file is not None:
            self._file.write(json.dumps(asdict(entry), separators=(",", ":")) + "\n")
            self._file.flush()  # whoever records may be killed as well
        return entry


def _json(message: Message) -> dict[str, Any]:
    return MessageToDict(message, preserving_proto_field_name=True)
