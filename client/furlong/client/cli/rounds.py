"""`furlong rounds`: the tracks there are, and the rounds of one."""

from typing import Annotated

import typer
from furlong.client.cli.output import JsonOption, as_json, console, moment, money, plain, price
from furlong.client.cli.session import session
from furlong.client.connection import Furlong
from furlong.common.v1.round_pb2 import Round, Track
from furlong.game.v1.round_service_pb2 import ListRoundsResponse
from furlong.game.v1.track_service_pb2 import ListTracksResponse
from rich.table import Table
from rich.text import Text

ROUNDS_MAX = 100


def rounds(
    ctx: typer.Context,
    track: Annotated[
        str, typer.Argument(metavar="TRACK", help="The track; without one, the tracks are listed.", show_default=False)
    ] = "",
    limit: Annotated[int, typer.Option(min=1, max=ROUNDS_MAX, help="How many rounds, the newest first.")] = 10,
    json: JsonOption = False,
) -> None:
    """List the rounds of a track, or the tracks there are."""

    async def ask_tracks(furlong: Furlong) -> ListTracksResponse:
        return ListTracksResponse(tracks=await furlong.tracks.list())

    async def ask_rounds(furlong: Furlong) -> ListRoundsResponse:
        return await furlong.rounds.list(track, page_size=limit)

    if not track:
        found = session(ctx).run(ask_tracks)
        typer.echo(as_json(found)) if json else console().print(_tracks_table(list(found.tracks)))
        return
    page = session(ctx).run(ask_rounds)
    typer.echo(as_json(page)) if json else console().print(_rounds_table(list(page.rounds)))


def _tracks_table(tracks: list[Track]) -> Table:
    table = Table("track", "name", "currency", "state", "betting", "return")
    for track in tracks:
        table.add_row(
            Text(plain(track.track), style="bold"),
            Text(plain(track.display_name)),
            Text(plain(track.currency)),
            Track.State.Name(track.state),
            f"{track.timetable.betting_window_ms // 1000} s",
            f"{price(track.return_bps)} %",
        )
    return table


def _rounds_table(rounds: list[Round]) -> Table:
    table = Table("round", "phase", "opened", "race", "result", "winner pays", "tickets", "staked", "paid")
    for round_ in rounds:
        prices = {runner.runner: runner.win_price_hundredths for runner in round_.runners}
        table.add_row(
            Text(str(round_.round_id), style="bold"),
            Round.Phase.Name(round_.phase),
            moment(round_.opens_at),
            Text(plain(round_.race_name)),
            "-".join(map(str, round_.result[:3])),
            price(prices.get(round_.result[0], 0)) if round_.result else "",
            str(round_.totals.tickets),
            money(round_.totals.stake_minor, round_.currency),
            money(round_.payout_minor, round_.currency),
        )
    return table
