"""Typed calls about tickets, and `place()` and `stream()`, which do not leave their caller in doubt."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing

import grpc
from furlong.client.backoff import SYSTEM_TIMING, Backoff, Timing
from furlong.client.errors import FurlongError, OutcomeUnknown, Unreachable, answer_of, not_sent
from furlong.client.identity import uuid7
from furlong.client.policy import policies
from furlong.client.ticket_stream import UNANSWERED_MAX, Batch, BatchAnswer, TicketStreams, answers
from furlong.common.v1 import error_pb2
from furlong.common.v1.ticket_pb2 import Line, Ticket, TicketOrder, TicketProof, TicketResult
from furlong.game.v1 import ticket_service_pb2 as wire
from furlong.game.v1.ticket_service_pb2_grpc import TicketServiceStub

TICKETS_PER_CALL_MAX = 500
PLACE_DEADLINE_S = 10.0
RESEND_FIRST_MS = 50
RESEND_MAX_MS = 1_000

_SERVICE = wire.DESCRIPTOR.services_by_name["TicketService"]
_ATTEMPT_S = policies([_SERVICE])[f"/{_SERVICE.full_name}/PlaceTickets"].deadline_ms / 1000


class Tickets:
    """Tickets, placed and read. Every method raises a FurlongError."""

    def __init__(self, channel: grpc.aio.Channel, timing: Timing = SYSTEM_TIMING) -> None:
        self._channel = channel
        self._stub = TicketServiceStub(channel)
        self._timing = timing

    async def place(
        self,
        round_id: int,
        orders: Sequence[TicketOrder],
        deadline_s: float = PLACE_DEADLINE_S,
        *,
        terminal: str = "",
    ) -> list[TicketResult]:
        """Place tickets on one round, and get one result for each, in the order of `orders`.

        `terminal` is what sells them, and stays with the tickets; a token that is bound to one needs none here.

        Each order has a request id of its own (`uuid7()`), which becomes the ticket's id. More than 500 orders go out
        in several calls, one after the other. Whatever leaves the outcome in doubt (a lost answer, a server that
        dies) is resolved by sending the same ids again, and a server that is overloaded is asked again when it wants
        to be, until `deadline_s` seconds are over.

        Raises OutcomeUnknown where the doubt outlives the deadline, with the `request_ids` that are in doubt, and
        another FurlongError where the call was refused as a whole; the error's `answered` holds the results of
        earlier calls. Placing the same orders again is always safe and tells all their answers.
        """
        ends_at_s = self._timing.monotonic_s() + deadline_s
        results: list[TicketResult] = []
        for first in range(0, len(orders), TICKETS_PER_CALL_MAX):
            part = orders[first : first + TICKETS_PER_CALL_MAX]
            try:
                request = wire.PlaceTicketsRequest(round_id=round_id, tickets=part, terminal=terminal)
                results += await self._place(request, ends_at_s)
            except FurlongError as error:
                error.answered = tuple(results)
                raise
        return results

    async def stream(
        self,
        round_id: int,
        batches: AsyncIterable[Batch] | Iterable[Batch],
        *,
        deadline_s: float = PLACE_DEADLINE_S,
        unanswered_max: int = UNANSWERED_MAX,
        terminal: str = "",
    ) -> AsyncGenerator[BatchAnswer, None]:
        """Place batch after batch on one round over a stream, and get an answer for each, in the order of `batches`.

        A batch is 1 to 500 orders, each with a request id of its own. At most `unanswered_max` batches, 1 or more, are
        under way at once; the next one is taken from `batches` when there is room. A batch that fails is answered with
        its error, and the others go on: `answer.results` are its results, or raise what `place()` would have raised.
        Doubt is resolved as `place()` does it, by sending the same ids again, on a new stream where the old one broke,
        until `deadline_s` seconds after the batch was taken. What `batches` itself raises comes when all before is
        answered.

        Leave it early with `contextlib.aclosing`, which ends the stream; what was not answered by then is in doubt.
        """
        streams = TicketStreams(self._stub)
        in_turn = asyncio.Lock()  # batches that wait for a connection leave in their order

        async def answer(orders: Batch) -> BatchAnswer:
            ends_at_s = self._timing.monotonic_s() + deadline_s
            request = wire.StreamTicketsRequest(round_id=round_id, tickets=orders, terminal=terminal)

            async def send() -> Sequence[TicketResult]:
                async with in_turn:
                    await answer_of(self._connected(ends_at_s))
                return await streams.place(request, ends_at_s - self._timing.monotonic_s())

            try:
                return BatchAnswer(orders=orders, placed=await self._resolve(send, ends_at_s), error=None)
            except FurlongError as error:
                return BatchAnswer(orders=orders, placed=(), error=error)

        try:
            async with aclosing(answers(batches, answer, unanswered_max)) as each:
                async for answered in each:
                    yield answered
        finally:
            await streams.close()

    async def quote(self, round_id: int, lines: Sequence[Line]) -> wire.QuoteResponse:
        """Ask what 1 to 20 lines would get, and have those prices held until `expires_at` of the answer.

        An order for exactly these lines, with their stakes, gets the prices with the answer's `quote`, whatever has
        become of them. CallRefused with reason ROUND_PHASE once the round has locked, and MALFORMED where a line bets
        on nothing that is offered.
        """
        return await answer_of(self._stub.Quote(wire.QuoteRequest(round_id=round_id, lines=lines)))

    async def get(self, ticket_id: str) -> Ticket:
        """Read a ticket with its state and payout now."""
        return (await answer_of(self._stub.GetTicket(wire.GetTicketRequest(ticket_id=ticket_id)))).ticket

    async def proof(self, ticket_id: str) -> TicketProof:
        """Read what shows that a ticket is under its round's ticket root; there is none before the lock."""
        return (await answer_of(self._stub.GetTicketProof(wire.GetTicketProofRequest(ticket_id=ticket_id)))).proof

    async def list(self, account_id: str, *, page_size: int = 0, page_token: str = "") -> wire.ListTicketsResponse:
        """Read a page of the tickets of an account, the newest first; 1 to 500 a page, 0 means 50."""
        request = wire.ListTicketsRequest(account_id=account_id, page_size=page_size, page_token=page_token)
        return await answer_of(self._stub.ListTickets(request))

    async def cancel(self, ticket_id: str, reason: str, *, request_id: str | None = None) -> Ticket:
        """Take a ticket back before its round locks: its stake goes back to the account that paid.

        The same `request_id` with the same content gets the same answer again; without one, a new one is made.
        CallRefused with reason ROUND_PHASE where it is too late, and TICKET_STATE where it was cancelled before.
        """
        request = wire.CancelTicketRequest(request_id=request_id or uuid7(), ticket_id=ticket_id, reason=reason)
        return (await answer_of(self._stub.CancelTicket(request), [request.request_id])).ticket

    async def pay(self, ticket_id: str, account_id: str, *, request_id: str | None = None) -> wire.PayTicketResponse:
        """Pay what a till's ticket has won, or its stake where the round was voided, at the till `account_id`.

        Hand out money only for the answer, `paid_minor` of it: whoever asks, a ticket is paid once, and anybody else is
        refused with reason TICKET_STATE. The same `request_id` gets the same answer again; without one, a new one is
        made.
        """
        request = wire.PayTicketRequest(request_id=request_id or uuid7(), ticket_id=ticket_id, account_id=account_id)
        return await answer_of(self._stub.PayTicket(request), [request.request_id])

    async def _place(self, request: wire.PlaceTicketsRequest, ends_at_s: float) -> Sequence[TicketResult]:
        request_ids = [order.request_id for order in request.tickets]
        return await self._resolve(lambda: answer_of(self._send(request, ends_at_s), request_ids), ends_at_s)

    async def _resolve(
        self, send: Callable[[], Awaitable[Sequence[TicketResult]]], ends_at_s: float
    ) -> Sequence[TicketResult]:
        """Send until there is an answer, it is no use, or the time is over."""
        pauses = Backoff(RESEND_FIRST_MS, RESEND_MAX_MS, self._timing.chance)
        doubt: OutcomeUnknown | None = None
        while True:
            try:
                return await send()
            except FurlongError as error:
                if isinstance(error, OutcomeUnknown):
                    doubt = error
                pause_s = pauses.next_s(error.retry_in_ms)
                if not _is_worth_repeating(error) or self._timing.monotonic_s() + pause_s >= ends_at_s:
                    # Once in doubt, only an answer to the ids ends it; a refusal of the last attempt does not.
                    raise doubt or error from error.__cause__
            await self._timing.sleep_s(pause_s)

    async def _send(self, request: wire.PlaceTicketsRequest, ends_at_s: float) -> Sequence[TicketResult]:
        await self._connected(ends_at_s)
        left_s = ends_at_s - self._timing.monotonic_s()
        return (await self._stub.PlaceTickets(request, timeout=min(left_s, _ATTEMPT_S))).results

    async def _connected(self, ends_at_s: float) -> None:
        """Wait for a connection. Without one nothing was sent, and nothing is in doubt, however long it lasts."""
        if self._channel.get_state(try_to_connect=True) is grpc.ChannelConnectivity.READY:
            return
        try:
            async with asyncio.timeout(ends_at_s - self._timing.monotonic_s()):
                await self._channel.channel_ready()
        except TimeoutError as late:
            raise not_sent(
                grpc.StatusCode.UNAVAILABLE, error_pb2.DEPENDENCY_DOWN, "there was no connection before the deadline"
            ) from late


def _is_worth_repeating(error: FurlongError) -> bool:
    return isinstance(error, OutcomeUnknown | Unreachable) or error.retry_in_ms is not None
