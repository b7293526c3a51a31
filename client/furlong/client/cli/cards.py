"""`furlong cards import|generate`: bring race cards to a track, from a CSV file or invented ones."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from furlong.client import cards as card_files
from furlong.client.card_generator import generate
from furlong.client.cli.session import EXIT_REFUSED, fail, session
from furlong.client.connection import Furlong
from furlong.client.errors import FurlongError, OutcomeUnknown
from furlong.game.v1.track_service_pb2 import ImportRaceCardsResponse
from rich.console import Console
from rich.progress import Progress

app = typer.Typer(help="Bring race cards to a track.", no_args_is_help=True)


@app.command("import")
def import_cards(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV in the format of docs/race-cards.md.")],
    track: Annotated[str, typer.Option(metavar="TRACK", help="The track that will run the races.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and check the file only.")] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse the file if a runner is withdrawn, in place of leaving it out.")
    ] = False,
) -> None:
    """Import race cards from a CSV file.

    A file with a mistake is refused as a whole, each mistake named by line and column. Withdrawn runners are left
    out and named. A card that the track already has, by name, is replaced, so an import can be repeated.

    Exit code 0: imported, 1: the file is refused, 2: error.
    """
    read = _read(file)
    _tell(file, read.withdrawn)
    if strict and read.withdrawn:
        _refuse(file, f"{len(read.withdrawn)} withdrawn runners")
    if dry_run:
        _tell(file, read.notes)
        typer.echo(f"{_summary(read)}; nothing was sent")
        return
    _import(ctx, file, read, track)


@app.command("generate")
def generate_cards(
    ctx: typer.Context,
    seed: Annotated[str, typer.Option(metavar="TEXT", help="The same seed makes the same races.")],
    races: Annotated[int, typer.Option(min=1, max=card_files.RACE_NUMBER_MAX, help="How many races.")] = 12,
    runners: Annotated[
        int | None,
        typer.Option(
            min=card_files.RUNNERS_MIN,
            max=card_files.RUNNER_NUMBER_MAX,
            help="Runners of each race.",
            show_default="as many as real ones",
        ),
    ] = None,
    venue: Annotated[str, typer.Option(help="Where they are run.", show_default="drawn from the seed")] = "",
    date: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Their day.", show_default="drawn from the seed")
    ] = None,
    track: Annotated[
        str, typer.Option(metavar="TRACK", help="Import them to this track.", show_default="print them")
    ] = "",
) -> None:
    """Make invented races that look like a real market, and print them as a CSV file or import them to a track.

    The same seed and options make the same races on every machine. Printed, they can be looked at, changed and
    imported with `furlong cards import`.

    Exit code 0: done, 2: error.
    """
    text = generate(seed, races, runners=runners or 0, venue=venue, date=date.date() if date else None)
    if not track:
        typer.echo(text, nl=False)
        return
    source = Path(f"seed {seed}")
    try:
        read = card_files.read_cards(text.encode())
    except card_files.CardFileRefused as refused:  # a venue that cannot be printed, or is too long
        fail(str(refused))
    _import(ctx, source, read, track)


def _import(ctx: typer.Context, source: Path, read: card_files.CardFile, track: str) -> None:
    """Leave out what cannot be priced at the track's return, send the rest and say what came of it."""
    return_bps = session(ctx).run(lambda furlong: furlong.tracks.get(track)).return_bps
    priced = card_files.priceable(read, return_bps)
    _tell(source, priced.notes)
    if not priced.cards:
        _refuse(source, "races without prices")
    stored = session(ctx).run(lambda furlong: _send(furlong, track, priced))
    typer.echo(f"{_summary(priced)}; {track}: {stored.cards_added} cards added, {stored.cards_replaced} replaced")


def _summary(read: card_files.CardFile) -> str:
    runners = sum(len(card.runners) for card in read.cards)
    return f"{len(read.cards)} races with {runners} runners, {len(read.withdrawn)} withdrawn runners left out"


def _tell(file: Path, findings: Sequence[card_files.Finding]) -> None:
    for finding in findings:
        typer.echo(f"{file}: {finding}", err=True)


async def _send(furlong: Furlong, track: str, read: card_files.CardFile) -> ImportRaceCardsResponse:
    stored = ImportRaceCardsResponse()
    with Progress(console=Console(stderr=True), transient=True, disable=not Console(stderr=True).is_terminal) as bar:
        task = bar.add_task(f"cards to {track}", total=len(read.cards))
        for batch in card_files.batches(track, read.cards):
            try:
                answer = await furlong.tracks.import_race_cards(track, batch)
            except OutcomeUnknown as error:
                fail(f"it is not known whether all cards arrived ({error}): import again, which is safe")
            except FurlongError:
                done = stored.cards_added + stored.cards_replaced
                typer.echo(f"{done} of {len(read.cards)} cards are in; importing again is safe", err=True)
                raise
            stored.cards_added += answer.cards_added
            stored.cards_replaced += answer.cards_replaced
            bar.advance(task, len(batch))
    return stored


def _read(file: Path) -> card_files.CardFile:
    try:
        with file.open("rb") as content:
            return card_files.read_cards(content.read(card_files.FILE_BYTES_MAX + 1))
    except OSError as error:
        fail(f"{file}: {error.strerror}")
    except card_files.CardFileRefused as refused:
        for problem in refused.problems:
            typer.echo(f"{file}: {problem}", err=True)
        more = " or more" if len(refused.problems) == card_files.PROBLEMS_MAX else ""
        _refuse(file, f"{len(refused.problems)}{more} mistakes" if len(refused.problems) > 1 else "1 mistake")


def _refuse(file: Path, why: str) -> NoReturn:
    typer.echo(f"furlong: {file} is refused for {why}: nothing was imported", err=True)
    raise typer.Exit(EXIT_REFUSED)
