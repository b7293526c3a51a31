"""TicketService: sells tickets, takes them back, pays them, and shows them to those who may see them."""

from collections.abc import Sequence
from typing import Any, Final

from furlong.common.v1.error_pb2 import Reason
from furlong.common.v1.ticket_pb2 import Ticket, TicketOrder, TicketResult
from furlong.game.v1 import ticket_service_pb2 as pb
from furlong.game.v1.ticket_service_pb2_grpc import TicketServiceServicer
from opentelemetry import trace

from services.chassis import principal
from services.chassis import telemetry_names as names
from services.chassis.call import Dialogue
from services.chassis.refusal import Refusal
from services.game.domain.order import Order
from services.game.engine.desk import Desk
from services.game.engine.quotes import Quotes
from services.game.ports import TicketStore
from services.game.service.access import (
    account_unknown,
    may_read,
    may_take_back,
    own_terminal,
    require_own_accounts,
    ticket_unknown,
)
from services.game.service.paging import page_size
from services.game.wire import line_of, line_to, ms_to

TICKETS_ON_A_PAGE: Final = 50
TICKETS_ON_A_PAGE_MAX: Final = 500
DIALOGUES: Final = {
    "StreamTickets": Dialogue(like="PlaceTickets", refused=lambda refused: pb.StreamTicketsResponse(refused=refused))
}
"""Streams whose handler answers one message."""

TRACED_TICKETS_MAX: Final = 20
"""The first tickets of a call, by which its trace is found."""


class TicketService(TicketServiceServicer):
    """Places at the desk; reads from the store."""

    def __init__(self, *, desk: Desk, quotes: Quotes, tickets: TicketStore) -> None:
        self._desk = desk
        self._quotes = quotes
        self._tickets = tickets

    async def PlaceTickets(self, request: pb.PlaceTicketsRequest, context: Any) -> pb.PlaceTicketsResponse:
        """Place tickets on one round; each gets a verdict of its own."""
        return pb.PlaceTicketsResponse(results=await self._place(request))

    async def StreamTickets(  # type: ignore[override] # the chassis makes the stream of it, see DIALOGUES
        self, request: pb.StreamTicketsRequest, context: Any
    ) -> pb.StreamTicketsResponse:
        """Answer one message of a stream as PlaceTickets would."""
        return pb.StreamTicketsResponse(results=await self._place(request))

    async def _place(self, request: pb.PlaceTicketsRequest | pb.StreamTicketsRequest) -> list[TicketResult]:
        _name_tickets(request.tickets)
        require_own_accounts({order.account_id for order in request.tickets})
        terminal = own_terminal(request.terminal)
        return await self._desk.place(request.round_id, [_order_of(order, terminal) for order in request.tickets])

    async def Quote(self, request: pb.QuoteRequest, context: Any) -> pb.QuoteResponse:
        """Price lines and hold the prices for a short time."""
        quoted = await self._quotes.quote(request.round_id, tuple([line_of(line) for line in request.lines[:]]))
        return pb.QuoteResponse(
            lines=[line_to(line) for line in quoted.lines],
            parts=[line_to(line) for line in quoted.parts],
            quote=quoted.quote,
            expires_at=ms_to(quoted.expires_at_ms),
        )

    async def GetTicket(self, request: pb.GetTicketRequest, context: Any) -> pb.GetTicketResponse:
        """Read one ticket."""
        ticket = await self._ticket(request.ticket_id)
        if not may_read(ticket.account_id):
            raise ticket_unknown(request.ticket_id)
        return pb.GetTicketResponse(ticket=ticket)

    async def GetTicketProof(self, request: pb.GetTicketProofRequest, context: Any) -> pb.GetTicketProofResponse:
        """Show that a ticket is under its round's root."""
        ticket = await self._ticket(request.ticket_id)
        if not may_read(ticket.account_id):
            raise ticket_unknown(request.ticket_id)
        return pb.GetTicketProofResponse(proof=await self._tickets.ticket_proof(request.ticket_id))

    async def ListTickets(self, request: pb.ListTicketsRequest, context: Any) -> pb.ListTicketsResponse:
        """Read the tickets of an account, the newest first."""
        if not may_read(request.account_id):
            raise account_unknown(request.account_id)
        size = page_size(request.page_size, default=TICKETS_ON_A_PAGE, most=TICKETS_ON_A_PAGE_MAX)
        page = await self._tickets.tickets(request.account_id, size, request.page_token)
        return pb.ListTicketsResponse(tickets=page.items, next_page_token=page.next_page_token)

    async def CancelTicket(self, request: pb.CancelTicketRequest, context: Any) -> pb.CancelTicketResponse:
        """Take a ticket back."""
        ticket = await self._ticket(request.ticket_id)
        if not may_take_back(ticket.account_id):
            raise ticket_unknown(request.ticket_id)
        cancelled = await self._desk.take_back(
            ticket, request_id=request.request_id, reason=request.reason, actor=principal.current().subject
        )
        return pb.CancelTicketResponse(ticket=cancelled)

    async def PayTicket(self, request: pb.PayTicketRequest, context: Any) -> pb.PayTicketResponse:
        """Pay a ticket at the caller's till, wherever it was bought."""
        require_own_accounts((request.account_id,))
        paid = await self._desk.pay(
            request.ticket_id,
            request_id=request.request_id,
            account_id=request.account_id,
            actor=principal.current().subject,
        )
        return pb.PayTicketResponse(ticket=paid.ticket, paid_minor=paid.paid_minor)

    async def _ticket(self, ticket_id: str) -> Ticket:
        try:
            return await self._tickets.ticket(ticket_id)
        except Refusal as refusal:
            if refusal.reason != Reason.TICKET_UNKNOWN:
                raise
            raise ticket_unknown(ticket_id) from refusal  # the same words as for another's ticket


def _name_tickets(orders: Sequence[TicketOrder]) -> None:
    """Have the call's trace found by its tickets, where it is recorded."""
    span = trace.get_current_span()
    if span.is_recording():
        span.set_attribute(names.FURLONG_TICKET_IDS, [order.request_id for order in orders[:TRACED_TICKETS_MAX]])


def _order_of(order: TicketOrder, terminal: str) -> Order:
    lines = tuple([line_of(line) for line in order.lines[:]])
    return Order(order.request_id, order.account_id, lines, terminal, order.price_policy, order.quote)
