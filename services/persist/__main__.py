"""persist: `python -m services.persist`. The only place that builds its parts."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import asyncpg
from furlong.cache.v1 import cache_service_pb2
from furlong.client.channel import open_channel
from furlong.persist.v1 import (
    lease_service_pb2,
    lease_service_pb2_grpc,
    ledger_service_pb2,
    ledger_service_pb2_grpc,
    round_store_service_pb2,
    round_store_service_pb2_grpc,
    ticket_store_service_pb2,
    ticket_store_service_pb2_grpc,
    track_store_service_pb2,
    track_store_service_pb2_grpc,
)

from services.chassis.addresses import target
from services.chassis.clock import Clock, SystemClock
from services.chassis.crash_points import arm
from services.chassis.hosted import Hosted
from services.chassis.launch import launch
from services.chassis.refusal import Refusal
from services.chassis.server import serve
from services.chassis.service_token import ServiceToken
from services.chassis.tls import open_files, towards
from services.persist.adapters.cache import ServiceCache
from services.persist.adapters.postgres.accounts import PostgresLedger
from services.persist.adapters.postgres.database import Database, DatabaseSettings
from services.persist.adapters.postgres.durability import warn_of_unsafe_settings
from services.persist.adapters.postgres.expiring import PostgresPrizes
from services.persist.adapters.postgres.fence import PostgresLeases
from services.persist.adapters.postgres.identity import identity
from services.persist.adapters.postgres.partitions import PostgresPartitions
from services.persist.adapters.postgres.placing import LaneStore
from services.persist.adapters.postgres.posting import PostgresPosting
from services.persist.adapters.postgres.proving import PostgresProofs
from services.persist.adapters.postgres.round_rows import PostgresRoundReads
from services.persist.adapters.postgres.seed_chains import PostgresSeedChains
from services.persist.adapters.postgres.statements import PostgresLedgerReads
from services.persist.adapters.postgres.ticket_desk import PostgresTicketDesk
from services.persist.adapters.postgres.tickets import PostgresTickets
from services.persist.adapters.postgres.tracks import PostgresTracks
from services.persist.adapters.postgres.transitions import PostgresRounds
from services.persist.config import PersistConfig
from services.persist.crash_points import POINTS
from services.persist.duty import INTERVAL_MS, Duty
from services.persist.engine import TicketWriter
from services.persist.expiry import expire
from services.persist.hot_reads import HotReads
from services.persist.pulse import Pulse
from services.persist.service import rounds as round_service
from services.persist.service import tickets as ticket_service
from services.persist.service import tracks as track_service
from services.persist.service.leases import LeaseDesk
from services.persist.service.ledger import LedgerBook
from services.persist.service.render import FORM, stored_round_bytes
from services.persist.service.rounds import RoundStore
from services.persist.service.tickets import TicketStore
from services.persist.service.tracks import TrackStore
from services.persist.service.validators import VALIDATORS

NAME = "persist"
CALLERS = frozenset(("game",))
"""The parts that may call persist, where parts speak TLS."""
CACHE = "cache"
"""The part that persist calls."""

NOT_MIGRATED = (
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedFunctionError,
    asyncpg.UndefinedObjectError,  # the roles
    asyncpg.InvalidParameterValueError,  # a role that is not there, named as a connection is made
)

PARTITIONS_RETRY_MS: Final = 60_000
"""How soon partitions are tried again that could not be made; days are made two ahead."""

CACHE_SERVICES = (cache_service_pb2.DESCRIPTOR.services_by_name["CacheService"],)


@dataclass(frozen=True, slots=True, kw_only=True)
class Persist:
    """persist put together and at work: what a server hosts, and how it tells its health."""

    hosted: Sequence[Hosted]
    liveness: Callable[[], bool]
    readiness: Callable[[], bool]


@asynccontextmanager
async def persist(config: PersistConfig, clock: Clock) -> AsyncIterator[Persist]:
    """Put persist together, connected to its database, and take it apart again."""
    settings = DatabaseSettings(
        url=config.database_url,
        writer_role=config.db_writer_role,
        reader_role=config.db_reader_role,
        reads_min=config.db_pool_min,
        reads_max=config.db_pool_max,
        general_max=config.db_general_max,
        transitions_max=config.db_transitions_max,
        leases_max=config.db_leases_max,
        acquire_timeout_ms=config.db_acquire_timeout_ms,
        connection_timeout_ms=config.db_connection_timeout_ms,
        idle_timeout_ms=config.db_idle_timeout_ms,
        statement_timeout_ms=config.db_statement_timeout_ms,
        transition_timeout_ms=config.db_transition_timeout_ms,
        command_timeout_ms=config.db_command_timeout_ms,
        lock_timeout_ms=config.db_lock_timeout_ms,
        statement_cache=config.db_statement_cache,
    )
    database = Database.at(settings)
    lanes = [LaneStore(settings) for _ in range(config.writer_lanes)]
    writer = TicketWriter(
        stores=lanes, queue_max=config.writer_queue_max, batch_max=config.writer_batch_max, clock=clock
    )
    pulse = Pulse(database.answers)
    partitions = PostgresPartitions(database.transitions)
    making = Duty("partitions", partitions.make, clock, retry_ms=PARTITIONS_RETRY_MS)
    prizes = PostgresPrizes(database.general)
    expiring = Duty("expiry", partial(expire, prizes, config.prize_claim_days), clock, retry_ms=INTERVAL_MS)
    await database.open()
    try:
        await warn_of_unsafe_settings(database.reads)
        await partitions.make()  # before the first ticket comes
        await asyncio.gather(*(lane.open() for lane in lanes))
        writer.start()
        pulse.start()
        making.start()
        expiring.start()
        async with _hot_reads(config, database, clock) as hot:
            yield Persist(
                hosted=_hosted(database, writer, hot, on_open=making.wake),
                liveness=writer.alive,
                readiness=lambda: writer.alive() and pulse.beats(),
            )
    finally:
        await asyncio.gather(expiring.close(), making.close(), pulse.close())
        await writer.close()
        await asyncio.gather(*(lane.close() for lane in lanes))
        await database.close()


@asynccontextmanager
async def _hot_reads(config: PersistConfig, database: Database, clock: Clock) -> AsyncIterator[HotReads]:
    """Hot reads through the cache, if there is one; it need not be there yet."""
    if not config.cache_address:
        yield HotReads(None)
        return
    name = await identity(database.reads)
    token = ServiceToken(Path(config.service_token_file) if config.service_token_file else None, clock)
    channel = open_channel(
        target(config.cache_address),
        services=CACHE_SERVICES,
        token=token,
        health_check=True,
        tls=towards(CACHE, open_files(config.server.tls)),
    )
    cache = ServiceCache(channel, database=name, form=FORM)
    hot = HotReads(cache)
    try:
        yield hot
    finally:
        await hot.close()
        await cache.close()
        await channel.close()


def _hosted(
    database: Database, writer: TicketWriter, hot: HotReads, *, on_open: Callable[[], None]
) -> Sequence[Hosted]:
    tickets = TicketStore(
        writer=writer,
        tickets=PostgresTickets(database.reads),
        proofs=PostgresProofs(database.reads),
        desk=PostgresTicketDesk(database.general),
    )
    rounds = RoundStore(
        rounds=PostgresRounds(database.transitions, stored_round_bytes),
        posting=PostgresPosting(database.transitions, stored_round_bytes, writer.is_placing),
        reads=PostgresRoundReads(database.reads),
        hot=hot,
        on_open=on_open,
    )
    return (
        Hosted(
            add=ticket_store_service_pb2_grpc.add_TicketStoreServiceServicer_to_server,
            servicer=tickets,
            descriptor=ticket_store_service_pb2.DESCRIPTOR.services_by_name["TicketStoreService"],
            dialogues=ticket_service.DIALOGUES,
        ),
        Hosted(
            add=round_store_service_pb2_grpc.add_RoundStoreServiceServicer_to_server,
            servicer=rounds,
            descriptor=round_store_service_pb2.DESCRIPTOR.services_by_name["RoundStoreService"],
            raw_answers=round_service.RAW_ANSWERS,
        ),
        Hosted(
            add=track_store_service_pb2_grpc.add_TrackStoreServiceServicer_to_server,
            servicer=TrackStore(
                tracks=PostgresTracks(database.general), seed_chains=PostgresSeedChains(database.transitions), hot=hot
            ),
            descriptor=track_store_service_pb2.DESCRIPTOR.services_by_name["TrackStoreService"],
            raw_answers=track_service.RAW_ANSWERS,
        ),
        Hosted(
            add=ledger_service_pb2_grpc.add_LedgerServiceServicer_to_server,
            servicer=LedgerBook(
                ledger=PostgresLedger(database.general),
                reads=PostgresLedgerReads(database.reads, database.transitions),
            ),
            descriptor=ledger_service_pb2.DESCRIPTOR.services_by_name["LedgerService"],
        ),
        Hosted(
            add=lease_service_pb2_grpc.add_LeaseServiceServicer_to_server,
            servicer=LeaseDesk(leases=PostgresLeases(database.leases)),
            descriptor=lease_service_pb2.DESCRIPTOR.services_by_name["LeaseService"],
        ),
    )


async def run(config: PersistConfig) -> None:
    """Serve until told to end. Without a database to begin with, the process ends and says so."""
    clock = SystemClock()
    arm(config.crash.planned(POINTS))
    async with AsyncExitStack() as stack:
        try:
            parts = await stack.enter_async_context(persist(config, clock))
        except NOT_MIGRATED as error:
            sys.exit(f"the database has not been migrated ({error}): run python -m services.persist.migrate up")
        except asyncpg.InsufficientPrivilegeError as error:
            sys.exit(
                f"the user of DATABASE_URL may not do what persist does ({error}): an administrator grants it "
                f"DB_WRITER_ROLE and DB_READER_ROLE, {config.db_writer_role!r} and {config.db_reader_role!r}"
            )
        except (OSError, TimeoutError, asyncpg.PostgresError) as error:
            sys.exit(f"the database of DATABASE_URL does not answer: {error!r}")
        except Refusal as refusal:  # it answered first, and then did not do what has to be done before any ticket comes
            sys.exit(f"persist cannot begin: {refusal.message}: {refusal.__cause__!r}")
        await serve(
            name=NAME,
            config=config.server,
            hosted=parts.hosted,
            validators=VALIDATORS,
            liveness=parts.liveness,
            readiness=parts.readiness,
            on_drain=_nothing_to_end,
            clock=clock,
            callers=CALLERS,
        )


async def _nothing_to_end() -> None:
    """Streams end by themselves, and leases expire by themselves or are given back by their holders."""


if __name__ == "__main__":
    launch(NAME, PersistConfig, run)
