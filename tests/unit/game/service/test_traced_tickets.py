"""The span of a call that is recorded names the call's first tickets, so that its trace is found by them."""

from typing import Any

import pytest
from furlong.client.identity import uuid7
from furlong.common.v1.error_pb2 import Reason
from furlong.common.v1.ticket_pb2 import TicketOrder
from furlong.game.v1.ticket_service_pb2 import PlaceTicketsRequest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler

from services.chassis import telemetry_names as names
from services.chassis.principal import DEVELOPMENT, set_current
from services.chassis.refusal import Refusal
from services.game.service.tickets import TRACED_TICKETS_MAX, TicketService


class ClosedDesk:
    """Takes nothing."""

    async def place(self, round_id: int, orders: Any) -> Any:
        raise Refusal(Reason.OVERLOADED, "closed")


async def place(sampler: Sampler, tickets: int) -> tuple[list[str], Any]:
    ids = [uuid7() for _ in range(tickets)]
    orders = [TicketOrder(request_id=each, account_id="a") for each in ids]
    service = TicketService(desk=ClosedDesk(), quotes=None, tickets=None)  # type: ignore[arg-type] # only the desk is asked
    set_current(DEVELOPMENT)
    span = TracerProvider(sampler=sampler).get_tracer("test").start_span("place")
    with trace.use_span(span), pytest.raises(Refusal, match="closed"):
        await service.PlaceTickets(PlaceTicketsRequest(round_id=1, tickets=orders), None)
    return ids, span


@pytest.mark.parametrize("tickets", [1, TRACED_TICKETS_MAX, 500])
async def test_a_recorded_call_names_its_first_tickets(tickets: int) -> None:
    ids, span = await place(ALWAYS_ON, tickets)
    assert list(span.attributes[names.FURLONG_TICKET_IDS]) == ids[:TRACED_TICKETS_MAX]


async def test_a_call_that_is_not_recorded_names_nothing() -> None:
    _, span = await place(ALWAYS_OFF, 5)
    assert not span.is_recording()
