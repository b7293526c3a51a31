"""Tickets, decided on and kept by persist."""

from collections.abc import Sequence

import grpc
from furlong.common.v1.ticket_pb2 import Ticket, TicketProof, TicketResult
from furlong.persist.v1 import ticket_store_service_pb2 as pb
from furlong.persist.v1.ticket_store_service_pb2_grpc import TicketStoreServiceStub

from services.game.adapters.persist.answers import read, written
from services.game.adapters.persist.wire import write_placing
from services.game.ports import Appended, Cancelled, Page, Paid, Placing
from services.game.wire import totals_of


class PersistTickets:
    """The port `TicketStore` over a channel to persist."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._tickets = TicketStoreServiceStub(channel)

    async def append(self, round_id: int, placings: Sequence[Placing]) -> Appended:
        """Decide on tickets of one round."""
        request = pb.AppendTicketsRequest(round_id=round_id)
        for placing in placings:
            write_placing(placing, request.tickets.add())
        response = await written(
            self._tickets.AppendTickets(request), *[placing.order.request_id for placing in placings]
        )
        answers, undecided = _answers(request, response)
        return Appended(
            answers=answers,
            totals=totals_of(response.totals) if response.HasField("totals") else None,
            undecided=undecided,
        )

    async def ticket(self, ticket_id: str) -> Ticket:
        """Read one ticket."""
        return (await read(self._tickets.GetTicket(pb.GetTicketRequest(ticket_id=ticket_id)))).ticket

    async def ticket_proof(self, ticket_id: str) -> TicketProof:
        """Read the way from a ticket to its round's root."""
        return (await read(self._tickets.GetTicketProof(pb.GetTicketProofRequest(ticket_id=ticket_id)))).proof

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


def _answers(request: pb.AppendTicketsRequest, response: pb.AppendTicketsResponse) -> tuple[list[TicketResult], bool]:
    """Give every ticket its answer, and tell whether some are none.

    The store sends back only tickets that were placed before: we know the new ones.
    """
    accepted: TicketResult | None = None
    undecided = False
    answers = []
    for append, verdict in zip(request.tickets, response.verdicts, strict=True):
        if verdict.verdict != TicketResult.ACCEPTED or verdict.replayed:
            answers.append(_answer(append.request_id, verdict))
            undecided = undecided or not verdict.verdict
            continue
        if accepted is None:
            accepted = _accepted(request.round_id, response.currency, verdict)
        answers.append(_placed(accepted, append))
    return answers, undecided


def _answer(request_id: str, verdict: pb.TicketVerdict) -> TicketResult:
    return TicketResult(
        request_id=request_id,
        verdict=verdict.verdict,
        replayed=verdict.replayed,
        reason=verdict.reason,
        ticket=verdict.ticket if verdict.HasField("ticket") else None,
    )


def _accepted(round_id: int, currency: str, verdict: pb.TicketVerdict) -> TicketResult:
    """Give what the tickets of a call that were accepted share: they are of one transaction, and so of one time."""
    ticket = Ticket(round_id=round_id, state=Ticket.ACCEPTED, placed_at=verdict.placed_at, currency=currency)
    return TicketResult(verdict=TicketResult.ACCEPTED, ticket=ticket)


def _placed(accepted: TicketResult, append: pb.TicketAppend) -> TicketResult:
    """Fill in a ticket's own words. Copying the rest of a message costs less than naming its fields again."""
    answer = TicketResult()
    answer.CopyFrom(accepted)
    lines = append.lines[:]
    ticket = answer.ticket
    answer.request_id = ticket.ticket_id = append.request_id
    ticket.account_id = append.account_id
    if append.terminal:
        ticket.terminal = append.terminal
    ticket.lines.extend(lines)
    ticket.stake_minor = sum([line.stake_minor for line in lines])
    return answer
