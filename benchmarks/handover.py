"""How late the next transition of a track is when the game that leads it goes away.

    python -m benchmarks.handover [--times N] [--quick]

Two games look after one track. Shortly before a round locks its leader is stopped, and the lateness of that lock is
read off the database, which stamps every transition. Then the game is brought back, and the other one is stopped.

undisturbed        the same lateness while nobody goes away: what a keeper costs by itself
drain_late_ms      of a leader that is asked to end (SIGTERM), 5 to 150 ms before the lock, by turns; wanted: up to 200
kill_late_ms       of a leader that is killed (SIGKILL); its lease of 3 s has to end first; wanted: at most 5,000
pause_late_ms      of a leader that is stopped (SIGSTOP) and goes on (SIGCONT) once another leads
missed             transitions that a watcher at the gateway missed, over all of it; wanted: 0
"""

import argparse
import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import cycle, islice, pairwise
from pathlib import Path
from typing import TypeAlias

import asyncpg
from furlong.client import Furlong, connect
from furlong.common.v1.round_pb2 import Round, Timetable
from furlong.game.v1.round_service_pb2 import WatchRoundsResponse

from benchmarks.report import Figure, Spread, last_line, progress, table
from benchmarks.scratch import scratch_folder
from benchmarks.stage import open_track
from deploy.local.part import Part
from deploy.local.programs import StackSettings
from deploy.local.stack import LocalStack

BENCHMARK = "handover"
TIMES_DEFAULT = 10
TIMES_QUICK = 2
REPLICAS = 2
TRACK = "benchmark-handed-over"
TIMETABLE = Timetable(betting_window_ms=4_000, lock_ms=500, race_ms=1_000, finish_ms=500)
LEFT_S_MIN = 1.5
"""How much of the betting must be left for the leader to be found and stopped in time."""
AHEAD_MS = (5, 20, 50, 100, 150)
POLL_S = 0.02
LOCKED_TIMEOUT_S = 30.0
SETTLE_S = 2.0
"""Time for a game that came back to hear the topics again."""

MADE_AT = "SELECT made_at FROM transitions WHERE round_id = $1 AND phase = $2"

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@dataclass(slots=True)
class Watched:
    """What a watcher at the gateway was sent."""

    numbers: list[int] = field(default_factory=list)
    gaps: int = 0

    def note(self, frame: WatchRoundsResponse) -> None:
        """Take a frame."""
        self.gaps += frame.kind == WatchRoundsResponse.GAP
        if frame.kind == WatchRoundsResponse.TRANSITION:
            self.numbers.append(frame.transition_seq)

    @property
    def missed(self) -> int:
        """Transitions between those that were sent, and frames that say so."""
        return self.gaps + sum(later - earlier - 1 for earlier, later in pairwise(self.numbers))


class Stage:
    """One track under two games."""

    def __init__(self, stack: LocalStack, furlong: Furlong, database: Connection) -> None:
        self._stack = stack
        self._furlong = furlong
        self._database = database

    async def undisturbed_ms(self) -> float:
        """How late a lock is while nobody goes away."""
        return await self._lateness_ms(await self._open_round())

    async def drained_ms(self, ahead_ms: int) -> float:
        """How late a lock is whose leader is asked to end so long before."""
        return await self._stopped_ms(signal.SIGTERM, ahead_ms)

    async def killed_ms(self, ahead_ms: int) -> float:
        """How late a lock is whose leader is killed so long before."""
        return await self._stopped_ms(signal.SIGKILL, ahead_ms)

    async def paused_ms(self, ahead_ms: int) -> float:
        """How late a lock is whose leader stands still from so long before until another has locked."""
        round_ = await self._open_round()
        leader = self._leader()
        await _until_before(round_.locks_at.ToDatetime(UTC), ahead_ms)
        _signal(leader, signal.SIGSTOP)
        try:
            return await self._lateness_ms(round_)
        finally:
            _signal(leader, signal.SIGCONT)
            await asyncio.sleep(SETTLE_S)

    async def _stopped_ms(self, how: signal.Signals, ahead_ms: int) -> float:
        round_ = await self._open_round()
        leader = self._leader()
        await _until_before(round_.locks_at.ToDatetime(UTC), ahead_ms)
        _signal(leader, how)
        late_ms = await self._lateness_ms(round_)
        leader.stop()  # waits for its end; the stack's thread is this one, and nothing is measured now
        leader.start()
        leader.wait_ready()
        await asyncio.sleep(SETTLE_S)
        return late_ms

    async def _open_round(self) -> Round:
        """A round of the track that takes bets for a while."""
        while True:
            round_ = await self._furlong.rounds.current(TRACK)
            left_s = (round_.locks_at.ToDatetime(UTC) - datetime.now(UTC)).total_seconds()
            if round_.phase == Round.OPEN and left_s >= LEFT_S_MIN:
                return round_
            await asyncio.sleep(POLL_S)

    async def _lateness_ms(self, round_: Round) -> float:
        async with asyncio.timeout(LOCKED_TIMEOUT_S):
            while True:
                made_at = await self._database.fetchval(MADE_AT, round_.round_id, Round.LOCKED)
                if made_at is not None:
                    return float((made_at - round_.locks_at.ToDatetime(UTC)).total_seconds() * 1_000)
                await asyncio.sleep(POLL_S)

    def _leader(self) -> Part:
        """The game that took the lead last, as its log has it."""
        names = [f"game-{number}" for number in range(1, REPLICAS + 1)]
        return self._stack.part(
            max(names, key=lambda name: max(epochs_of(self._stack.logs / f"{name}.log"), default=0))
        )


def main() -> None:
    """Measure, print the table and the line of JSON."""
    times = _times()
    with scratch_folder() as folder:
        stack = LocalStack(StackSettings(data_dir=Path(folder) / "data", replicas=REPLICAS), say=progress)
        try:
            stack.start()
            figures = asyncio.run(_measure(stack, times))
        finally:
            stack.stop()
    print(table(BENCHMARK, figures))
    print(last_line(BENCHMARK, figures))


def _times() -> int:
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{BENCHMARK}", description="Measure hand-overs.")
    parser.add_argument("--times", type=int, default=TIMES_DEFAULT, help="of each kind")
    parser.add_argument("--quick", action="store_true", help=f"a glance: {TIMES_QUICK} of each kind")
    options = parser.parse_args()
    return TIMES_QUICK if options.quick else int(options.times)


async def _measure(stack: LocalStack, times: int) -> list[Figure]:
    async with _stage(stack) as (stage, watched):
        progress("rounds that nobody disturbs")
        quiet = [await stage.undisturbed_ms() for _ in range(times)]
        aheads = list(islice(cycle(AHEAD_MS), times))
        progress(f"draining the leader {times} times")
        drained = [await stage.drained_ms(ahead_ms) for ahead_ms in aheads]
        progress(f"killing the leader {times} times")
        killed = [await stage.killed_ms(ahead_ms) for ahead_ms in aheads]
        progress(f"pausing the leader {times} times")
        paused = [await stage.paused_ms(ahead_ms) for ahead_ms in aheads]
    return [
        _figure("undisturbed", quiet),
        _figure("drained, asked to end", drained, key="drain_late_ms", note="wanted: 200 at most"),
        _figure("  the latest of them", [max(drained)], key="drain_late_max_ms"),
        _figure("killed", killed, key="kill_late_ms", note="wanted: 5,000 at most; a lease lasts 3,000"),
        _figure("  the latest of them", [max(killed)], key="kill_late_max_ms"),
        _figure("paused", paused, key="pause_late_ms"),
        Figure(
            title="transitions missed",
            spread=Spread.of([watched.missed]),
            key="missed",
            note=f"of {len(watched.numbers):,} that a watcher at the gateway saw",
        ),
    ]


@asynccontextmanager
async def _stage(stack: LocalStack) -> AsyncIterator[tuple[Stage, Watched]]:
    token = stack.token(roles=["OPERATOR"], accounts=["*"])
    database = await asyncpg.connect(stack.addresses.database_url)
    watched = Watched()
    try:
        async with connect(stack.addresses.gateway, token=token) as furlong:
            await open_track(furlong, TRACK, TIMETABLE)
            watching = asyncio.create_task(_watch(furlong, watched))
            try:
                yield Stage(stack, furlong, database), watched
                assert not watching.done(), "the watcher gave up"
            finally:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)
    finally:
        await database.close()


async def _watch(furlong: Furlong, watched: Watched) -> None:
    async with aclosing(furlong.rounds.watch(TRACK)) as frames:
        async for frame in frames:
            watched.note(frame)


async def _until_before(at: datetime, ahead_ms: int) -> None:
    await asyncio.sleep((at - datetime.now(UTC)).total_seconds() - ahead_ms / 1_000)


def _signal(part: Part, how: signal.Signals) -> None:
    assert part.pid is not None, f"{part.name} is down"
    os.kill(part.pid, how)


def epochs_of(log: Path) -> Iterator[int]:
    """The epochs under which the game of this log has led the track."""
    for line in log.read_text().splitlines(keepends=True):
        if line.startswith("{") and line.endswith("\n"):  # the last one may only be half written
            entry = json.loads(line)
            if entry.get("event") == "leading" and entry.get("track") == TRACK:
                yield entry["epoch"]


def _figure(title: str, values: Sequence[float], *, key: str = "", note: str = "") -> Figure:
    return Figure(title=title, unit="ms", key=key, note=note, spread=Spread.of(values))


if __name__ == "__main__":
    main()
