"""Tickets, decided on and kept by persist."""

from collections.abc import Sequence

import grpc
from furlong.common.v1.ticket_pb2 import Ticket, TicketResult
from furlong.persist.v1 import ticket_store_service_pb2 as pb
from furlong.persist.v1.ticket_store_service_pb2_grpc import TicketStoreServiceStub

from services.game.adapters.persist.answers import read, written
from services.game.adapters.persist.wire import placing_to
from services.game.domain.order import Verdict
from services.game.ports import Answer, Appended, Cancelled, Page, Paid, Placing
from services.game.wire import totals_of


class PersistTickets:
    """The port `TicketStore` over a channel to persist."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._tickets = TicketStoreServiceStub(channel)

    async def append(self, round_id: int, placings: Sequence[Placing]) -> Appended:
        """Decide on tickets of one round."""
        request = pb.AppendTicketsRequest(round_id=round_id, tickets=[placing_to(placing) for placing in placings])
        response = await written(
            self._tickets.AppendTickets(request), *(placing.order.request_id for placing in placings)
        )
        answers = [
            _answer(verdict, append, response.currency, round_id)
            for verdict, append in zip(response.verdicts, request.tickets, strict=True)
        ]
        return Appended(answers=answers, totals=totals_of(response.totals) if response.HasField("totals") else None)

    async def ticket(self, ticket_id: str) -> Ticket:
        """Read one ticket."""
        return (await read(self._tickets.GetTicket(pb.GetTicketRequest(ticket_id=ticket_id)))).ticket

    async def tickets(self, account_id: str, page_size: int, page_token: str) -> Page[Ticket]:
        """Read the tickets of an account, the newest first."""
        request = pb.ListTicketsRequest(account_id=account_id, page_size=page_size, page_token=page_token)
        answer = await read(self._tickets.ListTickets(request))
        return Page(items=answer.tickets, next_page_token=answer.next_page_token)

    async def cancel(self, *, request_id: str, ticket_id: str, reason: str, actor: str) -> Cancelled:
        """Take a ticket back."""
        request = pb.CancelTicketRequest(request_id=request_id, ticket_id=ticket_id, reason=reason, actor=actor)
        answer = await written(self._tickets.CancelTicket(request), request_id)
        return Cancelled(ticket=answer.ticket, totals=totals_of(answer.totals))

    async def pay(self, *, request_id: str, ticket_id: str, account_id: str, actor: str) -> Paid:
        """Pay a ticket at a till."""
        request = pb.PayTicketRequest(request_id=request_id, ticket_id=ticket_id, account_id=account_id, actor=actor)
        answer = await written(self._tickets.PayTicket(request), request_id)
        return Paid(ticket=answer.ticket, paid_minor=answer.paid_minor)


def _answer(verdict: pb.TicketVerdict, append: pb.TicketAppend, currency: str, round_id: int) -> Answer:
    return Answer(
        verdict=Verdict(verdict.verdict),
        replayed=verdict.replayed,
        reason=verdict.reason,
        ticket=_ticket(verdict, append, currency, round_id),
    )


def _ticket(verdict: pb.TicketVerdict, append: pb.TicketAppend, currency: str, round_id: int) -> Ticket | None:
    """Give the ticket as it was placed. The store sends back only one that was placed before: we know the new ones."""
    if verdict.verdict != TicketResult.ACCEPTED:
        return None
    if verdict.replayed:
        return verdict.ticket
    return Ticket(
        ticket_id=append.request_id,
        round_id=round_id,
        account_id=append.account_id,
        state=Ticket.ACCEPTED,
        stake_minor=sum(line.stake_minor for line in append.lines),
        placed_at=verdict.placed_at,
        lines=append.lines,
        currency=currency,
    )
