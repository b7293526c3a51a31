"""`furlong track show|pause|suspend|resume|update|presence`: a track, its settings, its watchers, and stopping it."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC
from enum import StrEnum
from typing import Annotated

import typer
from furlong.client.cli.output import JsonOption, as_json, plain
from furlong.client.cli.session import session
from furlong.client.connection import Furlong
from furlong.client.identity import uuid7
from furlong.common.v1.round_pb2 import Program, Suspension, Track
from furlong.common.v1.ticket_pb2 import Line
from furlong.game.v1.track_service_pb2 import GetTrackResponse, ListPresenceResponse, UpdateTrackRequest
from google.protobuf.timestamp_pb2 import Timestamp

app = typer.Typer(help="Show a track, stop it or a part of it, and change its settings.", no_args_is_help=True)

TIME_OF_DAY = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?")
MS = 1_000
DAY_S = 86_400


class Market(StrEnum):
    """A market that can be suspended."""

    WIN = "WIN"
    PLACE = "PLACE"


TrackArgument = Annotated[str, typer.Argument(metavar="TRACK", help="The track.")]
ReasonOption = Annotated[str, typer.Option(help="For the books.")]
IdOption = Annotated[
    str, typer.Option("--id", metavar="UUID", help="Request id, to repeat a request.", show_default="a fresh one")
]
MarketOption = Annotated[
    Market | None, typer.Option(help="Only this market, in every round.", show_default="the whole track")
]
RunnerOption = Annotated[
    int | None, typer.Option(min=1, max=40, help="Only this runner, of the open round.", show_default="the whole track")
]
TerminalOption = Annotated[
    str, typer.Option(metavar="NAME", help="Only this terminal, in every round.", show_default="the whole track")
]

MEANS = {
    Track.RUNNING: "it opens its next round when the last one has ended",
    Track.PAUSED: "its round ends, betting included, and no other opens until `furlong track resume`",
    Track.SUSPENDED: "no ticket is accepted, its round ends, and no other opens until `furlong track resume`",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """One of a market, a runner and a terminal, or none of them, which is the whole track."""

    market: "Line.Market.ValueType"
    runner: int
    terminal: str

    @staticmethod
    def of(market: Market | None, runner: int | None, terminal: str) -> "_Part":
        """Read the options; at most one of them may be given."""
        if sum(map(bool, (market, runner, terminal))) > 1:
            raise typer.BadParameter("at most one of --market, --runner and --terminal, or none for the whole track")
        return _Part(
            market=Line.Market.Value(market) if market else Line.MARKET_UNSPECIFIED,
            runner=runner or 0,
            terminal=terminal,
        )

    @property
    def is_all(self) -> bool:
        """Whether it is the whole track."""
        return not (self.market or self.runner or self.terminal)


@app.command()
def show(ctx: typer.Context, track: TrackArgument, json: JsonOption = False) -> None:
    """Show a track: its state, when it is off, and what of it is suspended."""
    _run(ctx, lambda furlong: furlong.tracks.get(track), json)


@app.command()
def pause(
    ctx: typer.Context, track: TrackArgument, reason: ReasonOption, request_id: IdOption = "", json: JsonOption = False
) -> None:
    """Let the round in progress end, betting included, and open no other: close after this round."""
    made_id = request_id or uuid7()
    _run(ctx, lambda furlong: furlong.tracks.pause(track, reason, request_id=made_id), json)


@app.command()
def suspend(
    ctx: typer.Context,
    track: TrackArgument,
    reason: ReasonOption,
    market: MarketOption = None,
    runner: RunnerOption = None,
    terminal: TerminalOption = "",
    request_id: IdOption = "",
    json: JsonOption = False,
) -> None:
    """Stop the sale of tickets at once, of the whole track or of a part of it.

    A whole track ends the round in progress and opens no other. Where only a part is suspended, the rest goes on.
    """
    made_id = request_id or uuid7()
    part = _Part.of(market, runner, terminal)
    if part.is_all:
        _run(ctx, lambda furlong: furlong.tracks.suspend(track, reason, request_id=made_id), json)
        return
    _run(
        ctx,
        lambda furlong: furlong.tracks.suspend_selling(
            track, reason, market=part.market, runner=part.runner, terminal=part.terminal, request_id=made_id
        ),
        json,
    )


@app.command()
def resume(
    ctx: typer.Context,
    track: TrackArgument,
    reason: ReasonOption,
    market: MarketOption = None,
    runner: RunnerOption = None,
    terminal: TerminalOption = "",
    request_id: IdOption = "",
    json: JsonOption = False,
) -> None:
    """Let a paused or suspended track go on, or a suspended part of it."""
    made_id = request_id or uuid7()
    part = _Part.of(market, runner, terminal)
    if part.is_all:
        _run(ctx, lambda furlong: furlong.tracks.resume(track, reason, request_id=made_id), json)
        return
    _run(
        ctx,
        lambda furlong: furlong.tracks.resume_selling(
            track, reason, market=part.market, runner=part.runner, terminal=part.terminal, request_id=made_id
        ),
        json,
    )


def off_time(text: str) -> int:
    """Read 14:35 or 14:35:30 as seconds after midnight."""
    found = TIME_OF_DAY.fullmatch(text)
    if not found:
        raise typer.BadParameter(f"{text!r} is not a time of the day such as 14:35 or 14:35:30")
    hour, minute, second = (int(part or 0) for part in found.groups())
    return (hour * 60 + minute) * 60 + second


@app.command()
def update(
    ctx: typer.Context,
    track: TrackArgument,
    reason: ReasonOption,
    name: Annotated[str, typer.Option(help="Its name for people.", show_default="as it is")] = "",
    return_bps: Annotated[
        int | None, typer.Option(min=5_000, max=9_999, help="Target return in basis points.", show_default="as it is")
    ] = None,
    betting_s: Annotated[
        float | None, typer.Option(min=1, max=DAY_S, help="Seconds of betting.", show_default="as it is")
    ] = None,
    every_s: Annotated[
        float | None, typer.Option(min=2, max=DAY_S, help="An off every so many seconds.", show_default="as it is")
    ] = None,
    off: Annotated[
        list[int] | None,
        typer.Option(
            parser=off_time, metavar="HH:MM[:SS]", help="An off at this time, any number.", show_default="as it is"
        ),
    ] = None,
    zone: Annotated[str, typer.Option(help="Time zone of --off, such as Europe/London.", show_default="UTC")] = "",
    no_offs: Annotated[
        bool, typer.Option("--no-offs", help="Open a round as soon as the last one ends, without times.")
    ] = False,
    stake_min_minor: Annotated[
        int | None, typer.Option(min=1, help="Least stake of a line.", show_default="as it is")
    ] = None,
    stake_max_minor: Annotated[
        int | None, typer.Option(min=1, help="Greatest stake of a line.", show_default="as it is")
    ] = None,
    request_id: IdOption = "",
    json: JsonOption = False,
) -> None:
    """Change settings of a track, from its next round on."""
    if sum(map(bool, (every_s, off, no_offs))) > 1:
        raise typer.BadParameter("one of --every-s, --off and --no-offs")
    if zone and not off:
        raise typer.BadParameter("--zone is the zone of --off")

    def changed(program: Program) -> None:
        program.every_ms = round((every_s or 0) * MS)
        program.time_zone = zone
        del program.off_times_s[:]
        program.off_times_s.extend(sorted(set(off or ())))

    async def work(furlong: Furlong) -> Track:
        request = UpdateTrackRequest(
            request_id=request_id or uuid7(), track=track, display_name=name, return_bps=return_bps or 0, reason=reason
        )
        now = await furlong.tracks.get(track)
        if every_s or off or no_offs:
            request.program.CopyFrom(now.program)
            changed(request.program)
        if betting_s:
            request.timetable.CopyFrom(now.timetable)
            request.timetable.betting_window_ms = round(betting_s * MS)
        if stake_min_minor or stake_max_minor:
            request.limits.CopyFrom(now.limits)
            request.limits.stake_min_minor = stake_min_minor or now.limits.stake_min_minor
            request.limits.stake_max_minor = stake_max_minor or now.limits.stake_max_minor
        return await furlong.tracks.update(request)

    _run(ctx, work, json)


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
    if offs := _offs(track.program):
        typer.echo(f"  off {offs}")
    for suspension in track.suspended:
        typer.echo(f"  suspended: {_named(suspension)} ({plain(suspension.reason)})")


def _offs(program: Program) -> str:
    """Say when a track with times of its own has its offs; empty where it has none."""
    if program.every_ms:
        return f"every {program.every_ms / MS:g} s"
    times = [f"{at // 3600:02}:{at // 60 % 60:02}:{at % 60:02}".removesuffix(":00") for at in program.off_times_s]
    return f"at {', '.join(times)} {plain(program.time_zone) or 'UTC'}" if times else ""


def _named(suspension: Suspension) -> str:
    if suspension.market:
        return f"market {Line.Market.Name(suspension.market)}"
    if suspension.runner:
        return f"runner {suspension.runner} of round {suspension.round_id}"
    return f"terminal {plain(suspension.terminal)}"
