"""How many tickets a second, how soon, and how sharp the lock is.

    python -m benchmarks.tickets [--seconds N] [--quick]

Everything goes through game's public gRPC with authentication on, one WIN line a ticket, the load generator in its own
process on the same machine. Ours and its limit are measured in turns, several times, and compared pair by pair:

unary_per_s     one ticket a call                  unary_ratio    to a bare grpc.aio echo of the same message
batch_per_s     50 tickets a call, without a break batch_ratio    to the same rows, bare asyncpg, batches of 200
gateway_ratio   unary through the gateway to unary straight to game
p99_ms          of a call of 50 tickets, in the run without a break
lock_ms         under full load, from locks_at until a watcher saw the round LOCKED, which is durable by then
late_accepted   tickets placed at or after the lock on the database's clock, or stored after the lock was durable

Clients are never told more than is stored: where both disagree, the run ends with `StoredDiffers` and no figures.
"""

import argparse
import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import asyncpg
from furlong.client import Furlong, connect
from furlong.common.v1.round_pb2 import Round, Timetable

from benchmarks import load
from benchmarks.apart import serve_apart
from benchmarks.budget import Budget, peak_mib
from benchmarks.limits import rows
from benchmarks.load import Load, Tally
from benchmarks.report import Figure, Spread, last_line, p99, progress, ratios, table
from benchmarks.scratch import scratch_folder
from benchmarks.stage import open_accounts, open_track, runner_numbers, watch_until
from deploy.local.programs import StackSettings
from deploy.local.stack import LocalStack

BENCHMARK = "tickets"
ACCOUNTS = 1_000
UNARY_CALLS_IN_FLIGHT = 128
BATCH_CALLS_IN_FLIGHT = 16
BATCH_TICKETS = 50
SECONDS_DEFAULT = 10.0
SUSTAINED_S = 60.0
PLACING_TRACK = "benchmark-placing"
LONG_TIMETABLE = Timetable(betting_window_ms=86_400_000, lock_ms=1_000, race_ms=1_000, finish_ms=1_000)
LOCK_TRACK = "benchmark-lock"
LOCK_TIMETABLE = Timetable(betting_window_ms=8_000, lock_ms=1_000, race_ms=1_000, finish_ms=4_000)
LOAD_BEFORE_LOCK_S_MIN = 5.0
LOAD_AFTER_LOCK_S = 1.0

Database: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


class StoredDiffers(RuntimeError):
    """Clients were told of tickets that are not stored, or tickets are stored that nobody was told of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How long and how often to measure: `seconds` in turns, `sustained_s` without a break."""

    seconds: float
    sustained_s: float
    warmup_s: float
    rounds: int
    locks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """A lock as a watcher saw it: how long after locks_at, and the tickets that the round had sold by then."""

    after_ms: float
    tickets: int


@dataclass(slots=True, kw_only=True)
class Told:
    """What clients were told about one round."""

    round_id: int
    accepted: int = 0
    unanswered: int = 0

    async def place(self, name: str, order: Load) -> Tally:
        """Put a load on, remember what the clients were told, and say how it went."""
        tally = await load.run(order)
        if not order.echo:
            self.accepted += tally.accepted_in_all
            self.unanswered += tally.unanswered
        rate = tally.calls_per_s if order.echo else tally.accepted_per_s
        others = {**tally.refusals, **tally.errors}
        progress(f"  {name}: {rate:,.0f}/s" + "".join(f"; {times} x {what}" for what, times in others.items()))
        return tally

    async def compare(self, database: Database) -> int:
        """The number of tickets stored. Raises `StoredDiffers`."""
        stored: int = await database.fetchval("SELECT count(*) FROM tickets WHERE round_id = $1", self.round_id)
        if not self.accepted <= stored <= self.accepted + self.unanswered:
            raise StoredDiffers(
                f"round {self.round_id}: {self.accepted} accepted, {self.unanswered} unanswered, {stored} stored"
            )
        return stored


def main() -> None:
    """Measure, print the table and the line of JSON."""
    extent = _extent()
    with scratch_folder() as folder:
        stack = LocalStack(StackSettings(data_dir=Path(folder) / "data"), say=progress)
        try:
            stack.start()
            figures = asyncio.run(_measure(stack, extent))
        finally:
            stack.stop()
    print(table(BENCHMARK, figures))
    print(last_line(BENCHMARK, figures))


def _extent() -> Extent:
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{BENCHMARK}", description="Measure placing and the lock."
    )
    parser.add_argument("--seconds", type=float, default=SECONDS_DEFAULT, help="length of one measurement")
    parser.add_argument("--quick", action="store_true", help="a glance: two rounds of two seconds, one lock")
    options = parser.parse_args()
    if options.quick:
        return Extent(seconds=2.0, sustained_s=4.0, warmup_s=0.5, rounds=2, locks=1)
    return Extent(seconds=options.seconds, sustained_s=SUSTAINED_S, warmup_s=1.5, rounds=3, locks=5)


async def _measure(stack: LocalStack, extent: Extent) -> list[Figure]:
    stage_token = stack.token(roles=["OPERATOR", "CASHIER"], accounts=["*"])
    async with (
        connect(stack.addresses.game, token=stage_token) as furlong,
        _database(stack.addresses.database_url) as database,
    ):
        progress(f"opening {ACCOUNTS} accounts and a track")
        accounts = await open_accounts(furlong, ACCOUNTS)
        race = await open_track(furlong, PLACING_TRACK, LONG_TIMETABLE)
        told = Told(round_id=race.round_id)
        unary = Load(
            target=stack.addresses.game,
            token=stack.token(roles=["CASHIER"], accounts=["*"]),
            round_id=race.round_id,
            runners=runner_numbers(race),
            accounts=accounts,
            tickets_per_call=1,
            calls_in_flight=UNARY_CALLS_IN_FLIGHT,
            warmup_s=extent.warmup_s,
            seconds=extent.seconds,
        )
        batch = replace(unary, tickets_per_call=BATCH_TICKETS, calls_in_flight=BATCH_CALLS_IN_FLIGHT)
        figures = [
            *await _unary(told, unary, stack.addresses.gateway, extent),
            *await _sustained(told, replace(batch, seconds=extent.sustained_s), stack),
            *await _batch(told, batch, stack.addresses.database_url, extent),
        ]
        stored = await told.compare(database)
        progress(f"{stored} tickets stored, as the clients were told")
        return [*figures, *await _locks(furlong, database, batch, extent)]


@asynccontextmanager
async def _database(url: str) -> AsyncIterator[Database]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def _unary(told: Told, direct: Load, gateway: str, extent: Extent) -> list[Figure]:
    """Bare echo, straight to game, through the gateway: one ticket a call."""
    per_s: dict[str, list[float]] = {"echo": [], "direct": [], "gateway": []}
    p99_ms: list[float] = []
    async with serve_apart("benchmarks.limits.echo") as echo:
        loads: Mapping[str, Load] = {
            "echo": replace(direct, target=echo.address, echo=True),
            "direct": direct,
            "gateway": replace(direct, target=gateway),
        }
        for number in range(extent.rounds):
            progress(f"one ticket a call, {number + 1} of {extent.rounds}")
            for name in _in_turns(list(loads), number):
                tally = await told.place(name, loads[name])
                per_s[name].append(tally.calls_per_s if loads[name].echo else tally.accepted_per_s)
                if name == "direct":
                    p99_ms.append(p99(tally.latencies_ms))
    return [
        _figure("one ticket a call", per_s["direct"], unit="tickets/s", key="unary_per_s"),
        _figure("  limit: bare grpc.aio echo", per_s["echo"], unit="calls/s"),
        _figure("  ratio to the limit", ratios(per_s["direct"], per_s["echo"]), key="unary_ratio"),
        _figure("  p99 of a call", p99_ms, unit="ms"),
        _figure("  through the gateway", per_s["gateway"], unit="tickets/s"),
        _figure("  gateway to direct", ratios(per_s["gateway"], per_s["direct"]), key="gateway_ratio"),
    ]


async def _sustained(told: Told, ours: Load, stack: LocalStack) -> list[Figure]:
    """Fifty tickets a call without a break, what each ticket cost whom, and the memory that persist took."""
    progress(f"{BATCH_TICKETS} tickets a call for {ours.seconds:.0f} s")
    before = Budget.of(stack)
    tally = await told.place("ours", ours)
    cost_us = Budget.of(stack).us_per_ticket(before, tally.accepted_in_all)
    cost_us = {**cost_us, "load generator": tally.cpu_s / tally.accepted_in_all * 1e6}
    return [
        _figure(f"{BATCH_TICKETS} tickets a call", [tally.accepted_per_s], unit="tickets/s", key="batch_per_s"),
        _figure("  p99 of a call", [p99(tally.latencies_ms)], unit="ms", key="p99_ms"),
        *[_figure(f"  CPU per ticket: {name}", [us], unit="us") for name, us in cost_us.items()],
        _figure("  CPU per ticket in all", [sum(cost_us.values())], unit="us"),
        _figure("  peak memory of persist", [peak_mib(stack, "persist")], unit="MiB"),
    ]


async def _batch(told: Told, ours: Load, database_url: str, extent: Extent) -> list[Figure]:
    """Fifty tickets a call, and the very rows that this left written again by bare asyncpg."""
    progress("preparing a second database for the bare rows")
    limit_url = await rows.prepare(database_url)
    per_s: dict[str, list[float]] = {"ours": [], "rows": [], "singly": []}
    again = rows.Rows(source_url=database_url, limit_url=limit_url, round_id=ours.round_id, seconds=extent.seconds)
    for number in range(extent.rounds):
        progress(f"{BATCH_TICKETS} tickets a call, {number + 1} of {extent.rounds}")
        for name in _in_turns(list(per_s), number):
            if name == "ours":
                tally = await told.place(name, ours)
                per_s[name].append(tally.accepted_per_s)
            else:
                per_s[name].append(await rows.write(replace(again, singly=name == "singly")))
                progress(f"  {name}: {per_s[name][-1]:,.0f}/s")
    return [
        _figure(f"{BATCH_TICKETS} tickets a call, in turns", per_s["ours"], unit="tickets/s"),
        _figure("  limit: bare rows by 200", per_s["rows"], unit="tickets/s", note=rows.WRITTEN),
        _figure("  ratio to the limit", ratios(per_s["ours"], per_s["rows"]), key="batch_ratio"),
        _figure("  peer: a commit a ticket", per_s["singly"], unit="tickets/s", note=rows.WRITTEN_SINGLY),
    ]


async def _locks(furlong: Furlong, database: Database, batch: Load, extent: Extent) -> list[Figure]:
    """Rounds that are locked while the load generator presses on, until some time after."""
    await open_track(furlong, LOCK_TRACK, LOCK_TIMETABLE)
    lock_ms: list[float] = []
    late = 0
    for number in range(extent.locks):
        progress(f"lock under full load, {number + 1} of {extent.locks}")
        race = await watch_until(furlong, LOCK_TRACK, _is_open_long_enough)
        told = Told(round_id=race.round_id)
        pressing_s = _seconds_to_lock(race) + LOAD_AFTER_LOCK_S
        locked = await _lock(furlong, told, replace(batch, round_id=race.round_id, warmup_s=0.0, seconds=pressing_s))
        lock_ms.append(locked.after_ms)
        stored = await told.compare(database)
        late += await _placed_late(database, race.round_id) + stored - locked.tickets
        progress(f"  locked after {locked.after_ms:.1f} ms with {locked.tickets} tickets; late so far: {late}")
    return [
        _figure("lock under full load", lock_ms, unit="ms", key="lock_ms"),
        _figure("late tickets accepted", [late], key="late_accepted", note="in all locked rounds together"),
    ]


async def _lock(furlong: Furlong, told: Told, pressing: Load) -> Locked:
    """Press until after the lock, and watch for it."""
    async with asyncio.TaskGroup() as group:
        group.create_task(told.place("placing", pressing))
        race = await watch_until(furlong, LOCK_TRACK, lambda seen: _is_locked(seen, pressing.round_id))
        after_ms = -_seconds_to_lock(race) * 1_000
    return Locked(after_ms=after_ms, tickets=race.totals.tickets)


async def _placed_late(database: Database, round_id: int) -> int:
    late: int = await database.fetchval(
        "SELECT count(*) FROM tickets JOIN rounds USING (round_id) WHERE round_id = $1 AND placed_at >= locks_at",
        round_id,
    )
    return late


def _is_open_long_enough(race: Round) -> bool:
    return race.phase == Round.OPEN and _seconds_to_lock(race) >= LOAD_BEFORE_LOCK_S_MIN


def _is_locked(seen: Round, round_id: int) -> bool:
    return seen.round_id == round_id and seen.phase != Round.OPEN


def _seconds_to_lock(race: Round) -> float:
    """Seconds until the lock of a round, below 0 after it, by the clock that the database on this machine has too."""
    return race.locks_at.ToMicroseconds() / 1e6 - time.time()


def _in_turns(names: Sequence[str], number: int) -> Sequence[str]:
    """Forward, backward, forward: what drifts during a run falls on all alike."""
    return names if number % 2 == 0 else names[::-1]


def _figure(title: str, values: Sequence[float], *, unit: str = "", key: str = "", note: str = "") -> Figure:
    return Figure(title=title, unit=unit, key=key, note=note, spread=Spread.of(values))


if __name__ == "__main__":
    main()
