"""How much L1 finds: its policy against LRU, S3-FIFO and W-TinyLFU, on five traces and three sizes each.

    python -m benchmarks.hit_ratio [--requests N]

A simulation of orders and bytes, without clocks and without values: what is asked for and not there is taken in. All
policies have the same bytes; ours pays its ghosts out of them, the others have their books for nothing.

hit_ratio_gap_pp   how far ours is behind the better of S3-FIFO and W-TinyLFU where it is furthest, in percentage points
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.peers.policies import Policy
from benchmarks.peers.policies.lru import Lru
from benchmarks.peers.policies.ours import Ours
from benchmarks.peers.policies.s3_fifo import S3Fifo
from benchmarks.peers.policies.w_tiny_lfu import WTinyLfu
from benchmarks.report import Figure, Spread, last_line, progress, table
from benchmarks.traces import shapes
from benchmarks.traces.recorded import rounds
from benchmarks.traces.trace import Trace

BENCHMARK = "hit_ratio"
KEY = "hit_ratio_gap_pp"
KIB = 1024

POLICIES: Final[Mapping[str, Callable[[int], Policy]]] = {
    "LRU": Lru,
    "S3-FIFO": S3Fifo,
    "W-TinyLFU": WTinyLfu,
    "ours": Ours,
}
RIVALS: Final = ("S3-FIFO", "W-TinyLFU")
TRACES: Final[Sequence[Callable[[], Trace]]] = (rounds, shapes.drift, shapes.scans, shapes.loop, shapes.bursts)
COLUMN = 11


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the policies found on one trace with one size, in percent of the requests."""

    trace: str
    bytes_max: int
    found_percent: Mapping[str, float]

    @property
    def gap_pp(self) -> float:
        """How far ours is behind the better rival, in percentage points; negative where it is ahead."""
        return max(self.found_percent[name] for name in RIVALS) - self.found_percent["ours"]


def main() -> None:
    """Simulate, print the table and the line of JSON."""
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{BENCHMARK}", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--requests", type=int, default=0, help="only so many of each trace")
    figures = measure(parser.parse_args().requests)
    print(table(BENCHMARK, figures))
    print(last_line(BENCHMARK, figures))


def measure(requests_max: int = 0) -> Sequence[Figure]:
    """Simulate all policies, print what each found, and return the gap."""
    outcomes: list[Outcome] = []
    print(_row("found, percent", "bytes", *POLICIES, "gap, pp"))
    for make in TRACES:
        trace = make()
        progress(f"the trace {trace.name}: {len(trace.requests):,} requests of {len(trace.weights):,} keys")
        for outcome in compare(trace, requests_max):
            outcomes.append(outcome)
            found = (f"{outcome.found_percent[name]:.2f}" for name in POLICIES)
            print(_row(outcome.trace, f"{outcome.bytes_max // KIB:,} KiB", *found, f"{outcome.gap_pp:+.2f}"))
    worst = max(outcome.gap_pp for outcome in outcomes)
    return [Figure(title="L1 behind the better rival, at worst", unit="pp", key=KEY, spread=Spread.of([worst]))]


def compare(trace: Trace, requests_max: int = 0) -> Sequence[Outcome]:
    """Simulate all policies on one trace with each of its sizes; only its first requests where there is a bound."""
    requests = trace.requests[:requests_max] if requests_max else trace.requests
    return [
        Outcome(
            trace=trace.name,
            bytes_max=bytes_max,
            found_percent={
                name: 100 * _hits(make(bytes_max), requests, trace.weights) / len(requests)
                for name, make in POLICIES.items()
            },
        )
        for bytes_max in trace.bounds
    ]


def _hits(policy: Policy, requests: "Sequence[int]", weights: Mapping[int, int]) -> int:
    return sum(policy.request(key, weights[key]) for key in requests)


def _row(name: str, size: str, *cells: str) -> str:
    return name.ljust(16) + size.rjust(COLUMN) + "".join(cell.rjust(COLUMN) for cell in cells)


if __name__ == "__main__":
    main()
