"""`furlong books`: the trial balance, of everything or of one round."""

from collections import Counter
from typing import Annotated

import typer
from furlong.client.cli.output import JsonOption, as_json, console, moment, money, plain
from furlong.client.cli.session import EXIT_REFUSED, session
from furlong.client.connection import Furlong
from furlong.common.v1.account_pb2 import Account, TrialBalance
from furlong.game.v1.account_service_pb2 import GetTrialBalanceResponse
from rich.table import Table


def books(
    ctx: typer.Context,
    round_id: Annotated[
        int, typer.Option("--round", min=0, metavar="ROUND", help="The transfers of one round.", show_default="all")
    ] = 0,
    json: JsonOption = False,
) -> None:
    """Add up the books: what came to the accounts of each kind, what left them, and what remains.

    Exit code 0: the sum is zero, 1: it is not, which is a defect of Furlong's, 2: error.
    """

    async def ask(furlong: Furlong) -> TrialBalance:
        return await furlong.accounts.trial_balance(round_id)

    found = session(ctx).run(ask)
    if json:
        typer.echo(as_json(GetTrialBalanceResponse(trial_balance=found)))
    elif not found.rows:
        typer.echo(f"as of {moment(found.as_of)}: no money has moved {f'in round {round_id} ' if round_id else ''}yet")
    else:
        console().print(_table(found))
        typer.echo(f"as of {moment(found.as_of)}: {_verdict(found)}")
    if found.sum_minor:
        raise typer.Exit(EXIT_REFUSED)


def _table(found: TrialBalance) -> Table:
    table = Table("kind", "accounts", "went out", "came in", "remains")
    for column in table.columns[1:]:
        column.justify = "right"
    for row in found.rows:
        amounts = (row.debit_minor, row.credit_minor, row.balance_minor)
        table.add_row(
            Account.Kind.Name(row.kind), str(row.accounts), *(money(minor, row.currency) for minor in amounts)
        )
    sums: Counter[str] = Counter()
    for row in found.rows:
        sums[row.currency] += row.balance_minor
    table.add_section()
    for currency, sum_minor in sorted(sums.items()):
        table.add_row("sum", "", "", "", money(sum_minor, currency))
    return table


def _verdict(found: TrialBalance) -> str:
    if found.sum_minor == 0:
        return "the books balance"
    return plain(f"the books are wrong by {found.sum_minor} minor units; keep this and tell whoever runs the database")
