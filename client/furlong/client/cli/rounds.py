"""`furlong rounds`: the tracks there are, and rounds. `furlong round`: decide about a round, or move its prices."""

import re
from collections.abc import Awaitable, Callable
from typing import Annotated

import typer
from furlong.client.cli.output import JsonOption, as_json, console, moment, money, plain, price
from furlong.client.cli.result import awaits_result, result_words, winners
from furlong.client.cli.session import session
from furlong.client.connection import Furlong
from furlong.client.identity import uuid7
from furlong.common.v1.round_pb2 import Round, Track
from furlong.common.v1.ticket_pb2 import Line, Price
from furlong.game.v1.round_service_pb2 import GetRoundResponse, ListRoundsResponse
from furlong.game.v1.track_service_pb2 import ListTracksResponse, SetPricesResponse
from rich.table import Table
from rich.text import Text

ROUNDS_MAX = 100
PLACES_SHOWN = 3
NEW_PRICE = re.compile(r"(PLACE:)?([0-9]{1,2})=([0-9]{3,9})")
RESULT = re.compile(r"[0-9]{1,2}(-[0-9]{1,2})+")
NUMBERS = re.compile(r"[0-9]{1,2}(-[0-9]{1,2})*")

app = typer.Typer(help="Void a round, enter or correct its result, or move its prices.", no_args_is_help=True)

RoundArgument = Annotated[int, typer.Argument(metavar="ROUND", min=1, help="The round's id.")]
ResultArgument = Annotated[
    str,
    typer.Argument(metavar="RESULT", help="Such as 3-1-2: the numbers of all runners that took part, first to last."),
]
PositionsOption = Annotated[
    str,
    typer.Option(
        metavar="1-1-3",
        help="The positions of the result's runners: a dead heat shares one, 0 did not finish.",
        show_default="1-2-3 and so on",
    ),
]
WithdrawnOption = Annotated[
    str,
    typer.Option(
        metavar="4-7",
        help="Runners that took no part: what was bet on them is given back.",
        show_default="none",
    ),
]
ReasonOption = Annotated[str, typer.Option(help="For the books and the screens.")]
IdOption = Annotated[
    str, typer.Option("--id", metavar="UUID", help="Request id, to repeat a request.", show_default="a fresh one")
]


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


def finishing_order(text: str) -> list[int]:
    """Read 3-1-2 as the runners' numbers, first to last."""
    if not RESULT.fullmatch(text):
        raise typer.BadParameter(f"{text!r} is not a result such as 3-1-2: every runner's number, first to last")
    return [int(runner) for runner in text.split("-")]


def numbers(text: str, option: str) -> list[int]:
    """Read 4-7 or 4 or nothing, as an option has it."""
    if text and not NUMBERS.fullmatch(text):
        raise typer.BadParameter(f"{option} {text!r} is not a list of numbers such as 4-7")
    return [int(number) for number in text.split("-")] if text else []


def new_price(text: str) -> Price:
    """Read 3=250 as a price of 2.50 for runner 3 to WIN, and PLACE:3=110 as one of 1.10 to PLACE."""
    found = NEW_PRICE.fullmatch(text)
    if not found:
        raise typer.BadParameter(f"{text!r} is not RUNNER=PRICE, such as 3=250 for 2.50, or PLACE:RUNNER=PRICE")
    market, runner, price_hundredths = found.groups()
    return Price(market=Line.PLACE if market else Line.WIN, runner=int(runner), price_hundredths=int(price_hundredths))


@app.command()
def void(
    ctx: typer.Context,
    round_id: RoundArgument,
    reason: ReasonOption,
    request_id: IdOption = "",
    json: JsonOption = False,
) -> None:
    """Give every stake of a round back; possible until the race starts."""
    made_id = request_id or uuid7()
    _decide(ctx, lambda furlong: furlong.tracks.void_round(round_id, reason, request_id=made_id), json)


@app.command()
def enter(
    ctx: typer.Context,
    round_id: RoundArgument,
    result: ResultArgument,
    reason: ReasonOption,
    positions: PositionsOption = "",
    withdrawn: WithdrawnOption = "",
    request_id: IdOption = "",
    json: JsonOption = False,
) -> None:
    """Enter how the race of a locked round ended, where the track shows races that are run elsewhere.

    The race starts then. Where it was abandoned, void the round instead.
    """
    made_id = request_id or uuid7()
    order = finishing_order(result)
    more = {"positions": numbers(positions, "--positions"), "withdrawn": numbers(withdrawn, "--withdrawn")}
    _decide(ctx, lambda furlong: furlong.tracks.enter_result(round_id, order, reason, request_id=made_id, **more), json)


@app.command()
def correct(
    ctx: typer.Context,
    round_id: RoundArgument,
    result: ResultArgument,
    reason: ReasonOption,
    positions: PositionsOption = "",
    withdrawn: WithdrawnOption = "",
    request_id: IdOption = "",
    json: JsonOption = False,
) -> None:
    """Put the result of a settled round right, and the money with it.

    Prizes of the wrong result are taken back as far as the accounts have them, the right winners are paid, and the
    house bears the rest. Repeating it changes nothing.
    """
    made_id = request_id or uuid7()
    order = finishing_order(result)
    more = {"positions": numbers(positions, "--positions"), "withdrawn": numbers(withdrawn, "--withdrawn")}
    _decide(
        ctx, lambda furlong: furlong.tracks.correct_result(round_id, order, reason, request_id=made_id, **more), json
    )


@app.command()
def prices(
    ctx: typer.Context,
    round_id: RoundArgument,
    new: Annotated[
        list[Price],
        typer.Argument(parser=new_price, metavar="RUNNER=PRICE...", help="Such as 3=250, 2.50 to WIN, or PLACE:3=110."),
    ],
    reason: ReasonOption,
    request_id: IdOption = "",
    json: JsonOption = False,
) -> None:
    """Move prices of a round whose result will be entered, while it takes tickets.

    When this has answered, no ticket is accepted at a price that was withdrawn, but for those with a quote.
    """
    made_id = request_id or uuid7()
    round_ = session(ctx).run(lambda furlong: furlong.tracks.set_prices(round_id, new, reason, request_id=made_id))
    if json:
        typer.echo(as_json(SetPricesResponse(round=round_)))
        return
    offered = ", ".join(f"{runner.runner} at {price(runner.win_price_hundredths)}" for runner in round_.runners)
    typer.echo(f"round {round_.round_id}  prices moved, revision {round_.price_revision}: {offered}")


def _decide(ctx: typer.Context, work: Callable[[Furlong], Awaitable[Round]], json: bool) -> None:
    round_ = session(ctx).run(work)
    if json:
        typer.echo(as_json(GetRoundResponse(round=round_)))
        return
    why = plain(round_.correction_reason or round_.void_reason)
    result = f", result {result_words(round_)}" if round_.result else ""
    typer.echo(f"round {round_.round_id}  {Round.Phase.Name(round_.phase)}{result}{': ' if why else ''}{why}")
    typer.echo(f"the money follows; `furlong books --round {round_.round_id}` adds it up")


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
            Round.Phase.Name(round_.phase) + (", awaits its result" if awaits_result(round_) else ""),
            moment(round_.opens_at),
            Text(plain(round_.race_name)),
            result_words(round_, PLACES_SHOWN),
            " ".join(price(prices.get(runner, 0)) for runner in winners(round_)),
            str(round_.totals.tickets),
            money(round_.totals.stake_minor, round_.currency),
            money(round_.payout_minor, round_.currency),
        )
    return table
