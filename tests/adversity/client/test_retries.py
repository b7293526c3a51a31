"""Retries do their work: what the server saw, counted."""

import asyncio

import grpc
import pytest
from furlong.client import open_channel
from furlong.client.policy import ATTEMPTS_MAX, RETRY_TOKENS_MAX, policies, service_config

from tests.loopback import KEEP, PROBE_SERVICE, READ, WRITE, Script, ask, probe_service, serving

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("method", [READ, KEEP])
async def test_a_server_that_is_unavailable_twice_is_retried_and_answers_within_the_deadline(method: str) -> None:
    script = Script(UNAVAILABLE, UNAVAILABLE, b"done")
    async with (
        serving(probe_service({method: script.answer})) as server,
        open_channel(server.target, services=[PROBE_SERVICE]) as channel,
    ):
        assert await ask(channel, method) == b"done"
    assert script.calls == ATTEMPTS_MAX
    assert script.attempts_before == [None, "1", "2"]


async def test_a_write_without_request_id_is_never_retried() -> None:
    script = Script(UNAVAILABLE, b"done")
    async with (
        serving(probe_service({WRITE: script.answer})) as server,
        open_channel(server.target, services=[PROBE_SERVICE]) as channel,
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await ask(channel, WRITE)
    assert caught.value.code() is UNAVAILABLE
    assert script.calls == 1


@pytest.mark.parametrize(
    "code",
    [code for code in grpc.StatusCode if code not in (UNAVAILABLE, grpc.StatusCode.OK)],
    ids=lambda code: code.name,
)
async def test_no_other_status_is_retried(code: grpc.StatusCode) -> None:
    script = Script(code, b"done")
    async with (
        serving(probe_service({READ: script.answer})) as server,
        open_channel(server.target, services=[PROBE_SERVICE]) as channel,
    ):
        with pytest.raises(grpc.aio.AioRpcError):
            await ask(channel, READ)
    assert script.calls == 1


async def test_retries_end_with_the_deadline() -> None:
    script = Script(UNAVAILABLE)
    async with (
        serving(probe_service({READ: script.answer})) as server,
        open_channel(server.target, services=[PROBE_SERVICE]) as channel,
    ):
        while not script.calls:  # on a busy machine the time may be over before the call arrives
            with pytest.raises(grpc.aio.AioRpcError):
                await ask(channel, READ, timeout=0.02)
            await asyncio.sleep(0.2)  # longer than the wait before the second attempt
    assert script.calls == 1


async def test_retries_stop_when_nearly_every_call_fails() -> None:
    script = Script(UNAVAILABLE)
    config = service_config(policies([PROBE_SERVICE]).values())
    calls = RETRY_TOKENS_MAX
    async with (
        serving(probe_service({READ: script.answer})) as server,
        grpc.aio.insecure_channel(  # without the breaker, which would be faster still
            server.target, options=[("grpc.service_config", config), ("grpc.use_local_subchannel_pool", 1)]
        ) as channel,
    ):
        await asyncio.gather(*(ask(channel, READ) for _ in range(calls)), return_exceptions=True)
        seen_before = script.calls
        await asyncio.gather(*(ask(channel, READ) for _ in range(10)), return_exceptions=True)
    assert seen_before < calls * ATTEMPTS_MAX
    assert script.calls - seen_before == 10
