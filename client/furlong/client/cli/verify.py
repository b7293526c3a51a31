"""`furlong verify`: compute a round's result again, from the service's proof or from a file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from furlong.client import verify as verifier
from furlong.client.cli.output import console, plain
from furlong.client.cli.session import EXIT_REFUSED, fail, session
from furlong.client.connection import Furlong
from furlong.common.v1.round_pb2 import Round
from google.protobuf.json_format import MessageToDict
from rich.text import Text

PHASES_WITH_PROOF = (Round.FINISHED, Round.SETTLED)


def verify(
    ctx: typer.Context,
    target: Annotated[
        str,
        typer.Argument(
            metavar="ROUND|TRACK", show_default=False, help="A round's id, or a track: its latest round that is over."
        ),
    ] = "",
    file: Annotated[Path | None, typer.Option(help="A proof as JSON, checked without asking anybody.")] = None,
    commitment: Annotated[
        str, typer.Option(metavar="HEX", help="The commitment that was shown while betting was open.")
    ] = "",
    ticket: Annotated[
        str, typer.Option(metavar="TICKET", help="A ticket's id: check its round, and that it was in the draw.")
    ] = "",
    ticket_file: Annotated[
        Path | None, typer.Option(help="The proof of a ticket as JSON, to go with --file.", show_default=False)
    ] = None,
) -> None:
    """Compute the result of a round again from its proof.

    The verifier itself is one file of plain Python, furlong/client/verify.py, that runs alone.

    Exit code 0: proven, 1: refuted, 2: error.
    """
    if bool(target) + (file is not None) + bool(ticket) != 1:
        raise typer.BadParameter("give a ROUND, a TRACK, a --ticket or a --file, one of them", param_hint="ROUND|TRACK")
    if ticket_file is not None and file is None:
        raise typer.BadParameter("it goes with the proof of its round in --file", param_hint="--ticket-file")
    published: Mapping[str, Any] | None = None
    ticket_proof: Mapping[str, Any] | None = None
    if file is not None:
        proof = _read(file)
        ticket_proof = _read(ticket_file) if ticket_file is not None else None
    elif ticket:
        proof, published, ticket_proof = session(ctx).run(lambda furlong: _ask_for_ticket(furlong, ticket))
    else:
        proof, published = session(ctx).run(lambda furlong: _ask(furlong, target))
    if commitment:
        published = {**(published or {}), "commitment": commitment.lower()}
    steps = verifier.verify(proof, published)
    if ticket_proof is not None and verifier.holds(steps):
        read = verifier.read_proof(proof)
        steps = (*steps, verifier.verify_ticket(ticket_proof, read.tickets_root, read.round_id, ticket))
    _print(steps, proof)
    if not verifier.holds(steps):
        raise typer.Exit(EXIT_REFUSED)


def _read(file: Path) -> Mapping[str, Any]:
    try:
        with file.open(encoding="utf-8") as content:
            return verifier.load(content.read(verifier.PROOF_BYTES_MAX + 1))
    except (OSError, ValueError) as error:
        fail(f"{file}: {error}")


async def _ask(furlong: Furlong, target: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Ask for the round as it was published, and for its proof, which has to agree with it."""
    round_ = await (furlong.rounds.get(int(target)) if target.isdecimal() else _latest_over(furlong, target))
    proof = await furlong.rounds.proof(round_.round_id)
    return (
        MessageToDict(proof, preserving_proto_field_name=True),
        MessageToDict(round_, preserving_proto_field_name=True),
    )


async def _ask_for_ticket(
    furlong: Furlong, ticket_id: str
) -> tuple[Mapping[str, Any], Mapping[str, Any], Mapping[str, Any]]:
    """Ask for a ticket's proof, and for its round as above."""
    ticket_proof = await furlong.tickets.proof(ticket_id)
    proof, published = await _ask(furlong, str(ticket_proof.round_id))
    return proof, published, MessageToDict(ticket_proof, preserving_proto_field_name=True)


async def _latest_over(furlong: Furlong, track: str) -> Round:
    page = await furlong.rounds.list(track)
    over = next((round_ for round_ in page.rounds if round_.phase in PHASES_WITH_PROOF), None)
    if over is None:
        fail(f"{plain(track)} has no round lately that was run to its end: name a ROUND, or wait for one")
    return over


def _print(steps: tuple[verifier.Step, ...], proof: Mapping[str, Any]) -> None:
    out = console()
    for step in steps:
        tick, style = ("✓", "green") if step.passed else ("✗", "bold red")
        out.print(Text.assemble((f"{tick} {step.name:<10}", style), " ", plain(step.detail)), soft_wrap=True)
    if verifier.holds(steps):
        out.print(Text.assemble(("proven", "bold green"), f"  note: {verifier.caveat(proof)}"), soft_wrap=True)
    else:
        out.print(Text("refuted", style="bold red"))
