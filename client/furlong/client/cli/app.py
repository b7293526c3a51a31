"""The command tree of `furlong`: every command and its place in the help."""

from pathlib import Path
from typing import Annotated

import typer
from furlong.client.cli import (
    accounts,
    books,
    cache,
    cards,
    keys,
    rounds,
    ticket,
    tickets,
    top,
    trace,
    tracks,
    verify,
    watch,
)
from furlong.client.cli.session import Session
from furlong.client.connection import DEFAULT_TARGET

PLAY, PROVE, RUN, LOOK, KEYS = "Play", "Prove", "Run", "Look", "Keys"

app = typer.Typer(
    name="furlong",
    help="Timed virtual races that people bet on: watch, bet, prove, run.\n\n"
    "All amounts are given in minor units of the track's currency: 500 is 5.00 EUR.",
    epilog="First steps: furlong rounds, furlong watch TRACK, furlong place TRACK --account ID --win 3:500",
    rich_markup_mode="markdown",  # paragraphs of help are filled, not broken where the source is
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def connect_options(
    ctx: typer.Context,
    gateway: Annotated[
        str,
        typer.Option(
            envvar="FURLONG_GATEWAY",
            metavar="HOST:PORT",
            help="The gateway to talk to; https://HOST:PORT talks to it over TLS.",
        ),
    ] = DEFAULT_TARGET,
    token: Annotated[
        str,
        typer.Option(
            envvar="FURLONG_TOKEN",
            metavar="JWT",
            show_default=False,
            help="Bearer token. Without one, the file `token` of the data folder is read if it is there.",
        ),
    ] = "",
    data: Annotated[
        Path, typer.Option(envvar="FURLONG_DATA", metavar="FOLDER", help="Data folder of a local stack.")
    ] = Path(".furlong"),
    ca_file: Annotated[
        Path | None,
        typer.Option(
            envvar="FURLONG_CA_FILE",
            metavar="FILE",
            show_default=False,
            help="Who signed the gateway's certificate, PEM, where that is no public authority; means TLS.",
        ),
    ] = None,
) -> None:
    """Hand the options that every command shares to the command."""
    ctx.obj = Session(gateway=gateway, given_token=token, data_dir=data, ca_file=ca_file)


app.command("rounds", rich_help_panel=PLAY)(rounds.rounds)
app.command("watch", rich_help_panel=PLAY)(watch.watch)
app.command("place", rich_help_panel=PLAY)(tickets.place)
app.command("quote", rich_help_panel=PLAY)(tickets.quote)
app.add_typer(ticket.app, name="ticket", rich_help_panel=PLAY)
app.command("verify", rich_help_panel=PROVE)(verify.verify)
app.add_typer(accounts.app, name="account", rich_help_panel=RUN)
app.add_typer(cards.app, name="cards", rich_help_panel=RUN)
app.add_typer(tracks.app, name="track", rich_help_panel=RUN)
app.add_typer(rounds.app, name="round", rich_help_panel=RUN)
app.command("books", rich_help_panel=LOOK)(books.books)
app.command("top", rich_help_panel=LOOK)(top.top)
app.add_typer(cache.app, name="cache", rich_help_panel=LOOK)
app.command("trace", rich_help_panel=LOOK)(trace.trace)
app.command("token", rich_help_panel=KEYS)(keys.token)
app.command("id", rich_help_panel=KEYS)(keys.fresh_id)


def main() -> None:
    """Run the command line and end the process with its exit code."""
    app()
