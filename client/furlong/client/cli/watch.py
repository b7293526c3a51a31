"""`furlong watch`: follow a track, live on a terminal, line by line in a pipe, frame by frame as JSON."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, aclosing, nullcontext, suppress
from typing import Annotated

import typer
from furlong.client.cli.output import as_json
from furlong.client.cli.session import session
from furlong.client.cli.watch_view import PHASES_OVER, lines, screen
from furlong.client.connection import Furlong
from furlong.common.v1.round_pb2 import Round
from furlong.common.v1.ticket_pb2 import Ticket
from furlong.game.v1.round_service_pb2 import WatchRoundsResponse
from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

REFRESHES_PER_S = 4
# Totals as often as people care to look; the service's own choice is made for thousands of screens.
UPDATE_INTERVAL_MS = 1_000
OWN_TOLD_S = 5.0
"""How long after the end of a round its own tickets are waited for: they are told when they have been read again."""


def watch(
    ctx: typer.Context,
    track: Annotated[str, typer.Argument(metavar="TRACK", help="The track to follow; `furlong rounds` lists them.")],
    json: Annotated[bool, typer.Option("--json", help="Print each frame as a line of JSON.")] = False,
    after: Annotated[
        int, typer.Option(min=0, metavar="SEQ", help="Begin after this transition_seq, as an earlier frame told it.")
    ] = 0,
    account: Annotated[
        list[str] | None,
        typer.Option("--account", metavar="UUID", help="Show the tickets of this account too; may be repeated."),
    ] = None,
    terminal: Annotated[
        str, typer.Option(metavar="NAME", help="Name this screen to the operators, who see that it is connected.")
    ] = "",
    until_settled: Annotated[
        bool,
        typer.Option(
            "--until-settled",
            help="End when the round that is on at first is settled, or void, and --account was told.",
        ),
    ] = False,
) -> None:
    """Follow a track: countdown, runners with prices, totals, results. Ctrl-C ends it.

    It goes on through every break of the connection, and never shows a transition twice.
    """
    console = Console(highlight=False)
    latest = Latest()
    show: Callable[[WatchRoundsResponse], None] = latest.take
    display: AbstractContextManager[object] = nullcontext()
    if json:
        show = _echo_json
    elif not console.is_terminal:
        show = Lines().echo
    else:
        # The countdown goes on between the frames, so the screen is drawn by the clock and not by the frames.
        display = Live(get_renderable=latest.screen, console=console, refresh_per_second=REFRESHES_PER_S)

    async def follow(furlong: Furlong) -> None:
        # The watch itself waits for a gateway that is away; a wrong name or address is told at once.
        await furlong.tracks.get(track)
        watching = furlong.rounds.watch(
            track, after, update_interval_ms=UPDATE_INTERVAL_MS, accounts=account or (), terminal=terminal
        )
        async with aclosing(watching) as frames:
            with display:
                is_told = await _show(frames, show, Ending(account or ()) if until_settled else None)
        if not is_told:
            typer.echo(
                "the round is over, but its tickets were not told in time: try `furlong ticket TICKET`", err=True
            )

    with suppress(KeyboardInterrupt):
        session(ctx).run(follow)


class Latest:
    """The latest frame, and how far the service's clock is ahead of ours: countdowns run on the service's clock."""

    def __init__(self, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        self._now_ms = now_ms
        self._seen: tuple[WatchRoundsResponse, int] | None = None
        self._own: dict[str, Sequence[Ticket]] = {}
        self._earlier: Round | None = None

    def take(self, frame: WatchRoundsResponse) -> None:
        """Keep a frame that came just now."""
        if frame.kind == WatchRoundsResponse.OWN:
            self._own[frame.own.account_id] = frame.own.tickets
            return
        # A round that is settled late, or corrected, is heard of while a later one is shown already.
        is_earlier = self._seen is not None and frame.round.round_id < self._seen[0].round.round_id
        if is_earlier and frame.kind != WatchRoundsResponse.GAP:
            self._earlier = frame.round
            return
        self._seen = frame, frame.server_time.ToMilliseconds() - self._now_ms()

    def screen(self) -> RenderableType:
        """Draw the latest frame as of now."""
        if self._seen is None:
            return Text("waiting for the first frame")
        frame, ahead_ms = self._seen
        own = [ticket for tickets in self._own.values() for ticket in tickets]
        return screen(frame.round, self._now_ms() + ahead_ms, own, self._earlier)


class Lines:
    """Frames as lines for a pipe: what was told of a round is not told again with each new total."""

    def __init__(self) -> None:
        self._told = (0, 0)

    def echo(self, frame: WatchRoundsResponse) -> None:
        """Print a frame that came just now."""
        seen = (frame.round.round_id, frame.round.price_revision)
        is_news = frame.kind != WatchRoundsResponse.UPDATE or seen != self._told
        if frame.kind != WatchRoundsResponse.OWN:
            self._told = seen
        for line in lines(frame, is_news=is_news):
            typer.echo(line)


class Ending:
    """Tells when the round that was on at first is over, and whether the tickets of `accounts` in it are decided."""

    def __init__(self, accounts: Collection[str]) -> None:
        self.is_over = False
        self._round_id = 0
        self._accounts = {account.lower() for account in accounts}
        self._own: dict[str, Sequence[Ticket]] = {}

    def take(self, frame: WatchRoundsResponse) -> None:
        """Take note of a frame."""
        if frame.kind == WatchRoundsResponse.OWN:
            self._own[frame.own.account_id] = frame.own.tickets
            return
        self._round_id = self._round_id or frame.round.round_id
        # The next round may have opened by then, so it is this very round that has to be over.
        self.is_over |= frame.round.round_id == self._round_id and frame.round.phase in PHASES_OVER

    @property
    def is_told(self) -> bool:
        """Whether there is nothing more to come."""
        return self.is_over and self._own.keys() >= self._accounts and not any(map(self._is_open, self._tickets()))

    def _tickets(self) -> Iterator[Ticket]:
        return (ticket for tickets in self._own.values() for ticket in tickets)

    def _is_open(self, ticket: Ticket) -> bool:
        return ticket.round_id == self._round_id and ticket.state == Ticket.ACCEPTED


async def _show(
    frames: AsyncIterator[WatchRoundsResponse], show: Callable[[WatchRoundsResponse], None], ending: Ending | None
) -> bool:
    """Show frames, without an `ending` for ever; False where own tickets were not told in time after it."""
    try:
        async with asyncio.timeout(None) as limit:
            async for frame in frames:
                show(frame)
                if ending is None:
                    continue
                ending.take(frame)
                if ending.is_told:
                    return True
                if ending.is_over and limit.when() is None:
                    limit.reschedule(asyncio.get_running_loop().time() + OWN_TOLD_S)
    except TimeoutError:
        return False
    raise AssertionError("a watch has no end")


def _echo_json(frame: WatchRoundsResponse) -> None:
    typer.echo(as_json(frame))
