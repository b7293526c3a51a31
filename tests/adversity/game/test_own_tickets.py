"""WatchRounds over real gRPC: the watcher's own tickets, who watches, and who may ask for which."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import grpc
from furlong.client.identity import uuid7
from furlong.common.v1.ticket_pb2 import Line, Ticket, TicketOrder
from furlong.game.v1.round_service_pb2 import WatchRoundsRequest, WatchRoundsResponse
from furlong.game.v1.ticket_service_pb2 import CancelTicketRequest, PlaceTicketsRequest
from furlong.game.v1.ticket_service_pb2_grpc import TicketServiceStub
from furlong.game.v1.track_service_pb2 import ListPresenceRequest, ListPresenceResponse
from furlong.game.v1.track_service_pb2_grpc import TrackServiceStub

from services.game.domain.track import Timetable
from services.game.ports import News, Signal
from services.game.service.validators import VALIDATORS
from tests.gaming import Playing, playing
from tests.loopback import until
from tests.rounds import RUNNERS, TRACK
from tests.served import Served, refused, serving

SLOW = Timetable(betting_window_ms=60_000, lock_ms=50, race_ms=100, finish_ms=50)
FAST = Timetable(betting_window_ms=700, lock_ms=50, race_ms=100, finish_ms=50)
ACCOUNT = "0190d3c5-0000-7000-8000-0000000000aa"
OTHER = "0190d3c5-0000-7000-8000-0000000000bb"


async def own(served: Served, *accounts: str, terminal: str = "") -> AsyncGenerator[list[Ticket], None]:
    """The tickets of each frame of kind OWN."""
    request = WatchRoundsRequest(track=TRACK.track, accounts=accounts, terminal=terminal)
    call = served.rounds.WatchRounds(request)
    try:
        async for frame in call:
            if frame.kind == WatchRoundsResponse.OWN:
                assert not frame.HasField("round")
                yield list(frame.own.tickets)
    finally:
        call.cancel()


async def place(served: Served, account_id: str, round_id: int = 1) -> Ticket:
    line = Line(market=Line.WIN, runners=[RUNNERS[0].runner], stake_minor=10)
    order = TicketOrder(request_id=uuid7(), account_id=account_id, lines=[line])
    tickets: Any = TicketServiceStub(served.channel)
    placed = await tickets.PlaceTickets(PlaceTicketsRequest(round_id=round_id, tickets=[order]))
    ticket: Ticket = placed.results[0].ticket
    return ticket


async def presence(served: Served) -> ListPresenceResponse:
    tracks: Any = TrackServiceStub(served.channel)
    told: ListPresenceResponse = await tracks.ListPresence(ListPresenceRequest(track=TRACK.track))
    return told


async def test_a_watcher_is_told_of_its_own_tickets_when_they_are_placed_and_taken_back() -> None:
    async with playing(timetable=SLOW) as (game, served):
        await until(lambda: game.tracks.is_ready)
        async with aclosing(own(served, ACCOUNT)) as watching:
            assert await anext(watching) == []
            await place(served, OTHER)
            ticket = await place(served, ACCOUNT)
            (shown,) = await anext(watching)
            assert (shown.ticket_id, shown.state) == (ticket.ticket_id, Ticket.ACCEPTED)
            tickets: Any = TicketServiceStub(served.channel)
            await tickets.CancelTicket(
                CancelTicketRequest(request_id=uuid7(), ticket_id=ticket.ticket_id, reason="another thought")
            )
            (shown,) = await anext(watching)
            assert (shown.ticket_id, shown.state) == (ticket.ticket_id, Ticket.CANCELLED)


async def test_a_watcher_that_comes_late_begins_with_the_tickets_that_it_has() -> None:
    async with playing(timetable=SLOW) as (game, served):
        await until(lambda: game.tracks.is_ready)
        first, second = await place(served, ACCOUNT), await place(served, ACCOUNT)
        async with aclosing(own(served, ACCOUNT)) as watching:
            shown = await anext(watching)

    assert [ticket.ticket_id for ticket in shown] == [second.ticket_id, first.ticket_id]


async def test_the_accounts_of_a_settled_round_are_read_again() -> None:
    async with playing(timetable=FAST) as (game, served):
        await until(lambda: game.tracks.is_ready)
        await place(served, ACCOUNT)
        async with aclosing(own(served, ACCOUNT)) as watching:
            await anext(watching)
            reads = game.store.calls.count("tickets")
            await until(lambda: game.store.calls.count("tickets") > reads)


async def test_too_many_accounts_and_a_terminal_without_a_name_are_refused() -> None:
    async with playing(timetable=SLOW) as (_, served):
        call = served.rounds.WatchRounds(
            WatchRoundsRequest(track=TRACK.track, accounts=[ACCOUNT] * 11, terminal="no spaces")
        )
        told = await refused(call.read())

    assert (told.code, told.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["accounts", "terminal"])


async def test_terminals_are_seen_to_come_and_go() -> None:
    async with playing(timetable=SLOW) as (game, served):
        await until(lambda: game.tracks.is_ready)
        request = WatchRoundsRequest(track=TRACK.track, terminal="till-4", tick_interval_ms=100)
        calls = [served.rounds.WatchRounds(request) for _ in range(2)]
        for call in calls:
            await call.read()
        tick = await calls[0].read()
        told = await presence(served)
        for call in calls:
            call.cancel()
        await until(lambda: game.hub.room(TRACK.track).watchers == 0)
        after = await presence(served)

    assert isinstance(tick, WatchRoundsResponse)
    assert (tick.presence.watchers, tick.presence.terminals) == (2, 1)
    assert told.watchers == 2
    assert [(each.terminal, each.streams) for each in told.terminals] == [("till-4", 2)]
    assert (after.watchers, list(after.terminals)) == (0, [])
    assert [(move.terminal, move.kind) for move in after.moves] == [
        ("till-4", ListPresenceResponse.Move.LEFT),
        ("till-4", ListPresenceResponse.Move.JOINED),
    ]


class Air:
    """A topic in this process: everybody hears what anybody tells."""

    def __init__(self) -> None:
        self._ears: list[asyncio.Queue[News | Signal]] = []

    async def publish(self, track: str, news: News) -> None:
        for ear in self._ears:
            ear.put_nowait(news)

    async def follow(self, track: str) -> AsyncGenerator[News | Signal, None]:
        ear: asyncio.Queue[News | Signal] = asyncio.Queue()
        self._ears.append(ear)
        while True:
            yield await ear.get()


async def test_a_ticket_placed_at_one_game_is_told_and_a_terminal_seen_at_another() -> None:
    air = Air()
    async with playing(timetable=SLOW, topics=air, name="one") as (game, one):
        await until(lambda: game.tracks.is_ready)
        other = Playing(game.clock, store=game.store, topics=air, name="two")
        try:
            async with (
                serving(*other.hosted(), validators=VALIDATORS, on_drain=other.go_away) as two,
                aclosing(own(two, ACCOUNT, terminal="till-4")) as watching,
            ):
                assert await anext(watching) == []
                ticket = await place(one, ACCOUNT)
                async with asyncio.timeout(3):  # the store is looked at every 5 s
                    (shown,) = await anext(watching)
                assert shown.ticket_id == ticket.ticket_id
                await until(lambda: game.hub.room(TRACK.track).presence.terminals == 1)
                told = await presence(one)
        finally:
            await other.close()

    assert [each.terminal for each in told.terminals] == ["till-4"]
