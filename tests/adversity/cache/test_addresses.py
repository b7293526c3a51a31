"""Ways to a Redis: a socket of this machine, a database of its own, and servers that are something else."""

import asyncio
from pathlib import Path

import pytest

from deploy.local.redis import RedisServer
from services.cache.adapters.redis import client
from services.cache.adapters.redis.client import RedisClient
from services.cache.ports import StoreDown


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "CALL_S", 5.0)


async def answer(url: str) -> object:
    connected = RedisClient(url)
    try:
        await connected.command("SET", "key", "value")
        return await connected.command("GET", "key")
    finally:
        await connected.close()


async def test_a_socket_and_a_database_lead_to_the_same_server(tmp_path: Path) -> None:
    socket = tmp_path / "socket"
    server = RedisServer(tmp_path / "redis", settings=(f"unixsocket {socket}",))
    server.start()
    try:
        password = (tmp_path / "redis" / "password").read_text()
        assert await answer(f"unix://:{password}@{socket}") == b"value"
        other = RedisClient(server.url.removesuffix("/0") + "/3")
        assert await other.command("GET", "key") is None
        await other.close()
        with pytest.raises(StoreDown, match="greeting"):
            await answer(server.url.replace(password, "wrong"))
    finally:
        server.stop()


@pytest.mark.parametrize(
    "says", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", b"+OK\r\n" * 99], ids=["web", "none", "parrot"]
)
async def test_a_server_that_is_something_else_counts_as_down(says: bytes) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(says)
        writer.close()

    stranger = await asyncio.start_server(greet, "127.0.0.1", 0)
    try:
        with pytest.raises(StoreDown):
            await answer(f"redis://127.0.0.1:{stranger.sockets[0].getsockname()[1]}")
    finally:
        stranger.close()
        await stranger.wait_closed()


async def test_an_address_that_nobody_has_counts_as_down() -> None:
    with pytest.raises(StoreDown):
        await answer("redis://nobody.invalid:6379")
