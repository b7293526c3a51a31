"""The game's services in this process, on a small persist in memory and a real clock: tests without a database."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from furlong.common.v1.account_pb2 import Account, Transfer, TrialBalance
from furlong.common.v1.error_pb2 import Reason
from furlong.game.v1 import (
    account_service_pb2,
    account_service_pb2_grpc,
    round_service_pb2,
    round_service_pb2_grpc,
    ticket_service_pb2,
    ticket_service_pb2_grpc,
    track_service_pb2,
    track_service_pb2_grpc,
)

from services.chassis.clock import Clock, SystemClock
from services.chassis.hosted import Hosted
from services.chassis.refusal import Refusal
from services.game.domain.track import Program, Timetable
from services.game.engine.broadcast.hub import Hub
from services.game.engine.broadcast.relay import Relay
from services.game.engine.desk import Desk
from services.game.engine.offers import Offers
from services.game.engine.price_board import PriceBoard
from services.game.engine.quotes import Quotes
from services.game.engine.tracks import Tracks
from services.game.ports import Page, Topics
from services.game.service.accounts import AccountService
from services.game.service.frames import encode, encode_own
from services.game.service.rounds import RAW_STREAMS, RoundService
from services.game.service.tickets import DIALOGUES, TicketService
from services.game.service.tracks import TrackService
from services.game.service.validators import VALIDATORS
from tests.fakes.persist_store import FakePersist
from tests.fakes.plain_seal import PlainSeal
from tests.fakes.seeded_chance import SeededChance
from tests.rounds import CARD, TRACK
from tests.served import Served, serving

__all__ = ["QUOTE_HOLD_MS", "Playing", "playing"]

QUOTE_HOLD_MS = 5_000


@dataclass(slots=True)
class FakeLedger:
    """Accounts that take and give whatever they are told, and statements that a test has written."""

    accounts: dict[str, Account] = field(default_factory=dict)
    statements: dict[str, list[Transfer]] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(default_factory=list)

    async def create_account(self, **asked: Any) -> Account:
        self.asked.append(asked)
        account = Account(account_id=asked["request_id"], kind=asked["kind"], currency=asked["currency"])
        self.accounts[account.account_id] = account
        return account

    async def credit_account(self, **asked: Any) -> Account:
        self.asked.append(asked)
        account = await self.account(asked["account_id"])
        account.balance_minor += asked["amount_minor"]
        return account

    async def pay_out_account(self, **asked: Any) -> Account:
        return await self.credit_account(**(asked | {"amount_minor": -asked["amount_minor"]}))

    async def adjust_account(self, **asked: Any) -> Account:
        return await self.credit_account(**asked)

    async def set_account_blocked(self, **asked: Any) -> Account:
        self.asked.append(asked)
        account = await self.account(asked["account_id"])
        account.blocked = asked["blocked"]
        return account

    async def transfers(self, account_id: str, page_size: int, page_token: str) -> Page[Transfer]:
        self.asked.append({"page_size": page_size, "page_token": page_token})
        await self.account(account_id)
        return Page(items=self.statements.get(account_id, []), next_page_token="more")

    async def trial_balance(self, round_id: int) -> TrialBalance:
        return TrialBalance(sum_minor=0, rows=[TrialBalance.Row(accounts=round_id)])

    async def account(self, account_id: str) -> Account:
        if account_id not in self.accounts:
            raise Refusal(Reason.ACCOUNT_UNKNOWN, "no such account")
        return self.accounts[account_id]


class Playing:
    """A game's parts, put together. Several may share a store, and hear each other over `topics`."""

    def __init__(
        self,
        clock: Clock,
        *,
        mailbox_frames_max: int = 32,
        store: FakePersist | None = None,
        topics: Topics | None = None,
        name: str = "game",
    ) -> None:
        self.clock = clock
        self.store = store or FakePersist(clock)
        self.relay = Relay(topics=topics, clock=clock, game=name) if topics is not None else None
        self.ledger = FakeLedger()
        self.seal = PlainSeal()
        self.hub = Hub(
            rounds=self.store,
            tracks=self.store,
            tickets=self.store,
            clock=clock,
            encode=encode,
            encode_own=encode_own,
            game=name,
            mailbox_frames_max=mailbox_frames_max,
            relay=self.relay,
        )
        self.tracks = Tracks(
            holder=name,
            lease_ttl_ms=3_000,
            sweep_ms=2_000,
            tracks=self.store,
            leases=self.store,
            rounds=self.store,
            seal=self.seal,
            hub=self.hub,
            clock=clock,
            chance=SeededChance(),
            seed_chain_length=50,
        )
        self.offers = Offers(self.store)
        self.quotes = Quotes(offers=self.offers, clock=clock, keys=[b"quotes"], hold_ms=QUOTE_HOLD_MS)
        self.desk = Desk(
            store=self.store,
            offers=self.offers,
            quotes=self.quotes,
            hub=self.hub,
            clock=clock,
            queue_tickets_max=20_000,
        )
        self.board = PriceBoard(rounds=self.store, offers=self.offers, hub=self.hub)
        self.rounds = RoundService(rounds=self.store, hub=self.hub)
        self.tickets = TicketService(desk=self.desk, quotes=self.quotes, tickets=self.store)
        self.accounts = AccountService(ledger=self.ledger)
        if self.relay is not None:
            self.relay.start()
        self.track_service = TrackService(
            store=self.store, rounds=self.store, board=self.board, tracks=self.tracks, hub=self.hub
        )

    async def add_track(self, timetable: Timetable = TRACK.timetable, program: Program = TRACK.program) -> None:
        """TRACK with one card."""
        await self.store.create_track(request_id="", track=replace(TRACK, timetable=timetable, program=program))
        await self.store.put_cards(request_id="", track=TRACK.track, cards=[CARD])

    async def go_away(self) -> None:
        """What the game does when it is told to end."""
        await self.tracks.close()
        self.hub.drain()

    async def close(self) -> None:
        await self.tracks.close()
        await self.hub.close()
        if self.relay is not None:
            await self.relay.close()

    def hosted(self) -> Sequence[Hosted]:
        return (
            Hosted(
                add=round_service_pb2_grpc.add_RoundServiceServicer_to_server,
                servicer=self.rounds,
                descriptor=round_service_pb2.DESCRIPTOR.services_by_name["RoundService"],
                raw_streams=RAW_STREAMS,
            ),
            Hosted(
                add=ticket_service_pb2_grpc.add_TicketServiceServicer_to_server,
                servicer=self.tickets,
                descriptor=ticket_service_pb2.DESCRIPTOR.services_by_name["TicketService"],
                dialogues=DIALOGUES,
            ),
            Hosted(
                add=account_service_pb2_grpc.add_AccountServiceServicer_to_server,
                servicer=self.accounts,
                descriptor=account_service_pb2.DESCRIPTOR.services_by_name["AccountService"],
            ),
            Hosted(
                add=track_service_pb2_grpc.add_TrackServiceServicer_to_server,
                servicer=self.track_service,
                descriptor=track_service_pb2.DESCRIPTOR.services_by_name["TrackService"],
            ),
        )


@asynccontextmanager
async def playing(
    *,
    timetable: Timetable = TRACK.timetable,
    mailbox_frames_max: int = 32,
    is_leading: bool = True,
    topics: Topics | None = None,
    name: str = "game",
) -> AsyncIterator[tuple[Playing, Served]]:
    """A game on loopback, access off, with TRACK; without leading, nothing moves but what the test moves."""
    parts = Playing(SystemClock(), mailbox_frames_max=mailbox_frames_max, topics=topics, name=name)
    await parts.add_track(timetable)
    if is_leading:
        parts.tracks.start()
    try:
        async with serving(*parts.hosted(), validators=VALIDATORS, on_drain=parts.go_away) as served:
            yield parts, served
    finally:
        await parts.close()
