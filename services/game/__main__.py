"""game: `python -m services.game`. The only place that builds its parts."""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
from furlong.cache.v1 import topic_service_pb2
from furlong.client.channel import open_channel
from furlong.client.identity import uuid7
from furlong.client.tls import TlsFiles
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
from furlong.persist.v1 import (
    lease_service_pb2,
    ledger_service_pb2,
    round_store_service_pb2,
    ticket_store_service_pb2,
    track_store_service_pb2,
)
from opentelemetry.metrics import get_meter

from services.chassis import telemetry_names as names
from services.chassis.addresses import target
from services.chassis.chance import Chance, SystemChance
from services.chassis.clock import Clock, SystemClock
from services.chassis.hosted import Hosted
from services.chassis.launch import launch
from services.chassis.server import serve
from services.chassis.service_token import ServiceToken
from services.chassis.tls import open_files, towards
from services.game.adapters.bls import is_key
from services.game.adapters.drand import DrandBeacon
from services.game.adapters.persist.leases import PersistLeases
from services.game.adapters.persist.ledger import PersistLedger
from services.game.adapters.persist.rounds import PersistRounds
from services.game.adapters.persist.tickets import PersistTickets
from services.game.adapters.persist.tracks import PersistTracks
from services.game.adapters.seal import AesGcmSeal, read_keys
from services.game.adapters.topics import CacheTopics
from services.game.config import GameConfig
from services.game.domain.quote import quote_key
from services.game.engine.beacons import NO_BEACONS, Beacons, chains_of
from services.game.engine.broadcast.hub import Hub
from services.game.engine.broadcast.relay import Relay
from services.game.engine.desk import Desk
from services.game.engine.offers import Offers
from services.game.engine.price_board import PriceBoard
from services.game.engine.quotes import Quotes
from services.game.engine.tracks import Tracks
from services.game.service import tickets as ticket_service
from services.game.service.accounts import AccountService
from services.game.service.frames import encode, encode_own
from services.game.service.rounds import RAW_STREAMS, RoundService
from services.game.service.tickets import TicketService
from services.game.service.tracks import TrackService
from services.game.service.validators import VALIDATORS

NAME = "game"
CALLERS = frozenset(("gateway",))
"""The parts that may call game, where parts speak TLS."""
PERSIST, CACHE = "persist", "cache"
"""The parts that game calls."""

PERSIST_SERVICES = (
    round_store_service_pb2.DESCRIPTOR.services_by_name["RoundStoreService"],
    ticket_store_service_pb2.DESCRIPTOR.services_by_name["TicketStoreService"],
    track_store_service_pb2.DESCRIPTOR.services_by_name["TrackStoreService"],
    ledger_service_pb2.DESCRIPTOR.services_by_name["LedgerService"],
    lease_service_pb2.DESCRIPTOR.services_by_name["LeaseService"],
)
CACHE_SERVICES = (topic_service_pb2.DESCRIPTOR.services_by_name["TopicService"],)


@dataclass(frozen=True, slots=True, kw_only=True)
class Game:
    """game put together and at work: what a server hosts, how it tells its health and how it goes away."""

    hosted: Sequence[Hosted]
    liveness: Callable[[], bool]
    readiness: Callable[[], bool]
    on_drain: Callable[[], Awaitable[None]]


@asynccontextmanager
async def game(config: GameConfig, clock: Clock, chance: Chance) -> AsyncIterator[Game]:
    """Put game together, looking after its tracks, and take it apart again."""
    seed_keys = read_keys(config.seed_key_file)
    seal = AesGcmSeal(seed_keys, chance)
    token = ServiceToken(Path(config.service_token_file) if config.service_token_file else None, clock)
    files = open_files(config.server.tls)
    channel = open_channel(
        target(config.persist_address),
        services=PERSIST_SERVICES,
        token=token,
        health_check=True,
        tls=towards(PERSIST, files),
    )
    cache = _cache(config.cache_address, token, files)
    name = uuid7()
    relay = Relay(topics=CacheTopics(cache, clock), clock=clock, game=name) if cache is not None else None
    rounds = PersistRounds(channel)
    tickets = PersistTickets(channel)
    track_store = PersistTracks(channel)
    ledger = PersistLedger(channel)
    leases = PersistLeases(channel)
    hub = Hub(
        rounds=rounds,
        tracks=track_store,
        tickets=tickets,
        clock=clock,
        encode=encode,
        encode_own=encode_own,
        game=name,
        mailbox_frames_max=config.mailbox_frames_max,
        relay=relay,
    )
    names.WATCHERS.gauge(get_meter(NAME), hub.observe_watchers)
    beacons = _beacons(config)
    offers = Offers(rounds)
    quotes = Quotes(
        offers=offers, clock=clock, keys=[quote_key(key) for key in seed_keys], hold_ms=config.quote_hold_ms
    )
    desk = Desk(
        store=tickets,
        offers=offers,
        quotes=quotes,
        hub=hub,
        clock=clock,
        queue_tickets_max=config.coalesce_queue_max,
    )
    board = PriceBoard(rounds=rounds, offers=offers, hub=hub)
    tracks = Tracks(
        holder=name,
        lease_ttl_ms=config.lease_ttl_ms,
        sweep_ms=config.track_sweep_ms,
        tracks=track_store,
        leases=leases,
        rounds=rounds,
        seal=seal,
        hub=hub,
        clock=clock,
        chance=chance,
        seed_chain_length=config.seed_chain_length,
        beacons=beacons,
    )

    async def go_away() -> None:
        await tracks.close()
        hub.drain()

    if relay is not None:
        relay.start()
    tracks.start()
    try:
        yield Game(
            hosted=_hosted(
                rounds=RoundService(rounds=rounds, hub=hub, beacons=chains_of(beacons)),
                tickets=TicketService(desk=desk, quotes=quotes, tickets=tickets),
                accounts=AccountService(ledger=ledger),
                tracks=TrackService(
                    store=track_store,
                    rounds=rounds,
                    board=board,
                    tracks=tracks,
                    hub=hub,
                    beacons=beacons,
                ),
            ),
            liveness=lambda: tracks.is_alive,
            readiness=lambda: tracks.is_ready,
            on_drain=go_away,
        )
    finally:
        await tracks.close()
        await hub.close()
        if relay is not None:
            await relay.close()
        if cache is not None:
            await cache.close()
        await channel.close()


def _beacons(config: GameConfig) -> Beacons:
    """The beacon that is configured, if there is one. A key that is none ends the process."""
    if not config.beacon_urls:
        return NO_BEACONS
    chain = config.beacon_chain
    if not is_key(bytes.fromhex(chain.public_key)):
        sys.exit("BEACON_PUBLIC_KEY is no point of G2 of BLS12-381")
    return Beacons(by_name={chain.name: DrandBeacon(chain, config.beacon_mirrors)}, wait_ms=config.beacon_wait_ms)


def _cache(addresses: str, token: ServiceToken, files: TlsFiles | None) -> grpc.aio.Channel | None:
    """Open the channel to the cache, if there is one."""
    if not addresses:
        return None
    return open_channel(
        target(addresses), services=CACHE_SERVICES, token=token, health_check=True, tls=towards(CACHE, files)
    )


def _hosted(
    *, rounds: RoundService, tickets: TicketService, accounts: AccountService, tracks: TrackService
) -> Sequence[Hosted]:
    return (
        Hosted(
            add=round_service_pb2_grpc.add_RoundServiceServicer_to_server,
            servicer=rounds,
            descriptor=round_service_pb2.DESCRIPTOR.services_by_name["RoundService"],
            raw_streams=RAW_STREAMS,
        ),
        Hosted(
            add=ticket_service_pb2_grpc.add_TicketServiceServicer_to_server,
            servicer=tickets,
            descriptor=ticket_service_pb2.DESCRIPTOR.services_by_name["TicketService"],
            dialogues=ticket_service.DIALOGUES,
        ),
        Hosted(
            add=account_service_pb2_grpc.add_AccountServiceServicer_to_server,
            servicer=accounts,
            descriptor=account_service_pb2.DESCRIPTOR.services_by_name["AccountService"],
        ),
        Hosted(
            add=track_service_pb2_grpc.add_TrackServiceServicer_to_server,
            servicer=tracks,
            descriptor=track_service_pb2.DESCRIPTOR.services_by_name["TrackService"],
        ),
    )


async def run(config: GameConfig) -> None:
    """Serve until told to end."""
    clock = SystemClock()
    async with game(config, clock, SystemChance()) as parts:
        await serve(
            name=NAME,
            config=config.server,
            hosted=parts.hosted,
            validators=VALIDATORS,
            liveness=parts.liveness,
            readiness=parts.readiness,
            on_drain=parts.on_drain,
            clock=clock,
            callers=CALLERS,
        )


if __name__ == "__main__":
    launch(NAME, GameConfig, run)
