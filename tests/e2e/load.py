"""A load of tickets that goes on through failures, and what came of it."""

import asyncio
from dataclasses import dataclass, field

from furlong.client import Furlong, FurlongError, OutcomeUnknown, uuid7
from furlong.common.v1.ticket_pb2 import Line, TicketOrder, TicketResult

TICKETS_PER_CALL = 5
PLACE_S = 30.0
STAKE_MINOR = 7


def orders_of(account_id: str, count: int) -> list[TicketOrder]:
    """WIN orders on runners 1 to 5 by turns."""
    return [
        TicketOrder(
            request_id=uuid7(),
            account_id=account_id,
            lines=[Line(market=Line.WIN, runners=[1 + turn % 5], stake_minor=STAKE_MINOR)],
        )
        for turn in range(count)
    ]


@dataclass(slots=True)
class Load:
    """What the workers were told so far."""

    results: list[TicketResult] = field(default_factory=list)
    failed_first: int = 0
    calls: int = 0


async def work(client: Furlong, round_id: int, account_id: str, load: Load, done: asyncio.Event) -> None:
    """Place again and again until told to stop. After an error that is definite the same orders are placed again."""
    while not done.is_set():
        orders = orders_of(account_id, TICKETS_PER_CALL)
        load.calls += 1
        try:
            load.results += await client.tickets.place(round_id, orders, deadline_s=PLACE_S)
        except OutcomeUnknown:
            raise
        except FurlongError:
            load.failed_first += 1
            load.results += await client.tickets.place(round_id, orders, deadline_s=PLACE_S)


async def grown(load: Load, least: int) -> bool:
    return len(load.results) >= least
