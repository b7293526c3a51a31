"""The physical limit of a unary call: a bare grpc.aio server that sends the very bytes back that it was sent.

It answers the path of TicketService/PlaceTickets, so that the same load generator can be pointed at it. Run apart, it
prints its address and serves until its standard input ends.
"""

import asyncio
import sys
from typing import Any

import grpc

SERVICE = "furlong.game.v1.TicketService"
METHOD = "PlaceTickets"


async def _echo(request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
    return request


async def serve() -> None:
    """Serve until standard input ends."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {METHOD: grpc.unary_unary_rpc_method_handler(_echo)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"127.0.0.1:{port}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(None)


if __name__ == "__main__":
    asyncio.run(serve())
