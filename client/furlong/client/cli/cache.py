"""`furlong cache stats|get|flush`: look at the cache, look into it, empty it."""

from typing import Annotated

import typer
from furlong.cache.v1.cache_service_pb2 import FlushResponse, Found, GetResponse, GetStatsResponse
from furlong.client.cli.cache_view import board, entry
from furlong.client.cli.output import JsonOption, as_json, console
from furlong.client.cli.session import EXIT_REFUSED, session
from furlong.client.connection import Furlong

app = typer.Typer(help="Look at the cache, look into it, empty it.", no_args_is_help=True)

MS = 1_000


@app.command()
def stats(ctx: typer.Context, json: JsonOption = False) -> None:
    """Show what one replica of the cache did since it started: hits by tier, what fills it, how stale it is."""

    async def ask(furlong: Furlong) -> GetStatsResponse:
        return await furlong.cache.stats()

    found = session(ctx).run(ask, record=False)
    typer.echo(as_json(found)) if json else console().print(board(found))


@app.command()
def get(
    ctx: typer.Context,
    namespace: Annotated[str, typer.Argument(metavar="NAMESPACE", help="Like rounds; `furlong cache stats` has all.")],
    key: Annotated[str, typer.Argument(metavar="KEY", help="The entry's key.")],
    max_stale: Annotated[
        int, typer.Option(min=0, metavar="SECONDS", help="How far past its fresh time the entry may be.")
    ] = 0,
    json: JsonOption = False,
) -> None:
    """Show one entry as it is kept. Exit code 0: there is one, 1: there is none, 2: error."""

    async def ask(furlong: Furlong) -> Found:
        return await furlong.cache.get(namespace, key, max_stale_ms=max_stale * MS)

    found = session(ctx).run(ask)
    typer.echo(as_json(GetResponse(found=found))) if json else console().print(entry(found))
    if found.outcome == Found.MISS:
        raise typer.Exit(EXIT_REFUSED)


@app.command()
def flush(
    ctx: typer.Context,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: JsonOption = False,
) -> None:
    """Forget everything in both tiers, at every replica. Answers stay right; they are slower until it fills again."""
    if not yes:
        typer.confirm("Forget everything that is cached, at every replica?", abort=True)

    async def ask(furlong: Furlong) -> None:
        await furlong.cache.flush()

    session(ctx).run(ask)
    typer.echo(as_json(FlushResponse()) if json else "everything is forgotten, at every replica")
