"""A database with a whole life in it, and copies of it to look at or to break."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import pytest

from deploy.local.postgres import DATABASE, PostgresServer
from tests.contract.deploy.life import live
from tests.postgres import new_database, postgres, run_sql

__all__ = ["copy", "lived", "postgres"]

Copy: TypeAlias = Callable[[], Awaitable[str]]

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def lived(postgres: PostgresServer) -> str:
    """The address of a database in which rounds were settled, voided, corrected, and one is open."""

    async def make() -> str:
        url = await new_database(postgres)
        await live(url)
        return url

    return asyncio.run(make())


@pytest.fixture
def copy(postgres: PostgresServer, lived: str) -> Copy:
    """Makes a copy of that database; its address."""

    async def make() -> str:
        name = f"copy_{next(_numbers)}"
        await run_sql(postgres.url_of(DATABASE), f"CREATE DATABASE {name} TEMPLATE {lived.rpartition('/')[2]}")
        return postgres.url_of(name)

    return make
