"""`furlong place`: bet on a round. `furlong quote`: have prices held before that."""

import re
from collections.abc import Iterable
from contextlib import aclosing
from enum import StrEnum
from typing import Annotated

import typer
from furlong.client.cli.output import JsonOption, as_json, moment, money, plain, price
from furlong.client.cli.session import EXIT_REFUSED, session
from furlong.client.connection import Furlong
from furlong.client.identity import uuid7
from furlong.common.v1.round_pb2 import Round, Track
from furlong.common.v1.ticket_pb2 import Line, Ticket, TicketOrder, TicketResult
from furlong.game.v1.ticket_service_pb2 import PlaceTicketsResponse, QuoteResponse

LINE = "RUNNER:STAKE_MINOR[@PRICE]"
QUOTED_LINE = "RUNNER:STAKE_MINOR"
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


class Policy(StrEnum):
    """Which prices an order takes."""

    ANY = "any"
    BETTER = "better"
    EXACT = "exact"


TargetArgument = Annotated[str, typer.Argument(metavar="ROUND|TRACK", help="A round's id, or a track: its open round.")]


def place(
    ctx: typer.Context,
    target: TargetArgument,
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
    policy: Annotated[
        Policy | None,
        typer.Option(help="Take any price, the line's or a better one, or exactly the line's.", show_default=False),
    ] = None,
    quote: Annotated[
        str, typer.Option(metavar="QUOTE", help="What `furlong quote` gave for these lines.", show_default=False)
    ] = "",
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
    order = TicketOrder(
        request_id=request_id or uuid7(),
        account_id=account,
        lines=_lines(win, to_place, each_way),
        price_policy=TicketOrder.PricePolicy.Value(policy.name) if policy else TicketOrder.PRICE_POLICY_UNSPECIFIED,
        quote=quote,
    )

    async def ask(furlong: Furlong) -> tuple[Round, TicketResult]:
        round_ = await _round_of(furlong, target)
        (result,) = await furlong.tickets.place(round_.round_id, [order], terminal=terminal)
        return round_, result

    round_, result = session(ctx).run(ask)
    if json:
        typer.echo(as_json(PlaceTicketsResponse(results=[result])))
    else:
        _print_result(result, round_)
    if result.verdict != TicketResult.ACCEPTED:
        raise typer.Exit(EXIT_REFUSED)


def quote(
    ctx: typer.Context,
    target: TargetArgument,
    win: Annotated[
        list[Line] | None,
        typer.Option(parser=win_line, metavar=QUOTED_LINE, help="A WIN line, any number of times."),
    ] = None,
    to_place: Annotated[
        list[Line] | None,
        typer.Option("--place", parser=place_line, metavar=QUOTED_LINE, help="A PLACE line, in the same way."),
    ] = None,
    each_way: Annotated[
        list[Line] | None,
        typer.Option(
            parser=each_way_line,
            metavar=QUOTED_LINE,
            help="A WIN and a PLACE line of the stake each.",
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Ask what lines would get, and have those prices held for some seconds.

    `furlong place` with the same lines and --quote gets the prices, whatever has become of them.
    """

    lines = _lines(win, to_place, each_way)

    async def ask(furlong: Furlong) -> tuple[Round, QuoteResponse]:
        round_ = await _round_of(furlong, target)
        return round_, await furlong.tickets.quote(round_.round_id, lines)

    round_, quoted = session(ctx).run(ask)
    if json:
        typer.echo(as_json(quoted))
        return
    typer.echo(f"round {round_.round_id} on {plain(round_.track)}, held until {moment(quoted.expires_at)}")
    _print_lines(quoted.parts, round_.currency, {runner.runner: runner.name for runner in round_.runners})
    typer.echo(f"costs {money(sum(part.stake_minor for part in quoted.parts), round_.currency)}")
    typer.echo(f"place {round_.round_id} with --quote {plain(quoted.quote)}")


def _lines(win: list[Line] | None, to_place: list[Line] | None, each_way: list[Line] | None) -> list[Line]:
    """All lines of a ticket, of which there has to be one."""
    lines = [*(win or ()), *(to_place or ()), *(each_way or ())]
    if not lines:
        raise typer.BadParameter("give it at least one line with --win, --place or --each-way")
    return lines


async def _round_of(furlong: Furlong, target: str) -> Round:
    return await (furlong.rounds.get(int(target)) if target.isdecimal() else _open_round(furlong, target))


async def _open_round(furlong: Furlong, track: str) -> Round:
    """Give the track's round once it takes tickets, and say so when that has to be waited for."""
    round_ = await furlong.rounds.current(track)
    if round_.phase == Round.OPEN:
        return round_
    state = (await furlong.tracks.get(track)).state
    stopped = (
        "" if state == Track.RUNNING else f", which opens once the track is resumed: it is {Track.State.Name(state)}"
    )
    now = f"round {round_.round_id} is {Round.Phase.Name(round_.phase)}"
    typer.echo(f"{now}: waiting for the next one{stopped}", err=True)
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
    _print_lines(placed.lines, placed.currency, names)


def _print_lines(lines: Iterable[Line], currency: str, names: dict[int, str]) -> None:
    for line in lines:
        selection = " ".join(f"{runner} {plain(names.get(runner, ''))}".rstrip() for runner in line.runners)
        pays_minor = line.stake_minor * line.price_hundredths // 100
        typer.echo(
            f"  {Line.Market.Name(line.market)} {selection}: {money(line.stake_minor, currency)} "
            f"at {price(line.price_hundredths)}, pays {money(pays_minor, currency)}"
        )
