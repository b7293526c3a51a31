"""`furlong account`: open, fill, empty, adjust, block and show accounts of players and tills."""

from enum import StrEnum
from typing import Annotated

import typer
from furlong.client.cli.output import JsonOption, as_json, money, plain
from furlong.client.cli.session import session
from furlong.client.cli.statement import statement
from furlong.client.connection import Furlong
from furlong.client.identity import uuid7
from furlong.common.v1.account_pb2 import Account
from furlong.game.v1.account_service_pb2 import GetAccountResponse

app = typer.Typer(help="Open, fill, empty, adjust, block and show accounts.", no_args_is_help=True)

AccountArgument = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's id.")]
IdOption = Annotated[
    str, typer.Option("--id", metavar="UUID", help="Request id, to repeat a request.", show_default="a fresh one")
]


class Kind(StrEnum):
    """The kinds of account that people open."""

    PLAYER = "PLAYER"
    CASHIER = "CASHIER"


@app.command()
def create(
    ctx: typer.Context,
    kind: Annotated[Kind, typer.Option(help="A punter's account or a till's.")] = Kind.PLAYER,
    currency: Annotated[str, typer.Option(help="ISO 4217; the same as the track's to bet there.")] = "EUR",
    name: Annotated[str, typer.Option(help="Name for people.")] = "",
    credit_limit_minor: Annotated[
        int, typer.Option(min=0, help="How far a CASHIER may go below zero, in minor units.")
    ] = 0,
    request_id: IdOption = "",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the account's id and nothing else.")] = False,
    json: JsonOption = False,
) -> None:
    """Open an account."""
    made_id = request_id or uuid7()

    async def ask(furlong: Furlong) -> Account:
        return await furlong.accounts.create(
            kind=Account.Kind.Value(kind.value),
            currency=currency,
            display_name=name,
            credit_limit_minor=credit_limit_minor,
            request_id=made_id,
        )

    account = session(ctx).run(ask)
    if quiet:
        typer.echo(plain(account.account_id))
    else:
        _print(account, json)


@app.command()
def credit(
    ctx: typer.Context,
    account_id: AccountArgument,
    amount_minor: Annotated[int, typer.Argument(metavar="AMOUNT_MINOR", help="In minor units: 5000 is 50.00 EUR.")],
    reason: Annotated[str, typer.Option(help="For the books.")] = "credit at the counter",
    request_id: IdOption = "",
    json: JsonOption = False,
) -> None:
    """Move money from outside into an account."""
    made_id = request_id or uuid7()

    async def ask(furlong: Furlong) -> Account:
        return await furlong.accounts.credit(account_id, amount_minor, reason, request_id=made_id)

    _print(session(ctx).run(ask), json)


@app.command()
def payout(
    ctx: typer.Context,
    account_id: AccountArgument,
    amount_minor: Annotated[int, typer.Argument(metavar="AMOUNT_MINOR", help="In minor units: 5000 is 50.00 EUR.")],
    reason: Annotated[str, typer.Option(help="For the books.")] = "payout at the counter",
    request_id: IdOption = "",
    json: JsonOption = False,
) -> None:
    """Move money from an account to outside."""
    made_id = request_id or uuid7()

    async def ask(furlong: Furlong) -> Account:
        return await furlong.accounts.pay_out(account_id, amount_minor, reason, request_id=made_id)

    _print(session(ctx).run(ask), json)


@app.command(context_settings={"ignore_unknown_options": True})
def adjust(
    ctx: typer.Context,
    account_id: AccountArgument,
    amount_minor: Annotated[
        int, typer.Argument(metavar="AMOUNT_MINOR", help="In minor units to add; -500 takes 5.00 EUR away.")
    ],
    reason: Annotated[str, typer.Option(help="For the books: what was wrong.")],
    request_id: IdOption = "",
    json: JsonOption = False,
) -> None:
    """Put an account right by hand; the house is at the other end."""
    made_id = request_id or uuid7()

    async def ask(furlong: Furlong) -> Account:
        return await furlong.accounts.adjust(account_id, amount_minor, reason, request_id=made_id)

    _print(session(ctx).run(ask), json)


@app.command()
def block(
    ctx: typer.Context,
    account_id: AccountArgument,
    reason: Annotated[str, typer.Option(help="For the books.")],
    request_id: IdOption = "",
    json: JsonOption = False,
) -> None:
    """Stop an account: it takes no tickets and gives out no money."""
    made_id = request_id or uuid7()

    async def ask(furlong: Furlong) -> Account:
        return await furlong.accounts.block(account_id, reason, request_id=made_id)

    _print(session(ctx).run(ask), json)


@app.command()
def unblock(
    ctx: typer.Context,
    account_id: AccountArgument,
    reason: Annotated[str, typer.Option(help="For the books.")],
    request_id: IdOption = "",
    json: JsonOption = False,
) -> None:
    """Let a blocked account go on."""
    made_id = request_id or uuid7()

    async def ask(furlong: Furlong) -> Account:
        return await furlong.accounts.unblock(account_id, reason, request_id=made_id)

    _print(session(ctx).run(ask), json)


app.command()(statement)


@app.command()
def show(ctx: typer.Context, account_id: AccountArgument, json: JsonOption = False) -> None:
    """Show an account with its balance."""

    async def ask(furlong: Furlong) -> Account:
        return await furlong.accounts.get(account_id)

    _print(session(ctx).run(ask), json)


def _print(account: Account, json: bool) -> None:
    if json:
        typer.echo(as_json(GetAccountResponse(account=account)))
        return
    who = " ".join(filter(None, [Account.Kind.Name(account.kind), plain(account.display_name)]))
    floor = f", floor {money(account.floor_minor, account.currency)}" if account.floor_minor else ""
    blocked = ", blocked" if account.blocked else ""
    typer.echo(f"account {plain(account.account_id)}")
    typer.echo(f"{who}, balance {money(account.balance_minor, account.currency)}{floor}{blocked}")
