"""persist in this process over a real database, and a small world of racing on it."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any

import asyncpg
import grpc
from furlong.client.identity import uuid7
from furlong.common.v1.account_pb2 import Account
from furlong.common.v1.round_pb2 import Limits, RaceCard, Runner, Timetable, Track
from furlong.common.v1.ticket_pb2 import Line, Price, TicketResult
from furlong.persist.v1.lease_service_pb2 import AcquireLeaseRequest
from furlong.persist.v1.lease_service_pb2_grpc import LeaseServiceStub
from furlong.persist.v1.ledger_service_pb2 import CreateAccountRequest, CreditAccountRequest, GetAccountRequest
from furlong.persist.v1.ledger_service_pb2_grpc import LedgerServiceStub
from furlong.persist.v1.round_store_service_pb2 import (
    CorrectResultRequest,
    FinishRoundRequest,
    LockRoundRequest,
    OpenRoundRequest,
    PostSettlementRequest,
    SetPricesRequest,
    SettleRoundRequest,
    StartRaceRequest,
    StoredRound,
    VoidRoundRequest,
    Winner,
)
from furlong.persist.v1.round_store_service_pb2_grpc import RoundStoreServiceStub
from furlong.persist.v1.ticket_store_service_pb2 import (
    AppendTicketsRequest,
    AppendTicketsResponse,
    TicketAppend,
    TicketVerdict,
)
from furlong.persist.v1.ticket_store_service_pb2_grpc import TicketStoreServiceStub
from furlong.persist.v1.track_store_service_pb2 import (
    CreateTrackRequest,
    GetNextRaceCardRequest,
    PutRaceCardsRequest,
)
from furlong.persist.v1.track_store_service_pb2_grpc import TrackStoreServiceStub

from services.chassis.clock import SystemClock
from services.chassis.server_config import ServerConfig
from services.persist.__main__ import Persist, persist
from services.persist.config import PersistConfig
from services.persist.service.validators import VALIDATORS
from tests.model.ledger import BookAccount, BookTransfer, faults
from tests.served import config, serving

Verdict = TicketResult.Verdict

SEED = b"a seed that is thirty-two bytes.."[:32]
PRICES = {1: 235, 2: 410, 3: 1_050}

PATIENCE_S = 10.0
"""How long calls may take where no time is tested: longer than their methods give them, which a busy machine needs."""


class Patient:
    """A stub whose calls wait so long unless they say otherwise; None is as long as their method is given."""

    def __init__(self, stub: Any, patience_s: float | None) -> None:
        self._stub = stub
        self._patience_s = patience_s

    def __getattr__(self, method: str) -> Any:
        return partial(getattr(self._stub, method), timeout=self._patience_s)


@dataclass(frozen=True, slots=True)
class Stubs:
    """The services of one persist, and how it tells its health."""

    tickets: Any
    rounds: Any
    tracks: Any
    ledger: Any
    leases: Any
    alive: Callable[[], bool]
    ready: Callable[[], bool]

    @staticmethod
    def on(channel: grpc.aio.Channel, parts: Persist, patience_s: float | None) -> "Stubs":
        """All of persist's services on one channel."""
        return Stubs(
            tickets=Patient(TicketStoreServiceStub(channel), patience_s),
            rounds=Patient(RoundStoreServiceStub(channel), patience_s),
            tracks=Patient(TrackStoreServiceStub(channel), patience_s),
            ledger=Patient(LedgerServiceStub(channel), patience_s),
            leases=Patient(LeaseServiceStub(channel), patience_s),
            alive=parts.liveness,
            ready=parts.readiness,
        )


@asynccontextmanager
async def persisting(
    database_url: str, *, patience_s: float | None = PATIENCE_S, **settings: Any
) -> AsyncIterator[Stubs]:
    """Serve persist on loopback; `settings` are fields of its configuration."""
    server: ServerConfig = settings.pop("server", config())
    whole = PersistConfig(server=server, database_url=database_url, **settings)
    async with (
        persist(whole, SystemClock()) as parts,
        serving(*parts.hosted, settings=server, validators=VALIDATORS) as served,
    ):
        yield Stubs.on(served.channel, parts, patience_s)


def order(
    account_id: str,
    *stakes_minor: int,
    runner: int = 1,
    request_id: str | None = None,
    content: str | None = None,
    refusal: "TicketResult.Verdict.ValueType" = Verdict.VERDICT_UNSPECIFIED,
    price_revision: int = 0,
) -> TicketAppend:
    """A ticket with a WIN line per stake. `content` stands for what the client sent; by default it is the order."""
    request_id = request_id or uuid7()
    lines = [
        Line(market=Line.WIN, runners=[runner], stake_minor=stake, price_hundredths=PRICES[runner])
        for stake in stakes_minor
    ]
    sent = content if content is not None else f"{request_id} {account_id} {lines}"
    return TicketAppend(
        request_id=request_id,
        account_id=account_id,
        lines=lines,
        content_hash=sha256(sent.encode()).digest(),
        refusal=refusal,
        refusal_reason="game says so" if refusal else "",
        price_revision=price_revision,
    )


class World:
    """A track under a lease, with one round after another, and people with money."""

    track = "harbour-mile"

    def __init__(self, stubs: Stubs, database_url: str) -> None:
        self.stubs = stubs
        self.database_url = database_url
        self.epoch = 0
        self._names = itertools.count(1)

    async def found(self, currency: str = "EUR") -> None:
        """Make the track with its card and take its lease."""
        track = Track(
            track=self.track,
            display_name="Harbour Mile",
            currency=currency,
            timetable=Timetable(betting_window_ms=60_000, lock_ms=100, race_ms=100, finish_ms=100),
            limits=Limits(stake_min_minor=1, stake_max_minor=10_000_000),
            return_bps=9_100,
        )
        runners = [Runner(runner=number, name=f"Runner {number}", weight=1) for number in PRICES]
        await self.stubs.tracks.CreateTrack(CreateTrackRequest(request_id=uuid7(), track=track))
        await self.stubs.tracks.PutRaceCards(
            PutRaceCardsRequest(
                request_id=uuid7(),
                track=self.track,
                cards=[RaceCard(name="Maiden", distance_m=1_600, runners=runners)],
            )
        )
        self.epoch = await self.lead("first")

    async def lead(self, holder: str, ttl_ms: int = 60_000) -> int:
        """Take or renew the lease; the epoch."""
        request = AcquireLeaseRequest(request_id=uuid7(), track=self.track, holder=holder, ttl_ms=ttl_ms)
        return int((await self.stubs.leases.AcquireLease(request)).epoch)

    async def account(self, balance_minor: int = 0, currency: str = "EUR", floor_minor: int = 0) -> str:
        """Open an account with money in it; a floor below zero makes it a till's."""
        kind = Account.CASHIER if floor_minor < 0 else Account.PLAYER
        account_id = uuid7()
        await self.stubs.ledger.CreateAccount(
            CreateAccountRequest(
                request_id=account_id,
                kind=kind,
                currency=currency,
                display_name=f"Somebody {next(self._names)}",
                floor_minor=floor_minor,
                actor="tests",
            )
        )
        if balance_minor:
            await self.credit(account_id, balance_minor)
        return account_id

    async def credit(self, account_id: str, amount_minor: int) -> None:
        """Put money into an account."""
        await self.stubs.ledger.CreditAccount(
            CreditAccountRequest(
                request_id=uuid7(), account_id=account_id, amount_minor=amount_minor, reason="cash", actor="tests"
            )
        )

    async def balance_minor(self, account_id: str) -> int:
        """What is in an account."""
        response = await self.stubs.ledger.GetAccount(GetAccountRequest(account_id=account_id))
        return int(response.account.balance_minor)

    async def open(self, *, epoch: int | None = None, payout_max_minor: int = 0, **timetable: int) -> StoredRound:
        """Open a round that bets for a minute and pays whatever a ticket wins, unless told otherwise."""
        card = (await self.stubs.tracks.GetNextRaceCard(GetNextRaceCardRequest(track=self.track))).card
        runners = [
            Runner(
                runner=runner.runner,
                name=runner.name,
                weight=runner.weight,
                win_price_hundredths=PRICES[runner.runner],
            )
            for runner in card.runners
        ]
        times = {"betting_window_ms": 60_000, "lock_ms": 100, "race_ms": 100, "finish_ms": 100} | timetable
        response = await self.stubs.rounds.OpenRound(
            OpenRoundRequest(
                request_id=uuid7(),
                track=self.track,
                epoch=self.epoch if epoch is None else epoch,
                card_id=card.card_id,
                race_name=card.name,
                distance_m=card.distance_m,
                runners=runners,
                timetable=Timetable(**times),
                limits=Limits(stake_min_minor=1, stake_max_minor=10_000_000, payout_max_minor=payout_max_minor),
                return_bps=9_100,
                commitment=sha256(SEED).digest(),
                sealed_seed=b"sealed",
            )
        )
        stored: StoredRound = response.stored
        return stored

    async def set_prices(self, round_id: int, prices: Mapping[int, int]) -> StoredRound:
        """Move prices to WIN, by runner."""
        request = SetPricesRequest(
            request_id=uuid7(),
            round_id=round_id,
            prices=[Price(market=Line.WIN, runner=each, price_hundredths=price) for each, price in prices.items()],
            reason="money",
            actor="operator",
        )
        stored: StoredRound = (await self.stubs.rounds.SetPrices(request)).stored
        return stored

    async def place(self, round_id: int, *orders: TicketAppend) -> Sequence[TicketVerdict]:
        """Place orders; a verdict each."""
        return list((await self.append(round_id, *orders)).verdicts)

    async def append(self, round_id: int, *orders: TicketAppend) -> AppendTicketsResponse:
        """Place orders; the whole answer."""
        response: AppendTicketsResponse = await self.stubs.tickets.AppendTickets(
            AppendTicketsRequest(round_id=round_id, tickets=orders)
        )
        return response

    async def place_for_certain(self, round_id: int, *orders: TicketAppend) -> Sequence[TicketVerdict]:
        """Place orders, again and again with the same ids until the answer is definite, as a client does."""
        while True:
            try:
                return await self.place(round_id, *orders)
            except grpc.aio.AioRpcError as error:
                if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                    raise
                await asyncio.sleep(0.02)

    def lock_request(self, round_id: int, epoch: int | None = None) -> LockRoundRequest:
        """A request to lock, with a fresh id."""
        return LockRoundRequest(request_id=uuid7(), round_id=round_id, epoch=self.epoch if epoch is None else epoch)

    def start_request(self, round_id: int, result: Sequence[int] = (1, 2, 3), seed: bytes = SEED) -> StartRaceRequest:
        """A request to start the race, with a fresh id."""
        return StartRaceRequest(
            request_id=uuid7(), round_id=round_id, epoch=self.epoch, result=result, server_seed=seed
        )

    def finish_request(self, round_id: int) -> FinishRoundRequest:
        """A request to finish, with a fresh id."""
        return FinishRoundRequest(request_id=uuid7(), round_id=round_id, epoch=self.epoch)

    def settle_request(self, round_id: int, *winners: Winner) -> SettleRoundRequest:
        """A request to settle, with a fresh id; runner 1 wins unless told otherwise."""
        return SettleRoundRequest(
            request_id=uuid7(), round_id=round_id, epoch=self.epoch, winners=winners or [winner(1)]
        )

    def void_request(self, round_id: int, reason: str = "no race", epoch: int = 0) -> VoidRoundRequest:
        """A request to void, with a fresh id; an operator's unless it brings an epoch."""
        return VoidRoundRequest(request_id=uuid7(), round_id=round_id, epoch=epoch, reason=reason, actor="operator")

    def correct_request(
        self, round_id: int, *result: int, reason: str = "photo finish", winners: Sequence[Winner] = ()
    ) -> CorrectResultRequest:
        """A request to correct a result, with a fresh id; whoever is first wins, unless told otherwise."""
        return CorrectResultRequest(
            request_id=uuid7(),
            round_id=round_id,
            result=result,
            winners=winners or [winner(result[0])],
            reason=reason,
            actor="operator",
        )

    async def let_time_pass(self, round_id: int) -> None:
        """Move the whole schedule of a round into the past, so that no step is too early."""
        await self.sql(
            """UPDATE rounds SET opens_at = opens_at - interval '1 day', locks_at = locks_at - interval '1 day',
               starts_at = starts_at - interval '1 day', finishes_at = finishes_at - interval '1 day',
               ends_at = ends_at - interval '1 day' WHERE round_id = $1""",
            round_id,
        )

    async def lock(self, round_id: int) -> StoredRound:
        """Lock a round whose time has come."""
        await self.let_time_pass(round_id)
        response = await self.stubs.rounds.LockRound(self.lock_request(round_id))
        stored: StoredRound = response.stored
        return stored

    async def finish(self, round_id: int, result: Sequence[int] = (1, 2, 3)) -> StoredRound:
        """Bring an open round to FINISHED."""
        await self.lock(round_id)
        await self.stubs.rounds.StartRace(self.start_request(round_id, result))
        response = await self.stubs.rounds.FinishRound(self.finish_request(round_id))
        stored: StoredRound = response.stored
        return stored

    async def settle(self, round_id: int, *winners: Winner) -> StoredRound:
        """Bring an open round to SETTLED."""
        await self.finish(round_id)
        await self.stubs.rounds.SettleRound(self.settle_request(round_id, *winners))
        return await self.post(round_id)

    async def void(self, round_id: int, reason: str = "no race") -> StoredRound:
        """Void a round and give the stakes back."""
        await self.stubs.rounds.VoidRound(self.void_request(round_id, reason))
        return await self.post(round_id)

    async def correct(self, round_id: int, *result: int) -> StoredRound:
        """Correct the result of a settled round and move the money."""
        await self.stubs.rounds.CorrectResult(self.correct_request(round_id, *result))
        return await self.post(round_id)

    async def post(self, round_id: int) -> StoredRound:
        """Move what is left to move."""
        while True:
            response = await self.stubs.rounds.PostSettlement(PostSettlementRequest(round_id=round_id))
            stored: StoredRound = response.stored
            if not stored.posting:
                return stored

    async def sql(self, statement: str, *arguments: object) -> Sequence[asyncpg.Record]:
        """Look into the database past persist."""
        connection = await asyncpg.connect(self.database_url)
        try:
            rows: Sequence[asyncpg.Record] = await connection.fetch(statement, *arguments)
            return rows
        finally:
            await connection.close()

    async def check_books(self) -> None:
        """Every balance is the sum of its transfers, none is below its floor, and all add up to zero."""
        accounts = await self.sql("SELECT account_id::text, currency, balance_minor, floor_minor FROM accounts")
        transfers = await self.sql(
            """SELECT debit_account_id::text, credit_account_id::text, amount_minor, xmin::text::bigint AS transaction
               FROM transfers ORDER BY transfer_id"""
        )
        assert (
            faults([BookAccount(**dict(row)) for row in accounts], [BookTransfer(**dict(row)) for row in transfers])
            == []
        )


def winner(
    runner: int,
    numerator: int = 1,
    denominator: int = 1,
    *,
    market: "Line.Market.ValueType" = Line.WIN,
    refund: bool = False,
) -> Winner:
    """A runner that wins, with the whole stake or a part of it, or has its stakes given back."""
    return Winner(
        market=market, runners=[runner], stake_numerator=numerator, stake_denominator=denominator, refund=refund
    )


def verdicts(answers: Sequence[TicketVerdict]) -> list[str]:
    """The names of verdicts, with a star where they are repeats."""
    return [Verdict.Name(answer.verdict) + ("*" if answer.replayed else "") for answer in answers]


async def eventually(happens: Any, within_s: float = 30.0) -> None:
    """Wait until `await happens()` is true."""
    async with asyncio.timeout(within_s):
        while not await happens():  # noqa: ASYNC110 - a database announces nothing
            await asyncio.sleep(0.02)
