"""Record what persist asks the cache for while rounds are run, watched, bet on and looked up.

    python -m benchmarks.traces.record [--minutes N]

A local stack runs with a cache that lives in this process and writes down every look-up and every entry that is put
into its L1. Around it: short rounds on a few tracks, watchers, punters, and visitors who look up tracks, results and
older pages of them, lately ended rounds more often than old ones. The outcome, `rounds.trace.xz`, is read by
`recorded.py`; it holds no names, only which key it was and what it weighed.
"""

import argparse
import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path

from furlong.client import Furlong, FurlongError, connect
from furlong.client.cards import batches, read_cards, shipped_cards
from furlong.common.v1.round_pb2 import Round, Timetable, Track

from benchmarks.report import progress
from benchmarks.scratch import scratch_folder
from benchmarks.traces.recorded import FILE, write
from deploy.local.demo.crowd import bet, gather_crowd
from deploy.local.demo.story import Story
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.programs import StackSettings
from deploy.local.stack import LocalStack
from services.cache import __main__ as service
from services.cache.config import CacheConfig
from services.cache.domain.entry import Entry, Key
from services.cache.domain.memory import Memory, bytes_of
from services.cache.service.validators import VALIDATORS
from services.chassis.clock import SystemClock
from services.chassis.server import Server, ServerConfig

MINUTES_DEFAULT = 6.0
TRACKS = 6
TIMETABLE = Timetable(betting_window_ms=1_500, lock_ms=100, race_ms=300, finish_ms=100)
VISITORS = 24
PAUSE_S = 0.15
PAGE_SIZES = (10, 20, 50)


class Recorder:
    """Keys by number in the order of their first look-up, what each weighed when it was last put, and all look-ups."""

    def __init__(self) -> None:
        self.numbers: dict[Key, int] = {}
        self.weights: dict[int, int] = {}
        self.requests: list[int] = []

    def asked(self, key: Key) -> None:
        """Note a look-up."""
        self.requests.append(self.numbers.setdefault(key, len(self.numbers)))

    def put(self, key: Key, entry: Entry) -> None:
        """Note what a key weighs."""
        self.weights[self.numbers.setdefault(key, len(self.numbers))] = bytes_of(key, entry)


def main() -> None:
    """Run the stack and the recording, and write the trace."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.traces.record")
    parser.add_argument("--minutes", type=float, default=MINUTES_DEFAULT, help="how long to record")
    parser.add_argument("--file", type=Path, default=FILE, help="where to")
    options = parser.parse_args()
    recorder = Recorder()
    port = free_port()
    with scratch_folder() as folder:
        extra = {"persist": {"CACHE_ADDRESS": f"{LOOPBACK}:{port}"}}
        stack = LocalStack(StackSettings(data_dir=Path(folder), extra_env=extra), progress)
        stack.start()
        try:
            token = stack.token_file.read_text().strip()
            asyncio.run(_record(recorder, port, stack.addresses.gateway, token, options.minutes * 60))
        finally:
            stack.stop()
    # What was never put was never there to be kept: a live round, a page that is not final.
    requests = [number for number in recorder.requests if number in recorder.weights]
    progress(f"{len(requests)} look-ups of {len(set(requests))} keys; {len(recorder.requests)} with those never put")
    write(options.file, requests, recorder.weights)


async def _record(recorder: Recorder, port: int, gateway: str, token: str, seconds: float) -> None:
    async with _cache(recorder, port), connect(gateway, token=token) as furlong:
        tracks = [await _open(furlong, n) for n in range(TRACKS)]
        punters = await gather_crowd(furlong, "EUR")
        stories = [Story() for _ in tracks]
        latest = dict.fromkeys(tracks, 0)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
                for track, story in zip(tracks, stories, strict=True):
                    group.create_task(_watch(furlong, track, story, latest))
                for n, punter in enumerate(punters):
                    group.create_task(bet(furlong, stories[n % TRACKS], punter, random.Random(n)))
                for n in range(VISITORS):
                    group.create_task(_visit(furlong, tracks, latest, random.Random(1_000 + n)))
                group.create_task(_tell(recorder))


@asynccontextmanager
async def _cache(recorder: Recorder, port: int) -> AsyncIterator[None]:
    """Run the cache in this process, with a memory that tells the recorder."""

    class Heard(Memory):
        def get(self, key: Key, now_ms: int) -> Entry | None:
            recorder.asked(key)
            return super().get(key, now_ms)

        def put(self, key: Key, entry: Entry, now_ms: int) -> None:
            recorder.put(key, entry)
            super().put(key, entry, now_ms)

    service.Memory = Heard  # type: ignore[attr-defined] # for this process alone
    config = CacheConfig(server=ServerConfig(host=LOOPBACK, port=port, auth="off"))
    async with service.cache(config, SystemClock()) as parts:

        async def drain() -> None:
            parts.drain()

        server = Server(
            name="cache",
            config=config.server,
            hosted=parts.hosted,
            validators=VALIDATORS,
            liveness=parts.liveness,
            readiness=lambda: True,
            on_drain=drain,
            clock=SystemClock(),
        )
        await server.start()
        try:
            yield
        finally:
            await server.drain()


async def _open(furlong: Furlong, number: int) -> str:
    track = Track(track=f"track-{number}", display_name=f"Track {number}", currency="EUR", timetable=TIMETABLE)
    await furlong.tracks.create(track)
    for batch in batches(track.track, read_cards(shipped_cards()).cards):
        await furlong.tracks.import_race_cards(track.track, batch)
    return track.track


async def _watch(furlong: Furlong, track: str, story: Story, latest: dict[str, int]) -> None:
    async with aclosing(furlong.rounds.watch(track)) as frames:
        async for frame in frames:
            story.take(frame)
            if frame.round.phase == Round.SETTLED:
                latest[track] = frame.round.round_id


async def _visit(furlong: Furlong, tracks: list[str], latest: dict[str, int], chance: random.Random) -> None:
    """Look something up, again and again: mostly what has just ended."""
    seen: list[int] = []
    while True:
        await asyncio.sleep(chance.expovariate(1 / PAUSE_S))
        track = chance.choices(tracks, weights=range(len(tracks), 0, -1))[0]
        with suppress(FurlongError):
            await _look_up(furlong, track, latest[track], seen, chance)


async def _look_up(furlong: Furlong, track: str, latest: int, seen: list[int], chance: random.Random) -> None:
    what = chance.random()
    if what < 0.15:
        await furlong.tracks.get(track)
    elif what < 0.2:
        await furlong.tracks.list()
    elif what < 0.5 and latest:
        await furlong.rounds.get(latest)
    elif what < 0.75 and seen:
        await furlong.rounds.get(seen[-1 - min(int(chance.paretovariate(0.8)), len(seen)) + 1])
    else:
        page = await furlong.rounds.list(track, page_size=chance.choice(PAGE_SIZES))
        while page.next_page_token and chance.random() < 0.6:
            page = await furlong.rounds.list(
                track, page_size=chance.choice(PAGE_SIZES), page_token=page.next_page_token
            )
        seen.extend(each.round_id for each in page.rounds if each.round_id not in seen[-200:])
        del seen[:-1_000]


async def _tell(recorder: Recorder) -> None:
    while True:
        await asyncio.sleep(30)
        progress(f"{len(recorder.requests)} look-ups of {len(recorder.numbers)} keys")


if __name__ == "__main__":
    main()
