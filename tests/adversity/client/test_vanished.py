"""A server that vanishes without a word is noticed while a call is open."""

import asyncio
import signal
import sys

import grpc
import pytest
from furlong.client.channel import open_channel

from tests.loopback import PROBE_SERVICE, follow

SERVE = """
import threading
from concurrent.futures import ThreadPoolExecutor
import grpc

def follow(request, context):
    yield b"first"
    threading.Event().wait()

handlers = {"Follow": grpc.unary_stream_rpc_method_handler(follow)}
options = [("grpc.http2.max_ping_strikes", 0)]
server = grpc.server(ThreadPoolExecutor(1), options=options)
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("furlong.tests.v1.ProbeService", handlers),))
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(port, flush=True)
server.wait_for_termination()
"""


async def test_a_stream_of_a_frozen_server_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("furlong.client.channel.KEEPALIVE_MS", 200)
    monkeypatch.setattr("furlong.client.channel.KEEPALIVE_TIMEOUT_MS", 300)
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", SERVE, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        port = int(await process.stdout.readline())
        async with open_channel(f"127.0.0.1:{port}", services=[PROBE_SERVICE]) as channel:
            call = follow(channel)
            assert await call.read() == b"first"
            process.send_signal(signal.SIGSTOP)
            with pytest.raises(grpc.aio.AioRpcError) as ended:
                async with asyncio.timeout(10):
                    await call.read()
    finally:
        process.kill()
        await process.wait()

    assert ended.value.code() is grpc.StatusCode.UNAVAILABLE
