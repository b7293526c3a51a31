"""TicketStoreService."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import grpc
from furlong.client import deadline
from furlong.common.v1.error_pb2 import Reason
from furlong.common.v1.round_pb2 import Totals
from furlong.common.v1.ticket_pb2 import TicketResult
from furlong.persist.v1.ticket_store_service_pb2 import (
    AppendTicketsRequest,
    AppendTicketsResponse,
    GetTicketRequest,
    GetTicketResponse,
    ListTicketsRequest,
    ListTicketsResponse,
    StreamTicketsRequest,
    StreamTicketsResponse,
    TicketVerdict,
)
from furlong.persist.v1.ticket_store_service_pb2_grpc import TicketStoreServiceServicer

from services.chassis.call import Dialogue
from services.chassis.refusal import Refusal
from services.persist.domain.decision import Decision
from services.persist.engine import TicketWriter
from services.persist.ports import Tickets
from services.persist.service import parse, render
from services.persist.service.paging import bad_token, place_of, token_for

Context = grpc.aio.ServicerContext[object, object]

DIALOGUES: Final = {
    "StreamTickets": Dialogue(like="AppendTickets", refused=lambda refused: StreamTicketsResponse(refused=refused))
}
"""Streams whose handler answers one message."""


class TicketStore(TicketStoreServiceServicer):
    """Takes tickets through the writer and reads them back."""

    def __init__(self, *, writer: TicketWriter, tickets: Tickets) -> None:
        self._writer = writer
        self._tickets = tickets

    async def AppendTickets(self, request: AppendTicketsRequest, context: Context) -> AppendTicketsResponse:
        """Decide on tickets and answer when that is durable."""
        return await self._append(request)

    async def StreamTickets(  # type: ignore[override] # the chassis makes the stream of it, see DIALOGUES
        self, request: StreamTicketsRequest, context: Context
    ) -> StreamTicketsResponse:
        """Answer one message of a stream as AppendTickets would."""
        return StreamTicketsResponse(appended=await self._append(request.append))

    async def _append(self, request: AppendTicketsRequest) -> AppendTicketsResponse:
        orders = [parse.order(message) for message in request.tickets]
        answer = await self._writer.submit(request.round_id, orders, deadline.inbound())
        response = AppendTicketsResponse(verdicts=_verdicts(answer.decisions), currency=answer.currency)
        if answer.totals is not None:
            response.totals.CopyFrom(Totals(tickets=answer.totals.tickets, stake_minor=answer.totals.stake_minor))
        return response

    async def GetTicket(self, request: GetTicketRequest, context: Context) -> GetTicketResponse:
        """Read one ticket."""
        return GetTicketResponse(ticket=render.ticket(await self._tickets.get(request.ticket_id)))

    async def ListTickets(self, request: ListTicketsRequest, context: Context) -> ListTicketsResponse:
        """Read a page of an account's tickets."""
        before = place_of(request.page_token)
        if before is not None and not _is_uuid(before):
            raise bad_token()
        tickets = await self._tickets.page(request.account_id, before, request.page_size + 1)
        page = tickets[: request.page_size]
        return ListTicketsResponse(
            tickets=[render.ticket(ticket) for ticket in page],
            next_page_token=token_for(page[-1].ticket_id) if len(tickets) > len(page) else "",
        )

    async def CancelTicket(self, request: Any, context: Any) -> Any:
        """Not there yet."""
        raise Refusal(Reason.METHOD_UNKNOWN, "CancelTicket is not there yet")

    async def PayTicket(self, request: Any, context: Any) -> Any:
        """Not there yet."""
        raise Refusal(Reason.METHOD_UNKNOWN, "PayTicket is not there yet")


def _verdicts(decisions: Sequence[Decision]) -> list[TicketVerdict]:
    """A message per decision. The tickets that a batch accepts share one decision, and so one message."""
    rendered: dict[int, TicketVerdict] = {}
    for decision in decisions:
        if id(decision) not in rendered:
            rendered[id(decision)] = _verdict(decision)
    return [rendered[id(decision)] for decision in decisions]


def _verdict(decision: Decision) -> TicketVerdict:
    return TicketVerdict(
        verdict=TicketResult.Verdict.ValueType(decision.verdict),
        replayed=decision.replayed,
        reason=decision.reason,
        placed_at=render.timestamp(decision.placed_at) if decision.placed_at is not None else None,
        ticket=render.ticket(decision.ticket) if decision.ticket is not None else None,
    )


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
