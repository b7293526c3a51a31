"""`furlong track pause|suspend|resume|presence`: stop a track, let it go on, and see who watches it."""

from collections.abc import Awaitable, Callable
from datetime import UTC
from typing import Annotated

import typer
from furlong.client.cli.output import JsonOption, as_json, plain
from furlong.client.cli.session import session
from furlong.client.connection import Furlong
from furlong.client.identity import uuid7
from furlong.common.v1.round_pb2 import Track
from furlong.game.v1.track_service_pb2 import GetTrackResponse, ListPresenceResponse
from google.protobuf.timestamp_pb2 import Timestamp

app = typer.Typer(help="Stop a track, and let it go on.", no_args_is_help=True)

TrackArgument = Annotated[str, typer.Argument(metavar="TRACK", help="The track.")]
ReasonOption = Annotated[str, typer.Option(help="For the books.")]
IdOption = Annotated[
    str, typer.Option("--id", metavar="UUID", help="Request id, to repeat a request.", show_default="a fresh one")
]

MEANS = {
    Track.RUNNING: "it opens its next round when the last one has ended",
    Track.PAUSED: "its round ends, betting included, and no other opens until `furlong track resume`",
    Track.SUSPENDED: "no ticket is accepted, its round ends, and no other opens until `furlong track resume`",
}


@app.command()
def pause(
    ctx: typer.Context, track: TrackArgument, reason: ReasonOption, request_id: IdOption = "", json: JsonOption = False
) -> None:
    """Let the round in progress end, betting included, and open no other."""
    made_id = request_id or uuid7()
    _run(ctx, lambda furlong: furlong.tracks.pause(track, reason, request_id=made_id), json)


@app.command()
def suspend(
    ctx: typer.Context, track: TrackArgument, reason: ReasonOption, request_id: IdOption = "", json: JsonOption = False
) -> None:
    """Stop the sale of tickets at once, let the round in progress end, and open no other."""
    made_id = request_id or uuid7()
    _run(ctx, lambda furlong: furlong.tracks.suspend(track, reason, request_id=made_id), json)


@app.command()
def resume(
    ctx: typer.Context, track: TrackArgument, reason: ReasonOption, request_id: IdOption = "", json: JsonOption = False
) -> None:
    """Let a paused or suspended track go on."""
    made_id = request_id or uuid7()
    _run(ctx, lambda furlong: furlong.tracks.resume(track, reason, request_id=made_id), json)


@app.command()
def presence(ctx: typer.Context, track: TrackArgument, json: JsonOption = False) -> None:
    """Show which terminals watch a track, and which came and went of late."""
    told = session(ctx).run(lambda furlong: furlong.tracks.presence(track))
    if json:
        typer.echo(as_json(told))
        return
    typer.echo(f"{told.watchers} watching, {len(told.terminals)} terminals")
    for each in told.terminals:
        typer.echo(f"{plain(each.terminal)}  since {_clock(each.since)}  streams {each.streams}")
    for move in told.moves:
        typer.echo(f"{_clock(move.at)}  {plain(move.terminal)}  {ListPresenceResponse.Move.Kind.Name(move.kind)}")


def _clock(at: Timestamp) -> str:
    return at.ToDatetime(tzinfo=UTC).strftime("%H:%M:%S UTC")


def _run(ctx: typer.Context, work: Callable[[Furlong], Awaitable[Track]], json: bool) -> None:
    track = session(ctx).run(work)
    if json:
        typer.echo(as_json(GetTrackResponse(track=track)))
        return
    typer.echo(f"track {plain(track.track)}  {Track.State.Name(track.state)}: {MEANS[track.state]}")
