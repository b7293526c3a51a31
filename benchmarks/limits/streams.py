"""The physical limit of the live watch: a bare grpc.aio server that writes the same bytes to every stream.

It answers the path of RoundService/WatchRounds, so that the same watchers can be pointed at it, and sends each stream
its own request over and over, as fast as the stream takes it. Several frames of one stream then go out together, which
a live watch cannot do, so `PACED_METHOD` sends one to each stream at every beat, as a fan-out does; a stream that is
late leaves beats out. Either begins with one frame, and goes on when nobody has come for `QUIET_S`: a flood to those
who are there would keep out those who still come. Run apart, it prints its address and serves until its standard input
ends.
"""

import asyncio
import sys
from typing import Any

import grpc

SERVICE = "furlong.game.v1.RoundService"
METHOD = "WatchRounds"
PACED_METHOD = "WatchRoundsPaced"
BEAT_S = 0.1
"""As often as a watcher may ask game for a TICK."""
QUIET_S = 1.0
STREAMS_PER_CONNECTION_MAX = 50_000
"""As many as game allows."""


class Door:
    """Where streams come in, and wait for each other."""

    def __init__(self) -> None:
        self._quiet = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    async def enter(self, request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
        """Write the first frame, and wait until nobody comes any more."""
        if self._timer is not None:
            self._timer.cancel()
        self._quiet.clear()
        self._timer = asyncio.get_running_loop().call_later(QUIET_S, self._quiet.set)
        await context.write(request)
        await self._quiet.wait()

    async def flood(self, request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
        """Write over and over."""
        await self.enter(request, context)
        while True:
            await context.write(request)


class Beat:
    """One beat for all streams."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._number = 0
        self._next = asyncio.Event()

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            await asyncio.sleep(BEAT_S)
            beaten, self._next = self._next, asyncio.Event()
            self._number += 1
            beaten.set()

    async def repeat(self, request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
        """Write once a beat."""
        await self._door.enter(request, context)
        written = self._number
        while True:
            if written == self._number:
                await self._next.wait()
            written = self._number
            await context.write(request)


async def serve() -> None:
    """Serve until standard input ends."""
    server = grpc.aio.server(
        options=[("grpc.so_reuseport", 0), ("grpc.max_concurrent_streams", STREAMS_PER_CONNECTION_MAX)]
    )
    door = Door()
    beat = Beat(door)
    handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        METHOD: grpc.unary_stream_rpc_method_handler(door.flood),
        PACED_METHOD: grpc.unary_stream_rpc_method_handler(beat.repeat),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    beating = asyncio.create_task(beat.run())
    print(f"127.0.0.1:{port}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    beating.cancel()
    await server.stop(None)


if __name__ == "__main__":
    asyncio.run(serve())
