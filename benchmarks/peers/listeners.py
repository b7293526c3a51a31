"""Listeners of the ticking peer in a process of their own: as many WebSocket connections, which only count messages.

Run apart it reads `Listen` and prints `Heard`.
"""

import asyncio
import json
import os
import sys
import time
from base64 import b64encode
from dataclasses import asdict, dataclass

from benchmarks.apart import run_apart
from benchmarks.cpu import cpu_s

OPENING_TIMEOUT_S = 120.0
OPENING_AT_ONCE = 50
HEAD_ENDS = b"\r\n\r\n"
SWITCHED = b"HTTP/1.1 101 "
LENGTH_MASK = 0x7F
LENGTH_IN_2_BYTES = 126
LENGTH_IN_8_BYTES = 127


class ListenerEnded(RuntimeError):
    """A connection was refused or lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """Where to listen, with how many connections, and for how long: `seconds` after all are there and `warmup_s`.

    `server_pid` is whose processor time is counted.
    """

    address: str
    server_pid: int
    listeners: int
    warmup_s: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What came in the measured time, and the server's processor time."""

    connected: int
    seconds: float
    messages: int
    cpu_s: float

    @property
    def cpu_ms_per_watcher_minute(self) -> float:
        """Milliseconds of the server's processor time that one listener cost in a minute."""
        return self.cpu_s * 1_000 / self.connected / (self.seconds / 60)


async def run(listen: Listen) -> Heard:
    """Listen from a process of its own. Raises `ApartFailed`."""
    return Heard(**await run_apart("benchmarks.peers.listeners", asdict(listen)))


class MessageCounter:
    """Counts the frames that a WebSocket server sends, and keeps nothing of them but a header cut in two."""

    def __init__(self) -> None:
        self._cut = b""
        self._payload_left = 0

    def feed(self, data: bytes) -> int:
        """How many frames came to their end with these bytes."""
        data, at, ended = self._cut + data, 0, 0
        while (header := self._header(data, at)) is not None:
            at, self._payload_left = header
            taken = min(self._payload_left, len(data) - at)
            at += taken
            self._payload_left -= taken
            if self._payload_left:
                break
            ended += 1
        self._cut = data[at:]
        return ended

    def _header(self, data: bytes, at: int) -> tuple[int, int] | None:
        """Where the payload begins and how long it is (still); None while the header is not whole."""
        if self._payload_left:
            return (at, self._payload_left) if at < len(data) else None
        if len(data) < at + 2:
            return None
        length = data[at + 1] & LENGTH_MASK
        wide = {LENGTH_IN_2_BYTES: 2, LENGTH_IN_8_BYTES: 8}.get(length, 0)
        begins = at + 2 + wide
        if len(data) < begins:
            return None
        return begins, int.from_bytes(data[at + 2 : begins], "big") if wide else length


class Listener(asyncio.Protocol):
    """One connection. `opened` is done when the server has switched to WebSocket."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._head = b""
        self._counter = MessageCounter()
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.lost = False
        self.messages = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the switch."""
        assert isinstance(transport, asyncio.WriteTransport)
        key = b64encode(os.urandom(16)).decode()
        lines = [
            "GET / HTTP/1.1",
            f"Host: {self._host}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
        ]
        transport.write("\r\n".join(lines).encode() + HEAD_ENDS)

    def data_received(self, data: bytes) -> None:
        """Count what comes after the head."""
        if self.opened.done():
            self.messages += self._counter.feed(data)
            return
        head, ends, rest = (self._head + data).partition(HEAD_ENDS)
        if not ends:
            self._head = head
        elif not head.startswith(SWITCHED):
            self.opened.set_exception(ListenerEnded("the server did not switch to WebSocket"))
        else:
            self.opened.set_result(None)
            self.messages += self._counter.feed(rest)

    def connection_lost(self, exc: Exception | None) -> None:
        """Remember it: a measurement with fewer listeners would be another one."""
        self.lost = True
        if not self.opened.done():
            self.opened.set_exception(ListenerEnded("the connection was lost before the switch"))


async def _listen(listen: Listen) -> Heard:
    opening = asyncio.Semaphore(OPENING_AT_ONCE)
    host, _, port = listen.address.rpartition(":")

    async def open_one() -> tuple[asyncio.Transport, Listener]:
        async with opening:
            made = await asyncio.get_running_loop().create_connection(lambda: Listener(listen.address), host, int(port))
            await made[1].opened
            return made

    async with asyncio.timeout(OPENING_TIMEOUT_S):
        made = await asyncio.gather(*(open_one() for _ in range(listen.listeners)))
    listeners = [listener for _, listener in made]
    await asyncio.sleep(listen.warmup_s)
    begun_s, messages, used_s = time.perf_counter(), _messages(listeners), cpu_s(listen.server_pid)
    await asyncio.sleep(listen.seconds)
    heard = Heard(
        connected=len(listeners),
        seconds=time.perf_counter() - begun_s,
        messages=_messages(listeners) - messages,
        cpu_s=cpu_s(listen.server_pid) - used_s,
    )
    if any(listener.lost for listener in listeners):
        raise ListenerEnded("a connection was lost while it listened")
    for transport, _ in made:
        transport.abort()
    return heard


def _messages(listeners: list[Listener]) -> int:
    return sum(listener.messages for listener in listeners)


if __name__ == "__main__":
    print(json.dumps(asdict(asyncio.run(_listen(Listen(**json.load(sys.stdin)))))))
