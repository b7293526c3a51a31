"""What telemetry costs: the tickets a second that are kept with it.

    python -m benchmarks.telemetry [--seconds N] [--quick]

Two stacks run side by side, alike but for their telemetry: one as it comes, with the default share of traces recorded
and everything sent to its service metrics; one that records and sends nothing. They are loaded in turns, several times,
and compared pair by pair; the one that waits costs next to nothing.

kept_ratio      one ticket a call straight to game, with telemetry to without
"""

import argparse
import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from furlong.client import connect

from benchmarks import load
from benchmarks.load import Load
from benchmarks.report import Figure, Spread, last_line, p99, progress, ratios, table
from benchmarks.scratch import scratch_folder
from benchmarks.stage import open_accounts, open_track, runner_numbers
from benchmarks.tickets import (
    ACCOUNTS,
    BATCH_CALLS_IN_FLIGHT,
    BATCH_TICKETS,
    LONG_TIMETABLE,
    PLACING_TRACK,
    SECONDS_DEFAULT,
    UNARY_CALLS_IN_FLIGHT,
)
from deploy.local.programs import StackSettings
from deploy.local.stack import LocalStack

BENCHMARK = "telemetry"
SILENT = {"OTEL_EXPORTER_OTLP_ENDPOINT": ""}
SILENT_PARTS = ("game", "persist", "cache", "metrics", "web")
METRICS_SETTLE_S = 5.0
"""Time for the last figures to reach metrics before they are looked at."""


class NothingReported(RuntimeError):
    """The stack with telemetry reported no tickets, so there is nothing to compare; or the other one did report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How long and how often to measure."""

    seconds: float
    warmup_s: float
    rounds: int


def main() -> None:
    """Measure, print the table and the line of JSON."""
    extent = _extent()
    with scratch_folder() as folder:
        stacks = {
            "with": LocalStack(StackSettings(data_dir=Path(folder) / "with"), say=progress),
            "without": LocalStack(
                StackSettings(data_dir=Path(folder) / "without", extra_env=dict.fromkeys(SILENT_PARTS, SILENT)),
                say=progress,
            ),
        }
        try:
            for stack in stacks.values():
                stack.start()
            figures = asyncio.run(_measure(stacks, extent))
        finally:
            for stack in stacks.values():
                stack.stop()
    print(table(BENCHMARK, figures))
    print(last_line(BENCHMARK, figures))


def _extent() -> Extent:
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{BENCHMARK}", description="Measure what telemetry costs."
    )
    parser.add_argument("--seconds", type=float, default=SECONDS_DEFAULT, help="length of one measurement")
    parser.add_argument("--quick", action="store_true", help="a glance: two rounds of two seconds")
    options = parser.parse_args()
    if options.quick:
        return Extent(seconds=2.0, warmup_s=0.5, rounds=2)
    return Extent(seconds=options.seconds, warmup_s=1.5, rounds=5)


async def _measure(stacks: Mapping[str, LocalStack], extent: Extent) -> list[Figure]:
    async with AsyncExitStack() as opened:
        unary = {name: await opened.enter_async_context(_load(stack, extent)) for name, stack in stacks.items()}
        batch = {
            name: replace(each, tickets_per_call=BATCH_TICKETS, calls_in_flight=BATCH_CALLS_IN_FLIGHT)
            for name, each in unary.items()
        }
        figures = [
            *await _compare("one ticket a call", unary, extent, key="kept_ratio"),
            *await _compare(f"{BATCH_TICKETS} tickets a call", batch, extent),
        ]
        await _check_reports(stacks)
        return figures


@asynccontextmanager
async def _load(stack: LocalStack, extent: Extent) -> AsyncIterator[Load]:
    """Set the stage on one stack."""
    async with connect(
        stack.addresses.game, token=stack.token(roles=["OPERATOR", "CASHIER"], accounts=["*"])
    ) as furlong:
        progress(f"opening {ACCOUNTS} accounts and a track")
        accounts = await open_accounts(furlong, ACCOUNTS)
        race = await open_track(furlong, PLACING_TRACK, LONG_TIMETABLE)
        yield Load(
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


async def _compare(title: str, loads: Mapping[str, Load], extent: Extent, *, key: str = "") -> list[Figure]:
    per_s: dict[str, list[float]] = {name: [] for name in loads}
    p99_ms: dict[str, list[float]] = {name: [] for name in loads}
    for number in range(extent.rounds):
        progress(f"{title}, {number + 1} of {extent.rounds}")
        for name in _in_turns(list(loads), number):
            tally = await load.run(loads[name])
            per_s[name].append(tally.accepted_per_s)
            p99_ms[name].append(p99(tally.latencies_ms))
            others = {**tally.refusals, **tally.errors}
            told = "".join(f"; {times} x {what}" for what, times in others.items())
            progress(f"  {name} telemetry: {tally.accepted_per_s:,.0f}/s{told}")
    return [
        _figure(f"{title}, with telemetry", per_s["with"], unit="tickets/s"),
        _figure("  without", per_s["without"], unit="tickets/s"),
        _figure("  kept", ratios(per_s["with"], per_s["without"]), key=key),
        _figure("  p99 of a call, with telemetry", p99_ms["with"], unit="ms"),
        _figure("  p99 of a call, without", p99_ms["without"], unit="ms"),
    ]


async def _check_reports(stacks: Mapping[str, LocalStack]) -> None:
    """What was compared is what it is called: one stack reported its tickets, the other nothing."""
    await asyncio.sleep(METRICS_SETTLE_S)
    for name, stack in stacks.items():
        async with connect(stack.addresses.metrics, token=stack.token(roles=["AUDITOR"], accounts=[])) as furlong:
            tracks = (await furlong.metrics.snapshot(window_ms=600_000)).tracks
            traces = await furlong.metrics.traces()
        sold = {each.track: each.tickets for each in tracks}.get(PLACING_TRACK, 0)
        progress(f"reported {name} telemetry: {sold} tickets, {len(traces)} of the latest traces")
        if bool(sold and traces) is not (name == "with"):
            raise NothingReported(f"{name} telemetry, {sold} tickets and {len(traces)} traces were reported")


def _in_turns(names: Sequence[str], number: int) -> Sequence[str]:
    """Forward, backward, forward: what drifts during a run falls on both alike."""
    return names if number % 2 == 0 else names[::-1]


def _figure(title: str, values: Sequence[float], *, unit: str = "", key: str = "") -> Figure:
    return Figure(title=title, unit=unit, key=key, spread=Spread.of(values))


if __name__ == "__main__":
    main()
