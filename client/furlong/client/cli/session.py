"""What a command needs to talk to Furlong: where, as whom, and one way to end when that fails."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, TypeVar

import typer
from furlong.client.cli.failures import explain
from furlong.client.connection import Furlong, connect
from furlong.client.errors import FurlongError
from furlong.client.tracing import recorded

EXIT_REFUSED = 1
EXIT_ERROR = 2

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The options that every command shares."""

    gateway: str
    given_token: str
    data_dir: Path
    ca_file: Path | None = None

    def run(self, work: Callable[[Furlong], Awaitable[_T]], *, record: bool = True) -> _T:
        """Connect, do the work and give its answer; a failed call ends the command with one line that explains it.

        The services record what they do for it, so that what a person does by hand can always be looked at. A command
        that only looks on, for hours perhaps, asks them not to: `record` False.
        """
        with recorded() if record else nullcontext():
            try:
                return asyncio.run(self._connected(work))
            except FurlongError as error:
                fail(explain(error, self.gateway))

    async def _connected(self, work: Callable[[Furlong], Awaitable[_T]]) -> _T:
        async with self._connect() as furlong:
            return await work(furlong)

    def _connect(self) -> Furlong:
        try:
            return connect(self.gateway, token=self._token(), ca_file=self.ca_file)
        except ValueError as error:  # a file of authorities that is none, or one for clear text
            fail(str(error))

    def _token(self) -> str | None:
        if self.given_token:
            return self.given_token
        try:
            return (self.data_dir / "token").read_text(encoding="ascii").strip() or None
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            fail(f"the token file {self.data_dir / 'token'} cannot be read: {error}")


def session(ctx: typer.Context) -> Session:
    """Get the session that the application made for this command."""
    assert isinstance(ctx.obj, Session), "the application's callback makes the session"
    return ctx.obj


def fail(message: str) -> NoReturn:
    """End the command as an error, with one line on standard error."""
    typer.echo(f"furlong: {message}", err=True)
    raise typer.Exit(EXIT_ERROR)
