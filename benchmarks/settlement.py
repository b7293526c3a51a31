"""How long settling takes, and what placing elsewhere feels of it.

    python -m benchmarks.settlement [--tickets N] [--quick]

Rounds of a track that nobody else leads are sold out by plain SQL, with the rows that placing leaves, and settled
through persist's gRPC, decision and posting, as game does. One ticket in five wins.

tickets           of the round                             seconds         from the decision to the last chunk
ratio             of the time that a bare set-based insert of the same rows takes, by asyncpg, to ours
per_row_speedup   to one statement a ticket, measured on a sample of tickets
place_p99_growth  of a steady load that the same accounts place through game on another track, while a round is settled,
                  over the same load before and after it; several rounds, for a p99 of seconds moves by itself

After each settlement the books are looked at: where the balances do not add up to zero or the escrow is not empty, the
run ends with `BooksDiffer` and no figures.
"""

import argparse
import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import asyncpg
import grpc
from furlong.client import connect, uuid7
from furlong.client.channel import open_channel
from furlong.common.v1.round_pb2 import Limits, RaceCard, Round, Runner, Timetable, Track
from furlong.common.v1.ticket_pb2 import Line
from furlong.persist.v1 import lease_service_pb2, round_store_service_pb2, track_store_service_pb2
from furlong.persist.v1.lease_service_pb2_grpc import LeaseServiceStub
from furlong.persist.v1.round_store_service_pb2_grpc import RoundStoreServiceStub
from furlong.persist.v1.track_store_service_pb2_grpc import TrackStoreServiceStub

from benchmarks import filling, steady
from benchmarks.limits import rows, settled
from benchmarks.report import Figure, Spread, last_line, p99, progress, table
from benchmarks.scratch import scratch_folder
from benchmarks.stage import CURRENCY, RUNNERS, open_track, runner_numbers
from deploy.local.programs import StackSettings
from deploy.local.stack import LocalStack

BENCHMARK = "settlement"
TICKETS_DEFAULT = 1_000_000
TICKETS_QUICK = 100_000
TICKETS_PER_ACCOUNT = 10
SAMPLE_TICKETS = 5_000
SETTLED_TRACK = "benchmark-settled"
PLACING_TRACK = "benchmark-beside"
LONG_TIMETABLE = Timetable(betting_window_ms=86_400_000, lock_ms=1_000, race_ms=1_000, finish_ms=1_000)
SEED = b"benchmark".ljust(32, b".")
LEASE_MS = 60_000
PLACING_ACCOUNTS = 2_000
CALLS_PER_S = 50.0
TICKETS_PER_CALL = 4
WARMUP_S = 2.0
QUIET_S = 15.0
BESIDE_ROUNDS = 3
SERVICES = tuple(
    service
    for module in (lease_service_pb2, round_store_service_pb2, track_store_service_pb2)
    for service in module.DESCRIPTOR.services_by_name.values()
)

LET_TIME_PASS = """
UPDATE rounds SET opens_at = opens_at - day, locks_at = locks_at - day, starts_at = starts_at - day,
    finishes_at = finishes_at - day, ends_at = ends_at - day
FROM (SELECT interval '2 days' AS day) AS past WHERE round_id = $1
"""

BOOKS = """
SELECT (SELECT sum(balance_minor) FROM accounts)::bigint AS sum_minor, balance_minor AS escrow_minor
FROM rounds JOIN accounts ON account_id = escrow_account_id WHERE round_id = $1
"""


class BooksDiffer(RuntimeError):
    """Money has come out of nothing, or a settled round has kept some."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """A settlement that was made, by the machine's clock."""

    round_id: int
    began_s: float
    ended_s: float

    @property
    def seconds(self) -> float:
        """From the decision's call to the answer that nothing is left to post."""
        return self.ended_s - self.began_s


class Bench:
    """A track under our own lease, whose rounds are sold out at once."""

    def __init__(
        self, channel: grpc.aio.Channel, epoch: int, database: filling.Connection, players: Sequence[str]
    ) -> None:
        self._tracks = TrackStoreServiceStub(channel)
        self._rounds = RoundStoreServiceStub(channel)
        self._database = database
        self._players = list(players)
        self._epoch = epoch

    async def sold_out(self, tickets: int) -> int:
        """A round that is FINISHED with so many tickets; its id."""
        asked = track_store_service_pb2.GetNextRaceCardRequest(track=SETTLED_TRACK)
        card = (await self._tracks.GetNextRaceCard(asked)).card
        request = round_store_service_pb2.OpenRoundRequest(
            request_id=uuid7(),
            track=SETTLED_TRACK,
            epoch=self._epoch,
            card_id=card.card_id,
            race_name=card.name,
            distance_m=card.distance_m,
            runners=_runners(filling.PRICE_HUNDREDTHS),
            timetable=LONG_TIMETABLE,
            limits=Limits(stake_min_minor=1, stake_max_minor=10_000_000),
            return_bps=9_000,
            commitment=sha256(SEED).digest(),
            sealed_seed=b"sealed",
        )
        round_id: int = (await self._rounds.OpenRound(request)).stored.round.round_id
        await filling.sell(self._database, round_id, tickets, self._players, RUNNERS)
        await self._run(round_id)
        return round_id

    async def settle(self, round_id: int) -> Settlement:
        """Settle a round and look at the books."""
        winner = round_store_service_pb2.Winner(
            market=Line.WIN, runners=[filling.WINNING_RUNNER], stake_numerator=1, stake_denominator=1
        )
        request = round_store_service_pb2.SettleRoundRequest(
            request_id=uuid7(), round_id=round_id, epoch=self._epoch, winners=[winner]
        )
        began_s = time.time()
        stored = (await self._rounds.SettleRound(request)).stored
        progress(f"  decided after {time.time() - began_s:.2f} s")
        while stored.posting:
            posting = round_store_service_pb2.PostSettlementRequest(round_id=round_id)
            stored = (await self._rounds.PostSettlement(posting)).stored
        done = Settlement(round_id=round_id, began_s=began_s, ended_s=time.time())
        progress(f"  posted after {done.seconds:.2f} s")
        books = await self._database.fetchrow(BOOKS, round_id)
        if stored.round.phase != Round.SETTLED or books is None or tuple(books) != (0, 0):
            raise BooksDiffer(f"round {round_id}: {books}")
        return done

    async def _run(self, round_id: int) -> None:
        """Bring a round to its finish, whatever the time."""
        await self._database.execute(LET_TIME_PASS, round_id)
        ids = {"round_id": round_id, "epoch": self._epoch}
        order = range(1, RUNNERS + 1)
        await self._rounds.LockRound(round_store_service_pb2.LockRoundRequest(request_id=uuid7(), **ids))
        await self._rounds.StartRace(
            round_store_service_pb2.StartRaceRequest(
                request_id=uuid7(), round_id=round_id, epoch=self._epoch, result=order, server_seed=SEED
            )
        )
        await self._rounds.FinishRound(round_store_service_pb2.FinishRoundRequest(request_id=uuid7(), **ids))


def main() -> None:
    """Measure, print the table and the line of JSON."""
    tickets = _tickets()
    with scratch_folder() as folder:
        stack = LocalStack(StackSettings(data_dir=Path(folder) / "data"), say=progress)
        try:
            stack.start()
            figures = asyncio.run(_measure(stack, tickets))
        finally:
            stack.stop()
    print(table(BENCHMARK, figures))
    print(last_line(BENCHMARK, figures))


def _tickets() -> int:
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{BENCHMARK}", description="Measure settling.")
    parser.add_argument("--tickets", type=int, default=TICKETS_DEFAULT, help="tickets of a round")
    parser.add_argument("--quick", action="store_true", help=f"a glance: {TICKETS_QUICK:,} tickets")
    options = parser.parse_args()
    return TICKETS_QUICK if options.quick else int(options.tickets)


async def _measure(stack: LocalStack, tickets: int) -> list[Figure]:
    async with _bench(stack, tickets // TICKETS_PER_ACCOUNT) as (bench, database, players):
        progress(f"selling {tickets:,} tickets to {len(players):,} accounts")
        alone = await bench.settle(await bench.sold_out(tickets))
        progress("writing the same rows again")
        limit_url = await rows.prepare(stack.addresses.database_url)
        limit_s = await settled.write_again(
            settled.Settled(source_url=stack.addresses.database_url, limit_url=limit_url, round_id=alone.round_id)
        )
        progress(f"settling {SAMPLE_TICKETS:,} tickets one by one")
        sample = await bench.sold_out(SAMPLE_TICKETS)
        per_ticket_s = await settled.settle_one_by_one(database, sample, bytes([filling.WINNING_RUNNER]))
        progress("opening a track to be bet on beside a settlement")
        async with connect(stack.addresses.game, token=stack.token(roles=["OPERATOR"], accounts=["*"])) as furlong:
            race = await open_track(furlong, PLACING_TRACK, LONG_TIMETABLE)
        beside = [await _beside(stack, bench, race, tickets, players, alone.seconds) for _ in range(BESIDE_ROUNDS)]
    return [
        _figure("tickets of the round", [tickets], key="tickets", note=f"{len(players):,} accounts"),
        _figure("decided and posted", [alone.seconds], unit="s", key="seconds"),
        _figure("  limit: the same rows, bare", [limit_s], unit="s", note=", ".join(settled.WRITTEN)),
        _figure("  ratio to the limit", [limit_s / alone.seconds], key="ratio"),
        _figure("  peer: a statement a ticket", [per_ticket_s * tickets], unit="s", note=f"from {SAMPLE_TICKETS:,}"),
        _figure("  speed-up", [per_ticket_s * tickets / alone.seconds], key="per_row_speedup"),
        _figure(
            "placing elsewhere, p99",
            [each.quiet_ms for each in beside],
            unit="ms",
            note=f"{CALLS_PER_S:.0f} calls/s of {TICKETS_PER_CALL}",
        ),
        _figure("  beside a settlement, p99", [each.beside_ms for each in beside], unit="ms"),
        _figure("  growth", [each.beside_ms / each.quiet_ms for each in beside], key="place_p99_growth"),
        _figure("  which took", [each.seconds for each in beside], unit="s"),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """The p99 of placing without and with a settlement beside it, and how long that took."""

    quiet_ms: float
    beside_ms: float
    seconds: float


async def _beside(
    stack: LocalStack, bench: Bench, race: Round, tickets: int, players: Sequence[str], expected_s: float
) -> Beside:
    """Settle a round while the same accounts bet on another track."""
    progress(f"selling {tickets:,} tickets, to be settled beside a track that is bet on")
    round_id = await bench.sold_out(tickets)
    pace = steady.Pace(
        target=stack.addresses.game,
        token=stack.token(roles=["CASHIER"], accounts=["*"]),
        round_id=race.round_id,
        runners=runner_numbers(race),
        accounts=tuple(players[:: max(len(players) // PLACING_ACCOUNTS, 1)]),
        tickets_per_call=TICKETS_PER_CALL,
        calls_per_s=CALLS_PER_S,
        seconds=WARMUP_S + 2 * QUIET_S + 2 * expected_s,
    )
    progress("placing at a steady pace")
    placing = asyncio.create_task(steady.run(pace))
    await asyncio.sleep(WARMUP_S + QUIET_S)
    busy = await bench.settle(round_id)
    calls = await placing
    quiet, beside = split(calls, busy)
    return Beside(quiet_ms=p99(quiet), beside_ms=p99(beside), seconds=busy.seconds)


def split(calls: Sequence[steady.Call], busy: Settlement) -> tuple[list[float], list[float]]:
    """How long the calls took that began without a settlement, and beside it; the first seconds do not count."""
    warm_s = calls[0].began_s + WARMUP_S
    quiet: list[float] = []
    beside: list[float] = []
    for call in calls:
        if call.began_s >= warm_s:
            (beside if busy.began_s <= call.began_s < busy.ended_s else quiet).append(call.took_ms)
    return quiet, beside


@asynccontextmanager
async def _bench(stack: LocalStack, accounts: int) -> AsyncIterator[tuple[Bench, filling.Connection, list[str]]]:
    token = stack.token(roles=["SERVICE"], accounts=[])
    address = stack.addresses.persist.split(",")[0]
    database = await asyncpg.connect(stack.addresses.database_url)
    try:
        async with open_channel(address, services=SERVICES, token=lambda: token) as channel:
            epoch = await _found(channel)
            leading = asyncio.create_task(_keep_leading(channel))
            try:
                players = await filling.open_players(database, accounts, CURRENCY)
                yield Bench(channel, epoch, database, players), database, players
            finally:
                leading.cancel()
                await asyncio.gather(leading, return_exceptions=True)
    finally:
        await database.close()


async def _found(channel: grpc.aio.Channel) -> int:
    """Make the track and lead it, before game does; the epoch."""
    tracks: Any = TrackStoreServiceStub(channel)
    track = Track(
        track=SETTLED_TRACK,
        display_name=SETTLED_TRACK,
        currency=CURRENCY,
        timetable=LONG_TIMETABLE,
        limits=Limits(stake_min_minor=1, stake_max_minor=10_000_000),
        return_bps=9_000,
    )
    await tracks.CreateTrack(track_store_service_pb2.CreateTrackRequest(request_id=uuid7(), track=track))
    epoch = await _lead(channel)
    card = RaceCard(name="Benchmark Stakes", distance_m=1_600, runners=_runners())
    await tracks.PutRaceCards(
        track_store_service_pb2.PutRaceCardsRequest(request_id=uuid7(), track=SETTLED_TRACK, cards=[card])
    )
    return epoch


async def _keep_leading(channel: grpc.aio.Channel) -> None:
    """Renew the lease until cancelled: selling a million tickets takes longer than a lease lasts."""
    while True:
        await asyncio.sleep(LEASE_MS / 4_000)
        await _lead(channel)


async def _lead(channel: grpc.aio.Channel) -> int:
    """Take or renew the lease of the track; its epoch."""
    leases: Any = LeaseServiceStub(channel)
    request = lease_service_pb2.AcquireLeaseRequest(
        request_id=uuid7(), track=SETTLED_TRACK, holder=BENCHMARK, ttl_ms=LEASE_MS
    )
    return int((await leases.AcquireLease(request)).epoch)


def _runners(price_hundredths: int = 0) -> list[Runner]:
    return [
        Runner(runner=number, name=f"Runner {number}", weight=1, win_price_hundredths=price_hundredths)
        for number in range(1, RUNNERS + 1)
    ]


def _figure(title: str, values: Sequence[float], *, unit: str = "", key: str = "", note: str = "") -> Figure:
    return Figure(title=title, unit=unit, key=key, note=note, spread=Spread.of(values))


if __name__ == "__main__":
    main()
