"""Commands on the database end with a sentence and status 1 where it fails them."""

import sys
from collections.abc import Callable

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError

from services.persist import audit, command, migrate, partitions

COMMANDS: tuple[tuple[Callable[[], None], str, str], ...] = (
    (audit.main, "audit", "verify"),
    (migrate.main, "migrate", "up"),
    (migrate.main, "migrate", "current"),
    (partitions.main, "partitions", "list"),
)
ADDRESSES = (
    ("", "DATABASE_URL is not set; it must be an address like postgresql://"),
    ("here", "DATABASE_URL must be an address like postgresql://"),
    ("postgresql://nobody@127.0.0.1:here/nowhere", "DATABASE_URL names a port that is no number from 1 to 65535"),
    ("postgresql://nobody@127.0.0.1:1/nowhere", "the database of DATABASE_URL does not answer: ConnectionRefusedError"),
)


@pytest.mark.parametrize(
    ("database_url", "sentence"), ADDRESSES, ids=["missing", "no address", "no port", "nobody there"]
)
@pytest.mark.parametrize(("main", "name", "what"), COMMANDS, ids=[f"{name} {what}" for _, name, what in COMMANDS])
def test_a_database_that_is_not_there_is_told_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, main: Callable[[], None], name: str, what: str, database_url: str, sentence: str
) -> None:
    monkeypatch.setattr(sys, "argv", [name, what])
    monkeypatch.setenv("DATABASE_URL", database_url)
    with pytest.raises(SystemExit, match=sentence):
        main()


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (TimeoutError(), "the database of DATABASE_URL does not answer: TimeoutError()"),
        (asyncpg.InvalidCatalogNameError("no database x"), "as it was: no database x"),
        (DBAPIError("SELECT 1", None, Exception("a lock")), "as it was: (builtins.Exception) a lock"),
    ],
    ids=["time-out", "refused", "refused in a migration"],
)
def test_what_fails_meanwhile_is_told_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, error: Exception, sentence: str
) -> None:
    async def work(_: str) -> None:
        raise error

    monkeypatch.setenv("DATABASE_URL", command.EXAMPLE)
    with pytest.raises(SystemExit) as ended:
        command.run(work, if_refused="as it was")
    assert str(ended.value.code).startswith(sentence)


def test_a_defect_is_not_told_as_the_databases_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(_: str) -> None:
        raise ValueError("a defect")

    monkeypatch.setenv("DATABASE_URL", command.EXAMPLE)
    with pytest.raises(ValueError, match="a defect"):
        command.run(work)
