"""Run the local stack with a crowd on it: `python -m deploy.local.demo`.

A stack that runs on the data folder already is used as it is, and goes on afterwards. The variables are those of
`python -m deploy.local`.
"""

import asyncio
import os
import random
import signal
import sys
from collections.abc import Mapping
from contextlib import aclosing, suppress
from types import FrameType

from furlong.client import Furlong, FurlongError, connect
from furlong.common.v1.round_pb2 import Round, Track
from rich.console import Console
from rich.live import Live

from deploy.local.demo.board import Board
from deploy.local.demo.crowd import bet, gather_crowd
from deploy.local.demo.story import Story
from deploy.local.folder import DataFolder, FolderBusy
from deploy.local.opening import open_first_tracks
from deploy.local.part import PartFailed
from deploy.local.ports import NoFreePort
from deploy.local.programs import ProgramMissing
from deploy.local.settings import SettingRefused, read_settings
from deploy.local.stack import LocalStack, PortTaken

ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
REFRESHES_PER_S = 10
UPDATE_INTERVAL_MS = 500
LOOK_S = 0.2


def main(environ: Mapping[str, str]) -> int:
    """Show the demo until a signal ends it; the exit code."""
    console = Console()
    if not console.is_terminal:
        print("furlong: the demo draws on a terminal; `make up` needs none", file=sys.stderr)
        return 2
    for number in ENDING_SIGNALS:
        signal.signal(number, _interrupt)
    try:
        settings = read_settings(environ)
        running = DataFolder(settings.data_dir).read()
        if running is not None:
            asyncio.run(_show(console, running.gateway, (settings.data_dir / "token").read_text().strip(), None))
            return 0
        stack = LocalStack(settings, lambda text: print(f"furlong: {text}", flush=True))
        try:
            stack.start()
            token = stack.token_file.read_text().strip()
            open_first_tracks(stack.addresses.gateway, token)
            asyncio.run(_show(console, stack.addresses.gateway, token, stack))
        finally:
            for number in ENDING_SIGNALS:  # a second Ctrl-C must not leave the work half done
                signal.signal(number, signal.SIG_IGN)
            stack.stop()
    except KeyboardInterrupt:
        return 0
    except (SettingRefused, FolderBusy, PortTaken, NoFreePort, PartFailed, ProgramMissing, FurlongError) as problem:
        print(f"furlong: {problem}", file=sys.stderr)
        return 1
    return 0


async def _show(console: Console, gateway: str, token: str, stack: LocalStack | None) -> None:
    """Let the crowd bet and draw the board until a signal comes. `stack` is looked after meanwhile, if it is ours."""
    ended = asyncio.Event()
    for number in ENDING_SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    story = Story()
    async with connect(gateway, token=token) as furlong:
        track = await _shortest(furlong)
        punters = await gather_crowd(furlong, track.currency)
        board = Board(story, gateway, track.display_name)
        work = [asyncio.create_task(_watch(furlong, track.track, story))]
        work += [asyncio.create_task(bet(furlong, story, punter, random.Random())) for punter in punters]  # noqa: S311 - nothing secret
        if stack is not None:
            work.append(asyncio.create_task(_look_after(stack)))
        try:
            with Live(board, console=console, screen=True, refresh_per_second=REFRESHES_PER_S):
                waiting = asyncio.create_task(_wait(ended))
                done, _ = await asyncio.wait((waiting, *work), return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
        for task in done - {waiting}:
            await task  # none of them ends by itself but by a defect


async def _wait(ended: asyncio.Event) -> None:
    await ended.wait()


async def _shortest(furlong: Furlong) -> Track:
    """The track whose rounds are over soonest."""
    return min(await furlong.tracks.list(), key=lambda track: track.timetable.betting_window_ms)


async def _watch(furlong: Furlong, track: str, story: Story) -> None:
    """Write down what happens on the track; a settled round once its tickets have been looked up."""
    frames = furlong.rounds.watch(track, update_interval_ms=UPDATE_INTERVAL_MS)
    async with aclosing(frames), asyncio.TaskGroup() as group:
        async for frame in frames:
            story.take(frame)
            if frame.round.phase == Round.SETTLED and frame.kind == frame.TRANSITION:
                group.create_task(_pay(furlong, story, frame.round))


async def _pay(furlong: Furlong, story: Story, round_: Round) -> None:
    """See in the books who was paid."""
    slips = story.winning(round_)
    with suppress(FurlongError):  # the board keeps showing the payments before
        tickets = [await furlong.tickets.get(slip.ticket_id) for slip in slips]
        story.settled(round_, list(zip(slips, tickets, strict=True)))


async def _look_after(stack: LocalStack) -> None:
    while True:
        stack.supervise_once()
        await asyncio.sleep(LOOK_S)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(os.environ))
