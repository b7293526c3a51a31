"""`furlong top`: what the services do right now, live on a terminal, once in a pipe or as JSON."""

from contextlib import aclosing, suppress
from typing import Annotated

import typer
from furlong.client.cli.output import JsonOption, as_json, console
from furlong.client.cli.session import session
from furlong.client.cli.top_view import board
from furlong.client.connection import Furlong
from furlong.client.errors import DeadlineEnded, Unreachable
from furlong.metrics.v1.metrics_service_pb2 import GetSnapshotResponse, SlowCall, Snapshot
from rich.console import Console
from rich.live import Live

WINDOW_S_MAX = 600
SLOW_CALLS_SHOWN = 5
INTERVAL_MS = 2_000


def top(
    ctx: typer.Context,
    window: Annotated[
        int, typer.Option(min=1, max=WINDOW_S_MAX, metavar="SECONDS", help="How far back the figures reach.")
    ] = 60,
    json: JsonOption = False,
) -> None:
    """Show what the services do: calls, SQL, cache, tracks, and the slowest calls. Ctrl-C ends it.

    Into a pipe or a file it prints the board once.
    """
    terminal = Console(highlight=False)
    window_ms = window * 1_000

    async def look(furlong: Furlong) -> tuple[Snapshot, list[SlowCall]]:
        snapshot = await furlong.metrics.snapshot(window_ms=window_ms)
        return snapshot, list(await furlong.metrics.slow_calls(page_size=SLOW_CALLS_SHOWN))

    async def follow(furlong: Furlong) -> None:
        # The watch itself waits for a gateway that is away; a wrong name or address is told at once.
        snapshot, slow = await look(furlong)
        watching = furlong.metrics.watch(window_ms=window_ms, interval_ms=INTERVAL_MS)
        with Live(board(snapshot, slow), console=terminal, screen=True, auto_refresh=False) as display:
            async with aclosing(watching) as snapshots:
                async for snapshot in snapshots:
                    with suppress(Unreachable, DeadlineEnded):  # the ones before stay; the watch says when it is back
                        slow = list(await furlong.metrics.slow_calls(page_size=SLOW_CALLS_SHOWN))
                    display.update(board(snapshot, slow), refresh=True)

    if terminal.is_terminal and not json:
        with suppress(KeyboardInterrupt):
            session(ctx).run(follow, record=False)
        return
    snapshot, slow = session(ctx).run(look, record=False)
    typer.echo(as_json(GetSnapshotResponse(snapshot=snapshot))) if json else console().print(board(snapshot, slow))
