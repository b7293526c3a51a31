"""The game's store ports twice: the small one in memory, and persist over a real PostgreSQL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from furlong.client.channel import open_channel
from furlong.client.identity import uuid7
from furlong.common.v1.account_pb2 import Account

from deploy.local.postgres import PostgresServer
from services.chassis.clock import SystemClock
from services.game.__main__ import PERSIST_SERVICES
from services.game.adapters.persist.leases import PersistLeases
from services.game.adapters.persist.ledger import PersistLedger
from services.game.adapters.persist.rounds import PersistRounds
from services.game.adapters.persist.tickets import PersistTickets
from services.game.adapters.persist.tracks import PersistTracks
from services.game.ports import Leases, RoundPrices, RoundStore, TicketStore, TrackStore
from services.persist.__main__ import persist
from services.persist.config import PersistConfig
from services.persist.service.validators import VALIDATORS
from tests.fakes.persist_store import FakePersist
from tests.postgres import new_database, postgres
from tests.served import config, serving

__all__ = ["postgres", "store"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """Everything that the game keeps, and the ids of a player's account with money and of a till with credit.

    `claims` are for a small store that has no money, and so is told what a till's ticket has won.
    """

    rounds: RoundStore
    prices: RoundPrices
    tickets: TicketStore
    tracks: TrackStore
    leases: Leases
    account_id: str
    till_id: str
    claims: dict[str, int] = field(default_factory=dict)


@pytest.fixture(params=["fake", "persist"])
async def store(request: pytest.FixtureRequest, postgres: PostgresServer) -> AsyncIterator[Store]:
    if request.param == "fake":
        fake = FakePersist(SystemClock())
        yield Store(
            rounds=fake,
            prices=fake,
            tickets=fake,
            tracks=fake,
            leases=fake,
            account_id=uuid7(),
            till_id=uuid7(),
            claims=fake.claims,
        )
        return
    async with _real(await new_database(postgres)) as real:
        yield real


@asynccontextmanager
async def _real(database_url: str) -> AsyncIterator[Store]:
    whole = PersistConfig(server=config(), database_url=database_url)
    async with (
        persist(whole, SystemClock()) as parts,
        serving(*parts.hosted, settings=whole.server, validators=VALIDATORS) as served,
        open_channel(f"127.0.0.1:{served.server.port}", services=PERSIST_SERVICES) as channel,
    ):
        ledger = PersistLedger(channel)
        opening: dict[str, Any] = {"currency": "EUR", "display_name": "", "actor": "test"}
        account = await ledger.create_account(request_id=uuid7(), kind=Account.PLAYER, floor_minor=0, **opening)
        till = await ledger.create_account(request_id=uuid7(), kind=Account.CASHIER, floor_minor=-10_000, **opening)
        await ledger.credit_account(
            request_id=uuid7(), account_id=account.account_id, amount_minor=1_000_000, reason="test", actor="test"
        )
        yield Store(
            rounds=PersistRounds(channel),
            prices=PersistRounds(channel),
            tickets=PersistTickets(channel),
            tracks=PersistTracks(channel),
            leases=PersistLeases(channel),
            account_id=account.account_id,
            till_id=till.account_id,
        )
