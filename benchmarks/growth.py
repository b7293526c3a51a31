"""Whether history costs anything: placing and settling with ten million old tickets stored, over an empty store.

    python -m benchmarks.growth [--quick]

Two databases lie side by side in one PostgreSQL server, each with a stack of its own; one is filled with the rows of
old rounds, in partitions made as persist makes them. The same is then done to both in turns, and compared pair by pair:

p99_growth     p99 of a call of 10 tickets through game's public gRPC, 1,000 tickets a second
settle_growth  of a round of 20,000 tickets, from FINISHED durable to SETTLED durable, as game's keeper does it

A ticket that clients were told of and that is not stored, or the other way round, ends the run without figures.
"""

import argparse
import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from furlong.client import connect
from furlong.common.v1.round_pb2 import Timetable

from benchmarks import history, load
from benchmarks.load import Load
from benchmarks.report import Figure, Spread, last_line, p99, progress, ratios, table
from benchmarks.scratch import scratch_folder
from benchmarks.stage import open_track, runner_numbers
from deploy.local.postgres import PostgresServer
from deploy.local.programs import StackSettings
from deploy.local.stack import LocalStack
from services.persist.migrate import migrate

BENCHMARK = "growth"
OLD_TICKETS = 10_000_000
OLD_TICKETS_QUICK = 200_000
EMPTY, GROWN = "furlong_empty", "furlong_grown"

PLACING_TRACK = "benchmark-placing"
PLACING_TIMETABLE = Timetable(betting_window_ms=86_400_000, lock_ms=1_000, race_ms=1_000, finish_ms=1_000)
CALL_TICKETS = 10
CALLS_PER_S = 100.0
CALLERS = 32

SETTLED_TICKETS = 20_000
SETTLING_TIMETABLE = Timetable(betting_window_ms=6_000, lock_ms=200, race_ms=200, finish_ms=600_000)
"""No second round opens on the track, and the settlement does not wait for the end of this one."""
SETTLED_TIMEOUT_S = 60.0
POLL_S = 0.1

SETTLED_AFTER_MS = """
SELECT (1000 * extract(epoch FROM settled.made_at - finished.made_at))::float8
FROM transitions AS finished JOIN transitions AS settled USING (round_id)
WHERE round_id = $1 AND finished.phase = 4 AND settled.phase = 5
"""


class StoredDiffers(RuntimeError):
    """Clients were told of tickets that are not stored, or tickets are stored that nobody was told of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much history there is, and how often and how long to measure."""

    old_tickets: int
    seconds: float
    warmup_s: float
    placings: int
    settlements: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two databases, with its stack."""

    name: str
    stack: LocalStack
    database_url: str
    players: tuple[str, ...]


def main() -> None:
    """Measure, print the table and the line of JSON."""
    extent = _extent()
    with scratch_folder() as scratch, ExitStack() as ends:
        folder = Path(scratch)
        server = PostgresServer(folder / "postgres")
        server.start()
        ends.callback(server.kill)  # nobody needs what is in it
        asyncio.run(_make_databases(server))
        players = {name: asyncio.run(history.open_players(server.url_of(name))) for name in (EMPTY, GROWN)}
        progress(f"writing {extent.old_tickets:,} old tickets")
        asyncio.run(history.write(server.url_of(GROWN), extent.old_tickets))
        sides = []
        for name in (EMPTY, GROWN):
            url = server.url_of(name)
            stack = LocalStack(StackSettings(data_dir=folder / name, database_url=url), say=progress)
            ends.callback(stack.stop)
            stack.start()
            sides.append(Side(name=name, stack=stack, database_url=url, players=tuple(players[name])))
        figures = [*asyncio.run(_placing(sides, extent)), *asyncio.run(_settling(sides, extent))]
    print(table(BENCHMARK, figures))
    print(last_line(BENCHMARK, figures))


def _extent() -> Extent:
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{BENCHMARK}", description="Measure what history costs."
    )
    parser.add_argument("--quick", action="store_true", help=f"a glance: {OLD_TICKETS_QUICK:,} old tickets, two pairs")
    if parser.parse_args().quick:
        return Extent(old_tickets=OLD_TICKETS_QUICK, seconds=4.0, warmup_s=1.0, placings=2, settlements=2)
    return Extent(old_tickets=OLD_TICKETS, seconds=10.0, warmup_s=1.0, placings=5, settlements=5)


async def _make_databases(server: PostgresServer) -> None:
    connection = await asyncpg.connect(server.url)
    try:
        for name in (EMPTY, GROWN):
            await connection.execute(f"CREATE DATABASE {name}")
    finally:
        await connection.close()
    for name in (EMPTY, GROWN):
        await migrate(server.url_of(name), "head")


async def _placing(sides: Sequence[Side], extent: Extent) -> list[Figure]:
    """Place at the same moderate pace on both sides, in turns."""
    loads = {side.name: await _load(side, extent) for side in sides}
    told = dict.fromkeys(loads, 0)
    p99_ms: dict[str, list[float]] = {name: [] for name in loads}
    for number in range(extent.placings):
        for side in _in_turns(sides, number):
            tally = await load.run(loads[side.name])
            if tally.errors or tally.refusals:
                raise StoredDiffers(f"{side.name}: {tally.errors}, {tally.refusals}")
            told[side.name] += tally.accepted_in_all
            p99_ms[side.name].append(p99(tally.latencies_ms))
            progress(f"  placing, {side.name}: {tally.accepted_per_s:,.0f}/s, p99 {p99_ms[side.name][-1]:.1f} ms")
    for side in sides:
        await _compare(side, loads[side.name].round_id, told[side.name])
    return [
        _figure("p99 of a call, empty store", p99_ms[EMPTY], unit="ms"),
        _figure(f"  with {extent.old_tickets:,} old tickets", p99_ms[GROWN], unit="ms"),
        _figure("  ratio", ratios(p99_ms[GROWN], p99_ms[EMPTY]), key="p99_growth"),
    ]


async def _load(side: Side, extent: Extent) -> Load:
    async with connect(side.stack.addresses.game, token=_operator(side)) as furlong:
        race = await open_track(furlong, PLACING_TRACK, PLACING_TIMETABLE)
    return Load(
        target=side.stack.addresses.game,
        token=side.stack.token(roles=["CASHIER"], accounts=["*"]),
        round_id=race.round_id,
        runners=runner_numbers(race),
        accounts=side.players,
        tickets_per_call=CALL_TICKETS,
        calls_in_flight=CALLERS,
        calls_per_s=CALLS_PER_S,
        warmup_s=extent.warmup_s,
        seconds=extent.seconds,
    )


async def _compare(side: Side, round_id: int, told: int) -> None:
    connection = await asyncpg.connect(side.database_url)
    try:
        stored: int = await connection.fetchval("SELECT count(*) FROM tickets WHERE round_id = $1", round_id)
    finally:
        await connection.close()
    if stored != told:
        raise StoredDiffers(f"{side.name}: {told} accepted, {stored} stored")


async def _settling(sides: Sequence[Side], extent: Extent) -> list[Figure]:
    """Have rounds settled that are sold alike on both sides, in turns."""
    ms: dict[str, list[float]] = {side.name: [] for side in sides}
    for number in range(extent.settlements):
        for side in _in_turns(sides, number):
            ms[side.name].append(await _settle(side, f"benchmark-settling-{number + 1}"))
            progress(f"  settling {SETTLED_TICKETS:,} tickets, {side.name}: {ms[side.name][-1]:,.0f} ms")
    return [
        _figure(f"settling {SETTLED_TICKETS:,} tickets, empty store", ms[EMPTY], unit="ms"),
        _figure(f"  with {extent.old_tickets:,} old tickets", ms[GROWN], unit="ms"),
        _figure("  ratio", ratios(ms[GROWN], ms[EMPTY]), key="settle_growth"),
    ]


async def _settle(side: Side, track: str) -> float:
    """Open a round on a new track, sell it out behind game's back, and wait until it is settled; how long that took."""
    async with connect(side.stack.addresses.game, token=_operator(side)) as furlong:
        race = await open_track(furlong, track, SETTLING_TIMETABLE)
    await history.sell(side.database_url, race.round_id, SETTLED_TICKETS)
    connection = await asyncpg.connect(side.database_url)
    try:
        async with asyncio.timeout(SETTLED_TIMEOUT_S):
            while (  # noqa: ASYNC110 - a database announces nothing
                after_ms := await connection.fetchval(SETTLED_AFTER_MS, race.round_id)
            ) is None:
                await asyncio.sleep(POLL_S)
        return float(after_ms)
    finally:
        await connection.close()


def _operator(side: Side) -> str:
    return side.stack.token(roles=["OPERATOR", "CASHIER"], accounts=["*"])


def _in_turns(sides: Sequence[Side], number: int) -> Sequence[Side]:
    """Forward, backward, forward: what drifts during a run falls on both alike."""
    return sides if number % 2 == 0 else sides[::-1]


def _figure(title: str, values: Sequence[float], *, unit: str = "", key: str = "") -> Figure:
    return Figure(title=title, unit=unit, key=key, spread=Spread.of(values))


if __name__ == "__main__":
    main()
