"""`furlong ticket TICKET` and `furlong ticket cancel|pay`: what became of a ticket, and what can be done with it."""

from typing import Annotated, Any

import typer
from furlong.client.cli.output import JsonOption, as_json, moment, money, plain
from furlong.client.cli.session import session
from furlong.client.cli.tickets import print_lines
from furlong.client.connection import Furlong
from furlong.client.identity import uuid7
from furlong.common.v1.ticket_pb2 import Ticket
from furlong.game.v1.ticket_service_pb2 import CancelTicketResponse, GetTicketResponse, PayTicketResponse
from typer.core import TyperGroup

SHOW = "show"


class ShowsByDefault(TyperGroup):
    """A group in which a ticket's id without a command means `show`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command that was left out in its place."""
        known = {*self.commands, *self.get_help_option_names(ctx)}
        return super().parse_args(ctx, args if not args or args[0] in known else [SHOW, *args])


app = typer.Typer(
    cls=ShowsByDefault,
    help="Show a ticket, take it back, or pay it at a till. `furlong ticket TICKET` shows it.",
    no_args_is_help=True,
)

TicketArgument = Annotated[str, typer.Argument(metavar="TICKET", help="The ticket's id.")]
IdOption = Annotated[
    str, typer.Option("--id", metavar="UUID", help="Request id, to repeat a request.", show_default="a fresh one")
]


@app.command(SHOW)
def show(ctx: typer.Context, ticket_id: TicketArgument, json: JsonOption = False) -> None:
    """Show a ticket with its state and payout."""

    async def ask(furlong: Furlong) -> Ticket:
        return await furlong.tickets.get(ticket_id)

    found = session(ctx).run(ask)
    if json:
        typer.echo(as_json(GetTicketResponse(ticket=found)))
    else:
        _print(found)


@app.command()
def cancel(
    ctx: typer.Context,
    ticket_id: TicketArgument,
    reason: Annotated[str, typer.Option(help="For the books.")] = "taken back at the counter",
    request_id: IdOption = "",
    json: JsonOption = False,
) -> None:
    """Take a ticket back before its round locks; the stake goes back to the account that paid."""
    made_id = request_id or uuid7()

    async def ask(furlong: Furlong) -> Ticket:
        return await furlong.tickets.cancel(ticket_id, reason, request_id=made_id)

    cancelled = session(ctx).run(ask)
    if json:
        typer.echo(as_json(CancelTicketResponse(ticket=cancelled)))
    else:
        _print(cancelled)


@app.command()
def pay(
    ctx: typer.Context,
    ticket_id: TicketArgument,
    account: Annotated[
        str, typer.Option(metavar="UUID", envvar="FURLONG_ACCOUNT", help="The till that hands out the money.")
    ],
    request_id: IdOption = "",
    json: JsonOption = False,
) -> None:
    """Pay a ticket that was bought at a till, at any till.

    Hand out what the first line says, and nothing when there is an error. A ticket is paid once: whoever comes second
    is refused with TICKET_STATE.
    """
    made_id = request_id or uuid7()

    async def ask(furlong: Furlong) -> PayTicketResponse:
        return await furlong.tickets.pay(ticket_id, account, request_id=made_id)

    paid = session(ctx).run(ask)
    if json:
        typer.echo(as_json(paid))
        return
    typer.echo(f"PAY OUT  {money(paid.paid_minor, paid.ticket.currency)}")
    _print(paid.ticket)


def _print(ticket: Ticket) -> None:
    typer.echo(f"ticket {plain(ticket.ticket_id)}  {Ticket.State.Name(ticket.state)}")
    at = f" at {plain(ticket.terminal)}" if ticket.terminal else ""
    typer.echo(f"round {ticket.round_id}, account {plain(ticket.account_id)}, placed {moment(ticket.placed_at)}{at}")
    print_lines(ticket, {})
    typer.echo(
        f"staked {money(ticket.stake_minor, ticket.currency)}, paid back {money(ticket.payout_minor, ticket.currency)}"
    )
    if ticket.payout_uncapped_minor:
        typer.echo(f"won {money(ticket.payout_uncapped_minor, ticket.currency)} before the round's greatest payout")
