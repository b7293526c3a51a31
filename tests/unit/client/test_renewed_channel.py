"""Calls go over the newest line, older ones stay for their calls, and there are never many."""

import asyncio
from typing import Any

import grpc
import pytest
from furlong.client import renewed_channel
from furlong.client.renewed_channel import OLDER_LINES_MAX, RenewedChannel
from furlong.client.tls import TlsFiles


class Call:
    def __init__(self) -> None:
        self.over = False

    def done(self) -> bool:
        return self.over


class Line:
    """Stands in for gRPC's channel."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.closed = False

    def unary_stream(self, *_: Any, **__: Any) -> Any:
        def call(*_: Any, **__: Any) -> Call:
            assert not self.closed, "nobody calls over a line that is closed"
            self.calls.append(Call())
            return self.calls[-1]

        return call

    async def close(self, grace: float | None = None) -> None:
        self.closed = True


class Files(TlsFiles):
    """Material that the test replaces."""

    def __init__(self) -> None:
        super().__init__()

    def recent(self) -> Any:
        return self._material

    def replace(self) -> None:
        self._material = self._read()


@pytest.fixture
def lines() -> list[Line]:
    return []


@pytest.fixture
def files() -> Files:
    return Files()


@pytest.fixture
def channel(files: Files, lines: list[Line], monkeypatch: pytest.MonkeyPatch) -> RenewedChannel:
    monkeypatch.setattr(renewed_channel, "DRAIN_LOOK_S", 0.001)

    def dial(_: grpc.ChannelCredentials) -> Any:
        lines.append(Line())
        return lines[-1]

    return RenewedChannel(files, dial)


async def closed(line: Line) -> None:
    async with asyncio.timeout(5):
        while not line.closed:  # noqa: ASYNC110 - it is looked at now and then
            await asyncio.sleep(0.001)


async def test_a_line_is_kept_until_files_change(channel: RenewedChannel, lines: list[Line]) -> None:
    method = channel.unary_stream("/a")
    for _ in range(3):
        method()
    assert [len(line.calls) for line in lines] == [3]
    await channel.close()


async def test_an_older_line_is_closed_when_its_last_call_is_done(
    channel: RenewedChannel, files: Files, lines: list[Line]
) -> None:
    method = channel.unary_stream("/a")
    first = method()
    files.replace()
    method()
    assert [len(line.calls) for line in lines] == [1, 1]
    await asyncio.sleep(0.02)
    assert not lines[0].closed
    first.over = True
    await closed(lines[0])
    assert not lines[1].closed
    await channel.close()
    assert lines[1].closed


async def test_the_oldest_of_too_many_lines_is_closed(channel: RenewedChannel, files: Files, lines: list[Line]) -> None:
    method = channel.unary_stream("/a")
    kept = [method()]
    for _ in range(OLDER_LINES_MAX + 1):
        files.replace()
        kept.append(method())
    await closed(lines[0])
    assert [line.closed for line in lines] == [True] + [False] * (OLDER_LINES_MAX + 1)
    await channel.close()
    assert all(line.closed for line in lines)
