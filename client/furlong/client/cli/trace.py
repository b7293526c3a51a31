"""`furlong trace`: what happened to a ticket or a call, step by step through all services."""

from typing import Annotated

import typer
from furlong.client.cli.output import JsonOption, as_json, console
from furlong.client.cli.session import session
from furlong.client.cli.trace_view import listing, waterfall
from furlong.client.connection import Furlong
from furlong.metrics.v1.metrics_service_pb2 import GetTraceResponse, ListTracesResponse, Trace


def trace(
    ctx: typer.Context,
    trace_id: Annotated[
        str,
        typer.Argument(
            metavar="TICKET|TRACE",
            help="A ticket's id or a trace's; without one, the latest traces.",
            show_default=False,
        ),
    ] = "",
    json: JsonOption = False,
) -> None:
    """Show the way of a ticket or a call through the services, and how long each step took.

    Calls of this command line are always recorded, others as often as the services sample. What was recorded arrives
    about two seconds later, and is kept until newer traces need its room.
    """

    async def ask_one(furlong: Furlong) -> Trace:
        return await furlong.metrics.trace(trace_id.lower())

    async def ask_latest(furlong: Furlong) -> ListTracesResponse:
        return ListTracesResponse(traces=await furlong.metrics.traces())

    if trace_id:
        found = session(ctx).run(ask_one, record=False)
        typer.echo(as_json(GetTraceResponse(trace=found))) if json else console().print(waterfall(found))
        return
    latest = session(ctx).run(ask_latest, record=False)
    typer.echo(as_json(latest)) if json else console().print(listing(list(latest.traces)))
