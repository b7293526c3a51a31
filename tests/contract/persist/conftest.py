"""persist over a real PostgreSQL, with a track that is open for betting."""

from collections.abc import AsyncIterator

import pytest

from tests.persisting import World, persisting
from tests.postgres import database_url, postgres

__all__ = ["database_url", "postgres", "world"]


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """A track under a lease, and persist to keep it."""
    async with persisting(database_url) as stubs:
        world = World(stubs, database_url)
        await world.found()
        yield world
        await world.check_books()
