"""The physical limit of the live watch: a bare grpc.aio server that writes the same bytes to every stream.

It answers the path of RoundService/WatchRounds, so that the same watchers can be pointed at it, and sends each stream
its own request over and over, as fast as the stream takes it. Run apart, it prints its address and serves until its
standard input ends.
"""

import asyncio
import sys
from typing import Any

import grpc

SERVICE = "furlong.game.v1.RoundService"
METHOD = "WatchRounds"
STREAMS_PER_CONNECTION_MAX = 50_000
"""As many as game allows."""


async def _repeat(request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
    while True:
        await context.write(request)


async def serve() -> None:
    """Serve until standard input ends."""
    server = grpc.aio.server(
        options=[("grpc.so_reuseport", 0), ("grpc.max_concurrent_streams", STREAMS_PER_CONNECTION_MAX)]
    )
    handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {METHOD: grpc.unary_stream_rpc_method_handler(_repeat)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"127.0.0.1:{port}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(None)


if __name__ == "__main__":
    asyncio.run(serve())
