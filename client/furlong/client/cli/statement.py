"""`furlong account statement`: every movement of an account's money, the newest first."""

from typing import Annotated

import typer
from furlong.client.cli.output import JsonOption, as_json, console, moment, money, plain
from furlong.client.cli.session import session
from furlong.client.connection import Furlong
from furlong.common.v1.account_pb2 import Account, Transfer
from furlong.game.v1.account_service_pb2 import ListTransfersResponse
from rich.table import Table
from rich.text import Text

TRANSFERS_MAX = 500


def statement(
    ctx: typer.Context,
    account_id: Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's id.")],
    limit: Annotated[int, typer.Option(min=1, max=TRANSFERS_MAX, help="How many transfers, the newest first.")] = 20,
    after: Annotated[
        str, typer.Option(metavar="TOKEN", help="Go on where another page ended.", show_default=False)
    ] = "",
    json: JsonOption = False,
) -> None:
    """Show the transfers of an account, each with the balance after it."""

    async def ask(furlong: Furlong) -> tuple[Account, ListTransfersResponse]:
        page = await furlong.accounts.transfers(account_id, page_size=limit, page_token=after)
        return await furlong.accounts.get(account_id), page

    account, page = session(ctx).run(ask)
    if json:
        typer.echo(as_json(page))
        return
    console().print(_table(list(page.transfers), account.currency))
    if page.next_page_token:
        typer.echo(f"there are older ones: --after {plain(page.next_page_token)}")


def _table(transfers: list[Transfer], currency: str) -> Table:
    table = Table("made", "kind", "amount", "balance", "round", "reference", "reason", "by")
    for column in ("amount", "balance", "round"):
        next(each for each in table.columns if each.header == column).justify = "right"
    for transfer in transfers:
        table.add_row(
            moment(transfer.made_at),
            Transfer.Kind.Name(transfer.kind),
            money(transfer.amount_minor, currency),
            money(transfer.balance_minor, currency),
            str(transfer.round_id or ""),
            Text(plain(transfer.reference)),
            Text(plain(transfer.reason)),
            Text(plain(transfer.actor)),
        )
    return table
