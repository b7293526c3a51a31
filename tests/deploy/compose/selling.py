"""Selling on a compose stack while something happens to it, and what must hold of it afterwards.

A call is tried once more after a pause where it fails, and that is all: what a retry of one's own would hide is what
these tests look for.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import grpc
from furlong.client import Furlong, FurlongError, connect, uuid7
from furlong.common.v1.account_pb2 import Account
from furlong.common.v1.round_pb2 import Round, Timetable, Track
from furlong.common.v1.ticket_pb2 import TicketOrder, TicketResult
from furlong.game.v1.ticket_service_pb2 import PlaceTicketsRequest
from furlong.game.v1.ticket_service_pb2_grpc import TicketServiceStub

from tests.deploy.compose.stacks import RunningStack
from tests.e2e.load import STAKE_MINOR, orders_of
from tests.e2e.racing import CARD, fresh_name
from tests.e2e.waiting import until

T = TypeVar("T")

FUNDS_MINOR = 10_000_000
TICKETS_PER_CALL = 5
SELLERS = 2
PAUSE_S = 0.05
RETRY_AFTER_S = 0.5
CALL_S = 5.0
ROUND_S = 40.0
LEFT_S = 5.0
LAST_S = 60.0
LONG = Timetable(betting_window_ms=3_600_000, lock_ms=1_000, race_ms=1_000, finish_ms=1_000)
SHORT = Timetable(betting_window_ms=8_000, lock_ms=300, race_ms=900, finish_ms=300)


@dataclass(slots=True)
class Sales:
    """What the sellers were told."""

    accepted: list[str] = field(default_factory=list)
    refused: list[TicketResult] = field(default_factory=list)
    failed_once: list[str] = field(default_factory=list)
    failed_twice: list[str] = field(default_factory=list)
    calls: int = 0
    longest_s: float = 0.0

    def __str__(self) -> str:
        failed = f"failed once {self.failed_once}, twice {self.failed_twice}"
        return f"{self.calls} calls sold {len(self.accepted)}: {failed}; longest wait {self.longest_s:.2f} s"


async def patiently(call: Callable[[str], Awaitable[T]]) -> T:
    """The answer to a call that takes a request id, with the same one until it comes: two cores carry all of this."""
    return await at_last(partial(call, uuid7()))


async def at_last(call: Callable[[], Awaitable[T]]) -> T:
    """The answer to a call that may be made again, when it comes."""

    async def ask() -> T | None:
        try:
            return await call()
        except FurlongError:
            return None

    return await until(ask, within_s=LAST_S, what="a call by hand is answered")


async def new_track(operator: Furlong, stem: str, timetable: Timetable) -> str:
    """A track that opens a round by itself."""
    track = Track(track=fresh_name(stem), display_name=stem, currency="EUR", timetable=timetable)
    await patiently(lambda known: operator.tracks.create(track, request_id=known))
    await patiently(lambda known: operator.tracks.import_race_cards(track.track, [CARD], request_id=known))
    return track.track


async def new_account(cashier: Furlong) -> str:
    """A player with money."""
    account = await patiently(
        lambda known: cashier.accounts.create(kind=Account.PLAYER, currency="EUR", display_name="Ann", request_id=known)
    )
    await patiently(
        lambda known: cashier.accounts.credit(account.account_id, FUNDS_MINOR, reason="cash", request_id=known)
    )
    return account.account_id


async def open_round(client: Furlong, track: str) -> int:
    """The round of a track that is open, and stays so for a while."""

    async def ask() -> int | None:
        try:
            found = await client.rounds.current(track)
        except FurlongError:
            return None
        left_s = found.locks_at.ToMilliseconds() / 1_000 - time.time()
        return found.round_id if found.phase == Round.OPEN and left_s >= LEFT_S else None

    return await until(ask, within_s=ROUND_S, what=f"{track} opens a round")


@asynccontextmanager
async def sold(stack: RunningStack, round_id: int, account_id: str) -> AsyncIterator[Sales]:
    """Sellers at work on a round, from now until the block is left."""
    sales, done = Sales(), asyncio.Event()
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_reconnect_backoff_ms", 1_000)]
    async with grpc.aio.insecure_channel(stack.gateway, options=options) as channel:
        till = Till(channel, stack.token, round_id)
        sellers = [asyncio.create_task(_sell(till, account_id, sales, done)) for _ in range(SELLERS)]
        try:
            yield sales
        finally:
            done.set()
            await asyncio.gather(*sellers)


class Till:
    """Places over a bare channel, without the library's retries."""

    def __init__(self, channel: grpc.aio.Channel, token: str, round_id: int) -> None:
        self._stub = TicketServiceStub(channel)
        self._metadata = [("authorization", f"Bearer {token}")]
        self._round_id = round_id

    async def place(self, orders: Sequence[TicketOrder]) -> Sequence[TicketResult]:
        """Try once."""
        request = PlaceTicketsRequest(round_id=self._round_id, tickets=orders)
        answer = await self._stub.PlaceTickets(request, timeout=CALL_S, metadata=self._metadata)
        results: Sequence[TicketResult] = answer.results
        return results

    async def place_at_last(self, orders: Sequence[TicketOrder]) -> Sequence[TicketResult]:
        """Try until there is an answer, so that the books can be compared with what was told."""

        async def ask() -> Sequence[TicketResult] | None:
            try:
                return await self.place(orders)
            except grpc.aio.AioRpcError:
                return None

        return await until(ask, within_s=LAST_S, what="the tickets are answered")


async def _sell(till: Till, account_id: str, sales: Sales, done: asyncio.Event) -> None:
    while not done.is_set():
        orders = orders_of(account_id, TICKETS_PER_CALL)
        began_s = time.monotonic()
        try:
            results = await till.place(orders)
        except grpc.aio.AioRpcError as error:
            sales.failed_once.append(_told(error))
            await asyncio.sleep(RETRY_AFTER_S)
            try:
                results = await till.place(orders)
            except grpc.aio.AioRpcError as again:
                sales.failed_twice.append(_told(again))
                results = await till.place_at_last(orders)
        sales.calls += 1
        sales.longest_s = max(sales.longest_s, time.monotonic() - began_s)
        for result in results:
            if result.verdict == TicketResult.ACCEPTED:
                sales.accepted.append(result.ticket.ticket_id)
            else:
                sales.refused.append(result)
        await asyncio.sleep(PAUSE_S)


def _told(error: grpc.aio.AioRpcError) -> str:
    return f"{time.strftime('%H:%M:%S')} {error.code().name}: {error.details()}"


async def assert_nothing_is_lost_or_doubled(stack: RunningStack, account_id: str, sales: Sales) -> None:
    """What was acknowledged is what is stored, and what was paid for it."""
    async with connect(stack.gateway, token=stack.token) as client:
        stored: list[str] = []
        page_token = ""
        while True:
            page = await at_last(partial(client.tickets.list, account_id, page_size=500, page_token=page_token))
            stored += [ticket.ticket_id for ticket in page.tickets]
            page_token = page.next_page_token
            if not page_token:
                break
        balance_minor = (await at_last(partial(client.accounts.get, account_id))).balance_minor
        books = await at_last(client.accounts.trial_balance)
    assert len(set(stored)) == len(stored)
    assert set(stored) == set(sales.accepted)
    assert len(set(sales.accepted)) == len(sales.accepted)
    assert balance_minor == FUNDS_MINOR - STAKE_MINOR * len(stored)
    assert books.sum_minor == 0
