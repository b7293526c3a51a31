"""`furlong verify`: compute a round's result again, from the service's proof or from a file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from furlong.client import verify as verifier
from furlong.client.cli.output import console, plain
from furlong.client.cli.session import EXIT_REFUSED, fail, session
from furlong.client.connection import Furlong
from google.protobuf.json_format import MessageToDict
from rich.text import Text


def verify(
    ctx: typer.Context,
    round_id: Annotated[int | None, typer.Argument(metavar="ROUND", min=1, help="The round's id.")] = None,
    file: Annotated[Path | None, typer.Option(help="A proof as JSON, checked without asking anybody.")] = None,
    commitment: Annotated[
        str, typer.Option(metavar="HEX", help="The commitment that was shown while betting was open.")
    ] = "",
) -> None:
    """Compute the result of a round again from its proof.

    The verifier itself is one file of plain Python, furlong/client/verify.py, that runs alone.

    Exit code 0: proven, 1: refuted, 2: error.
    """
    if (round_id is None) == (file is None):
        raise typer.BadParameter("give a ROUND or a --file, one of them", param_hint="ROUND")
    published: Mapping[str, Any] | None = None
    if file is not None:
        proof = _read(file)
    else:
        proof, published = session(ctx).run(lambda furlong: _ask(furlong, round_id or 0))
    if commitment:
        published = {**(published or {}), "commitment": commitment.lower()}
    steps = verifier.verify(proof, published)
    _print(steps, proof)
    if not verifier.holds(steps):
        raise typer.Exit(EXIT_REFUSED)


def _read(file: Path) -> Mapping[str, Any]:
    try:
        with file.open(encoding="utf-8") as content:
            return verifier.load(content.read(verifier.PROOF_BYTES_MAX + 1))
    except (OSError, ValueError) as error:
        fail(f"{file}: {error}")


async def _ask(furlong: Furlong, round_id: int) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Ask for the proof, and for the round as it was published, which the proof has to agree with."""
    proof = await furlong.rounds.proof(round_id)
    round_ = await furlong.rounds.get(round_id)
    return (
        MessageToDict(proof, preserving_proto_field_name=True),
        MessageToDict(round_, preserving_proto_field_name=True),
    )


def _print(steps: tuple[verifier.Step, ...], proof: Mapping[str, Any]) -> None:
    out = console()
    for step in steps:
        tick, style = ("✓", "green") if step.passed else ("✗", "bold red")
        out.print(Text.assemble((f"{tick} {step.name:<10}", style), " ", plain(step.detail)), soft_wrap=True)
    if verifier.holds(steps):
        out.print(Text.assemble(("proven", "bold green"), f"  note: {verifier.caveat(proof)}"), soft_wrap=True)
    else:
        out.print(Text("refuted", style="bold red"))
