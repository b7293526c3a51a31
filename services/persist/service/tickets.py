"""TicketStoreService."""

from collections.abc import Sequence
from typing import Final

import grpc
from furlong.client import deadline
from furlong.common.v1.ticket_pb2 import TicketResult
from furlong.persist.v1.ticket_store_service_pb2 import (
    AppendTicketsRequest,
    AppendTicketsResponse,
    CancelTicketRequest,
    CancelTicketResponse,
    GetTicketProofRequest,
    GetTicketProofResponse,
    GetTicketRequest,
    GetTicketResponse,
    ListTicketsRequest,
    ListTicketsResponse,
    PayTicketRequest,
    PayTicketResponse,
    StreamTicketsRequest,
    StreamTicketsResponse,
    TicketVerdict,
)
from furlong.persist.v1.ticket_store_service_pb2_grpc import TicketStoreServiceServicer

from services.chassis.call import Dialogue
from services.persist.domain.decision import Decision
from services.persist.domain.round import Totals
from services.persist.domain.ticket import Ticket
from services.persist.engine import TicketWriter
from services.persist.ports import Operation, TicketDesk, TicketProofs, Tickets
from services.persist.service import parse, render
from services.persist.service.operation import operation
from services.persist.service.paging import bad_token, place_of, token_for

Context = grpc.aio.ServicerContext[object, object]

INT64_MAX: Final = 2**63 - 1
TRANSFER_ID_DIGITS: Final = 19
"""A transfer's id has fewer digits."""

DIALOGUES: Final = {
    "StreamTickets": Dialogue(like="AppendTickets", refused=lambda refused: StreamTicketsResponse(refused=refused))
}
"""Streams whose handler answers one message."""


class TicketStore(TicketStoreServiceServicer):
    """Takes tickets through the writer and reads them back."""

    def __init__(self, *, writer: TicketWriter, tickets: Tickets, proofs: TicketProofs, desk: TicketDesk) -> None:
        self._writer = writer
        self._tickets = tickets
        self._proofs = proofs
        self._desk = desk

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
            response.totals.CopyFrom(render.totals(answer.totals))
        return response

    async def GetTicket(self, request: GetTicketRequest, context: Context) -> GetTicketResponse:
        """Read one ticket."""
        return GetTicketResponse(ticket=render.ticket(await self._tickets.get(request.ticket_id)))

    async def GetTicketProof(self, request: GetTicketProofRequest, context: Context) -> GetTicketProofResponse:
        """Prove a ticket."""
        return GetTicketProofResponse(proof=render.ticket_proof(await self._proofs.prove(request.ticket_id)))

    async def ListTickets(self, request: ListTicketsRequest, context: Context) -> ListTicketsResponse:
        """Read a page of an account's tickets."""
        before = _transfer_of(request.page_token)
        tickets = await self._tickets.page(request.account_id, before, request.page_size + 1)
        page = tickets[: request.page_size]
        return ListTicketsResponse(
            tickets=[render.ticket(ticket) for _, ticket in page],
            next_page_token=token_for(str(page[-1][0])) if len(tickets) > len(page) else "",
        )

    async def CancelTicket(self, request: CancelTicketRequest, context: Context) -> CancelTicketResponse:
        """Take a ticket back."""
        once: Operation[tuple[Ticket, Totals]] = operation(request, _cancelled)
        return CancelTicketResponse.FromString(
            await self._desk.cancel(once, request.ticket_id, request.reason, request.actor)
        )

    async def PayTicket(self, request: PayTicketRequest, context: Context) -> PayTicketResponse:
        """Pay a ticket at a till."""
        once: Operation[tuple[Ticket, int]] = operation(
            request, lambda paid: PayTicketResponse(ticket=render.ticket(paid[0]), paid_minor=paid[1])
        )
        return PayTicketResponse.FromString(
            await self._desk.pay(once, request.ticket_id, request.account_id, request.actor)
        )


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


def _cancelled(value: tuple[Ticket, Totals]) -> CancelTicketResponse:
    ticket, totals = value
    return CancelTicketResponse(ticket=render.ticket(ticket), totals=render.totals(totals))


def _transfer_of(page_token: str) -> int:
    """The transfer below which a page begins. Raises Refusal MALFORMED."""
    place = place_of(page_token)
    if place is None:
        return INT64_MAX
    if not (place.isascii() and place.isdecimal() and len(place) < TRANSFER_ID_DIGITS):
        raise bad_token()
    return int(place)
