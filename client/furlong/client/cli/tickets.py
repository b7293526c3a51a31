"""`furlong place`: bet on a round."""

import re
from contextlib import aclosing
from typing import Annotated

import typer
from furlong.client.cli.output import JsonOption, as_json, money, plain, price
from furlong.client.cli.session import EXIT_REFUSED, session
from furlong.client.connection import Furlong
from furlong.client.identity import uuid7
from furlong.common.v1.round_pb2 import Round
from furlong.common.v1.ticket_pb2 import Line, Ticket, TicketOrder, TicketResult
from furlong.game.v1.ticket_service_pb2 import PlaceTicketsResponse

LINE = "RUNNER:STAKE_MINOR[@PRICE]"
SELECTION = re.compile(r"([0-9]{1,2}):([0-9]{1,12})(?:@([0-9]{1,9}))?")


def win_line(text: str) -> Line:
    """Read RUNNER:STAKE_MINOR or RUNNER:STAKE_MINOR@PRICE_HUNDREDTHS as a line to WIN."""
    return _line(text, Line.WIN)


def place_line(text: str) -> Line:
    """Read a line to PLACE likewise."""
    return _line(text, Line.PLACE)


def each_way_line(text: str) -> Line:
    """Read an EACH_WAY line likewise."""
    return _line(text, Line.EACH_WAY)


def _line(text: str, market: "Line.Market.ValueType") -> Line:
    found = SELECTION.fullmatch(text)
    if not found:
        raise typer.BadParameter(
            f"{text!r} is not RUNNER:STAKE_MINOR, such as 3:500 for 5.00 on runner 3, "
            "or RUNNER:STAKE_MINOR@PRICE_HUNDREDTHS, such as 3:500@235 at 2.35 only"
        )
    runner, stake_minor, price_hundredths = (int(part or 0) for part in found.groups())
    return Line(market=market, runners=[runner], stake_minor=stake_minor, price_hundredths=price_hundredths)


def place(
    ctx: typer.Context,
    target: Annotated[str, typer.Argument(metavar="ROUND|TRACK", help="A round's id, or a track: its open round.")],
    account: Annotated[str, typer.Option(metavar="UUID", envvar="FURLONG_ACCOUNT", help="The account that pays.")],
    win: Annotated[
        list[Line] | None,
        typer.Option(
            parser=win_line,
            metavar=LINE,
            help="A WIN line, any number of times. With @PRICE in hundredths it is refused at any other price.",
        ),
    ] = None,
    to_place: Annotated[
        list[Line] | None,
        typer.Option("--place", parser=place_line, metavar=LINE, help="A PLACE line, in the same way."),
    ] = None,
    each_way: Annotated[
        list[Line] | None,
        typer.Option(
            parser=each_way_line,
            metavar=LINE,
            help="A WIN and a PLACE line of the stake each; @PRICE is that of the part to WIN.",
        ),
    ] = None,
    request_id: Annotated[
        str, typer.Option("--id", metavar="UUID", help="Request id, to repeat an order.", show_default="a fresh one")
    ] = "",
    terminal: Annotated[
        str, typer.Option(metavar="NAME", envvar="FURLONG_TERMINAL", help="The terminal that sells it.")
    ] = "",
    json: JsonOption = False,
) -> None:
    """Place one ticket on a round.

    On a track it is the round that takes tickets; between two rounds, the next one is waited for. To repeat an order by
    its --id, name its round.

    An accepted ticket is on the database's disk. Where the answer is lost, the same order is sent again until it is
    known; repeating an order with its --id never bets twice.

    Exit code 0: accepted, 1: refused, 2: error.
    """
    lines = [*(win or ()), *(to_place or ()), *(each_way or ())]
    if not lines:
        raise typer.BadParameter("give it at least one line with --win, --place or --each-way")
    order = TicketOrder(request_id=request_id or uuid7(), account_id=account, lines=lines)

    async def ask(furlong: Furlong) -> tuple[Round, TicketResult]:
        round_ = await (furlong.rounds.get(int(target)) if target.isdecimal() else _open_round(furlong, target))
        (result,) = await furlong.tickets.place(round_.round_id, [order], terminal=terminal)
        return round_, result

    round_, result = session(ctx).run(ask)
    if json:
        typer.echo(as_json(PlaceTicketsResponse(results=[result])))
    else:
        _print_result(result, round_)
    if result.verdict != TicketResult.ACCEPTED:
        raise typer.Exit(EXIT_REFUSED)


async def _open_round(furlong: Furlong, track: str) -> Round:
    """Give the track's round once it takes tickets, and say so when that has to be waited for."""
    round_ = await furlong.rounds.current(track)
    if round_.phase == Round.OPEN:
        return round_
    typer.echo(f"round {round_.round_id} is {Round.Phase.Name(round_.phase)}: waiting for the next one", err=True)
    async with aclosing(furlong.rounds.watch(track)) as frames:
        async for frame in frames:
            if frame.round.phase == Round.OPEN:
                return frame.round
    raise AssertionError("a watch has no end")


def _print_result(result: TicketResult, round_: Round) -> None:
    again = " (answered before)" if result.replayed else ""
    if result.verdict != TicketResult.ACCEPTED:
        typer.echo(f"REFUSED  {TicketResult.Verdict.Name(result.verdict)}: {plain(result.reason)}{again}")
        return
    typer.echo(f"ACCEPTED  ticket {plain(result.ticket.ticket_id)}{again}")
    typer.echo(f"round {round_.round_id} on {plain(round_.track)}, {plain(round_.race_name)}")
    print_lines(result.ticket, {runner.runner: runner.name for runner in round_.runners})


def print_lines(placed: Ticket, names: dict[int, str]) -> None:
    """Print the lines of a ticket; `names` are those of the runners, where they are known."""
    for line in placed.lines:
        selection = " ".join(f"{runner} {plain(names.get(runner, ''))}".rstrip() for runner in line.runners)
        pays_minor = line.stake_minor * line.price_hundredths // 100
        typer.echo(
            f"  {Line.Market.Name(line.market)} {selection}: {money(line.stake_minor, placed.currency)} "
            f"at {price(line.price_hundredths)}, pays {money(pays_minor, placed.currency)}"
        )
